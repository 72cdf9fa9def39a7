"""Learning rates as a function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from archloom.train._recipe import Recipe

# as in torch.optim.lr_scheduler.OneCycleLR: start at 1/25, end at 1/25 of a ten thousandth
_START = 1 / 25
_END = _START / 1e4


def lr_factor(recipe: Recipe, step: float, steps: int) -> float:
    """Give the learning rate at `step` (from 0) of `steps` as a share of the peak.

    Under a clock steps are not whole: the share of the time that is used tells where one is.

    >>> recipe = Recipe(schedule="cosine")
    >>> [round(lr_factor(recipe, step, 4), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    if recipe.schedule == "onecycle":
        return _one_cycle(step, steps, recipe.rise)
    rise = recipe.rise * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    done = (step - rise) / max(steps - rise, 1)
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    if recipe.schedule == "step":
        return 0.1 ** ((done >= 0.5) + (done >= 0.75))
    return 1.0


def _one_cycle(step: float, steps: int, rise: float) -> float:
    top = rise * steps - 1
    if step <= top:
        return _between(_START, 1.0, step / top if top else 1.0)
    left = (steps - 1) - max(top, 0)
    return _between(1.0, _END, (step - max(top, 0)) / left if left else 0.0)


def _between(start: float, end: float, share: float) -> float:
    """Anneal along a half cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
