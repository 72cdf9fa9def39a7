"""Local search on landscapes whose tops are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space
from archloom.strategies import LocalSearch
from archloom.trial import State, Trial


def cell() -> Space:
    operation = OneOf(tuple(Option(number) for number in range(5)))
    return Space(tuple(Choice(f"edge{number}", "layer", operation) for number in range(6)))


def climb(
    strategy: LocalSearch,
    trials: int,
    score: Callable[[Architecture], float],
    space: Space | None = None,
) -> list[tuple[Architecture, int | None, float]]:
    """Give architecture, parent and score of each trial."""
    strategy.setup(space or cell(), Objective("accuracy"), 0)
    done: list[tuple[Architecture, int | None, float]] = []
    for number in range(trials):
        proposal = strategy.ask(number)
        if proposal is None:
            break
        architecture = proposal.architecture
        start = Trial(number, "search", architecture, 0, parent=proposal.parent)
        strategy.tell(start)
        value = score(architecture)
        strategy.tell(
            Trial(
                number,
                "search",
                architecture,
                0,
                State.DONE,
                parent=proposal.parent,
                metrics={"accuracy": value},
            )
        )
        done.append((architecture, proposal.parent, value))
    return done


def one_max(architecture: Architecture) -> float:
    return float(sum(value == 4 for value in architecture.values()))


@pytest.mark.parametrize("seed", range(10))
def test_it_climbs_one_max_within_its_known_cost(seed: int) -> None:
    """Each of at most 6 moves tries at most 24 neighbours; a move fixes one edge."""
    done = climb(LocalSearch(seed=seed, first_improvement=False), 1 + 6 * 24, one_max)
    assert max(value for _, _, value in done) == 6
    eager = climb(LocalSearch(seed=seed), 1 + 6 * 24, one_max)
    first_top = next(number for number, (_, _, value) in enumerate(eager) if value == 6)
    slow_top = next(number for number, (_, _, value) in enumerate(done) if value == 6)
    assert first_top <= slow_top + 24


def test_all_neighbours_are_tried_before_moving_to_the_best() -> None:
    done = climb(
        LocalSearch(seed=3, first_improvement=False), 80, lambda a: sum(map(float, a.values()))
    )  # type: ignore[arg-type]
    start = done[0][0]
    near = set(cell().neighbours(start))
    assert {architecture for architecture, _, _ in done[1:25]} == near
    assert {parent for _, parent, _ in done[1:25]} == {0}
    best = max(range(1, 25), key=lambda number: done[number][2])
    assert done[25][1] is not None
    assert done[done[25][1]][2] == done[best][2]


def test_first_improvement_moves_at_once() -> None:
    done = climb(LocalSearch(seed=3), 60, one_max)
    centre = 0
    for number, (_, parent, value) in enumerate(done[1:], start=1):
        if done[centre][2] == 6:
            break
        assert parent == centre
        if value > done[centre][2]:
            centre = number


def test_a_local_top_leads_to_a_new_start() -> None:
    """Two tops: all 0 (5 points) and all 4 (6 points), with a valley between them."""

    def twin_tops(architecture: Architecture) -> float:
        values = list(architecture.values())
        return max(5.0 / 6 * values.count(0), float(values.count(4)))

    done = climb(LocalSearch(seed=0, first_improvement=False), 2000, twin_tops)
    starts = [number for number, (_, parent, _) in enumerate(done) if parent is None]
    assert len(starts) > 3
    assert max(value for _, _, value in done) == 6
    for start, following in itertools.pairwise(starts):
        # Between starts the search never leaves a centre for a worse one.
        centres = [parent for _, parent, _ in done[start:following] if parent is not None]
        values = [done[centre][2] for centre in dict.fromkeys(centres)]
        assert values == sorted(values)


def test_starts_are_drawn_before_each_climb() -> None:
    done = climb(LocalSearch(starts=5, first_improvement=False), 30, one_max)
    assert [parent for _, parent, _ in done[:5]] == [None] * 5
    best = max(range(5), key=lambda number: done[number][2])
    assert done[5][1] == best


def test_what_an_earlier_climb_tried_still_counts() -> None:
    """Later climbs pass through what is known, and all 15 points are tried once in the end."""
    space = Space(()).joint(a=[0, 1, 2, 3, 4], b=[0, 1, 2])

    def rugged(architecture: Architecture) -> float:
        return float(int(architecture.key, 16) % 97)

    for seed in range(20):
        done = climb(LocalSearch(seed=seed, first_improvement=False), 15, rugged, space)
        assert len({architecture for architecture, _, _ in done}) == 15


def test_failed_neighbours_are_passed_over() -> None:
    strategy = LocalSearch(seed=1, first_improvement=False)
    strategy.setup(cell(), Objective("accuracy"), 0)
    first = strategy.ask(0)
    assert first is not None
    strategy.tell(Trial(0, "s", first.architecture, 0, State.DONE, metrics={"accuracy": 1.0}))
    for number in range(1, 25):
        proposal = strategy.ask(number)
        assert proposal is not None
        assert proposal.parent == 0
        strategy.tell(Trial(number, "s", proposal.architecture, 0, State.FAILED, parent=0))
    proposal = strategy.ask(25)
    assert proposal is not None
    assert proposal.parent is None
