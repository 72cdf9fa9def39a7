"""The contract of an estimator."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.estimators import Candidate, Estimator, checked_metrics, describe, rebuild_estimator
from archloom.nn import ModelSpace, Pick, model_space
from archloom.task import Task, from_arrays, leaves


@model_space
def tiny_images(pick: Pick, channels: int = 1, classes: int = 3) -> nn.Module:
    """A space of two points: one convolution of two widths, with pooling and dropout."""
    width = pick.value("width", [2, 4])
    return nn.Sequential(
        *(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(width * 9, classes)),
    )


@dataclass
class Notebook:
    """What the record of a run would hold: the reports of a trial and the values remembered.

    `cut_at` stands for the process being killed at that report, once it is on record.
    """

    reports: dict[int, dict[str, float]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    cut_at: int | None = None

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take a report as a run does: a step that is known changes nothing."""
        self.order.append(step)
        self.reports.setdefault(step, checked_metrics(metrics))
        if len(self.reports) == self.cut_at:
            raise CutOff(f"cut off at step {step}")

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        """Give the value of the key, measured the first time, as JSON would give it back."""
        if key not in self.values:
            self.values[key] = json.loads(json.dumps(measure()))
        return self.values[key]


class CutOff(BaseException):
    """The process is killed: nothing may catch this."""


class EstimatorContract(ABC):
    """What a search relies on in every estimator, as a test class for pytest.

    Subclass it with a name that pytest collects, and say how to make the estimator:

        class TestMine(EstimatorContract):
            def make(self) -> Estimator:
                return Mine(epochs=3)

    `reports_an_epoch` says how often it reports for each epoch that a candidate asks for: 0 for
    an estimator that does not train; `reports_besides` how often whatever the epochs. Override
    `space` and `task` where it needs others.
    """

    reports_an_epoch: int = 0
    reports_besides: int = 0

    @abstractmethod
    def make(self) -> Estimator:
        """Give a new estimator, the same settings each time."""

    def space(self) -> ModelSpace:
        """Give the space whose architectures are judged."""
        return tiny_images

    def task(self) -> Task:
        """Give the data, which have a test split."""
        rng = np.random.default_rng(0)
        labels = np.arange(90) % 3
        images = rng.integers(0, 100, (90, 6, 6)) + labels[:, None, None] * 60
        return from_arrays(images.astype(np.uint8), labels, valid=0.2, test=0.2, name="tiny")

    def test_it_gives_numbers_by_name(self, tmp_path: Path) -> None:
        metrics = self._run(tmp_path, Notebook())
        assert checked_metrics(metrics) == metrics
        assert all(math.isfinite(value) for value in metrics.values()), metrics

    def test_a_seed_settles_the_result(self, tmp_path: Path) -> None:
        first, second = Notebook(), Notebook()
        metrics = self._run(tmp_path / "first", first)
        second.values = first.values
        torch.randn(3)
        again = self._run(tmp_path / "second", second)
        assert again == metrics, "the same candidate gives the same metrics"
        assert second.reports == first.reports

    def test_it_needs_no_test_split_and_leaves_the_data_alone(self, tmp_path: Path) -> None:
        task = self.task().without_test()
        before = [tensor.clone() for tensor in _tensors(task)]
        self._run(tmp_path, Notebook(), task=task)
        for now, then in zip(_tensors(task), before, strict=True):
            assert torch.equal(now, then), "the data of all candidates were changed"

    def test_the_epochs_asked_for_are_honoured(self, tmp_path: Path) -> None:
        for epochs in (1, 3):
            notebook = Notebook()
            self._run(tmp_path / str(epochs), notebook, epochs=epochs)
            expected = self.reports_an_epoch * epochs + self.reports_besides
            assert len(notebook.reports) == expected

    def test_reports_come_in_order(self, tmp_path: Path) -> None:
        notebook = Notebook()
        self._run(tmp_path, notebook)
        assert notebook.order == list(range(1, len(notebook.order) + 1))

    def test_cut_off_at_any_report_it_ends_the_same(self, tmp_path: Path) -> None:
        whole = Notebook()
        metrics = self._run(tmp_path / "whole", whole)
        for cut in range(1, len(whole.reports) + 1):
            notebook = Notebook(values=whole.values, cut_at=cut)
            try:
                self._run(tmp_path / str(cut), notebook)
            except CutOff:
                notebook.cut_at = None
                assert self._run(tmp_path / str(cut), notebook) == metrics
            assert notebook.reports == whole.reports

    def test_it_can_be_described_and_rebuilt(self) -> None:
        described = describe(self.make())
        plain = json.loads(json.dumps(described))
        assert plain == described, "settings survive JSON"
        assert describe(rebuild_estimator(plain)) == described

    def _run(
        self,
        files: Path,
        notebook: Notebook,
        *,
        epochs: int | None = 2,
        task: Task | None = None,
    ) -> dict[str, float]:
        space = self.space()
        task = (task or self.task()).without_test()
        candidate = Candidate(
            architecture=Architecture(space.space.default()),
            space=space,
            task=task,
            seed=11,
            epochs=epochs,
            files=files,
            device=torch.device("cpu"),
            report=notebook.report,
            remember=notebook.remember,
        )
        return dict(self.make()(candidate))


def _tensors(task: Task) -> list[Tensor]:
    splits = (task.train, task.valid)
    return [t for s in splits for t in (*(leaf for _, leaf in leaves(s.inputs)), s.targets)]
