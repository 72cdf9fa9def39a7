"""Monitor: whether what a supernet says can be trusted, checked while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError, did_you_mean
from archloom.oneshot._collapse import ACTIONS, Action
from archloom.space import Space

_REACH: Final = 100  # draws for each architecture wanted, where many are the same or not admitted


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """Compare what a supernet says with short trainings, and say so where it is worth nothing.

    A few architectures drawn at random, the panel, are trained alone for a few epochs, once; so
    is each derived architecture that a check meets. Every check compares their scores with those
    that they inherit from the supernet, counts skip connections, and gives verdicts:

    - **skips**: a cell is made of operations that only pass on or give nothing, or more of them
      than `share` and than `level` of random architectures have;
    - **random**: the derived architecture, trained alone, is no better than the panel's mean;
    - **ranking**: the supernet's scores (and, where the method derives, its probabilities) do not
      put the panel in order: the rank correlation is not above 0 and the half that is preferred
      has no higher mean, so that noise among equals is not taken for it; or the correlation is
      far from proven (p above four times `level`), and the higher one of parameters or FLOPs is
      (p to `level`).

    Until `settled`, a share of the epochs, trouble is only said. A search that `stop`s falls back
    to the architecture that was best in the short trainings.

    Args:
        every: epochs between checks; None checks twice, in the middle and at the end.
        architectures: how many the panel has; 0 looks at skip connections only.
        epochs: of each short training; None takes a twentieth of the search's, at least 2.
        on_trouble: "warn", "stop" the search, or "switch" to another method.
        switch_to: the method that takes over: the name of one that samples paths, such as "spos",
            or "evolution" for a plain search that trains each candidate.
        share: of idle operations in a derived architecture, above which it may be a collapse.
        level: of the tests: how often chance may pass for an effect.
        settled: share of the epochs from which on `on_trouble` applies.

    >>> Monitor(every=10).checks(25), Monitor().checks(50), Monitor().short(50)
    ((10, 20, 25), (25, 50), 2)
    """

    every: int | None = None
    architectures: int = 8
    epochs: int | None = None
    on_trouble: Action = "warn"
    switch_to: str = "spos"
    share: float = 0.5
    level: float = 0.05
    settled: float = 0.5

    def __post_init__(self) -> None:
        if self.on_trouble not in ACTIONS:
            raise ConfigError(
                f"on_trouble says what follows from trouble: "
                f"{did_you_mean(str(self.on_trouble), ACTIONS)}."
            )
        for name, least in (("every", 1), ("architectures", 0), ("epochs", 1)):
            value = getattr(self, name)
            wrong = isinstance(value, bool) or not isinstance(value, int)
            if value is not None and (wrong or value < least):
                raise ConfigError(f"{name} is a whole number from {least}, got {value!r}.")
        for name in ("share", "level", "settled"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is a share from 0 to 1, got {value!r}.")

    def describe(self) -> dict[str, Any]:
        """Give the settings as plain data: `Monitor(**settings)` gives the monitor back."""
        return asdict(self)

    def checks(self, epochs: int) -> tuple[int, ...]:
        """Give the epochs after which a search of so many is checked, the last one included."""
        every = self.every or max(1, (epochs + 1) // 2)
        return (*range(every, epochs, every), epochs)

    def short(self, epochs: int) -> int:
        """Give the epochs of a short training beside a search of so many."""
        return self.epochs or max(2, epochs // 20)

    def action(self, epoch: int, epochs: int) -> Action:
        """Give what follows from trouble found after an epoch."""
        return self.on_trouble if epoch >= self.settled * epochs else "warn"

    def panel(
        self,
        space: Space,
        seed: int,
        admits: Callable[[Architecture], bool] = lambda architecture: True,
    ) -> Sequence[Architecture]:
        """Draw the architectures to be trained alone: distinct ones, fewer where there are few."""
        rng = np.random.default_rng([seed, 0x9A7E1])
        wanted = int(min(self.architectures, space.size))
        found: dict[str, Architecture] = {}
        for _ in range(_REACH * max(wanted, 1)):
            if len(found) >= wanted:
                break
            drawn = space.sample(rng)
            if drawn.key not in found and admits(drawn):
                found[drawn.key] = drawn
        return list(found.values())
