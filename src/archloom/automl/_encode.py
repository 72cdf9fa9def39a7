"""Raw arrays to what a model is called with, the same way at fit and at prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from archloom import sources
from archloom.errors import DataError
from archloom.sources import ValueRange
from archloom.task import Inputs, to_inputs


class Encoder(Protocol):
    """What turns raw data into a model's inputs; learnt from the training data, never after."""

    def transform(self, raw: Any) -> Inputs:
        """Give the inputs. Raises `DataError` for data of another form than at fit."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """Give all that is needed to make the encoder again."""
        ...


_AXES = {
    "image": "Images have 3 axes (samples, height, width), or 4 with channels",
    "volume": "Volumes have 4 axes (samples, depth, height, width), or 5 with channels",
    "series": "Series have 2 axes (samples, steps), or 3 (samples, channels, steps)",
    "table": "Tables have 2 axes (samples, columns)",
}
_RANKS = {"image": (3, 4), "volume": (4, 5), "series": (2, 3), "table": (2,)}
_LAYOUTS = {("series", 3): "NCL", ("volume", 4): "NDHW"}
ENCODED = {"image": "NCHW", "volume": "NCDHW", "series": "NCL", "table": "NF"}
"""The layout of encoded inputs, for `from_arrays`."""


@dataclass(frozen=True)
class ArrayEncoder:
    """Arrays of one shape, handed on with their channels in front.

    `values` is the range of the data that it was fitted to, None where it was not measured.

    >>> encoder = ArrayEncoder.of(np.zeros((5, 8, 8), dtype=np.uint8), "image")
    >>> encoder.transform(np.ones((2, 8, 8), dtype=np.uint8)).shape
    torch.Size([2, 1, 8, 8])
    """

    kind: str
    shape: tuple[int, ...]
    layout: str = "auto"
    values: ValueRange | None = None

    @classmethod
    def of(cls, raw: Any, kind: str, layout: str = "auto") -> ArrayEncoder:
        """Learn the shape of training data, channels first.

        Raises:
            DataError: for a number of axes that the kind does not have.
        """
        array = _array(raw, kind)  # whole, so that errors tell its own shape
        return cls(kind, tuple(_arranged(array[:1], kind, layout).shape[1:]), layout)

    def fit(self, X: Any, y: Any = None) -> ArrayEncoder:
        """Give the encoder with shape and range of training data; `y` is not used."""
        found = ArrayEncoder.of(X, self.kind, self.layout)
        return found.measured(found.transform(X))

    def measured(self, tensor: Tensor) -> ArrayEncoder:
        """Give the encoder that knows the range of these values, which `transform` gave."""
        return replace(self, values=ValueRange.of(tensor))

    def transform(self, raw: Any) -> Tensor:
        """Give the tensor, channels first; warns of values of another scale than at fit.

        Raises:
            DataError: for samples of another shape than at fit.
        """
        tensor = _arranged(raw, self.kind, self.layout)
        if tuple(tensor.shape[1:]) != self.shape:
            raise DataError(
                f"The model was fitted to samples of shape {self.shape}, channels first, and got "
                f"{tuple(tensor.shape[1:])}: bring new data into the form of the training data."
            )
        if self.values is not None:
            self.values.warn(tensor)
        return tensor

    def to_json(self) -> dict[str, Any]:
        """Give the settings as JSON data."""
        return {
            "encoder": "arrays",
            "kind": self.kind,
            "shape": list(self.shape),
            "layout": self.layout,
            "values": None if self.values is None else self.values.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArrayEncoder:
        """Make the encoder whose `to_json` gave this."""
        values = ValueRange.from_json(data.get("values"))
        return cls(data["kind"], tuple(data["shape"]), data["layout"], values)


def _array(raw: Any, kind: str) -> Any:
    """Give an array or tensor of the axes that the kind has."""
    if not hasattr(raw, "shape"):
        try:
            raw = np.asarray(raw)
        except ValueError as error:
            raise DataError("Samples must all have one shape, those of X differ.") from error
    rank = len(raw.shape)
    if rank == 1 and isinstance(raw, np.ndarray) and raw.dtype.kind == "O" and len(raw):
        shapes = {np.shape(one) for one in raw}
        if len(shapes) > 1:
            raise DataError("Samples must all have one shape, those of X differ.")
        if shapes != {()}:
            raise DataError(
                f"X is an array of {len(raw)} objects, each of shape {shapes.pop()}: make one "
                f"array of them, np.stack(X)."
            )
    if rank not in _RANKS[kind]:
        raise DataError(f"{_AXES[kind]}, X has shape {tuple(raw.shape)}. Reshape your data.")
    if not all(raw.shape):
        raise DataError(f"Samples must be there and hold values, X has shape {tuple(raw.shape)}.")
    if isinstance(raw, np.ndarray) and np.iscomplexobj(raw):
        raise DataError("Complex data not supported: give the two parts as two channels.")
    return raw


def _arranged(raw: Any, kind: str, layout: str) -> Tensor:
    raw = _array(raw, kind)
    rank = len(raw.shape)
    if kind == "series" and rank == 2:
        raw, layout = np.asarray(raw)[:, None], "NCL"
    if layout == "auto":
        layout = _LAYOUTS.get((kind, rank), "auto")
    tensor = to_inputs(raw, layout, where="X")
    assert isinstance(tensor, Tensor)
    return tensor


def encoder_from_json(data: Mapping[str, Any]) -> Encoder:
    """Make the encoder again whose `to_json` gave this.

    Raises:
        ConfigError: for an encoder that this version does not know.

    >>> encoder = ArrayEncoder("image", (1, 8, 8))
    >>> encoder_from_json(encoder.to_json()) == encoder
    True
    """
    if data.get("encoder") == "several":
        from archloom.automl._several import SeveralEncoder

        return SeveralEncoder.from_json(data)
    if data.get("encoder") == "arrays":
        return ArrayEncoder.from_json(data)
    encoder: Encoder = sources.encoder_from_json(data)
    return encoder
