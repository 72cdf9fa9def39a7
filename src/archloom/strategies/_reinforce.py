"""REINFORCE: a recurrent controller learns which decisions pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._decisions import Decision
from archloom.strategies._fresh import Fresh
from archloom.strategies._rewards import Reward, Rewards, check_reward
from archloom.strategies._strategy import (
    Strategy,
    check_flag,
    check_number,
    check_whole,
    checked_seed,
)
from archloom.trial import Proposal, Trial


class Lesson(NamedTuple):
    """The decisions of a trial and how much better than expected it was."""

    path: list[Decision]
    advantage: float


@dataclass
class Reinforce(Strategy):
    """Reinforcement learning: an LSTM writes architectures, good ones make it repeat itself.

    Zoph and Le, "Neural Architecture Search with Reinforcement Learning" (ICLR 2017, arXiv
    1611.01578), section 3.2: decisions are drawn one after the other, each read by the LSTM before
    the next; after `batch` trials Adam follows the REINFORCE gradient (Williams 1992), with the
    moving average of earlier rewards as baseline.

    What differs from the paper, and how to get the paper's behaviour:

    - Decisions follow the tree of any space: a subset is a decision for each input, a number is
      decided down to one of `bins` parts of its range.
    - The reward is the share of all trials so far that a trial beats, since a metric may have any
      scale (`reward="value"`: the metric; the paper cubes the accuracy). Failed and rejected
      trials get the worst.
    - An architecture is tried once (`deduplicate=False`: as often as it is drawn). One that was
      tried before is drawn anew, from ever flatter chances.
    - The learning rate suits some hundred trials, not 12,800 (`lr=0.0006`), and `entropy` adds
      the entropy of each decision to the reward, so that it goes on exploring (0: does not).

    Args:
        lr: the learning rate of Adam.
        batch: trials for each step.
        entropy: the weight of the entropy, in units of the reward.
        decay: how much of the baseline stays with each reward.
        size: units in a layer of the LSTM.
        layers: how many layers it has.
        reward: "rank" or "value".
        bins: parts of a number's range.

    Raises:
        ConfigError: for settings out of range.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = Reinforce()
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    lr: float = 0.01
    batch: int = 1
    entropy: float = 0.03
    decay: float = 0.95
    size: int = 35
    layers: int = 2
    reward: Reward = "rank"
    bins: int = 8
    deduplicate: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "size", "layers"):
            check_whole(name, getattr(self, name))
        check_whole("bins", self.bins, 2)
        check_number("lr", self.lr, 0, above=True)
        check_number("entropy", self.entropy, 0)
        check_number("decay", self.decay, 0, 1)
        check_reward(self.reward)
        check_flag("deduplicate", self.deduplicate)
        if self.seed is not None:
            checked_seed(self.seed)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        from torch.optim import Adam

        from archloom.strategies._policy import Policy

        self._fresh = Fresh(space, self._offer.first, repeat=not self.deduplicate)
        self._policy = Policy(
            space,
            self._fresh,
            bins=self.bins,
            size=self.size,
            layers=self.layers,
            seed=self._entropy,
        )
        self._optimizer = Adam(self._policy.controller.parameters(), lr=self.lr)
        self._rewards = Rewards(self.reward)
        self._baseline: float | None = None
        self._lessons: list[Lesson] = []

    def ask(self, number: int) -> Proposal | None:
        drawn = self._fresh.given or self._policy.draw(self._rng(number))
        return Proposal(drawn) if drawn is not None else None

    def tell(self, trial: Trial) -> None:
        self._fresh.discard(trial.architecture)
        if not trial.state.ended:
            return
        gain = self._gain(trial)
        self._rewards.add(gain)
        reward = self._rewards.of(gain)
        expected = reward if self._baseline is None else self._baseline
        self._baseline = self.decay * expected + (1 - self.decay) * reward
        self._lessons.append(Lesson(self._policy.path(trial.architecture), reward - expected))
        if len(self._lessons) == self.batch:
            self._learn()

    def _learn(self) -> None:
        import torch

        lessons, self._lessons = [lesson for lesson in self._lessons if lesson.path], []
        if not lessons:
            return
        judged = self._policy.judge([lesson.path for lesson in lessons])
        advantages = [lesson.advantage for lesson in lessons for _ in lesson.path]
        gain = (
            judged.log_chances * torch.tensor(advantages, dtype=torch.float64)
            + self.entropy * judged.entropies
        )
        self._optimizer.zero_grad()
        (-gain.sum() / len(lessons)).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
