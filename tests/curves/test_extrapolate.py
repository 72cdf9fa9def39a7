"""Extrapolated learning curves, on formulas and on curves of NATS-Bench."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.curves import DRIFT, FAMILIES, Forecast, extrapolate
from archloom.errors import ConfigError

RECORDED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
FILE = RECORDED / "nats_bench_tss_examples.json.gz"

# the formulas of Domhan et al. 2015, table 1, with plausible parameters
PAPER: dict[str, Callable[[float], float]] = {
    "vapor pressure": lambda x: math.exp(-0.3 - 1.5 / x + 0.02 * math.log(x)),
    "pow3": lambda x: 0.85 - 0.5 * x**-0.9,
    "log log linear": lambda x: math.log(0.25 * math.log(x) + 1.3),
    "Hill3": lambda x: 0.9 * x**1.2 / (3.0**1.2 + x**1.2),
    "log power": lambda x: 0.9 / (1 + (x / math.exp(1.0)) ** -1.1),
    "pow4": lambda x: 0.9 - (0.8 * x + 1.5) ** -1.2,
    "MMF": lambda x: 0.9 - (0.9 - 0.1) / (1 + (0.4 * x) ** 1.3),
    "exp4": lambda x: 0.9 - math.exp(-0.4 * x**0.7 - 0.2),
    "Janoschek": lambda x: 0.9 - (0.9 - 0.2) * math.exp(-0.3 * x**0.8),
    "Weibull": lambda x: 0.9 - (0.9 - 0.2) * math.exp(-((0.3 * x) ** 0.8)),
    "ilog2": lambda x: 0.95 - 0.5 / math.log(x + 1),
}


@pytest.mark.parametrize("name", PAPER)
def test_every_formula_of_the_paper_is_followed(name: str) -> None:
    curve = PAPER[name]
    steps = range(1, 21)
    values = [curve(step) for step in steps]
    forecast = extrapolate(list(steps), values, 60, drift=0)
    rise = values[-1] - values[0]
    left = curve(60) - values[-1]
    assert abs(forecast.mean - curve(60)) < max(0.3 * abs(left), 0.05 * rise)
    assert abs(forecast.mean - curve(60)) < 3 * forecast.std


@pytest.mark.parametrize("name", PAPER)
def test_losses_are_accuracies_upside_down_in_other_units(name: str) -> None:
    steps = [1, 2, 4, 5, 7, 10]
    values = [PAPER[name](step) for step in steps]
    up = extrapolate(steps, values, 30)
    down = extrapolate(steps, [5.0 - 40.0 * value for value in values], 30)
    assert down.mean == pytest.approx(5.0 - 40.0 * up.mean)
    assert down.std == pytest.approx(40.0 * up.std)


def test_with_noise_the_truth_lies_within_the_spread() -> None:
    rng = np.random.default_rng(0)
    misses = []
    for _ in range(200):
        end, rate = rng.uniform(0.6, 0.95), rng.uniform(0.4, 1.2)
        steps = np.arange(1, 16)
        clean = end - 0.5 * np.append(steps, 50.0) ** -rate
        noisy = clean + rng.normal(0, 0.02, 16)
        forecast = extrapolate(list(steps), list(noisy[:-1]), 50, drift=0)
        misses.append((noisy[-1] - forecast.mean) / forecast.std)
    inside = np.mean(np.abs(misses) < 1.645)
    assert 0.8 < inside <= 1.0
    assert abs(np.mean(misses)) < 0.4, "neither high nor low on the whole"


def test_further_away_is_less_sure_and_here_is_sure() -> None:
    steps = list(range(1, 11))
    values = [0.8 - 0.4 / step for step in steps]
    spreads = [extrapolate(steps, values, at).std for at in (10, 20, 100, 1000)]
    assert spreads == sorted(spreads)
    assert extrapolate(steps, values, 10).mean == pytest.approx(values[-1], abs=0.01)
    assert extrapolate(steps, values, 10) == extrapolate(steps, values, 10, drift=0)


def test_a_flat_curve_stays_where_it_is() -> None:
    forecast = extrapolate([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1], 100)
    assert forecast.mean == pytest.approx(0.1, abs=1e-3)
    assert forecast.std < 0.01
    zero = extrapolate([1, 2, 3], [0.0, 0.0, 0.0], 10)
    assert math.isfinite(zero.mean)
    assert abs(zero.mean) < 1e-9


def test_steps_need_not_be_next_to_each_other() -> None:
    curve = PAPER["pow3"]
    steps = [1, 3, 7, 8, 15, 29]
    forecast = extrapolate(steps, [curve(step) for step in steps], 60, drift=0)
    assert forecast.mean == pytest.approx(curve(60), abs=0.02)


def test_the_chance_is_that_of_a_normal_distribution() -> None:
    assert Forecast(0.5, 0.1).chance_above(0.5 + 0.1 * 1.6448536) == pytest.approx(0.05)
    assert Forecast(0.5, 0.1).chance_above(0.4) == pytest.approx(0.8413447)
    assert Forecast(0.5, 0.0).chance_above(0.4) == 1.0
    assert Forecast(0.5, 0.0).chance_above(0.5) == 0.0


@pytest.mark.parametrize("name", FAMILIES)
def test_the_shapes_of_a_family_are_finite_and_monotone(name: str) -> None:
    steps = np.arange(1.0, 51.0)
    table = FAMILIES[name].table(steps, 200.0)
    assert table.ndim == 2
    assert table.shape[1] == 50
    assert np.isfinite(table).all()
    changes = np.diff(table, axis=1)
    rises, falls = (changes >= -1e-12).all(1), (changes <= 1e-12).all(1)
    if name == "vapor_pressure":
        assert (rises | falls).any(), "this one may rise and fall"
    else:
        assert rises.all()


@pytest.mark.parametrize(
    ("steps", "values", "at", "words"),
    [
        ([1, 2], [0.1, 0.2], 5, "at least 3 steps"),
        ([1, 2, 3], [0.1, 0.2], 5, "2 values"),
        ([1, 2, 3], [0.1, math.nan, 0.2], 5, "must be finite"),
        ([1, 3, 2], [0.1, 0.2, 0.3], 5, "ascend from 1"),
        ([0, 1, 2], [0.1, 0.2, 0.3], 5, "ascend from 1"),
        ([1, 2, 3], [0.1, 0.2, 0.3], 2, "from 3 on, got 2"),
        ([1, 2, 3], [0.1, 0.2, 0.3], math.inf, "got inf"),
    ],
)
def test_points_that_make_no_curve(
    steps: list[float], values: list[float], at: float, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        extrapolate(steps, values, at)


# -- recorded curves ---------------------------------------------------------------------------


def recorded() -> list[list[float]]:
    """Give every curve of the file: 12 or 200 epochs, four data sets, losses and accuracies."""
    with gzip.open(FILE) as file:
        content: dict[str, Any] = json.load(file)
    curves: list[list[float]] = []
    for architecture in content.values():
        for schedule in ("12", "200"):
            for seeds in architecture[schedule].values():
                for run in seeds.values():
                    parts = [run["train_acc"], run["train_loss"]]
                    parts += [_values(part) for part in run["eval_acc"].values()]
                    curves += [part for part in parts if len(part) >= 12]
    return curves


def _values(part: Any) -> list[float]:
    return [float(v) for v in (part.values() if isinstance(part, dict) else part)]


@pytest.mark.skipif(not FILE.is_file(), reason="the file of recorded curves is not here")
def test_on_recorded_curves_the_spread_is_right_and_the_mean_beats_the_last_value() -> None:
    misses, ours, last = [], [], []
    curves = recorded()
    assert len(curves) == 171
    for curve in curves:
        for share in (0.3, 0.5, 0.75):
            seen = curve[: max(4, int(len(curve) * share))]
            forecast = extrapolate(list(range(1, len(seen) + 1)), seen, len(curve))
            scale = max(seen) - min(seen)
            misses.append(abs(curve[-1] - forecast.mean) / forecast.std)
            ours.append(abs(curve[-1] - forecast.mean) / scale)
            last.append(abs(curve[-1] - seen[-1]) / scale)
    assert DRIFT == 0.55
    assert 0.87 < np.mean(np.array(misses) < 1.645) < 0.95, "of 90 % intervals"
    assert np.median(ours) < 0.75 * np.median(last)


@pytest.mark.skipif(not FILE.is_file(), reason="the file of recorded curves is not here")
def test_on_recorded_curves_forecasts_rank_like_the_end() -> None:
    """Three architectures: which one ends best on a data set is seen at half of the way."""
    with gzip.open(FILE) as file:
        content: dict[str, Any] = json.load(file)
    right = total = 0
    for data in ("cifar10", "cifar100", "ImageNet16-120"):
        for seed in ("777", "888", "999"):
            curves = [a["200"][data][seed]["train_acc"] for a in content.values()]
            steps = list(range(1, 101))
            means = [extrapolate(steps, curve[:100], 200).mean for curve in curves]
            total += 1
            right += int(np.argmax(means) == np.argmax([curve[-1] for curve in curves]))
    assert right / total > 2 / 3
