"""A search over layers and training settings at once, from the first trial to the report."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archloom import BlackBox, Evolution, Experiment, Random, Retrain, State, Train
from archloom.errors import ConfigError
from archloom.space import log_uniform, uniform
from archloom.task import digits, from_arrays
from archloom.zoo import small_cnn


def few_digits() -> object:
    whole = digits().train.take(torch.arange(160))
    return from_arrays(whole.inputs, whole.targets, valid=0.25, augment_ops=("shift",))


JOINT = {
    "augment": ["none", "light", "trivial", "strong"],
    "augment_strength": uniform(0.1, 1.0),
    "lr": log_uniform(1e-3, 1e-1),
    "weight_decay": log_uniform(1e-4, 1e-1),
    "optimizer": ["adamw", "sgd"],
    "ema": [None, 0.9],
}


@pytest.mark.parametrize("strategy", [Random(), Evolution(population=3, sample=2)])
def test_layers_and_recipe_are_found_together(strategy: object, tmp_path: Path) -> None:
    space = small_cnn(shape=(1, 8, 8)).joint(**JOINT)
    train = Train(epochs=2, channels_last=True)
    stages = [BlackBox(strategy, train, trials=6), Retrain(top=1, epochs=2)]
    study = Experiment(space, few_digits(), stages, tmp_path / "run", seed=3).run()
    assert study.count(None, State.DONE) == 7
    tried = [trial.architecture for trial in study.trials("search")]
    for name in JOINT:
        assert all(f"train.{name}" in architecture for architecture in tried)
    assert len({architecture["train.augment"] for architecture in tried}) > 1
    (again,) = study.trials("retrain")
    assert again.architecture == study.best(stage="search").architecture
    model = space.build(again.architecture)
    (saved,) = (tmp_path / "run").rglob(f"*{again.number:04d}/weights.pt")
    model.load_state_dict(torch.load(saved, weights_only=True))


def test_a_setting_that_cannot_be_is_found_before_any_trial(tmp_path: Path) -> None:
    space = small_cnn(shape=(1, 8, 8)).joint(augment=["light", "ligth"])
    stages = [BlackBox(Random(), Train(epochs=1), trials=2)]
    with pytest.raises(ConfigError, match="did you mean 'light'"):
        Experiment(space, few_digits(), stages, tmp_path / "run").run()
    assert not (tmp_path / "run" / "journal.db").exists()
