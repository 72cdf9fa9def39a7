"""Experiments with several workers: the same study, whatever happens on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from archloom import BlackBox, Candidate, Experiment, Random, Retrain, State, Study, Test, Train
from archloom.errors import ConfigError, TooManyFailures
from archloom.journal import Event, Reported
from archloom.testing import facts

Make = Callable[..., Experiment]


def stages() -> list[object]:
    train = Train(epochs=2, batch_size=16, channels_last=True)
    return [BlackBox(Random(), train, trials=3), Retrain(top=2, epochs=3), Test()]


def by_number(study: Study) -> list[dict[str, object]]:
    """What is recorded, without the order in which trials ended."""
    return sorted(facts(study), key=lambda fact: repr(fact.get("number", fact)))


@pytest.mark.slow
def test_two_workers_find_what_one_process_finds_also_when_interrupted(
    make: Make, tmp_path: Path
) -> None:
    alone = make(stages=stages(), folder=tmp_path / "alone").run()
    seen: list[Event] = []

    def interrupt(event: Event, study: Study) -> None:
        seen.append(event)
        if sum(isinstance(event, Reported) for event in seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        make(stages=stages(), workers=2, progress=interrupt).run()
    assert "archloom resume" in caught.value.__notes__[0]
    assert not (make().folder / ".workers").exists()
    running = Study.open(make().folder).trials(None, State.RUNNING)
    assert len(running) == 2
    together = make(stages=stages(), workers=2).run()
    # One thread a worker, as here; all three trials of the search differ in their seeds.
    assert by_number(together) == by_number(alone)
    assert not (make().folder / ".workers").exists()


def test_a_search_outlives_its_workers_until_too_many_fail(make: Make) -> None:
    def deadly(candidate: Candidate) -> Mapping[str, float]:
        if candidate.architecture["width"] == 24:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"accuracy": 0.5}

    study = make(deadly, trials=6, workers=2).run()
    assert study.count(None, State.DONE) == 4
    dead = study.trials(None, State.FAILED)
    assert {t.architecture["width"] for t in dead} == {24}
    assert all("was ended by SIGKILL" in (t.error or "") for t in dead)
    with pytest.raises(TooManyFailures, match="WorkerDied"):
        make(
            lambda candidate: os._exit(1),
            workers=2,
            max_failures=2,
            folder=make().folder.parent / "other",
        ).run()


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2"])
def test_workers_must_be_a_whole_number(make: Make, workers: object) -> None:
    with pytest.raises(
        ConfigError, match=f"workers must be a whole number from 1, got {workers!r}"
    ):
        make(workers=workers)


def test_an_estimator_that_cannot_be_sent_is_refused_before_a_folder_is_made(make: Make) -> None:
    stream = (n for n in range(9))
    experiment = make(lambda candidate: {"accuracy": next(stream)}, workers=2)
    with pytest.raises(ConfigError, match="estimator must be sent to the worker processes"):
        experiment.run()
    assert not experiment.folder.exists()


def test_the_number_of_workers_is_recorded_and_may_change(make: Make) -> None:
    make().run()
    events = Study.open(make().folder).events
    assert make().run().events == events
    again = make(workers=3).run()  # nothing is left to do: no worker starts
    assert again.header["workers"] == 3
    assert make(workers=3).run().events == again.events


def test_a_stage_added_at_resume_is_checked_before_anything_runs(make: Make) -> None:
    search = BlackBox(Random(), _half, trials=3)
    before = make(stages=[search]).run()
    for stage, rule in (
        (Retrain(top=0), "top=0"),
        (BlackBox(Random(), Train(epochs=1), name="more", trials=0), "trials=0"),
    ):
        with pytest.raises(ConfigError, match=rule):
            make(stages=[search, stage]).run()
    assert Study.open(make().folder).events == before.events
    study = make(stages=[search, Retrain(estimator=Train(epochs=1), epochs=1)]).run()
    assert study.count("retrain", State.DONE) == 1


def _half(candidate: Candidate) -> Mapping[str, float]:
    return {"accuracy": 0.5}
