"""Spaces as YAML files: reading and checking. The format is in docs/spaces.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from archloom.errors import ConfigError
from archloom.nn._blocks import YamlFunction
from archloom.nn._fixed import TRAIN_SCOPE
from archloom.nn._schema import (
    ANY,
    COUNT,
    TEXT,
    Asked,
    Rule,
    blocks_of,
    check_keys,
    plain,
    value_of,
)
from archloom.space import Domain, OneOf, Option

_KEYS: Final = frozenset({"blocks", "classes", "description", "shape", "small_maps", "train"})
_SMALL: Final = Rule.among(("error", "skip"))


def read_yaml(path: Path) -> tuple[YamlFunction, dict[str, Domain]]:
    """Give the space function that a file describes, and the training choices beside it.

    Raises:
        ConfigError: with the file and the line or key path of what is wrong.
    """
    document = _document(path)
    try:
        return _function(path, document), _training(document.get("train", {}))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The space file {str(path)!r} cannot be read: {error}.") from error
    try:
        document = yaml.load(text, _Strict)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: {error.problem or 'this is not YAML'}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: this is not YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path} must hold keys ({', '.join(sorted(_KEYS))}), got {document!r}.")
    return document


def _function(path: Path, document: Mapping[str, Any]) -> YamlFunction:
    check_keys(document, set(_KEYS), "the file")
    if "blocks" not in document:
        raise ConfigError("the file needs 'blocks'.")
    return YamlFunction(
        file=str(path),
        name=path.stem,
        blocks=blocks_of(document["blocks"], "blocks"),
        shape=_shape(document["shape"]) if "shape" in document else None,
        classes=plain(document["classes"], COUNT, "classes") if "classes" in document else None,
        skip_small=plain(document.get("small_maps", "error"), _SMALL, "small_maps") == "skip",
        description=plain(document.get("description", path.stem), TEXT, "description"),
    )


def _shape(raw: Any) -> tuple[int, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= 4:
        raise ConfigError(f"shape must be [features] or [channels, size, ...], got {raw!r}.")
    return tuple(plain(size, COUNT, "shape") for size in raw)


def _training(raw: Any) -> dict[str, Domain]:
    if not isinstance(raw, Mapping):
        raise ConfigError(f"train must map settings to their choices, got {raw!r}.")
    domains: dict[str, Domain] = {}
    for setting, given in raw.items():
        where = f"train.{setting}"
        value = value_of(given, ANY, where)
        if isinstance(value, Asked) and value.label is not None:
            raise ConfigError(f"{where} is called {where!r} and takes no label of its own.")
        domains[f"{TRAIN_SCOPE}{setting}"] = (
            value.domain if isinstance(value, Asked) else OneOf((Option(value),))
        )
    return domains


class _Strict(yaml.SafeLoader):
    """Plain data only, and no key twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        met: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in met and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            met.add(str(key.value))
        return super().construct_mapping(node, deep=deep)
