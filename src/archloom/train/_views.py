"""Views: the same images mirrored or moved by a pixel, whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import ConfigError, did_you_mean
from archloom.task import Mixed, Target

PLAIN: Final = "plain"

_MIRRORS = {"flip": -1, "vflip": -2, "dflip": -3}
_STEPS = {"left": (-1, 1), "right": (-1, -1), "up": (-2, 1), "down": (-2, -1)}
_IMAGE_AXES = 4  # samples, channels and two axes; volumes have one more
_SMALLEST = 1e-12


def allowed_views(ops: Sequence[str]) -> tuple[str, ...]:
    """Give the views that the augmentations of a task allow, the plain one first.

    >>> allowed_views(("flip", "shift"))
    ('plain', 'left', 'right', 'up', 'down', 'flip', 'flip left', 'flip right', 'flip up', ...)
    """
    moved = [PLAIN, *(_STEPS if "shift" in ops else ())]
    mirrored = [op for op in _MIRRORS if op in ops]
    return (*moved, *(_joined(op, step) for op in mirrored for step in moved))


def check_views(views: Sequence[str]) -> None:
    """Raise `ConfigError` unless each view is known, and there is one at least."""
    known = (PLAIN, *_MIRRORS, *_STEPS)
    if isinstance(views, str) or not views:
        raise ConfigError(f"views is a list of views such as {[PLAIN, 'flip']}, got {views!r}.")
    for view in views:
        for step in view.split() or [view]:
            if step not in known:
                raise ConfigError(f"There is no view {step!r}: {did_you_mean(step, known)}.")


def seen(images: Tensor, view: str) -> Tensor:
    """Give images or volumes as a view shows them; other tensors as they are."""
    if images.ndim < _IMAGE_AXES:
        return images
    for step in view.split():
        if step in _MIRRORS and -_MIRRORS[step] <= images.ndim - 2:
            images = images.flip(_MIRRORS[step])
        elif step in _STEPS:
            images = _moved(images, *_STEPS[step])
    return images


def mean_outputs(outputs: Sequence[Tensor], target: Target) -> Tensor:
    """Give outputs that finish as the mean of what each of these finishes as.

    For classes that is the logarithm of the mean probability, for labels the logit of it, for
    numbers the mean.

    >>> from archloom.task import Classes
    >>> mean = mean_outputs([torch.zeros(1, 2), torch.tensor([[0.0, 100.0]])], Classes(("a", "b")))
    >>> mean.softmax(1)
    tensor([[0.2500, 0.7500]])
    """
    if isinstance(target, Mixed):
        pieces = [target.split(one) for one in outputs]
        parts = target.parts.items()
        return torch.cat([mean_outputs([p[name] for p in pieces], part) for name, part in parts], 1)
    stacked = torch.stack(list(outputs))
    if target.kind == "classes":
        mean: Tensor = stacked.softmax(2).mean(0).clamp_min(_SMALLEST).log()
        return mean
    if target.kind == "labels":
        logs = functional.logsigmoid
        return logs(stacked).exp().mean(0).clamp_min(_SMALLEST).log() - (
            logs(-stacked).exp().mean(0).clamp_min(_SMALLEST).log()
        )
    return stacked.mean(0)


def _joined(mirror: str, step: str) -> str:
    return mirror if step == PLAIN else f"{mirror} {step}"


def _moved(images: Tensor, axis: int, by: int) -> Tensor:
    """Move by one pixel, the border being repeated."""
    length = images.shape[axis]
    index = (torch.arange(length, device=images.device) + by).clamp_(0, length - 1)
    return images.index_select(axis, index)
