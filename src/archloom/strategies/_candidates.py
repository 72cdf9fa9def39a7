"""Where a predictor looks: the whole of a small space, or the surroundings of the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.space import Prior, Space
from archloom.strategies._encoding import Encoding, GraphBlock, Matrix, Rows, taken
from archloom.strategies._untried import Untried

_LISTED: Final = 20_000  # architectures; a space up to this size is looked through as a whole
_PAIRS: Final = 700_000  # kernel entries that may be computed in one `ask`
_DRAWN: Final = 180  # candidates of a larger space
_PARENTS: Final = 10
_CLIMBED: Final = 4  # candidates whose neighbours are looked at, too
_NEIGHBOURS: Final = 48

Rate = Callable[[Rows], Matrix]


class Candidates:
    """Untried architectures and their rows, among which an acquisition function chooses.

    Spaces of up to 20,000 architectures are listed; once there are too many told trials to rate
    all of them, those nearest to the best and random ones are. Of larger spaces there are
    mutations of the best, random ones, and then the neighbours of what is rated highest.
    `listed=False` says that small spaces are treated like large ones, `graph` which
    blocks the rows have of a cell's graph.
    """

    def __init__(
        self,
        space: Space,
        untried: Untried,
        prior: Prior | None,
        *,
        listed: bool = True,
        graph: tuple[GraphBlock, ...] = (),
    ) -> None:
        self._space = space
        self._untried = untried
        self._prior = prior
        self._pool = _listed(space, graph) if listed and space.size <= _LISTED else None
        self.encoding = Encoding(space, graph)

    def best(
        self,
        rate: Rate,
        leaders: Sequence[Architecture],
        told: int,
        wanted: Callable[[Architecture], bool],
        count: int,
        rng: np.random.Generator,
    ) -> list[tuple[Architecture, float]]:
        """Give up to `count` untried architectures that `rate` finds best, best first.

        Args:
            rate: gives a number for each row, larger is better.
            leaders: the best architectures told, best first.
            told: how many rows the ratings are computed from.
            wanted: False for architectures that come only where there is nothing else.
            count: how many to give.
            rng: draws the candidates of large spaces, and breaks ties.
        """
        if self._pool is not None:
            found, rates = self._from_list(*self._pool, rate, leaders, told, rng)
        else:
            found, rates = self._from_draws(rate, leaders, rng)
        order = rng.permutation(len(found))
        order = order[np.argsort(-rates[order], kind="stable")]
        chosen: list[tuple[Architecture, float]] = []
        second: list[tuple[Architecture, float]] = []
        for place in order:
            architecture = found[place]
            if architecture not in self._untried:
                continue
            if wanted(architecture):
                chosen.append((architecture, float(rates[place])))
                if len(chosen) == count:
                    break
            elif len(second) < count:
                second.append((architecture, float(rates[place])))
        return chosen or second

    def _from_list(
        self,
        every: list[Architecture],
        rows: Rows,
        rate: Rate,
        leaders: Sequence[Architecture],
        told: int,
        rng: np.random.Generator,
    ) -> tuple[list[Architecture], Matrix]:
        limit = _PAIRS // max(told, 1)
        if len(every) <= limit:
            return every, rate(rows)
        centres = self.encoding.rows(leaders[:_PARENTS])["tree"]
        near = np.argsort(_nearest(rows["tree"], centres), kind="stable")[: limit // 2]
        others = rng.choice(len(every), limit - len(near), replace=False)
        places = np.union1d(near, others)
        return [every[place] for place in places], rate(taken(rows, places))

    def _from_draws(
        self, rate: Rate, leaders: Sequence[Architecture], rng: np.random.Generator
    ) -> tuple[list[Architecture], Matrix]:
        met: dict[str, Architecture] = {}
        parents = leaders[:_PARENTS]
        for turn in range(_DRAWN):
            drawn = self._draw(parents, turn, rng)
            if drawn in self._untried:
                met.setdefault(drawn.key, drawn)
        found = list(met.values())
        if not found:
            fresh = self._untried.draw(rng)
            found = [fresh] if fresh is not None else []
        if not found:
            return [], np.zeros(0)
        rates = rate(self.encoding.rows(found))
        near = self._climb(found, rates, met, rng)
        if near:
            rates = np.concatenate([rates, rate(self.encoding.rows(near))])
        return found + near, rates

    def _draw(
        self, parents: Sequence[Architecture], turn: int, rng: np.random.Generator
    ) -> Architecture:
        """Every fourth is random; the others are 1 to 3 mutations away from one of the best."""
        if turn % 4 == 0 or not parents:
            prior = self._prior if turn % 8 == 0 else None
            return self._space.sample(rng) if prior is None else prior.sample(rng)
        drawn = parents[turn % len(parents)]
        for _ in range(1 + int(rng.integers(3))):
            drawn = self._space.mutate(drawn, rng)
        return drawn

    def _climb(
        self,
        found: Sequence[Architecture],
        rates: Matrix,
        met: dict[str, Architecture],
        rng: np.random.Generator,
    ) -> list[Architecture]:
        near: dict[str, Architecture] = {}
        for place in np.argsort(-rates, kind="stable")[:_CLIMBED]:
            for neighbour in self._space.neighbours(found[place]):
                if neighbour in self._untried and neighbour.key not in met:
                    near.setdefault(neighbour.key, neighbour)
        listed = list(near.values())
        if len(listed) <= _NEIGHBOURS:
            return listed
        return [listed[place] for place in rng.choice(len(listed), _NEIGHBOURS, replace=False)]


def _nearest(rows: Matrix, centres: Matrix) -> NDArray[np.float64]:
    squares = (rows * rows).sum(1)[:, None] + (centres * centres).sum(1) - 2 * rows @ centres.T
    return np.asarray(squares.min(1), dtype=np.float64).round(9)


@lru_cache(maxsize=4)
def _listed(space: Space, graph: tuple[GraphBlock, ...]) -> tuple[list[Architecture], Rows]:
    """List a space and encode it, once for all searches on it."""
    every = list(space.enumerate())
    return every, Encoding(space, graph).rows(every)
