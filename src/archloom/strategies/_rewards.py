"""What a trial's score is worth to a strategy that learns by reward."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Literal, TypeAlias, get_args

from archloom.errors import ConfigError

Reward: TypeAlias = Literal["rank", "value"]


class Rewards:
    """The gains of all scored trials, as rewards.

    "rank": the share of the trials that it beats, ties half, 1/2 where there is no other. So the
    metric's scale and direction do not matter, nor how far off the bad ones are. "value": the gain
    as it is; one that is not finite counts as the worst finite one.

    >>> rewards = Rewards("rank")
    >>> for gain in (0.91, 0.93, -math.inf, 0.92):
    ...     rewards.add(gain)
    >>> rewards.of(0.93), rewards.of(None)
    (1.0, 0.0)
    """

    def __init__(self, how: Reward) -> None:
        self._how = how
        self._gains: list[float] = []

    def add(self, gain: float | None) -> None:
        """Take in a trial's gain; None for a failed or rejected one changes nothing."""
        if gain is not None:
            self._gains.insert(bisect_right(self._gains, gain), gain)

    def of(self, gain: float | None) -> float:
        """Give the reward for a gain that was added, as the trials stand now.

        A failed or rejected trial, None, is as bad as the worst: 0 by rank.
        """
        if self._how == "value":
            return gain if gain is not None and math.isfinite(gain) else self._worst()
        if gain is None:
            return 0.0
        others = len(self._gains) - 1
        below = bisect_left(self._gains, gain)
        equal = bisect_right(self._gains, gain) - below - 1
        return (below + equal / 2) / others if others else 0.5

    def _worst(self) -> float:
        return next((gain for gain in self._gains if math.isfinite(gain)), 0.0)


def check_reward(value: object) -> None:
    """Raise `ConfigError` unless it is a way to reward."""
    if value not in get_args(Reward):
        raise ConfigError(f"reward must be 'rank' or 'value', got {value!r}.")
