"""Perturbation: derive an architecture by what the supernet loses, not by the size of alphas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from archloom.architecture import Architecture, Value, token
from archloom.errors import ConfigError
from archloom.nn import Assignment, Gate, Weighted
from archloom.oneshot._collapse import View
from archloom.oneshot._mixture import mixture
from archloom.oneshot._slots import Slot, Slots, slots_of
from archloom.space import Choice, OneOf, SomeOf

Tune = Callable[[Mapping[str, Value], int], None]
"""Train the supernet's weights for some epochs with these choices decided."""


@dataclass(frozen=True)
class Perturbation:
    """Decide choice after choice for the option whose removal hurts the supernet most.

    Rethinking Architecture Selection in Differentiable NAS (arXiv 2108.04392), algorithm 1: of a
    choice drawn at random, each option is left out in turn, the others keeping their weights; the
    one without which the validation score is lowest is taken, and the supernet is trained on for
    `tune_epochs` before the next. Inputs of a node come last, by the same rule: those stay whose
    removal hurts most.

    Beyond the paper: depths and values are decided like operations. Options that do equal harm
    are told apart by their weights. `at_once` decides several choices between two trainings.
    "none" is not taken for an operation on an input of a subset, as in `Darts`.

    >>> Perturbation(tune_epochs=2).at_once
    1
    """

    tune_epochs: int = 5
    at_once: int = 1

    def __post_init__(self) -> None:
        if self.tune_epochs < 0:
            raise ConfigError(f"tune_epochs is a number from 0, got {self.tune_epochs!r}.")
        if self.at_once < 1:
            raise ConfigError(f"at_once is a number from 1, got {self.at_once!r}.")

    def derive(self, view: View, tune: Tune | None = None) -> Architecture:
        """Decide everything and give the architecture; `tune` is called between the decisions.

        Raises:
            ConfigError: when the space has a choice with too many values to weigh.
        """
        decided: dict[str, Value] = {}
        while news := self.decide(view, decided):
            decided.update(news)
            if tune is not None and self.tune_epochs and not self.is_last(view, decided):
                tune(decided, self.tune_epochs)
        return self.architecture(view, decided)

    def decide(self, view: View, decided: Mapping[str, Value]) -> dict[str, Value]:
        """Give the next `at_once` decisions, fewer at the end, none when all is decided.

        They follow from the view's seed, the supernet and what is decided, so that a resumed
        derivation needs to keep no more than that.
        """
        slots = _slots(view)
        found: dict[str, Value] = {}
        for _ in range(self.at_once):
            label = _next({**decided, **found}, slots, view.seed)
            if label is None:
                break
            found[label] = _decision(view, slots.open[label], {**decided, **found}, slots)
        return found

    def is_last(self, view: View, decided: Mapping[str, Value]) -> bool:
        """Whether nothing is left to decide."""
        return _next(decided, _slots(view), view.seed) is None

    def architecture(self, view: View, decided: Mapping[str, Value]) -> Architecture:
        """Give the architecture of all decisions; labels without one take their first option."""
        return view.supernet.space.space.complete(decided)


def narrowed(assignment: Assignment, decided: Mapping[str, Value]) -> Assignment:
    """Give the assignment with the decided choices taking their one option.

    >>> narrowed({"a": "conv", "b": "skip"}, {"b": "pool"})
    {'a': 'conv', 'b': 'pool'}
    """
    return {**assignment, **decided}


def _slots(view: View) -> Slots:
    return slots_of(view.supernet.space.space, "Perturbation")


def _next(decided: Mapping[str, Value], slots: Slots, seed: int) -> str | None:
    """Give the choice to decide now: operations and the like in random order, then subsets."""
    reachable = set(_reachable(slots.space.choices, decided))
    left = [label for label in slots.open if label in reachable and label not in decided]
    first = [label for label in left if slots.open[label].how == "one"] or left
    rng = np.random.default_rng([seed, 0x9E7])
    order = dict(zip(slots.open, rng.permutation(len(slots.open)), strict=True))
    return min(first, key=lambda label: int(order[label]), default=None)


def _reachable(choices: Sequence[Choice], decided: Mapping[str, Value]) -> Iterator[str]:
    """Give the labels that can still become active, parents first."""
    for choice in choices:
        yield choice.label
        if not isinstance(choice.domain, OneOf | SomeOf):
            continue
        taken = _taken(choice, decided)
        for option in choice.domain.options:
            if taken is None or option.token in taken:
                yield from _reachable(option.opens, decided)


def _taken(choice: Choice, decided: Mapping[str, Value]) -> set[str] | None:
    """Give the tokens of the options that a decided choice took, None for one left open."""
    if choice.label not in decided:
        return None
    value = decided[choice.label]
    if isinstance(choice.domain, SomeOf) and isinstance(value, tuple):
        return {token(one) for one in value}
    return {token(value)}


def _decision(view: View, slot: Slot, decided: Mapping[str, Value], slots: Slots) -> Value:
    base = narrowed(mixture(view.gates, view.seed), decided)
    weights = _weights(slot, base[slot.label])
    inner = slot.label in slots.inner
    places = slot.somethings if inner else tuple(range(len(slot.options)))
    gains = {
        place: view.objective.gain(view.score({**base, slot.label: _without(slot, weights, place)}))
        for place in places
    }
    worst_first = sorted(places, key=lambda place: (gains[place], -_size(weights, place), place))
    if slot.how == "one":
        return slot.value((worst_first[0],))
    return slot.value(tuple(sorted(worst_first[: _number(view, slot, base, gains)])))


def _number(view: View, slot: Slot, base: Assignment, gains: Mapping[int, float]) -> int:
    """Give how many inputs stay: all that the supernet would miss, within the limits."""
    if slot.low == slot.high:
        return slot.low
    whole = view.objective.gain(view.score(base))
    missed = sum(gain < whole for gain in gains.values())
    return min(max(missed, slot.low), slot.high)


def _weights(slot: Slot, gate: Gate) -> Tensor | None:
    """Give the weights of all options; None for inputs that all run without any."""
    if isinstance(gate, Tensor):
        return gate
    if isinstance(gate, Weighted):
        weights = gate.weights.new_zeros(len(slot.options))
        for option, weight in zip(gate.options, gate.weights, strict=True):
            weights[slot.options.index(option)] = weight
        return weights
    return None


def _without(slot: Slot, weights: Tensor | None, place: int) -> Gate:
    if weights is None:
        return tuple(option for at, option in enumerate(slot.options) if at != place)
    left = weights.detach().clone()
    left[place] = 0.0
    return left


def _size(weights: Tensor | None, place: int) -> float:
    return 0.0 if weights is None else float(weights[place])
