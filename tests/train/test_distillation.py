"""Learning from a teacher's outputs, and predictions averaged over views."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from archloom.errors import ConfigError, DataError
from archloom.task import Classes, Labels, Mixed, Numbers, Split, Task, from_arrays
from archloom.train import Recipe, Teacher, Training, allowed_views, fit, mean_outputs, predict
from archloom.train._loss import training_loss


def of_target(target: Any, targets: torch.Tensor, width: int = 5) -> Task:
    torch.manual_seed(0)
    inputs = torch.randn(len(targets), width)
    half = len(targets) // 2
    train, valid = Split(inputs[:half], targets[:half]), Split(inputs[half:], targets[half:])
    return Task("taught", train, valid, target=target, kind="table")


CLASSES = Classes(("a", "b", "c"))
LABELS = Labels(("x", "y"))
NUMBERS = Numbers(("mm",), mean=(2.0,), std=(3.0,))


def test_a_student_learns_what_its_teacher_says_and_not_the_targets() -> None:
    targets = torch.arange(200) % 3
    task = of_target(CLASSES, targets)
    said = (task.train.inputs[:, 0] > 0).long()  # has nothing to do with the targets
    soft = torch.full((100, 3), 0.05)
    soft[torch.arange(100), said] = 0.9
    model = nn.Linear(5, 3)
    recipe = Recipe(epochs=30, lr=0.05, restore_best=False, batch_size=20)
    fit(model, task, recipe, seed=0, soft_targets=soft, hard=0.0)
    learned = predict(model, task.train.inputs, task).argmax(1)
    assert float((learned == said).float().mean()) > 0.9


def test_the_loss_of_hinton() -> None:
    task = of_target(CLASSES, torch.arange(20) % 3)
    torch.manual_seed(0)
    outputs, targets = torch.randn(10, 3), task.train.targets
    logits = torch.randn(10, 3)
    loss = training_loss(task, Recipe(), Teacher(logits.softmax(1), temperature=3.0, hard=0.25))
    soft = (logits / 3).softmax(1)
    expected = -(soft * (outputs / 3).log_softmax(1)).sum(1).mean() * 9
    expected = 0.75 * expected + 0.25 * functional.cross_entropy(outputs, targets)
    torch.testing.assert_close(loss(outputs, targets, logits.softmax(1)), expected)


def test_labels_numbers_and_mixtures() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(10, 6)
    soft = torch.cat([torch.rand(10, 3).softmax(1), torch.rand(10, 2), torch.randn(10, 1)], 1)
    targets = torch.cat([torch.arange(30).reshape(10, 3) % 2, torch.rand(10, 1)], 1)
    parts = {}
    for name, target, cut, values in (
        ("class", CLASSES, slice(0, 3), torch.arange(20) % 3),
        ("labels", LABELS, slice(3, 5), (torch.arange(40).reshape(20, 2) % 3 == 0).float()),
        ("number", NUMBERS, slice(5, 6), torch.arange(20.0)[:, None]),
    ):
        task = of_target(target, values)
        loss = training_loss(task, Recipe(), Teacher(soft[:, cut], temperature=1.0, hard=0.0))
        parts[name] = loss(outputs[:, cut], values[:10], soft[:, cut])
    torch.testing.assert_close(
        parts["labels"],
        functional.binary_cross_entropy_with_logits(outputs[:, 3:5], soft[:, 3:5]),
    )
    torch.testing.assert_close(parts["number"], (outputs[:, 5:] - soft[:, 5:]).square().mean())
    mixed = Mixed({"class": CLASSES, "labels": LABELS, "number": NUMBERS})
    task = of_target(mixed, torch.cat([targets, targets]))
    loss = training_loss(task, Recipe(), Teacher(soft, temperature=1.0, hard=0.0))
    torch.testing.assert_close(loss(outputs, targets, soft), sum(parts.values()))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"soft_targets": torch.rand(99, 3)}, DataError, r"shape \(100, 3\).*got \(99, 3\)"),
        ({"soft_targets": torch.full((100, 3), torch.nan)}, DataError, "must be finite"),
        ({"temperature": 0.0}, ConfigError, "temperature must be above 0, got 0.0"),
        ({"hard": 1.5}, ConfigError, r"hard is a share in \[0, 1\], got 1.5"),
    ],
)
def test_teachers_that_do_not_fit(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    task = of_target(CLASSES, torch.arange(200) % 3)
    options = {"soft_targets": torch.full((100, 3), 1 / 3), **change}
    with pytest.raises(error, match=message):
        fit(nn.Linear(5, 3), task, Recipe(), seed=0, **options)


def test_a_task_with_its_own_loss_takes_no_teacher() -> None:
    task = from_arrays(
        torch.rand(20, 5), torch.rand(20), loss=lambda out, want: out.mean(), valid=0.5
    )
    with pytest.raises(ConfigError, match="loss of its own: leave them out"):
        fit(nn.Linear(5, 1), task, Recipe(), seed=0, soft_targets=torch.rand(10, 1))


def test_a_part_of_the_samples_keeps_its_teachers() -> None:
    """Half of the samples; each one's teacher tells its place in the split."""
    task = of_target(CLASSES, torch.arange(200) % 3)
    soft = torch.arange(100.0)[:, None].expand(100, 3)
    recipe = Recipe(fraction=0.5, batch_size=8)
    training = Training(nn.Linear(5, 3), task, recipe, seed=0, teacher=Teacher(soft))
    batch = training._batch(torch.arange(20), torch.Generator())
    assert batch.soft is not None
    places = batch.soft[:, 0].long()
    assert torch.equal(task.train.targets[places], batch.targets)
    assert torch.equal(task.prepare(task.train.inputs[places]), batch.inputs)


def test_another_teacher_is_another_training(tmp_path: Any) -> None:
    task = of_target(CLASSES, torch.arange(200) % 3)

    def trained(value: float) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(5, 3)
        soft = torch.tensor([[value, 1 - value, 0.0]]).repeat(100, 1)
        recipe = Recipe(epochs=1, restore_best=False)
        fit(model, task, recipe, seed=0, files=tmp_path, soft_targets=soft)
        return model.weight

    assert not torch.equal(trained(0.9), trained(0.1))


def test_the_mean_over_outputs_finishes_as_the_mean() -> None:
    torch.manual_seed(0)
    several = [torch.randn(7, 6) for _ in range(3)]
    mixed = Mixed({"class": CLASSES, "labels": LABELS, "number": NUMBERS})
    mean = mixed.finish(mean_outputs(several, mixed))
    expected = torch.stack([mixed.finish(one) for one in several]).mean(0)
    torch.testing.assert_close(mean, expected)


class Corner(nn.Module):
    """Gives the pixels of the upper edge as logits."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, 0, :3] * 5


def test_views_are_averaged_as_probabilities() -> None:
    images = torch.rand(20, 1, 4, 3)
    targets = torch.arange(20) % 3
    task = from_arrays(
        images, targets, normalise=False, layout="NCHW", augment_ops=("flip", "vflip")
    )
    model = Corner()
    both = predict(model, images, task, views=["plain", "flip"])
    parts = [model(form).softmax(1) for form in (images, images.flip(3))]
    torch.testing.assert_close(both.softmax(1), (parts[0] + parts[1]) / 2)
    plain = predict(model, images, task)
    torch.testing.assert_close(predict(model, images, task, views=["plain"]), plain)
    assert allowed_views(task.augment_ops) == ("plain", "flip", "vflip")
    forms = [images, images.flip(3), images.flip(2)]
    every = torch.stack([model(form).softmax(1) for form in forms]).mean(0)
    torch.testing.assert_close(predict(model, images, task, views=True).softmax(1), every)


def test_a_view_one_pixel_to_the_left_repeats_the_border() -> None:
    images = torch.rand(20, 1, 4, 3)
    task = from_arrays(images, torch.arange(20) % 3, normalise=False, layout="NCHW")
    moved = torch.cat([images[..., 1:], images[..., -1:]], 3)
    outputs = predict(Corner(), images, task, views=["left"])
    torch.testing.assert_close(outputs, Corner()(moved))


@pytest.mark.parametrize(
    ("views", "message"), [(["flop"], "did you mean 'flip'"), ("flip", "a list"), ([], "a list")]
)
def test_views_that_are_not_known(views: Any, message: str) -> None:
    task = from_arrays(torch.rand(20, 4, 3), torch.arange(20) % 3)
    with pytest.raises(ConfigError, match=message):
        predict(Corner(), task.valid.inputs, task, views=views)
