"""Alphas: a vector of architecture parameters for each choice, and what all methods do with it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.nn import Assignment, Gate
from archloom.oneshot._chances import Keep, check_keep, derive, draw, probabilities, with_edges
from archloom.oneshot._gates import Judge, Learned, State
from archloom.oneshot._slots import Slot, Slots, slots_of
from archloom.space import Space


@final
class Alphas:
    """The architecture parameters of a space: one vector for each choice with several outcomes.

    A label is one decision, so a tied label has one vector. Subsets whose inputs are compared by
    their operations have none, unless `edges` asks for one. They start as normal noise of standard
    deviation `scale`, drawn from `seed`.
    """

    def __init__(
        self, space: Space, method: str, seed: int, scale: float = 1e-3, edges: bool = False
    ) -> None:
        self.slots: Slots = slots_of(space, method)
        rng = np.random.default_rng([seed, 0])
        self.parameters: dict[str, nn.Parameter] = {
            label: nn.Parameter(
                torch.tensor(scale * rng.standard_normal(len(slot.options)), dtype=torch.float32)
            )
            for label, slot in self.slots.open.items()
            if edges or slot.how != "edges"
        }

    def slot(self, label: str) -> Slot:
        """Give what is decided under a label."""
        return self.slots.open[label]

    def assignment(self, gates: Mapping[str, Gate]) -> Assignment:
        """Complete gates: choices of one outcome take it, inputs compared by operations all run."""
        whole: dict[str, Gate] = dict(self.slots.single)
        for label, slot in self.slots.open.items():
            if label in gates:
                whole[label] = gates[label]
            elif slot.how == "edges":
                whole[label] = slot.options  # by name: all inputs run, none is multiplied
        return whole

    @property
    def device(self) -> torch.device:
        """Where the parameters are: on the CPU, unless the training has moved them."""
        return next(iter(self.parameters.values())).device

    def noise(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw standard Gumbel noise for each parameter, in one piece.

        Where the number of inputs of a subset is open it is logistic noise, the difference of two
        Gumbels, which is what a decision between in and out takes.
        """
        sizes = [len(parameter) for parameter in self.parameters.values()]
        drawn = _gumbel(rng, sum(sizes))
        other = _gumbel(rng, sum(sizes))
        both = torch.tensor(np.stack([drawn, drawn - other]), dtype=torch.float32)
        first, second = both.to(self.device).unbind()
        parts = zip(torch.split(first, sizes), torch.split(second, sizes), strict=True)
        return {
            label: logistic if self._is_open(label) else gumbel
            for label, (gumbel, logistic) in zip(self.parameters, parts, strict=True)
        }

    def state(self) -> State:
        """Give the parameters' values."""
        return {label: p.detach().cpu().clone() for label, p in self.parameters.items()}

    def restore(self, state: State) -> None:
        """Take over the parameters' values."""
        if set(state) != set(self.parameters):
            odd = sorted(set(state) ^ set(self.parameters))
            raise ConfigError(
                f"The stored architecture parameters belong to another space: {odd[0]!r} is only "
                f"in one of the two."
            )
        with torch.no_grad():
            for label, parameter in self.parameters.items():
                parameter.copy_(state[label])

    def _is_open(self, label: str) -> bool:
        slot = self.slots.open[label]
        return slot.low < slot.high


def _gumbel(rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    return -np.log(rng.standard_exponential(number))


class ByAlphas(Learned):
    """What the methods with one vector for each choice have in common.

    A method says what a pass takes (`weighted`) and, where its vectors are not log-odds
    themselves, how log-odds follow from them (`log_odds`).
    """

    none: Keep
    _alphas: Alphas

    def setup(self, space: Space, seed: int) -> None:
        self._alphas = Alphas(space, type(self).__name__, seed)

    @abstractmethod
    def weighted(self, rng: np.random.Generator) -> Assignment:
        """Give what the pass of an architecture step takes, with the graph to the parameters."""

    def log_odds(self) -> Mapping[str, Tensor]:
        """Give the log-odds of the options for each parameter."""
        return self._alphas.parameters

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        with torch.no_grad():
            return [self.weighted(rng)]

    def loss(self, judge: Judge, rng: np.random.Generator) -> Tensor:
        return judge(self.weighted(rng)).loss

    def parameters(self) -> Mapping[str, nn.Parameter]:
        return self._alphas.parameters

    def probabilities(self) -> Mapping[str, Tensor]:
        return probabilities(self._alphas.slots, self._all_odds())

    def draw(self, rng: np.random.Generator) -> Architecture:
        with torch.no_grad():
            return draw(self._alphas.slots, self._all_odds(), rng)

    def derive(self) -> Architecture | None:
        with torch.no_grad():
            return derive(self._alphas.slots, self.probabilities(), self.none)

    def state(self) -> State:
        return {"alphas": self._alphas.state()}

    def restore(self, state: State) -> None:
        self._alphas.restore(state["alphas"])

    def _all_odds(self) -> Mapping[str, Tensor]:
        return with_edges(self._alphas.slots, self.log_odds())

    def _checked_none(self) -> None:
        check_keep(self.none)
