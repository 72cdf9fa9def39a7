"""The stopper that extrapolates learning curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.stoppers.studies import reports, study_of

from archloom.errors import ConfigError
from archloom.stoppers import CurveStopper
from archloom.trial import State

STEPS = np.arange(1, 31)


def curve(end: float, rate: float = 1.0, jump: float = 0.0) -> list[float]:
    """A power law towards `end`; the last third of the steps adds a jump."""
    values = end - 0.5 * STEPS**-rate + jump * (STEPS > 20)
    return [float(value) for value in values]


def stops(ends: list[list[float]], running: list[float], **settings: Any) -> bool:
    done = [reports(number, values, State.DONE) for number, values in enumerate(ends)]
    study = study_of(*done, reports(len(ends), running))
    return CurveStopper(**settings)(study, study[len(ends)])


def test_it_stops_what_will_be_worse_and_lets_go_on_what_may_be_better() -> None:
    ends = [curve(0.8), curve(0.82), curve(0.85)]
    assert stops(ends, curve(0.6)[:10])
    assert not stops(ends, curve(0.9)[:10])
    assert not stops(ends, curve(0.85)[:10])


def test_a_slow_beginner_that_will_win_is_let_go_on() -> None:
    """What a median rule would stop: behind the others at every step seen."""
    ends = [curve(0.8), curve(0.82), curve(0.85)]
    slow = [float(value) for value in 0.95 * (1 - np.exp(-STEPS / 15))]
    seen = slow[:14]
    assert all(seen[step] < end[step] for end in ends for step in range(14))
    assert slow[-1] < 0.85
    assert not stops(ends, seen, chance=0.01)


def test_the_jump_at_the_end_is_learned_from_finished_trials() -> None:
    ends = [curve(end, jump=0.2) for end in (0.60, 0.62, 0.61, 0.63)]
    assert not stops(ends, curve(0.64)[:15]), "0.64 and the jump beats 0.63 and the jump"
    assert stops(ends, curve(0.50)[:15])


def test_a_jump_that_differs_from_trial_to_trial_makes_it_careful() -> None:
    jumps = (0.0, 0.3, 0.1, 0.2)
    ends = [curve(0.6, jump=jump) for jump in jumps]
    assert not stops(ends, curve(0.55)[:15])


def test_it_waits_for_finished_trials_and_steps() -> None:
    ends = [curve(0.8), curve(0.82), curve(0.85)]
    poor = curve(0.3)
    assert not stops(ends[:2], poor[:10])
    assert not stops(ends, poor[:3])
    assert stops(ends, poor[:9])
    assert not stops(ends, poor[:9], after=10)
    assert not stops(ends, poor), "it has come as far as the finished ones"


def test_losses_fall() -> None:
    def falling(end: float, until: int = 30) -> list[float]:
        return [float(value) for value in (end + 2.0 / STEPS)[:until]]

    for end, stopped in ((1.0, True), (0.2, False)):
        done = [
            reports(number, falling(0.4 + 0.01 * number), State.DONE, metric="loss")
            for number in range(3)
        ]
        running = reports(3, falling(end, 10), metric="loss")
        study = study_of(*done, running, objective="min loss")
        assert CurveStopper()(study, study[3]) is stopped


def test_what_is_no_number_is_not_extrapolated() -> None:
    ends = [curve(0.8), curve(0.82), curve(0.85)]
    assert not stops(ends, [0.1, 0.2, float("nan"), 0.3, 0.3])
    assert stops([[*curve(0.8)[:-1], float("nan")], *ends], curve(0.3)[:10])


def test_the_same_question_has_the_same_answer() -> None:
    ends = [curve(0.8), curve(0.82), curve(0.85)]
    done = [reports(number, values, State.DONE) for number, values in enumerate(ends)]
    study = study_of(*done, reports(3, curve(0.84)[:10]))
    stopper = CurveStopper()
    assert stopper(study, study[3]) == stopper(study, study[3]) == CurveStopper()(study, study[3])
    assert stopper == CurveStopper(), "what it remembers is no setting"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"chance": 0}, "chance of CurveStopper must lie between 0 and 1"),
        ({"chance": 1.0}, "between 0 and 1, got 1.0"),
        ({"after": 2}, "after of CurveStopper must be a whole number from 3"),
        ({"startup": 0}, "startup of CurveStopper"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CurveStopper(**settings)
