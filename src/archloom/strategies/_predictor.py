"""Search led by Gaussian processes, the recommended strategy among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._candidates import Candidates
from archloom.strategies._encoding import Encoding, Matrix, Rows, stacked, taken
from archloom.strategies._gaussian import Kernel, Posterior, Term, Vector, learned, notable
from archloom.strategies._guided import Guided

_REMEMBERED: Final = 256  # rows that a posterior is computed from
_TYPICAL: Final = 3.0  # the exponent of a product over labels that differ in all of them
_FAR: Final = -20.0  # standard deviations below the best, where a series is exact enough


@dataclass
class GaussianProcess(Guided):
    """Bayesian optimization with a Gaussian process over the tree of choices.

    The first `start` scored trials are random. After that the architecture of highest expected
    improvement is next, among all of a space of up to 20,000, else among mutations of the best and
    random ones. The kernel is additive over the labels plus a product over them, an exponential
    of the weighted number of labels that differ; scales, weights and noise are learned by marginal
    likelihood. Gains count by their rank, as normal scores. Trials that are running count as if
    they had the value that is expected of them.

    What a search offers is used: architectures worth trying come first, those that break a
    constraint or compute the same as one tried come last, and features are further inputs. A
    `prior` (see `archloom.space.Prior`) is what the first trials are drawn from and is then
    weighed in as in piBO (arXiv:2204.11051, with its beta = 10).

    Raises:
        ConfigError: for fewer than one start, a bad seed, or a prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = GaussianProcess(start=3)
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).parent is None
    True
    """

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._memory: dict[tuple[str, ...], tuple[int, list[Vector]]] = {}

    def _rate(
        self, told: Rows, values: Matrix, running: Rows, rows: Rows, rng: np.random.Generator
    ) -> Matrix:
        kernels = self._kernels(self._candidates.encoding, tuple(told))
        places = notable(values, _REMEMBERED)
        known, targets = taken(told, places), values[places]
        means, variances, expected = [], [], []
        for kernel, settings in zip(kernels, self._learned(kernels, told), strict=True):
            posterior, there = _posterior(kernel, settings, known, targets, running)
            mean, std = posterior.predict(rows)
            means.append(mean)
            variances.append(std * std)
            expected.append(there)
        spread = np.sqrt(np.mean(variances, axis=0) + np.var(means, axis=0))
        best = max([*values.tolist(), *np.mean(expected, axis=0).tolist()])
        return log_improvement(np.mean(means, axis=0), spread, best)

    def _kernels(self, encoding: Encoding, blocks: Sequence[str]) -> tuple[Kernel, ...]:
        """Give the kernels whose predictions are averaged, for rows of these blocks."""
        return (Kernel((_linear(encoding), _near(encoding), *_others(blocks, ["features"]))),)

    def _learned(self, kernels: Sequence[Kernel], told: Rows) -> list[Vector]:
        """Give the kernels' settings, learned from as many of the first trials as `mark` says.

        They follow from those trials alone, so keeping them changes no proposal.
        """
        blocks, mark = tuple(told), self._told.mark
        kept = self._memory.get(blocks)
        if kept is None or kept[0] != mark:
            first = {name: block[:mark] for name, block in told.items()}
            values = self._told.values(mark)
            kept = mark, [learned(kernel, first, values) for kernel in kernels]
            self._memory[blocks] = kept
        return kept[1]


@dataclass
class Predictor(GaussianProcess):
    """The recommended strategy: Bayesian optimization with three Gaussian processes.

    Like `GaussianProcess`, with the mean of three models in place of one, since with few trials
    none of them is right for all spaces: additive plus product over the labels; product and how
    often each option is chosen; and all of that with one weight for all labels. Where two differ
    the uncertainty is larger. In spaces with a cell of `archloom.nn.cells` all three look at its
    graph, too: which operations are on a path from the input to the output, how many of them the
    longest and the shortest path have, and how many paths there are.

    On NAS-Bench-201 it finds the best of 15,625 architectures within 60 trials in 98 % of searches
    where the labels tell of the cell, else in 75 %: see benchmarks/RESULTS.md.

    Raises:
        ConfigError: for fewer than one start, a bad seed, or a prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.zoo import nasbench201
    >>> strategy = Predictor()
    >>> strategy.setup(nasbench201.space, Objective("accuracy"), seed=0)
    >>> strategy.ask(0).parent is None
    True
    """

    def _made_candidates(self, space: Space) -> Candidates:
        return Candidates(space, self._untried, self._believed, graph=("live", "shape"))

    def _kernels(self, encoding: Encoding, blocks: Sequence[str]) -> tuple[Kernel, ...]:
        graph = _others(blocks, ["live", "shape", "features"])
        counts = _others(blocks, ["counts"])
        return (
            Kernel((_linear(encoding), _near(encoding), *graph)),
            Kernel((_near(encoding), *counts, *graph)),
            Kernel((_linear(encoding, alike=True), _near(encoding, alike=True), *counts, *graph)),
        )


def log_improvement(mean: Matrix, std: Matrix, best: float) -> Matrix:
    """Give the log of the expected improvement over `best`, without underflow.

    >>> log_improvement(np.array([0.0]), np.array([1.0]), 0.0).round(3).tolist()
    [-0.919]
    """
    from scipy.special import erfcx

    off = (mean - best) / std
    ratio = np.sqrt(np.pi / 2) * erfcx(-np.maximum(off, _FAR) / math.sqrt(2))
    near = np.log(np.maximum(1 + np.maximum(off, _FAR) * ratio, 1e-12))
    left = np.where(off > _FAR, near, -2 * np.log(np.maximum(-off, 1.0)))
    return np.asarray(np.log(std) - 0.5 * off * off - 0.5 * math.log(math.tau) + left)


def _linear(encoding: Encoding, alike: bool = False) -> Term:
    """Give the additive term over the labels, at first with a variance of 1 in all."""
    groups = (slice(None),) if alike else encoding.groups
    return Term("tree", "linear", groups, math.log(2 / max(encoding.labels, 1)))


def _near(encoding: Encoding, alike: bool = False) -> Term:
    """Give the product over the labels: the more of them, the less each counts at first."""
    weight = math.log(_TYPICAL / max(encoding.labels, 1))
    groups = (slice(None),) if alike else encoding.groups
    return Term("tree", "near", groups, weight)


def _others(blocks: Sequence[str], names: Sequence[str]) -> list[Term]:
    return [Term(name, "near") for name in names if name in blocks]


def _posterior(
    kernel: Kernel, settings: Vector, told: Rows, values: Matrix, running: Rows
) -> tuple[Posterior, Matrix]:
    """Give what is known, what is running taken as known, too; and what is expected of that."""
    posterior = Posterior(kernel, settings, told, values)
    if not len(next(iter(running.values()))):
        return posterior, np.zeros(0)
    expected, _ = posterior.predict(running)
    known = stacked(told, running)
    return Posterior(kernel, settings, known, np.concatenate([values, expected])), expected
