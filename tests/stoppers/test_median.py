"""The median stopping rule, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.stoppers.studies import reports, study_of

from archloom.errors import ConfigError
from archloom.stoppers import Median
from archloom.trial import State

# running averages by step 2: 0.5, 0.6, 0.75; their median 0.6
FINISHED = ([0.4, 0.6, 0.8], [0.5, 0.7, 0.7], [0.7, 0.8, 0.9])


def asked(values: Any, stopper: Median | None = None, **about: Any) -> bool:
    done = [reports(number, curve, State.DONE) for number, curve in enumerate(FINISHED)]
    study = study_of(*done, reports(3, values, **about))
    return (stopper or Median(startup=3))(study, study[3])


@pytest.mark.parametrize(
    ("values", "stopped"),
    [
        ([0.3, 0.59], True),
        ([0.3, 0.6], False),  # not strictly worse
        ([0.65, 0.2], False),  # the best so far counts
        ([0.54], False),  # at step 1 the median of 0.4, 0.5, 0.7 is 0.5
        ([0.49], True),
        ([0.1, 0.1, 0.1], False),  # has come as far as the finished ones
    ],
)
def test_it_compares_the_best_with_the_median_of_running_averages(
    values: list[float], stopped: bool
) -> None:
    assert asked(values) is stopped


def test_smaller_is_better_for_a_loss() -> None:
    curves = [[2.0, 1.0, 0.5], [1.5, 1.1, 0.6], [3.0, 2.0, 1.0]]  # averages 1.5, 1.3, 2.5
    done = [
        reports(number, curve, State.DONE, metric="loss") for number, curve in enumerate(curves)
    ]
    slow = study_of(*done, reports(3, [1.9, 1.6], metric="loss"), objective="min loss")
    assert Median(startup=3)(slow, slow[3])
    done = [
        reports(number, curve, State.DONE, metric="loss") for number, curve in enumerate(curves)
    ]
    quick = study_of(*done, reports(3, [1.9, 1.4], metric="loss"), objective="min loss")
    assert not Median(startup=3)(quick, quick[3])


def test_it_waits_for_enough_finished_trials_and_steps() -> None:
    assert not asked([0.3, 0.4], Median(startup=4))
    assert not asked([0.3, 0.4], Median(startup=3, after=3))
    assert asked([0.3, 0.4], Median(startup=3, after=2))


def test_only_trials_that_were_finished_alike_are_compared() -> None:
    for other in ({"stage": "retrain"}, {"budget": 0.5}, {"epochs": 9}):
        assert not asked([0.1, 0.1], **other)
    stopped = [reports(number, curve, State.STOPPED) for number, curve in enumerate(FINISHED)]
    study = study_of(*stopped, reports(3, [0.1]))
    assert not Median(startup=1)(study, study[3])


def test_a_number_that_is_none_is_the_worst() -> None:
    assert asked([float("nan")])


def test_what_is_not_reported_cannot_be_compared() -> None:
    study = study_of(reports(0, [0.5], metric="loss"), objective="accuracy")
    with pytest.raises(ConfigError, match="trial 0 reports no 'accuracy'"):
        Median()(study, study[0])


@pytest.mark.parametrize("settings", [{"startup": 0}, {"after": 0}, {"startup": 1.5}])
def test_settings_that_do_not_fit(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a whole number from 1"):
        Median(**settings)
