"""Controller: a recurrent network that writes architectures, one decision after the other.

Imported only once a strategy that uses it is set up: it needs torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archloom.strategies._decisions import Choose, Decision

Vector = NDArray[np.float64]


class Judged(NamedTuple):
    """Decisions as the controller sees them: for each its log chance, entropy and value."""

    log_chances: Tensor
    entropies: Tensor
    values: Tensor


@final
class Controller(nn.Module):
    """An LSTM that reads the decision before and gives the chances of the next one's outcomes.

    Each decision has an output layer of its own and each outcome a vector by which it is read.
    What the outputs say is added to the decision's own odds. Parameters start uniform in
    [-0.08, 0.08]; the bound is that of Zoph and Le.
    """

    def __init__(
        self, counts: Mapping[str, int], size: int, layers: int, rng: np.random.Generator
    ) -> None:
        super().__init__()
        firsts = list(itertools.accumulate(counts.values(), initial=0))
        self._slots = {
            key: slice(first, first + count)
            for (key, count), first in zip(counts.items(), firsts, strict=False)
        }
        self._start = firsts[-1]
        # Made without storage, so that no random numbers of torch are used up.
        with torch.device("meta"):
            self.lstm = nn.LSTM(size, size, layers, batch_first=True, dtype=torch.float64)
            self.options = nn.Embedding(self._start + 1, size, dtype=torch.float64)
            self.outputs = nn.Linear(size, self._start + 1, dtype=torch.float64)
            self.critic = nn.Linear(size, 1, dtype=torch.float64)
        self.to_empty(device="cpu")
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.from_numpy(rng.uniform(-0.08, 0.08, parameter.shape)))

    def forward(self, paths: Sequence[Sequence[Decision]]) -> Judged:
        """Judge the decisions that lead to some architectures, one path after the other.

        There must be at least one decision in each. All results have the shape [decisions].
        """
        longest = max(map(len, paths))
        heard = np.full((len(paths), longest), self._start)
        there = np.zeros(heard.shape, dtype=np.bool_)
        for line, path in enumerate(paths):
            there[line, : len(path)] = True
            heard[line, 1 : len(path)] = [self._row(decision) for decision in path[:-1]]
        steps, _ = self.lstm(self.options(torch.from_numpy(heard)))
        hidden = steps[torch.from_numpy(there)]
        decisions = list(itertools.chain.from_iterable(paths))
        return self._judge(hidden, decisions)

    def _judge(self, hidden: Tensor, decisions: Sequence[Decision]) -> Judged:
        odds = np.full((len(decisions), self._start + 1), -np.inf)
        for line, decision in zip(odds, decisions, strict=True):
            line[self._slots[decision.key]] = decision.odds
        possible = torch.from_numpy(odds)
        logs = (self.outputs(hidden) + possible).log_softmax(1)
        taken = torch.tensor([self._row(decision) for decision in decisions])
        finite = logs.masked_fill(torch.isinf(possible), 0.0)
        entropies = -(finite.exp() * finite).sum(1)
        chances = logs.gather(1, taken[:, None])[:, 0]
        return Judged(chances, entropies, self.critic(hidden)[:, 0])

    def _row(self, decision: Decision) -> int:
        return self._slots[decision.key].start + decision.outcome

    def writer(self, rng: np.random.Generator, heat: float = 1.0) -> Choose:
        """Give what takes the decisions of one architecture, drawn by their chances.

        `heat` divides what was learned: the larger, the nearer to the decisions' own odds.
        Written in NumPy, since a step of one decision is a tenth of the price of torch's.
        """
        weights = self._weights()
        options, outputs = weights["options.weight"], weights["outputs.weight"]
        bias = weights["outputs.bias"]
        memory = [(np.zeros(self.lstm.hidden_size),) * 2 for _ in range(self.lstm.num_layers)]
        heard = options[self._start]

        def choose(key: str, odds: Sequence[float]) -> int:
            nonlocal heard
            hidden: Vector = heard
            for layer, state in enumerate(memory):
                memory[layer] = _step(weights, layer, hidden, state)
                hidden = memory[layer][0]
            slot = self._slots[key]
            logs = (outputs[slot] @ hidden + bias[slot]) / heat + odds
            shares = np.cumsum(np.exp(logs - logs.max()))
            drawn = rng.random() * shares[-1]
            outcome = min(int(np.searchsorted(shares, drawn, side="right")), len(logs) - 1)
            heard = options[slot.start + outcome]
            return outcome

        return choose

    def _weights(self) -> dict[str, Vector]:
        return {name: p.detach().numpy() for name, p in self.named_parameters()}


def _step(
    weights: Mapping[str, Vector], layer: int, heard: Vector, state: tuple[Vector, Vector]
) -> tuple[Vector, Vector]:
    """Give the hidden state and the cell after one step of torch's LSTM."""
    read = weights[f"lstm.weight_ih_l{layer}"] @ heard + weights[f"lstm.bias_ih_l{layer}"]
    kept = weights[f"lstm.weight_hh_l{layer}"] @ state[0] + weights[f"lstm.bias_hh_l{layer}"]
    inward, forget, new, outward = np.split(read + kept, 4)
    cell = _sigmoid(forget) * state[1] + _sigmoid(inward) * np.tanh(new)
    return _sigmoid(outward) * np.tanh(cell), cell


def _sigmoid(values: Vector) -> Vector:
    squashed: Vector = 0.5 * (1.0 + np.tanh(0.5 * values))
    return squashed
