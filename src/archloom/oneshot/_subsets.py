"""The distribution over subsets: each as likely as the product of its members' odds says.

Limited to the allowed sizes, that is the exponential family of a choice of several inputs: for one
of n it is the softmax, for equal odds it is uniform over all subsets. Everything that the methods
need of it follows from elementary symmetric polynomials of the odds, kept as logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

_NEVER: Final = -1e30  # the logarithm of nothing; of -inf, gradients are no numbers


def inclusion(log_odds: Tensor, low: int, high: int) -> Tensor:
    """Give how likely each of n inputs is among the `low` to `high` chosen ones, differentiably.

    They sum to the expected number of inputs. Shape [n] in, [n] out.

    >>> inclusion(torch.zeros(4), 2, 2)
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if low == high == 1:
        return log_odds.softmax(0)
    exact = log_odds.double()
    others = _all_others(exact, high)
    sizes = _with(others[0], exact[0])
    # Of the subsets of size s, those with input i are i with s - 1 of the others.
    shares = exact[:, None] + _shifted(others) - sizes
    chances = sizes[low:].softmax(0)
    return (shares.exp()[:, low:] @ chances).to(log_odds.dtype)


def log_total(log_odds: Tensor, low: int, high: int) -> Tensor:
    """Give the logarithm of the sum, over all allowed subsets, of the product of their odds.

    >>> log_total(torch.zeros(4), 2, 2).exp()  # 4 over 2
    tensor(6.)
    """
    if low == high == 1:
        return log_odds.logsumexp(0)
    exact = log_odds.double()
    sizes = _with(_all_others(exact, high)[0], exact[0])
    return sizes[low:].logsumexp(0).to(log_odds.dtype)


def draw_places(
    log_odds: Sequence[float] | NDArray[np.float64], low: int, high: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw a subset: the places of its inputs, in rising order.

    >>> draw_places([0.0, 50.0, 50.0], 2, 2, np.random.default_rng(0))
    (1, 2)
    """
    odds = np.asarray(log_odds, dtype=np.float64)
    number = len(odds)
    tails = np.full((number + 1, high + 1), -np.inf)  # of the inputs from each place on
    tails[number, 0] = 0.0
    for place in range(number - 1, -1, -1):
        tails[place, 0] = 0.0
        tails[place, 1:] = np.logaddexp(tails[place + 1, 1:], odds[place] + tails[place + 1, :-1])
    left = low + _draw(tails[0, low:], rng)
    chosen = []
    for place in range(number):
        if left == 0:
            break
        share = odds[place] + tails[place + 1, left - 1] - tails[place, left]
        if rng.random() < np.exp(share):
            chosen.append(place)
            left -= 1
    return tuple(chosen)


def _draw(logs: NDArray[np.float64], rng: np.random.Generator) -> int:
    if len(logs) == 1:
        return 0
    shares = np.cumsum(np.exp(logs - logs.max()))
    return int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))


def _all_others(log_odds: Tensor, high: int) -> Tensor:
    """Give for each input the polynomial of all others: logarithms, up to the power `high`."""
    number = len(log_odds)
    rows = torch.full((number, high + 1), _NEVER, dtype=log_odds.dtype, device=log_odds.device)
    rows[:, 0] = 0.0
    apart = torch.eye(number, dtype=torch.bool, device=log_odds.device)
    for place in range(number):
        rows = torch.where(apart[:, place, None], rows, _with(rows, log_odds[place]))
    return rows


def _with(polynomial: Tensor, log_odds: Tensor) -> Tensor:
    """Multiply polynomials by 1 + odds x."""
    raised = log_odds + _shifted(polynomial)
    # torch.logaddexp has no second derivative where one of the two is the logarithm of nothing
    top = torch.maximum(polynomial, raised).detach()
    return top + ((polynomial - top).exp() + (raised - top).exp()).log()


def _shifted(polynomial: Tensor) -> Tensor:
    """Multiply polynomials, logarithms of coefficients in the last dimension, by x."""
    return pad(polynomial[..., :-1], (1, 0), value=_NEVER)
