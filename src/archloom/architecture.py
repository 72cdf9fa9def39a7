"""Architecture: one point of a space, as data."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias, cast

from archloom.errors import InvalidArchitecture

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | None"
"""What a choice may take: anything that JSON can hold and that does not change."""


def as_value(raw: object) -> Value:
    """Turn JSON-like data into a `Value`: lists become tuples, NumPy scalars plain numbers.

    Raises:
        InvalidArchitecture: for objects that JSON cannot hold, and for NaN and infinity.

    >>> as_value([1, "a"])
    (1, 'a')
    """
    if raw is None or isinstance(raw, bool | int | str):
        return raw
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise InvalidArchitecture(f"A choice's value must be finite, got {raw!r}.")
        return float(raw)  # a NumPy float is a float too, but not a plain one
    if isinstance(raw, list | tuple):
        return tuple(as_value(item) for item in raw)
    if hasattr(raw, "item") and getattr(raw, "shape", None) == ():
        return as_value(raw.item())
    raise InvalidArchitecture(
        f"A choice's value must be None, a bool, an int, a float, a str or a tuple of those, "
        f"got {raw!r} of type {type(raw).__name__}. Give the option a name and build the object "
        f"from the name (`pick.layer`)."
    )


def token(value: Value) -> str:
    """Give the text that tells values apart; unlike `==` it separates 1, 1.0 and True.

    >>> token(1) == token(True)
    False
    """
    return json.dumps(value, separators=(",", ":"))


class Architecture(Mapping[str, Value]):
    """The chosen option for every *active* label of a space: frozen, hashable, JSON-able.

    Equal architectures mean equal models, since choices that do not apply never appear in one.

    >>> a = Architecture({"width": 16, "body": 1, "body.0.op": "conv3"})
    >>> a["width"], len(a), a == Architecture.from_json(a.to_json())
    (16, 3, True)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values: dict[str, Value] = {k: as_value(values[k]) for k in sorted(values)}

    @classmethod
    def _trusted(cls, values: dict[str, Value]) -> Architecture:
        """Skip the checks for values that a space made itself (the hot path of sampling)."""
        self = cls.__new__(cls)
        self._values = dict(sorted(values.items()))
        return self

    def __getitem__(self, label: str) -> Value:
        return self._values[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def text(self) -> str:
        """The canonical JSON text, labels sorted."""
        return json.dumps(self._values, separators=(",", ":"))

    @cached_property
    def key(self) -> str:
        """A short hash, the same in every process: what de-duplication compares."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Architecture):
            return self.text == other.text
        return NotImplemented

    def __repr__(self) -> str:
        inside = ", ".join(f"{label!r}: {value!r}" for label, value in self._values.items())
        return f"Architecture({{{inside}}})"

    def to_json(self) -> dict[str, Any]:
        """Give a dict that `json.dumps` takes."""
        return cast("dict[str, Any]", json.loads(self.text))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """Read what `to_json` gave. Raises `InvalidArchitecture` on values that do not fit."""
        return cls(data)
