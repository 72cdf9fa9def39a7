"""How many times a second a space is sampled, mutated, crossed, checked and encoded.

    python benchmarks/space_algebra.py --seconds 0.5

Two spaces: the 78-point example of the README (a width, and a body of 1 to 3 blocks with 3 options
each) and 6 edges with 5 operations each. For reference the same is done by hand on plain dicts with
`random.choice`, knowing each space by heart; `ratio` is our rate divided by that one's. Every rate
is the median of five rounds, the two sides taking turns.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from archloom.space import Choice, OneOf, Option, Space

ROUNDS = 5
WIDTHS = (16, 32)
BLOCKS = ("conv3", "conv5", "skip")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = tuple(f"edge{number}" for number in range(6))


def body() -> Space:
    """Give the 78-point example."""
    block = OneOf(tuple(map(Option, BLOCKS)))
    blocks = tuple(Choice(f"body.{number}.op", "layer", block) for number in range(3))
    depth = OneOf(tuple(Option(number, blocks[:number]) for number in (1, 2, 3)))
    width = OneOf(tuple(map(Option, WIDTHS)))
    return Space((Choice("width", "value", width), Choice("body", "repeat", depth)))


def cell() -> Space:
    """Give 6 edges with 5 operations each: 15,625 points."""
    operation = OneOf(tuple(map(Option, OPERATIONS)))
    return Space(tuple(Choice(edge, "layer", operation) for edge in EDGES))


class BodyByHand:
    """The 78-point example on plain dicts."""

    def sample(self) -> dict[str, Any]:
        depth = random.choice((1, 2, 3))
        point: dict[str, Any] = {"width": random.choice(WIDTHS), "body": depth}
        for number in range(depth):
            point[f"body.{number}.op"] = random.choice(BLOCKS)
        return point

    def mutate(self, point: dict[str, Any]) -> dict[str, Any]:
        label = random.choice(list(point))
        old = point[label]
        options = WIDTHS if label == "width" else (1, 2, 3) if label == "body" else BLOCKS
        child = {**point, label: random.choice([value for value in options if value != old])}
        for number in range(3):
            name = f"body.{number}.op"
            if number >= child["body"]:
                child.pop(name, None)
            elif name not in child:
                child[name] = random.choice(BLOCKS)
        return child


class CellByHand:
    """6 edges with 5 operations each on plain dicts."""

    def sample(self) -> dict[str, Any]:
        return {edge: random.choice(OPERATIONS) for edge in EDGES}

    def mutate(self, point: dict[str, Any]) -> dict[str, Any]:
        edge = random.choice(EDGES)
        old = point[edge]
        return {**point, edge: random.choice([value for value in OPERATIONS if value != old])}


def rate(action: Callable[[], object], seconds: float) -> float:
    """Give how many times a second `action` runs."""
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for _ in range(50):
            action()
        done += 50
    return done / spent


def ours(space: Space) -> dict[str, Callable[[], object]]:
    """Give what is measured of a space."""
    rng = np.random.default_rng(0)
    points = itertools.cycle([space.sample(rng) for _ in range(256)])
    return {
        "sample": lambda: space.sample(rng),
        "mutate": lambda: space.mutate(next(points), rng),
        "cross": lambda: space.cross(next(points), next(points), rng),
        "neighbours": lambda: list(space.neighbours(next(points))),
        "check": lambda: space.check(next(points)),
        "encode": lambda: space.encode(next(points)),
    }


def by_hand(hand: BodyByHand | CellByHand) -> dict[str, Callable[[], object]]:
    """Give what is measured of a hand-written space."""
    random.seed(0)
    points = itertools.cycle([hand.sample() for _ in range(256)])
    return {"sample": hand.sample, "mutate": lambda: hand.mutate(next(points))}


def measure(name: str, space: Space, hand: BodyByHand | CellByHand, seconds: float) -> list[Any]:
    """Give one row for each operation: space, operation, our rate, rate by hand, ratio."""
    rows = []
    plain = by_hand(hand)
    for operation, action in ours(space).items():
        rates: list[float] = []
        references: list[float] = []
        for _ in range(ROUNDS):
            rates.append(rate(action, seconds / ROUNDS))
            if operation in plain:
                references.append(rate(plain[operation], seconds / ROUNDS))
        median = statistics.median(rates)
        reference = statistics.median(references) if references else None
        rows.append([name, operation, median, reference, median / reference if reference else None])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="per operation and side")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    options = parser.parse_args()
    rows = measure("78 points", body(), BodyByHand(), options.seconds)
    rows += measure("6 edges x 5", cell(), CellByHand(), options.seconds)
    print(f"{'space':<12} {'operation':<11} {'per second':>11} {'by hand':>11} {'ratio':>6}")
    for name, operation, ours_, hand, ratio in rows:
        right = f"{hand:>11,.0f} {ratio:>6.2f}" if hand else f"{'':>11} {'':>6}"
        print(f"{name:<12} {operation:<11} {ours_:>11,.0f} {right}".rstrip())
    if options.json:
        keys = ("space", "operation", "per_second", "by_hand", "ratio")
        options.json.write_text(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    main()
