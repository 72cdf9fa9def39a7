"""Encoders by what they wrote of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.sources._decode import ImageEncoder
from archloom.sources._encode_light_curves import LightCurveEncoder
from archloom.sources._encode_series import SeriesEncoder
from archloom.sources._encode_table import TableEncoder
from archloom.sources._encode_text import TextEncoder
from archloom.sources._scan import ScanEncoder

_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "images": ImageEncoder.from_json,
    "scan": ScanEncoder.from_json,
    "table": TableEncoder.from_json,
    "text": TextEncoder.from_json,
    "series": SeriesEncoder.from_json,
    "light-curves": LightCurveEncoder.from_json,
}


def encoder_from_json(data: Mapping[str, Any]) -> Any:
    """Give the encoder whose `to_json` gave this, of whichever kind it is.

    Raises:
        ConfigError: for a kind that is not known.

    >>> encoder = TableEncoder().fit([[1.0, 5.0], [2.0, 6.0]])
    >>> type(encoder_from_json(encoder.to_json())).__name__
    'TableEncoder'
    """
    kind = str(data.get("encoder"))
    if kind not in _KINDS:
        raise ConfigError(f"There is no encoder {kind!r}: {did_you_mean(kind, _KINDS)}.")
    return _KINDS[kind](data)
