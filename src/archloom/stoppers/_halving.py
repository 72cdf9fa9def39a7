"""Halving: let only the best share of the trials pass each rung."""

from __future__ import annotations

from dataclasses import dataclass

from archloom.errors import ConfigError
from archloom.stoppers._stopper import Gains, check_steps, gains, is_at_end, peers
from archloom.study import Study
from archloom.trial import State, Trial

_RAN = (State.RUNNING, State.DONE, State.STOPPED)


@dataclass(frozen=True)
class Halving:
    """At each rung, stop a trial that is not among the best 1 / `eta` that came so far.

    Rungs are the steps `first`, `first * eta`, `first * eta**2`, ... of Li et al., "A System for
    Massively Parallel Hyperparameter Tuning" (ASHA, MLSys 2020, arXiv 1810.05934). Like their
    Algorithm 2 a trial is compared, as soon as it reaches a rung, with those that have reached it,
    and passes as one of the best floor(n / eta) of n. Where that algorithm lets a trial wait and
    promotes it later, this one decides at once and for good, so that nothing has to be kept; while
    fewer than `eta` trials have reached a rung, all pass.

    A trial is judged at a rung by its first report there or beyond. Nothing is stopped that has
    come as far as the finished trials.

    >>> [Halving(eta=3).rung(step) for step in (1, 2, 3, 8, 9)]
    [1, 1, 3, 3, 9]
    """

    eta: int = 3
    first: int = 1

    def __post_init__(self) -> None:
        check_steps("Halving", "eta", self.eta, low=2)
        check_steps("Halving", "first", self.first)

    def __call__(self, study: Study, trial: Trial) -> bool:
        """Say whether the trial has reached a rung and does not pass it."""
        seen = gains(study, trial)
        before = seen[-2][0] if len(seen) > 1 else 0
        step, gain = seen[-1]
        rung = self.rung(step)
        if rung <= before or is_at_end(trial, peers(study, trial, State.DONE)):
            return False
        others = [_at(gains(study, other), rung) for other in peers(study, trial, *_RAN)]
        reached = [value for value in others if value is not None]
        count = len(reached) + 1
        better = sum(value > gain for value in reached)
        return count >= self.eta and better >= count // self.eta

    def rung(self, step: int) -> int:
        """Give the last rung at or before a step, 0 before the first."""
        if step < 1:
            raise ConfigError(f"Steps are counted from 1, got {step}.")
        rung = self.first
        if step < rung:
            return 0
        while rung * self.eta <= step:
            rung *= self.eta
        return rung


def _at(seen: Gains, rung: int) -> float | None:
    return next((gain for step, gain in seen if step >= rung), None)
