"""ENAS: a controller learns by reward which paths are good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.nn import Assignment
from archloom.oneshot._check import check_number, check_whole
from archloom.oneshot._controller import Controller, Written
from archloom.oneshot._gates import Judge, Learned, State
from archloom.oneshot._relax import picked
from archloom.oneshot._slots import Slot, slots_of
from archloom.oneshot._subsets import draw_places
from archloom.oneshot._traits import ArchOptimizer, Traits, WeightOptimizer
from archloom.space import Space

_WALKS: Final = 16


@dataclass
class Enas(Learned):
    """A recurrent controller draws paths; REINFORCE moves it to those that score well.

    Pham, Guan, Zoph, Le and Dean, "Efficient Neural Architecture Search via Parameter Sharing"
    (ICML 2018, arXiv 1802.03268). A weight step trains one path that the controller draws; after
    the weight steps of an epoch the controller is trained on validation batches, with the score as
    reward, the entropy of its decisions added to it, and a moving average as baseline (section
    2.2).

    What differs from the paper: decisions follow the tree of any space, so each label has an
    output layer of its own and a subset is one decision; the derived architecture is the
    controller's likeliest, where the paper draws several and takes the best on one batch;
    the learning rate of the weights falls once, without restarts; the baseline starts at the
    first reward, not at 0.

    Args:
        size: the LSTM's width.
        temperature: what outputs are divided by before the tanh.
        bound: the tanh constant, the largest log-odds.
        entropy: the weight of the entropy in the reward.
        decay: how much of the baseline stays at each reward.
        samples: paths for each controller step.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = Enas()
    >>> ops = OneOf((Option("conv3"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> gates.paths(np.random.default_rng(0))
    [Architecture({'op': 'skip'})]
    """

    size: int = 64
    temperature: float = 5.0
    bound: float = 2.5
    entropy: float = 1e-4
    decay: float = 0.99
    samples: int = 1

    def __post_init__(self) -> None:
        check_whole("Enas", "size", self.size, 1)
        check_whole("Enas", "samples", self.samples, 1)
        check_number("Enas", "temperature", self.temperature, 0, open_low=True)
        check_number("Enas", "bound", self.bound, 0, open_low=True)
        check_number("Enas", "entropy", self.entropy, 0)
        check_number("Enas", "decay", self.decay, 0)

    @property
    def traits(self) -> Traits:
        return Traits(
            weights=WeightOptimizer(lr=0.05, nesterov=True, weight_decay=1e-4),
            arch=ArchOptimizer(lr=3.5e-4, betas=(0.9, 0.999), weight_decay=0.0),
            epochs=310,
            batch_size=128,
            every="epoch",
            rewarded=True,
        )

    def setup(self, space: Space, seed: int) -> None:
        slots = slots_of(space, "Enas", by_operation=False)
        self._controller = Controller(slots, self.size, self.temperature, self.bound)
        self._controller.initialise(torch.Generator().manual_seed(seed))
        self._parameters = dict(self._controller.named_parameters())
        self._baseline: float | None = None
        self._seed = seed

    def parameters(self) -> Mapping[str, nn.Parameter]:
        return self._parameters

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        return [self.draw(rng)]

    def loss(self, judge: Judge, rng: np.random.Generator) -> Tensor:
        losses = []
        for _ in range(self.samples):
            written = self._write(rng)
            with torch.no_grad():
                score = judge(written.architecture).score
            reward = score + self.entropy * float(written.entropy.detach())
            self._baseline = self._moved(reward)
            losses.append(-written.log_chance * (reward - self._baseline))
        return torch.stack(losses).mean()

    def draw(self, rng: np.random.Generator) -> Architecture:
        with torch.no_grad():
            return self._write(rng).architecture

    def probabilities(self) -> Mapping[str, Tensor]:
        """Give the chances of each decision, on average over 16 paths that the controller draws.

        They hang on the decisions before; the seed of these draws is fixed.
        """
        rng = np.random.default_rng([self._seed, 1])
        walks = [self._write(rng).chances for _ in range(_WALKS)]
        return {
            label: torch.stack([chances[label] for chances in walks]).mean(0) for label in walks[0]
        }

    def derive(self) -> Architecture | None:
        with torch.no_grad():
            written: Written = self._controller(picked)
        return written.architecture

    def state(self) -> State:
        values = {name: p.detach().cpu().clone() for name, p in self._parameters.items()}
        return {"controller": values, "baseline": self._baseline}

    def restore(self, state: State) -> None:
        self._controller.load_state_dict(state["controller"])
        self._baseline = state["baseline"]

    def _write(self, rng: np.random.Generator) -> Written:
        def pick(slot: Slot, odds: Tensor) -> tuple[int, ...]:
            return draw_places(odds.detach().tolist(), slot.low, slot.high, rng)

        written: Written = self._controller(pick)
        return written

    def _moved(self, reward: float) -> float:
        if self._baseline is None:
            return reward
        return self.decay * self._baseline + (1 - self.decay) * reward
