"""Clock: the time of one training, and when it is time to validate and to end."""

from __future__ import annotations

import time
from collections.abc import Callable

_STRETCH = 0.05  # of the budget, at least, between two validations
_FEW = 5.0  # times as long as a validation takes, at least, between two of them
_SMOOTH = 0.1  # weight of the latest step in the mean time of a step
_WARM_UP = 2  # steps, the last of which is the first that tells how long one takes
_FIRST_GUESS = 0.4  # of a training sample is what a validation sample costs, until measured


class Clock:
    """What a training has used of its `seconds`, None being no limit.

    A budget leaves room for one last validation, which is taken to last as long as the one
    before; until one was measured, half as long as training on `valid_steps` batches.
    `now` gives the time in seconds.

    >>> moments = iter([0.0, 2.0, 5.0])
    >>> clock = Clock(10.0, now=lambda: next(moments))
    >>> clock.elapsed, clock.elapsed
    (2.0, 5.0)
    """

    def __init__(
        self,
        seconds: float | None = None,
        *,
        valid_steps: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self.valid_steps = valid_steps
        self._now = now
        self._began = now()
        self._lead: float | None = None  # elapsed before the first step
        self._last_step = 0.0
        self._steps = 0
        self._step_cost: float | None = None
        self._validation: float | None = None
        self._validated_at: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning, those of earlier starts of the same training included."""
        return self._now() - self._began

    @property
    def share(self) -> float:
        """The share of the training time used, in [0, 1]; 0 without a limit."""
        if self.seconds is None or self._lead is None:
            return 0.0
        room = self.seconds - self._reserve - self._lead
        return min(1.0, (self.elapsed - self._lead) / room) if room > 0 else 1.0

    @property
    def over(self) -> bool:
        """Whether another step, and the validation that must follow, would come too late."""
        if self.seconds is None:
            return False
        return self.elapsed + (self._step_cost or 0.0) + self._reserve > self.seconds

    @property
    def due(self) -> bool:
        """Whether to validate at the end of an epoch: always, without a limit."""
        if self.seconds is None:
            return True
        stretch = max(_STRETCH * self.seconds, _FEW * self._reserve)
        since = self._lead if self._validated_at is None else self._validated_at
        enough = self.elapsed - (since or 0.0) >= stretch
        return enough and self.elapsed + 2 * self._reserve < self.seconds

    def step_begins(self) -> None:
        """Note that a step begins; the first one tells how long the preparations took."""
        self._last_step = self.elapsed
        if self._lead is None:
            self._lead = self._last_step

    def step_ends(self) -> None:
        """Note how long the step took. The first one, which warms up, counts until the second."""
        cost = self.elapsed - self._last_step
        self._steps += 1
        if self._step_cost is None or self._steps <= _WARM_UP:
            self._step_cost = cost
        else:
            self._step_cost += _SMOOTH * (cost - self._step_cost)

    def validated(self, since: float) -> None:
        """Note that a validation and what belongs to it ended, begun at `since`."""
        self._validated_at = self.elapsed
        self._validation = self._validated_at - since

    def state_dict(self) -> dict[str, float | None]:
        """Give what a later start of the same training needs."""
        return {
            "elapsed": self.elapsed,
            "lead": self._lead,
            "validation": self._validation,
            "validated_at": self._validated_at,
        }

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Go on where an earlier start was saved, the time of this start included."""
        self._began -= state["elapsed"] or 0.0
        self._lead = state["lead"]
        self._validation = state["validation"]
        self._validated_at = state["validated_at"]

    @property
    def _reserve(self) -> float:
        if self._validation is not None:
            return self._validation
        return _FIRST_GUESS * self.valid_steps * (self._step_cost or 0.0)
