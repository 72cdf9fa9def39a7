"""The monitor beside real searches: a collapse is caught, a sound search is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archloom import BlackBox, Experiment, Grid, Retrain, State, Study, Train
from archloom.estimators import Inherited
from archloom.journal import Event, Reported
from archloom.nn import ModelSpace, Pick, concat, model_space
from archloom.oneshot import Darts, Gates, Monitor, Uniform
from archloom.report import supernet_troubles
from archloom.stages import OneShot
from archloom.task import Task, from_arrays

TRAIN = Train(epochs=1, lr=0.02, batch_size=32, weight_decay=0.0)


class Dense(nn.Module):
    """A non-linear layer, whose output is scaled."""

    def __init__(self, columns: int, scale: float = 1.0) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(columns, 16), nn.Linear(16, columns)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.outer(torch.relu(self.inner(x)))


class Pair(nn.Module):
    """Two columns of the input."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 2 * self.place : 2 * self.place + 2]


@model_space
def eager(pick: Pick) -> nn.Module:
    """A chain in which skip connections help at once, and dense layers hardly ever."""

    def edge(label: str) -> nn.Module:
        return pick.layer(label, {"dense": lambda: Dense(4, 0.01), "skip": nn.Identity})

    return nn.Sequential(edge("cell.0"), edge("cell.1"), nn.Linear(4, 2))


@model_space
def sound(pick: Pick) -> nn.Module:
    """Three branches, each of which has to be a dense one to read its bit of the class."""

    def branch(place: int) -> nn.Module:
        makes = {"dense": lambda: Dense(2, 2.0), "skip": nn.Identity}
        return nn.Sequential(Pair(place), pick.layer(f"cell.{place}", makes))

    return nn.Sequential(concat(*map(branch, range(3))), nn.Linear(6, 8))


def straight(samples: int = 320) -> Task:
    """Classes that a straight line divides: all that a skip connection can do."""
    x = torch.randn(samples, 4, generator=torch.Generator().manual_seed(1))
    return from_arrays(x, (x[:, 0] > 0).long(), valid=0.25, name="straight")


def crossed(samples: int = 640) -> Task:
    """Eight classes, of three bits that no straight line divides: signs of products."""
    x = torch.randn(samples, 6, generator=torch.Generator().manual_seed(1))
    bits = (x[:, ::2] * x[:, 1::2] > 0).long()
    return from_arrays(x, bits @ torch.tensor([1, 2, 4]), valid=0.25, name="crossed")


def stages(gates: Gates | None = None, **more: Any) -> OneShot:
    monitor = Monitor(architectures=6, epochs=6, every=100)
    settings = {"epochs": 8, "batch_size": 32, "lr": 0.1, "arch_lr": 0.2, "train": TRAIN}
    return OneShot(gates or Darts(), **{"monitor": monitor, **settings, **more})


def run(
    space: ModelSpace,
    task: Task,
    folder: Path,
    *made: Any,
    seed: int = 0,
    progress: Any = False,
) -> Study:
    return Experiment(space, task, list(made), folder, seed=seed, progress=progress).run()


def collapsing(folder: Path, *after: Any, seed: int = 0, **more: Any) -> Study:
    settings = {"warmup": 0.3, **more}
    return run(eager, straight(), folder, stages(**settings), *after, seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_a_search_that_collapses_to_skips_is_caught(tmp_path: Path, seed: int) -> None:
    note = collapsing(tmp_path / "run", seed=seed).note("monitor")
    assert note is not None
    assert note["share"] == 1.0
    [skips, *_] = note["verdicts"]
    assert skips["kind"] == "skips"
    assert skips["action"] == "warn"
    assert "all 2 operations of cell 'cell' are skip connections (2)" in skips["reason"]


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_search_is_left_alone(tmp_path: Path, seed: int) -> None:
    note = run(sound, crossed(), tmp_path / "run", stages(), seed=seed).note("monitor")
    assert note is not None
    assert note["verdicts"] == []
    assert note["derived"]["alone"] > max(one["alone"] for one in note["panel"]) - 0.2
    assert note["rankings"]["likely"]["spearman"] > 0.5


def test_short_trainings_are_trials_of_their_own_and_leave_no_files(tmp_path: Path) -> None:
    monitor = Monitor(architectures=3, epochs=2, every=4)
    study = collapsing(tmp_path / "run", monitor=monitor)
    short = study.trials("supernet-monitor")
    keys = [trial.architecture.key for trial in short]
    assert len(set(keys)) == len(keys), "an architecture is trained once, for all checks"
    assert all(trial.state is State.DONE and trial.epochs == 2 for trial in short)
    assert all({"params", "flops", "accuracy"} <= set(trial.metrics) for trial in short)
    notes = [noted.data for noted in study.notes("monitor")]
    assert [note["epoch"] for note in notes] == [4, 8]
    first, last = ([one["alone"] for one in note["panel"]] for note in notes)
    assert first == last
    by_number = {trial.number: trial for trial in short}
    for seen in [*notes[0]["panel"], notes[1]["derived"]]:
        trial = by_number[seen["trial"]]
        assert trial.architecture.to_json() == seen["architecture"]
        assert trial.metrics["accuracy"] == seen["alone"]
    folders = {path.name for path in (tmp_path / "run" / "trials").glob("*") if any(path.iterdir())}
    assert not folders & {f"{trial.number:05d}" for trial in short}


def test_an_interrupted_check_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = collapsing(tmp_path / "whole")

    def watch(event: Event, study: Study) -> None:
        third = len(study.trials("supernet-monitor")) == 3
        if third and isinstance(event, Reported) and event.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(eager, straight(), tmp_path / "cut", stages(warmup=0.3), progress=watch)
    cut = Study.open(tmp_path / "cut")
    assert cut.note("monitor") is None
    resumed = collapsing(tmp_path / "cut")
    assert resumed.note("monitor") == whole.note("monitor")
    assert len(resumed) == len(whole)
    again = collapsing(tmp_path / "cut")
    assert again.events == resumed.events, "nothing is left to do"


def test_stopping_falls_back_to_the_best_of_the_short_trainings(tmp_path: Path) -> None:
    monitor = Monitor(architectures=6, epochs=6, every=4, on_trouble="stop")
    study = collapsing(tmp_path / "run", Retrain(epochs=2), monitor=monitor)
    note, stop = study.note("monitor"), study.note("one-shot-stop")
    assert note is not None
    assert stop is not None
    assert stop["epoch"] == note["epoch"] == 4
    assert len(study.notes("one-shot")) == 4
    short = study.trials("supernet-monitor", State.DONE)
    best = max(short, key=lambda trial: (trial.metrics["accuracy"], -trial.number))
    [retrained] = study.trials("retrain")
    assert retrained.architecture.to_json() == stop["architecture"]
    assert study[retrained.parent or 0].metrics["accuracy"] == best.metrics["accuracy"]


@pytest.mark.parametrize("other", ["spos", "random"])
def test_switching_lets_another_method_find_the_answer(tmp_path: Path, other: str) -> None:
    how = {"on_trouble": "switch", "switch_to": other}
    monitor = Monitor(architectures=4, epochs=2, every=4, **how)
    study = collapsing(tmp_path / "run", Retrain(epochs=2), monitor=monitor, epochs=5)
    stop = study.note("one-shot-stop")
    assert stop is not None
    assert stop["action"] == "switch"
    [retrained] = study.trials("retrain")
    parent = study[retrained.parent or 0]
    assert parent.stage.startswith(f"supernet-{other}")
    assert parent == study.best("accuracy", parent.stage)


def test_trouble_before_the_search_is_settled_is_only_said(tmp_path: Path) -> None:
    monitor = Monitor(architectures=0, every=3, on_trouble="stop", settled=1.0)
    study = collapsing(tmp_path / "run", monitor=monitor)
    actions = [
        n.data["verdicts"][0]["action"] for n in study.notes("monitor") if n.data["verdicts"]
    ]
    assert actions[-1] == "stop"
    assert set(actions[:-1]) <= {"warn"}
    assert len(study.notes("one-shot")) == 8
    assert study.trials("supernet-monitor") == []


def test_a_method_that_samples_is_judged_by_its_inherited_scores(tmp_path: Path) -> None:
    study = run(sound, crossed(), tmp_path / "run", stages(Uniform()))
    note = study.note("monitor")
    assert note is not None
    assert note["derived"] is None
    assert note["share"] is None
    assert set(note["rankings"]) == {"inherited", "params", "flops"}
    assert note["rankings"]["inherited"]["spearman"] > 0.5


@pytest.mark.slow
def test_the_monitor_gives_the_same_in_worker_processes(tmp_path: Path) -> None:
    space, task, stage = eager, straight(), stages(warmup=0.3, epochs=2)
    alone = run(space, task, tmp_path / "alone", stage).note("monitor")
    several = Experiment(space, task, [stage], tmp_path / "two", workers=2, progress=False).run()
    note = several.note("monitor")
    assert alone is not None
    assert note is not None
    for one, other in zip(alone["panel"], note["panel"], strict=True):
        assert one["alone"] == pytest.approx(other["alone"])


def test_what_is_retrained_is_looked_at_whatever_found_it(tmp_path: Path) -> None:
    supernet = stages(Uniform(), monitor=None, epochs=4)
    scored = BlackBox(Grid(), Inherited(), trials=4)
    study = run(eager, straight(), tmp_path / "run", supernet, scored, Retrain(top=4, epochs=1))
    parents = {trial.parent for trial in study.trials("retrain")}
    told = [noted.data for noted in study.notes("collapse")]
    [collapsed] = [
        number for number in parents if set(study[number or 0].architecture.values()) == {"skip"}
    ]
    assert [data["trial"] for data in told] == [collapsed]
    assert told[0]["reason"] in supernet_troubles(study)


def test_pinned_choices_are_filled_in_for_the_short_trainings(tmp_path: Path) -> None:
    pinned = sound.pinned({"cell.0": "dense"})
    study = run(pinned, crossed(), tmp_path / "run", stages(epochs=2))
    note = study.note("monitor")
    assert note is not None
    assert len(note["panel"]) == 4
    assert all(set(one["architecture"]) == {"cell.1", "cell.2"} for one in note["panel"])
