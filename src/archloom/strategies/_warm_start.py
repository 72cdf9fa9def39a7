"""WarmStart: begin with architectures that did well before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._describe import Spec, described, made
from archloom.strategies._strategy import Offer, Strategy, checked_seed
from archloom.study import Study
from archloom.trial import Proposal, Trial


@dataclass
class WarmStart(Strategy):
    """Another strategy that begins with given architectures, the best of earlier runs, say.

    They may come from a related space: of each, the labels that this space has too, with values
    that it has too, are kept, and the defaults fill in the others. Those that come out equal count
    once. After them come the architectures that the search itself offers to begin with
    (`Offer.first`), and then the inner strategy, which is told all trials. `best_of` reads
    architectures from run folders; that they are settings here lets a search be resumed when
    those folders are gone.

    Args:
        strategy: the inner one, its name, or `{"name": ..., SETTING: ...}`.
        first: the architectures, best first.
        seed: of the inner strategy, unless it has one of its own.

    Raises:
        ConfigError (from `setup`): when none of them shares a label and value with the space.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = WarmStart("random", [{"width": 32, "kernel": 5}])
    >>> strategy.setup(Space(()).joint(width=[16, 32], depth=[1, 2]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).architecture
    Architecture({'depth': 1, 'width': 32})
    """

    strategy: Spec = "evolution"
    first: Sequence[Mapping[str, Any]] = field(default_factory=list)
    seed: int | None = None

    def __post_init__(self) -> None:
        self._inner = made(self.strategy)
        self.strategy = described(self._inner)
        if isinstance(self.first, str | Mapping) or not isinstance(self.first, Sequence):
            raise ConfigError(
                f"`first` of a warm start is a list of architectures, each a mapping of labels to "
                f"values, got {self.first!r}."
            )
        self.first = [Architecture(values).to_json() for values in self.first]
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        self._inner.accept(offer)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._inner.setup(space, objective, self._entropy)
        fitting = [there for there in map(self._fitted, self.first) if there is not None]
        if self.first and not fitting:
            labels = sorted({label for values in self.first for label in values})
            raise ConfigError(
                f"None of the {len(self.first)} architectures to begin with shares a label and its "
                f"value with this space. They have {', '.join(labels[:10]) or 'no labels'}; the "
                f"space has {', '.join(list(space.labels)[:10]) or 'none'}."
            )
        for architecture in self._offer.first:
            space.check(architecture)
        self._left = list(dict.fromkeys([*fitting, *self._offer.first]))

    def ask(self, number: int) -> Proposal | None:
        return Proposal(self._left[0]) if self._left else self._inner.ask(number)

    def tell(self, trial: Trial) -> None:
        if trial.architecture in self._left:
            self._left.remove(trial.architecture)
        self._inner.tell(trial)

    def _fitted(self, values: Mapping[str, Any]) -> Architecture | None:
        """Give the point of the space nearest to an architecture, None if nothing of it fits."""
        kept = {}
        for label, value in Architecture(values).items():
            choice = self._space.labels.get(label)
            if choice is not None and choice.domain.fault(value) is None:
                kept[label] = value
        return self._space.complete(kept) if kept or not values else None


def best_of(
    runs: Iterable[str | Path], top: int = 5, metric: str | Objective | None = None
) -> list[dict[str, Any]]:
    """Give the best architectures of earlier runs as `WarmStart` takes them.

    First the best of each run, then the second of each, and so on, `top` of each at most.

    Args:
        runs: their folders.
        top: how many of each.
        metric: what counts; None is the first objective of each run.

    Raises:
        RunError: for a folder that holds no run.
        ConfigError: for a run without a scored trial that has the metric.
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ConfigError(f"top must be an int of at least 1, got {top!r}.")
    best = [
        [trial.architecture for trial in Study.open(run).top(top, metric)] for run in _listed(runs)
    ]
    ranked = chain.from_iterable(zip_longest(*best))
    return [there.to_json() for there in dict.fromkeys(ranked) if there is not None]


def _listed(runs: Iterable[str | Path]) -> list[str | Path]:
    return [runs] if isinstance(runs, str | Path) else list(runs)
