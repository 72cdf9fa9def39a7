"""Run a strategy some of whose proposals are not tried, because their outcome is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from archloom.strategies._strategy import Strategy
from archloom.trial import Proposal, State, Trial

_IN_A_ROW: Final = 100  # proposals passed over until the strategy is taken to be stuck
_REDRAWS: Final = 8  # asks with other numbers, for a number that was not foreseen
_STRIDE: Final = 2**32
_ALIASES: Final = 2**40  # far above any trial's number

Verdict = Callable[[Proposal], Trial | None]
"""Gives the trial whose outcome stands for a proposal; None where it must be tried."""


class Stuck(Exception):
    """The strategy goes on proposing what is not tried."""


class Bypass:
    """A strategy, told at once how those of its proposals end that are not tried.

    That happens when a trial is told, not when it is asked, so that asking changes nothing. Such
    a proposal becomes a trial that only the strategy sees, with a number far above all others. If
    it stands for a trial that still runs, it ends together with that one.
    """

    def __init__(self, inner: Strategy, verdict: Verdict) -> None:
        self._inner = inner
        self._verdict = verdict
        self._next = 0
        self._foreseen: Proposal | None = None  # the answer to the next number, if it is one to try
        self._aliases: dict[int, int] = {}
        self._waiting: dict[int, list[Trial]] = {}

    def ask(self, number: int) -> Proposal | None:
        """Give a proposal that is to be tried.

        Raises:
            Stuck: when the strategy gives none.
        """
        if number == self._next and self._foreseen is not None:
            return self._real(self._foreseen)
        for turn in range(_REDRAWS):
            proposal = self._inner.ask(number + turn * _STRIDE)
            if proposal is None:
                return None
            if self._verdict(proposal) is None:
                return self._real(proposal)
        raise Stuck

    def tell(self, trial: Trial) -> None:
        """Tell the strategy a trial and those that stand or fall with it, and look ahead."""
        self._inner.tell(trial)
        if trial.state.ended:
            for alias in self._waiting.pop(trial.number, ()):
                self._inner.tell(_ended_as(alias, trial))
        self._next = max(self._next, trial.number + 1)
        self.foresee()

    def foresee(self) -> None:
        """Pass over what comes next, up to the first proposal that is to be tried."""
        self._foreseen = None
        for _ in range(_IN_A_ROW):
            proposal = self._inner.ask(self._next)
            if proposal is None:
                return
            known = self._verdict(proposal)
            if known is None:
                self._foreseen = proposal
                return
            self._pass_over(proposal, known)

    def _pass_over(self, proposal: Proposal, known: Trial) -> None:
        number = _ALIASES + len(self._aliases)
        self._aliases[number] = known.number
        alias = Trial(
            number,
            known.stage,
            proposal.architecture,
            seed=0,
            epochs=proposal.epochs,
            parent=proposal.parent,
            budget=proposal.budget,
        )
        if known.state is not State.REJECTED:  # those are told once
            self._inner.tell(alias)
        if known.state.ended:
            self._inner.tell(_ended_as(alias, known))
        else:
            self._waiting.setdefault(known.number, []).append(alias)

    def _real(self, proposal: Proposal) -> Proposal:
        """Put the trial in as the parent for which the strategy's own one stands."""
        if proposal.parent is None or proposal.parent < _ALIASES:
            return proposal
        return replace(proposal, parent=self._aliases[proposal.parent])


def _ended_as(alias: Trial, known: Trial) -> Trial:
    return replace(
        alias, state=known.state, metrics=known.metrics, curve=known.curve, error=known.error
    )
