"""Asynchronous halving: who passes a rung."""

from __future__ import annotations

from typing import Any

import pytest
from tests.stoppers.studies import reports, study_of

from archloom.errors import ConfigError
from archloom.stoppers import Halving
from archloom.trial import State


def passes(others: list[float], value: float, eta: int = 2) -> bool:
    """Whether a trial passes rung 1, when others reported these values there."""
    before = [reports(number, [other]) for number, other in enumerate(others)]
    study = study_of(*before, reports(len(others), [value]))
    return not Halving(eta=eta)(study, study[len(others)])


def test_the_first_ones_pass() -> None:
    assert passes([], 0.1, eta=3)
    assert passes([0.9], 0.1, eta=3)
    assert not passes([0.9, 0.8], 0.1, eta=3)


@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("eta", [2, 3, 4])
def test_the_best_floor_of_n_over_eta_pass(count: int, eta: int) -> None:
    """Algorithm 2 of ASHA: `top_k(rung, |rung| / eta)`."""
    values = [0.1 * step for step in range(1, count)]
    places = range(count)
    passed = [place for place in places if passes(values, 0.05 + 0.1 * place, eta)]
    expected = count // eta if count >= eta else count
    assert passed == list(places)[count - expected :]


def test_between_rungs_nobody_is_stopped() -> None:
    others = [reports(number, [0.9, 0.9, 0.9, 0.9]) for number in range(4)]
    for steps, stopped in ((1, True), (2, True), (3, False), (4, True)):
        others = [reports(number, [0.9, 0.9, 0.9, 0.9]) for number in range(4)]
        study = study_of(*others, reports(4, [0.1] * steps))
        assert Halving(eta=2)(study, study[4]) is stopped


def test_rungs_begin_where_they_are_told_to() -> None:
    halving = Halving(eta=2, first=3)
    assert [halving.rung(step) for step in (1, 2, 3, 5, 6, 11, 12)] == [0, 0, 3, 3, 6, 6, 12]
    others = [reports(number, [0.9] * 3) for number in range(4)]
    study = study_of(*others, reports(4, [0.1, 0.1]))
    assert not halving(study, study[4])


def test_a_rung_that_is_leapt_over_counts_where_the_trial_lands() -> None:
    others = [reports(number, {3: 0.5, 6: 0.9}) for number in range(3)]
    study = study_of(*others, reports(3, {3: 0.6}))
    assert not Halving(eta=2)(study, study[3]), "compared at rung 2 with reports at step 3"
    others = [reports(number, {3: 0.5, 6: 0.9}) for number in range(3)]
    study = study_of(*others, reports(3, {3: 0.6, 6: 0.6}))
    assert Halving(eta=2)(study, study[3]), "compared at rung 4 with reports at step 6"


def test_stopped_trials_count_and_failed_ones_do_not() -> None:
    study = study_of(
        reports(0, [0.9], State.STOPPED), reports(1, [0.8], State.FAILED), reports(2, [0.1])
    )
    assert Halving(eta=2)(study, study[2])
    study = study_of(reports(0, [0.9], State.FAILED), reports(1, [0.1]))
    assert not Halving(eta=2)(study, study[1])


def test_at_the_end_nothing_is_saved_by_stopping() -> None:
    done = [reports(number, [0.5, 0.9], State.DONE) for number in range(3)]
    study = study_of(*done, reports(3, [0.5, 0.1]))
    assert not Halving(eta=2)(study, study[3])


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"eta": 1}, "eta of Halving must be a whole number from 2"), ({"first": 0}, "first of Hal")],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Halving(**settings)
