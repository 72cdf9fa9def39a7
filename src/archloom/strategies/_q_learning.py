"""Q-learning over decisions: MetaQNN."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._decisions import Decision, Decisions
from archloom.strategies._fresh import Fresh
from archloom.strategies._rewards import Reward, Rewards, check_reward
from archloom.strategies._strategy import (
    Strategy,
    check_flag,
    check_number,
    check_whole,
    checked_seed,
)
from archloom.trial import Proposal, State, Trial

# Table 2 of the paper: so many of 2,700 models are trained at 1.0, at 0.9, ..., at 0.1.
_MODELS = (1500, 100, 100, 100, 150, 150, 150, 150, 150, 150)
_UNTIL = tuple(models / sum(_MODELS) for models in accumulate(_MODELS))
_TRIES = 50  # architectures drawn in a row that were tried before
_UNKNOWN = 0.5  # algorithm 1: what every decision is thought to be worth at first
_LENGTH = 100  # of the schedule, where neither the settings nor the search say one

Situation: TypeAlias = tuple[str, tuple[int, ...]]
"""The decision to be taken and the outcomes of those before."""


class Memory(NamedTuple):
    """A tried architecture, as states and what was decided in them, and its gain."""

    states: list[Situation]
    decisions: list[Decision]
    gain: float | None


@dataclass
class QLearning(Strategy):
    """Q-learning with experience replay: a table of what each decision is worth after the last.

    Baker, Gupta, Naik and Raskar, "Designing Neural Network Architectures using Reinforcement
    Learning" (ICLR 2017, arXiv 1611.02167), known as MetaQNN. Decisions are taken one after the
    other, at random with probability epsilon, else the one of the largest Q. The state is the
    decision to be taken and the outcome of the one before. After each trial `replays` earlier
    trials are drawn from memory, and their decisions updated from the last to the first:

        Q(s, u) <- (1 - rate) Q(s, u) + rate (r + discount max Q(s', u'))        (eq. 3)

    where only the last decision has a reward r and no next state. Epsilon falls from 1 to 0.1 as
    in table 2 of the paper, with the 2,700 models there scaled to `trials`.

    What differs from the paper, and how to get the paper's behaviour:

    - Decisions are those of any space: a layer's kind, a width, a depth, an input, and a number is
      decided down to one of `bins` parts of its range; the state holds the outcome before it,
      not the layer's size in the network.
    - The reward is the share of all trials so far that a trial beats, as they stand at the replay,
      since a metric may have any scale (`reward="value"`: the metric). Failed and rejected
      trials get the worst.
    - The rate suits some hundred trials (`rate=0.01`).
    - An architecture is tried once: one tried before is drawn anew, more at random each time. The
      paper shows the known score to the agent again, which replay does here.

    Args:
        trials: the length of the schedule; None is that of the search.
        rate: how far an update moves a value.
        discount: what a later reward is worth.
        replays: trials drawn from memory after each trial.
        context: how many outcomes before it belong to a decision's state.
        reward: "rank" or "value".
        bins: parts of a number's range.

    Raises:
        ConfigError: for settings out of range.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = QLearning(trials=50)
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0), strategy.epsilon
    (True, 1.0)
    """

    trials: int | None = None
    rate: float = 0.03
    discount: float = 1.0
    replays: int = 100
    context: int = 1
    reward: Reward = "rank"
    bins: int = 8
    deduplicate: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.trials is not None:
            check_whole("trials", self.trials)
        check_number("rate", self.rate, 0, 1, above=True)
        check_number("discount", self.discount, 0, 1, above=True)
        check_whole("replays", self.replays)
        check_whole("context", self.context, 0)
        check_whole("bins", self.bins, 2)
        check_reward(self.reward)
        check_flag("deduplicate", self.deduplicate)
        if self.seed is not None:
            checked_seed(self.seed)

    @property
    def epsilon(self) -> float:
        """How likely the next decision is to be taken at random."""
        length = self.trials or self._offer.trials or _LENGTH
        step = bisect_right(_UNTIL, self._ended / length)
        return round(1.0 - 0.1 * min(step, len(_UNTIL) - 1), 1)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._fresh = Fresh(space, self._offer.first, repeat=not self.deduplicate)
        self._decisions = Decisions(space, self.bins)
        self._rewards = Rewards(self.reward)
        self._values: dict[Situation, NDArray[np.float64]] = {}
        self._memory: list[Memory] = []
        self._ended = 0

    def ask(self, number: int) -> Proposal | None:
        if self._fresh.given is not None:
            return Proposal(self._fresh.given)
        rng = self._rng(number)
        for attempt in range(_TRIES):
            drawn = self._draw(max(self.epsilon, attempt / _TRIES), rng)
            if drawn in self._fresh:
                return Proposal(drawn)
        left = self._fresh.draw(rng)
        return Proposal(left) if left is not None else None

    def tell(self, trial: Trial) -> None:
        self._fresh.discard(trial.architecture)
        if not trial.state.ended:
            return
        gain = self._gain(trial)
        self._rewards.add(gain)
        self._memory.append(self._remembered(trial.architecture, gain))
        self._ended += trial.state is not State.REJECTED
        self._replay(np.random.default_rng([self._entropy, trial.number, 1]))

    def _draw(self, epsilon: float, rng: np.random.Generator) -> Architecture:
        past: list[int] = []

        def choose(key: str, odds: Sequence[float]) -> int:
            values = self._values.get(self._state(key, past))
            if values is None or rng.random() < epsilon:
                outcome = _at_random(odds, rng)
            else:
                best = np.flatnonzero(values == values.max())
                outcome = int(best[int(rng.random() * len(best))])
            past.append(outcome)
            return outcome

        return self._decisions.write(choose, rng)

    def _state(self, key: str, past: Sequence[int]) -> Situation:
        return key, tuple(past[max(len(past) - self.context, 0) :])

    def _remembered(self, architecture: Architecture, gain: float | None) -> Memory:
        path = self._decisions.read(architecture)
        outcomes = [decision.outcome for decision in path]
        states = [self._state(step.key, outcomes[:place]) for place, step in enumerate(path)]
        return Memory(states, path, gain)

    def _replay(self, rng: np.random.Generator) -> None:
        for place in rng.integers(len(self._memory), size=self.replays).tolist():
            self._update(self._memory[place])

    def _update(self, memory: Memory) -> None:
        """Move the values of one trial's decisions, the last one first (equation 3)."""
        target = self._rewards.of(memory.gain)
        for state, decision in zip(memory.states[::-1], memory.decisions[::-1], strict=True):
            values = self._values.get(state)
            if values is None:
                values = self._values[state] = np.full(len(decision.odds), _UNKNOWN)
            values[decision.outcome] += self.rate * (target - values[decision.outcome])
            target = self.discount * float(values.max())


def _at_random(odds: Sequence[float], rng: np.random.Generator) -> int:
    shares = np.cumsum(np.exp(np.subtract(odds, max(odds))))
    return min(int(np.searchsorted(shares, rng.random() * shares[-1], "right")), len(odds) - 1)
