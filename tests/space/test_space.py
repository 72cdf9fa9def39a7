"""The space itself: labels, checks, completion, encoding, text, joining."""

from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest

from archloom.architecture import Architecture, Value
from archloom.errors import InvalidArchitecture, LabelConflict, SpaceError
from archloom.space import (
    Choice,
    Floats,
    Integers,
    OneOf,
    Option,
    SomeOf,
    Space,
    log_uniform,
    uniform,
)
from archloom.testing import example_spaces


def choice(label: str, *options: Any, kind: Any = "value") -> Choice:
    made = tuple(there if isinstance(there, Option) else Option(there) for there in options)
    return Choice(label, kind, OneOf(made))


@pytest.fixture
def body() -> Space:
    return example_spaces()["conditional"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (choice("op", "a", "b"), choice("op", "a", "c")),
        (choice("op", "a", "b"), choice("op", "b", "a")),
        (choice("op", 1, 2), choice("op", True, 2)),
        (choice("op", "a"), choice("op", "a", kind="layer")),
        (choice("op", 1, 2), Choice("op", "value", Integers(1, 2))),
        (Choice("op", "value", Integers(1, 2)), Choice("op", "value", Integers(1, 3))),
        (Choice("op", "value", Floats(1, 2)), Choice("op", "value", Floats(1, 2, log=True))),
    ],
)
def test_one_label_with_two_sets_of_options_is_an_error(first: Choice, second: Choice) -> None:
    deep = choice("outer", Option("x", (choice("inner", Option("y", (second,))),)))
    for choices in ((first, second), (first, deep)):
        with pytest.raises(LabelConflict, match=r"'op' is used as .* and as .*another label"):
            Space(choices)


def test_a_conflict_shows_both_sets() -> None:
    with pytest.raises(LabelConflict, match=r"\['a', 'b'\].*\['a', 'c'\]"):
        Space((choice("op", "a", "b"), choice("op", "a", "c")))


def test_labels_come_in_reading_order(body: Space) -> None:
    assert list(body.labels) == ["width", "body", "body.0.op", "body.1.op", "body.2.op"]
    assert body.labels["body"].kind == "repeat"
    with pytest.raises(TypeError):
        body.labels["new"] = body.labels["body"]  # type: ignore[index]


def test_spaces_are_values(body: Space) -> None:
    twin = example_spaces()["conditional"]
    assert body == twin
    assert hash(body) == hash(twin)
    assert body != twin.joint(lr=[1])
    assert Space((choice("a", 1),)) != Space((choice("a", True),))
    assert pickle.loads(pickle.dumps(body)) == body
    with pytest.raises(AttributeError):
        body.choices = ()  # type: ignore[misc]


def test_a_space_is_made_of_choices() -> None:
    width = choice("width", 16, 32)
    for wrong in (("width",), width):
        with pytest.raises(SpaceError, match="takes"):
            Space(wrong)  # type: ignore[arg-type]
        with pytest.raises(SpaceError, match="takes"):
            Option("conv", wrong)  # type: ignore[arg-type]
    assert Space([width]).choices == (width,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"body": 1, "body.0.op": "skip"}, "'width' has none"),
        ({"width": 16, "body": 1}, "'body.0.op' has none"),
        ({"width": 24, "body": 1, "body.0.op": "skip"}, "'width' must be one of 16, 32; got 24"),
        ({"width": 16.0, "body": 1, "body.0.op": "skip"}, r"'width' .* got 16\.0"),
        ({"width": 16, "body": True, "body.0.op": "skip"}, "'body' .* got True"),
        ({"width": 16, "body": 1, "body.0.op": "conv_3"}, "did you mean 'conv3'"),
        (
            {"width": 16, "body": 1, "body.0.op": "skip", "body.1.op": "skip"},
            "'body.1.op' is not active here: it hangs on body=2 or body=3",
        ),
        ({"width": 16, "body": 1, "body.0.op": "skip", "widht": 1}, "did you mean 'width'"),
    ],
)
def test_what_is_no_point_is_refused(body: Space, values: dict[str, Any], message: str) -> None:
    architecture = Architecture(values)
    with pytest.raises(InvalidArchitecture, match=message):
        body.check(architecture)
    rng = np.random.default_rng(0)
    for use in (
        lambda: body.mutate(architecture, rng),
        lambda: body.cross(architecture, body.default(), rng),
        lambda: body.cross(body.default(), architecture, rng),
        lambda: list(body.neighbours(architecture)),
        lambda: body.encode(architecture),
    ):
        with pytest.raises(InvalidArchitecture, match=message):
            use()


def test_completing(body: Space) -> None:
    assert body.complete({}) == body.default()
    partial: dict[str, Value] = {"body": 2, "body.1.op": "skip", "body.2.op": "conv5"}
    complete = body.complete(partial)
    assert dict(complete) == {"body": 2, "body.0.op": "conv3", "body.1.op": "skip", "width": 16}
    asked: list[str] = []

    def choose(choice: Choice) -> Any:
        asked.append(choice.label)
        return choice.domain.default if choice.label != "body" else 3

    assert body.complete({"width": 32}, choose)["body"] == 3
    assert asked == ["body", "body.0.op", "body.1.op", "body.2.op"]


def test_completing_refuses_what_the_space_does_not_have(body: Space) -> None:
    with pytest.raises(InvalidArchitecture, match="did you mean 'width'"):
        body.complete({"widths": 16})
    with pytest.raises(InvalidArchitecture, match="'width' must be one of"):
        body.complete({"width": 17})
    with pytest.raises(InvalidArchitecture, match="'body' must be one of"):
        body.complete({"width": 16}, lambda choice: 9)


def test_completing_takes_lists_for_subsets() -> None:
    space = example_spaces()["subset"]
    assert dict(space.complete({"inputs": ["a", "d"]})) == {"inputs": ("a", "d")}  # type: ignore[dict-item]


def test_codes_by_hand() -> None:
    rate = Choice("rate", "value", Floats(0, 2))
    space = Space(
        (
            choice("op", Option("a", (rate,)), "b"),
            Choice("in", "subset", SomeOf((Option(1), Option("1"), Option(2)), 0, 3)),
            Choice("units", "value", Integers(1, 100, log=True)),
        )
    )
    names = ('op="a"', 'op="b"', "rate", "rate:active", "in=1", 'in="1"', "in=2")
    assert space.encoding == (*names, "units", "units:active")
    first = Architecture({"op": "a", "rate": 0.5, "in": ["1", 2], "units": 10})
    second = Architecture({"op": "b", "in": [], "units": 1})
    assert space.encode(first).tolist() == [1, 0, 0.25, 1, 0, 1, 1, 0.5, 1]
    assert space.encode(second).tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert space.encode(first).dtype == np.float64


def test_the_json_is_plain(body: Space) -> None:
    space = Space(body.choices[1:]).joint(lr=log_uniform(1e-4, 0.1), units=Integers(16, 512, 16))
    ops = ["conv3", "conv5", "skip"]
    block = [{"label": f"body.{n}.op", "kind": "layer", "options": ops} for n in range(3)]
    again = [{"label": f"body.{n}.op", "again": True} for n in range(3)]
    assert space.to_json() == {
        "version": 1,
        "choices": [
            {
                "label": "body",
                "kind": "repeat",
                "options": [
                    {"value": 1, "opens": block[:1]},
                    {"value": 2, "opens": [again[0], block[1]]},
                    {"value": 3, "opens": [*again[:2], block[2]]},
                ],
            },
            {"label": "lr", "kind": "value", "floats": {"low": 1e-4, "high": 0.1, "log": True}},
            {
                "label": "units",
                "kind": "value",
                "integers": {"low": 16, "high": 512, "step": 16, "log": False},
            },
        ],
    }
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


def test_the_fingerprint_never_changes_between_releases(body: Space) -> None:
    """Runs are resumed by it: a changed text of the same space would lock them out."""
    assert body.fingerprint == "89f0c585c9740f63"


def test_json_keeps_every_bit_of_a_float() -> None:
    space = Space(()).joint(x=uniform(0.1, 0.1 + 2**-50), y=[0.1 + 0.2, 5e-324, 1e308])
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ({}, "'version'"),
        ({"version": 2, "choices": []}, "version 2"),
        ({"version": 1}, "'choices'"),
        ({"version": 1, "choices": [{"kind": "value"}]}, "'label'"),
        ({"version": 1, "choices": ["width"]}, "'label'"),
        ({"version": 1, "choices": [{"label": "a", "kind": "value"}]}, "'options'"),
        ({"version": 1, "choices": [{"label": "a", "again": True}]}, "not written out before"),
        (
            {
                "version": 1,
                "choices": [{"label": "a", "kind": "value", "options": [{"opens": []}]}],
            },
            "'value'",
        ),
        ([], "'version'"),
    ],
)
def test_other_json_is_refused(data: Any, rule: str) -> None:
    with pytest.raises(SpaceError, match=rule):
        Space.from_json(data)


def test_joining(body: Space) -> None:
    joint = body.joint(lr=uniform(0, 1), batch=[32, 64])
    assert joint.count(3) == 78 * 3 * 2
    assert body.plus(()) == body
    assert list(joint.labels)[-2:] == ["lr", "batch"]
    with pytest.raises(SpaceError, match="'batch' needs a list"):
        body.joint(batch="32")
    with pytest.raises(LabelConflict):
        body.joint(width=[8, 16])


def test_listing_is_lazy_and_in_order(body: Space) -> None:
    first = list(itertools.islice(body.enumerate(), 4))
    assert [point["body.0.op"] for point in first] == ["conv3", "conv5", "skip", "conv3"]
    assert [point["body"] for point in first] == [1, 1, 1, 2]
    huge = Space(tuple(choice(f"e{n}", *range(10)) for n in range(100)))
    assert len(list(itertools.islice(huge.enumerate(), 25))) == 25
    assert repr(huge).endswith("about 10^100 architectures)")


def test_listing_floats_needs_points() -> None:
    space = Space(()).joint(lr=uniform(0, 1))
    with pytest.raises(SpaceError, match=r"'lr' .*enumerate\(points=5\)"):
        space.enumerate()
    with pytest.raises(SpaceError, match="at least 1"):
        space.enumerate(points=0)
    assert [point["lr"] for point in space.enumerate(points=3)] == [0.0, 0.5, 1.0]


def test_sampling_is_uniform_for_each_choice(body: Space) -> None:
    rng = np.random.default_rng(0)
    depths = np.bincount([int(body.sample(rng)["body"]) for _ in range(3000)])[1:]  # type: ignore[arg-type]
    assert ((depths - 1000) ** 2 / 1000).sum() < 13.82  # 99.9 %, 2 degrees of freedom


def test_mutation_picks_each_free_label_equally_often() -> None:
    space = Space(()).joint(a=[1, 2], b=list(range(50)), fixed=["x"], c=uniform(0, 1))
    rng = np.random.default_rng(0)
    parent = space.default()
    changed = {"a": 0, "b": 0, "c": 0}
    for _ in range(3000):
        child = space.mutate(parent, rng)
        (label,) = [label for label in parent if parent[label] != child[label]]
        changed[label] += 1
    assert sum((count - 1000) ** 2 / 1000 for count in changed.values()) < 13.82


def test_a_mutated_depth_draws_what_it_opens(body: Space) -> None:
    rng = np.random.default_rng(0)
    parent = Architecture({"width": 16, "body": 1, "body.0.op": "skip"})
    seen = {
        (child["body.0.op"], child["body.1.op"])
        for child in (body.mutate(parent, rng) for _ in range(300))
        if child["body"] == 2
    }
    assert seen == {("skip", op) for op in ("conv3", "conv5", "skip")}


def test_one_point_cannot_be_mutated() -> None:
    space = Space(()).joint(width=[16])
    with pytest.raises(SpaceError, match="one architecture"):
        space.mutate(space.default(), np.random.default_rng(0))
    assert list(space.neighbours(space.default())) == []


def test_crossing_takes_from_both_parents() -> None:
    space = Space(tuple(choice(f"e{n}", *"abc") for n in range(10)))
    first, second = (Architecture({f"e{n}": letter for n in range(10)}) for letter in "ab")
    rng = np.random.default_rng(0)
    taken = [list(space.cross(first, second, rng).values()).count("a") for _ in range(400)]
    assert np.mean(taken) == pytest.approx(5, abs=0.3)  # 4 standard errors
    assert {*space.cross(first, first, rng).values()} == {"a"}


def test_neighbours_by_hand(body: Space) -> None:
    point = Architecture({"width": 16, "body": 2, "body.0.op": "skip", "body.1.op": "conv5"})
    near = list(body.neighbours(point))
    wider: dict[str, Value] = {**point, "width": 32}
    deeper: dict[str, Value] = {**point, "body": 3, "body.2.op": "conv3"}
    flatter: dict[str, Value] = {"width": 16, "body": 1, "body.0.op": "skip"}
    others: list[dict[str, Value]] = [
        *({**point, "body.0.op": op} for op in ("conv3", "conv5")),
        *({**point, "body.1.op": op} for op in ("conv3", "skip")),
    ]
    assert set(near) == {Architecture(other) for other in [wider, flatter, deeper, *others]}
    assert len(near) == 7
