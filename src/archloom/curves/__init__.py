"""Learning curves: where a training that has begun will end, and how sure that is."""

from __future__ import annotations

from archloom.curves._extrapolate import DRIFT, LEAST, Forecast, extrapolate
from archloom.curves._families import FAMILIES, Family

__all__ = ["DRIFT", "FAMILIES", "LEAST", "Family", "Forecast", "extrapolate"]
