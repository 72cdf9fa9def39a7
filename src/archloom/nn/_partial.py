"""Partial channels: a weighted choice that runs on one channel in K (PC-DARTS).

PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, arXiv:1907.05737,
section 3.2: the first 1/K of the channels goes through the options, the others go past them, and
all are shuffled, so that the next choice meets other channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import ConfigError

if TYPE_CHECKING:
    from archloom.nn._mixed import Mixed

_MAX_POOLS = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)


def partially(
    mixed: Mixed, names: Sequence[str], weights: Sequence[Tensor], args: Any, kwargs: Any
) -> Tensor:
    """Give the weighted sum for the first channels, joined and shuffled with the others.

    Raises:
        ConfigError: when the channels cannot be divided, or the options change their number.
    """
    number = mixed.routing.partial
    x, rest = _split(mixed.label, number, args, kwargs)
    with mixed.routing.divided(number):
        run = mixed.blend(names, weights, (x,), {})
    if not isinstance(run, Tensor) or run.dim() != x.dim() or run.shape[1] != x.shape[1]:
        raise ConfigError(
            f"Partial channels need options that keep the number of channels, but those of "
            f"{mixed.label!r} do not: pin it, or search without partial channels."
        )
    return _shuffled(torch.cat([run, _passed(mixed.label, run, rest)], 1), number)


def _split(label: str, number: int, args: Any, kwargs: Any) -> tuple[Tensor, Tensor]:
    x = args[0] if len(args) == 1 and not kwargs else None
    if not isinstance(x, Tensor) or x.dim() < 2 or x.shape[1] % number:
        told = tuple(x.shape) if isinstance(x, Tensor) else "something else"
        raise ConfigError(
            f"Partial channels (1 in {number}) need one input whose channels can be divided by "
            f"{number}, but {label!r} gets {told}: take another width or another K."
        )
    channels = x.shape[1] // number
    return x[:, :channels], x[:, channels:]


def _passed(label: str, run: Tensor, rest: Tensor) -> Tensor:
    """Give the channels that go past the options, halved where the options halve the map."""
    before, after = rest.shape[2:], run.shape[2:]
    if before == after:
        return rest
    if 0 < len(before) <= len(_MAX_POOLS) and all(
        there in (here // 2, -(-here // 2)) for here, there in zip(before, after, strict=True)
    ):
        ceil = any(there > here // 2 for here, there in zip(before, after, strict=True))
        return _MAX_POOLS[len(before) - 1](rest, 2, 2, ceil_mode=ceil)
    raise ConfigError(
        f"Partial channels need options that keep the map or halve it, but those of {label!r} "
        f"turn {tuple(before)} into {tuple(after)}: pin it, or search without partial channels."
    )


def _shuffled(x: Tensor, groups: int) -> Tensor:
    if x.dim() > 2:
        # Slower than the line below, but what it gives stays in channels_last, if that is used.
        return functional.channel_shuffle(x, groups)
    return torch.stack(x.chunk(groups, 1), 2).flatten(1, 2)
