"""Tell glibc's malloc to keep freed activations instead of handing them to the kernel."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# from malloc.h; the largest mmap threshold that 64-bit glibc accepts is 32 MiB
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_TRIM, _MMAP = 2**31 - 1, 32 * 2**20


@cache
def tune_allocator() -> str:
    """Raise glibc's mmap and trim thresholds, once a process, and say what was done.

    A training step allocates and frees the same activations over and over. By default glibc
    maps large ones afresh, and the kernel clears every page again at each step.
    Other platforms are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return "untouched (no glibc)"
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return "untouched (no mallopt)"
    done = mallopt(_M_MMAP_THRESHOLD, _MMAP) and mallopt(_M_TRIM_THRESHOLD, _TRIM)
    return "glibc keeps freed memory" if done else "untouched (mallopt refused)"
