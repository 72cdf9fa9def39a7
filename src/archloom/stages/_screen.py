"""Screen: rate a large pool cheaply, find out which ratings to trust, hand the best on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import Estimator, ZeroCost, check_estimator, describe, metrics_of
from archloom.stages._black_box import BlackBox
from archloom.stages._constraints import require_feasible
from archloom.stages._kept import KeptFiles
from archloom.stages._lab import Lab
from archloom.stages._needs import require_supernets
from archloom.stages._pool import rate_one, rate_pool
from archloom.stages._screened import SCREENED, Rated, rated_in, screened_in
from archloom.stages._trust import BASELINES, Trust, alike, panel, ranked, weigh
from archloom.trial import Proposal, Trial
from archloom.zerocost import checked_scores

_SCORES = ("naswot", "synflow", "grad_norm", "jacob_cov", "zen")
_FEWEST = 4  # trained architectures: of three, chance alone puts one order in six right


@dataclass(frozen=True)
class Screen:
    """Rate `pool` random architectures without training; hand the best on to the search.

    Whether a cheap score ranks architectures depends on the task, so it must earn trust: `checks`
    architectures, spread over the pool's ranking, are trained as the search would train them
    (trials of this stage), and the rank correlation of each score with the first objective is
    measured, beside that of parameters and FLOPs. A score is dropped where a random order does as
    well in one of five cases, and where parameters or FLOPs rank better. The others order the pool,
    weighted by their correlations. The search begins with the best `top` and is told how the
    checked ones did; its strategy may use the scores as features. Where no score can be trusted,
    nothing is handed on. `checks=0` trusts all scores alike: a cheap estimator first, the dear one
    for its survivors only.

    All of it is on record: a note `rated` on each of the pool, a note `screened` with the verdicts.

    Args:
        pool: distinct architectures, or all of a smaller space; those that break a constraint of
            the run are left out.
        scores: zero-cost scores (`archloom.zerocost`), larger being better; of `cheap` the metrics
            to go by, without them the first objective.
        checks: architectures to train, none or at least 4; none either where the pool comes out
            no larger, since the search can train them all.
        top: architectures to hand on.
        batch: training samples that zero-cost scores look at.
        cheap: an estimator that rates the pool in place of zero-cost scores: a short training, say.
        estimator: what trains the checked architectures; without one that of the next search.

    Raises (from `check`):
        ConfigError: for numbers out of range, an unknown score, no search after this stage, and a
            metric that an estimator does not give.

    >>> Screen(pool=50, scores=["naswot"], checks=0).describe()["scores"]
    ['naswot']
    """

    pool: int = 200
    scores: Sequence[str] | None = None
    checks: int = 8
    top: int = 10
    batch: int = 64
    cheap: Estimator | None = None
    estimator: Estimator | None = None
    name: str = "screen"

    def __post_init__(self) -> None:
        for name, low in (("pool", 2), ("top", 1), ("batch", 2), ("checks", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(
                    f"{name} of a screening must be a whole number from {low}, got {value!r}."
                )
        if 0 < self.checks < _FEWEST:
            raise ConfigError(
                f"To tell whether a score ranks better than chance at least {_FEWEST} "
                f"architectures are trained, got checks={self.checks}; 0 trusts the scores "
                f"unchecked."
            )
        if self.cheap is None:
            object.__setattr__(self, "scores", checked_scores(self.scores or _SCORES))
        elif self.scores is not None:
            names = [self.scores] if isinstance(self.scores, str) else self.scores
            object.__setattr__(self, "scores", tuple(names))

    # -- the contract of stages ----------------------------------------------------------------

    def check(self, lab: Lab) -> None:
        """Raise if the screening could not work."""
        search = self._search(lab)
        rater = self.rater(lab)
        check_estimator(rater, lab.space.space)
        require_supernets(rater, self.name, lab)
        _require_metrics(rater, self.going_by(lab), lab, "a score to screen by")
        if self.checks:
            trainer = self.estimator or search.estimator
            check_estimator(trainer, lab.space.space)
            require_supernets(trainer, self.name, lab)
            lab.executor.check(trainer)
            _require_metrics(trainer, [o.metric for o in lab.objectives], lab, "the objective")
        require_feasible(lab)

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        return {
            "name": self.name,
            "kind": "Screen",
            "pool": self.pool,
            "scores": None if self.scores is None else list(self.scores),
            "checks": self.checks,
            "top": self.top,
            "batch": self.batch,
            "cheap": None if self.cheap is None else describe(self.cheap),
            "estimator": None if self.estimator is None else describe(self.estimator),
        }

    def run(self, lab: Lab) -> None:
        """Rate, check and weigh what is not on record yet."""
        if screened_in(lab.study, self.name) is None:
            pool = rate_pool(lab, self.name, self.rater(lab), self.going_by(lab), self.pool)
            worth = 0 < self.checks < len(pool)
            trials = self._train_some(lab, pool) if worth else []
            lab.note(SCREENED, self._verdict(lab, pool, trials))
        note = screened_in(lab.study, self.name)
        assert note is not None  # it was written just now, or before
        lab.end(self.name, note["reason"])

    # -- what the scores come from -------------------------------------------------------------

    def rater(self, lab: Lab) -> Estimator:
        """Give what rates an architecture of the pool."""
        if self.cheap is not None:
            return self.cheap
        return ZeroCost((*self.going_by(lab),), batch=self.batch, seed=lab.seed)

    def going_by(self, lab: Lab) -> tuple[str, ...]:
        """Give the names of the scores, with the baselines where scores are checked."""
        if self.cheap is not None and self.scores is None:
            return (lab.objectives[0].metric,)
        baselines = BASELINES if self.checks and self.cheap is None else ()
        return tuple(dict.fromkeys((*(self.scores or ()), *baselines)))

    def rate(self, lab: Lab, architecture: Architecture) -> Rated:
        """Give the scores of an architecture from the record, or rate it and record them."""
        known = rated_in(lab.study, self.name).get(architecture.key)
        return known or rate_one(lab, self.name, self.rater(lab), self.going_by(lab), architecture)

    # -- the steps -----------------------------------------------------------------------------

    def _train_some(self, lab: Lab, pool: Sequence[Rated]) -> list[Trial]:
        """Train the panel, as far as it is not trained and the time allows; give its trials."""
        scores = self._columns(lab, pool)
        even = ranked(scores, {name: 1 / len(scores) for name in scores})
        chosen = panel(even, self.checks, np.random.default_rng([lab.seed, 6]))
        trials = {trial.architecture.key: trial for trial in lab.study.trials(self.name)}
        search = self._search(lab)
        kept = KeptFiles(lab, self.name, search.keep)
        waiting = iter([pool[place].architecture for place in chosen])

        def begin() -> Trial | None:
            for architecture in waiting:
                trial = trials.get(architecture.key)
                if trial is not None and not trial.state.ended:
                    return trial
                if trial is None and lab.seconds_left() > 0 and lab.until_deadline() > 0:
                    return lab.start(self.name, Proposal(architecture))
            return None

        for ended in lab.evaluate_many(begin, self.estimator or search.estimator):
            kept.add(ended)
        kept.close()
        return lab.study.trials(self.name)

    def _columns(self, lab: Lab, pool: Sequence[Rated]) -> dict[str, list[float]]:
        """Give the scores by name, larger being better."""
        objectives = {objective.metric: objective for objective in lab.objectives}

        def good(name: str, value: float) -> float:
            lower = self.cheap is not None and name in objectives
            return objectives[name].gain(value) if lower else value

        names = self.going_by(lab)
        return {name: [good(name, one.scores[name]) for one in pool] for name in names}

    def _verdict(self, lab: Lab, pool: Sequence[Rated], trials: Sequence[Trial]) -> dict[str, Any]:
        columns = self._columns(lab, pool)
        trust = self._trust(lab, pool, columns, trials)
        weights = {verdict.score: verdict.weight for verdict in trust}
        tried = {trial.architecture.key for trial in trials}
        order = np.argsort(-ranked(columns, weights), kind="stable")
        best = [pool[int(place)].architecture for place in order]
        trusted = [verdict.score for verdict in trust if verdict.weight]
        first = [one.to_json() for one in best if one.key not in tried] if trusted else []
        return {
            "stage": self.name,
            "objective": lab.objectives[0].metric,
            "pool": len(pool),
            "checked": sum(trial.state.scored for trial in trials),
            "shared": self.estimator is None,
            "seconds": sum(one.seconds for one in pool),
            "trust": [verdict.to_json() for verdict in trust],
            "first": first[: self.top],
            "reason": self._reason(trusted, len(pool), len(first[: self.top]), len(trials)),
        }

    def _reason(self, trusted: Sequence[str], pool: int, first: int, trained: int) -> str:
        if trusted:
            how = "checked here" if self.checks else "unchecked"
            return f"{first} of {pool} architectures are handed on, by {', '.join(trusted)} ({how})"
        if 0 < pool <= self.checks:
            return f"there are {pool} architectures, few enough for the search to train them all"
        why = (
            "no score ranks the trained ones better than chance, nor do parameters or FLOPs"
            if trained
            else "the time was up before one was trained to check the scores"
        )
        return f"of {pool} architectures none is handed on: {why}"

    def _trust(
        self,
        lab: Lab,
        pool: Sequence[Rated],
        columns: Mapping[str, Sequence[float]],
        trials: Sequence[Trial],
    ) -> list[Trust]:
        if not self.checks:
            return alike(tuple(columns))
        objective = lab.objectives[0]
        places = {one.architecture.key: place for place, one in enumerate(pool)}
        scored = [t for t in trials if t.state.scored and t.architecture.key in places]
        gains = [objective.gain(trial.metrics[objective.metric]) for trial in scored]
        at = [places[trial.architecture.key] for trial in scored]
        return weigh({name: [column[i] for i in at] for name, column in columns.items()}, gains)

    def _search(self, lab: Lab) -> BlackBox:
        """Give the first search after this stage. Raises `ConfigError` where there is none."""
        names = [stage.name for stage in lab.stages]
        after = lab.stages[names.index(self.name) + 1 :] if self.name in names else ()
        search = next((stage for stage in after if isinstance(stage, BlackBox)), None)
        if search is None:
            raise ConfigError(
                f"The stage {self.name!r} hands architectures on to a search, and none comes after "
                f"it: put BlackBox(...) behind it."
            )
        return search


def _require_metrics(estimator: Estimator, names: Sequence[str], lab: Lab, what: str) -> None:
    known = metrics_of(estimator, lab.task)
    for name in names:
        if known is not None and name not in known:
            raise ConfigError(
                f"{what.capitalize()}, {name!r}, is no metric of its estimator: "
                f"{did_you_mean(name, known)}."
            )
