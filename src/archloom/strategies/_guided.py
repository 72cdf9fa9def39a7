"""The search that all strategies with a learned model share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Prior, Space
from archloom.strategies._candidates import Candidates
from archloom.strategies._encoding import Matrix, Rows, scaled
from archloom.strategies._strategy import Strategy, check_whole, checked_seed
from archloom.strategies._told import Told
from archloom.strategies._untried import Untried
from archloom.strategies._waiting import Waiting
from archloom.trial import Proposal, Trial

_FRESH: Final = 30  # draws of an architecture that keeps the constraints
_REACH: Final = 50  # best trials that candidates may be near to
_TRUST: Final = 10.0  # trials after which a prior weighs as much as the model
_SHORT: Final = 200  # architectures that are rated again with what was offered or believed
_COSTLY: Final = 40  # of these, those that features are computed for in one `ask`

Rated: TypeAlias = tuple[Architecture, float]


@dataclass
class Guided(Strategy):
    """A search that starts at random and then tries what a learned model finds most promising.

    Deriving classes say what their model thinks, in `_rate`.
    """

    start: int = 10
    prior: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        check_whole("start", self.start)
        self.prior = Prior.plain(self.prior)
        if self.seed is not None:
            checked_seed(self.seed)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._believed = Prior.read(self.prior, space) if self.prior else None
        self._untried = Untried(space, self._believed)
        self._candidates = self._made_candidates(space)
        self._told = Told()
        self._twins: set[Hashable] = set()
        self._features: dict[str, Mapping[str, float]] = {}
        self._rows: Rows = {}
        first = list(self._offer.first)
        if self._believed is not None:
            first.append(self._believed.mode(self._rng(0)))
        self._waiting = Waiting(space, first)

    def ask(self, number: int) -> Proposal | None:
        if self._waiting.next is not None:
            return Proposal(self._waiting.next)
        if self._untried.empty:
            return None
        rng = self._rng(number)
        if self._told.useful < self.start:
            return self._fresh(rng)
        return self._promising(rng)

    def tell(self, trial: Trial) -> None:
        self._untried.discard(trial.architecture)
        self._waiting.discard(trial.architecture)
        if self._offer.canonical is not None:
            self._twins.add(self._offer.canonical(trial.architecture))
        self._told.add(trial, self._gain(trial))

    def _made_candidates(self, space: Space) -> Candidates:
        """Give where the strategy looks."""
        return Candidates(space, self._untried, self._believed)

    @abstractmethod
    def _rate(
        self, told: Rows, values: Matrix, running: Rows, rows: Rows, rng: np.random.Generator
    ) -> Matrix:
        """Give how promising each of `rows` is, larger is better.

        Args:
            told: the rows of the scored trials, in the order in which they ended.
            values: their gains as normal scores.
            running: the rows of the trials that are running, maybe none.
            rows: of the candidates.
            rng: for models that draw.
        """

    def _fresh(self, rng: np.random.Generator) -> Proposal | None:
        drawn = self._untried.draw(rng)
        for _ in range(_FRESH):
            if drawn is None or self._wanted(drawn):
                break
            drawn = self._untried.draw(rng)
        return None if drawn is None else Proposal(drawn)

    def _promising(self, rng: np.random.Generator) -> Proposal | None:
        scored = self._told.scored
        values = self._told.values()
        told = self._known()
        running = self._candidates.encoding.rows(self._told.running)
        leaders = [scored[place] for place in np.argsort(-values, kind="stable")[:_REACH]]
        shown = self._offer.features is not None
        found: Sequence[Rated] = self._candidates.best(
            lambda rows: self._rate(told, values, running, rows, rng),
            [leader.architecture for leader in leaders],
            len(scored),
            self._wanted,
            _SHORT if shown or self._believed is not None else 1,
            rng,
        )
        if not found:
            return self._fresh(rng)
        if self._believed is not None:
            found = self._as_believed(found, self._believed)
        if shown:
            found = self._with_features(found[:_COSTLY], told, values, rng)
        chosen = max(found, key=lambda one: one[1])[0]
        return Proposal(chosen, parent=self._nearest(chosen))

    def _as_believed(self, found: Sequence[Rated], prior: Prior) -> list[Rated]:
        """Weigh in the prior, whose say fades as trials end: piBO, arXiv:2204.11051, eq. 6."""
        share = _TRUST / len(self._told.scored)
        weighed = [(one, rate + share * prior.log_density(one)) for one, rate in found]
        return sorted(weighed, key=lambda one: -one[1])

    def _with_features(
        self, found: Sequence[Rated], told: Rows, values: Matrix, rng: np.random.Generator
    ) -> Sequence[Rated]:
        """Rate again, now with the features that the search offers."""
        running = self._told.running
        short = [architecture for architecture, _ in found]
        known = [scored.architecture for scored in self._told.scored]
        block = scaled(
            [self._shown(architecture) for architecture in known + running + short], self._told.mark
        )
        parts = np.split(block, [len(known), len(known) + len(running)])
        rows = self._candidates.encoding.rows
        told, waiting, fresh = (
            {**there, "features": part}
            for there, part in zip((told, rows(running), rows(short)), parts, strict=True)
        )
        again = self._rate(told, values, waiting, fresh, rng)
        return list(zip(short, again.tolist(), strict=True))

    def _shown(self, architecture: Architecture) -> Mapping[str, float]:
        """Give the features of an architecture, asked for once."""
        key = architecture.key
        if key not in self._features:
            assert self._offer.features is not None
            self._features[key] = dict(self._offer.features(architecture))
        return self._features[key]

    def _wanted(self, architecture: Architecture) -> bool:
        """Whether it keeps the constraints and computes what nothing tried does."""
        offer = self._offer
        if offer.canonical is not None and offer.canonical(architecture) in self._twins:
            return False
        return offer.feasible is None or offer.feasible(architecture)

    def _nearest(self, architecture: Architecture) -> int:
        """Give the number of the scored trial that an architecture is most like."""
        there = self._candidates.encoding.rows([architecture])["tree"]
        off = ((self._rows["tree"] - there) ** 2).sum(1).round(9)
        gains = -np.array([scored.gain for scored in self._told.scored])
        return self._told.scored[int(np.lexsort((gains, off))[0])].number

    def _known(self) -> Rows:
        """Give the rows of the scored trials; those of earlier calls are kept."""
        scored = self._told.scored
        done = len(next(iter(self._rows.values()))) if self._rows else 0
        if done < len(scored):
            new = self._candidates.encoding.rows([s.architecture for s in scored[done:]])
            old = self._rows or {name: block[:0] for name, block in new.items()}
            self._rows = {name: np.vstack([old[name], block]) for name, block in new.items()}
        return self._rows
