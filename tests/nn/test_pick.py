from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from spaces import labels
from torch import nn

from archloom.errors import LabelConflict, SpaceError
from archloom.nn import ModelSpace, Pick, model_space
from archloom.space import Integers, integers, log_uniform, uniform


def spaced(body: Callable[[Pick], nn.Module]) -> ModelSpace:
    return model_space(lambda pick: body(pick))


def one(ask: Callable[[Pick], Any]) -> ModelSpace:
    """A space that asks one thing and builds nothing of it."""

    def body(pick: Pick) -> nn.Module:
        answer = ask(pick)
        return answer if isinstance(answer, nn.Module) else nn.Identity()

    return spaced(body)


def test_value_gives_plain_python() -> None:
    seen: list[Any] = []
    space = one(lambda pick: seen.append(pick.value("x", [1, 0.5, "a", None, True, [3, 3]])))
    assert space.space.size == 6
    for value in (1, 0.5, "a", None, True, (3, 3)):
        space.build({"x": value})
        assert seen[-1] == value
        assert type(seen[-1]) is type(value)


@pytest.mark.parametrize(
    ("domain", "size"),
    [
        (integers(16, 512), 497),
        (range(0, 10, 2), 5),
        (range(4), 4),
        (integers(1, 64, log=True), 64),
    ],
)
def test_value_takes_ranges(domain: Any, size: int) -> None:
    assert one(lambda pick: pick.value("x", domain)).space.size == size


def test_a_range_is_a_domain_of_integers() -> None:
    space = one(lambda pick: pick.value("x", range(8, 33, 8))).space
    assert space.labels["x"].domain == Integers(8, 32, step=8)


def test_value_takes_floats() -> None:
    seen: list[Any] = []

    def ask(pick: Pick) -> None:
        seen.append((pick.value("lr", log_uniform(1e-4, 1e-1)), pick.value("p", uniform(0, 1))))

    one(ask).build({"lr": 0.01, "p": 0.25})
    assert seen[-1] == (0.01, 0.25)


@pytest.mark.parametrize(
    "options", ["abc", {"a": 1}, {1, 2}, 5, [], [1, 1], [object()], [float("nan")]]
)
def test_value_refuses_what_is_no_list_of_values(options: Any) -> None:
    with pytest.raises(SpaceError, match="width"):
        _ = one(lambda pick: pick.value("width", options)).space


@pytest.mark.parametrize("label", ["", "  ", 3, None])
def test_a_label_is_text(label: Any) -> None:
    with pytest.raises(SpaceError, match="label"):
        _ = one(lambda pick: pick.value(label, [1, 2])).space


def test_layer_builds_the_chosen_option_only() -> None:
    made: list[str] = []

    def make(name: str) -> nn.Module:
        made.append(name)
        return nn.Identity()

    space = one(lambda pick: pick.layer("op", {n: lambda n=n: make(n) for n in "abc"}))
    _ = space.space
    assert made == ["a", "b", "c"]
    made.clear()
    space.build({"op": "b"})
    assert made == ["b"]


def test_layer_names_the_options_of_a_list() -> None:
    space = one(lambda pick: pick.layer("op", [nn.ReLU, nn.Identity]))
    assert isinstance(space.build({"op": "1"}), nn.Identity)


def test_layers_nest_without_limit() -> None:
    def nested(depth: int) -> Callable[[Pick], nn.Module]:
        if depth == 0:
            return lambda pick: nn.Linear(1, pick.value("n", [1, 2]))
        return lambda pick: pick.layer("op", {"stop": nn.Identity, "on": nested(depth - 1)})

    space = one(nested(20))
    assert space.space.size == 22
    deepest = max(space.space.enumerate(), key=len)
    model = space.build(deepest)
    assert isinstance(model, nn.Linear)
    assert len(deepest) == 21


def test_an_outer_pick_used_inside_an_option_belongs_to_it() -> None:
    def ask(pick: Pick) -> nn.Module:
        return pick.layer(
            "op",
            {"conv": lambda: nn.Linear(1, pick.value("width", [1, 2, 3])), "skip": nn.Identity},
        )

    space = one(ask).space
    assert list(space.labels) == ["op", "width"]
    assert space.size == 4
    assert {len(architecture) for architecture in space.enumerate()} == {1, 2}


@pytest.mark.parametrize(
    ("makes", "said"),
    [
        ({"a": nn.Linear(1, 1)}, "lambda"),
        ({"a": 3}, "callable"),
        ({"a": nn.Linear}, "in_features"),
        ({"a": nn.BatchNorm2d}, "num_features"),
        ({"a": lambda: 3}, "nn.Module"),
        ({"a": lambda: None}, "return"),
        ({1: nn.ReLU}, "text"),
        ("relu", "dict"),
        ({}, "option"),
        ([], "option"),
    ],
)
def test_layer_says_what_is_wrong_with_an_option(makes: Any, said: str) -> None:
    with pytest.raises(SpaceError, match=said) as raised:
        _ = one(lambda pick: pick.layer("op", makes)).space
    assert "op" in str(raised.value) or said == "option"


def test_what_an_option_raises_is_told_with_its_place() -> None:
    def broken() -> nn.Module:
        return nn.Linear(1, 1 // 0)

    with pytest.raises(
        SpaceError, match=r"option 'bad' of 'op' raised ZeroDivisionError"
    ) as raised:
        _ = one(lambda pick: pick.layer("op", {"good": nn.ReLU, "bad": broken})).space
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_lambda_with_a_default_is_no_lambda_with_a_pick() -> None:
    space = one(lambda pick: pick.layer("op", [lambda n=n: nn.Linear(n, n) for n in (1, 2)]))
    assert space.build({"op": "1"}).in_features == 2


def test_repeat_gives_a_sequential_of_the_chosen_length() -> None:
    space = one(lambda pick: pick.repeat("body", lambda pick: nn.Linear(1, 1), 0, 3))
    for depth in range(4):
        body = space.build({"body": depth})
        assert isinstance(body, nn.Sequential)
        assert len(body) == depth


def test_repeat_hands_out_the_index() -> None:
    space = one(lambda pick: pick.repeat("b", lambda pick, i: nn.Linear(i + 1, i + 2), 1, 3))
    assert [layer.in_features for layer in space.build({"b": 3})] == [1, 2, 3]
    optional = one(
        lambda pick: pick.repeat("b", lambda pick, index=9: nn.Linear(index + 1, 1), 1, 2)
    )
    assert [layer.in_features for layer in optional.build({"b": 2})] == [1, 2]


def test_repeat_with_one_depth_decides_nothing() -> None:
    space = one(lambda pick: pick.repeat("b", lambda p: nn.Linear(1, p.value("n", [1, 2])), 2, 2))
    assert labels(space) == ["b.0.n", "b.1.n"]
    assert len(space.build({"b.0.n": 1, "b.1.n": 2})) == 2


def test_repeat_joins_as_told() -> None:
    space = one(lambda p: p.repeat("b", lambda p: nn.ReLU(), 1, 2, join=nn.ModuleList))
    assert isinstance(space.build({"b": 2}), nn.ModuleList)


def test_depth_opens_the_choices_of_so_many_bodies() -> None:
    def ask(pick: Pick) -> nn.Module:
        return pick.repeat("b", lambda p: p.layer("op", [nn.ReLU, nn.Identity, nn.Tanh]), 0, 4)

    assert one(ask).space.size == sum(3**depth for depth in range(5))


def test_bodies_may_share_a_choice_of_the_outer_pick() -> None:
    def ask(pick: Pick) -> nn.Module:
        def body() -> nn.Module:
            return nn.Linear(1, pick.value("width", [1, 2, 3]))

        return pick.repeat("b", body, 0, 2)

    space = one(ask).space
    assert space.size == 1 + 3 + 3
    assert list(space.labels) == ["b", "width"]


@pytest.mark.parametrize("bounds", [(-1, 2), (3, 2), (1.0, 2), ("1", 2), (True, 2)])
def test_repeat_checks_its_bounds(bounds: Any) -> None:
    with pytest.raises(SpaceError, match="repeat 'b' needs whole numbers"):
        _ = one(lambda pick: pick.repeat("b", nn.ReLU, *bounds)).space


def test_subset_gives_a_module_dict_in_the_order_of_the_options() -> None:
    space = one(lambda pick: pick.subset("in", ["a", "b", "c"], (1, 3)))
    assert space.space.size == 7
    chosen = space.build({"in": ("a", "c")})
    assert type(chosen) is nn.ModuleDict
    assert list(chosen) == ["a", "c"]
    assert all(isinstance(module, nn.Identity) for module in chosen.values())


def test_subset_opens_what_its_options_open() -> None:
    def ask(pick: Pick) -> nn.Module:
        makes = {n: lambda p: nn.Linear(1, p.value("width", [1, 2])) for n in ("a", "b", "c")}
        return pick.subset("edges", makes, 2)

    space = one(ask)
    assert space.space.size == 3 * 2 * 2
    model = space.build({"edges": ("a", "c"), "edges.a.width": 1, "edges.c.width": 2})
    assert model["c"].out_features == 2


@pytest.mark.parametrize("k", [0, 3, (0, 0), (2, 1), (1, 2, 3), "1", (0, 3)])
def test_subset_checks_k(k: Any) -> None:
    with pytest.raises(SpaceError, match="in"):
        _ = one(lambda pick: pick.subset("in", ["a", "b"], k)).space


@pytest.mark.parametrize(
    "names", [["a", "a"], "ab", [1, 2], ["a.b", "c"], ["keys", "c"], ["", "c"]]
)
def test_subset_checks_its_names(names: Any) -> None:
    with pytest.raises(SpaceError, match="in"):
        _ = one(lambda pick: pick.subset("in", names, 1)).space


def test_the_same_label_twice_is_one_decision() -> None:
    def ask(pick: Pick) -> nn.Module:
        return nn.Sequential(*(pick.layer("act", [nn.ReLU, nn.Tanh]) for _ in range(3)))

    space = one(ask)
    assert space.space.size == 2
    assert all(isinstance(module, nn.Tanh) for module in space.build({"act": "1"}))


@pytest.mark.parametrize(
    "second",
    [
        lambda p: p.value("x", [16, 64]),
        lambda p: p.value("x", [16.0, 32.0]),
        lambda p: p.value("x", integers(16, 32)),
        lambda p: p.layer("x", {"16": nn.ReLU}),
        lambda p: p.repeat("x", nn.ReLU, 1, 2),
        lambda p: p.subset("x", ["a", "b"], 1),
    ],
)
def test_one_label_with_two_sets_of_options_is_an_error(second: Callable[[Pick], Any]) -> None:
    with pytest.raises(LabelConflict, match=r"'x' is one decision.*16, 32"):
        _ = one(lambda pick: (pick.value("x", [16, 32]), second(pick))).space


def test_scopes_keep_labels_apart() -> None:
    def part(pick: Pick) -> nn.Module:
        return nn.Linear(1, pick.value("width", [1, 2]))

    def ask(pick: Pick) -> nn.Module:
        return nn.Sequential(part(pick.at("left")), part(pick.at("right").at("inner")))

    space = one(ask)
    assert labels(space) == ["left.width", "right.inner.width"]


def test_a_label_inside_its_own_option_is_an_error() -> None:
    def ask(pick: Pick) -> nn.Module:
        return pick.layer("op", {"a": lambda: ask(pick), "b": nn.ReLU})

    with pytest.raises(SpaceError, match="'op' is asked inside one of its own options"):
        _ = one(ask).space


def test_spaces_compose_by_calling_each_other() -> None:
    @model_space
    def encoder(pick: Pick, features: int = 2) -> nn.Module:
        return nn.Linear(features, pick.value("width", [3, 5]))

    def ask(pick: Pick) -> nn.Module:
        left, right = encoder(pick.at("left")), encoder(pick.at("right"), features=4)
        tied = encoder(pick.at("both")), encoder(pick.at("both"))
        return nn.ModuleList([left, right, *tied])

    space = one(ask)
    assert space.space.size == 8
    model = space.build({"left.width": 3, "right.width": 5, "both.width": 5})
    assert [(m.in_features, m.out_features) for m in model] == [(2, 3), (4, 5), (2, 5), (2, 5)]


def test_a_space_can_be_an_option() -> None:
    @model_space
    def part(pick: Pick) -> nn.Module:
        return nn.Linear(1, pick.value("width", [1, 2]))

    space = one(lambda pick: pick.layer("op", {"part": part, "skip": nn.Identity}))
    assert labels(space) == ["op", "op.part.width"]
    torch.manual_seed(0)
    assert space.build({"op": "part", "op.part.width": 2}).out_features == 2
