"""When memory runs out: smaller parts of a batch, the same steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom.errors import TrialError
from archloom.task import Split, Task, from_arrays
from archloom.train import Batch, Recipe, Teacher, Training, fit, predict
from archloom.train._memory import placed, task_bytes

CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: not enough memory"
ERRORS: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    lambda: RuntimeError(CPU),
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
    lambda: MemoryError("Unable to allocate 8 GiB"),
]


class Small(nn.Module):
    """Runs out of memory for more than `most` samples."""

    def __init__(self, most: int, error: Callable[[], Exception] = ERRORS[0]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(64, 10)
        self.most = most
        self.error = error
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error()
        out: torch.Tensor = self.layer(x.flatten(1))
        return out


RECIPE = Recipe(epochs=2, batch_size=40, optimizer="sgd", clip=1.0, channels_last=False)


@pytest.mark.parametrize("error", ERRORS)
def test_the_steps_are_those_of_whole_batches(error: Callable[[], Exception], task: Task) -> None:
    whole, small = Small(1000), Small(13, error)
    expected = fit(whole, task, RECIPE, seed=0)
    fitted = fit(small, task, RECIPE, seed=0)
    torch.testing.assert_close(small.layer.weight, whole.layer.weight, rtol=1e-4, atol=1e-6)
    assert fitted.metrics["train_loss"] == pytest.approx(expected.metrics["train_loss"], rel=1e-4)
    assert fitted.fast_path["micro_batch"] == 10  # 40, 20, 10
    assert "micro_batch" not in expected.fast_path


def test_what_did_not_fit_is_not_tried_again(task: Task) -> None:
    model = Small(13)
    fit(model, task, RECIPE, seed=0)
    failed = [size for size in model.sizes if size > 13]
    assert failed == [40, 20, 80, 40, 20, 80, 40, 20]  # training; validation of each epoch


@pytest.mark.parametrize(("count", "most"), [(35, 17), (33, 16), (7, 3), (5, 1), (9, 9), (9, 20)])
def test_parts_are_of_about_equal_size(count: int, most: int) -> None:
    """Never one sample beside larger parts, on which batch normalisation could not train."""
    batch = Batch(torch.arange(count), torch.arange(count))
    parts = list(batch.parts(most))
    sizes = [len(part) for part, _ in parts]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert sum(share for _, share in parts) == pytest.approx(1.0)
    assert torch.equal(torch.cat([part.targets for part, _ in parts]), batch.targets)


def test_a_batch_that_is_mixed_and_taught_is_cut_too(task: Task) -> None:
    results = []
    soft = torch.full((len(task.train), 10), 0.1)
    for most in (1000, 11):
        model = Small(most)
        recipe = Recipe(batch_size=40, augment=("mixup",), optimizer="sgd", channels_last=False)
        training = Training(model, task, recipe, seed=0, teacher=Teacher(soft))
        losses = [float(loss) for loss, _ in training.steps(1)]
        results.append((losses, model.layer.weight))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-4)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


def test_one_sample_that_does_not_fit_is_an_error(task: Task) -> None:
    with pytest.raises(TrialError, match=r"one sample at a time \(CUDA out.*Use smaller inputs"):
        fit(Small(0), task, RECIPE, seed=0)


def test_other_errors_are_told_as_they_are(task: Task) -> None:
    model = Small(10, lambda: RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        fit(model, task, RECIPE, seed=0)
    assert len(model.sizes) <= 3


def test_it_is_remembered_over_an_interruption(task: Task, tmp_path: Path) -> None:
    def report(step: int, metrics: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Small(13), task, RECIPE, seed=0, files=tmp_path, report=report)
    model = Small(13)
    fitted = fit(model, task, RECIPE, seed=0, files=tmp_path)
    assert fitted.fast_path["micro_batch"] == 10
    assert model.sizes[0] <= 10


def test_prediction_backs_off_too(task: Task) -> None:
    model = Small(9)
    outputs = predict(model, task.valid.inputs, task, batch_size=64)
    torch.testing.assert_close(outputs, predict(Small(1000), task.valid.inputs, task))
    assert model.sizes[:4] == [64, 32, 16, 8]
    with pytest.raises(torch.OutOfMemoryError):
        predict(Small(0), task.valid.inputs, task)


def test_data_that_do_not_fit_stay_where_they_are(task: Task) -> None:
    size = task_bytes(task)
    meta = torch.device("meta")
    assert placed(task, meta, limit=size - 1) is task
    assert placed(task, meta, limit=size).device == meta
    assert placed(task, torch.device("cpu")) is task


def test_mapped_files_are_read_by_the_batch(tmp_path: Path) -> None:
    """A training on a file of which only the rows of batches are ever asked for."""
    rng = np.random.default_rng(0)
    rows = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(300, 1, 8, 8))
    labels = torch.arange(300) % 10
    rows[:] = rng.normal(size=rows.shape) + labels.numpy()[:, None, None, None]
    mapped = torch.from_numpy(rows)
    plain = from_arrays(rng.random((20, 8, 8)), torch.arange(20) % 10)
    results = []
    for inputs in (mapped, mapped.clone()):
        train, valid = Split(inputs[:250], labels[:250]), Split(inputs[250:], labels[250:])
        task = Task("rows", train, valid, classes=10, normalisation=plain.normalisation)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        nn.init.zeros_(model[1].weight)
        nn.init.zeros_(model[1].bias)
        training = Training(model, task, Recipe(fraction=0.5, augment="light"), seed=0)
        taken: list[int] = []
        assert training.task.train.inputs.data_ptr() == inputs.data_ptr()  # no copy
        taken += [size for _, size in training.steps(1)]
        assert sum(taken) == 125 - 125 % 64 * (125 % 64 == 1)
        results.append(model[1].weight.detach().clone())
    assert torch.equal(results[0], results[1])
