"""Ensembles of regressors: several answers to one question, which say how sure they are."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from archloom.errors import ConfigError
from archloom.strategies._encoding import Matrix

Model = Literal["networks", "forest"]
Weights = list[NDArray[np.float32]]

_WIDTH: Final = 32
_BATCH: Final = 32
_STEPS: Final = 150
_RATE: Final = 0.01
_DECAY: Final = 1e-3
_TREES: Final = 8


def answers(
    model: Model,
    members: int,
    inputs: Matrix,
    values: Matrix,
    asked: Matrix,
    rng: np.random.Generator,
) -> Matrix:
    """Give what each member of an ensemble learned of `inputs` says of the rows `asked`.

    `"networks"`: members that differ in their first weights and in the order of the training rows.
    `"forest"`: extremely randomized trees of scikit-learn, of which each member is 8.

    Returns:
        A row a member, a column a row of `asked`.

    Raises:
        ConfigError: for another model.
    """
    match model:
        case "networks":
            return _networks(members, inputs, values, asked, rng)
        case "forest":
            return _forest(members, inputs, values, asked, rng)
    raise ConfigError(f"The model must be one of {', '.join(get_args(Model))}, got {model!r}.")


def _forest(
    members: int, inputs: Matrix, values: Matrix, asked: Matrix, rng: np.random.Generator
) -> Matrix:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        _TREES * members, max_features="sqrt", random_state=int(rng.integers(2**31))
    )
    forest.fit(inputs, values)
    rows = asked.astype(np.float32)
    said = np.array([tree.tree_.predict(rows)[:, 0] for tree in forest.estimators_])
    return np.asarray(said.reshape(members, _TREES, -1).mean(1), dtype=np.float64)


def _networks(
    members: int, inputs: Matrix, values: Matrix, asked: Matrix, rng: np.random.Generator
) -> Matrix:
    """Train all members at once, two hidden layers each, by Adam on the squared error."""
    centre, spread = inputs.mean(0), inputs.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    scale = spread * np.sqrt(inputs.shape[1])
    known = ((inputs - centre) / scale).astype(np.float32)
    target = values.astype(np.float32)
    weights = _first_weights(members, inputs.shape[1], rng)
    means: Weights = [np.zeros_like(weight) for weight in weights]
    squares: Weights = [np.zeros_like(weight) for weight in weights]
    size = min(_BATCH, len(target))
    for step in range(1, _STEPS + 1):
        batch = rng.integers(len(target), size=(members, size))
        slopes = _slopes(weights, known[batch], target[batch])
        rate = _RATE * (1 - (step - 1) / _STEPS)
        for weight, slope, mean, square in zip(weights, slopes, means, squares, strict=True):
            mean += 0.1 * (slope - mean)
            square += 0.01 * (slope * slope - square)
            up = mean / (1 - 0.9**step)
            weight -= rate * (
                up / (np.sqrt(square / (1 - 0.99**step)) + np.float32(1e-8)) + _DECAY * weight
            )
    rows = np.broadcast_to(((asked - centre) / scale).astype(np.float32), (members, *asked.shape))
    return np.asarray(_forward(weights, rows)[-1][..., 0], dtype=np.float64)


def _first_weights(members: int, width: int, rng: np.random.Generator) -> Weights:
    """Give He's initial weights; the inputs have the length 1, so that they count as one."""
    weights: Weights = []
    for before, after, gain in ((width, _WIDTH, width), (_WIDTH, _WIDTH, 1), (_WIDTH, 1, 1)):
        drawn = rng.standard_normal((members, before, after)) * np.sqrt(2 * gain / before)
        weights += [drawn.astype(np.float32), np.zeros((members, 1, after), np.float32)]
    return weights


def _forward(weights: Weights, rows: NDArray[np.float32]) -> Weights:
    first = np.maximum(rows @ weights[0] + weights[1], 0)
    second = np.maximum(first @ weights[2] + weights[3], 0)
    return [rows, first, second, second @ weights[4] + weights[5]]


def _slopes(
    weights: Weights, rows: NDArray[np.float32], target: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Give the derivative of half the mean squared error by each weight."""
    rows, first, second, out = _forward(weights, rows)
    error = (out - target[..., None]) / target.shape[1]
    back = (error @ weights[4].swapaxes(1, 2)) * (second > 0)
    deep = (back @ weights[2].swapaxes(1, 2)) * (first > 0)
    slopes = []
    for before, after in ((rows, deep), (first, back), (second, error)):
        slopes += [before.swapaxes(1, 2) @ after, after.sum(1, keepdims=True)]
    return slopes
