"""The contract of a space, and small spaces to test with."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Mapping

import numpy as np

from archloom.architecture import Architecture
from archloom.space import Choice, OneOf, Option, SomeOf, Space, integers, log_uniform, uniform

_LISTED = 5000  # larger spaces are sampled, not listed
_SAMPLES = 30


def example_spaces() -> Mapping[str, Space]:
    """Give small spaces that have, one each, what makes spaces hard: ties, floats, one point, ...

    >>> {name: space.size for name, space in example_spaces().items()}["conditional"]
    78
    """
    return {
        "empty": Space(()),
        "single point": Space(()).joint(width=[16]),
        "flat": Space(()).joint(a=["x", "y", "z"], b=[1, 2, 4], c=[True, False]),
        "conditional": _conditional(),
        "tied": _tied(),
        "subset": _subset(),
        "numbers": Space(()).joint(units=integers(16, 64, step=8), depth=integers(1, 9, log=True)),
        "floats": _conditional().joint(lr=log_uniform(1e-4, 1e-1), dropout=uniform(0.0, 0.5)),
    }


def check_space(space: Space, seed: int = 0) -> None:
    """Test a space on everything that searches rely on.

    Raises:
        AssertionError: that says which property does not hold, and for what.

    >>> check_space(Space(()).joint(width=[16, 32], depth=[1, 2, 3]))
    """
    rng = np.random.default_rng(seed)
    _check_text(space)
    _check_listing(space)
    points = [space.default(), *(space.sample(rng) for _ in range(_SAMPLES))]
    again = np.random.default_rng(seed)
    _expect(points[1:] == [space.sample(again) for _ in range(_SAMPLES)], "a seed gives one sample")
    for point in points:
        _check_point(space, point, rng)
    for first, second in itertools.pairwise(points):
        _check_cross(space, first, second, rng)


def _check_text(space: Space) -> None:
    read = Space.from_json(json.loads(json.dumps(space.to_json())))
    _expect(read == space, "a space read from its JSON equals the space", space)
    _expect(read.fingerprint == space.fingerprint, "JSON keeps the fingerprint", space)
    _expect(pickle.loads(pickle.dumps(space)) == space, "a space survives pickling", space)
    _expect(len(set(space.encoding)) == len(space.encoding), "encoding names differ", space)


def _check_listing(space: Space) -> None:
    points = None if space.size < float("inf") else 3
    size = space.count(points)
    if size > _LISTED:
        return
    listed = list(space.enumerate(points))
    _expect(len(listed) == size, f"as many points are listed as counted ({size})", len(listed))
    _expect(len(set(listed)) == size, "each point is listed once", space)
    codes = {space.encode(point).tobytes() for point in listed}
    _expect(len(codes) == size, "different points have different codes", space)


def _check_point(space: Space, point: Architecture, rng: np.random.Generator) -> None:
    space.check(point)
    _expect(Architecture.from_json(point.to_json()) == point, "a point survives JSON", point)
    _expect(space.complete(point) == point, "completing a complete point changes nothing", point)
    code = space.encode(point)
    _expect(code.shape == (len(space.encoding),), "a code has one number a name", point)
    _expect(bool(((code >= 0) & (code <= 1)).all()), "codes lie between 0 and 1", point)
    if space.size > 1:
        child = space.mutate(point, rng)
        space.check(child)
        _expect(child != point, "a mutated point differs from its parent", point)
    near = list(space.neighbours(point))
    _expect(len(near) == len(set(near)), "each neighbour comes once", point)
    _expect(point not in near, "a point is no neighbour of itself", point)
    _expect(bool(near) == (space.size > 1), "every point of several has neighbours", point)
    for other in near:
        space.check(other)


def _check_cross(
    space: Space, first: Architecture, second: Architecture, rng: np.random.Generator
) -> None:
    child = space.cross(first, second, rng)
    space.check(child)
    for label in child:
        given = [parent[label] for parent in (first, second) if label in parent]
        _expect(not given or child[label] in given, f"{label!r} comes from a parent", child)


def _expect(holds: bool, rule: str, got: object = "") -> None:
    if not holds:
        raise AssertionError(f"This should hold but does not: {rule}. Found with {got!r}.")


def _conditional() -> Space:
    operation = OneOf((Option("conv3"), Option("conv5"), Option("skip")))
    blocks = tuple(Choice(f"body.{number}.op", "layer", operation) for number in range(3))
    depth = OneOf(tuple(Option(number, blocks[:number]) for number in (1, 2, 3)))
    width = OneOf((Option(16), Option(32)))
    return Space((Choice("width", "value", width), Choice("body", "repeat", depth)))


def _tied() -> Space:
    kernel = Choice("kernel", "value", OneOf((Option(3), Option(5), Option(7))))
    branch = OneOf((Option("conv", (kernel,)), Option("pool"), Option("skip")))
    return Space((Choice("left", "layer", branch), Choice("right", "layer", branch)))


def _subset() -> Space:
    rate = Choice("rate", "value", OneOf((Option(0.2), Option(0.5))))
    inputs = SomeOf((Option("a"), Option("b", (rate,)), Option("c", (rate,)), Option("d")), 0, 2)
    return Space((Choice("inputs", "subset", inputs),))
