"""load_space: a model space by its name, its module or its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from archloom.errors import ConfigError
from archloom.nn import _names
from archloom.nn._model_space import ModelSpace
from archloom.nn._yaml import read_yaml
from archloom.plugins import find

_YAML: Final = (".yaml", ".yml")


def load_space(name: str | Path, /, **settings: Any) -> ModelSpace:
    """Give the model space that `name` names, with these settings.

    Args:
        name: a built-in space or one of an installed package ("small_cnn"), "module:function",
            "file.py:function" or "file.yaml".
        settings: as in calling the space.

    Raises:
        ConfigError: when there is no such space, file, function or setting.

    >>> load_space("small_cnn", classes=3)
    <ModelSpace archloom.zoo:small_cnn(classes=3)>
    """
    text = str(name)
    if text.endswith(_YAML):
        found: Any = yaml_space(text)
    elif ":" in text:
        found = _names.load(text)
    elif text.endswith(".py"):
        raise ConfigError(f"Which space of {text!r}? Write '{text}:NAME'.")
    else:
        found = find("spaces", text)
    if not isinstance(found, ModelSpace):
        raise ConfigError(
            f"{text!r} is no model space but {found!r}: put @model_space above its definition."
        )
    return found(**settings) if settings else found


def yaml_space(path: str | Path, name: str | None = None) -> ModelSpace:
    """Give the model space that a YAML file describes; see docs/spaces.md for the format."""
    function, extra = read_yaml(Path(path))
    return ModelSpace(function, name or str(_names.short(Path(path))), extra=extra)
