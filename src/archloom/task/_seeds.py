"""One integer seed out of several numbers, the same on every machine."""

from __future__ import annotations

import numpy as np

_63_BITS = (1 << 63) - 1


def mix(seed: int, *numbers: int) -> int:
    """Give a seed for the stream that the numbers name; different numbers, unrelated streams.

    >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(0, 2)
    (True, False)
    """
    words = [abs(seed), int(seed < 0), *numbers]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]) & _63_BITS
