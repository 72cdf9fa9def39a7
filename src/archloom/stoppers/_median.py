"""Median: stop what is worse than the usual trial was at the same step."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from archloom.stoppers._stopper import check_steps, gains, is_at_end, peers
from archloom.study import Study
from archloom.trial import State, Trial


@dataclass(frozen=True)
class Median:
    """Stop a trial that is worse than the median of the finished ones.

    The median stopping rule of Golovin et al., "Google Vizier: A Service for Black-Box
    Optimization" (KDD 2017): a trial is stopped at step s if its best value up to s
    is strictly worse than the median of the finished trials' running averages up to s, the mean of
    all that each of them reported by then.

    Finished trials are those of the same stage, epochs and budget that were not stopped. The rule
    says nothing before `startup` of them and before step `after`, and nothing about a trial that
    has come as far as they did.

    Args:
        startup: finished trials that it takes to have a median worth trusting.
        after: the first step at which a trial may be stopped.

    >>> from archloom import Architecture
    >>> from archloom.journal import Finished, Reported, Started
    >>> def reports(number, *values):
    ...     yield Started(number, "search", Architecture({"width": number}), seed=0)
    ...     for step, value in enumerate(values, start=1):
    ...         yield Reported(number, step, {"accuracy": value}, seconds=step)
    >>> study = Study.of([*reports(0, 0.5, 0.7, 0.8), Finished(0, State.DONE, {"accuracy": 0.8})])
    >>> for event in reports(1, 0.4, 0.55):
    ...     study.apply(event)
    >>> Median(startup=1)(study, study[1])  # 0.55 is less than (0.5 + 0.7) / 2
    True
    """

    startup: int = 4
    after: int = 1

    def __post_init__(self) -> None:
        check_steps("Median", "startup", self.startup)
        check_steps("Median", "after", self.after)

    def __call__(self, study: Study, trial: Trial) -> bool:
        """Say whether the trial is worse than the median at its last step."""
        seen = gains(study, trial)
        step = seen[-1][0]
        finished = peers(study, trial, State.DONE)
        if step < self.after or len(finished) < self.startup or is_at_end(trial, finished):
            return False
        means = []
        for other in finished:
            until = [gain for at, gain in gains(study, other) if at <= step]
            if until:
                means.append(statistics.fmean(until))
        return len(means) >= self.startup and _best(seen) < statistics.median(means)


def _best(seen: tuple[tuple[int, float], ...]) -> float:
    return max(gain for _, gain in seen)
