"""Data and settings that the doors' tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

QUICK: dict[str, Any] = {
    "minutes": None,
    "trials": 1,
    "epochs": 2,
    "space": "mlp",
    "folds": None,
    "ensemble": False,
    "progress": False,
}
"""One small training, a fraction of a second."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def squares() -> tuple[np.ndarray, np.ndarray]:
    """Images that are bright on the left or on the right."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (80, 6, 8), dtype=np.uint8)
    sides = np.arange(80) % 2
    images[sides == 0, :, :4] += 150
    images[sides == 1, :, 4:] += 150
    return images, np.array(["left", "right"])[sides]
