"""Temperature and decision threshold, fitted on validation data and kept where they help."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from archloom.ensemble._judge import Difference, paired_difference
from archloom.ensemble._parts import Kind
from archloom.errors import ConfigError

MOST_TEMPERATURE: Final = 20.0
"""Temperatures are sought from the inverse of it on."""

_RANGE = math.log(MOST_TEMPERATURE)
_STEPS = 60
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0

Counts = np.ndarray


def log_losses(outputs: Tensor, targets: Tensor, kind: Kind) -> Tensor:
    """Give the log loss of every sample, the mean over its labels for several labels.

    >>> log_losses(torch.zeros(1, 2), torch.tensor([0]), "classes")
    tensor([0.6931])
    """
    if kind == "classes":
        return functional.cross_entropy(outputs, targets, reduction="none")
    losses = functional.binary_cross_entropy_with_logits(
        outputs, targets.to(outputs.dtype), reduction="none"
    )
    return losses.mean(1)


def fit_temperature(outputs: Tensor, targets: Tensor, kind: Kind = "classes") -> float:
    """Give the number to divide logits by so that the log loss is least, from 1/20 to 20.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599). The log
    loss has a single minimum along the logarithm of the temperature, which a golden-section
    search finds. Dividing all logits of a sample by one number changes no decision.

    >>> targets = torch.tensor([0, 0, 0, 1])
    >>> outputs = torch.tensor([[9.0, 0.0]] * 4)  # sure of what holds three times in four
    >>> round(9 / fit_temperature(outputs, targets), 3), round(math.log(3), 3)
    (1.099, 1.099)
    """
    outputs = outputs.double()

    def loss(logarithm: float) -> float:
        return float(log_losses(outputs / math.exp(logarithm), targets, kind).mean())

    low, high = -_RANGE, _RANGE
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def fit_threshold(probabilities: Tensor, positive: Tensor, metric: str) -> float:
    """Give the probability above which to say yes so that the metric is highest.

    Cuts lie half-way, as logits, between neighbouring probabilities; of equally good cuts it is
    the one nearest to 0.5. One half where the samples leave nothing to choose.

    Args:
        probabilities: of yes, shape (n,).
        positive: what is true, booleans or 0 and 1.
        metric: accuracy, balanced_accuracy or f1.

    Raises:
        ConfigError: for another metric.

    >>> chances = torch.tensor([0.1, 0.2, 0.3, 0.35])
    >>> cut = fit_threshold(chances, torch.tensor([0, 0, 1, 1]), "accuracy")
    >>> 0.2 < cut < 0.3
    True
    """
    if metric not in THRESHOLD_METRICS:
        raise ConfigError(
            f"A threshold is tuned for {', '.join(THRESHOLD_METRICS)}, got {metric!r}."
        )
    logits = torch.logit(probabilities.double(), eps=1e-12).cpu().numpy()
    truth = positive.cpu().numpy().astype(bool)
    order = np.argsort(-logits, kind="stable")
    sorted_logits = logits[order]
    hits = np.cumsum(truth[order])[:-1]
    said = np.arange(1, len(logits))
    cuts = (sorted_logits[:-1] + sorted_logits[1:]) / 2
    apart = sorted_logits[:-1] > sorted_logits[1:]
    if not apart.any() or not truth.any() or truth.all():
        return 0.5
    scores = THRESHOLD_METRICS[metric](hits, said, int(truth.sum()), len(truth))[apart]
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    cut = cuts[apart][best[np.argmin(np.abs(cuts[apart][best]))]]
    return float(1 / (1 + math.exp(-cut)))


def _accuracy(hits: Counts, said: Counts, positives: int, total: int) -> Counts:
    right: Counts = hits + (total - positives - (said - hits))
    return right / total


def _balanced(hits: Counts, said: Counts, positives: int, total: int) -> Counts:
    negatives = total - positives
    found: Counts = hits / positives + (negatives - (said - hits)) / negatives
    return found / 2


def _f1(hits: Counts, said: Counts, positives: int, total: int) -> Counts:
    harmonic: Counts = 2 * hits / (said + positives)
    return harmonic


THRESHOLD_METRICS: Final[dict[str, Callable[[Counts, Counts, int, int], Counts]]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "f1": _f1,
}
"""The metrics that a threshold can raise, from hits, yeses said, yeses true and samples."""


def paired_decision(
    metric: str,
    first: Tensor,
    second: Tensor,
    positive: Tensor,
    groups: Tensor | None = None,
) -> Difference:
    """Compare two sets of yes-or-no decisions, yes where a logit is above 0, by such a metric."""

    def measure(logits: Tensor, truth: Tensor) -> float | None:
        positives, total = int(truth.sum()), len(truth)
        if not 0 < positives < total:
            return None
        said = logits > 0
        hits = np.array([int((said & truth).sum())])
        counts = np.array([int(said.sum())])
        return float(THRESHOLD_METRICS[metric](hits, counts, positives, total)[0])

    return paired_difference(measure, first, second, positive, groups=groups)
