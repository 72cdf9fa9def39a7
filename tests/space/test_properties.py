"""Properties of all spaces, on random trees: conditional choices, ties, subsets, numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archloom.architecture import Architecture, Value, token
from archloom.space import Choice, Domain, Floats, Integers, OneOf, Option, SomeOf, Space
from archloom.testing import check_space

LABELS = "abcdef"
LIMIT = 3000

VALUES: list[tuple[Value, ...]] = [
    ("x",),
    ("x", "y"),
    (1, True, 1.0),
    (None, 0, False),
    ((1, 2), (1,), ()),
    (0.1, 0.2, 1e-300, -1.5),
]


@st.composite
def surfaces(draw: st.DrawFn, floats: bool) -> dict[str, Any]:
    """Give each label the values that it takes wherever it stands."""
    found: dict[str, Any] = {}
    for label in LABELS:
        kinds = ["one", "one", "one", "some", "integers", *(["floats"] if floats else [])]
        kind = draw(st.sampled_from(kinds))
        values = draw(st.sampled_from(VALUES))
        if kind == "one":
            found[label] = values
        elif kind == "some":
            low = draw(st.integers(0, len(values)))
            found[label] = (values, low, draw(st.integers(max(low, 1), len(values))))
        elif kind == "integers":
            step = draw(st.integers(1, 3))
            low = draw(st.integers(1, 4))
            high = low + step + draw(st.integers(0, 4))
            found[label] = Integers(low, high, step, draw(st.booleans()))
        else:
            found[label] = Floats(0.5, 2.0, draw(st.booleans()))
    return found


@st.composite
def spaces(draw: st.DrawFn, floats: bool = False) -> Space:
    """Give a tree in which a label may stand anywhere again, with the same or other openings."""
    surface = draw(surfaces(floats))

    def choices(depth: int) -> tuple[Choice, ...]:
        most = (3, 2, 1, 0)[depth]
        labels = draw(st.lists(st.sampled_from(LABELS), max_size=most))
        return tuple(Choice(label, "value", domain(surface[label], depth)) for label in labels)

    def options(values: tuple[Value, ...], depth: int) -> tuple[Option, ...]:
        return tuple(Option(value, choices(depth + 1)) for value in values)

    def domain(surface: Any, depth: int) -> Domain:
        if isinstance(surface, Integers | Floats):
            return surface
        if len(surface) == 3 and isinstance(surface[0], tuple) and isinstance(surface[1], int):
            values, low, high = surface
            return SomeOf(options(values, depth), low, high)
        return OneOf(options(surface, depth))

    return Space(choices(0))


FEW = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def by_brute_force(space: Space, points: int | None) -> set[Architecture]:
    """Decide in every possible way, with no more than the definition of a walk."""
    found: set[Architecture] = set()

    def go(pending: list[Choice], values: dict[str, Value]) -> None:
        if not pending:
            found.add(Architecture(values))
            assert len(found) <= LIMIT
            return
        choice, *rest = pending
        domain = choice.domain
        known = [values[choice.label]] if choice.label in values else domain.values(points)
        for value in known:
            opened: list[Choice] = []
            if isinstance(domain, OneOf | SomeOf):
                chosen = value if isinstance(domain, SomeOf) else (value,)
                texts = [json.dumps(part) for part in chosen]  # type: ignore[union-attr]
                for option in domain.options:
                    if json.dumps(option.value) in texts:
                        opened += option.opens
            go(rest + opened, {**values, choice.label: value})

    go(list(space.choices), {})
    return found


@FEW
@given(spaces())
def test_size_and_listing_agree_with_brute_force(space: Space) -> None:
    assume(space.size <= LIMIT)
    listed = list(space.enumerate())
    assert len(listed) == len(set(listed)) == space.size
    assert set(listed) == by_brute_force(space, None)


@FEW
@given(spaces(floats=True), st.integers(1, 3))
def test_counting_points_agrees_with_listing_them(space: Space, points: int) -> None:
    assume(space.count(points) <= LIMIT)
    listed = list(space.enumerate(points))
    assert len(listed) == len(set(listed)) == space.count(points)
    assert set(listed) == by_brute_force(space, points)


@FEW
@given(spaces(floats=True), st.integers(0, 2**32))
def test_every_space_keeps_the_contract(space: Space, seed: int) -> None:
    check_space(space, seed)


@FEW
@given(spaces())
def test_steps_to_neighbours_reach_the_whole_space(space: Space) -> None:
    assume(space.size <= 300)
    reached = {space.default()}
    todo = [space.default()]
    while todo:
        for near in space.neighbours(todo.pop()):
            if near not in reached:
                reached.add(near)
                todo.append(near)
    assert len(reached) == space.size


@FEW
@given(spaces(floats=True), st.integers(0, 2**32))
def test_a_mutation_changes_one_decision(space: Space, seed: int) -> None:
    """Among the labels of both, one has a new value; the others follow from those and the draw."""
    assume(space.size > 1)
    rng = np.random.default_rng(seed)
    parent = space.sample(rng)
    child = space.mutate(parent, rng)
    both = [label for label in parent if label in child]
    changed = [label for label in both if token(parent[label]) != token(child[label])]
    assert len(changed) == 1
    assert space.complete({**parent, **child}) == child


@FEW
@given(spaces(floats=True))
def test_infinite_exactly_when_more_points_are_more(space: Space) -> None:
    grows = space.count(40) > space.count(20)
    assert (space.size == math.inf) == grows


def test_brute_force_itself() -> None:
    """The reference counts a space that can be counted by hand: 2 widths x (3 + 9 + 27)."""
    operation = OneOf(tuple(map(Option, "xyz")))
    blocks = [Choice(str(number), "layer", operation) for number in range(3)]
    depth = OneOf(tuple(Option(number, tuple(blocks[:number])) for number in (1, 2, 3)))
    width = OneOf((Option(16), Option(32)))
    space = Space((Choice("width", "value", width), Choice("body", "repeat", depth)))
    assert len(by_brute_force(space, None)) == 78
