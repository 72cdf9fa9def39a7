"""The stage that trains a supernet: what is recorded, what follows, when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom import (
    BlackBox,
    Cost,
    Evolution,
    Experiment,
    Inherited,
    OneShot,
    Random,
    Retrain,
    State,
    Study,
    Test,
    Train,
    combine,
)
from archloom.errors import ConfigError, Diverged, SpaceError
from archloom.nn import Assignment, Pick, model_space, unshareable
from archloom.oneshot import (
    Darts,
    Eigenvalue,
    Finding,
    Gdas,
    Monitor,
    PcDarts,
    Perturbation,
    SkipCount,
    SkipDropout,
    Uniform,
    Verdict,
    View,
    supernet_path,
)
from archloom.stages import Stage, rebuild
from archloom.task import Task, from_arrays
from archloom.testing import facts
from archloom.train import load_tensors

TRAIN = Train(epochs=1, batch_size=16, channels_last=False)


@model_space
def tiny(pick: Pick, features: int = 16, classes: int = 2) -> nn.Module:
    def op(label: str) -> nn.Module:
        wide = lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU())  # noqa: E731
        return pick.layer(label, {"wide": wide, "tanh": nn.Tanh, "skip": nn.Identity})

    stem = nn.Sequential(nn.Flatten(), nn.Linear(features, 8))
    return nn.Sequential(stem, op("a"), op("b"), nn.Linear(8, classes))


@pytest.fixture(scope="module")
def task() -> Task:
    images = torch.rand(120, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = (images.mean((1, 2, 3)) > 0.5).long()
    return from_arrays(images, labels, valid=0.25, test=0.2, seed=0, name="bright")


def darts(epochs: int = 3, **settings: Any) -> OneShot:
    gates = settings.pop("gates", None) or Darts()
    return OneShot(gates, epochs=epochs, batch_size=16, channels_last=False, **settings)


def run(task: Task, stages: list[Stage], folder: Path, space: Any = tiny, **settings: Any) -> Study:
    deadline = settings.pop("deadline", None)
    settings = {"progress": False, "seed": 1, **settings}
    return Experiment(space, task, stages, folder, **settings).run(deadline=deadline)


def notes(study: Study, kind: str = "one-shot") -> list[Mapping[str, Any]]:
    return [noted.data for noted in study.notes(kind)]


def ends(study: Study) -> dict[str, str]:
    return {data["stage"]: data["reason"] for data in notes(study, "stage-end")}


def test_each_epoch_leaves_a_note_a_trial_and_a_checkpoint(task: Task, tmp_path: Path) -> None:
    study = run(task, [darts()], tmp_path)
    assert [note["epoch"] for note in notes(study)] == [1, 2, 3]
    for note, trial in zip(notes(study), study.trials("supernet"), strict=True):
        assert note["derived"] == trial.architecture.to_json()
        assert trial.epochs == note["epoch"]
        assert {"accuracy", "loss", "inherited", "params", "flops"} <= set(trial.metrics)
        assert 0 <= note["entropy"] <= 1
        assert {"accuracy", "loss"} <= set(note["scores"])
        for label in ("a", "b"):
            assert sum(note["alphas"][label]) == pytest.approx(1, abs=1e-5)
    [begin] = notes(study, "one-shot-begin")
    assert begin["split"]["weights"] + begin["split"]["arch"] == len(task.train)
    assert len(begin["split"]["fingerprint"]) == 16
    saved = load_tensors(supernet_path(tmp_path, "supernet"))
    assert saved is not None
    assert saved["done"] == 3
    assert study.seconds >= sum(note["seconds"] for note in notes(study))


def test_what_is_derived_is_retrained_and_tested(task: Task, tmp_path: Path) -> None:
    study = run(task, [darts(), Retrain(epochs=2, estimator=TRAIN), Test()], tmp_path)
    last = study.trials("supernet")[-1]
    [retrained] = study.trials("retrain")
    assert retrained.parent == last.number
    assert retrained.architecture == last.architecture
    assert retrained.metrics["epochs"] == 2
    assert "flops" in retrained.metrics, "costs are measured as in the search"
    assert "inherited" not in retrained.metrics
    assert [note["trial"] for note in notes(study, "test")] == [retrained.number]
    best = study.note("best")
    assert best is not None
    assert best["trial"] == retrained.number


def test_the_best_inherited_score_can_count(task: Task, tmp_path: Path) -> None:
    stages = [darts(4, select="best"), Retrain(epochs=1, estimator=TRAIN)]
    study = run(task, stages, tmp_path)
    [retrained] = study.trials("retrain")
    assert retrained.parent == study.best("accuracy", "supernet").number


def test_a_sampling_method_is_searched_with_inherited_weights(task: Task, tmp_path: Path) -> None:
    scored = combine(Inherited(), Cost())
    search = BlackBox(Evolution(population=2, sample=1), scored, trials=4)
    stages = [OneShot(Uniform(), epochs=2, batch_size=16), search, Retrain(estimator=TRAIN)]
    study = run(task, stages, tmp_path)
    assert not study.trials("supernet")
    assert all(note["derived"] is None for note in notes(study))
    assert len(study.trials("search", State.DONE)) == 4
    [retrained] = study.trials("retrain")
    assert retrained.parent == study.best("accuracy", "search").number
    assert not any((tmp_path / "trials").glob("0000[0-3]/weights.pt")), "nothing was trained"


def test_workers_score_as_one_process_does(task: Task, tmp_path: Path) -> None:
    def search(folder: str, workers: int) -> list[Any]:
        stages = [OneShot(Uniform(), epochs=1, batch_size=16, channels_last=False)]
        stages = [*stages, BlackBox(Random(), Inherited(), trials=3)]
        study = run(task, stages, tmp_path / folder, workers=workers)
        trials = sorted(study.trials("search"), key=lambda trial: trial.number)
        return [(trial.architecture, trial.metrics) for trial in trials]

    assert search("two", 2) == search("one", 1)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([OneShot(Uniform()), Retrain()], r"BlackBox\(Evolution\(\), Inherited\('supernet'\)\)"),
        ([BlackBox(Random(), Inherited())], r"put OneShot\(Uniform\(\), name='supernet'\) first"),
        (
            [OneShot(Uniform(), name="net"), BlackBox(Random(), Inherited("nett"))],
            "did you mean 'net'",
        ),
        ([darts(gates=Darts)], r"such as Darts\(\)"),
        ([darts(select="newest")], "'last' or 'best'"),
        ([darts(name="a/b")], "names a folder"),
        ([OneShot(Uniform(), perturb=Perturbation())], "this method samples paths"),
        ([OneShot(Uniform(), penalty="flops:0.1")], "must say how much that is"),
        ([darts(monitor=Monitor(switch_to="sposs"))], "did you mean 'spos'"),
        ([OneShot(Uniform(), guards=[Eigenvalue()])], "Uniform has none"),
    ],
)
def test_stages_that_do_not_fit_are_refused_before_a_folder_is_made(
    task: Task, tmp_path: Path, stages: list[Stage], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(task, stages, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_little_data_stops_before_training(tmp_path: Path) -> None:
    X = torch.rand(24, 1, 4, 4)
    few = from_arrays(X, torch.arange(24) % 8, valid=0.5)
    with pytest.raises(ConfigError, match="8 samples or more"):
        run(few, [darts()], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_space_without_choices_is_refused(task: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Darts learns weights of options"):
        run(task, [darts()], tmp_path / "run", tiny.pinned(a="skip", b="skip"))


def test_training_settings_cannot_be_searched(task: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.lr"):
        run(task, [OneShot(Uniform())], tmp_path / "run", tiny.joint(lr=[0.1, 0.01]))


def test_options_of_unequal_shape_are_named(task: Task, tmp_path: Path) -> None:
    @model_space
    def unequal(pick: Pick) -> nn.Module:
        makes = {"a": lambda: nn.Linear(16, 8), "b": lambda: nn.Linear(16, 4)}
        op = pick.layer("op", makes, same_shape=False)
        return nn.Sequential(nn.Flatten(), op, nn.AdaptiveAvgPool1d(2))

    with pytest.raises(SpaceError, match="'op'"):
        run(task, [darts()], tmp_path / "run", unequal)


def test_what_a_method_cannot_run_is_told_before_the_run(task: Task, tmp_path: Path) -> None:
    @model_space
    def odd(pick: Pick) -> nn.Module:
        makes = {"a": lambda: nn.Linear(16, 6), "b": lambda: nn.Linear(16, 6)}
        return nn.Sequential(nn.Flatten(), pick.layer("op", makes), nn.Linear(6, 2))

    with pytest.raises(ConfigError, match=r"Partial channels \(1 in 4\)"):
        run(task, [darts(gates=PcDarts())], tmp_path / "run", odd)
    assert not (tmp_path / "run").exists()


def test_what_is_pinned_is_told(task: Task, tmp_path: Path) -> None:
    study = run(task, [darts(1)], tmp_path, tiny.pinned(b="tanh"))
    [begin] = notes(study, "one-shot-begin")
    assert begin["pinned"] == {"b": "tanh"}
    assert begin["why"] == {}, "it could have been shared"
    assert begin["recipe"]["lr"] > 0
    assert "b" not in study.trials()[0].architecture


def test_why_a_choice_had_to_be_pinned_is_told(task: Task, tmp_path: Path) -> None:
    @model_space
    def named(pick: Pick) -> nn.Module:
        act = pick.value("act", ["relu", "tanh"])
        op = pick.layer("op", {"a": lambda: nn.Linear(16, 4), "b": lambda: nn.Linear(16, 4)})
        between = nn.ReLU() if act == "relu" else nn.Tanh()
        return nn.Sequential(nn.Flatten(), op, between, nn.Linear(4, 2))

    space = named.pinned(unshareable(named))
    study = run(task, [darts(1)], tmp_path, space)
    [begin] = notes(study, "one-shot-begin")
    assert begin["pinned"] == {"act": "relu"}
    assert "'relu' is no number" in begin["why"]["act"]


def test_constraints_reject_what_is_derived_and_limit_what_is_sampled(
    task: Task, tmp_path: Path
) -> None:
    limits = {"constraints": ["params <= 200"]}
    wide = {"a": "wide", "b": "wide"}
    study = run(task, [darts(1, gates=Fixed(**wide)), Retrain()], tmp_path / "darts", **limits)
    [trial] = study.trials()
    assert trial.state is State.REJECTED
    assert ends(study)["retrain"] == "the search found nothing to retrain"
    assert "all that it derived breaks params <= 200: set a price" in ends(study)["supernet"]
    gates = Uniform()
    stages = [OneShot(gates, epochs=1), BlackBox(Random(), Inherited(), trials=3)]
    study = run(task, stages, tmp_path / "spos", **limits)
    drawn = [gates.draw(np.random.default_rng(seed)) for seed in range(30)]
    assert all(list(one.values()).count("wide") < 1 for one in drawn)


@dataclass
class Fixed(Darts):
    """DARTS that derives the same architecture whatever it learns."""

    a: str = "skip"
    b: str = "skip"

    def derive(self) -> Any:
        return self._alphas.slots.space.complete({"a": self.a, "b": self.b})


@dataclass
class Exploding(Darts):
    """DARTS whose mixture becomes infinite after the second epoch."""

    def anneal(self, share: float) -> None:
        self._factor = 1e38 if share > 0.6 else 1.0

    def weighted(self, rng: np.random.Generator) -> Assignment:
        gates = dict(super().weighted(rng))
        return {label: gate * self._factor**2 for label, gate in gates.items()}  # type: ignore[operator]


def test_a_diverged_supernet_ends_with_its_last_good_epoch(task: Task, tmp_path: Path) -> None:
    stages = [darts(4, gates=Exploding()), Retrain(epochs=1, estimator=TRAIN)]
    study = run(task, stages, tmp_path)
    reason = ends(study)["supernet"]
    assert "the supernet diverged, that of the first 2 epochs is kept" in reason
    assert "Lower lr" in reason
    saved = load_tensors(supernet_path(tmp_path, "supernet"))
    assert saved is not None
    assert saved["done"] == 2
    assert all(bool(value.isfinite().all()) for value in saved["supernet"].values())
    [retrained] = study.trials("retrain")
    assert retrained.parent == study.trials("supernet")[1].number
    assert retrained.state is State.DONE
    events = study.events
    assert run(task, stages, tmp_path).events == events, "it is not tried again"


def test_a_supernet_without_a_good_epoch_is_an_error(task: Task, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="epoch 1"):
        run(task, [darts(lr=1e30, clip=0)], tmp_path)
    study = Study.open(tmp_path)
    assert ends(study)["supernet"].startswith("diverged in the first epoch: The supernet's")


def test_the_time_limit_ends_after_an_epoch_and_leaves_retraining(
    task: Task, tmp_path: Path
) -> None:
    stages: list[Stage] = [darts(50), Retrain(epochs=1, estimator=TRAIN)]
    study = run(task, stages, tmp_path, minutes=1e-5)
    assert len(notes(study)) == 1
    assert "minutes is used up after 1 of 50 epochs" in ends(study)["supernet"]
    assert len(study.trials("retrain", State.DONE)) == 1
    longer = run(task, stages, tmp_path, minutes=5)
    assert len(notes(longer)) == 1, "what came after has used this supernet"


def test_more_minutes_train_on(task: Task, tmp_path: Path) -> None:
    run(task, [darts(3)], tmp_path, minutes=1e-5)
    study = run(task, [darts(3)], tmp_path, minutes=5)
    assert [note["epoch"] for note in notes(study)] == [1, 2, 3]
    assert ends(study)["supernet"].startswith("the supernet is trained for 3 epochs")


def test_undecided_probabilities_are_told(task: Task, tmp_path: Path) -> None:
    study = run(task, [darts(1, arch_lr=1e-9)], tmp_path / "still")
    assert "as good as undecided (entropy 1.000 of 1)" in ends(study)["supernet"]
    study = run(task, [darts(2, arch_lr=3.0)], tmp_path / "moving")
    assert ends(study)["supernet"] == "the supernet is trained for 2 epochs"


def test_a_search_over_scores_gets_its_share_of_the_minutes(task: Task, tmp_path: Path) -> None:
    search = BlackBox(Random(), Inherited(), trials=2)
    study = run(task, [OneShot(Uniform(), epochs=10_000), search], tmp_path, minutes=0.02)
    spent = sum(note["seconds"] for note in notes(study))
    assert 0 < len(notes(study)) < 10_000
    assert spent < 1.2
    assert len(study.trials("search")) == 2


def test_a_deadline_ends_after_an_epoch(task: Task, tmp_path: Path) -> None:
    study = run(task, [darts(50)], tmp_path, deadline=time.monotonic() - 1)
    assert len(notes(study)) == 1
    assert ends(study)["supernet"] == "the time is up after 1 of 50 epochs"


@dataclass(frozen=True)
class StopAt:
    """Stops after an epoch with the architecture of the first."""

    epoch: int = 3

    def look(self, view: View) -> Finding:
        figures = {"epochs seen": float(len(view.past))}
        if view.epoch < self.epoch:
            return Finding(figures)
        return Finding(figures, Verdict("stop", "Enough.", view.past[0].architecture, "test"))


def test_a_guard_stops_the_search_with_an_earlier_architecture(task: Task, tmp_path: Path) -> None:
    stages = [darts(6, guards=[StopAt()]), Retrain(epochs=1, estimator=TRAIN)]
    study = run(task, stages, tmp_path)
    assert [note["figures"]["epochs seen"] for note in notes(study)] == [0, 1, 2]
    [stop] = notes(study, "one-shot-stop")
    assert stop["reason"] == "Enough."
    assert ends(study)["supernet"] == "Enough."
    [retrained] = study.trials("retrain")
    assert retrained.architecture == study.trials("supernet")[0].architecture


def test_another_method_takes_over(task: Task, tmp_path: Path) -> None:
    monitor = Monitor(every=1, architectures=2, epochs=1, on_trouble="switch", settled=0.0)
    gates = Fixed()  # nothing but skip connections
    stages = [
        darts(2, gates=gates, monitor=monitor, train=TRAIN, guards=[Alarm()]),
        Retrain(epochs=1, estimator=TRAIN),
    ]
    study = run(task, stages, tmp_path)
    assert ends(study)["supernet"].endswith("Another method takes over.")
    assert len(notes(study)) == 1 + 2
    scored = study.trials("supernet-spos-search", State.DONE)
    assert len(scored) == tiny.space.size
    [retrained] = study.trials("retrain")
    assert retrained.parent == study.best("accuracy", "supernet-spos-search").number
    assert run(task, stages, tmp_path).events == study.events


@dataclass(frozen=True)
class Alarm:
    """Finds every search wrong."""

    def look(self, view: View) -> Finding:
        return Finding(verdict=Verdict("switch", "All is wrong.", kind="alarm"))


def test_dropping_skips_changes_the_training(task: Task, tmp_path: Path) -> None:
    plain = notes(run(task, [darts(1)], tmp_path / "plain"))[0]
    dropped = darts(1, dropout=SkipDropout(0.9))
    other = notes(run(task, [dropped], tmp_path / "dropped"))[0]
    assert plain["train_loss"] != other["train_loss"]


def test_a_penalty_makes_the_method_prefer_what_is_cheap(task: Task, tmp_path: Path) -> None:
    def cost(folder: str, **settings: Any) -> float:
        study = run(task, [darts(8, arch_lr=0.1, **settings)], tmp_path / folder)
        return study.trials()[-1].metrics["params"]

    assert cost("dear", penalty="params:30") < cost("free")


def test_perturbation_decides_in_place_of_probabilities(task: Task, tmp_path: Path) -> None:
    stage = darts(2, perturb=Perturbation(tune_epochs=1))
    study = run(task, [stage, Retrain(epochs=1, estimator=TRAIN)], tmp_path)
    [perturbed] = notes(study, "one-shot-perturbed")
    [tuned] = notes(study, "one-shot-tuned")
    assert len(tuned["decided"]) == 1
    [retrained] = study.trials("retrain")
    assert retrained.architecture.to_json() == perturbed["architecture"]
    assert study[retrained.parent or 0].epochs == perturbed["epoch"]


@pytest.mark.parametrize(
    "stage",
    [
        darts(),
        OneShot(Gdas(hot=5.0), lr=0.1, augment=("shift",), monitor=None, select="best"),
        darts(
            guards=[SkipCount(limit=3)],
            dropout=SkipDropout(),
            monitor=Monitor(every=2),
            penalty="flops:0.1:2e6",
            perturb=Perturbation(tune_epochs=2),
            train=TRAIN,
        ),
    ],
)
def test_a_stage_survives_json(stage: OneShot) -> None:
    plain = json.loads(json.dumps(stage.describe()))
    again = rebuild(plain)
    assert json.loads(json.dumps(again.describe())) == plain
    assert isinstance(again, OneShot)
    assert again.gates == stage.gates


def test_settings_of_parts_are_checked() -> None:
    with pytest.raises(ConfigError, match="did you mean 'limit'"):
        darts(guards=[{"name": "SkipCount", "limt": 3}])
    with pytest.raises(ConfigError, match="did you mean 'SkipCount'"):
        darts(guards=[{"name": "SkipCuont"}])
    with pytest.raises(ConfigError, match="did you mean 'tune_epochs'"):
        darts(perturb={"tune_epoch": 3})
    assert darts(monitor={"every": 3}).monitor == Monitor(every=3)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("guards", "SkipCount"),
        ("guards", [SkipCount]),
        ("guards", [3]),
        ("dropout", 0.3),
        ("perturb", 5),
        ("monitor", True),
    ],
)
def test_parts_of_another_kind_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=setting.rstrip("s")):
        darts(**{setting: value})


def test_one_guard_needs_no_list() -> None:
    alone = darts(guards=SkipCount())
    assert alone.guards == darts(guards={"name": "SkipCount"}).guards == (SkipCount(),)


def timeless(note: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in note.items() if key != "seconds"}


SCRIPT = """
import os, signal, sys
from dataclasses import dataclass
from torch import nn
from archloom import Experiment, OneShot, Retrain, Train, model_space
from archloom.oneshot import Darts
from archloom.task import from_arrays
import numpy as np

@dataclass
class Deadly(Darts):
    '''Darts that is killed at a step of the third epoch, or at its scores, if told so.'''

    def anneal(self, share):
        self.steps, self.third = 0, 0.3 < share < 0.5

    def paths(self, rng):
        self.steps += 1
        if self.third and self.steps == int(os.environ.get("KILL_AT", 0)):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().paths(rng)

@model_space
def tiny(pick, features=16, classes=2):
    def op(label):
        wide = lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.2))
        return pick.layer(label, {"wide": wide, "tanh": nn.Tanh, "skip": nn.Identity})
    return nn.Sequential(nn.Linear(features, 8), op("a"), op("b"), nn.Linear(8, classes))

rng = np.random.default_rng(0)
X = rng.normal(size=(160, 16)).astype(np.float32)
task = from_arrays(X, (X[:, 0] > 0).astype(int), valid=0.25, name="rows")
stages = [
    OneShot(Deadly(order=2), epochs=6, batch_size=16),
    Retrain(epochs=1, estimator=Train(epochs=1)),
]
Experiment(tiny, task, stages, sys.argv[1], seed=3, progress=False).run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 5])
def test_killed_it_goes_on_to_the_same_end(tmp_path: Path, step: int) -> None:
    """Step 2 is in the middle of an epoch of 4 steps, step 5 its score, after the checkpoint."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def start(folder: str, **environment: str) -> int:
        command = [sys.executable, "script.py", folder]
        given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        return subprocess.run(command, cwd=tmp_path, env=given, check=False).returncode

    assert start("whole") == 0
    assert start("cut", KILL_AT=str(step)) == -signal.SIGKILL
    assert len(notes(Study.open(tmp_path / "cut"))) == 2
    assert start("cut") == 0
    whole, cut = (Study.open(tmp_path / name) for name in ("whole", "cut"))
    assert facts(cut) == facts(whole)
    for one, other in zip(notes(whole), notes(cut), strict=True):
        assert timeless(one) == timeless(other), "the same alphas, losses and scores"
    one, other = (load_tensors(supernet_path(tmp_path / n, "supernet")) for n in ("whole", "cut"))
    assert one is not None
    assert other is not None
    assert all(torch.equal(one["supernet"][key], other["supernet"][key]) for key in one["supernet"])
