"""The sections that help to run on: settings and commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from archloom.report._context import Context
from archloom.report._format import plain, text
from archloom.report._html import code, facts, paragraph, section

_SETTINGS = ("stages", "objectives", "constraints", "seed", "device", "limits")


def settings(context: Context) -> str:
    """The settings of the run, to be used again, and why each stage ended."""
    header = context.study.header
    config = header.get("config") or {name: header[name] for name in _SETTINGS if name in header}
    ends = {
        text(noted.data.get("stage")): text(noted.data.get("reason"))
        for noted in context.study.notes("stage-end")
    }
    measured = {
        text(noted.data.get("key")): text(noted.data.get("value"))
        for noted in context.study.notes("measured")
    }
    prints = [
        ("Fingerprint of the space", text(context.header("space", "fingerprint"))),
        ("Fingerprint of the data", text(context.header("task", "fingerprint"))),
    ]
    shown = (
        yaml.safe_dump(_set(plain(config)), sort_keys=False, allow_unicode=True) if config else ""
    )
    parts = [
        code(shown, "Settings as YAML") if shown else paragraph("No settings were recorded."),
        facts([(f"Stage {stage} ended", reason) for stage, reason in ends.items()]),
        facts([(f"Measured: {name}", value) for name, value in measured.items()] + prints),
    ]
    return section("settings", "Settings", *parts)


def _set(data: Any) -> Any:
    """Leave out what is not set: the stages say elsewhere what they took in its place."""
    if isinstance(data, Mapping):
        return {name: _set(value) for name, value in data.items() if value is not None}
    return [_set(value) for value in data] if isinstance(data, list) else data


def commands(context: Context) -> str:
    """What to type to go on."""
    folder = shlex.quote(context.folder)
    lines = [
        f"archloom show {folder}      # the tables of this page, on the terminal",
        f"archloom resume {folder}    # go on: after an interruption, or with --trials for more",
        f"archloom export {folder}    # the best model as files for other programs",
        f"archloom report {folder}    # write this page again",
    ]
    script = (
        "from archloom import Study\n\n"
        f"study = Study.open({context.folder!r})\n"
        "print(study.best().architecture)"
    )
    return section(
        "next", "Go on", code("\n".join(lines), "Commands"), code(script, "The same in Python")
    )
