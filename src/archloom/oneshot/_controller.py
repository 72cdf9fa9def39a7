"""Controller: a recurrent network that writes an architecture, one decision after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor, nn

from archloom.architecture import Architecture, Value
from archloom.oneshot._slots import Slot, Slots
from archloom.oneshot._subsets import inclusion, log_total
from archloom.space import Choice

Pick: TypeAlias = Callable[[Slot, Tensor], tuple[int, ...]]
"""Choose the places of options, given their log-odds."""


@dataclass(frozen=True)
class Written:
    """An architecture, how likely it was, and the spread of the decisions on the way.

    `log_chance` and `entropy` carry the graph; `chances` are those of each decision met.
    """

    architecture: Architecture
    log_chance: Tensor
    entropy: Tensor
    chances: dict[str, Tensor]


@final
class Controller(nn.Module):
    """An LSTM that reads its last decision and gives the log-odds of the next one.

    Decisions come in the order of the walk through the tree, only those of active labels. Each
    label has an output layer of its own and a vector for each option; of several chosen inputs
    it reads the mean. All parameters start uniform in [-0.1, 0.1].
    """

    def __init__(self, slots: Slots, size: int, temperature: float, bound: float) -> None:
        super().__init__()
        self._slots = slots
        self._temperature = temperature
        self._bound = bound
        self._places = {label: place for place, label in enumerate(slots.open)}
        self.cell = nn.LSTMCell(size, size)
        self.start = nn.Parameter(torch.empty(1, size))
        self.heads = nn.ModuleList(nn.Linear(size, len(s.options)) for s in slots.open.values())
        sizes = [len(slot.options) for slot in slots.open.values()]
        self._first_rows = dict(zip(slots.open, itertools.accumulate([0, *sizes]), strict=False))
        self.options = nn.Embedding(sum(sizes), size)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all parameters."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.1, 0.1, generator=generator)

    def forward(self, pick: Pick) -> Written:
        """Write an architecture; `pick` takes each decision."""
        memory: tuple[Tensor, Tensor] | None = None
        heard: Tensor = self.start
        logs, entropies, chances = [], [], {}

        def choose(choice: Choice) -> Value:
            nonlocal memory, heard
            label = choice.label
            if label in self._slots.single:
                return self._slots.single[label]
            slot = self._slots.open[label]
            memory = self.cell(heard, memory)
            odds = self._log_odds(label, memory[0])
            places = pick(slot, odds)
            total = log_total(odds, slot.low, slot.high)
            chances[label] = inclusion(odds, slot.low, slot.high)
            logs.append(odds[list(places)].sum() - total)
            entropies.append(total - (chances[label] * odds).sum())
            heard = self._heard(label, places)
            return slot.value(places)

        architecture = self._slots.space.complete({}, choose)
        for label in self._slots.open:
            if label not in chances:  # not active here: what it would say next
                state = self.cell(heard, memory)
                chances[label] = self._chances(label, state[0])
        return Written(architecture, torch.stack(logs).sum(), torch.stack(entropies).sum(), chances)

    def _log_odds(self, label: str, hidden: Tensor) -> Tensor:
        raw = self.heads[self._places[label]](hidden)[0]
        odds: Tensor = self._bound * torch.tanh(raw / self._temperature)
        return odds

    def _chances(self, label: str, hidden: Tensor) -> Tensor:
        slot = self._slots.open[label]
        return inclusion(self._log_odds(label, hidden), slot.low, slot.high)

    def _heard(self, label: str, places: tuple[int, ...]) -> Tensor:
        if not places:
            return torch.zeros_like(self.start)
        first = self._first_rows[label]
        return self.options.weight[[first + place for place in places]].mean(0, keepdim=True)
