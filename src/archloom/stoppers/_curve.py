"""CurveStopper: stop what will hardly beat the best, by its extrapolated learning curve."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

from archloom.curves import DRIFT, Forecast, extrapolate
from archloom.errors import ConfigError
from archloom.stoppers._stopper import (
    Gains,
    check_share,
    check_steps,
    gains,
    is_at_end,
    last_step,
    peers,
)
from archloom.study import Study
from archloom.trial import State, Trial

_LATEST = 8  # finished trials that the forecasts are measured on


@dataclass(frozen=True)
class CurveStopper:
    """Stop a trial whose chance to beat the best falls below `chance`.

    The predictive termination criterion of Domhan, Springenberg and Hutter, "Speeding up Automatic
    Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning Curves" (IJCAI
    2015, section 4): the curve of the running trial is extrapolated to the last step, see
    `archloom.curves.extrapolate`, and compared with the best finished trial. The last step is that
    of the longest finished trial of the same stage, epochs and budget.

    What differs from the paper: it asks at every step from `after` on, not at every 30th. Forecasts
    are first made for finished trials, from as many of their steps as the running one has, and
    where at least `startup` of the latest 8 can tell, the mean of what they missed corrects the
    forecast and its spread takes the place of a general guess. So the jump of a curve when the
    learning rate falls, which no extrapolation sees coming, is learned from this very search.

    Args:
        chance: least probability to beat the best that a trial goes on with.
        after: the first step at which a trial may be stopped, 3 or later.
        startup: finished trials that must be there.

    >>> CurveStopper(chance=0.1).after
    4
    """

    chance: float = 0.05
    after: int = 4
    startup: int = 3
    _missed: dict[tuple[int, int, float], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_share("CurveStopper", "chance", self.chance)
        check_steps("CurveStopper", "after", self.after, low=3)
        check_steps("CurveStopper", "startup", self.startup)

    def __call__(self, study: Study, trial: Trial) -> bool:
        """Say whether the trial will hardly beat the best."""
        seen = gains(study, trial)
        finished = peers(study, trial, State.DONE)
        if len(finished) < self.startup or is_at_end(trial, finished):
            return False
        if seen[-1][0] < self.after or len(seen) < self.after or not _finite(seen):
            return False
        ends = [end for other in finished if math.isfinite(end := _end(study, other))]
        if not ends:
            return False
        forecast = self._forecast(study, seen, finished)
        return forecast.chance_above(max(ends)) < self.chance

    def _forecast(self, study: Study, seen: Gains, finished: list[Trial]) -> Forecast:
        horizon = float(max(map(last_step, finished)))
        missed = self._misses(study, seen[-1][0], finished, horizon)
        if len(missed) < max(self.startup, 2):
            return _extrapolated(seen, horizon, DRIFT)
        plain = _extrapolated(seen, horizon, 0.0)
        count = len(missed)
        # of a further one, whose mean is not known either
        spread = statistics.stdev(missed) * math.sqrt(1 + 1 / count)
        return Forecast(plain.mean + statistics.fmean(missed), math.hypot(plain.std, spread))

    def _misses(
        self, study: Study, step: int, finished: list[Trial], horizon: float
    ) -> list[float]:
        """Give by how much the forecasts of finished trials from that step fell short."""
        missed = []
        for other in finished[-_LATEST:]:
            key = (other.number, step, horizon)
            if key not in self._missed:
                curve = gains(study, other)
                until = tuple(point for point in curve if point[0] <= step)
                usable = len(until) >= self.after and _finite(curve)
                miss = math.nan
                if usable and last_step(other) == horizon:
                    miss = _end(study, other) - _extrapolated(until, horizon, 0.0).mean
                self._missed[key] = miss
            if math.isfinite(self._missed[key]):
                missed.append(self._missed[key])
        return missed


def _extrapolated(seen: Gains, horizon: float, drift: float) -> Forecast:
    steps, values = zip(*seen, strict=True)
    return extrapolate(steps, values, max(horizon, steps[-1]), drift=drift)


def _end(study: Study, trial: Trial) -> float:
    """Give the gain that a finished trial is scored with."""
    objective = study.objectives[0]
    value = trial.metrics.get(objective.metric)
    if value is None:
        raise ConfigError(
            f"Finished trials are compared by {objective.metric!r}, and trial {trial.number} has "
            f"none."
        )
    return objective.gain(value)


def _finite(seen: Gains) -> bool:
    return all(math.isfinite(gain) for _, gain in seen)
