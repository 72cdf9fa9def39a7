"""Parcels: what is sent to workers, and how."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archloom.errors import ConfigError, RunError
from archloom.executors._parcel import pack, require_portable, unpack
from archloom.nn import ModelSpace, Pick, load_space, model_space
from archloom.space import log_uniform
from archloom.testing import tiny_space, tiny_task

SOURCE = """
from torch import nn
from archloom import model_space

def layer(width, classes):
    return nn.Linear(width, classes)

@model_space
def net(pick, classes=3):
    width = pick.value("width", [2, 6])
    return nn.Sequential(nn.Linear(4, width), nn.Linear(width, classes))

@model_space
def outer(pick, classes=3):
    return nn.Sequential(net(pick.at("inner"), classes=2), layer(2, classes))
"""


def sent(thing: object, folder: Path) -> Any:
    path = folder / "thing"
    pack(thing, path, "The thing")
    return unpack(path)


def test_a_task_arrives_whole_with_its_tensors_mapped(tmp_path: Path) -> None:
    task = tiny_task()
    _ = task.fingerprint
    path = tmp_path / "task"
    pack(task, path, "The data")
    there = unpack(path)
    assert torch.equal(there.valid.targets, task.valid.targets)
    assert there.fingerprint == task.fingerprint
    assert there.score(torch.eye(2), torch.arange(2)) == task.score(torch.eye(2), torch.arange(2))
    inputs = task.train.inputs
    assert isinstance(inputs, torch.Tensor)
    assert torch.equal(there.train.inputs, inputs)
    assert path.stat().st_size < path.with_suffix(".pt").stat().st_size
    # Mapped for each reader on its own: what one writes, no other sees.
    there.train.inputs.zero_()
    assert torch.equal(unpack(path).train.inputs, inputs)


def test_shared_tensors_stay_one_and_views_leave_their_storage_behind(tmp_path: Path) -> None:
    large = torch.arange(100_000)
    view = large[10:13]
    first, second, column = sent([view, view, torch.eye(3)[:, 0]], tmp_path)
    assert first is second
    assert first.tolist() == [10, 11, 12]
    assert column.tolist() == [1, 0, 0]
    assert (tmp_path / "thing.pt").stat().st_size < 10_000


def test_a_space_of_a_module_goes_by_name(tmp_path: Path) -> None:
    there = sent(tiny_space(classes=5), tmp_path)
    assert isinstance(there, ModelSpace)
    assert there == tiny_space(classes=5)
    assert there.function is tiny_space.function


def test_a_space_inside_a_function_goes_with_its_code(tmp_path: Path) -> None:
    depth = 2

    @model_space
    def local(pick: Pick, classes: int = 2) -> nn.Module:
        width = pick.value("width", [3, 5])
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))

    space = local(classes=4).joint(lr=log_uniform(1e-4, 1e-1))
    there = sent(space, tmp_path)
    assert isinstance(there, ModelSpace)
    assert there.space == space.space
    assert dict(there.settings) == {"classes": 4}
    model = there.build({"width": 5, "train.lr": 0.01})
    assert [layer.in_features for layer in model.children()] == [5, 5]


def test_spaces_of_a_file_and_of_yaml_arrive_without_their_files(tmp_path: Path) -> None:
    script, recipe = tmp_path / "mine.py", tmp_path / "mine.yaml"
    script.write_text(SOURCE)
    recipe.write_text("blocks:\n  - conv: {channels: {one_of: [4, 8], label: width}}\n")
    spaces = [load_space(f"{script}:outer"), load_space(recipe, shape=[1, 4, 4], classes=2)]
    for number, space in enumerate(spaces):
        pack(space, tmp_path / str(number), "The space")
    script.unlink()
    recipe.unlink()
    for number, space in enumerate(spaces):
        there = unpack(tmp_path / str(number))
        architecture = space.space.default()
        assert there.space == space.space
        assert str(there.build(architecture)) == str(space.build(architecture))


def test_functions_of_a_module_that_cannot_be_imported_go_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = types.ModuleType("notebook_page")
    monkeypatch.setitem(sys.modules, "notebook_page", page)
    exec("def inner():\n    return 7\n\ndef outer():\n    return inner()\n", page.__dict__)
    path = tmp_path / "function"
    pack(page.outer, path, "The estimator")
    monkeypatch.delitem(sys.modules, "notebook_page")
    assert unpack(path)() == 7


@pytest.mark.parametrize("make", [threading.Lock, lambda: (n for n in range(3))])
def test_what_cannot_be_sent_is_refused_with_the_mend(make: object) -> None:
    assert callable(make)
    thing = make()
    with pytest.raises(ConfigError, match=r"The estimator must be sent .* or run with workers=1"):
        require_portable(lambda candidate: thing, "The estimator")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"The data must be written once.*workers=1"):
        pack(tiny_task(), tmp_path / "file" / "task", "The data")
