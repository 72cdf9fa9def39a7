"""The bandits in real searches: digits, the mlp space, nine epochs; interrupted and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archloom import BlackBox, Experiment, State, Study, Train
from archloom.errors import ConfigError
from archloom.estimators import Candidate
from archloom.journal import Event, Reported
from archloom.strategies import Strategy, made
from archloom.task import digits
from archloom.testing import facts
from archloom.trial import Trial
from archloom.zoo import mlp

TASK = digits()
TRAIN = Train(epochs=9, fraction=0.2, channels_last=False)
NAMES = ["successive_halving", "asha", "hyperband", "bohb", "dehb"]


def experiment(folder: Path, strategy: Strategy, **settings: object) -> Experiment:
    stage = BlackBox(strategy, TRAIN, trials=3, keep=3)
    settings = {"progress": False, "device": "cpu", "seed": 2, **settings}
    return Experiment(mlp, TASK, [stage], folder, **settings)  # type: ignore[arg-type]


def interrupted_at(trial: int, step: int) -> object:
    """Give a watcher that pulls the plug when a trial reports a step."""

    def watch(event: Event, study: Study) -> None:
        match event:
            case Reported(number=number, step=at) if (number, at) == (trial, step):
                raise KeyboardInterrupt
            case _:
                pass

    return watch


def weights(run: Experiment, trial: Trial) -> dict[str, torch.Tensor]:
    path = run.folder / "trials" / f"{trial.number:05d}" / "weights.pt"
    stored: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return stored


@pytest.mark.parametrize("name", NAMES)
def test_killed_while_a_promoted_trial_trains_it_ends_as_if_nothing_happened(
    name: str, tmp_path: Path
) -> None:
    whole = experiment(tmp_path / "whole", made(name))
    study = whole.run()
    promoted = [t for t in study.trials() if t.parent is not None]
    assert promoted
    killed = experiment(
        tmp_path / "killed",
        made(name),
        progress=interrupted_at(promoted[0].number, 2),
    )
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    assert Study.open(killed.folder)[promoted[0].number].state is State.RUNNING
    resumed = experiment(tmp_path / "killed", made(name))
    assert facts(resumed.run()) == facts(study)
    best = study.best()
    ours, theirs = weights(resumed, best), weights(whole, best)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_trial_promoted_to_the_top_is_the_full_training(tmp_path: Path) -> None:
    run = experiment(tmp_path / "run", made("successive_halving"))
    study = run.run()
    top = next(t for t in study.trials() if t.budget == 1.0)
    chain = [top]
    while chain[-1].parent is not None:
        chain.append(study[chain[-1].parent])
    assert [t.metrics["epochs"] for t in chain] == [9, 3, 1]
    reports: list[int] = []
    candidate = Candidate(
        architecture=top.architecture,
        space=run.space,
        task=TASK.without_test(),
        seed=top.seed,
        epochs=None,
        files=tmp_path / "alone",
        device=torch.device("cpu"),
        report=lambda step, metrics: reports.append(step),
        remember=lambda key, measure: measure(),
    )
    metrics = TRAIN(candidate)
    assert len(reports) == 9
    assert metrics["accuracy"] == top.metrics["accuracy"]
    alone = torch.load(tmp_path / "alone" / "weights.pt", weights_only=True)
    climbed = weights(run, top)
    assert all(torch.equal(alone[key], climbed[key]) for key in climbed)


def test_work_is_counted_in_full_trainings(tmp_path: Path) -> None:
    study = experiment(tmp_path / "run", made("hyperband")).run()
    epochs = 0.0
    for trial in study.trials():
        assert trial.budget is not None
        before = study[trial.parent].budget if trial.parent is not None else 0.0
        epochs += 9 * (trial.budget - (before or 0.0))
    assert 27 <= round(epochs) < 27 + 9  # the last trial may go beyond


def test_one_epoch_leaves_nothing_to_halve(tmp_path: Path) -> None:
    stage = BlackBox(made("bohb"), Train(epochs=1), trials=3)
    with pytest.raises(ConfigError, match="Bohb tries architectures with a part"):
        Experiment(mlp, TASK, [stage], tmp_path / "run", progress=False).run()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_workers_share_a_search(tmp_path: Path) -> None:
    study = experiment(tmp_path / "run", made("asha"), workers=2).run()
    promoted = [t for t in study.trials() if t.parent is not None]
    assert promoted
    for trial in promoted:
        assert trial.parent is not None
        parent = study[trial.parent]
        assert (parent.architecture, parent.seed) == (trial.architecture, trial.seed)
        assert (parent.budget or 1) < (trial.budget or 1)
        assert dict(trial.curve)[1] == dict(parent.curve)[1]
