"""The digits that scikit-learn carries along: real data without a download."""

from __future__ import annotations

from typing import Any

import numpy as np

from archloom.task._arrays import from_arrays
from archloom.task._files import json_source
from archloom.task._task import Task


def digits(*, valid: float = 0.2, test: float = 0.2, seed: int = 0, **settings: Any) -> Task:
    """Give scikit-learn's digits: 1,797 handwritten digits of 8x8 pixels in 17 grey levels.

    Settings are those of `from_arrays`.

    >>> digits()
    Task('digits', 1079/359/359, shape=(1, 8, 8), classes=10)
    """
    from sklearn.datasets import load_digits  # takes a second to import, and only this needs it

    data = load_digits()
    options = {"valid": valid, "test": test, "seed": seed, **settings}
    settings = {"name": "digits", "source": json_source("digits", **options), **settings}
    images = data.images.astype(np.uint8)  # whole numbers from 0 to 16
    return from_arrays(images, data.target, valid=valid, test=test, seed=seed, **settings)
