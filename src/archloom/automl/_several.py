"""Several inputs of different kinds: taken apart, encoded each by its own encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from archloom.automl._encode import ArrayEncoder, encoder_from_json
from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources import (
    SeriesEncoder,
    TableEncoder,
    TextEncoder,
    check_rows,
    columns_of,
    take_samples,
)
from archloom.task import Normalisation, measure_normalisation


@dataclass(frozen=True)
class Several:
    """Raw inputs by name, as long as each other."""

    parts: Mapping[str, Any]

    def __post_init__(self) -> None:
        lengths = {name: len(part) for name, part in self.parts.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"All inputs must hold the same samples, got {lengths}.")

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def take(self, index: np.ndarray) -> Several:
        """Give the samples at `index` of each input."""
        return Several({name: take_samples(part, index) for name, part in self.parts.items()})


def named(X: Any) -> dict[str, Any]:
    """Give the inputs by name; those of a tuple are called x0, x1, ..., a lone one x.

    Tables in any form become columns, so that their rows can be taken.

    >>> list(named((np.zeros((3, 2)), ["a", "b", "c"])))
    ['x0', 'x1']
    """
    if isinstance(X, Mapping):
        parts = {str(name): part for name, part in X.items()}
    elif isinstance(X, tuple):
        parts = {f"x{index}": part for index, part in enumerate(X)}
    else:
        parts = {"x": X}
    if not parts:
        raise DataError("There must be at least one input, X is empty.")
    for name in parts:
        if not name.isidentifier():
            raise DataError(
                f"Inputs are named like variables, since models are called with them by name, got "
                f"{name!r}."
            )
    return {name: _rows(part) for name, part in parts.items()}


def _rows(part: Any) -> Any:
    rows_of_dicts = isinstance(part, list) and part and isinstance(part[0], Mapping)
    return columns_of(part) if isinstance(part, Mapping) or rows_of_dicts else part


def kind_of_input(part: Any) -> str:
    """Tell what an input is by its form.

    Raises:
        DataError: when the form does not tell.

    >>> kind_of_input(["a cat", "a dog"]), kind_of_input(np.zeros((5, 3)))
    ('text', 'table')
    """
    if hasattr(part, "columns") or hasattr(part, "named"):
        return "table"
    if not hasattr(part, "shape"):
        part = np.asarray(part, dtype=object) if _ragged(part) else np.asarray(part)
    rank = len(part.shape)
    if rank == 1:
        first = part[0] if len(part) else ""
        return "text" if isinstance(first, str) else "series"
    if rank in _BY_RANK:
        return _BY_RANK[rank]
    raise DataError(f"What an input of shape {tuple(part.shape)} is cannot be told: give kinds=.")


_BY_RANK: Final = {2: "table", 3: "image", 4: "image", 5: "volume"}


def _ragged(part: Any) -> bool:
    return len({len(row) for row in part if hasattr(row, "__len__")}) > 1


class PixelEncoder:
    """Images or volumes as float32, each channel standardised as in the training data.

    >>> encoder = PixelEncoder("image").fit(np.array([[[0, 2]], [[4, 6]]], dtype=np.uint8))
    >>> float(encoder.transform(np.array([[[3, 3]]], dtype=np.uint8)).mean())
    0.0
    """

    def __init__(self, kind: str, layout: str = "auto") -> None:
        self._arrays = ArrayEncoder(kind, (), layout)
        self._norm: Normalisation | None = None

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn shape, mean and deviation of training data."""
        found = ArrayEncoder.of(X, self._arrays.kind, self._arrays.layout)
        inputs = found.transform(X)
        self._arrays, self._norm = found.measured(inputs), measure_normalisation(inputs)
        return self

    def check(self, X: Any) -> None:
        """Raise `DataError` for what no sample may hold."""
        ArrayEncoder.of(X, self._arrays.kind, self._arrays.layout).transform(X)

    def transform(self, raw: Any) -> Tensor:
        """Give the tensor, channels first. Raises `DataError` for samples of another shape."""
        assert self._norm is not None
        return self._norm(self._arrays.transform(raw))

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` makes the encoder of again."""
        assert self._norm is not None
        mean, std = (part.tolist() for part in self._norm)
        return {**self._arrays.to_json(), "encoder": "pixels", "mean": mean, "std": std}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PixelEncoder:
        """Make the encoder whose `to_json` gave this."""
        encoder = cls(data["kind"])
        encoder._arrays = ArrayEncoder.from_json(data)
        encoder._norm = Normalisation(torch.tensor(data["mean"]), torch.tensor(data["std"]))
        return encoder


_MAKERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "image": lambda layout: PixelEncoder("image", layout),
    "volume": lambda layout: PixelEncoder("volume", layout),
    "series": lambda layout: SeriesEncoder(),
    "table": lambda layout: TableEncoder(one_hot=True),
    "text": lambda layout: TextEncoder(),
}


def encoder_for(kind: str, layout: str) -> Any:
    """Give an encoder, not fitted yet, for inputs of that kind."""
    if kind not in _MAKERS:
        raise ConfigError(f"There is no kind of input {kind!r}: {did_you_mean(kind, _MAKERS)}.")
    return _MAKERS[kind](layout)


class SeveralEncoder:
    """An encoder for each input, and a dict of what they give."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = dict(parts)
        self.notices: tuple[str, ...] = ()

    def check(self, X: Any) -> None:
        """Raise `DataError` for what no sample of an input may hold."""
        raw = self._checked(X)
        for name, part in self.parts.items():
            check_rows(part, raw[name])

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training data."""
        raw = self._checked(X)
        self.parts = {name: part.fit(raw[name]) for name, part in self.parts.items()}
        self.notices = tuple(
            f"{name}: {notice}"
            for name, part in self.parts.items()
            for notice in getattr(part, "notices", ())
        )
        return self

    def transform(self, X: Any) -> dict[str, Tensor]:
        """Give the inputs of a model.

        Raises:
            DataError: for other inputs than those that were fitted.
        """
        raw = self._checked(X)
        return {name: part.transform(raw[name]) for name, part in self.parts.items()}

    def _checked(self, X: Any) -> Mapping[str, Any]:
        raw: Mapping[str, Any] = X.parts if isinstance(X, Several) else named(X)
        if raw.keys() != self.parts.keys():
            raise DataError(
                f"The inputs must be those of the training data, {', '.join(self.parts)}, got "
                f"{', '.join(raw)}."
            )
        return raw

    @property
    def hints(self) -> dict[str, Any]:
        """How many token numbers each text has, where there is one."""
        found = {
            name: getattr(part, "hints", {}).get("vocabulary") for name, part in self.parts.items()
        }
        return {"vocabulary": found} if any(found.values()) else {}

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` makes the encoder of again."""
        parts = {name: dict(part.to_json()) for name, part in self.parts.items()}
        return {"encoder": "several", "parts": parts, "notices": list(self.notices)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeveralEncoder:
        """Make the encoder whose `to_json` gave this."""
        encoder = cls({name: _part_from_json(part) for name, part in data["parts"].items()})
        encoder.notices = tuple(data["notices"])
        return encoder


def _part_from_json(data: Mapping[str, Any]) -> Any:
    if data["encoder"] == "pixels":
        return PixelEncoder.from_json(data)
    return encoder_from_json(data)
