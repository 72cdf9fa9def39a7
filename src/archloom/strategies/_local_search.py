"""Local search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._strategy import Strategy, check_flag, check_whole, checked_seed
from archloom.strategies._untried import Untried
from archloom.trial import Proposal, Trial


class Scored(NamedTuple):
    """An architecture and how good it was."""

    number: int
    architecture: Architecture
    gain: float


@dataclass
class LocalSearch(Strategy):
    """Hill climbing: try the neighbours of the best, move to a better one, restart at the top.

    White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search" (UAI
    2021, arXiv 2005.02960). A climb starts at the best of `starts` random architectures. The
    neighbours of the present centre (`Space.neighbours`) are tried in random order; the first
    better one becomes the next centre. With `first_improvement=False` all of them are tried and
    the best becomes it, as in the paper's algorithm 1, which costs more trials for each step.
    Where none is better, a new climb starts at random untried architectures.

    No architecture is tried twice: a neighbour that an earlier climb tried counts with the score
    that it got then. With trials in parallel, random architectures fill the wait for a centre's
    last neighbours, and any trial better than the centre may become the next one.

    Raises:
        ConfigError: for fewer than one start or a bad seed.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> from archloom.trial import State, Trial
    >>> strategy, space = LocalSearch(), Space(()).joint(width=[16, 32, 64])
    >>> strategy.setup(space, Objective("accuracy"), seed=0)
    >>> first = strategy.ask(0)
    >>> strategy.tell(
    ...     Trial(0, "search", first.architecture, 0, State.DONE, metrics={"accuracy": 0.5})
    ... )
    >>> first.parent, strategy.ask(1).parent
    (None, 0)
    """

    first_improvement: bool = True
    starts: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        check_flag("first_improvement", self.first_improvement)
        check_whole("starts", self.starts)
        if self.seed is not None:
            checked_seed(self.seed)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._untried = Untried(space)
        self._scored: dict[str, Scored] = {}
        self._running: set[int] = set()
        self._uphill: dict[str, Scored | None] = {}  # where each left centre led
        self._centre: Scored | None = None
        self._better: Scored | None = None
        self._left: list[Architecture] = []  # untried neighbours of the centre, the next one last
        self._started: list[Scored] = []

    def ask(self, number: int) -> Proposal | None:
        if self._left and self._centre is not None:
            return Proposal(self._left[-1], parent=self._centre.number)
        drawn = self._untried.draw(self._rng(number))
        return Proposal(drawn) if drawn is not None else None

    def tell(self, trial: Trial) -> None:
        self._untried.discard(trial.architecture)
        if trial.state.ended:
            self._running.discard(trial.number)
            self._note(trial)
        else:
            self._running.add(trial.number)
        self._drop_tried()
        self._advance()

    def _note(self, trial: Trial) -> None:
        gain = self._gain(trial)
        if gain is None:
            return
        scored = Scored(trial.number, trial.architecture, gain)
        self._scored[trial.architecture.key] = scored
        if self._centre is None:
            self._started.append(scored)
        else:
            self._compare(scored)

    def _compare(self, scored: Scored) -> None:
        to_beat = self._better or self._centre
        if to_beat is not None and scored.gain > to_beat.gain:
            self._better = scored

    def _advance(self) -> None:
        """Move for as long as what is known allows, or start anew at a local optimum."""
        if self._centre is None and len(self._started) >= self.starts:
            self._move(max(self._started, key=lambda scored: scored.gain))
        while self._centre is not None:
            all_known = not self._left and not self._running
            if not all_known and (self._better is None or not self.first_improvement):
                return
            self._uphill[self._centre.architecture.key] = self._better
            if self._better is not None:
                self._move(self._better)
            else:
                self._restart()

    def _move(self, centre: Scored) -> None:
        self._centre, self._better, self._left = centre, None, []
        key = centre.architecture.key
        if key in self._uphill:
            self._better = self._uphill[key]
            return
        near = list(self._space.neighbours(centre.architecture))
        order = np.random.default_rng([self._entropy, centre.number]).permutation(len(near))
        for place in order:
            if near[place] in self._untried:
                self._left.append(near[place])
            elif near[place].key in self._scored:
                self._compare(self._scored[near[place].key])

    def _restart(self) -> None:
        self._centre, self._better = None, None
        self._left, self._started = [], []

    def _drop_tried(self) -> None:
        while self._left and self._left[-1] not in self._untried:
            self._left.pop()
