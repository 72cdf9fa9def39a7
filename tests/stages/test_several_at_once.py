"""Stages with several trials running: an executor of which the test says who ends when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from archloom import BlackBox, Grid, LocalSearch, Random, Retrain, State, Study, Train
from archloom.errors import RunError, TooManyFailures
from archloom.estimators import Estimator
from archloom.executors import Desk, Job, Outcome
from archloom.journal import Event, Finished, Noted, Started
from archloom.objective import Constraint, Objective
from archloom.stages import Lab, Limits, Stage
from archloom.testing import tiny_space, tiny_task
from archloom.trial import Proposal, Trial


class Ledger:
    """A journal in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, *events: Event) -> None:
        self.events += events


class Staged:
    """Runs nothing: of the jobs at work, the one at the place that `order` names ends next."""

    def __init__(self, slots: int, order: Sequence[int] = (), seconds: float = 1.0) -> None:
        self.slots = slots
        self.order = list(order)
        self.seconds = seconds
        self.failing: set[int] = set()
        self.at_work: list[Job] = []
        self.most = 0
        self.at_once: list[int] = []
        self.closed = 0

    def check(self, estimator: Estimator) -> None:
        """Any will do."""

    def start(self, job: Job, estimator: Estimator) -> None:
        self.at_work.append(job)
        self.at_once.append(job.at_once)
        self.most = max(self.most, len(self.at_work))
        assert len(self.at_work) <= self.slots

    def wait(self, desk: Desk) -> Outcome:
        job = self.at_work.pop(self.order.pop(0) if self.order else 0)
        if job.number in self.failing:
            return Outcome(job.number, State.FAILED, {}, self.seconds, "WorkerDied: gone")
        width = job.architecture["width"]
        assert isinstance(width, int)
        desk.report(job.number, 1, {"accuracy": width / 20}, self.seconds / 2)
        return Outcome(job.number, State.DONE, {"accuracy": width / 10}, self.seconds)

    def close(self) -> None:
        self.at_work.clear()
        self.closed += 1


def make_lab(
    executor: Staged, stages: Sequence[Stage], tmp_path: Path, minutes: float | None = None
) -> Lab:
    lab = Lab(
        space=tiny_space,
        task=tiny_task(),
        journal=Ledger(),  # type: ignore[arg-type]
        study=Study(),
        folder=tmp_path,
        objectives=(Objective("accuracy"),),
        limits=Limits(minutes),
        stages=tuple(stages),
        workers=executor.slots,
    )
    lab.executor = executor
    lab.study.apply(Noted("experiment", {"workers": executor.slots}))
    return lab


def search(strategy: object, trials: int = 6) -> BlackBox:
    return BlackBox(strategy, Train(epochs=1), trials=trials)  # type: ignore[arg-type]


def reason(lab: Lab) -> str:
    return str((lab.study.note("stage-end") or {})["reason"])


def test_all_workers_are_busy_and_no_trial_is_too_many(tmp_path: Path) -> None:
    executor = Staged(3, order=[2, 0, 1, 1, 0])
    stage = search(Random(), trials=5)
    lab = make_lab(executor, [stage], tmp_path)
    stage.run(lab)
    assert executor.most == 3
    assert [t.state for t in lab.study.trials()] == [State.DONE] * 5
    assert reason(lab) == "5 trials are done"


class Listening(Random):
    """Random search that remembers what it was told."""

    def setup(self, *settings: object) -> None:
        super().setup(*settings)  # type: ignore[arg-type]
        self.heard: list[tuple[int, State]] = []

    def tell(self, trial: Trial) -> None:
        super().tell(trial)
        self.heard.append((trial.number, trial.state))


def test_the_strategy_hears_of_starts_and_ends_as_the_record_has_them(tmp_path: Path) -> None:
    strategy = Listening()
    stage = search(strategy, trials=4)
    lab = make_lab(Staged(2, order=[1, 1, 0, 0]), [stage], tmp_path)
    stage.run(lab)
    run, done = State.RUNNING, State.DONE
    assert strategy.heard == [
        *[(0, run), (1, run), (1, done), (2, run)],
        *[(2, done), (3, run), (0, done), (3, done)],
    ]
    assert [(t.number, t.state) for t in lab.study.told("search")] == strategy.heard


@pytest.mark.parametrize("strategy", [Grid(), Random(), LocalSearch()])
def test_an_exhausted_strategy_ends_when_the_last_trial_does(
    strategy: object, tmp_path: Path
) -> None:
    stage = search(strategy, trials=50)
    lab = make_lab(Staged(4, order=[3, 0, 2, 0, 1, 0]), [stage], tmp_path)
    stage.run(lab)
    assert len({t.architecture.key for t in lab.study.trials(None, State.DONE)}) == 6
    assert reason(lab) == "all 6 architectures were tried"


def test_constraints_reject_while_others_run(tmp_path: Path) -> None:
    stage = search(Grid(), trials=50)
    lab = make_lab(Staged(2), [stage], tmp_path)
    lab.constraints = (Constraint.parse("params <= 90"),)
    stage.run(lab)
    widths = {t.architecture["width"] for t in lab.study.trials(None, State.REJECTED)}
    assert widths == {8}
    assert lab.study.count(None, State.DONE) == 4


def test_interrupted_trials_come_first(tmp_path: Path) -> None:
    first, second = list(tiny_space.space.enumerate())[:2]
    stage = search(Random(), trials=3)
    executor = Staged(2)
    lab = make_lab(executor, [stage], tmp_path)
    for number, architecture in enumerate((first, second)):
        lab.append(Started(number, "search", architecture, seed=number))
    stage.run(lab)
    assert [t.state for t in lab.study.trials()] == [State.DONE] * 3
    assert lab.study[0].architecture == first


def test_minutes_are_shared_by_the_workers(tmp_path: Path) -> None:
    stage = search(Random(), trials=6)
    lab = make_lab(Staged(2, seconds=20.0), [stage], tmp_path, minutes=0.5)
    stage.run(lab)
    # Each trial takes 20 s of one of two workers: after the third, 30 s are used up.
    assert len(lab.study) == 4
    assert lab.study.seconds == 80
    assert lab.study.spent == 40
    assert "minutes are used up" in reason(lab)


def test_what_was_spent_stays_when_the_workers_change() -> None:
    study = Study()
    architecture = next(iter(tiny_space.space.enumerate()))
    for number, workers in enumerate((1, 3)):
        study.apply(Noted("experiment", {"workers": workers}))
        study.apply(Started(number, "search", architecture, seed=0))
        study.apply(Finished(number, State.DONE, {}, 30.0))
    assert (study.seconds, study.spent) == (60, 40)


def test_failures_in_a_row_end_the_others_and_leave_them_to_be_resumed(tmp_path: Path) -> None:
    executor = Staged(2)
    executor.failing = {0, 1, 2}
    stage = search(Random())
    lab = make_lab(executor, [stage], tmp_path)
    lab.limits = Limits(failures=2)
    with pytest.raises(TooManyFailures, match="WorkerDied: gone"):
        stage.run(lab)
    assert executor.closed == 1
    assert [t.state for t in lab.study.trials()] == [State.FAILED, State.FAILED, State.RUNNING]
    executor.failing = set()
    lab.failed_in_a_row = 0
    stage.run(lab)
    assert lab.study.count(None, State.DONE) == 4


def test_an_interrupt_ends_the_workers_and_the_run_goes_on(tmp_path: Path) -> None:
    executor = Staged(2)
    stage = search(Random(), trials=4)
    lab = make_lab(executor, [stage], tmp_path)

    def interrupt(event: Event, study: Study) -> None:
        if study.count(None, State.DONE) == 1:
            raise KeyboardInterrupt

    lab.watch = interrupt
    with pytest.raises(KeyboardInterrupt):
        stage.run(lab)
    assert (executor.closed, executor.at_work) == (1, [])
    lab.watch = lambda event, study: None
    stage.run(lab)
    assert [t.state for t in lab.study.trials()] == [State.DONE] * 4


def test_few_retrainings_share_all_cores(tmp_path: Path) -> None:
    stages: list[Stage] = [search(Grid(), trials=4), Retrain(top=2)]
    executor = Staged(4)
    lab = make_lab(executor, stages, tmp_path)
    for stage in stages:
        stage.run(lab)
    assert executor.at_once == [4, 4, 4, 4, 2, 2]
    assert reason(lab) == "2 of the best are retrained"
    before = len(lab.study)
    stages[1].run(lab)
    assert len(lab.study) == before


def test_two_calls_cannot_share_the_workers(tmp_path: Path) -> None:
    lab = make_lab(Staged(2), [search(Random())], tmp_path)
    architectures = tiny_space.space.enumerate()
    started = (lab.start("search", Proposal(a)) for a in architectures)
    running = lab.evaluate_many(lambda: next(started), Train(epochs=1))
    assert next(running).number == 0
    with pytest.raises(RunError, match=r"Trials \[1\] are being evaluated"):
        lab.evaluate(lab.study[1], Train(epochs=1))
    del running
    assert lab.evaluate(lab.study[1], Train(epochs=1)).state is State.DONE
