"""The traced and the fixed reading, and the law that binds them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from spaces import cell, small_cnn, two_inputs
from torch import nn

from archloom.architecture import Architecture, Value
from archloom.errors import InvalidArchitecture, LabelConflict, UnknownChoice, UnusedChoice
from archloom.nn import Pick, Reading, model_space
from archloom.nn._reading import Join, Thunk
from archloom.space import Domain


def test_the_example_has_78_points_and_builds_them_all() -> None:
    space = small_cnn.space
    every = list(space.enumerate())
    assert space.size == len(every) == len(set(every)) == 78
    seen = {repr(small_cnn.build(architecture, device="meta")) for architecture in every}
    assert len(seen) == 78


def test_six_edges_with_five_operations() -> None:
    assert cell.space.size == 5**6


def test_build_gives_the_model_that_a_hand_would_write() -> None:
    torch.manual_seed(7)
    model = small_cnn(channels=3).build(
        {"width": 16, "body": 2, "body.0.op": "conv3", "body.1.op": "skip"}
    )
    torch.manual_seed(7)
    block = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    stem = nn.Conv2d(3, 16, 3, padding=1)  # made last by the space function too
    by_hand = nn.Sequential(stem, nn.Sequential(block, nn.Identity()), head)
    assert model.state_dict().keys() == by_hand.state_dict().keys()
    for name, tensor in by_hand.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name


def test_tracing_leaves_the_random_state_alone() -> None:
    @model_space
    def reads_values(pick: Pick) -> nn.Module:
        layer = nn.Linear(4, pick.value("width", [4, 8]))
        scale = float(layer.weight.std())  # impossible on the meta device
        assert scale > 0
        return layer

    before = torch.get_rng_state()
    assert reads_values.space.size == 2
    _ = model_space(small_cnn.function).space
    assert torch.equal(before, torch.get_rng_state())


def test_a_build_on_meta_falls_back_too() -> None:
    @model_space
    def reads_values(pick: Pick) -> nn.Module:
        layer = nn.Linear(4, pick.value("width", [4, 8]))
        layer.weight.data /= layer.weight.abs().max().item()
        return layer

    model = reads_values.build({"width": 8}, device="meta")
    assert model.weight.is_meta
    assert model.weight.shape == (8, 4)


def test_tracing_needs_no_compiler() -> None:
    """Filling meta tensors would load torch._dynamo: seconds, for nothing."""
    code = (
        "import sys; from torch import nn; from archloom.nn import model_space\n"
        "@model_space\n"
        "def s(pick):\n"
        "    return pick.layer('op', {'a': lambda: nn.Embedding(9, 4),\n"
        "        'b': lambda: nn.LSTM(3, 4),\n"
        "        'c': lambda: nn.MultiheadAttention(4, 2), 'd': lambda: nn.BatchNorm2d(3)})\n"
        "assert s.space.size == 4\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@model_space
def hidden_choice(pick: Pick) -> nn.Module:
    depth = pick.value("depth", [1, 2, 3])
    return nn.Sequential(*(pick.layer(f"op{i}", [nn.ReLU, nn.Tanh]) for i in range(depth)))


def test_a_choice_that_the_trace_did_not_see() -> None:
    assert list(hidden_choice.space.labels) == ["depth", "op0"]
    with pytest.raises(UnknownChoice, match=r"'op1' was not seen .* Put it inside pick.repeat"):
        hidden_choice.build({"depth": 2, "op0": "0"})


def test_a_choice_that_was_seen_elsewhere() -> None:
    @model_space
    def space(pick: Pick) -> nn.Module:
        first = pick.layer("a", {"x": nn.ReLU, "y": lambda: nn.Linear(1, pick.value("w", [1, 2]))})
        if isinstance(first, nn.ReLU):
            return first
        return nn.Sequential(first, nn.Linear(pick.value("w", [1, 2]), 1))

    space.build({"a": "y", "w": 2})

    @model_space
    def other(pick: Pick) -> nn.Module:
        first = pick.layer("a", {"y": lambda: nn.Linear(1, pick.value("w", [1, 2])), "x": nn.ReLU})
        return first if not isinstance(first, nn.ReLU) else nn.Linear(pick.value("w", [1, 2]), 1)

    with pytest.raises(UnknownChoice, match="'w' was seen elsewhere"):
        other.build({"a": "x"})


def test_a_choice_that_the_build_does_not_ask_for() -> None:
    @model_space
    def space(pick: Pick) -> nn.Module:
        kind = pick.value("kind", ["a", "b"])
        return nn.Linear(1, pick.value("width", [1, 2])) if kind == "a" else nn.ReLU()

    space.build({"kind": "a", "width": 2})
    with pytest.raises(UnusedChoice, match=r"'width' is active .* pick.layer"):
        space.build({"kind": "b", "width": 2})


def test_options_that_hang_on_another_choice() -> None:
    @model_space
    def space(pick: Pick) -> nn.Module:
        wide = pick.value("wide", [False, True])
        return nn.Linear(1, pick.value("width", [64, 128] if wide else [8, 16]))

    space.build({"wide": False, "width": 16})
    with pytest.raises(LabelConflict, match=r"'width' was traced as value \(8, 16\)"):
        space.build({"wide": True, "width": 16})


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"width": 17, "body": 1, "body.0.op": "skip"},
        {"width": 16, "body": 1},
        {"width": 16, "body": 1, "body.0.op": "skip", "body.1.op": "skip"},
    ],
)
def test_what_is_no_point_of_the_space_is_not_built(architecture: dict[str, Any]) -> None:
    with pytest.raises(InvalidArchitecture):
        small_cnn.build(architecture)


def test_training_choices_are_exempt() -> None:
    @model_space
    def space(pick: Pick) -> nn.Module:
        return nn.Linear(1, pick.value("width", [1, 2]))

    joint = space.joint(lr=[0.1, 0.01], epochs=range(1, 4))
    assert joint.space.size == 2 * 2 * 3
    assert joint.build({"width": 2, "train.lr": 0.1, "train.epochs": 3}).out_features == 2
    assert space.space.size == 2


def test_a_training_choice_may_be_asked_inside_too() -> None:
    seen: list[float] = []

    @model_space
    def space(pick: Pick) -> nn.Module:
        seen.append(pick.value("train.lr", [0.1, 0.01]))
        return nn.ReLU()

    assert space.space.size == 2
    assert space.joint(lr=[0.1, 0.01]).space.size == 2
    space.build({"train.lr": 0.01})
    assert seen[-1] == 0.01


def test_state_and_shapes_agree_between_devices() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        architecture = small_cnn.space.sample(rng)
        real = small_cnn.build(architecture).state_dict()
        meta = small_cnn.build(architecture, device="meta").state_dict()
        assert {k: v.shape for k, v in real.items()} == {k: v.shape for k, v in meta.items()}


def test_a_seed_settles_the_weights() -> None:
    built = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        built.append(small_cnn.build(small_cnn.space.default())[0].weight)
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


def test_two_inputs_and_two_outputs() -> None:
    inputs = {"left": torch.ones(2, 3), "right": torch.ones(2, 5)}
    for chosen in (("left",), ("right",), ("left", "right")):
        model = two_inputs.build({"edges": chosen})
        assert list(model.edges) == list(chosen)
        assert {name: tuple(x.shape) for name, x in model(**inputs).items()} == {
            "logits": (2, 2),
            "sum": (2, 4),
        }


def test_architectures_of_changed_points_build() -> None:
    rng = np.random.default_rng(1)
    space = small_cnn.space
    point = space.default()
    for first, second in itertools.pairwise(space.sample(rng) for _ in range(10)):
        point = space.mutate(space.cross(first, second, rng), rng)
        again = Architecture.from_json(point.to_json())
        model = small_cnn.build(again, device="meta")
        assert model[0].out_channels == point["width"]
        assert len(model[1]) == point["body"]


class Everything:
    """A third reading, as weight sharing will need one: it keeps all options."""

    def value(self, label: str, domain: Domain) -> Value:
        return max(domain.values())  # type: ignore[type-var]

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        return nn.ModuleDict({name: make() for name, make in makes.items()})

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        return join([make(index) for index in range(high)])

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        return nn.ModuleDict({name: make() for name, make in makes.items()})


def test_a_further_reading_plugs_in_without_a_change() -> None:
    reading: Reading = Everything()
    supernet = small_cnn(Pick(reading))
    assert supernet[0].out_channels == 32
    assert [list(options) for options in supernet[1]] == [["conv3", "conv5", "skip"]] * 3
    assert list(two_inputs(Pick(reading)).edges) == ["left", "right"]
