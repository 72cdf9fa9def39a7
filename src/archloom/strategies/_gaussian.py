"""Gaussian processes over blocks of rows, their settings found by marginal likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.strategies._encoding import Matrix, Places, Rows, taken

Vector: TypeAlias = NDArray[np.float64]

_NOISE: Final = (float(np.log(0.05)), 1.5)  # mean and std of the log of the noise's variance
_BOUNDS: Final = (-8.0, 5.0)
_JITTER: Final = 1e-6
_STEPS: Final = 40
_LEARNED: Final = 80  # more rows than these do not change the settings much, but cost dearly


class Term(NamedTuple):
    """One summand of a kernel, over one block of the rows.

    `near`: s exp(-sum_g w_g |x_g - y_g|^2), `linear`: s sum_g w_g x_g.y_g. The
    scale s and the weight w of each group of columns are learned; the prior of log w has the mean
    `log_weight`, all priors a standard deviation of 1.
    """

    block: str
    kind: Literal["near", "linear"]
    groups: tuple[Places | slice, ...] = (slice(None),)
    log_weight: float = 0.0


@dataclass(frozen=True, eq=False)
class Kernel:
    """A sum of terms; `settings` are log scales and log weights, term by term, and log noise."""

    terms: tuple[Term, ...]

    @property
    def prior(self) -> Vector:
        """The means of the settings' priors, where the search for the best ones starts."""
        logs = [log for term in self.terms for log in (0.0, *[term.log_weight] * len(term.groups))]
        return np.array([*logs, _NOISE[0]])

    def between(self, first: Rows, second: Rows, settings: Vector) -> Matrix:
        """Give the kernel of each row of `first` with each of `second`."""
        total = np.zeros((_length(first), _length(second)))
        for term, scale, weights in self._each(settings):
            left = _weighted(first[term.block], term, weights)
            right = _weighted(second[term.block], term, weights)
            product = left @ right.T
            if term.kind == "linear":
                product *= scale
            else:
                product *= 2
                product -= (left * left).sum(1)[:, None]
                product -= (right * right).sum(1)
                np.exp(product, out=product)
                product *= scale
            total += product
        return total

    def alone(self, rows: Rows, settings: Vector) -> Vector:
        """Give the kernel of each row with itself."""
        total = np.zeros(_length(rows))
        for term, scale, weights in self._each(settings):
            if term.kind == "near":
                total += scale
            else:
                total += scale * (_weighted(rows[term.block], term, weights) ** 2).sum(1)
        return total

    def parts(self, rows: Rows) -> list[NDArray[np.float64]]:
        """Give what `gradient` needs of the rows: for each term a matrix a group."""
        parts = []
        for term in self.terms:
            block = rows[term.block]
            grams = np.stack([block[:, group] @ block[:, group].T for group in term.groups])
            if term.kind == "near":
                squares = np.einsum("gii->gi", grams).copy()
                grams = squares[:, :, None] + squares[:, None, :] - 2 * grams
            parts.append(grams)
        return parts

    def gradient(
        self, parts: Sequence[NDArray[np.float64]], settings: Vector
    ) -> tuple[Matrix, list[NDArray[np.float64]]]:
        """Give the kernel of all pairs of rows, and its derivative by each setting but noise."""
        total: Matrix = np.zeros(parts[0].shape[1:])
        slopes: list[NDArray[np.float64]] = []
        for (term, scale, weights), part in zip(self._each(settings), parts, strict=True):
            weighted = weights[:, None, None] * part
            if term.kind == "near":
                matrix = scale * np.exp(-weighted.sum(0))
                by_weight = -weighted * matrix
            else:
                by_weight = scale * weighted
                matrix = by_weight.sum(0)
            slopes += [matrix, *by_weight]
            total += matrix
        return total, slopes

    def _each(self, settings: Vector) -> Iterator[tuple[Term, float, Vector]]:
        at = 0
        for term in self.terms:
            end = at + 1 + len(term.groups)
            values = np.exp(settings[at:end])
            yield term, float(values[0]), values[1:]
            at = end


def learned(kernel: Kernel, rows: Rows, values: Vector) -> Vector:
    """Give the settings of highest marginal likelihood times prior (at most 40 steps of L-BFGS).

    Of more than 80 rows it takes 80, those of the highest values and others evenly spaced.
    """
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    places = notable(values, _LEARNED)
    parts, values = kernel.parts(taken(rows, places)), values[places]
    start = kernel.prior
    spread = np.ones_like(start)
    spread[-1] = _NOISE[1]
    identity = np.eye(len(values))

    def loss(settings: Vector) -> tuple[float, Vector]:
        matrix, slopes = kernel.gradient(parts, settings)
        noise = np.exp(settings[-1])
        root = np.linalg.cholesky(matrix + (noise + _JITTER) * identity)
        inverse = cho_solve((root, True), identity, check_finite=False)
        alpha = inverse @ values
        inner = inverse - np.outer(alpha, alpha)
        slope = [0.5 * float(np.vdot(inner, by)) for by in slopes]
        off = (settings - start) / spread
        fit = 0.5 * values @ alpha + np.log(np.diag(root)).sum()
        slope.append(0.5 * float(noise * np.trace(inner)))
        return float(fit + 0.5 * off @ off), np.array(slope) + off / spread

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[_BOUNDS] * len(start),
        options={"maxiter": _STEPS},
    )
    return np.asarray(found.x, dtype=np.float64)


class Posterior:
    """What a Gaussian process of mean zero says after it was told the values of some rows."""

    def __init__(self, kernel: Kernel, settings: Vector, rows: Rows, values: Vector) -> None:
        from scipy.linalg import cho_solve

        self._kernel, self._settings, self._rows = kernel, settings, rows
        noise = float(np.exp(settings[-1])) + _JITTER
        matrix = kernel.between(rows, rows, settings)
        self._root = np.linalg.cholesky(matrix + noise * np.eye(len(values)))
        self._alpha = cho_solve((self._root, True), values, check_finite=False)

    def predict(self, rows: Rows) -> tuple[Vector, Vector]:
        """Give the mean and the standard deviation, without noise, of each row."""
        from scipy.linalg import solve_triangular

        matrix = self._kernel.between(rows, self._rows, self._settings)
        explained = solve_triangular(self._root, matrix.T, lower=True, check_finite=False)
        variance = self._kernel.alone(rows, self._settings) - (explained * explained).sum(0)
        return matrix @ self._alpha, np.sqrt(np.maximum(variance, 1e-10))


def notable(values: Vector, limit: int) -> Places:
    """Give the places of at most `limit` values: the highest ones, half of them, and others.

    The others are evenly spaced in the order of the values. Places come in ascending order.
    """
    if len(values) <= limit:
        return np.arange(len(values))
    order = np.argsort(-values, kind="stable")
    best, rest = order[: limit // 2], order[limit // 2 :]
    spaced = np.linspace(0, len(rest) - 1, limit - limit // 2).round().astype(np.intp)
    return np.sort(np.concatenate([best, rest[spaced]]))


def _length(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def _weighted(block: Matrix, term: Term, weights: Vector) -> Matrix:
    """Scale the columns so that plain products are those of the term."""
    scale = np.empty(block.shape[1])
    for group, weight in zip(term.groups, weights, strict=True):
        scale[group] = np.sqrt(weight)
    return block * scale
