"""combine and Repeat: merging, spreads, and what is not run twice."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch

from archloom.errors import ConfigError
from archloom.estimators import Candidate, Cost, Repeat, Train, check_estimator, combine
from archloom.space import Space

Make = Callable[..., Candidate]


def test_metrics_are_merged(candidate: Make) -> None:
    metrics = combine(Train(epochs=1), Cost())(candidate())
    assert {"accuracy", "params", "flops", "epochs"} <= metrics.keys()


def test_one_name_with_two_values_is_refused(candidate: Make) -> None:
    both = combine(lambda c: {"accuracy": 0.5}, lambda c: {"accuracy": 0.6})
    with pytest.raises(ConfigError, match=r"'accuracy' = 0\.5 and 0\.6"):
        both(candidate())


def test_what_is_combined() -> None:
    inner = combine(Train(), Cost())
    assert combine(inner, Cost(latency=True)).estimators == (
        Train(),
        Cost(),
        Cost(latency=True),
    )
    with pytest.raises(ConfigError, match="at least one"):
        combine()
    with pytest.raises(ConfigError, match="got 'train'"):
        combine("train")  # type: ignore[arg-type]
    space = Space(()).joint(**{"train.lrr": [1, 2]})
    with pytest.raises(ConfigError, match="names no training setting"):
        check_estimator(Repeat(combine(Train(), Cost())), space)


def test_a_finished_part_is_not_run_again(candidate: Make, notes: Any) -> None:
    ran: list[str] = []

    def slow(candidate: Candidate) -> dict[str, float]:
        ran.append("slow")
        candidate.report(1, {"a": 1.0})
        return {"a": 1.0}

    def cut(candidate: Candidate) -> dict[str, float]:
        ran.append("cut")
        if ran.count("cut") == 1:
            raise KeyboardInterrupt
        return {"b": 2.0}

    both = combine(slow, cut)
    with pytest.raises(KeyboardInterrupt):
        both(candidate())
    assert both(candidate()) == {"a": 1.0, "b": 2.0}
    assert ran == ["slow", "cut", "cut"]
    assert notes.reports == [(1, {"a": 1.0})] * 2
    both(candidate(seed=9))  # another candidate in the same folder
    assert ran == ["slow", "cut", "cut", "slow", "cut"]


def test_means_and_spreads(candidate: Make) -> None:
    seeds: list[int] = []

    def score(candidate: Candidate) -> dict[str, float]:
        seeds.append(candidate.seed)
        return {"accuracy": [0.5, 0.7, 0.9][len(seeds) - 1]}

    got = Repeat(score, times=3)(candidate())
    assert got == {
        "accuracy": pytest.approx(0.7),
        "accuracy_std": pytest.approx(statistics.stdev([0.5, 0.7, 0.9])),
        "accuracy_seed0": 0.5,
        "accuracy_seed1": 0.7,
        "accuracy_seed2": 0.9,
    }
    assert seeds[0] == 4
    assert len(set(seeds)) == 3


def test_once_is_the_estimator_itself(candidate: Make) -> None:
    plain = Train(epochs=2)(candidate())
    once = Repeat(Train(epochs=2), times=1)(candidate())
    assert {name: once[name] for name in plain} == plain
    assert once["accuracy_std"] == 0.0


def test_steps_go_on_and_the_best_weights_are_kept(candidate: Make, notes: Any) -> None:
    made = candidate()
    metrics = Repeat(Train(epochs=2, fraction=0.3), times=3)(made)
    assert [step for step, _ in notes.reports] == [1, 2, 3, 4, 5, 6]
    singles = [metrics[f"accuracy_seed{n}"] for n in range(3)]
    best = made.files / f"seed{singles.index(max(singles))}" / "weights.pt"
    assert (made.files / "weights.pt").read_bytes() == best.read_bytes()
    assert torch.load(made.files / "weights.pt", weights_only=True)


def test_finished_repeats_are_read(candidate: Make, notes: Any) -> None:
    made = candidate()
    repeat = Repeat(Train(epochs=1), times=2)
    expected = repeat(made)
    result = made.files / "seed0" / "result.json"
    content = json.loads(result.read_text())
    content["metrics"]["accuracy"] = 0.125
    result.write_text(json.dumps(content))
    assert repeat(made)["accuracy_seed0"] == 0.125
    result.write_text("{")  # torn: made again
    assert repeat(made) == expected


@pytest.mark.parametrize("times", [0, 1.5, True])
def test_bad_times(times: Any) -> None:
    with pytest.raises(ConfigError, match="whole number from 1"):
        Repeat(Train(), times=times)
