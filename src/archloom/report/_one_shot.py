"""The section about supernets: what was learned, whether it can be trusted, what went wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archloom.report._context import Context
from archloom.report._format import DASH, architecture_text, number, value_text
from archloom.report._html import Cell, chart, facts, paragraph, section, table
from archloom.report._supernet_charts import (
    MAX_LABELS,
    decidedness,
    figures_of_guards,
    inherited_vs_alone,
    notes_of,
    one_shot_stages,
    probabilities,
    scores_over_epochs,
)
from archloom.study import Study

_DONE = {
    "warn": "",
    "stop": " The search stopped.",
    "switch": " Another method took over.",
}


def one_shot(context: Context) -> str:
    """How each supernet was trained, and what guards and monitor said about it."""
    study = context.study
    return "".join(
        section(f"supernet-{place}", f"Supernet: {stage}", *_parts(study, stage))
        for place, stage in enumerate(one_shot_stages(study))
    )


def supernet_troubles(study: Study) -> list[str]:
    """Give what guards and monitors found wrong, in words; the newest word on each kind.

    >>> supernet_troubles(Study())
    []
    """
    told = [text for stage in one_shot_stages(study) for text in _troubles(study, stage)]
    return told + [noted.data["reason"] for noted in study.notes("collapse")]


def _troubles(study: Study, stage: str) -> list[str]:
    newest: dict[str, str] = {}
    for epoch, verdict in _verdicts(study, stage):
        newest.pop(verdict["kind"], None)
        said = f"Supernet {stage!r}, epoch {epoch}: {verdict['reason']}"
        done = "" if "the search stops" in said else _DONE.get(verdict["action"], "")
        newest[verdict["kind"]] = said + done
    return list(newest.values())


def _verdicts(study: Study, stage: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    notes = [*notes_of(study, "one-shot", stage), *notes_of(study, "monitor", stage)]
    for note in sorted(notes, key=lambda data: int(data["epoch"])):
        for verdict in note.get("verdicts", ()):
            yield note["epoch"], verdict


def _parts(study: Study, stage: str) -> Iterator[str]:
    epochs, checks = notes_of(study, "one-shot", stage), notes_of(study, "monitor", stage)
    metric, last = study.objectives[0].metric, epochs[-1]
    yield from (paragraph(text, "error") for text in _troubles(study, stage))
    yield paragraph(_all_clear(checks))
    yield facts(_facts(study, stage, last))
    yield chart(
        scores_over_epochs(study, stage),
        f"{metric} of the supernet and of derived architectures over epochs",
        "Validation scores. Derived: what the method would answer after that epoch.",
    )
    if checks:
        yield table("Checks of the monitor", _COLUMNS, [_row(check) for check in checks])
        yield from (paragraph(text) for text in checks[-1]["remarks"])
        if len(checks[-1]["panel"]) > 1:
            yield chart(
                inherited_vs_alone(checks[-1]),
                "Inherited scores against short trainings at the last check",
                f"A dot is an architecture, trained alone for {checks[-1]['short']} epochs. The "
                f"supernet ranks well where the dots rise from left to right.",
            )
    yield chart(
        decidedness(study, stage),
        "Entropy and share of skip connections over epochs",
        "Entropy: how undecided the method is, as a share of the largest.",
    )
    for name, figure in figures_of_guards(study, stage):
        yield chart(figure, f"{name} over epochs", f"What the guard of {name} measured.")
    if last["alphas"]:
        yield _drawn_probabilities(study, stage, len(last["alphas"]))


def _drawn_probabilities(study: Study, stage: str, count: int) -> str:
    cut = f" Drawn: the first {MAX_LABELS} of {count:,} choices." if count > MAX_LABELS else ""
    caption = (
        "How likely each option is, by choice; for a choice of inputs, how likely each is among "
        "the chosen. Vermilion lines are skip connections, grey ones nothing." + cut
    )
    label = f"Probabilities of the options of {min(count, MAX_LABELS)} choices over epochs"
    return chart(probabilities(study, stage), label, caption)


def _all_clear(checks: Sequence[Mapping[str, Any]]) -> str:
    if not checks:
        return (
            "No monitor compared this supernet's scores with trained networks, so nothing here "
            "says whether they can be trusted."
        )
    clear = [str(check["epoch"]) for check in checks if not check["verdicts"]]
    if not clear:
        return ""
    if not any(check["panel"] for check in checks):
        looked = "The monitor looked at skip connections only, and found nothing wrong"
    else:
        looked = "The monitor found nothing wrong"
    return f"{looked} after epoch {', '.join(clear)}."


def _facts(study: Study, stage: str, last: Mapping[str, Any]) -> list[tuple[str, str]]:
    stages = study.header.get("stages") or []
    described: Mapping[str, Any] = next((one for one in stages if one.get("name") == stage), {})
    gates = described.get("gates") or {}
    begin = next(iter(notes_of(study, "one-shot-begin", stage)), {})
    pinned = begin.get("pinned") or {}
    derived = last["derived"]
    settings = ", ".join(f"{k}={v}" for k, v in gates.items() if k != "name")
    recipe = begin.get("recipe") or {}
    return [
        ("Method", f"{gates.get('name', '')}{f' ({settings})' if settings else ''}"),
        ("Epochs", f"{last['epoch']} of {last.get('epochs', last['epoch'])}"),
        ("Trained by", ", ".join(f"{k}={value_text(v)}" for k, v in recipe.items())),
        ("Pinned", architecture_text(pinned)),
        ("Derived", architecture_text(derived) if derived else ""),
    ]


_COLUMNS = [
    "Epoch",
    "Supernet",
    "Derived, inherited",
    "Derived, alone",
    "Random, alone",
    "Gap",
    "Spearman (p)",
    "Kendall",
    "Probabilities",
    "Params",
    "FLOPs",
    "Idle",
]


def _row(check: Mapping[str, Any]) -> list[Cell | str]:
    derived = check["derived"] or {}
    alone = [one["alone"] for one in check["panel"] if one["alone"] is not None]
    supernet, inherited = check["supernet"], derived.get("inherited")
    known = supernet is not None and inherited is not None
    found = check["rankings"].get("inherited")
    ranks = f"{found['spearman']:.2f} ({found['p']:.2g})" if found else DASH
    return [
        str(check["epoch"]),
        _cell(supernet),
        _cell(inherited),
        _cell(derived.get("alone")),
        _cell(sum(alone) / len(alone) if alone else None),
        _cell(supernet - inherited if known else None),
        Cell(ranks, found["spearman"] if found else math.nan),
        _cell(found["kendall"] if found else None),
        *(_cell(_spearman(check, name)) for name in ("likely", "params", "flops")),
        _cell(check["share"]),
    ]


def _cell(value: float | None) -> Cell:
    return Cell(number(value), math.nan if value is None else value)


def _spearman(check: Mapping[str, Any], name: str) -> float | None:
    found = check["rankings"].get(name)
    return None if found is None else found["spearman"]
