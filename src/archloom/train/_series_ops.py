"""Change series (N, C, L), whose channels of ones and zeros that say what was observed stay so."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archloom.train._augment import gathered, reach
from archloom.train._draws import Draws

# at full strength
_JITTER = 0.3  # standard deviations of the channel
_SCALE = 0.4
_MASK = 0.5  # of the length
_DROP = 0.4  # chance of a channel

LATE = ("jitter", "scale")


def early(series: Tensor, draws: Draws, fill: Tensor, masks: Sequence[int]) -> Tensor:
    """Move series in time and leave parts out: before normalisation, where missing values are 0.

    `fill` holds for each channel what stands for nothing.
    """
    if "time_shift" in draws.ops:
        series = _moved(series, draws, fill, masks)
    gone = torch.zeros(len(series), 1, series.shape[2], dtype=torch.bool)
    if "time_mask" in draws.ops:
        gone = gone | _span(series.shape[2], draws)[:, None]
    if "channel_drop" in draws.ops:
        gone = gone | _dropped(series.shape[1], draws, masks)[:, :, None]
    if not {"time_mask", "channel_drop"} & set(draws.ops):
        return series
    value = fill.to(series.device, series.dtype)[None, :, None]
    return torch.where(gone.to(series.device), value, series)


def late(series: Tensor, draws: Draws, seen: Tensor | None) -> Tensor:
    """Stretch values and add noise, where `seen` is not 0; it is None where all was observed."""
    change = torch.zeros_like(series)
    if "scale" in draws.ops:
        factor = (draws.signed("scale") * _SCALE)[:, None, None]
        change = change + series * factor.to(series.device, series.dtype)
    if "jitter" in draws.ops:
        width = (draws.positive("jitter") * _JITTER)[:, None, None]
        noise = width * draws.normal(*series.shape[1:])
        change = change + noise.to(series.device, series.dtype)
    return series + (change if seen is None else change * seen)


def observed(series: Tensor, masks: Sequence[int]) -> Tensor | None:
    """Give, for series as they are stored, 1 where values were observed and 0 elsewhere.

    The masks repeat over the other channels in turn; they themselves count as not observed.
    """
    if not masks:
        return None
    seen = torch.zeros(series.shape, dtype=torch.float32, device=series.device)
    for channel, mask in _owners(series.shape[1], masks).items():
        seen[:, channel] = (series[:, mask] != 0).float()
    return seen


def _owners(channels: int, masks: Sequence[int]) -> dict[int, int]:
    """Say which mask belongs to each channel that is no mask itself."""
    values = [channel for channel in range(channels) if channel not in masks]
    return {channel: masks[place % len(masks)] for place, channel in enumerate(values)}


def _moved(series: Tensor, draws: Draws, fill: Tensor, masks: Sequence[int]) -> Tensor:
    length = series.shape[2]
    steps = draws.steps("time_shift", reach(length, draws.strength))
    index = torch.arange(length) + steps[:, None]
    series = gathered(series, index.clamp(0, length - 1))
    if not masks:
        return series
    outside = ((index < 0) | (index >= length))[:, None].to(series.device)
    return torch.where(outside, fill.to(series.device, series.dtype)[None, :, None], series)


def _span(length: int, draws: Draws) -> Tensor:
    size = draws.positive("time_mask") * _MASK * length
    start = draws.uniform() * (length - size)
    at = torch.arange(length)
    return (at >= start[:, None]) & (at < (start + size)[:, None])


def _dropped(channels: int, draws: Draws, masks: Sequence[int]) -> Tensor:
    """Draw the channels that go, each with what shares its mask; one at least stays."""
    owners = _owners(channels, masks) if masks else {}
    if len(masks) > 1:
        group = [owners.get(channel, channel) for channel in range(channels)]
    else:  # a single mask tells the length, and stays
        group = list(range(channels))
    names = sorted({name for channel, name in enumerate(group) if channel in owners or not masks})
    keys = torch.rand(draws.count, len(names), generator=draws.generator)
    gone = (keys < draws.strength * _DROP) & (keys < keys.max(1, keepdim=True).values)
    which = draws.on("channel_drop")
    if which is not None:
        gone = gone & which[:, None]
    never = torch.zeros(draws.count, 1, dtype=torch.bool)
    places = [names.index(name) if name in names else len(names) for name in group]
    return torch.cat([gone, never], 1)[:, places]
