"""fit: what it learns, what it leaves, and that a cut training ends like an uncut one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from archloom.errors import ConfigError, Diverged, Stopped, TrialError
from archloom.task import Task, batches, digits, from_arrays
from archloom.train import CHECKPOINT, Recipe, Training, fit, predict

Make = Callable[[], nn.Module]


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


class Cut(Exception):
    """Stands for the process being killed."""


RECIPES = {
    "onecycle": Recipe(epochs=4, batch_size=32, augment=True),
    "momentum": Recipe(
        epochs=4, optimizer="sgd", schedule="cosine", batch_size=32, augment=True, clip=1.0
    ),
    "patience": Recipe(epochs=12, lr=0.05, batch_size=32, patience=2, schedule="step"),
    "last": Recipe(epochs=4, optimizer="adam", restore_best=False, label_smoothing=0.1),
    "channels_last": Recipe(epochs=3, channels_last=True, augment=True, fraction=0.5),
    "ema": Recipe(epochs=4, batch_size=32, ema=0.95, channels_last=True, augment="strong"),
    "ema, last": Recipe(epochs=3, ema=0.9, restore_best=False, augment="trivial"),
    "swa": Recipe(epochs=4, batch_size=32, swa=0.5, augment=("cutmix", "rotate", "flip")),
    "bf16": Recipe(epochs=3, amp="bf16", warmup=0.2, schedule="constant"),
    "fp16": Recipe(epochs=3, amp="fp16", clip=1.0),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_cut_after_any_epoch_ends_the_same(
    name: str, task: Task, make_model: Make, tmp_path: Path
) -> None:
    recipe = RECIPES[name]
    layout: Any = "contiguous" if recipe.channels_last == "auto" else None
    whole = make_model()
    expected = fit(whole, task, recipe, seed=3, layout=layout)
    for cut in range(1, expected.epochs_run + 1):
        folder = tmp_path / str(cut)

        def report(step: int, metrics: Mapping[str, float], cut: int = cut) -> None:
            if step == cut:
                raise Cut

        with pytest.raises(Cut):
            fit(make_model(), task, recipe, seed=3, files=folder, report=report, layout=layout)
        torch.randn(cut)  # the new process has another random state
        model, seen = make_model(), []
        resumed = fit(
            model,
            task,
            recipe,
            seed=3,
            files=folder,
            report=lambda step, metrics, seen=seen: seen.append((step, metrics)),
            layout=layout,
        )
        assert same(model, whole)
        assert resumed.metrics == expected.metrics
        assert torch.equal(resumed.outputs, expected.outputs)
        assert resumed.curve == expected.curve == tuple(seen)


def cut_after(epoch: int, make_model: Make, task: Task, recipe: Recipe, **options: Any) -> None:
    """Train until the process is killed after an epoch."""

    def report(step: int, metrics: Mapping[str, float]) -> None:
        if step == epoch:
            raise Cut

    with pytest.raises(Cut):
        fit(make_model(), task, recipe, report=report, **options)


def test_killed_again_and_again(task: Task, make_model: Make, tmp_path: Path) -> None:
    recipe = RECIPES["onecycle"]
    options: dict[str, Any] = {"seed": 1, "layout": "contiguous"}
    whole, model = make_model(), make_model()
    expected = fit(whole, task, recipe, **options)
    for cut in (1, 2, 2, 3, 4, 4):
        cut_after(cut, make_model, task, recipe, files=tmp_path, **options)
    resumed = fit(model, task, recipe, files=tmp_path, **options)
    assert same(model, whole)
    assert resumed.curve == expected.curve


def test_the_layout_of_the_first_start_is_kept(
    task: Task, make_model: Make, tmp_path: Path
) -> None:
    recipe = RECIPES["onecycle"]
    whole, model = make_model(), make_model()
    fit(whole, task, recipe, seed=1, layout="channels_last")
    cut_after(2, make_model, task, recipe, files=tmp_path, seed=1, layout="channels_last")
    resumed = fit(model, task, recipe, seed=1, files=tmp_path)
    assert resumed.fast_path["layout"] == "channels_last"
    assert same(model, whole)


class Counting(nn.Module):
    """Counts its training steps outside of its state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        out: torch.Tensor = self.model(x)
        return out


def test_only_a_whole_checkpoint_of_the_same_training_counts(
    task: Task, make_model: Make, tmp_path: Path
) -> None:
    def make() -> Counting:
        return Counting(make_model())

    recipe = RECIPES["onecycle"]
    options: dict[str, Any] = {"files": tmp_path, "layout": "contiguous"}
    cut_after(3, make, task, recipe, seed=3, **options)
    checkpoint = (tmp_path / CHECKPOINT).read_bytes()
    damaged = bytearray(checkpoint)
    weight = torch.load(tmp_path / CHECKPOINT, weights_only=True)["model"]["model.0.weight"]
    damaged[checkpoint.index(weight.numpy().tobytes())] ^= 1

    def epochs_trained(content: bytes, recipe: Recipe = recipe, seed: int = 3) -> float:
        (tmp_path / CHECKPOINT).write_bytes(content)
        model = make()
        assert fit(model, task, recipe, seed=seed, **options).epochs_run == 4
        return model.steps / 8  # 240 samples in batches of 32

    assert epochs_trained(checkpoint) == 1
    assert epochs_trained(checkpoint[:-1000]) == 4
    assert epochs_trained(b"") == 4
    assert epochs_trained(bytes(damaged)) == 4
    assert epochs_trained(checkpoint, seed=4) == 4
    assert epochs_trained(checkpoint, recipe=RECIPES["momentum"]) == 4


def test_the_checkpoint_is_on_disk_before_the_report(
    task: Task, make_model: Make, tmp_path: Path
) -> None:
    found = []

    def report(step: int, metrics: Mapping[str, float]) -> None:
        content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
        found.append((step, len(content["curve"])))

    fit(make_model(), task, Recipe(epochs=3), seed=0, files=tmp_path, report=report)
    assert found == [(1, 1), (2, 2), (3, 3)]


def test_a_disk_that_cannot_be_written_is_told_as_it_is(
    task: Task, make_model: Make, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        fit(make_model(), task, Recipe(epochs=1), seed=0, files=tmp_path / "file")


def test_the_loop_takes_the_steps_of_a_plain_loop(task: Task, make_model: Make) -> None:
    """The same weights as a loop written by hand over the same batches, bit for bit."""
    torch.manual_seed(0)
    plain = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2)), nn.Flatten(), nn.Linear(36, 10)
    )
    mine = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2)), nn.Flatten(), nn.Linear(36, 10)
    )
    mine.load_state_dict(plain.state_dict())
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.05)
    mean, std = (value.view(1, 1, 1, 1) for value in task.normalisation)
    for epoch in (1, 2, 3):
        for raw, targets in batches(task.train, 32, seed=7, epoch=epoch):
            assert isinstance(raw, torch.Tensor)
            optimizer.zero_grad()
            loss = functional.cross_entropy(plain((raw.float() - mean) / std), targets)
            loss.backward()
            optimizer.step()
    recipe = Recipe(
        epochs=3,
        optimizer="sgd",
        lr=0.05,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        batch_size=32,
        restore_best=False,
    )
    fit(mine, task, recipe, seed=7, layout="contiguous")
    for a, b in zip(weights(plain), weights(mine), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_it_learns(optimizer: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    fitted = fit(model, digits(), Recipe(epochs=10, optimizer=optimizer), seed=0)
    assert fitted.metrics["accuracy"] > 0.9
    losses = [metrics["train_loss"] for _, metrics in fitted.curve]
    assert losses[-1] < losses[0] / 2


def test_the_best_weights_are_kept(task: Task, make_model: Make) -> None:
    recipe = Recipe(epochs=8, lr=0.1, batch_size=32)
    model = make_model()
    fitted = fit(model, task, recipe, seed=2)
    best = max(fitted.curve, key=lambda p: (p[1]["accuracy"], -p[1]["loss"], -p[0]))
    assert fitted.metrics == best[1]
    outputs = predict(model, task.valid.inputs, task)
    again = task.score(outputs, task.valid.targets)
    assert again["accuracy"] == fitted.metrics["accuracy"]
    assert again["loss"] == pytest.approx(fitted.metrics["loss"], rel=1e-4)


def test_patience_ends_early(task: Task, make_model: Make) -> None:
    recipe = Recipe(epochs=50, lr=0.05, patience=3, monitor="loss", schedule="constant")
    fitted = fit(make_model(), task, recipe, seed=0)
    losses = [metrics["loss"] for _, metrics in fitted.curve]
    assert fitted.epochs_run < 50
    assert losses.index(min(losses)) == fitted.epochs_run - 4
    assert fitted.metrics["loss"] == min(losses)


def test_epochs_of_the_caller_come_first(task: Task, make_model: Make) -> None:
    assert fit(make_model(), task, Recipe(epochs=5), seed=0, epochs=2).epochs_run == 2


def test_the_seed_decides_all(task: Task, make_model: Make) -> None:
    recipe = Recipe(epochs=2, augment=True)
    models = []
    for seed in (0, 0, 1):
        random.seed(seed + 8)
        torch.manual_seed(99)
        model = make_model()
        fit(model, task, recipe, seed=seed, layout="contiguous")
        models.append(model)
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


def test_random_states_and_modes_are_left_as_they_were(task: Task, make_model: Make) -> None:
    model = make_model()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    fit(model, task, Recipe(epochs=1), seed=0)
    assert (torch.rand(1), np.random.rand(), random.random()) == expected


def test_the_model_is_plain_again(task: Task, make_model: Make) -> None:
    model = make_model()
    modules, keys = list(model.children()), list(model.state_dict())
    fitted = fit(model, task, Recipe(epochs=1, channels_last=True), seed=0)
    assert fitted.fast_path["layout"] == "channels_last"
    assert fitted.fast_path["pool_before_relu"] == 1
    assert list(model.state_dict()) == keys
    assert all(a is b for a, b in zip(model.children(), modules, strict=True))
    assert all(p.is_contiguous() for p in model.parameters())


def test_both_layouts_train_alike(task: Task, make_model: Make) -> None:
    results = []
    for channels_last in (True, False):
        recipe = Recipe(epochs=1, channels_last=channels_last, optimizer="sgd")
        results.append(fit(make_model(), task, recipe, seed=0).metrics)
    assert results[0]["train_loss"] == pytest.approx(results[1]["train_loss"], rel=1e-4)


def test_reports_come_in_order_and_stopping_ends_it(task: Task, make_model: Make) -> None:
    steps = []

    def report(step: int, metrics: Mapping[str, float]) -> None:
        assert {*task.metric_names, "train_loss"} == metrics.keys()
        steps.append(step)
        if step == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        fit(make_model(), task, Recipe(epochs=5), seed=0, report=report)
    assert steps == [1, 2]


def test_a_fraction_uses_that_many_samples_of_every_class(task: Task, make_model: Make) -> None:
    training = Training(make_model(), task, Recipe(fraction=0.5), seed=0)
    counts = torch.bincount(training.split.targets)
    whole = torch.bincount(task.train.targets)
    assert len(training.split) == 120
    assert ((counts - whole / 2).abs() <= 1).all()


def test_mixed_precision_gives_float_outputs(task: Task, make_model: Make) -> None:
    fitted = fit(make_model(), task, Recipe(epochs=1, amp="bf16"), seed=0)
    plain = fit(make_model(), task, Recipe(epochs=1, amp="off"), seed=0)
    assert fitted.metrics["train_loss"] != plain.metrics["train_loss"]
    assert fitted.metrics["train_loss"] == pytest.approx(plain.metrics["train_loss"], rel=0.05)


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = nn.Conv2d(1, 4, 3)
            self.table = nn.Linear(3, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, image: torch.Tensor, table: torch.Tensor) -> dict[str, torch.Tensor]:
            both = self.image(image).mean((2, 3)) + self.table(table)
            return {"label": self.head(both), "size": both.square().mean(1)}

    def loss(outputs: dict[str, torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs["label"], targets) + outputs["size"].mean()

    rng = np.random.default_rng(0)
    X = {"image": rng.random((60, 8, 8)), "table": rng.random((60, 3))}
    task = from_arrays(
        X,
        np.arange(60) % 2,
        loss=loss,
        metrics={"accuracy": lambda o, t: float((o["label"].argmax(1) == t).float().mean())},
    )
    fitted = fit(Two(), task, Recipe(epochs=2, augment=True), seed=0, files=tmp_path)
    assert fitted.metrics.keys() == {"loss", "accuracy", "train_loss"}
    outputs = predict(Two(), task.valid.inputs, task)
    assert outputs["label"].shape == (6, 2)


class Exploding(nn.Module):
    """Gives what it is told to in its third training step."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x.flatten(1))
        return out * self.value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_divergence(value: float, task: Task) -> None:
    with pytest.raises(Diverged, match=r"training loss must be finite.*epoch 1.*Lower lr"):
        fit(Exploding(value), task, Recipe(epochs=2), seed=0)


def test_divergence_in_validation_only(task: Task) -> None:
    class Sick(Exploding):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.layer(x.flatten(1))
            return out if self.training else out * float("nan")

    with pytest.raises(Diverged, match="validation loss"):
        fit(Sick(1.0), task, Recipe(epochs=2), seed=0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), r"\(64, 10\).*\(64,\).*got \(64, 7\)"),
        (nn.Conv2d(1, 10, 3), r"got \(64, 10, 6, 6\)"),
        (nn.Flatten(), "no trainable parameter"),
    ],
)
def test_models_that_do_not_fit(model: nn.Module, message: str, task: Task) -> None:
    with pytest.raises(TrialError, match=message):
        fit(model, task, Recipe(epochs=1, channels_last=False), seed=0)


def test_a_model_that_raises_says_so_itself(task: Task) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(9, 10)), task, Recipe(epochs=1), seed=0)


def test_recipes_that_do_not_fit_the_task(task: Task, make_model: Make) -> None:
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        fit(make_model(), task, Recipe(monitor="acuracy"), seed=0)
    own = from_arrays(
        np.zeros((20, 4)), np.arange(20.0), loss=lambda out, want: out.mean(), valid=0.2
    )
    with pytest.raises(ConfigError, match="label_smoothing"):
        fit(nn.Linear(4, 1), own, Recipe(label_smoothing=0.1), seed=0)


def test_batches_larger_than_the_data(make_model: Make) -> None:
    task = from_arrays(np.random.default_rng(0).random((30, 8, 8)), np.arange(30) % 3, classes=10)
    assert fit(make_model(), task, Recipe(epochs=2, batch_size=512), seed=0).epochs_run == 2


def test_lazy_normalisation_and_prediction_keep_the_mode(task: Task, make_model: Make) -> None:
    model = make_model().train()
    outputs = predict(model, task.valid.inputs, task, batch_size=7)
    assert model.training
    assert outputs.shape == (80, 10)
    torch.testing.assert_close(outputs, predict(model.eval(), task.valid.inputs, task))
    (outputs * nn.Parameter(torch.ones(1))).sum().backward()  # an ordinary tensor
