"""Repeat: judge an architecture several times, to tell luck from quality."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from archloom.errors import ConfigError
from archloom.estimators._base import Candidate, Estimator, inside
from archloom.estimators._budgets import budgets_of, continues
from archloom.estimators._check import check_estimator
from archloom.estimators._once import run_once
from archloom.estimators._train import OUTPUTS, WEIGHTS
from archloom.objective import Objective
from archloom.space import Space
from archloom.task import mix
from archloom.train import write_atomically


@dataclass(frozen=True)
class Repeat:
    """Run an estimator `times` times with different seeds and give the mean of every metric.

    The spread stays on record: `accuracy_std` (of the sample) and `accuracy_seed0`,
    `accuracy_seed1`, ... The first run has the candidate's own seed, the others seeds derived
    from it. Each has a folder of its own, and steps are counted on from one to the next; after a
    restart, finished runs are not made again. Where the runs leave weights, those of the best one
    become the candidate's.

    >>> from archloom.estimators import Train
    >>> Repeat(Train(epochs=3), times=5).times
    5
    """

    estimator: Estimator
    times: int = 3

    def __post_init__(self) -> None:
        if not callable(self.estimator):
            raise ConfigError(f"Repeat needs an estimator to call, got {self.estimator!r}.")
        if isinstance(self.times, bool) or not isinstance(self.times, int) or self.times < 1:
            raise ConfigError(f"times of Repeat must be a whole number from 1, got {self.times!r}.")

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give means, spreads and the single values."""
        results: list[dict[str, float]] = []
        last_step = 0
        for number in range(self.times):
            counted = _Counted(candidate, last_step)
            own = replace(
                candidate,
                seed=candidate.seed if number == 0 else mix(candidate.seed, number),
                files=candidate.files / f"seed{number}",
                parent=inside(candidate.parent, f"seed{number}"),
                report=counted.report,
            )
            results.append(run_once(self.estimator, own, own.files / "result.json"))
            last_step = counted.last
        self._keep_weights(candidate, results)
        return _summary(results)

    def check(self, space: Space) -> None:
        """Raise `ConfigError` if the estimator does not fit the space."""
        check_estimator(self.estimator, space)

    def budgets(self) -> tuple[float, ...]:
        """Give the budgets of the estimator."""
        return budgets_of(self.estimator)

    @property
    def continues(self) -> bool:
        """Whether the estimator goes on from a promoted trial's parent."""
        return continues(self.estimator)

    def _keep_weights(self, candidate: Candidate, results: list[dict[str, float]]) -> None:
        objective = Objective.parse(candidate.task.main_metric)
        gains = [objective.gain(r.get(objective.metric, float("nan"))) for r in results]
        best = candidate.files / f"seed{gains.index(max(gains))}"
        for name in (OUTPUTS, WEIGHTS):
            if (best / name).is_file():
                write_atomically(candidate.files / name, (best / name).read_bytes())


@dataclass
class _Counted:
    """Reports with steps that go on where the run before ended."""

    candidate: Candidate
    before: int
    last: int = 0

    def __post_init__(self) -> None:
        self.last = self.before

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self.last = max(self.last, self.before + step)
        self.candidate.report(self.before + step, metrics)


def _summary(results: list[dict[str, float]]) -> dict[str, float]:
    names = [name for name in results[0] if all(name in result for result in results)]
    summary: dict[str, float] = {}
    for name in names:
        values = [result[name] for result in results]
        summary[name] = statistics.fmean(values)
        summary[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else 0.0
        summary |= {f"{name}_seed{number}": value for number, value in enumerate(values)}
    return summary
