from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spaces import Net, small_cnn, two_inputs
from torch import nn

from archloom.errors import ConfigError, SpaceError
from archloom.nn import ModelSpace, Pick, load_space, model_space
from archloom.space import log_uniform


def test_calling_gives_a_new_space_with_those_settings() -> None:
    wide = small_cnn(channels=3)
    assert dict(wide.settings) == {"channels": 3}
    assert dict(small_cnn.settings) == {}
    assert wide(classes=4).build(wide.space.default())[-1][-1].out_features == 4
    assert wide.build(wide.space.default())[0].in_channels == 3


def test_an_unknown_setting_is_an_error_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'chanels': did you mean 'channels'\?"):
        small_cnn(chanels=3)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([1, 28, 28], (1, 28, 28)),
        (torch.Size([2, 3]), (2, 3)),
        (np.int64(5), 5),
        ({"a": [1]}, {"a": (1,)}),
        (None, None),
    ],
)
def test_settings_are_kept_as_json_holds_them(given: Any, kept: Any) -> None:
    @model_space
    def space(pick: Pick, x: Any = 0) -> nn.Module:
        return nn.ReLU()

    assert space(x=given).settings["x"] == kept
    json.dumps(space(x=given).to_json())


@pytest.mark.parametrize("value", [object(), nn.ReLU, float("nan"), {1: 2}, {1, 2}])
def test_settings_that_json_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="setting 'channels' must be something that JSON"):
        small_cnn(channels=value)


def test_a_missing_setting_is_named() -> None:
    @model_space
    def space(pick: Pick, shape: tuple[int, ...]) -> nn.Module:
        return nn.Linear(shape[0], 1)

    with pytest.raises(ConfigError, match="needs a value for 'shape'"):
        _ = space.space
    assert space(shape=(3,)).build({}).in_features == 3


def test_accepts() -> None:
    assert small_cnn.accepts("channels")
    assert not small_cnn.accepts("shape")
    assert not small_cnn.accepts("pick")

    @model_space
    def anything(pick: Pick, **settings: Any) -> nn.Module:
        return nn.ReLU()

    assert anything.accepts("shape")


def test_hints_fill_in_what_is_accepted_and_open() -> None:
    hinted = small_cnn(classes=3).with_hints(
        {"classes": 7, "channels": 2, "shape": (2, 8, 8), "seed": 1}
    )
    assert dict(hinted.settings) == {"classes": 3, "channels": 2}
    assert small_cnn.with_hints({"shape": (1, 2, 3)}) is small_cnn


def test_equal_spaces_are_equal_and_hash_alike() -> None:
    first, second = small_cnn(channels=3), small_cnn(channels=3)
    assert first == second
    assert hash(first) == hash(second)
    assert first != small_cnn
    assert small_cnn.joint(lr=[1, 2]) != small_cnn
    assert first != "small_cnn"


def test_to_json_and_back() -> None:
    space = small_cnn(channels=3).joint(lr=log_uniform(1e-4, 1e-1), batch_size=[32, 64])
    data = json.loads(json.dumps(space.to_json()))
    again = ModelSpace.from_json(data)
    assert again == space
    assert again.space == space.space
    assert again.to_json() == data
    assert again.joint(lr=[0.1]).space.size == small_cnn.space.size * 2


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies(copied: Any) -> None:
    assert copied(small_cnn(channels=3)) == small_cnn(channels=3)


def test_decorating_keeps_name_and_docstring() -> None:
    assert small_cnn.__name__ == "small_cnn"
    assert small_cnn.__doc__ == "The example of the README."
    assert small_cnn.name == "spaces:small_cnn"
    assert model_space(small_cnn) is small_cnn  # type: ignore[call-overload]
    assert repr(small_cnn(channels=3)) == "<ModelSpace spaces:small_cnn(channels=3)>"


def test_what_is_no_space_function() -> None:
    with pytest.raises(ConfigError, match="first parameter is the pick"):
        model_space(lambda: nn.ReLU())


def test_a_space_must_return_a_module() -> None:
    @model_space
    def forgetful(pick: Pick) -> nn.Module:
        nn.Linear(1, pick.value("width", [1, 2]))  # type: ignore[return]

    with pytest.raises(
        SpaceError, match=r"must return an nn.Module, got None: is a return missing"
    ):
        _ = forgetful.space


def test_an_error_of_the_function_itself_comes_through() -> None:
    @model_space
    def broken(pick: Pick) -> nn.Module:
        return nn.Linear(1, pick.value("width", [1, 2]) // 0)

    with pytest.raises(ZeroDivisionError):
        _ = broken.space


def test_a_class_is_a_space_too(tmp_path: Path) -> None:
    assert Net.space.size == 2
    model = Net(classes=5).build({"width": 16})
    assert type(model).__name__ == "Net"
    x = torch.ones(2, 4)
    assert model(x).shape == (2, 5)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        loaded = pickle.loads(pickle.dumps(model, protocol))
        assert torch.equal(loaded(x), model(x))
    torch.save(model, tmp_path / "model.pt")
    assert torch.equal(torch.load(tmp_path / "model.pt", weights_only=False)(x), model(x))
    assert torch.equal(copy.deepcopy(model)(x), model(x))


FILE = """
from torch import nn
from archloom.nn import model_space
from neighbour import WIDTHS

@model_space
def tiny(pick, classes=2):
    return nn.Linear(4, pick.value("width", WIDTHS) * classes)

def plain(pick):
    return nn.ReLU()

def local():
    @model_space
    def inner(pick):
        return nn.ReLU()
    return inner

inner = local()

if __name__ == "__main__":
    import json
    print(json.dumps(tiny(classes=3).to_json()))
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neighbour.py").write_text("WIDTHS = [8, 16]\n")
    path = tmp_path / "my_space_file.py"
    path.write_text(FILE)
    monkeypatch.delitem(sys.modules, "my_space_file", raising=False)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    return path


def test_a_space_in_a_file(file: Path) -> None:
    space = load_space("my_space_file.py:tiny", classes=3)
    assert space.name == "my_space_file.py:tiny"
    assert ModelSpace.from_json(space.to_json()) == space
    assert space.build({"width": 16}).out_features == 48
    assert load_space(f"{file}:tiny") == load_space("my_space_file.py:tiny")


def test_a_script_names_its_spaces_by_its_file(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=True, cwd=file.parent
    )
    data = json.loads(done.stdout)
    assert data == {"name": "my_space_file.py:tiny", "settings": {"classes": 3}}
    assert ModelSpace.from_json(data).build({"width": 8}).out_features == 24


def test_a_file_called_like_an_installed_module_does_not_shadow_it(file: Path) -> None:
    (file.parent / "torch.py").write_text(FILE)
    assert load_space("torch.py:tiny").space.size == 2
    assert hasattr(sys.modules["torch"], "Tensor")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("small_cmn", "did you mean 'small_cnn'"),
        ("nowhere.py:tiny", "no file"),
        ("my_space_file.py:tinny", "did you mean 'tiny'"),
        ("my_space_file.py:plain", "@model_space"),
        ("my_space_file.py", "Write 'my_space_file.py:NAME'"),
        ("no_such_module:tiny", "no module 'no_such_module'"),
        ("torch.nn:Linear", "@model_space"),
        ("nowhere.yaml", "cannot be read"),
    ],
)
def test_names_that_lead_nowhere(file: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_space(name)


def test_a_module_beside_the_script_is_pointed_to(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'my_space_file.py:tiny'\?"):
        load_space("my_space_file:tiny")


def test_a_missing_import_inside_the_module_is_named_with_its_line(file: Path) -> None:
    (file.parent / "neighbour.py").write_text("import no_such_package\n")
    with pytest.raises(ConfigError, match=r"neighbour.py:1: No module named 'no_such_package'"):
        load_space("my_space_file.py:tiny")
    (file.parent / "neighbour.py").write_text("WIDTHS = [1]\n")
    assert load_space("my_space_file.py:tiny").space.size == 1


def test_a_space_inside_a_function_cannot_be_found_again(file: Path) -> None:
    space = load_space("my_space_file.py:inner")
    with pytest.raises(ConfigError, match="defined inside a function"):
        ModelSpace.from_json(space.to_json())


def test_a_build_takes_a_mapping_and_a_device() -> None:
    model = two_inputs.build({"edges": ("left",)}, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
