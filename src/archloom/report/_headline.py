"""The section on top: how well, how many, how long."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from archloom.report._context import Context
from archloom.report._format import DASH, duration, number, text
from archloom.report._html import facts, paragraph, section, tiles
from archloom.report._one_shot import supernet_troubles
from archloom.report._table import tests
from archloom.trial import State


def headline(context: Context) -> str:
    """How well, how many, how long; and what was searched on what."""
    troubles = [paragraph(text, "error") for text in supernet_troubles(context.study)]
    parts = [tiles(_tiles(context)), *troubles, facts(_facts(context))]
    return section("summary", "Summary", *parts)


def _tiles(context: Context) -> list[tuple[str, str, str]]:
    study, best = context.study, context.winner
    objective = study.objectives[0]
    found = []
    if best is not None:
        score = number(best.metrics.get(objective.metric, math.nan))
        found.append((f"Best {objective.metric}", score, f"validation, trial {best.number}"))
        test = tests(study).get(best.number, {})
        name = objective.metric if objective.metric in test else next(iter(test), None)
        if name is not None:
            found.append((f"Test {name}", number(test[name]), "opened once, at the end"))
    else:
        found.append((f"Best {objective.metric}", DASH, "no trial is scored yet"))
    states = Counter(trial.state for trial in study.trials())
    others = [f"{states[s]} {s}" for s in State if s is not State.DONE and states[s]]
    found.append(("Trials done", f"{states[State.DONE]:,}", ", ".join(others) or "none failed"))
    found.append(("Time in trials", duration(study.seconds), _per_trial(context)))
    return found


def _per_trial(context: Context) -> str:
    times = sorted(trial.seconds for trial in context.study.trials() if trial.state.scored)
    return f"median {duration(times[len(times) // 2])} a trial" if times else ""


def _facts(context: Context) -> list[tuple[str, str]]:
    header = context.header
    sizes = [(name, header("task", name)) for name in ("train", "valid", "test")]
    split = ", ".join(f"{size:,} {name}" for name, size in sizes if isinstance(size, int))
    space = header("space", "size")
    points = f"{space:,} architectures" if isinstance(space, int) else ""
    versions = header("versions") or {}
    machine = header("machine") or {}
    return [
        ("Objectives", _listed([str(objective) for objective in context.study.objectives])),
        ("Constraints", _listed(header("constraints"))),
        ("Data", _listed([header("task", "name"), split])),
        ("Input", _listed([_shape(header("task", "shape")), _target(context)])),
        ("Space", _listed([header("space", "name"), points])),
        ("Stages", _listed([stage.get("name") for stage in header("stages") or []], " → ")),
        ("Seed", text(header("seed"))),
        ("Versions", _listed([f"{name} {version}" for name, version in versions.items()])),
        ("Machine", _listed([f"{name}: {value}" for name, value in machine.items()])),
    ]


def _shape(shape: Any) -> str:
    if isinstance(shape, Mapping):
        return ", ".join(f"{name}: {_shape(one)}" for name, one in shape.items())
    if isinstance(shape, list | tuple) and any(isinstance(one, list | tuple) for one in shape):
        return ", ".join(_shape(one) for one in shape)
    return " × ".join(map(str, shape)) if isinstance(shape, list | tuple) else text(shape)


def _target(context: Context) -> str:
    """Say what is predicted: `10 classes`, `14 labels`, `1 number`, `3 targets`."""
    target = context.header("task", "target")
    kind = target.get("kind") if isinstance(target, Mapping) else None
    parts = target.get("parts", ()) if kind == "mixed" else ()
    count = len(parts) or context.header("task", "classes")
    if not count:
        return ""
    word = {"labels": "label", "numbers": "number", "mixed": "target"}.get(str(kind), "class")
    plural = f"{word}es" if word == "class" else f"{word}s"
    return f"{count} {word if count == 1 else plural}"


def _listed(values: Sequence[Any] | None, separator: str = ", ") -> str:
    return separator.join(shown for value in values or () if (shown := text(value)))
