"""Optional packages, imported when a source needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from archloom.errors import MissingExtra


def need(module: str, extra: str, what: str) -> Any:
    """Import a module of an optional package.

    Raises:
        MissingExtra: when it is not installed; the message has the command that installs it.

    >>> need("no_such_package", "images", "Reading images")
    Traceback (most recent call last):
    archloom.errors.MissingExtra: Reading images needs no_such_package: pip install...
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = {"PIL": "pillow"}.get(module.partition(".")[0], module.partition(".")[0])
        raise MissingExtra(f"{what} needs {package}: pip install 'archloom[{extra}]'.") from error
