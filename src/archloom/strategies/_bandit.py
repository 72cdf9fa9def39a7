"""What all strategies that spend budgets share: rungs, new architectures, promotions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Prior, Space
from archloom.strategies._prior_band import PriorBand
from archloom.strategies._rungs import Entry, Ladder, rungs_of
from archloom.strategies._strategy import Offer, Strategy, check_number, checked_seed
from archloom.strategies._untried import Untried
from archloom.trial import Proposal, State, Trial

_TRIES = 64  # draws that were tried before, until any untried architecture will do


@dataclass
class Bandit(Strategy):
    """Try many architectures with little effort each, and go on with the best.

    A trial's budget is one of the rungs, the offered budgets nearest to eta^-k (`rungs_of`). The
    subclass says by which `Ladder` trials climb them.
    """

    eta: float = 3
    min_budget: float | None = None
    prior: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        check_number("eta", self.eta, 2)
        if self.min_budget is not None:
            check_number("min_budget", self.min_budget, 0, 1, above=True)
        self.prior = Prior.plain(self.prior)
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        """Take note of what the search has to offer.

        Raises:
            ConfigError: when the estimator offers the full effort only.
        """
        super().accept(offer)
        name = type(self).__name__
        if len(offer.budgets) == 1:
            raise ConfigError(
                f"{name} tries architectures with a part of the full effort first, but the "
                f"estimator offers no part of it. Give it some, such as 'train' with epochs of at "
                f"least {math.ceil(self.eta)}, or take a strategy that needs none, such as "
                f"'evolution'."
            )
        if len(rungs_of(offer.budgets, self.eta, self.min_budget)) == 1:
            raise ConfigError(
                f"{name} needs a budget below the full one, but min_budget={self.min_budget!r} "
                f"rules out all that the estimator offers below it: "
                f"{', '.join(f'{budget:.3g}' for budget in offer.budgets[:-1])}."
            )

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        prior = Prior.read(self.prior, space)
        self._expert = PriorBand(prior, self.eta) if self.prior else None
        self._rungs = rungs_of(self._offer.budgets, self.eta, self.min_budget)
        self._untried = Untried(space)
        self._given = list(self._offer.first)
        self._entries: dict[int, Entry] = {}
        self._ended: list[list[Entry]] = [[] for _ in self._rungs]
        self._ladder = self._new_ladder(len(self._rungs))

    def ask(self, number: int) -> Proposal | None:
        step = self._ladder.next()
        if isinstance(step, int):
            drawn = self._drawn(step, self._rng(number))
            return None if drawn is None else Proposal(drawn, budget=self._rungs[step])
        entry = self._leftover() if step is None else step
        if entry is None:
            return None
        budget = self._rungs[entry.rung + 1]
        return Proposal(entry.architecture, parent=entry.number, budget=budget)

    def tell(self, trial: Trial) -> None:
        self._untried.discard(trial.architecture)
        if trial.architecture in self._given:
            self._given.remove(trial.architecture)
        # A rejected one leaves its place to another, but a promotion is not asked for again.
        if trial.state is not State.REJECTED or self._parent(trial) is not None:
            entry = self._entries.get(trial.number) or self._begun(trial)
            if entry is not None and trial.state.ended:
                self._end(entry, trial)
        if self._untried.empty:
            self._ladder.close()

    @abstractmethod
    def _new_ladder(self, rungs: int) -> Ladder:
        """Give the ladder to climb in a new search."""

    def _drawn(self, rung: int, rng: np.random.Generator) -> Architecture | None:
        """Give a new architecture to begin on a rung, None when there is none."""
        return self._given[0] if self._given else self._at_random(rung, rng)

    def _at_random(self, rung: int, rng: np.random.Generator) -> Architecture | None:
        if self._expert is not None:
            draw = self._expert.policy(rung, self._ended)
            for _ in range(_TRIES):
                drawn = draw(rng)
                if drawn in self._untried:
                    return drawn
        return self._untried.draw(rng)

    def _leftover(self) -> Entry | None:
        """Give the best entry below the top rung that nothing went on from yet."""
        able = [e for e in self._entries.values() if e.promotable and e.rung + 1 < len(self._rungs)]
        return min(able, key=lambda entry: (-entry.rung, entry.rank), default=None)

    def _begun(self, trial: Trial) -> Entry | None:
        """Give a new trial its place on a rung; None for one that has a budget of another kind."""
        budget = 1.0 if trial.budget is None else trial.budget
        rungs = [n for n, b in enumerate(self._rungs) if math.isclose(b, budget, rel_tol=1e-6)]
        if not rungs:
            return None
        parent = self._parent(trial)
        entry = Entry(trial.number, trial.architecture, rungs[0], parent)
        if parent is not None:
            parent.promoted = True
        self._entries[trial.number] = entry
        self._ladder.begin(entry)
        return entry

    def _parent(self, trial: Trial) -> Entry | None:
        """Give the entry that a trial goes on from, None for a new architecture."""
        parent = None if trial.parent is None else self._entries.get(trial.parent)
        same = parent is not None and parent.architecture == trial.architecture
        return parent if same else None

    def _end(self, entry: Entry, trial: Trial) -> None:
        gain = self._gain(trial)
        entry.gain = -math.inf if gain is None else gain
        self._ended[entry.rung].append(entry)
        entry.done = trial.state is State.DONE
        self._ladder.end(entry)
