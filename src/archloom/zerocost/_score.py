"""Score: what a zero-cost score is, and several of them for one architecture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from archloom.errors import ConfigError, did_you_mean
from archloom.plugins import find, known

if TYPE_CHECKING:
    from archloom.zerocost._probe import Probe

NO_SCORE: Final = -1e8
"""What an architecture gets whose score is not defined, such as one without a path from input to
output: worse than all others, and finite. NAS-Bench-Suite-Zero uses the same number."""


class Score(Protocol):
    """A function that rates an untrained model, larger being better.

    A package adds one by an entry point of the group `archloom.scores`.
    """

    def __call__(self, probe: Probe, /) -> float:
        """Give the score, `NO_SCORE` where it is not defined."""
        ...


def checked_scores(names: object) -> tuple[str, ...]:
    """Give the names of scores back, each once.

    Raises:
        ConfigError: for an unknown name, and for none at all.

    >>> checked_scores(["naswot", "params", "naswot"])
    ('naswot', 'params')
    """
    given = [names] if isinstance(names, str) else names
    if not isinstance(given, Iterable) or not (listed := list(given)):
        raise ConfigError(f"scores names one or more zero-cost scores, got {names!r}.")
    for name in listed:
        if not isinstance(name, str) or (":" not in name and name not in known("scores")):
            raise ConfigError(
                f"There is no zero-cost score called {name!r}: "
                f"{did_you_mean(str(name), known('scores'))}."
            )
    return tuple(dict.fromkeys(listed))


def rate(probe: Probe, names: Iterable[str]) -> dict[str, float]:
    """Give the scores of those names for a probe; what is not finite becomes `NO_SCORE`.

    >>> import torch
    >>> from archloom.zerocost import Probe
    >>> model = torch.nn.Linear(2, 3)
    >>> rate(Probe(model, torch.ones(1, 2), torch.zeros(1), lambda y, _: y.sum()), ["params"])
    {'params': 9.0}
    """
    found: dict[str, float] = {}
    for name in names:
        score: Score = find("scores", name)
        value = float(score(probe))
        found[name] = value if math.isfinite(value) else NO_SCORE
    return found
