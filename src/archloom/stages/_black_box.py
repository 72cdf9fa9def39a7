"""BlackBox: ask a strategy, evaluate what it proposes, tell it; the plain search loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archloom.errors import ConfigError, Infeasible, did_you_mean
from archloom.estimators import Estimator, check_estimator, describe, inherits_weights, metrics_of
from archloom.stages._constraints import cost_of, require_feasible
from archloom.stages._kept import KeptFiles
from archloom.stages._lab import Lab
from archloom.stages._needs import require_reports, require_supernets
from archloom.stages._offer import offer_of, require_offered
from archloom.stages._screened import checked_of
from archloom.stages._work import work_of
from archloom.stoppers import Stopper, made
from archloom.stoppers import described as described_stopper
from archloom.strategies import Strategy, described
from archloom.trial import Proposal, State, Trial

_REJECTIONS = 1000  # in a row; then the constraint leaves too little of the space to go on


@dataclass(frozen=True)
class BlackBox:
    """Search: `trials` architectures that `strategy` proposes, each judged by `estimator`.

    `trials` is the work, counted in full evaluations: where a strategy spends a share of the
    estimator's effort on an architecture, its budget, that share counts, and for a promoted one
    what it adds. So 20 trials cost what 20 full ones cost, whatever the strategy; the last one
    may go beyond.

    Architectures that break a constraint of the experiment are recorded as rejected before any
    training, and do not count towards `trials`; failed ones do. The weights of the best `keep`
    trials stay in the run folder.

    `stopper`, also given by its name or as `{"name": ..., SETTING: ...}`, ends trials that are not
    worth finishing; what they reported last is their result.

    Raises (from `check`):
        ConfigError: for fewer than one trial, a constraint that no cost estimate can check, a
            strategy that needs budgets which the estimator does not offer, or a stopper where
            nothing is reported to judge by.
        Infeasible: when no architecture that could be found keeps the constraints.
    """

    strategy: Strategy
    estimator: Estimator
    trials: int = 20
    keep: int = 3
    name: str = "search"
    stopper: Stopper | None = None

    def __post_init__(self) -> None:
        if self.stopper is not None:
            object.__setattr__(self, "stopper", made(self.stopper))

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
        require_reports(self.stopper, self.estimator, lab)
        self.strategy.accept(offer_of(lab, self.estimator, self.trials))
        self.strategy.setup(lab.space.space, lab.objectives[0], lab.seed)  # may refuse the space
        require_feasible(lab)

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        return {
            "name": self.name,
            "kind": "BlackBox",
            "trials": self.trials,
            "keep": self.keep,
            "strategy": described(self.strategy),
            "estimator": describe(self.estimator),
            "stopper": None if self.stopper is None else described_stopper(self.stopper),
        }

    def run(self, lab: Lab) -> None:
        """Go on from what the study holds until the trials are done or nothing is left to try."""
        self.strategy.accept(offer_of(lab, self.estimator, self.trials))
        self.strategy.setup(lab.space.space, lab.objectives[0], lab.seed)
        for trial in [*checked_of(lab.study), *lab.study.told(self.name)]:
            self.strategy.tell(trial)
        kept = KeptFiles(lab, self.name, self.keep, inherit=inherits_weights(self.estimator))
        interrupted = iter(lab.study.trials(self.name, State.RUNNING))

        def begin() -> Trial | None:
            return next(interrupted, None) or self._begin(lab)

        for ended in lab.evaluate_many(begin, self.estimator, stopper=self.stopper):
            self.strategy.tell(ended)
            kept.add(ended)
        kept.close()
        lab.end(self.name, self._why_stop(lab) or self._nothing_left(lab))

    def _begin(self, lab: Lab) -> Trial | None:
        """Start the next trial, unless the search is at its end or nothing is left to try."""
        if self._why_stop(lab) is not None:
            return None
        proposal = self._next(lab)
        if proposal is None:
            return None
        require_offered(proposal, self.estimator)
        trial = lab.start(self.name, proposal)
        self.strategy.tell(trial)
        return trial

    def _nothing_left(self, lab: Lab) -> str:
        judged = self._judged(lab)
        tried = len({trial.architecture.key for trial in judged})
        if any(trial.effort < 1.0 for trial in judged):
            return f"of {tried} architectures that were tried no further one is worth more"
        return f"all {tried} architectures were tried"

    def _judged(self, lab: Lab) -> list[Trial]:
        trials = lab.study.trials(self.name)
        return [trial for trial in trials if trial.state is not State.REJECTED]

    def _why_stop(self, lab: Lab) -> str | None:
        if work_of(lab.study, self.name, self.estimator) >= self.trials:
            return self._all_done(lab)
        if lab.seconds_left() <= 0:
            return f"the {lab.limits.minutes:g} minutes are used up"
        if lab.until_deadline() <= 0 and lab.study.count(self.name):
            return "the time is up"
        return None

    def _all_done(self, lab: Lab) -> str:
        efforts = [trial.effort for trial in self._judged(lab)]
        if all(effort == 1.0 for effort in efforts):
            return f"{self.trials} trials are done"
        work = work_of(lab.study, self.name, self.estimator)
        return f"{len(efforts)} trials did the work of {work:.3g} full ones"

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
