"""Tables and lines that the commands print."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from archloom.study import Study
from archloom.trial import State, Trial


def print_rich(thing: Any) -> None:
    """Print to standard output, in full width when it is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(thing)


def leaderboard_table(study: Study, k: int, stage: str | None = None) -> Table:
    """The best k trials, with objectives, costs and choices."""
    objectives = study.objectives
    names = [o.metric for o in objectives]
    extra = [n for n in ("params", "flops") if n not in names]
    shown = [t for t in study.trials(stage) if stage is not None or not t.beside]
    budgets = any(t.budget is not None for t in shown)
    table = Table(title=f"leaderboard ({_count(shown)})", title_justify="left")
    for heading in ("#", "trial", "stage"):
        table.add_column(heading, justify="right" if heading != "stage" else "left")
    for name in [*names, *extra, *(["budget"] if budgets else []), "seconds"]:
        table.add_column(name, justify="right")
    table.add_column("architecture", overflow="fold")
    ranked = [t for t in shown if t.state.scored and names[0] in t.metrics]
    ranked.sort(
        key=lambda t: (
            -t.effort,
            [-o.gain(t.metrics.get(o.metric, math.nan)) for o in objectives],
            t.number,
        )
    )
    front = {t.number for t in study.front(stage=stage)} if ranked and len(names) > 1 else set()
    for rank, trial in enumerate(ranked[:k], start=1):
        table.add_row(
            str(rank),
            f"{trial.number}{' *' if trial.number in front else ''}",
            trial.stage,
            *(number(trial.metrics.get(name)) for name in [*names, *extra]),
            *([f"{trial.effort:.3g}"] if budgets else []),
            f"{trial.seconds:.1f}",
            " ".join(f"{label}={short(value)}" for label, value in trial.architecture.items()),
        )
    if front:
        table.caption = "* no other trial is better in all objectives (Pareto front)"
        table.caption_justify = "left"
    return table


def short(value: Any) -> str:
    """A choice as text, floats to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(trials: Sequence[Trial]) -> str:
    states = Counter(trial.state for trial in trials)
    parts = [f"{states[state]} {state}" for state in State if states[state]]
    return ", ".join(parts) or "no trials yet"


def number(value: float | None) -> str:
    """A metric as text: counts with thousands marks, the rest to four digits."""
    if value is None:
        return "-"
    if float(value).is_integer() and abs(value) >= 2:
        return f"{int(value):,}"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"


def best_line(study: Study) -> str:
    """One line on the winner."""
    note = study.note("best")
    objective = study.objectives[0]
    trial = study[note["trial"]] if note else study.best(objective)
    value = number(trial.metrics[objective.metric])
    return f"best    trial {trial.number} ({trial.stage}), {objective.metric} {value} on validation"


def ensemble_lines(study: Study) -> list[str]:
    """What an ensemble stage chose, a line for each thing that was looked at."""
    note = study.note("ensemble")
    if note is None:
        return []
    pairs = zip(note["members"], note["weights"], strict=True)
    members = ", ".join(f"{member} ({weight:.2f})" for member, weight in pairs)
    scores = ", ".join(f"{name} {number(score)}" for name, score in note["scores"].items())
    return [
        f"chosen  {note['reason']}; trials (weights) {members}",
        f"        on {note['samples']:,} {note['chosen_on']}: {scores}",
        *(f"        {topic}: {text}" for topic, text in note["remarks"].items()),
    ]


def supernet_lines(study: Study) -> list[str]:
    """How far each supernet is, what is pinned in it, and what was found wrong with it."""
    last = {noted.data["stage"]: noted.data for noted in study.notes("one-shot")}
    if not last:
        return []
    from archloom.report import supernet_troubles  # takes a while to import

    lines = [f"{stage}  {_progress(note, study)}" for stage, note in last.items()]
    for begin in study.notes("one-shot-begin"):
        pinned = begin.data["pinned"].items()
        why = begin.data.get("why", {})
        for label, value in pinned:
            reason = f": {why[label].rstrip('.')}" if label in why else ""
            lines.append(f"pinned  {label} to {short(value)}, not searched{reason}")
    return [*lines, *(f"warning {text}" for text in supernet_troubles(study))]


def _progress(note: Mapping[str, Any], study: Study) -> str:
    parts = [f"epoch {note['epoch']}/{note['epochs']}", f"loss {number(note['train_loss'])}"]
    name = study.objectives[0].metric
    if name in note["scores"]:
        parts.append(f"{name} {number(note['scores'][name])}")
    if note["derived"] is not None:
        parts.append(f"entropy {note['entropy']:.2f}")
    return ", ".join(parts)


def test_lines(study: Study) -> list[str]:
    """One line a finalist that was tested."""
    lines = []
    for noted in study.notes("test"):
        scores = ", ".join(f"{k} {number(v)}" for k, v in noted.data["metrics"].items())
        lines.append(f"test    trial {noted.data['trial']}: {scores}")
    return lines


def trial_text(trial: Trial) -> str:
    """Everything about one trial, as JSON text."""
    record = {
        "number": trial.number,
        "stage": trial.stage,
        "state": str(trial.state),
        "seed": trial.seed,
        "epochs": trial.epochs,
        "parent": trial.parent,
        "seconds": round(trial.seconds, 3),
        "metrics": dict(trial.metrics),
        "architecture": trial.architecture.to_json(),
        "curve": [{"step": step, **metrics} for step, metrics in trial.curve],
        "error": trial.error,
    }
    return json.dumps(record, indent=2)
