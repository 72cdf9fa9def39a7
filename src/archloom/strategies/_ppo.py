"""PPO: the controller of REINFORCE, trained by proximal policy optimization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    from torch import Tensor

    from archloom.strategies._controller import Judged


class Lesson(NamedTuple):
    """The decisions of a trial, what the controller thought of them then, and the reward."""

    path: list[Decision]
    before: Judged
    reward: float


@dataclass
class Ppo(Strategy):
    """Proximal policy optimization: an LSTM writes architectures and expects their rewards.

    Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal Policy Optimization Algorithms"
    (arXiv 1707.06347): after `batch` trials Adam takes `epochs` steps on the clipped surrogate
    objective (eq. 7) with a learned value of each decision and an entropy bonus (eq. 9). The
    only reward comes at the end, so a decision's advantage is that reward less its value
    (discount and lambda 1). The controller is that of `Reinforce` with one more output, the value.

    What differs from the paper: all trials of a batch make one minibatch; an architecture is
    tried once, as with `Reinforce` (`deduplicate=False`: as often as it is drawn); the reward is
    the share of all trials so far that a trial beats (`reward="value"`: the metric).

    Args:
        lr: the learning rate of Adam.
        batch: trials for each round of learning.
        epochs: steps on them.
        clip: how far the chance of a decision may move, as a share, before nothing is gained.
        critic: the weight of the squared error of the values.
        entropy: the weight of the entropy.
        size: units in a layer of the LSTM.
        layers: how many layers it has.
        reward: "rank" or "value".
        bins: parts of a number's range.

    Raises:
        ConfigError: for settings out of range.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = Ppo(batch=4)
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    lr: float = 0.01
    batch: int = 5
    epochs: int = 4
    clip: float = 0.2
    critic: float = 0.5
    entropy: float = 0.01
    size: int = 35
    layers: int = 1
    reward: Reward = "rank"
    bins: int = 8
    deduplicate: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "size", "layers"):
            check_whole(name, getattr(self, name))
        check_whole("bins", self.bins, 2)
        check_number("lr", self.lr, 0, above=True)
        check_number("clip", self.clip, 0, 1, above=True)
        check_number("critic", self.critic, 0)
        check_number("entropy", self.entropy, 0)
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
        self._running: dict[int, Judged] = {}
        self._lessons: list[Lesson] = []

    def ask(self, number: int) -> Proposal | None:
        drawn = self._fresh.given or self._policy.draw(self._rng(number))
        return Proposal(drawn) if drawn is not None else None

    def tell(self, trial: Trial) -> None:
        self._fresh.discard(trial.architecture)
        path = self._policy.path(trial.architecture)
        if not path:
            return
        before = self._running.pop(trial.number, None) or self._policy.judged(path)
        if not trial.state.ended:
            self._running[trial.number] = before
            return
        gain = self._gain(trial)
        self._rewards.add(gain)
        self._lessons.append(Lesson(path, before, self._rewards.of(gain)))
        if len(self._lessons) == self.batch:
            self._learn()

    def _learn(self) -> None:
        import torch

        lessons, self._lessons = self._lessons, []
        paths = [lesson.path for lesson in lessons]
        before = torch.cat([lesson.before.log_chances for lesson in lessons])
        values = torch.cat([lesson.before.values for lesson in lessons])
        known = [lesson.reward for lesson in lessons for _ in lesson.path]
        rewards = torch.tensor(known, dtype=torch.float64)
        for _ in range(self.epochs):
            loss = self._loss(self._policy.judge(paths), before, rewards, rewards - values)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def _loss(self, now: Judged, before: Tensor, rewards: Tensor, advantages: Tensor) -> Tensor:
        """Give minus equation 9, its mean over all decisions."""
        ratio = (now.log_chances - before).exp()
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        surrogate = (ratio * advantages).minimum(clipped * advantages)
        error = (now.values - rewards).square()
        loss: Tensor = -surrogate + self.critic * error - self.entropy * now.entropies
        return loss.mean()
