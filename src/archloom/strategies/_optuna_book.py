"""A storage of Optuna's that can be copied for the price of a list, so that asking leaves no trace.

Imported only where Optuna is installed.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from typing import Any, NoReturn

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from archloom.strategies._optuna_params import Category, Number, Param, Real, Whole

_NAME = "search"


class Book(BaseStorage):
    """One study's trials in memory.

    Trials on record are never changed in place, so that copies share them.
    """

    def __init__(self, objectives: int) -> None:
        self._directions = [StudyDirection.MAXIMIZE] * objectives
        self._trials: list[FrozenTrial] = []
        self._attrs: dict[str, Any] = {}

    def fork(self, window: int | None = None) -> Book:
        """Give a copy; what happens to it does not show here.

        With `window` it keeps so many of the scored trials: half of them the best (in each
        objective as many), the others the latest.
        """
        other = Book(0)
        other._directions = self._directions
        other._trials = list(self._trials) if window is None else self._recent(window)
        other._attrs = dict(self._attrs)
        return other

    def _recent(self, window: int) -> list[FrozenTrial]:
        scored = [t for t in self._trials if t.state is TrialState.COMPLETE]
        if len(scored) <= window:
            return list(self._trials)
        kept: set[int] = set()
        for objective in range(len(self._directions)):
            best = sorted(scored, key=lambda t: t.values[objective], reverse=True)
            kept.update(t.number for t in best[: window // (2 * len(self._directions))])
        for trial in reversed(scored):
            if len(kept) >= window:
                break
            kept.add(trial.number)
        return [t for t in self._trials if t.state is not TrialState.COMPLETE or t.number in kept]

    def adopt_attrs(self, other: Book) -> None:
        """Take over what samplers noted about the study as a whole."""
        self._attrs = dict(other._attrs)

    def add(
        self,
        params: Mapping[str, Number],
        distributions: Mapping[str, BaseDistribution],
        attrs: Mapping[str, Any],
    ) -> int:
        """Note a trial that runs; give its place."""
        place = self.create_new_trial(0)
        trial = self._trials[place]
        trial.params = dict(params)
        trial.distributions = {name: distributions[name] for name in params}
        trial.system_attrs = dict(attrs)
        return place

    def end(self, place: int, values: Sequence[float] | None) -> None:
        """Note how a trial ended: with a value for each objective, or with none that counts."""
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        self.set_trial_state_values(place, state, values)

    # -- what Optuna reads and writes --------------------------------------------------------

    def get_study_id_from_name(self, study_name: str) -> int:
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        return _NAME

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._attrs

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._attrs[key] = value

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        place = len(self._trials)
        self._trials.append(
            FrozenTrial(
                number=place,
                trial_id=place,
                state=TrialState.RUNNING,
                value=None,
                datetime_start=None,
                datetime_complete=None,
                params={},
                distributions={},
                user_attrs={},
                system_attrs={},
                intermediate_values={},
            )
        )
        return place

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        trial = self._changed(trial_id)
        external = distribution.to_external_repr(param_value_internal)
        trial.params = {**trial.params, param_name: external}
        trial.distributions = {**trial.distributions, param_name: distribution}

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        trial = self._changed(trial_id)
        trial.state = state
        trial.values = None if values is None else list(values)
        return True

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self._changed(trial_id)
        trial.system_attrs = {**trial.system_attrs, key: value}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._trials[trial_id]

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        found = [trial for trial in self._trials if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _changed(self, place: int) -> FrozenTrial:
        trial = copy.copy(self._trials[place])
        self._trials[place] = trial
        return trial

    # -- what Optuna has no reason to call ---------------------------------------------------

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        self._refuse()

    def delete_study(self, study_id: int) -> None:
        self._refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._refuse()

    def get_all_studies(self) -> list[Any]:
        self._refuse()

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        self._refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError("A sampler reads trials and leaves notes on them, no more.")


def distributions_of(params: Mapping[str, Param]) -> dict[str, BaseDistribution]:
    """Give Optuna's distributions."""
    return {name: _distribution(param) for name, param in params.items()}


def _distribution(param: Param) -> BaseDistribution:
    match param:
        case Category(count):
            return CategoricalDistribution(range(count))
        case Whole(low, high, step, log):
            return IntDistribution(low, high, log=log, step=step)
        case Real(low, high, log):
            return FloatDistribution(low, high, log=log)


def study_of(book: Book, sampler: Any) -> Study:
    """Give the study that a book stands for."""
    return Study(_NAME, book, sampler)
