from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom.errors import ConfigError, SpaceError
from archloom.nn import ModelSpace, load_space
from archloom.space import Floats, Integers
from archloom.testing import check_model_space

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def written(folder: Path, text: str, **settings: Any) -> ModelSpace:
    path = folder / "space.yaml"
    path.write_text(text)
    return load_space(path, **settings)


HEAD = "shape: [3, 16, 16]\nclasses: 4\n"

EVERYTHING = """
description: Uses every block and every way to choose.
shape: [3, 16, 16]
classes: 4
blocks:
  - conv: {channels: {one_of: [8, 16], label: width}, kernel: [3, 5], activation: [relu, gelu],
           norm: [batch, layer, group, none], pool: [max, avg, none], dropout: {uniform: [0, 0.5]}}
  - repeat:
      times: {integers: [0, 2], label: depth}
      blocks:
        - choice:
            name: op
            options:
              conv: {conv: {channels: {one_of: [8, 16], label: width}}}
              separable:
                - separable: {channels: {one_of: [8, 16], label: width}, kernel: 5, norm: batch}
              skip: identity
              deep:
                - norm: instance
                - activation: silu
                - conv: {channels: {one_of: [8, 16], label: width}, kernel: 1}
        - residual:
            activation: relu
            blocks: [{conv: {channels: {one_of: [8, 16], label: width}, stride: [1, 2]}}]
  - pool: max
  - choice:
      same_shape: false
      options: {flat: flatten, mean: global_pool, top: {global_pool: max}}
  - repeat: {times: 2, blocks: [{dense: {width: {integers: [8, 64, 8]}, norm: [batch, none]}}]}
  - residual: {blocks: [{dense: 5}]}
  - dropout: [0, 0.3]
  - norm: layer
train:
  lr: {log_uniform: [1e-4, 1e-1]}
  optimizer: [adam, sgd]
  weight_decay: 0.01
"""


def test_every_block_in_one_space(tmp_path: Path) -> None:
    space = written(tmp_path, EVERYTHING)
    check_model_space(space, torch.zeros(2, 3, 16, 16), samples=10)
    space.verify(torch.zeros(2, 3, 16, 16), (2, 4))
    labels = space.space.labels
    assert list(labels)[:3] == ["train.lr", "train.optimizer", "train.weight_decay"]
    assert labels["train.lr"].domain == Floats(1e-4, 1e-1, log=True)
    assert labels["repeat_2.0.dense.width"].domain == Integers(8, 64, 8)
    assert {"width", "depth", "depth.0.op", "depth.1.residual.conv.stride", "conv.kernel"} <= set(
        labels
    )
    assert not any(label.endswith("channels") for label in labels)


def test_only_torch_comes_out(tmp_path: Path) -> None:
    space = written(tmp_path, EVERYTHING)
    rng = np.random.default_rng(0)
    for _ in range(20):
        for module in space.build(space.space.sample(rng), device="meta").modules():
            assert not type(module).__module__.startswith("archloom")


@pytest.mark.parametrize(
    ("shape", "conv"),
    [([2, 50], nn.Conv1d), ([2, 12, 9], nn.Conv2d), ([2, 8, 8, 8], nn.Conv3d)],
)
def test_data_of_one_two_and_three_dimensions(tmp_path: Path, shape: list[int], conv: Any) -> None:
    text = """
classes: 3
blocks:
  - choice:
      options:
        conv: {conv: {channels: 4, norm: batch, pool: max, stride: 2}}
        separable: {separable: {channels: 4, norm: instance, pool: avg, stride: 2}}
  - residual: {blocks: [{conv: {channels: 6, pool: max}}]}
  - global_pool: max
"""
    space = written(tmp_path, text, shape=shape)
    space.verify(torch.zeros(2, *shape), (2, 3))
    assert isinstance(space.build(space.space.default())[0][0], conv)


def test_a_perceptron(tmp_path: Path) -> None:
    text = "blocks: [{repeat: {times: {integers: [1, 3]}, blocks: [{dense: [16, 32]}]}}]"
    space = written(tmp_path, text).with_hints({"shape": (7,), "classes": 3, "channels": 7})
    assert space.space.size == 2 + 4 + 8
    space.verify(torch.zeros(2, 7), (2, 3))


def test_hints_and_settings(tmp_path: Path) -> None:
    space = written(tmp_path, "blocks: [{conv: 8}]")
    with pytest.raises(ConfigError, match="needs 'shape'"):
        _ = space.space
    hinted = space.with_hints({"shape": (3, 8, 8), "classes": 5, "channels": 3, "features": 192})
    hinted.verify(torch.zeros(2, 3, 8, 8), (2, 5))
    written(tmp_path, f"{HEAD}blocks: [{{conv: 8}}]", channels=1).verify(torch.zeros(2, 1, 16, 16))


def test_it_survives_json(tmp_path: Path) -> None:
    space = written(tmp_path, EVERYTHING, classes=7)
    assert ModelSpace.from_json(space.to_json()) == space
    assert space.name == str(tmp_path / "space.yaml")


def test_a_label_ties_and_no_label_does_not(tmp_path: Path) -> None:
    def repeated(width: str) -> ModelSpace:
        block = f"{{times: 3, blocks: [{{dense: {{width: {width}}}}}]}}"
        return written(tmp_path, f"{HEAD}blocks: [{{repeat: {block}}}]")

    assert repeated("[8, 16]").space.size == 8
    assert repeated("{one_of: [8, 16], label: width}").space.size == 2


@pytest.fixture(params=["file", "zoo"])
def course(request: pytest.FixtureRequest) -> ModelSpace:
    return load_space(EXAMPLES / "course_cnn.yaml" if request.param == "file" else "course_cnn")


def test_the_course_space(course: ModelSpace) -> None:
    assert course.space.size == 5 * 497 * 4 == 9940
    assert list(course.space.labels) == ["conv_layers", "numhidden", "dropout"]
    course.verify(torch.zeros(2, 1, 28, 28), (2, 10))


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_the_course_networks_by_hand(course: ModelSpace, depth: int) -> None:
    model = course.build({"conv_layers": depth, "numhidden": 128, "dropout": 0.5})
    side = [14, 7, 3, 1, 1][depth - 1]  # 28 halved each time, until nothing is left to halve
    convolutions = (9 * 1 + 1) * 32 + (depth - 1) * (9 * 32 + 1) * 32
    dense = (32 * side * side + 1) * 128 + (128 + 1) * 10
    assert sum(p.numel() for p in model.parameters()) == convolutions + dense
    pools = sum(isinstance(module, nn.MaxPool2d) for module in model.modules())
    assert pools == min(depth, 4)


def test_the_two_layer_course_network_is_the_usual_one(course: ModelSpace) -> None:
    built = course.build({"conv_layers": 2, "numhidden": 128, "dropout": 0.5})
    by_hand = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    leaves = [module for module in built.modules() if not list(module.children())]
    assert [repr(module) for module in leaves] == [repr(module) for module in by_hand]
    assert sum(p.numel() for p in built.parameters()) == 211_690
    by_hand.load_state_dict(
        dict(zip(by_hand.state_dict(), built.state_dict().values(), strict=True))
    )
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(built.eval()(x), by_hand.eval()(x))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold keys"),
        ("- conv", "must hold keys"),
        ("blocks: [", "line 1"),
        (
            "shape: [1]\nclasses: 2\nclasses: 3\nblocks: [flatten]",
            "line 3.*'classes' is there twice",
        ),
        ("classes: 3", "needs 'blocks'"),
        ("bloks: []", r"unknown key 'bloks': did you mean 'blocks'\?"),
        ("blocks: []", "blocks must be a list of blocks"),
        ("blocks: {conv: 8}", "blocks must be a list of blocks"),
        ("blocks: [{convv: 8}]", r"blocks\[0\]: there is no block 'convv': did you mean 'conv'\?"),
        ("blocks: [3]", r"blocks\[0\] must be one block"),
        ("blocks: [{conv: 8, dense: 4}]", r"blocks\[0\] must be one block"),
        ("blocks: [flatten, {conv: {kernel: 3}}]", r"blocks\[1\].conv needs 'channels'"),
        ("blocks: [{conv: {channels: 8, kernal: 3}}]", r"conv: unknown key 'kernal': did you mean"),
        ("blocks: [{conv: {channels: 8, kernel: [3, 4]}}]", r"conv.kernel must be an odd .* got 4"),
        (
            "blocks: [{conv: {channels: [8, x]}}]",
            r"conv.channels must be a whole number .* got 'x'",
        ),
        ("blocks: [{conv: {channels: 0}}]", "at least 1, got 0"),
        ("blocks: [{conv: {channels: [8, 8]}}]", r"conv.channels: Options must differ"),
        ("blocks: [{conv: {channels: []}}]", r"conv.channels: A choice needs at least one"),
        ("blocks: [{conv: {channels: {integers: [8]}}}]", r"integers must be \[low, high\] or"),
        ("blocks: [{conv: {channels: {integers: [9, 8]}}}]", "low < high"),
        ("blocks: [{conv: {channels: {uniform: [8, 9]}}}]", "whole number"),
        (
            "blocks: [{conv: {channels: {integer: [8, 9]}}}]",
            r"unknown key 'integer': did you mean 'int",
        ),
        ("blocks: [{conv: {channels: {label: w}}}]", "needs one of one_of, integers"),
        ("blocks: [{conv: {channels: 8, pool: no}}]", "quotes"),
        ("blocks: [{conv: {channels: 8, norm: bach}}]", "norm must be one of batch"),
        ("blocks: [{dense: {width: 8, dropout: 1}}]", "dropout must be a number from 0 to below 1"),
        ("blocks: [{repeat: {times: [1, 3], blocks: [flatten]}}]", "times must be a number, or"),
        ("blocks: [{repeat: {times: 2}}]", "repeat needs 'blocks'"),
        ("blocks: [{choice: {options: [a, b]}}]", "options must map names to blocks"),
        (
            "blocks: [{choice: {options: {a: flaten}}}]",
            r"options.a\[0\]: there is no block 'flaten'",
        ),
        ("blocks: [{flatten: 3}]", "flatten must hold keys"),
        ("blocks: [{conv: {channels: 8, name: a}}, {conv: {channels: 8, name: a}}]", "is taken"),
        ("blocks: [flatten]\nshape: 28", r"shape must be \[features\]"),
        ("blocks: [flatten]\nclasses: two", "classes must be a whole number"),
        ("blocks: [flatten]\nsmall_maps: ignore", "small_maps must be one of error, skip"),
        ("blocks: [flatten]\ntrain: [lr]", "train must map"),
        ("blocks: [flatten]\ntrain: {lr: {log_uniform: [0, 1]}}", "train.lr.log_uniform.*low > 0"),
        ("blocks: [flatten]\ntrain: {lr: {one_of: [1, 2], label: x}}", "no label of its own"),
        ("blocks: !!python/object/apply:os.getcwd []", "line 1"),
    ],
)
def test_errors_name_the_file_and_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        written(tmp_path, text)
    assert "space.yaml" in str(raised.value)


def test_maps_do_not_run_out_silently(tmp_path: Path) -> None:
    text = """
shape: [1, 8, 8]
classes: 2
blocks: [{repeat: {times: {integers: [1, 5]}, blocks: [{conv: {channels: 4, pool: max}}]}}]
"""
    with pytest.raises(SpaceError, match=r"blocks\[0\].repeat.blocks\[0\].conv: pooling of size 2"):
        written(tmp_path, text).verify(torch.zeros(2, 1, 8, 8))
    written(tmp_path, "small_maps: skip" + text).verify(torch.zeros(2, 1, 8, 8), (2, 2))


def test_convolutions_need_a_map(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"space.yaml: blocks\[1\].conv needs data with"):
        _ = written(tmp_path, f"{HEAD}blocks: [flatten, {{conv: 8}}]").space


def test_numbers_without_a_dot_are_numbers(tmp_path: Path) -> None:
    space = written(tmp_path, f"{HEAD}blocks: [flatten]\ntrain: {{lr: [1e-3, 1E-2]}}")
    assert list(space.space.labels["train.lr"].domain.values()) == [0.001, 0.01]


@pytest.mark.parametrize(
    ("name", "shape"),
    [("course_cnn", (1, 28, 28)), ("signal_cnn", (6, 100)), ("table_mlp", (13,))],
)
def test_the_examples(name: str, shape: tuple[int, ...]) -> None:
    space = load_space(EXAMPLES / f"{name}.yaml", shape=shape, classes=4)
    space.verify(torch.zeros(2, *shape), (2, 4))


def test_every_example_space_is_tested() -> None:
    spaces = {path.stem for path in EXAMPLES.glob("*.yaml") if "blocks:" in path.read_text()}
    assert spaces == {"course_cnn", "signal_cnn", "table_mlp"}


def test_the_packaged_course_space_is_the_example() -> None:
    import archloom.zoo

    packaged = Path(archloom.zoo.__file__).with_name("course_cnn.yaml")
    assert packaged.read_text() == (EXAMPLES / "course_cnn.yaml").read_text()
