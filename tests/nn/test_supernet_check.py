"""What cannot share weights is found when the supernet is built, named, and can be pinned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sharing import SPACES, even, hidden, shapes_of
from torch import Tensor, nn

from archloom.errors import ConfigError, SpaceError
from archloom.nn import (
    ModelSpace,
    Pick,
    Supernet,
    concat,
    model_space,
    unshareable,
    wired,
    yaml_space,
)
from archloom.testing import check_model_space
from archloom.zoo import course_cnn, mlp, resnet, small_cnn


@model_space
def words(pick: Pick) -> nn.Module:
    act = pick.value("act", ["relu", "tanh"])
    norm = pick.value("norm", [False, True])
    op = pick.layer("op", {"linear": lambda: nn.Linear(4, 4), "skip": nn.Identity})
    norms = [nn.LayerNorm(4)] if norm else []
    return nn.Sequential(op, *norms, nn.ReLU() if act == "relu" else nn.Tanh())


@model_space
def sizes(pick: Pick) -> nn.Module:
    """A layer whose width hangs on which option was chosen."""
    width = 4
    if pick.value("wide", [1, 2]) == 2:
        width = 8
    return nn.Linear(3, width)


@model_space
def leaking(pick: Pick) -> nn.Module:
    width = 4

    def wide() -> nn.Module:
        nonlocal width
        width = 8
        return nn.Linear(4, 8)

    op = pick.layer("op", {"same": lambda: nn.Linear(4, 4), "wide": wide}, same_shape=False)
    return nn.Sequential(op, nn.Linear(width, 2))


@model_space
def asking(pick: Pick) -> nn.Module:
    """Code that looks at what a choice gave."""
    op = pick.layer("op", {"a": lambda: nn.Linear(4, 5), "b": lambda: nn.Linear(4, 6)})
    return nn.Sequential(op, nn.Linear(op.out_features, 2))  # type: ignore[arg-type]


@model_space
def uneven(pick: Pick) -> nn.Module:
    makes = {"valid": lambda: nn.Conv2d(1, 2, 3), "same": lambda: nn.Conv2d(1, 2, 3, padding=1)}
    return nn.Sequential(nn.Identity(), pick.layer("op", makes), nn.AdaptiveAvgPool2d(1))


class Sum(nn.Module):
    def __init__(self, bodies: Any) -> None:
        super().__init__()
        self.bodies = nn.ModuleList([*bodies])

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([body(x) for body in self.bodies]).sum(0)


@model_space
def taken_apart(pick: Pick) -> nn.Module:
    return Sum(pick.repeat("body", lambda: nn.Linear(4, 4), 1, 3))


def edges_of(pick: Pick) -> nn.ModuleDict:
    return pick.subset("edges", dict.fromkeys("abc", lambda: nn.Linear(4, 4)), 2)


@model_space
def concatenated(pick: Pick) -> nn.Module:
    return nn.Sequential(concat(*edges_of(pick).values()), nn.Linear(8, 2))


@model_space
def heads(pick: Pick) -> nn.Module:
    """A graph with an elastic number in it, and one with a number that was compared."""
    width = pick.value("width", [4, 8])
    parts = 2 if width > 4 else 1
    even = wired(
        lambda self, x: self.linear(x).unflatten(1, (width // 2, 2)).flatten(1),
        {"linear": nn.Linear(4, width)},
    )
    odd = wired(lambda self, x: self.linear(x) * parts, {"linear": nn.Linear(width, 4)})
    return nn.Sequential(even, odd)


class Sized(nn.Module):
    """A parameter of the user's own, whose size is chosen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))


@model_space
def own(pick: Pick) -> nn.Module:
    width = pick.value("width", [4, 8])
    return nn.Sequential(nn.Linear(4, width), Sized(width))


@pytest.mark.parametrize("name", SPACES)
def test_what_can_be_shared_needs_no_pins(name: str) -> None:
    space, shape = SPACES[name]
    assert unshareable(space, torch.zeros(shape)) == {}
    assert space.supernet("auto").space is space


def test_words_and_truths_cannot_be_shared() -> None:
    with pytest.raises(SpaceError, match="options of 'act', 'norm'") as caught:
        words.supernet()
    assert "'relu' is no number" in str(caught.value)
    assert "pinned={'act': 'relu', 'norm': False}" in str(caught.value)
    assert unshareable(words) == {"act": "relu", "norm": False}
    assert list(words.supernet(act="tanh", norm=True).space.space.labels) == ["op"]
    assert words.supernet("auto") is not words.supernet(unshareable(words))


def test_only_what_is_left_is_named() -> None:
    with pytest.raises(SpaceError, match="options of 'act':") as caught:
        words.supernet({"norm": True})
    assert "'norm'" not in str(caught.value)


@pytest.mark.parametrize(
    ("space", "pins"),
    [
        (sizes, {"wide": 1}),
        (leaking, {"op": "same"}),
        (asking, {"op": "a"}),
        (taken_apart, {"body": 1}),
        (own, {"width": 4}),
        (concatenated, {"edges": ("a", "b")}),
        (heads, {"width": 4}),
    ],
)
def test_what_hangs_on_a_choice_in_ways_that_cannot_be_followed(
    space: ModelSpace, pins: dict[str, Any]
) -> None:
    (label,) = pins
    assert unshareable(space) == pins
    with pytest.raises(SpaceError, match=f"options of '{label}'") as caught:
        space.supernet()
    assert f"pinned={pins}" in str(caught.value)
    supernet = space.supernet("auto")
    assert dict(supernet.space.pins) == pins
    default = space.space.default()
    assert shapes_of(supernet.child({})) == shapes_of(space.build(default))


def test_numbers_in_graphs_are_followed() -> None:
    assert unshareable(even, torch.zeros(2, 4)) == {}
    check_model_space(even, torch.zeros(2, 4), samples=1)


def test_the_contract_notices_what_no_part_shows() -> None:
    assert unshareable(hidden, torch.zeros(2, 4)) == {}
    with pytest.raises(AssertionError, match="gives other outputs"):
        check_model_space(hidden, torch.zeros(2, 4), samples=1)


def test_settings_of_the_training_are_left_alone() -> None:
    space = words.joint(lr=[0.1, 0.2])
    assert unshareable(space) == {"act": "relu", "norm": False}
    supernet = space.supernet("auto")
    architecture = {"op": "linear", "train.lr": 0.2}
    x = torch.ones(2, 4)
    assert torch.equal(supernet.child(architecture)(x), supernet(x, gates=architecture))
    broken = taken_apart.joint(lr=[0.1, 0.2])
    assert unshareable(broken) == {"body": 1}


def test_an_input_that_is_not_chosen_can_only_be_added() -> None:
    supernet = Supernet(concatenated)
    with pytest.raises(ConfigError, match="cat met an input that the gates do not choose"):
        supernet(torch.zeros(2, 4), gates={"edges": ("a", "b")})


def test_options_of_unequal_shape_are_named_at_once() -> None:
    example = torch.zeros(2, 1, 5, 5)
    with pytest.raises(SpaceError) as caught:
        uneven.supernet(example=example)
    assert "Option 'same' of 'op' gives (2, 2, 5, 5) where 'valid' gives (2, 2, 3, 3)" in str(
        caught.value
    )
    assert unshareable(uneven, example) == {"op": "valid"}
    assert unshareable(uneven) == {}


def test_an_option_that_fails_on_the_batch_is_named() -> None:
    @model_space(name="tests:failing")
    def failing(pick: Pick) -> nn.Module:
        return pick.layer("op", {"four": lambda: nn.Linear(4, 2), "five": lambda: nn.Linear(5, 2)})

    assert unshareable(failing) == {}
    assert unshareable(failing, torch.zeros(2, 4)) == {"op": "four"}


def test_a_space_that_does_not_work_at_all() -> None:
    @model_space(name="tests:broken")
    def broken(pick: Pick) -> nn.Module:
        return nn.Sequential(pick.layer("op", {"a": nn.Identity, "b": nn.Tanh}), nn.Linear(5, 2))

    with pytest.raises(SpaceError, match="tests:broken cannot be shared"):
        broken.supernet(example=torch.zeros(2, 4))
    with pytest.raises(SpaceError, match="tests:broken cannot be shared"):
        unshareable(broken, torch.zeros(2, 4))


def test_pinned_values_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match="did you mean 'act'"):
        words.supernet(akt="relu")
    with pytest.raises(ConfigError, match="is not an option"):
        words.supernet({"act": "gelu"})


def test_the_check_leaves_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    unshareable(words, torch.zeros(2, 4))
    assert torch.equal(state, torch.get_rng_state())


def test_a_seed_settles_the_weights() -> None:
    first, second = (
        (torch.manual_seed(3), small_cnn.supernet("auto").state_dict())[1] for _ in range(2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_widths_depths_and_rates_of_the_zoo_are_shared() -> None:
    assert unshareable(mlp(shape=(4,), classes=3)) == {"activation": "relu", "norm": "none"}
    excited = [f"stages.{number}.excited" for number in range(3)]
    assert unshareable(resnet) == dict.fromkeys(excited, False)


def test_a_width_that_hangs_on_the_depth_is_that_of_the_last_body() -> None:
    supernet = resnet(shape=(1, 12, 12)).supernet("auto").eval()
    for depth in (2, 3):
        architecture = supernet.space.space.complete({"stages": depth, "width": 24})
        child: Any = supernet.child(architecture)
        assert child[-1].in_features == 24 * 2 ** (depth - 1)
        x = torch.rand(2, 1, 12, 12)
        torch.testing.assert_close(child(x), supernet(x, gates=architecture))


YAML = """
blocks:
  - conv: {channels: {one_of: [8, 16], label: width}, kernel: [3, 5], norm: batch, pool: max}
  - repeat:
      times: {integers: [1, 3], label: body}
      blocks:
        - choice:
            name: op
            options:
              conv: {conv: {channels: {one_of: [8, 16], label: width}, norm: batch}}
              separable: {separable: {channels: {one_of: [8, 16], label: width}, kernel: 5}}
              skip: identity
  - residual: {blocks: [{conv: {channels: {one_of: [8, 16], label: width}, norm: [batch, layer]}}]}
  - pool: [max, avg]
  - dense: {width: {integers: [16, 64]}, dropout: [0, 0.2, 0.5]}
"""


def test_yaml_spaces_are_shared(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(YAML)
    space = yaml_space(file)(shape=(3, 16, 16), classes=4)
    example = torch.zeros(2, 3, 16, 16)
    assert unshareable(space, example) == {
        "residual.conv.norm": "batch",
        "pool.kind": "max",
    }
    check_model_space(space, example, samples=1)


def test_the_course_network_is_shared() -> None:
    check_model_space(course_cnn, torch.zeros(2, 1, 28, 28), samples=1)
