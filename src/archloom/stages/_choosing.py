"""What an ensemble stage notes: a choice, how it scores and what it costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from torch import Tensor

from archloom.ensemble import (
    PLAIN,
    Choice,
    Library,
    choose_members,
    choose_temperature,
    choose_threshold,
    choose_views,
    combine_outputs,
    find_leaves,
    view_options,
)
from archloom.stages._constraints import cost_of
from archloom.stages._lab import Lab
from archloom.stages._predicted import Predicted
from archloom.trial import Trial

Switch: TypeAlias = "bool | Literal['auto']"

_COSTS = ("params", "flops", "memory", "latency_ms", "latency_ms_p90")


@dataclass(frozen=True)
class Settings:
    """What may be chosen; see `Ensemble`."""

    rounds: int = 50
    tta: Switch = "auto"
    temperature: Switch = "auto"
    threshold: float | Literal["auto"] | None = "auto"


def choose(lab: Lab, candidates: list[Trial], settings: Settings) -> dict[str, Any]:
    """Choose what to predict with, from the best candidate down, and give it as JSON data."""
    began = time.monotonic()
    predicted = Predicted(lab, candidates)
    whole = predicted.library()
    choice = _affordable(lab, choose_members(whole, settings.rounds, lab.seed), whole)
    choice, outputs, judged = _with_views(lab, predicted, choice, settings.tta)
    if settings.temperature is not False:
        forced = settings.temperature is True
        choice = choose_temperature(choice, outputs, judged, force=forced)
    choice = choose_threshold(choice, outputs, judged, settings.threshold, lab.seed)
    metrics = lab.task.score(choice.finished(outputs), judged.targets)
    return {
        "candidates": [trial.number for trial in candidates],
        "used": not choice.plain,
        "reason": _reason(choice),
        "samples": len(predicted.rows),
        "chosen_on": "out-of-fold predictions" if predicted.crossed else "validation samples",
        **choice.to_json(),
        "metrics": {**metrics, **_costs(lab, choice, metrics)},
        "seconds": round(time.monotonic() - began, 3),
    }


def _with_views(
    lab: Lab, predicted: Predicted, choice: Choice, tta: Switch
) -> tuple[Choice, Tensor, Library]:
    """Try the views; give the outputs chosen, and the library that they are judged by."""
    whole = predicted.library()
    known = dict(zip(whole.numbers, whole.outputs, strict=True))
    members = [known[number] for number in choice.members]
    outputs = combine_outputs(members, choice.weights, predicted.parts)
    if tta is False:
        return choice, outputs, whole
    options, remark = _view_options(lab, choice)
    if remark:
        return replace(choice, remarks={**choice.remarks, "tta": remark}), outputs, whole
    places = predicted.some()
    part = predicted.library(places)

    def seen(number: int, views: tuple[str, ...]) -> dict[str, Tensor]:
        others = tuple(view for view in views if view != PLAIN)
        found = predicted.seen(number, others, places) if others else {}
        return {PLAIN: known[number][places], **found}

    found, viewed = choose_views(choice, part, options, seen, force=tta is True)
    if found.views == choice.views:
        return found, outputs, whole
    return found, viewed, part


def _view_options(lab: Lab, choice: Choice) -> tuple[dict[str, tuple[str, ...]], str]:
    """Give the views that may be tried, and why there are none where there are none."""
    inputs = lab.task.train.inputs
    images = isinstance(inputs, Tensor) and inputs.ndim >= 4
    options = view_options(lab.task.augment_ops, lab.task.shape) if images else {}
    if not options:
        return {}, "not used; the task allows no flips, turns or shifts of images"
    if lab.seconds_left() <= 0:
        return {}, "not used; the time is up"
    allowed = {name: v for name, v in options.items() if not _broken(lab, choice, len(v))}
    broken = next((_broken(lab, choice, len(v)) for v in options.values()), "")
    return allowed, "" if allowed else f"not used; more views break {broken}"


def _affordable(lab: Lab, choice: Choice, library: Library) -> Choice:
    """Give the choice, or the best candidate alone where all members break a constraint."""
    broken = _broken(lab, choice, 1) if len(choice.members) > 1 else ""
    if not broken:
        return choice
    best = library.numbers[0]
    remarks = {**choice.remarks, "ensemble": f"not used; all members together break {broken}"}
    return replace(choice, members=(best,), weights=(1.0,), remarks=remarks)


def _broken(lab: Lab, choice: Choice, views: int) -> str:
    """Name the constraints that all networks of a choice together break, each seeing the views."""
    if not lab.constraints:
        return ""
    total: dict[str, float] = {}
    for number in choice.members:
        trial = lab.study[number]
        networks = len(find_leaves(trial.architecture, lab.files(trial)))
        for name, value in cost_of(lab, trial.architecture).items():
            times = 1 if name == "params" else views
            more = value * networks * times
            before = total.get(name, 0.0)  # networks run one after another
            total[name] = max(before, value) if name == "memory" else before + more
    return ", ".join(str(limit) for limit in lab.constraints if not limit.holds(total))


def _costs(lab: Lab, choice: Choice, scored: Mapping[str, float]) -> dict[str, float]:
    """Give what all members cost together, and the mean of objectives that are measured else."""
    trials = [lab.study[number] for number in choice.members]
    found: dict[str, float] = {}
    for name in _COSTS:
        if all(name in trial.metrics for trial in trials):
            views = 1 if name == "params" else len(choice.views)
            networks = [len(find_leaves(t.architecture, lab.files(t))) for t in trials]
            costs = [t.metrics[name] * n for t, n in zip(trials, networks, strict=True)]
            peak = max(t.metrics[name] for t in trials)
            found[name] = peak if name == "memory" else sum(costs) * views
    for objective in lab.objectives:
        if objective.metric not in found and objective.metric not in scored:
            values = [trial.metrics[objective.metric] for trial in trials]
            weighted = zip(values, choice.weights, strict=True)
            found[objective.metric] = sum(value * weight for value, weight in weighted)
    return found


def _reason(choice: Choice) -> str:
    if choice.plain:
        return "the best single model is used as it is"
    count = len(choice.members)
    parts = ["the best single model" if count == 1 else f"an ensemble of {count} trials"]
    if choice.views != (PLAIN,):
        parts.append(f"test-time augmentation with {len(choice.views)} views")
    if choice.temperature != 1.0:
        parts.append(f"temperature {choice.temperature:.3g}")
    if choice.threshold is not None:
        parts.append("a decision threshold")
    return ", ".join(parts)
