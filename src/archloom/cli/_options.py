"""NAME=VALUE options of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def source_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read `separator=;` and the like, the values as YAML.

    Raises:
        ConfigError: for a text without a name or with a value that is not valid.
    """
    from yaml import YAMLError

    from archloom.config import load_yaml
    from archloom.errors import ConfigError

    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"--set takes NAME=VALUE, such as valid=0.2, got {text!r}.")
        try:
            options[name] = load_yaml(value)
        except YAMLError as error:
            raise ConfigError(f"The value of --set {text!r} is not valid YAML.") from error
    return options
