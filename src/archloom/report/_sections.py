"""The sections of the page about the trials: leaderboard, charts, failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from archloom.report._context import Context
from archloom.report._costs import COSTS, cost_vs_score, costs
from archloom.report._curves import (
    MAX_CURVES,
    best_so_far,
    curved_trials,
    learning_curves,
    reported_metric,
)
from archloom.report._figure import MAX_DOTS
from archloom.report._format import architecture_text, duration, number
from archloom.report._html import Cell, chart, details, paragraph, section, table
from archloom.report._table import Row, failures
from archloom.trial import State

MAX_ROWS = 200
MAX_FAILURES = 50


def ranking(context: Context) -> str:
    """The leaderboard, sortable by each column."""
    rows = context.rows[:MAX_ROWS]
    if not rows:
        return section("leaderboard", "Leaderboard", paragraph("No trial is scored yet."))
    scores = list(rows[0].scores)
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    dear = [name for name in COSTS if name in metrics]
    others = [name for name in metrics if name not in dear]
    tested = list(dict.fromkeys(name for row in rows for name in row.test))
    tested = [name for name in scores if name in tested] or tested[:1]
    names = [*scores, *(f"test {name}" for name in tested), *dear]
    columns = ["Rank", "Trial", "Stage", "State", *names, "Time", "Architecture", *others]
    cut = f" The best {MAX_ROWS} of {len(context.rows):,} trials are listed."
    caption = (
        "Scored trials, best first by validation data; click a heading to sort."
        + (cut if len(rows) < len(context.rows) else "")
        + (" Test columns have a number for finalists only." if tested else "")
    )
    body = [_cells(row, scores, tested, dear, others) for row in rows]
    return section("leaderboard", "Leaderboard", table(caption, columns, body, sortable=True))


def _cells(
    row: Row,
    scores: Sequence[str],
    tested: Sequence[str],
    dear: Sequence[str],
    others: Sequence[str],
) -> list[Cell | str]:
    shown = architecture_text(row.architecture)
    return [
        Cell(str(row.rank), row.rank),
        Cell(str(row.number), row.number),
        row.stage,
        row.state.value,
        *_numbers(row.scores, scores),
        *_numbers(row.test, tested),
        *_numbers(row.metrics, dear),
        Cell(duration(row.seconds), row.seconds),
        Cell(shown if len(shown) <= 90 else f"{shown[:89]}…", title=shown),
        *_numbers(row.metrics, others),
    ]


def _numbers(values: Mapping[str, float], names: Sequence[str]) -> list[Cell]:
    found = [values.get(name, math.nan) for name in names]
    return [Cell(number(value), value) for value in found]


def learning(context: Context) -> str:
    """What the trials reported while they trained."""
    study = context.study
    metric = reported_metric(study)
    if metric is None:
        text = "No trial reported metrics while it trained."
        return section("learning", "Learning curves", paragraph(text))
    count = len(curved_trials(study, metric))
    stages = len({trial.stage for trial in study.trials()})
    cut = count > MAX_CURVES and f" Drawn: the best {MAX_CURVES} of each stage, of {count:,}."
    caption = "A line is a trial; the best one of each stage is bold." + (cut or "")
    label = f"Learning curves of {min(count, MAX_CURVES * stages)} trials: {metric} over epochs"
    figure = learning_curves(study, metric)
    return section("learning", "Learning curves", chart(figure, label, caption))


def progress(context: Context) -> str:
    """The best score so far, by trial and by time."""
    if not context.rows:
        return ""
    study = context.study
    name = study.objectives[0].metric
    remark = (
        "A dot is a trial, the line is the best so far. The best of many is flattered by chance: "
        "only test data tell how good it is." + _thinning(len(context.rows))
    )
    return section(
        "progress",
        "Best so far",
        chart(best_so_far(study), f"Best {name} so far over trials", remark),
        chart(best_so_far(study, "time"), f"Best {name} so far over the time spent in trials"),
    )


def _thinning(count: int) -> str:
    return f" Of {count:,} dots, about {MAX_DOTS:,} evenly chosen ones are drawn." * (
        count > MAX_DOTS
    )


def price(context: Context) -> str:
    """Score against what it costs."""
    found = costs(context.study)[:2]
    if not found:
        return ""
    objective = context.study.objectives[0].metric
    charts = [
        chart(
            cost_vs_score(context.study, cost),
            f"{objective} against {cost}, with the trials that no other beats in both",
            "Circles joined by the line: no other trial is better in both."
            + _thinning(len(context.rows)),
        )
        for cost in found
    ]
    return section("cost", "Cost and score", *charts)


def errors(context: Context) -> str:
    """What went wrong, in the words of the error."""
    failed = failures(context.study)
    rejected = context.study.trials(None, State.REJECTED)
    if not failed and not rejected:
        return ""
    parts = [
        details(
            f"Trial {trial.number} ({trial.stage}): {_first_line(trial.error)}",
            f"{paragraph(architecture_text(trial.architecture))}"
            f"{paragraph(trial.error or 'No text was recorded.', 'error')}",
        )
        for trial in failed[-MAX_FAILURES:]
    ]
    if len(failed) > MAX_FAILURES:
        parts.insert(0, paragraph(f"The last {MAX_FAILURES} of {len(failed):,} failed trials."))
    if rejected:
        reasons = Counter(trial.error or "no reason recorded" for trial in rejected)
        body = [(reason, Cell(f"{n:,}", n)) for reason, n in reasons.most_common(20)]
        parts.append(table("Rejected before training", ["Reason", "Trials"], body))
    return section("failures", "Failed and rejected trials", *parts)


def _first_line(error: str | None) -> str:
    """The line of a traceback that says most: the last one, else the first."""
    lines = [line for line in (error or "no text was recorded").splitlines() if line.strip()]
    return lines[-1 if "Traceback" in lines[0] else 0][:160]
