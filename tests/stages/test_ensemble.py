"""The ensemble stage in experiments: what is noted, tested, saved and loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archloom import (
    BlackBox,
    Candidate,
    Cost,
    CrossValidate,
    Ensemble,
    Experiment,
    Random,
    Retrain,
    Study,
    Test,
    Train,
    combine,
)
from archloom.architecture import Architecture
from archloom.ensemble import save_outputs
from archloom.errors import ConfigError
from archloom.nn import Pick, model_space
from archloom.stages import Stage, rebuild
from archloom.task import Task, from_arrays
from archloom.train import save_tensors


@model_space
def memory(pick: Pick, features: int = 8, classes: int = 2) -> nn.Module:
    """A linear model whose first choice only tells models apart."""
    pick.value("number", list(range(8)))
    return nn.Linear(features, classes)


def task_of(count: int = 600, seed: int = 0, **settings: Any) -> Task:
    """Eight noisy looks at a yes or no: their mean is far better than each alone."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    looks = rng.normal(labels[:, None] * 1.0, 1.0, (count, 8))
    return from_arrays(looks, labels, valid=0.5, test=0.2, name="looks", **settings)


def one_look(candidate: Candidate) -> Mapping[str, float]:
    """A model that sees one of the looks only; no training, so quick and known."""
    number = candidate.architecture["number"]
    assert isinstance(number, int)
    model = candidate.build()
    assert isinstance(model, nn.Linear)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
        model.weight[1, number] = 1.0
        valid = candidate.task.valid
        outputs = model(candidate.task.prepare(valid.inputs))
    save_tensors(candidate.files / "weights.pt", model.state_dict())
    save_outputs(candidate.files, outputs)
    return candidate.task.score(outputs, valid.targets)


Make = Callable[..., Experiment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(*after: Stage, estimator: Any = one_look, **settings: Any) -> Experiment:
        task = settings.pop("task", None) or task_of()
        trials = settings.pop("trials", 6)
        stages: Sequence[Stage] = [BlackBox(Random(), estimator, trials=trials), *after]
        settings = {"progress": False, "seed": 1, "folder": tmp_path / "run", **settings}
        return Experiment(memory, task, stages, **settings)

    return build


def test_an_ensemble_wins_is_tested_once_and_saved(make: Make) -> None:
    experiment = make(Ensemble(), Test())
    study = experiment.run()
    note = study.note("ensemble")
    assert note is not None
    assert note["used"]
    assert len(note["members"]) > 2
    [trial] = study.trials("ensemble")
    singles = [t.metrics["accuracy"] for t in study.trials("search")]
    assert trial.metrics["accuracy"] > max(singles) + 0.05
    tested = [noted.data for noted in study.notes("test")]
    assert [data["trial"] for data in tested].count(trial.number) == 1
    access = [noted.data["trial"] for noted in study.notes("test-access")]
    assert sorted(access) == sorted({data["trial"] for data in tested})
    best = study.note("best")
    assert best is not None
    assert best["trial"] == trial.number


def test_its_model_is_the_mean_of_its_members(make: Make) -> None:
    experiment = make(Ensemble())
    study = experiment.run()
    note = study.note("ensemble")
    assert note is not None
    raw = experiment.task.valid.inputs
    assert isinstance(raw, Tensor)
    chances = sum(
        weight * experiment.model(study[number])(raw).softmax(1)
        for number, weight in zip(note["members"], note["weights"], strict=True)
    )
    assert isinstance(chances, Tensor)
    expected = (chances.log() / note["temperature"]).softmax(1)
    outputs = experiment.model()(raw).detach()
    assert torch.allclose(outputs.softmax(1), expected, atol=1e-5)
    scored = experiment.task.score(outputs, experiment.task.valid.targets)
    [trial] = study.trials("ensemble")
    assert scored["accuracy"] == pytest.approx(trial.metrics["accuracy"], abs=0.004)


def test_the_saved_model_needs_no_archloom(make: Make) -> None:
    experiment = make(Ensemble(), Test())
    experiment.run()
    best = experiment.folder / "best"
    assert sorted(path.name for path in best.iterdir()) == [
        "architecture.json",
        "members.json",
        "model.pt",
    ]
    members = json.loads((best / "members.json").read_text())
    assert members["parts"] == [["classes", 2]]
    assert sum(member["share"] for member in members["members"]) == pytest.approx(1.0)
    code = (
        "import sys; sys.modules['archloom'] = None; import torch;"
        "model = torch.load('model.pt', weights_only=False);"
        "print(model(torch.zeros(3, 8)).argmax(1).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=best, capture_output=True, text=True)
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr


def copies(candidate: Candidate) -> Mapping[str, float]:
    """Every architecture gives the same model: nothing to be gained."""
    return one_look(replace(candidate, architecture=Architecture({"number": 0})))


def test_without_gain_the_single_model_stays(make: Make) -> None:
    settings = {"temperature": False, "threshold": None}
    experiment = make(Ensemble(**settings), Test(), estimator=copies)
    study = experiment.run()
    note = study.note("ensemble")
    assert note is not None
    assert not note["used"]
    assert note["reason"] == "the best single model is used as it is"
    assert study.trials("ensemble") == []
    assert (experiment.folder / "best" / "weights.pt").is_file()
    assert not (experiment.folder / "best" / "members.json").exists()


def test_a_second_run_changes_nothing_and_more_trials_choose_anew(make: Make) -> None:
    events = make(Ensemble(), Test()).run().events
    assert make(Ensemble(), Test()).run().events == events
    study = make(Ensemble(), Test(), trials=8).run()
    notes = [noted.data for noted in study.notes("ensemble")]
    assert len(notes) == 2
    assert len(notes[1]["candidates"]) == 8
    assert [t.number for t in study.trials("ensemble")] == [6, 9]
    best = study.note("best")
    assert best is not None
    assert best["trial"] == 9


def test_enough_files_are_kept(make: Make) -> None:
    experiment = make(Ensemble(top=5))  # more than the search's own keep=3
    study = experiment.run()
    note = study.note("ensemble")
    assert note is not None
    assert len(note["candidates"]) == 5
    stored = [path.name for path in (experiment.folder / "trials").iterdir()]
    assert len(stored) == 6  # five members and the ensemble


def test_outputs_that_are_missing_are_made(make: Make) -> None:
    def bare(candidate: Candidate) -> Mapping[str, float]:
        metrics = one_look(candidate)
        (candidate.files / "outputs.pt").unlink()
        return metrics

    study = make(Ensemble(), estimator=bare).run()
    note = study.note("ensemble")
    assert note is not None
    assert len(note["members"]) > 2


def test_without_any_weights(make: Make) -> None:
    study = make(Ensemble(), Test(), estimator=lambda candidate: {"accuracy": 0.5}).run()
    assert study.note("ensemble") is None
    said = {n.data["stage"]: n.data["reason"] for n in study.notes("stage-end")}
    assert said["ensemble"] == "no trained model to combine"


def test_constraints_hold_for_all_members_together(make: Make) -> None:
    estimator = combine(one_look, Cost())
    study = make(Ensemble(), estimator=estimator, constraints=["params <= 30"]).run()
    note = study.note("ensemble")
    assert note is not None
    assert len(note["members"]) == 1
    assert note["remarks"]["ensemble"] == "not used; all members together break params <= 30"
    wide = make(Ensemble(), estimator=estimator, constraints=["params <= 180"])
    wide.folder = wide.folder.with_name("wide")
    note = wide.run().note("ensemble")
    assert note is not None
    assert len(note["members"]) > 1
    assert note["metrics"]["params"] == 18 * len(note["members"]) <= 180


def test_groups_are_kept_on_one_side(make: Make) -> None:
    """Three hundred copies of one look at two subjects are no evidence."""
    task = task_of(groups=np.arange(600) // 30)
    note = make(Ensemble(), task=task).run().note("ensemble")
    assert note is not None
    assert note["samples"] == len(task.valid)


FOLDS = CrossValidate(Train(epochs=2, batch_size=32, lr=0.05), folds=3)


def test_cross_validated_trials_are_judged_out_of_fold(make: Make) -> None:
    experiment = make(Ensemble(top=2), Test(), estimator=FOLDS, trials=2)
    study = experiment.run()
    note = study.note("ensemble")
    assert note is not None
    assert note["chosen_on"] == "out-of-fold predictions"
    assert note["samples"] == len(experiment.task.train) + len(experiment.task.valid)
    model = experiment.model(study[0])
    raw = experiment.task.valid.inputs
    assert isinstance(raw, Tensor)
    assert model(raw).exp().sum(1).allclose(torch.ones(len(raw)), atol=1e-5)


def test_cross_validated_and_plain_trials_meet_on_the_validation_split(make: Make) -> None:
    plain = Train(epochs=2, batch_size=32, lr=0.05)
    retrain = Retrain(top=1, epochs=2, estimator=CrossValidate(plain, folds=2))
    experiment = make(retrain, Ensemble(), Test(), estimator=plain, trials=2)
    study = experiment.run()
    [retrained] = study.trials("retrain")
    assert retrained.metrics["folds"] == 2
    note = study.note("ensemble")
    assert note is not None
    assert note["chosen_on"] == "validation samples"
    assert note["samples"] == len(experiment.task.valid)
    assert len(note["candidates"]) == 3


def test_a_search_with_folds_is_retrained_with_folds(make: Make) -> None:
    study = make(Retrain(top=1, epochs=1), estimator=combine(FOLDS, Cost()), trials=2).run()
    [retrained] = study.trials("retrain")
    assert retrained.metrics["folds"] == 3
    assert retrained.metrics["epochs"] == 1
    assert "flops" in retrained.metrics


def test_distilling_gives_one_network(make: Make) -> None:
    train = Train(epochs=3, batch_size=32, lr=0.05)
    estimator = combine(CrossValidate(train, folds=2), Cost())
    objectives = ["accuracy", "min flops"]
    stages = [Ensemble(distill=True), Test()]
    experiment = make(*stages, estimator=estimator, trials=2, objectives=objectives)
    study = experiment.run()
    [student] = study.trials("distill")
    assert student.metrics["params"] == 18
    assert student.metrics["epochs"] == 3
    assert student.metrics["flops"] == study[0].metrics["flops"]
    assert student.parent is not None
    best = study.note("best")
    assert best is not None
    assert best["trial"] == student.number
    assert (experiment.folder / "best" / "weights.pt").is_file()
    assert not (experiment.folder / "best" / "members.json").exists()
    tested = [noted.data["trial"] for noted in study.notes("test")]
    assert tested[0] == student.number
    assert student.parent in tested


class Both(nn.Module):
    """A model of two inputs by name and of a class and a number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, width), nn.Linear(4, width)
        self.last = nn.Linear(width, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        out: Tensor = self.last(torch.relu(self.left(left) + self.right(right)))
        return out


@model_space
def both(pick: Pick) -> nn.Module:
    """Networks of two inputs."""
    return Both(pick.value("width", [4, 8, 16]))


def test_several_inputs_and_targets(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 300, 4)).astype("float32")
    kinds = left[:, 0] + right[:, 0] > 0
    ages = left[:, 1] * 10 + 50
    inputs = {"left": left, "right": right}
    task = from_arrays(inputs, {"kind": kinds.astype(int), "age": ages}, valid=0.4)
    train = CrossValidate(Train(epochs=3, lr=0.02, batch_size=32), folds=2)
    stages = [BlackBox(Random(), train, trials=3), Ensemble()]
    experiment = Experiment(
        both, task, stages, tmp_path / "both", objectives=["loss"], progress=False
    )
    study = experiment.run()
    note = study.note("ensemble")
    assert note is not None
    assert "not used" in note["remarks"]["tta"]
    members = json.loads((experiment.folder / "best" / "members.json").read_text())
    assert members["inputs"] == ["left", "right"]
    assert members["parts"] == [["classes", 2], ["numbers", 1]]
    model = torch.load(experiment.folder / "best" / "model.pt", weights_only=False)
    outputs = model(left=torch.tensor(left), right=torch.tensor(right)).detach()
    assert outputs[:, :2].exp().sum(1).allclose(torch.ones(300), atol=1e-5)
    assert np.corrcoef(outputs[:, 2].numpy(), ages)[0, 1] > 0.5
    assert 30 < float(outputs[:, 2].mean()) < 70, "in natural units"


def test_the_report_and_show_say_what_was_chosen(make: Make) -> None:
    experiment = make(Ensemble(), Test())
    experiment.run()
    page = experiment.report().read_text()
    assert '<section id="ensemble"' in page
    assert "Members and their weights" in page
    done = subprocess.run(
        [sys.executable, "-m", "archloom", "show", str(experiment.folder)],
        capture_output=True,
        text=True,
    )
    assert "an ensemble of" in done.stdout, done.stderr
    assert "checked ensemble accuracy" in done.stdout


def test_it_can_be_rebuilt() -> None:
    stage = Ensemble(top=4, rounds=7, tta=False, threshold=0.3, distill=True, name="mix")
    assert rebuild(json.loads(json.dumps(stage.describe()))) == stage
    folded = Retrain(estimator=CrossValidate(Train(epochs=2), folds=3))
    assert rebuild(json.loads(json.dumps(folded.describe()))) == folded


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top": 0}, "at least one trial, got top=0"),
        ({"rounds": -1}, "rounds must be a whole number from 0"),
        ({"tta": "yes"}, "tta is True, False or 'auto', got 'yes'"),
        ({"temperature": 2.0}, "temperature is True, False or 'auto', got 2.0"),
        ({"threshold": 1.5}, r"probability in \(0, 1\), got 1.5"),
        ({"threshold": "half"}, "got 'half'"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str, make: Make) -> None:
    with pytest.raises(ConfigError, match=message):
        make(Ensemble(**settings)).check()


def test_a_threshold_for_numbers(make: Make) -> None:
    rng = np.random.default_rng(0)
    task = from_arrays(rng.normal(size=(60, 8)), rng.normal(size=(60, 2)), valid=0.2)
    experiment = make(Ensemble(threshold=0.4), task=task, objectives=["rmse"])
    with pytest.raises(ConfigError, match="the task has 2 numbers: set threshold=None"):
        experiment.check()


def test_a_study_without_the_stage_has_no_section(make: Make) -> None:
    experiment = make(Test())
    experiment.run()
    assert Study.open(experiment.folder).note("ensemble") is None
    assert '<section id="ensemble"' not in experiment.report().read_text()
