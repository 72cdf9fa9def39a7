"""Distinct: no two trials of architectures that compute the same."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._bypass import Bypass, Stuck
from archloom.strategies._describe import Spec, described, made
from archloom.strategies._strategy import Offer, Strategy, checked_seed
from archloom.trial import Proposal, Trial

_DRAWS: Final = 256
_LISTED: Final = 100_000


@dataclass
class Distinct(Strategy):
    """Another strategy, with architectures that compute the same counted as one.

    Which do, the space says: `ModelSpace.canonical` gives equal values for, say, two cells that
    are one up to the numbering of their nodes. In a space that does not say, only equal
    architectures count as one. When the inner strategy proposes the twin of an earlier trial,
    none is run: the strategy is told at once that the twin did as that trial did, and learns from
    it for free. A trial stands for another of the same or a lower budget, so that promotions pass.

    Where the inner strategy proposes nothing new 100 times in a row, a random architecture
    without a twin is tried; where there is none either, the search ends.

    Args:
        strategy: the inner one, its name, or `{"name": ..., SETTING: ...}`.
        seed: of the inner strategy, unless it has one of its own.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> from archloom.strategies import Offer
    >>> strategy = Distinct("random")
    >>> strategy.accept(Offer(canonical=lambda architecture: frozenset(architecture.values())))
    >>> strategy.setup(Space(()).joint(a=[1, 2], b=[1, 2]), Objective("accuracy"), seed=0)
    >>> strategy.strategy["name"]
    'random'
    """

    strategy: Spec = "evolution"
    seed: int | None = None

    def __post_init__(self) -> None:
        self._inner = made(self.strategy)
        self.strategy = described(self._inner)
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        self._inner.accept(offer)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._inner.setup(space, objective, self._entropy)
        self._bypass = Bypass(self._inner, self._twin)
        self._trials: dict[Hashable, dict[int, Trial]] = {}

    def ask(self, number: int) -> Proposal | None:
        try:
            return self._bypass.ask(number)
        except Stuck:
            return self._random(number)

    def tell(self, trial: Trial) -> None:
        self._trials.setdefault(self._form(trial.architecture), {})[trial.number] = trial
        self._bypass.tell(trial)

    def _form(self, architecture: Architecture) -> Hashable:
        canonical = self._offer.canonical
        return architecture.key if canonical is None else canonical(architecture)

    def _twin(self, proposal: Proposal) -> Trial | None:
        """Give the trial that stands for a proposal: of those with enough budget, the cheapest."""
        trials = self._trials.get(self._form(proposal.architecture), {}).values()
        enough = [trial for trial in trials if _budget(trial) >= _budget(proposal)]
        return min(enough, key=lambda trial: (_budget(trial), trial.number), default=None)

    def _random(self, number: int) -> Proposal | None:
        rng = self._rng(number)
        for _ in range(_DRAWS):
            proposal = Proposal(self._space.sample(rng))
            if self._twin(proposal) is None:
                return proposal
        if self._space.size > _LISTED:
            return None
        rest = map(Proposal, self._space.enumerate())
        return next((proposal for proposal in rest if self._twin(proposal) is None), None)


def _budget(of: Trial | Proposal) -> float:
    return 1.0 if of.budget is None else of.budget
