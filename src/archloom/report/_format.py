"""Numbers, durations and architectures as short texts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

DASH = "–"


def number(value: float | None) -> str:
    """Write a metric: 4 decimals for scores, grouped digits for counts, a dash for none.

    >>> number(0.87654), number(9962), number(1217152.5), number(float("nan"))
    ('0.8765', '9,962', '1,217,152', '–')
    """
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if (float(value).is_integer() and abs(value) >= 2) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    if value and abs(value) < 0.0005:
        return f"{value:.2e}"
    return f"{value:.4f}"


def duration(seconds: float) -> str:
    """Write a time span in the two units that matter.

    >>> duration(3.21), duration(75), duration(7265), duration(200_000)
    ('3.2 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if not math.isfinite(seconds):
        return DASH
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def value_text(value: Any) -> str:
    """Write a choice's value as a reader would: `conv3`, `0.5`, `yes`, `(0, 2)`.

    >>> value_text("conv3"), value_text(True), value_text((0, 2)), value_text(1e-05)
    ('conv3', 'yes', '(0, 2)', '1e-05')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return f"({', '.join(value_text(item) for item in value)})"
    return "none" if value is None else str(value)


def text(value: Any) -> str:
    """Write anything; None gives no text.

    >>> text(None), text(0)
    ('', '0')
    """
    return "" if value is None else str(value)


def architecture_text(architecture: Mapping[str, Any], separator: str = ", ") -> str:
    """Write an architecture in one line: `body=2, body.0.op=conv3`."""
    return separator.join(f"{label}={value_text(v)}" for label, v in architecture.items())


def plain(data: Any) -> Any:
    """Give a copy that holds only what JSON can hold."""
    return json.loads(json.dumps(data, default=str))
