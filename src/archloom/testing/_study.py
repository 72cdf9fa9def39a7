"""What of a study must be the same when the same search is run again."""

from __future__ import annotations

from typing import Any

from archloom.study import Study


def facts(study: Study) -> list[dict[str, Any]]:
    """Give everything recorded that the clock has no part in, trial by trial, then test results.

    Two runs with the same seed, one of them killed and resumed at will, give equal facts.

    >>> from archloom import Study
    >>> facts(Study())
    []
    """
    trials = [
        {
            "number": trial.number,
            "stage": trial.stage,
            "architecture": trial.architecture.to_json(),
            "seed": trial.seed,
            "state": str(trial.state),
            "epochs": trial.epochs,
            "parent": trial.parent,
            "metrics": dict(trial.metrics),
            "curve": [(step, dict(metrics)) for step, metrics in trial.curve],
        }
        for trial in study.trials()
    ]
    return trials + [{"test": dict(noted.data)} for noted in study.notes("test")]
