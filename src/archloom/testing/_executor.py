"""The contract of an executor."""

from __future__ import annotations

import errno
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from archloom.errors import ConfigError, RunError, Stopped
from archloom.estimators import Candidate, Estimator, Train
from archloom.executors import Bench, Executor, Job, Outcome
from archloom.testing._stage import tiny_space, tiny_task
from archloom.trial import State


@dataclass
class Book:
    """A desk that writes everything down; `stop_at` is a step at which it stops a job."""

    reports: list[tuple[int, int, dict[str, float]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    stop_at: int | None = None

    def report(self, number: int, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Write a report down."""
        self.reports.append((number, step, dict(metrics)))
        self.seconds.append(seconds)
        if step == self.stop_at:
            raise Stopped(f"enough at step {step}")

    def recall(self, key: str) -> Any:
        """Give the value of the key."""
        return self.values[key]

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        """Give the value of the key, measured the first time."""
        if key not in self.values:
            self.values[key] = measure()
        return self.values[key]


class ExecutorContract(ABC):
    """What a run relies on in every executor, as a test class for pytest.

    Subclass it with a name that pytest collects, and say how to make the executor:

        class TestMine(ExecutorContract):
            @classmethod
            def make(cls, bench):
                return Mine(bench)

    One executor serves all tests of the class, as it serves all trials of a run.
    """

    bench: ClassVar[Bench]
    executor: ClassVar[Executor]
    _place: ClassVar[tempfile.TemporaryDirectory[str]]

    @classmethod
    @abstractmethod
    def make(cls, bench: Bench) -> Executor:
        """Give a new executor."""

    @classmethod
    def setup_class(cls) -> None:
        """Make the executor, for a run on `tiny_space` and `tiny_task`."""
        cls._place = tempfile.TemporaryDirectory()
        task = tiny_task().without_test()
        cls.bench = Bench(tiny_space, task, Path(cls._place.name), torch.device("cpu"))
        cls.executor = cls.make(cls.bench)

    @classmethod
    def teardown_class(cls) -> None:
        """Close the executor."""
        cls.executor.close()
        cls._place.cleanup()

    def test_a_job_gives_the_metrics_of_its_architecture_and_seed(self) -> None:
        def estimate(candidate: Candidate) -> dict[str, float]:
            first = next(candidate.build().parameters()).detach()
            return {"width": len(first), "seed": candidate.seed, "weight": float(first[0, 0])}

        for outcome in self._all(estimate, count=3):
            job = self._job(outcome.number)
            torch.manual_seed(job.seed)
            first = next(tiny_space.build(job.architecture).parameters()).detach()
            assert outcome.state is State.DONE, outcome.error
            assert outcome.metrics == {
                "width": float(len(first)),
                "seed": float(job.seed),
                "weight": float(first[0, 0]),
            }

    def test_candidates_get_the_data_and_no_test_split(self) -> None:
        def estimate(candidate: Candidate) -> dict[str, float]:
            task = candidate.task
            values = {"train": _sum(task.train), "valid": _sum(task.valid)}
            return {**values, "test": task.has_test, "same": task.fingerprint == fingerprint}

        task = self.bench.task
        fingerprint = task.fingerprint
        [outcome] = self._all(estimate)
        assert outcome.metrics == {
            "train": _sum(task.train),
            "valid": _sum(task.valid),
            "test": 0.0,
            "same": 1.0,
        }, outcome.error

    def test_training_reports_leaves_weights_and_is_settled_by_the_seed(self) -> None:
        book = Book()
        first, second = self._all(Train(epochs=2), book, count=2, seed=7)
        assert first.state is State.DONE, first.error
        assert first.metrics == second.metrics
        assert sorted(step for _, step, _ in book.reports) == [1, 1, 2, 2]
        assert (self._job(first.number).files / "weights.pt").is_file()

    def test_reports_come_in_order_and_before_the_outcome(self) -> None:
        def estimate(candidate: Candidate) -> dict[str, float]:
            for step in range(1, 5):
                candidate.report(step, {"accuracy": step / 10})
            return {"accuracy": 1.0}

        book = Book()
        [outcome] = self._all(estimate, book)
        assert [step for _, step, _ in book.reports] == [1, 2, 3, 4]
        assert all(number == outcome.number for number, _, _ in book.reports)
        assert book.reports[-1][2] == {"accuracy": 0.4}
        assert book.seconds == sorted(book.seconds)
        assert book.seconds[-1] <= outcome.seconds

    def test_seconds_go_on_from_earlier_lives(self) -> None:
        [outcome] = self._all(lambda candidate: {"accuracy": 1.0}, seconds=1000.0)
        assert 1000.0 <= outcome.seconds < 1600.0

    def test_what_an_estimator_raises_is_its_outcome(self) -> None:
        def broken(candidate: Candidate) -> dict[str, float]:
            raise ValueError("wires crossed")

        [outcome] = self._all(broken)
        assert outcome.state is State.FAILED
        assert "wires crossed" in (outcome.error or "")
        [outcome] = self._all(lambda candidate: 0.5)
        assert "must return a mapping" in (outcome.error or "")
        assert self._all(lambda candidate: {"accuracy": 1.0})[0].state is State.DONE

    def test_wrong_settings_and_a_full_disk_are_raised(self) -> None:
        def wrong(candidate: Candidate) -> dict[str, float]:
            raise ConfigError("no such setting")

        def full(candidate: Candidate) -> dict[str, float]:
            raise OSError(errno.ENOSPC, "No space left on device")

        assert "no such setting" in self._raised(ConfigError, wrong)
        assert "archloom resume" in self._raised(RunError, full)
        assert self._all(lambda candidate: {"accuracy": 1.0})[0].state is State.DONE

    def test_a_stoppable_job_stops_at_the_desks_word(self) -> None:
        def estimate(candidate: Candidate) -> dict[str, float]:
            for step in range(1, 100):
                candidate.report(step, {"accuracy": 0.5})
            return {"accuracy": 1.0}

        book = Book(stop_at=3)
        [outcome] = self._all(estimate, book, stoppable=True)
        assert outcome.state is State.STOPPED
        assert [step for _, step, _ in book.reports] == [1, 2, 3]

    def test_what_is_remembered_is_measured_once(self) -> None:
        def estimate(candidate: Candidate) -> dict[str, float]:
            measured = candidate.remember("answer", lambda: candidate.seed)
            return {"answer": measured, "again": candidate.remember("answer", lambda: -1)}

        book = Book()
        outcomes = self._all(estimate, book, count=3)
        assert [dict(o.metrics) for o in outcomes] == [
            {"answer": book.values["answer"], "again": book.values["answer"]}
        ] * 3

    def test_who_fails_to_measure_leaves_it_to_the_next(self) -> None:
        def estimate(candidate: Candidate) -> dict[str, float]:
            def measure() -> int:
                if candidate.seed == unlucky:
                    raise ValueError("cannot measure")
                return 42

            return {"answer": candidate.remember("hard", measure)}

        unlucky = self._job(0).seed
        book = Book()
        outcomes = sorted(self._all(estimate, book, count=3), key=lambda o: o.number)
        assert [o.state for o in outcomes[1:]] == [State.DONE, State.DONE]
        assert book.values == {"hard": 42}

    def test_it_works_again_after_close(self) -> None:
        self.executor.start(self._job(0), lambda candidate: {"accuracy": 1.0})
        self.executor.close()
        assert [o.number for o in self._all(lambda candidate: {"accuracy": 1.0}, first=5)] == [5]

    def test_settings_that_work_are_not_refused(self) -> None:
        self.executor.check(Train(epochs=1))
        self.executor.check(lambda candidate: {"accuracy": 1.0})

    def _job(self, number: int, **settings: Any) -> Job:
        architecture = list(tiny_space.space.enumerate())[0 if "seed" in settings else number]
        settings = {"seed": 100 + number, **settings}
        files = self.bench.folder / "trials" / str(number)
        return Job(number=number, architecture=architecture, files=files, **settings)

    def _all(
        self,
        estimator: Callable[[Candidate], Any],
        book: Book | None = None,
        *,
        count: int = 1,
        first: int = 0,
        **settings: Any,
    ) -> list[Outcome]:
        """Give the outcomes of so many jobs, as many at once as can be."""
        book = book or Book()
        outcomes: list[Outcome] = []
        begun = 0
        while len(outcomes) < count:
            while begun < count and begun - len(outcomes) < self.executor.slots:
                self.executor.start(self._job(first + begun, **settings), estimator)
                begun += 1
            outcomes.append(self.executor.wait(book))
        return outcomes

    def _raised(self, kind: type[Exception], estimator: Estimator) -> str:
        try:
            self._all(estimator)
        except kind as error:
            return str(error)
        raise AssertionError(f"{kind.__name__} was not raised")


def _sum(split: Any) -> float:
    return float(split.inputs.double().sum() + split.targets.sum())
