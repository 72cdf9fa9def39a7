"""PriorBand: how often to trust the expert, the best so far, or neither."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from archloom.architecture import Architecture, Value
from archloom.space import Choice, OneOf, Prior, SomeOf, Space
from archloom.strategies._rungs import Entry

_KEPT = 0.5  # of the incumbent's values stay; also how firmly the rest lies around them


class PriorBand:
    """Draws new architectures at random, from the prior, or around the incumbent.

    Section 5 of Mallik et al., "PriorBand: Practical Hyperparameter Optimization in the Age of
    Deep Learning" (NeurIPS 2023, arXiv 2306.12370). For rung r, counted from 0, a share of
    1 / (1 + eta^r) is drawn uniformly and the rest from the prior. Once a trial has ended on the
    top rung and some rung holds eta of them, the prior gives a part of its share to the incumbent:
    both are weighed by how likely they make the best 1/eta of the highest such rung, the k-th best
    of n with weight n + 1 - k.

    Around the incumbent means: each value stays with probability 0.5; otherwise another option is
    drawn, or a number near it with a standard deviation of a quarter of its range.

    The incumbent is the best of the highest rung that holds any, since scores of different
    budgets are not comparable; the paper takes the best score of all.
    """

    def __init__(self, prior: Prior, eta: float) -> None:
        self._prior = prior
        self._space = prior.space
        self._eta = eta

    def policy(
        self, rung: int, ended: Sequence[Sequence[Entry]]
    ) -> Callable[[np.random.Generator], Architecture]:
        """Give what draws architectures for a rung, given the ended entries of every rung."""
        scored = [[e for e in entries if e.gain > -math.inf] for entries in ended]
        judging = [entries for entries in scored if len(entries) >= self._eta]
        uniform = 1 / (1 + self._eta**rung)
        if not judging or not scored[-1]:
            return lambda rng: (
                self._space.sample(rng) if rng.random() < uniform else self._prior.sample(rng)
            )
        incumbent = min(scored[-1], key=lambda entry: entry.rank).architecture
        around = _around(incumbent, self._space)
        trust = self._trust(around, judging[-1])

        def draw(rng: np.random.Generator) -> Architecture:
            if rng.random() < uniform:
                return self._space.sample(rng)
            if rng.random() < trust:
                return _perturbed(incumbent, around, rng)
            return self._prior.sample(rng)

        return draw

    def _trust(self, around: Prior, entries: Sequence[Entry]) -> float:
        """Give the incumbent's part of the prior's share."""
        best = sorted(entries, key=lambda entry: entry.rank)[: int(len(entries) / self._eta)]
        believed, met = (
            [
                math.log(len(best) - place) + one.log_density(entry.architecture)
                for place, entry in enumerate(best)
            ]
            for one in (self._prior, around)
        )
        top = max(*believed, *met)
        scores = [sum(math.exp(log - top) for log in logs) for logs in (believed, met)]
        return scores[1] / sum(scores)


def _around(incumbent: Architecture, space: Space) -> Prior:
    """Give the belief that good architectures are like the incumbent."""
    return Prior.read(
        {
            label: {"value": list(value) if isinstance(value, tuple) else value}
            | {"confidence": _KEPT}
            for label, value in incumbent.items()
        },
        space,
    )


def _perturbed(incumbent: Architecture, around: Prior, rng: np.random.Generator) -> Architecture:
    def choose(choice: Choice) -> Value:
        label, domain = choice.label, choice.domain
        if label not in incumbent:
            return domain.draw(rng)
        if rng.random() < _KEPT:
            return incumbent[label]
        if isinstance(domain, OneOf | SomeOf):
            return domain.other(incumbent[label], rng) if domain.count > 1 else incumbent[label]
        return around.draw_value(label, rng)

    return around.space.complete({}, choose)
