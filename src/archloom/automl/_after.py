"""What a fitted door gives besides predictions: a leaderboard, files, its settings as YAML."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from archloom.automl._file import ModelFile
from archloom.config import SearchConfig
from archloom.errors import ConfigError, did_you_mean
from archloom.export import export_model
from archloom.study import Study
from archloom.trial import Trial

_FORMATS = ("pt", "pt2", "onnx")


def leaderboard_rows(study: Study) -> Any:
    """Give a row for each scored trial, best first; a pandas frame where pandas is there."""
    goals = study.objectives
    scored = [t for t in study.trials() if t.state.scored and goals[0].metric in t.metrics]

    def losses(trial: Trial) -> list[float]:
        return [-goal.gain(trial.metrics.get(goal.metric, math.nan)) for goal in goals]

    scored.sort(key=lambda trial: (losses(trial), trial.number))
    rows = [
        {
            "rank": rank,
            "trial": trial.number,
            "stage": trial.stage,
            **trial.metrics,
            "seconds": round(trial.seconds, 2),
            **dict(trial.architecture),
        }
        for rank, trial in enumerate(scored, start=1)
    ]
    if find_spec("pandas") is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows)


def export_door(door: Any, path: Path, format: str | None) -> Path:
    """Write the door's model; a `.pt` file carries what predicting from files needs."""
    kind = format or path.suffix.removeprefix(".")
    if kind not in _FORMATS:
        raise ConfigError(f"There is no export format {kind!r}: {did_you_mean(kind, _FORMATS)}.")
    if path.suffix != f".{kind}":
        path = path.with_name(f"{path.name}.{kind}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pt":
        ModelFile(
            door.model_,
            door._task_kind,
            door.encoder_,
            door._answers,
            door.target_,
            door.threshold_,
            door.source_,
        ).save(path)
        return path
    return export_model(door.model_, door._example, path, outputs=door.target_)[0]


def settings_text(door: Any) -> str:
    """Give the settings of a fit as YAML for `archloom search`."""
    settings = {k: v for k, v in door.settings_.items() if _said(k, v)}
    where = door.source_
    if where is None:
        head = "".join(f"# {line}\n" for line in door._advice)
    else:
        head = yaml.safe_dump({"data": where}, sort_keys=False, default_flow_style=None)
    return head + yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100)


def _said(name: str, value: Any) -> bool:
    """Whether a setting must be written: it is not what stands there without it."""
    field = SearchConfig.model_fields[name]
    return value is not None and value != field.get_default(call_default_factory=True)
