"""Run one search on a table: ask, look up, tell."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from archloom.bench._cell import Cell
from archloom.bench._setting import Setting
from archloom.errors import ConfigError
from archloom.strategies import Strategy
from archloom.trial import Proposal, State, Trial

_FREE: Final = 2000  # proposals in a row that cost nothing; then there is nothing left to learn
_STAGE = "search"


def simulate(strategy: Strategy, setting: Setting, seed: int, label: str = "strategy") -> Cell:
    """Search the table until the budget is spent or nothing is left to try.

    Trials end at once, in the order in which they are asked for. An architecture that was
    evaluated before costs nothing again; a promoted one costs what it adds.

    Raises:
        ConfigError: when the strategy needs what the table has not, budgets for instance.

    >>> from archloom.objective import Objective
    >>> from archloom.strategies import Random
    >>> from archloom.tables import table_of
    >>> table = table_of({"width": [8, 16, 32], "accuracy": [0.7, 0.8, 0.9]}, ["width"])
    >>> cell = simulate(Random(), Setting(table, Objective("accuracy"), budget=3), seed=0)
    >>> cell.work, cell.at(3)[0], cell.found(3)
    (3.0, 0.9, True)
    """
    strategy.accept(setting.offer)
    strategy.setup(setting.table.space, setting.objective, seed)
    search = _Search(setting)
    asked: list[float] = []
    while search.work < setting.budget * (1 - 1e-9) and search.free < _FREE:
        began = time.perf_counter()
        proposal = strategy.ask(search.number)
        asked.append(time.perf_counter() - began)
        if proposal is None:
            break
        started, ended = search.evaluate(proposal)
        if started is not None:
            strategy.tell(started)
        strategy.tell(ended)
    late = asked[-max(1, len(asked) // 10) :]
    return Cell(
        label,
        seed,
        tuple(search.path),
        round(search.work, 9),
        search.number,
        search.rejected,
        float(np.mean(asked)) * 1e3,
        float(np.mean(late)) * 1e3,
    )


class _Search:
    """What was evaluated so far, at what price, and the best of it."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._best_row = -1
        self._best: tuple[float, float] = (0.0, -np.inf)  # share, then gain
        self._spent: dict[str, float] = {}  # the highest share of each architecture
        self._trials: dict[int, tuple[str, float]] = {}
        self.path: list[tuple[float, float, float, bool]] = []
        self.work = 0.0
        self.number = self.rejected = self.free = 0

    def evaluate(self, proposal: Proposal) -> tuple[Trial | None, Trial]:
        """Give the trial as it is told at its start, None if it is rejected, and at its end."""
        number, share = self.number, 1.0 if proposal.budget is None else proposal.budget
        self.number += 1
        score = self._setting.score(proposal.architecture, share)
        if score is None:
            self.rejected += 1
            self.free += 1
            return None, _trial(number, proposal, State.REJECTED)
        price = self._price(proposal, share)
        self.work += price
        self.free = 0 if price else self.free + 1
        self._note(proposal, share, score)
        self._trials[number] = (proposal.architecture.text, share)
        ended = _trial(number, proposal, State.DONE, score, self._setting.objective.metric)
        return _trial(number, proposal, State.RUNNING), ended

    def _price(self, proposal: Proposal, share: float) -> float:
        text = proposal.architecture.text
        before = self._spent.get(text, 0.0)
        self._spent[text] = max(before, share)
        if share <= before * (1 + 1e-9):
            return 0.0
        parent = self._trials.get(-1 if proposal.parent is None else proposal.parent)
        promoted = parent is not None and parent[0] == text
        return share - (parent[1] if promoted and parent is not None else 0.0)

    def _note(self, proposal: Proposal, share: float, score: float) -> None:
        """Keep the best one known: of the highest share, as `Study.top` ranks."""
        setting = self._setting
        standing = (share, setting.objective.gain(score))
        if standing <= self._best:
            return
        self._best = standing
        row = setting.table.row(proposal.architecture)
        is_best = share == 1.0 and setting.gains[row] >= setting.gains.max()
        told = float(setting.table.column(setting.reported)[row])
        self.path.append((round(self.work, 9), score, told, bool(is_best)))


def _trial(
    number: int, proposal: Proposal, state: State, score: float | None = None, metric: str = ""
) -> Trial:
    return Trial(
        number,
        _STAGE,
        proposal.architecture,
        seed=0,
        state=state,
        epochs=proposal.epochs,
        parent=proposal.parent,
        metrics={} if score is None else {metric: score},
        budget=proposal.budget,
    )


def require_usable(strategy: Strategy, setting: Setting, label: str) -> None:
    """Raise `ConfigError` unless the strategy can search the table."""
    try:
        strategy.accept(setting.offer)
        strategy.setup(setting.table.space, setting.objective, 0)
    except ConfigError as error:
        raise type(error)(f"{label}: {error}") from error
