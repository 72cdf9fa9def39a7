"""Pinned choices: settled in every reading, and part of what a space is."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from spaces import cell, small_cnn, two_inputs
from torch import nn

from archloom.errors import ConfigError, InvalidArchitecture
from archloom.nn import ModelSpace, Pick, model_space


@model_space
def encoder(pick: Pick) -> nn.Module:
    return pick.layer("op", {"relu": nn.ReLU, "tanh": nn.Tanh})


@model_space
def pair(pick: Pick) -> nn.Module:
    return nn.Sequential(encoder(pick.at("left")), encoder.pinned(op="tanh")(pick.at("right")))


@model_space
def in_need(pick: Pick, classes: int) -> nn.Module:
    return nn.Linear(pick.value("width", [2, 3]), classes)


def test_pinned_labels_vanish_and_are_answered() -> None:
    space = small_cnn.pinned({"body": 2, "body.0.op": "skip"}, width=32)
    assert list(space.space.labels) == ["body.1.op"]
    model = space.build({"body.1.op": "conv5"})
    twin = small_cnn.build({"width": 32, "body": 2, "body.0.op": "skip", "body.1.op": "conv5"})
    assert {n: t.shape for n, t in model.state_dict().items()} == {
        n: t.shape for n, t in twin.state_dict().items()
    }


def test_all_four_kinds() -> None:
    assert two_inputs.pinned({"edges": ["left", "right"]}).space.size == 1
    model = two_inputs.pinned({"edges": ("right",)}).build({})
    assert list(model.edges) == ["right"]  # type: ignore[union-attr, arg-type]
    assert cell.pinned(edge0="pool").space.size == 5**5
    assert small_cnn.pinned(body=3).space.size == 2 * 27
    assert small_cnn.pinned(width=16).space.size == 39


def test_a_pinned_label_is_no_longer_of_the_space() -> None:
    space = small_cnn.pinned(body=1)
    with pytest.raises(InvalidArchitecture, match="body"):
        space.build({"width": 16, "body": 1, "body.0.op": "skip"})


def test_it_is_part_of_the_identity() -> None:
    space = small_cnn(classes=3).pinned(body=2)
    text = json.dumps(space.to_json())
    assert json.loads(text)["pinned"] == {"body": 2}
    assert "pinned" not in small_cnn.to_json()
    again = ModelSpace.from_json(json.loads(text))
    assert again == space == pickle.loads(pickle.dumps(space))
    assert hash(again) == hash(space)
    assert again.space == space.space
    assert space not in (small_cnn(classes=3), small_cnn(classes=3).pinned(body=1))
    assert "pinned {'body': 2}" in repr(space)


def test_order_and_steps_make_no_difference() -> None:
    both = small_cnn.pinned({"width": 16, "body": 2})
    assert both == small_cnn.pinned(body=2).pinned(width=16)
    assert both(classes=4) == small_cnn(classes=4).pinned({"body": 2, "width": 16})
    assert both.pinned({}) is both
    assert both.pinned(body=2) == both


def test_it_is_kept_by_settings_hints_and_joint() -> None:
    space = small_cnn.pinned(body=2).with_hints({"classes": 5}).joint(lr=[0.1, 0.2])
    assert dict(space.pins) == {"body": 2}
    assert "body" not in space.space.labels
    assert ModelSpace.from_json(space.to_json()) == space


def test_a_pinned_space_is_a_part_of_a_larger_one() -> None:
    assert list(pair.space.labels) == ["left.op"]
    assert isinstance(pair.build({"left.op": "relu"})[1], nn.Tanh)  # type: ignore[index]
    assert list(pair.pinned({"left.op": "relu"}).space.labels) == []


def test_verify_sees_the_pinned_choices() -> None:
    space = two_inputs.pinned({"edges": ("left",)})
    space.verify({"left": torch.zeros(2, 3), "right": torch.zeros(2, 5)})


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ({"bodi": 2}, "did you mean 'body'"),
        ({"body": 4}, "must be one of 1, 2, 3"),
        ({"body": 2.0}, "must be one of 1, 2, 3"),
        ({"width": "16"}, "must be one of 16, 32"),
        ({"body.0.op": "skp"}, "is not an option: did you mean 'skip'"),
    ],
)
def test_wrong_pins(pins: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match="cannot be pinned") as caught:
        small_cnn.pinned(pins)
    assert said in str(caught.value)


def test_a_subset_is_pinned_to_a_subset() -> None:
    with pytest.raises(ConfigError, match="must be a tuple of 1 to 2 of 'left', 'right'"):
        two_inputs.pinned({"edges": ("right", "left")})


def test_pins_are_a_mapping() -> None:
    with pytest.raises(ConfigError, match="must be a mapping from labels to values, got 'Auto'"):
        small_cnn.supernet("Auto")  # type: ignore[arg-type]


def test_pinned_twice() -> None:
    with pytest.raises(ConfigError, match="is pinned to 2 already"):
        small_cnn.pinned(body=2).pinned(body=3)


def test_what_sets_the_training_cannot_be_pinned() -> None:
    space = small_cnn.joint(lr=[0.1, 0.2])
    with pytest.raises(ConfigError, match="it sets the training"):
        space.pinned({"train.lr": 0.1})


def test_pins_are_checked_when_the_settings_are_there() -> None:
    space = in_need.pinned(width=3)
    assert space(classes=2).build({}).weight.shape == (2, 3)  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="'depth' cannot be pinned"):
        in_need.pinned(depth=3)(classes=2).space  # noqa: B018
