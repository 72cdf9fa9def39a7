"""Entry: a strategy that takes part in a comparison, and how the command line writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from archloom.errors import ConfigError
from archloom.strategies import Strategy, made

_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)\s*[:=]\s*")
_OPEN, _CLOSE = "{[(", "}])"


@dataclass(frozen=True)
class Entry:
    """A strategy by its name and settings, and what results call it.

    >>> Entry("small", {"name": "evolution", "population": 8, "sample": 3}).strategy().population
    8
    """

    label: str
    spec: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.spec.get("seed") is not None:
            raise ConfigError(
                f"A comparison gives every strategy its seeds itself, {self.label!r} has "
                f"seed={self.spec['seed']!r}: leave it out."
            )

    def strategy(self) -> Strategy:
        """Give the strategy anew. Raises `ConfigError` for an unknown name or setting."""
        return made(self.spec)


def parse_entries(text: str) -> tuple[Entry, ...]:
    """Read strategies as the command line has them: names, with settings in braces.

    Raises:
        ConfigError: for text that does not read so, or a strategy that stands twice.

    >>> [entry.label for entry in parse_entries("random, evolution{population:20,sample:10}")]
    ['random', 'evolution{population:20,sample:10}']
    """
    return _distinct(tuple(_parse(part) for part in _split(text) if part))


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read strategies from a YAML file: a list of names and of `{name: ..., SETTING: ...}`.

    An item may have a `label`. Or a mapping of labels to such items.

    Raises:
        ConfigError: when the file cannot be read or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {error}") from error
    if isinstance(content, Mapping):
        return _distinct(tuple(_entry(item, str(label)) for label, item in content.items()))
    if isinstance(content, list) and content:
        return _distinct(tuple(_entry(item, None) for item in content))
    raise ConfigError(
        f"{str(path)!r} must hold a list of strategies such as `- evolution` or `- {{name: "
        f"evolution, sample: 5}}`, got {content!r}."
    )


def _entry(item: Any, label: str | None) -> Entry:
    if isinstance(item, str):
        parsed = _parse(item)
        return Entry(label or parsed.label, parsed.spec)
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise ConfigError(f"A strategy is a name or {{name: ..., SETTING: ...}}, got {item!r}.")
    spec = dict(item)
    label = spec.pop("label", None) or label or _label(spec)
    return Entry(str(label), spec)


def _label(spec: Mapping[str, Any]) -> str:
    inside = ",".join(f"{key}:{value}" for key, value in spec.items() if key != "name")
    return f"{spec['name']}{{{inside}}}" if inside else str(spec["name"])


def _parse(text: str) -> Entry:
    name, brace, inside = text.partition("{")
    if not brace:
        return Entry(text, {"name": text})
    if not name.strip() or not inside.endswith("}"):
        raise ConfigError(
            f"A strategy reads NAME or NAME{{SETTING:VALUE,...}}, such as "
            f"evolution{{population:20,sample:10}}, got {text!r}."
        )
    flow = _KEY.sub(r"\1\2: ", "{" + inside)  # YAML wants a blank after the colon
    try:
        settings = yaml.safe_load(flow)
    except yaml.YAMLError as error:
        raise ConfigError(f"The settings of {text!r} are not valid YAML.") from error
    if not isinstance(settings, dict) or "name" in settings or None in settings.values():
        raise ConfigError(f"The settings in {text!r} must read SETTING:VALUE, got {settings!r}.")
    return Entry(text, {"name": name.strip(), **settings})


def _split(text: str) -> Iterator[str]:
    """Cut at the commas that stand outside of braces."""
    depth, start = 0, 0
    for place, letter in enumerate(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    if depth:
        raise ConfigError(f"Braces must be closed, got {text!r}.")
    yield text[start:].strip()


def _distinct(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    labels = [entry.label for entry in entries]
    if not labels:
        raise ConfigError("A comparison needs at least one strategy, got none.")
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(f"Each strategy takes part once, {label!r} stands twice: label them.")
    return entries
