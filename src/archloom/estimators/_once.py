"""Run a part of an evaluation once: after a restart its result is read, not made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from archloom.estimators._base import Candidate, Estimator, checked_metrics
from archloom.estimators._describe import describe
from archloom.train import write_atomically


def run_once(estimator: Estimator, candidate: Candidate, path: Path) -> dict[str, float]:
    """Give the estimator's metrics, read from `path` where an earlier run left them.

    What was reported then is reported again.
    """
    key = _key(estimator, candidate)
    saved = _read(path, key)
    if saved is not None:
        for step, metrics in saved["reports"]:
            candidate.report(step, metrics)
        return dict(saved["metrics"])
    reports: list[tuple[int, dict[str, float]]] = []

    def report(step: int, metrics: Mapping[str, float]) -> None:
        reports.append((step, checked_metrics(metrics)))
        candidate.report(step, metrics)

    metrics = checked_metrics(estimator(replace(candidate, report=report)))
    content = {"key": key, "metrics": metrics, "reports": reports}
    write_atomically(path, json.dumps(content).encode())
    return metrics


def _read(path: Path, key: str) -> dict[str, Any] | None:
    try:
        saved = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return saved if isinstance(saved, dict) and saved.get("key") == key else None


def _key(estimator: Estimator, candidate: Candidate) -> str:
    parts = (
        describe(estimator),
        candidate.architecture.key,
        candidate.seed,
        candidate.epochs,
        candidate.budget,
        candidate.task.fingerprint,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
