"""The contract of stages: interrupted after any event, an experiment ends where it would have."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.experiment import Experiment
from archloom.journal import Event
from archloom.nn import Pick, model_space
from archloom.stages import Stage
from archloom.study import Study
from archloom.task import Task, from_arrays
from archloom.testing._study import facts


@model_space
def tiny_space(pick: Pick, features: int = 16, classes: int = 2) -> nn.Module:
    """Six small networks, for tests.

    >>> tiny_space.space.size
    6
    """
    width = pick.value("width", [2, 4, 8])
    act = pick.layer("act", {"relu": nn.ReLU, "tanh": nn.Tanh})
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), act, nn.Linear(width, classes))


def tiny_task() -> Task:
    """Eighty 4x4 images, bright or dark, with a test split: for tests.

    >>> tiny_task().has_test
    True
    """
    images = torch.rand(80, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = (images.mean((1, 2, 3)) > 0.5).long()
    return from_arrays(images, labels, valid=0.25, test=0.25, seed=0, name="bright")


class StageContract:
    """Subclass, override `make`, and pytest runs the contract on your stage.

    `make` gives the stages of an experiment on `tiny_space` and `tiny_task`, with yours among
    them, new ones at each call. Keep it small: the experiment runs once for each of its events.
    """

    def make(self) -> Sequence[Stage]:
        """Give the stages."""
        raise ConfigError("A subclass of StageContract must override make().")

    def _run(self, folder: Path, watch: Callable[[Event, Study], None] | bool = False) -> Study:
        return Experiment(
            tiny_space, tiny_task(), self.make(), folder, seed=1, progress=watch
        ).run()

    def test_a_finished_run_stays_as_it_is(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            first = self._run(Path(place))
            assert self._run(Path(place)).events == first.events

    def test_an_interrupt_after_any_event_changes_nothing_in_the_end(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            whole = self._run(Path(place, "whole"))
            for cut in range(1, whole.events):
                folder = Path(place, f"cut{cut}")
                with contextlib.suppress(KeyboardInterrupt):
                    self._run(folder, _interrupt_after(cut))
                assert facts(self._run(folder)) == facts(whole), f"interrupted after event {cut}"

    def test_the_description_is_the_same_each_time(self) -> None:
        first = [stage.describe() for stage in self.make()]
        assert first == [stage.describe() for stage in self.make()]


def _interrupt_after(cut: int) -> Callable[[Event, Study], None]:
    def watch(event: Event, study: Study) -> None:
        if study.events == cut:
            raise KeyboardInterrupt

    return watch
