"""Averaged weights: the formulas, and that it is the averaged model that is judged and kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from archloom.task import Task, batches, digits
from archloom.train import Average, Recipe, Training, fit, lr_factor, predict

Make = Callable[[], nn.Module]


def walk(model: nn.Module, steps: int) -> list[list[torch.Tensor]]:
    """Change the weights at random; give what they were after every step."""
    seen = []
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        seen.append([p.detach().clone() for p in model.parameters()])
    return seen


def test_ema_with_a_warm_up_of_the_decay() -> None:
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    average = Average(model, Recipe(ema=0.5))
    mean: torch.Tensor | None = None
    for t in range(20):
        (weight, _), *_ = walk(model, 1)
        average.update(share=0.1)
        decay = min(0.5, (1 + t) / (10 + t))
        mean = weight if mean is None else decay * mean + (1 - decay) * weight
    with average.worn():
        torch.testing.assert_close(model.weight, mean)


def test_a_long_ema_is_that_of_torch() -> None:
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    average = Average(model, Recipe(ema=0.01))  # a decay that is reached at once
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.01))
    for _ in range(5):
        walk(model, 1)
        average.update(share=0.0)
        theirs.update_parameters(model)
    with average.worn():
        torch.testing.assert_close(model.weight, theirs.module.weight)


def test_swa_is_the_mean_from_a_share_on() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    average = Average(model, Recipe(swa=0.5))
    kept = []
    for step in range(1, 11):
        (weight, _), *_ = walk(model, 1)
        average.update(share=step / 10)
        if step >= 5:
            kept.append(weight)
    with average.worn():
        torch.testing.assert_close(model.weight, torch.stack(kept).mean(0))


def test_the_weights_in_training_come_back_bit_for_bit() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = Average(model, Recipe(ema=0.9))
    average.update(share=0.1)
    walk(model, 1)
    model(torch.rand(5, 2))
    average.update(share=0.2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with average.worn():
        assert not torch.equal(model[0].weight, before["0.weight"])
        assert not torch.equal(model[1].running_mean, before["1.running_mean"])
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_statistics_are_measured_as_torch_does_it(task: Task, make_model: Make) -> None:
    model, theirs = make_model(), make_model()
    training = Training(model, task, Recipe(swa=0.5, batch_size=40), seed=3)
    training.epoch(1)
    theirs.load_state_dict(model.state_dict())
    training.measure_statistics()
    parts = [task.prepare(raw) for raw, _ in batches(task.train, 40, seed=3, epoch=0)]
    for layer in theirs.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    update_bn(parts, theirs)
    for mine, other in zip(model.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other)
    assert model.training
    assert model[4].momentum == 0.1


@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("how", [{"ema": 0.8}, {"swa": 0.4}])
def test_what_is_judged_is_what_is_kept(
    how: dict[str, float], restore_best: bool, task: Task, make_model: Make
) -> None:
    model = make_model()
    recipe = Recipe(epochs=5, restore_best=restore_best, lr=0.02, **how)  # type: ignore[arg-type]
    fitted = fit(model, task, recipe, seed=0)
    outputs = predict(model, task.valid.inputs, task)
    torch.testing.assert_close(outputs, fitted.outputs, rtol=1e-4, atol=1e-5)
    score = task.score(outputs, task.valid.targets)
    assert score["loss"] == pytest.approx(fitted.metrics["loss"], rel=1e-4)
    assert fitted.metrics in [metrics for _, metrics in fitted.curve]
    plain = make_model()
    fit(plain, task, Recipe(epochs=5, restore_best=restore_best, lr=0.02), seed=0)
    assert not torch.equal(plain[0].weight, model[0].weight)


def test_averaging_changes_no_step(task: Task, make_model: Make) -> None:
    """The losses of the steps are those of the plain training: the average only looks on."""
    recipe = Recipe(epochs=3, channels_last=False)
    plain = fit(make_model(), task, recipe, seed=0)
    averaged = fit(make_model(), task, Recipe(epochs=3, channels_last=False, ema=0.9), seed=0)
    for (_, one), (_, other) in zip(plain.curve, averaged.curve, strict=True):
        assert one["train_loss"] == other["train_loss"]
        assert one["loss"] != other["loss"]


def test_swa_keeps_the_rate_that_it_begins_with(task: Task, make_model: Make) -> None:
    recipe = Recipe(epochs=4, batch_size=60, schedule="cosine", lr=0.1, swa=0.5)
    training = Training(make_model(), task, recipe, seed=0)
    rates = []
    for epoch in (1, 2, 3, 4):
        for _ in training.steps(epoch):
            rates.append(training.optimizer.param_groups[0]["lr"])
    assert rates[8:] == [0.1 * lr_factor(recipe, 8, 16)] * 8
    assert rates[:8] == sorted(rates[:8], reverse=True)


def test_a_model_is_usable_after_a_few_steps() -> None:
    task = digits()
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10)
    )
    with torch.no_grad():
        model[0].weight.mul_(0.01)  # far from the variance of 1 that statistics begin with
    fitted = fit(model, task, Recipe(epochs=1, batch_size=128), seed=0)
    assert fitted.metrics["accuracy"] > 0.8
