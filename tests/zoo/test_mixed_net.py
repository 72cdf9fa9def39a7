"""The space for inputs of mixed kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from members import trained
from torch.nn.functional import cross_entropy

from archloom.errors import ConfigError
from archloom.testing import check_model_space
from archloom.zoo import mixed_net

SHAPES = {"photo": (1, 9, 9), "curve": (2, 12), "facts": (3,), "words": (6,), "codes": (2,)}
KINDS = {"words": "text", "codes": "categories"}
ALL = mixed_net(
    shape=SHAPES, kinds=KINDS, vocabulary={"words": 20, "photo": None}, cardinalities=(3, 4)
)


def example(samples: int = 2) -> dict[str, torch.Tensor]:
    codes = ("words", "codes")
    kinds = {name: torch.int64 if name in codes else torch.float32 for name in SHAPES}
    return {name: torch.zeros(samples, *shape, dtype=kinds[name]) for name, shape in SHAPES.items()}


def test_contract() -> None:
    check_model_space(
        ALL(shape={"curve": (2, 12), "facts": (3,)}),
        {"curve": torch.zeros(2, 2, 12), "facts": torch.zeros(2, 3)},
        samples=2,
    )


def test_every_kind_has_its_branch() -> None:
    ALL(classes=5).verify(example(), (2, 5))
    labels = set(ALL.space.labels)
    assert {
        *("photo.work", "curve.body", "facts.numbers", "words.reader", "codes.category_width"),
        *("fusion", "width", "hidden", "dropout"),
    } <= labels


def test_volumes_too() -> None:
    space = mixed_net(shape={"scan": (1, 4, 6, 6), "facts": (3,)})
    rng = np.random.default_rng(0)
    for _ in range(3):
        model = space.build(space.space.sample(rng))
        assert model(scan=torch.zeros(2, 1, 4, 6, 6), facts=torch.zeros(2, 3)).shape == (2, 2)


def test_inputs_by_position() -> None:
    space = mixed_net(shape=[[1, 9, 9], [3]], kinds=["image", "table"], classes=4)
    model = space.build(space.space.default())
    assert model(torch.zeros(2, 1, 9, 9), torch.zeros(2, 3)).shape == (2, 4)


def test_the_hints_of_a_task_fit() -> None:
    hints = {"shape": {"a": [6], "b": [4]}, "kinds": {"a": "text", "b": "table"}, "classes": 3}
    space = mixed_net.with_hints(hints | {"vocabulary": {"a": 9, "b": None}, "outputs": 3})
    model = space.build(space.space.default())
    assert model(a=torch.zeros(2, 6, dtype=torch.int64), b=torch.zeros(2, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shape": {"a b": (3,)}}, "a name must be one for a Python argument"),
        ({"shape": {"class": (3,)}}, "a name must be one for a Python argument"),
        ({"shape": {"fusion": (3,)}}, "none of width, fusion"),
        ({"shape": {"a": (1, 2, 3, 4, 5)}}, "one to four sizes for each input"),
        ({"shape": {"a": (3,)}, "kinds": {"a": "tabel"}}, "did you mean 'table'"),
        ({"shape": {"a": (3,)}, "kinds": {"a": "text"}}, "needs vocabulary for 'a'"),
        ({"shape": {"a": (3,)}, "kinds": {"a": "categories"}}, "needs cardinalities for 'a'"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _ = mixed_net(**settings).space


@pytest.mark.parametrize("fusion", ["concatenated", "gated"])
def test_both_inputs_are_used(fusion: str) -> None:
    """The class is the sign of one input, times the sign of the other."""
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(600, 1, generator=generator) for _ in range(2))
    labels = ((one * other).squeeze(1) > 0).long()
    inputs = {"left": one.sign(), "right": other.sign()}
    space = mixed_net(shape={"left": (1,), "right": (1,)})
    given = {"fusion": fusion, "left.numbers": "plain", "right.numbers": "plain", "dropout": 0.0}
    architecture = space.space.complete({}, lambda c: given.get(c.label, c.domain.default))
    torch.manual_seed(0)
    model = trained(space.build(architecture), inputs, labels, cross_entropy, 60)
    with torch.no_grad():
        assert (model(**inputs).argmax(1) == labels).float().mean() > 0.95
