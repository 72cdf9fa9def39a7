"""Chances: from the log-odds of options to probabilities, drawn and derived architectures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError
from archloom.oneshot._slots import Slot, Slots
from archloom.oneshot._subsets import draw_places, inclusion
from archloom.space import Choice

Keep: TypeAlias = Literal["auto", "always", "never"]
"""Whether "none" may be derived. "auto": not where the layer belongs to an input of a subset
(a DARTS cell, where not choosing the input says the same), elsewhere yes (NAS-Bench-201)."""

KEEPS: Final = ("auto", "always", "never")


def check_keep(none: object) -> None:
    """Raise `ConfigError` unless `none` is one of the ways to treat "none" when deriving."""
    if none not in KEEPS:
        raise ConfigError(f"none must be one of {', '.join(KEEPS)}, got {none!r}.")


def with_edges(
    slots: Slots, log_odds: Mapping[str, Tensor], priors: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Add the log-odds of the subsets whose inputs are compared by their operations.

    An input is as strong as the likeliest operation that it opens, "none" left aside
    (DARTS, arXiv 1806.09055, section 2.4); where the number of inputs is open, in comparison to
    its "none". Log-odds of the inputs themselves in `priors` (PC-DARTS) are added.
    """
    full = dict(log_odds)
    for label, slot in slots.open.items():
        if slot.how == "edges":
            strengths = [_log_strength(slots, slot, names, log_odds) for names in slot.operations]
            full[label] = torch.stack(_on_one_device(strengths))
            if priors and label in priors:
                full[label] = full[label] + priors[label]
    return full


def probabilities(slots: Slots, log_odds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the chance of each option, from the log-odds of all open labels."""
    return {
        label: log_odds[label].softmax(0)
        if slot.how == "one"
        else inclusion(log_odds[label], slot.low, slot.high)
        for label, slot in slots.open.items()
    }


def draw(slots: Slots, log_odds: Mapping[str, Tensor], rng: np.random.Generator) -> Architecture:
    """Draw an architecture, parents first, from the log-odds of all open labels."""

    def choose(choice: Choice) -> Value:
        label = choice.label
        if label in slots.single:
            return slots.single[label]
        slot = slots.open[label]
        odds = log_odds[label].detach().tolist()
        return slot.value(draw_places(odds, slot.low, slot.high, rng))

    return slots.space.complete({}, choose)


def derive(slots: Slots, chances: Mapping[str, Tensor], none: Keep = "auto") -> Architecture:
    """Give the architecture of the likeliest options, only of labels that are then active.

    A subset keeps its likeliest inputs; where their number is open, as many as are expected.
    """

    def choose(choice: Choice) -> Value:
        label = choice.label
        if label in slots.single:
            return slots.single[label]
        slot = slots.open[label]
        likely = chances[label].detach().tolist()
        return slot.value(_best(slot, likely, _dropped(none, label in slots.inner)))

    return slots.space.complete({}, choose)


def _dropped(none: Keep, inside: bool) -> bool:
    return none == "never" or (none == "auto" and inside)


def _best(slot: Slot, likely: list[float], dropped: bool) -> tuple[int, ...]:
    if slot.how == "one":
        places = slot.somethings if dropped else range(len(likely))
        return (max(places, key=lambda place: likely[place]),)
    number = min(max(round(sum(likely)), slot.low), slot.high)
    ranked = sorted(range(len(likely)), key=lambda place: -likely[place])
    return tuple(sorted(ranked[:number]))


def _log_strength(
    slots: Slots, edge: Slot, names: tuple[str, ...], log_odds: Mapping[str, Tensor]
) -> Tensor:
    strengths = [
        _strength(slots.open[name], log_odds[name], edge.low < edge.high)
        for name in names
        if name in slots.open
    ]
    if not strengths:  # every operation of this input is the only one of its kind
        return torch.zeros(())
    return torch.stack(strengths).max()


def _strength(slot: Slot, log_odds: Tensor, compared: bool) -> Tensor:
    logs = log_odds.log_softmax(0)
    real = slot.somethings
    best = logs[list(real)].max()
    if not compared:
        return best
    others = [place for place in range(len(slot.options)) if place not in real]
    return best - logs[others].logsumexp(0) if others else best


def _on_one_device(tensors: list[Tensor]) -> list[Tensor]:
    device = next((t.device for t in tensors if t.device.type != "cpu"), torch.device("cpu"))
    return [t.to(device) for t in tensors]
