"""Greedy selection of an ensemble from a library of models (Caruana et al. 2004)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from archloom.errors import ConfigError

Score = Callable[[Tensor], Any]


def greedy_selection(
    outputs: Sequence[Tensor],
    score: Score,
    rounds: int = 50,
    *,
    start: int | None = None,
    bags: int = 1,
    share: float = 0.5,
    seed: int = 0,
) -> list[float]:
    """Give the weights, summing to 1, of the members whose weighted mean scores best.

    After Caruana et al., "Ensemble selection from libraries of models", ICML 2004: begin with the
    mean of the best members, as many of the best as score best together (at most `start`), then
    add in each round the member that helps most, the same one again if that is best; the best
    mean on the way is kept. With `bags` above 1 the selection is made in that many random parts
    of the library, `share` of its members each, and the weights are averaged, unless a single
    selection from the whole library scores higher.

    On the data that `score` sees, the result is never worse than the best single member.

    Args:
        outputs: what is averaged (probabilities, numbers), of equal shape, one a member.
        score: judges such a mean, larger is better; a tuple is compared entry by entry, so that
            a second entry decides between equals.
        rounds: additions; 0 gives equal weights of the best members, the sorted start alone.

    Raises:
        ConfigError: without members, for members of different shapes, or settings out of range.

    >>> import torch
    >>> truth = torch.tensor([1.0, 1.0])
    >>> low, high = torch.tensor([0.0, 0.0]), torch.tensor([2.0, 2.0])
    >>> greedy_selection([low, high, low - 9], lambda mean: -float((mean - truth).square().sum()))
    [0.5, 0.5, 0.0]
    """
    _check(outputs, rounds, start, bags, share)
    whole = _selected(outputs, range(len(outputs)), score, rounds, start)
    if bags == 1:
        return whole
    rng = np.random.default_rng(seed)
    size = max(1, round(share * len(outputs)))
    total = np.zeros(len(outputs))
    for _ in range(bags):
        library = sorted(rng.choice(len(outputs), size, replace=False).tolist())
        total += _selected(outputs, library, score, rounds, start)
    bagged = (total / bags).tolist()
    return bagged if score(weighted(outputs, bagged)) >= score(weighted(outputs, whole)) else whole


def _selected(
    outputs: Sequence[Tensor],
    library: Sequence[int],
    score: Score,
    rounds: int,
    start: int | None,
) -> list[float]:
    counts, total, best = _sorted_start(outputs, library, score, start)
    found = list(counts)
    for _ in range(rounds):
        size = sum(counts) + 1
        scores = {member: score((total + outputs[member]) / size) for member in library}
        chosen = max(library, key=lambda member: scores[member])
        total = total + outputs[chosen]
        counts[chosen] += 1
        if scores[chosen] > best:
            best, found = scores[chosen], list(counts)
    return [count / sum(found) for count in found]


def _sorted_start(
    outputs: Sequence[Tensor], library: Sequence[int], score: Score, start: int | None
) -> tuple[list[int], Tensor, Any]:
    """Give how often each member is in, the sum of those and its score: the best of the tops."""
    alone = {member: score(outputs[member]) for member in library}
    order = sorted(library, key=lambda member: alone[member], reverse=True)[:start]
    running = outputs[order[0]]
    total, best, size = running, alone[order[0]], 1
    for count, member in enumerate(order[1:], start=2):
        running = running + outputs[member]
        reached = score(running / count)
        if reached > best:
            total, best, size = running, reached, count
    counts = [0] * len(outputs)
    for member in order[:size]:
        counts[member] = 1
    return counts, total, best


def weighted(outputs: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Give the weighted sum of the members that have a weight."""
    used = [(w, each) for w, each in zip(weights, outputs, strict=True) if w]
    total = used[0][0] * used[0][1]
    for weight, each in used[1:]:
        total = total + weight * each
    return total


def _check(
    outputs: Sequence[Tensor], rounds: int, start: int | None, bags: int, share: float
) -> None:
    if not outputs:
        raise ConfigError("An ensemble is selected from at least one member, got none.")
    shapes = {tuple(each.shape) for each in outputs}
    if len(shapes) > 1:
        raise ConfigError(
            f"Members must predict the same samples and columns, got the shapes {sorted(shapes)}."
        )
    if rounds < 0 or bags < 1 or not 0 < share <= 1 or (start is not None and start < 1):
        raise ConfigError(
            f"Selection takes rounds from 0, bags from 1, share in (0, 1] and start from 1, got "
            f"rounds={rounds}, bags={bags}, share={share}, start={start}."
        )
