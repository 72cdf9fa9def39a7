"""BlackBox: ask a strategy, evaluate what it proposes, tell it; the plain search loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from archloom.errors import ConfigError, Infeasible, did_you_mean
from archloom.estimators import Estimator, check_estimator, describe, metrics_of
from archloom.plugins import name_of
from archloom.stages._constraints import cost_of, require_feasible
from archloom.stages._kept import KeptFiles
from archloom.stages._lab import Lab
from archloom.stages._needs import require_supernets
from archloom.strategies import Strategy
from archloom.trial import Proposal, State, Trial

_REJECTIONS = 1000  # in a row; then the constraint leaves too little of the space to go on


@dataclass(frozen=True)
class BlackBox:
    """Search: `trials` architectures that `strategy` proposes, each judged by `estimator`.

    Architectures that break a constraint of the experiment are recorded as rejected before any
    training, and do not count towards `trials`; failed ones do. The weights of the best `keep`
    trials stay in the run folder.

    Raises (from `check`):
        ConfigError: for fewer than one trial, or a constraint that no cost estimate can check.
        Infeasible: when no architecture that could be found keeps the constraints.
    """

    strategy: Strategy
    estimator: Estimator
    trials: int = 20
    keep: int = 3
    name: str = "search"

    def check(self, lab: Lab) -> None:
        """Raise if the search could not work."""
        if self.trials < 1:
            raise ConfigError(f"A search needs at least one trial, got trials={self.trials}.")
        if self.keep < 1:
            raise ConfigError(f"At least the best trial's weights are kept, got keep={self.keep}.")
        check_estimator(self.estimator, lab.space.space)
        known = metrics_of(self.estimator, lab.task)
        for objective in lab.objectives:
            if known is not None and objective.metric not in known:
                raise ConfigError(
                    f"The objective {objective.metric!r} is no metric of the search's estimator: "
                    f"{did_you_mean(objective.metric, known)}."
                )
        require_supernets(self.estimator, self.name, lab)
        lab.executor.check(self.estimator)
        require_feasible(lab)

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        return {
            "name": self.name,
            "kind": "BlackBox",
            "trials": self.trials,
            "keep": self.keep,
            "strategy": _described(self.strategy),
            "estimator": describe(self.estimator),
        }

    def run(self, lab: Lab) -> None:
        """Go on from what the study holds until the trials are done or nothing is left to try."""
        self.strategy.setup(lab.space.space, lab.objectives[0], lab.seed)
        for trial in lab.study.told(self.name):
            self.strategy.tell(trial)
        kept = KeptFiles(lab, self.name, self.keep)
        interrupted = iter(lab.study.trials(self.name, State.RUNNING))

        def begin() -> Trial | None:
            return next(interrupted, None) or self._begin(lab)

        for ended in lab.evaluate_many(begin, self.estimator):
            self.strategy.tell(ended)
            kept.add(ended)
        lab.end(
            self.name, self._why_stop(lab) or f"all {self._counted(lab)} architectures were tried"
        )

    def _begin(self, lab: Lab) -> Trial | None:
        """Start the next trial, unless the search is at its end or nothing is left to try."""
        if self._why_stop(lab) is not None:
            return None
        proposal = self._next(lab)
        if proposal is None:
            return None
        trial = lab.start(self.name, proposal)
        self.strategy.tell(trial)
        return trial

    def _counted(self, lab: Lab) -> int:
        return lab.study.count(self.name) - lab.study.count(self.name, State.REJECTED)

    def _why_stop(self, lab: Lab) -> str | None:
        if self._counted(lab) >= self.trials:
            return f"{self.trials} trials are done"
        if lab.seconds_left() <= 0:
            return f"the {lab.limits.minutes:g} minutes are used up"
        if lab.until_deadline() <= 0 and lab.study.count(self.name):
            return "the time is up"
        return None

    def _next(self, lab: Lab) -> Proposal | None:
        """Ask until an architecture keeps the constraints; record the others as rejected."""
        for _ in range(_REJECTIONS):
            proposal = self.strategy.ask(len(lab.study))
            if proposal is None or not lab.constraints:
                return proposal
            cost = cost_of(lab, proposal.architecture)
            if all(constraint.holds(cost) for constraint in lab.constraints):
                return proposal
            self.strategy.tell(lab.reject(self.name, proposal, cost))
        raise Infeasible(
            f"{_REJECTIONS} architectures in a row broke a constraint "
            f"({', '.join(map(str, lab.constraints))}): loosen it or narrow the space. "
            f"What was found is kept in {lab.folder}."
        )


def _described(strategy: Strategy) -> dict[str, Any]:
    settings: dict[str, Any] = asdict(strategy) if is_dataclass(strategy) else {}
    return {"name": name_of("strategies", type(strategy)), **settings}
