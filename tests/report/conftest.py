"""Made-up studies for the reports."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from archloom import Architecture, State, Study
from archloom.journal import Event, Finished, Noted, Reported, Started

HEADER: Mapping[str, Any] = {
    "title": "small_cnn on digits",
    "space": {"name": "small_cnn", "settings": {}, "fingerprint": "ab12", "size": 78},
    "task": {
        "name": "digits",
        "train": 1149,
        "valid": 288,
        "test": 360,
        "shape": [1, 8, 8],
        "classes": 3,
        "fingerprint": "cd34",
    },
    "objectives": ["max accuracy"],
    "constraints": ["params <= 100000"],
    "stages": [{"name": "search", "kind": "BlackBox"}, {"name": "retrain", "kind": "Retrain"}],
    "seed": 11,
    "versions": {"archloom": "0.1.0", "torch": "2.13.0"},
    "machine": {"threads": 2},
}


def search(trials: int, header: Mapping[str, Any] = HEADER, stage: str = "search") -> list[Event]:
    """Every 7th trial fails, every 9th is rejected, one accuracy is NaN, the last one runs."""
    rng = random.Random(0)
    events: list[Event] = [Noted("experiment", header)]
    for number in range(trials):
        width = rng.choice([16, 32])
        architecture = Architecture({"width": width, "op": rng.choice(["conv3", "skip"])})
        events.append(Started(number, stage, architecture, number, epochs=2, time=1.7e9))
        if number % 7 == 6:
            error = "Diverged: the loss became NaN. Lower lr."
            events.append(Finished(number, State.FAILED, {}, 0.5, error))
            continue
        if number % 9 == 8:
            cost = {"params": 2e5}
            events.append(Finished(number, State.REJECTED, cost, error="breaks params <= 100000"))
            continue
        accuracy = math.nan if number == 3 else rng.random()
        for epoch in (1, 2):
            metrics = {"accuracy": accuracy * epoch / 2, "loss": 1 / epoch}
            events.append(Reported(number, epoch, metrics, float(epoch)))
        if number == trials - 1:
            break
        metrics = {"accuracy": accuracy, "loss": 0.5, "params": width * 10.0 + number}
        events.append(Finished(number, State.DONE, metrics, 2.5))
    return events


def finals(first: int) -> list[Event]:
    """Two retrained trials, tested."""
    events: list[Event] = []
    for number, accuracy in ((first, 0.99), (first + 1, 0.98)):
        architecture = Architecture({"width": 32, "op": f"conv{number}"})
        events += [
            Started(number, "retrain", architecture, 0, parent=0),
            Reported(number, 1, {"accuracy": accuracy}),
            Finished(number, State.DONE, {"accuracy": accuracy, "params": 500.0}, 9.0),
            Noted("test-access", {"trial": number, "architecture": architecture.to_json()}, 1.7e9),
            Noted(
                "test",
                {
                    "trial": number,
                    "size": 100,
                    "metrics": {"accuracy": 1.94 - accuracy, "auc": 0.875},
                    "confusion": [[30, 2, 1], [0, 33, 0], [3, 0, 31]],
                    "classes": ["cat", "dog", "owl"],
                },
            ),
        ]
    return [*events, Noted("best", {"trial": first, "folder": "best"})]


def whole_study(trials: int = 30) -> Study:
    """A search with all that can happen, then a retraining and a test."""
    events = search(trials)
    return Study.of([*events, *finals(trials)])
