"""ZeroCost: judge an architecture without training it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators._base import Candidate
from archloom.nn import ModelSpace
from archloom.space import Space
from archloom.task import Task
from archloom.train import kept_random_state
from archloom.zerocost import NO_SCORE, Probe, checked_scores, rate


@dataclass(frozen=True)
class ZeroCost:
    """Rate the candidate's untrained model by zero-cost scores, see `archloom.zerocost`.

    Gives a metric for each of `scores`, larger being better. `batch` training samples and initial
    weights are drawn by `seed`, the same for all candidates, so that a score is a fixed property of
    an architecture. With `repeats`, the mean over so many minibatches and initialisations is
    given (scores that need neither, such as `params`, are computed once).

    To use one as an objective of a search, name it: `archloom search --objective naswot`. Scores
    of an untrained model are no accuracies: they may rank well, or not at all.

    Raises:
        ConfigError: for an unknown score, and for numbers out of range.

    >>> from archloom.task import digits
    >>> from archloom.zoo import small_cnn
    >>> space = small_cnn.with_hints(digits().hints)
    >>> ZeroCost(["params", "flops"]).of(space, space.space.default(), digits())
    {'params': 13754.0, 'flops': 183552.0}
    """

    scores: Sequence[str] = ("naswot", "synflow")
    batch: int = 64
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", checked_scores(self.scores))
        for name, low in (("batch", 2), ("repeats", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(
                    f"{name} of ZeroCost must be a whole number from {low}, got {value!r}."
                )

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the scores of the candidate."""
        return self.of(candidate.space, candidate.architecture, candidate.task, candidate.device)

    def of(
        self,
        space: ModelSpace,
        architecture: Architecture,
        task: Task,
        device: torch.device | str = "cpu",
    ) -> dict[str, float]:
        """Give the scores of an architecture."""
        found: dict[str, list[float]] = {}
        where = torch.device(device)
        with kept_random_state(where):
            for number in range(self.repeats):
                names = [name for name in self.scores if number == 0 or name not in _FIXED]
                if not names:
                    break
                probe = Probe.of(
                    space,
                    architecture,
                    task,
                    batch=self.batch,
                    seed=self.seed + number,
                    device=where,
                )
                for name, value in rate(probe, names).items():
                    found.setdefault(name, []).append(value)
        return {name: _mean(values) for name, values in found.items()}

    def check(self, space: Space) -> None:
        """Take any space: what `train.*` sets is of no account here."""


_FIXED = frozenset(("params", "flops"))


def _mean(values: list[float]) -> float:
    return NO_SCORE if NO_SCORE in values else sum(values) / len(values)
