"""Tell glibc's malloc to keep freed activations instead of handing them to the kernel."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# From malloc.h. 32 MiB is the largest mmap threshold that 64-bit glibc accepts; to forbid mmap
# altogether would serve larger activations too, but fragmentation then cost 17 % more memory.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_TRIM, _MMAP = 2**31 - 1, 32 * 2**20


@cache
def tune_allocator() -> str:
    """Raise glibc's mmap and trim thresholds, once a process, and say what was done.

    A training step allocates and frees the same activations over and over. By default glibc
    maps large ones afresh, and the kernel clears every page again at each step.
    Other platforms are left alone.
    """
    libc = _glibc()
    if libc is None:
        return "untouched (no glibc)"
    done = libc.mallopt(_M_MMAP_THRESHOLD, _MMAP) and libc.mallopt(_M_TRIM_THRESHOLD, _TRIM)
    return "glibc keeps freed memory" if done else "untouched (mallopt refused)"


def release_memory() -> None:
    """Hand back what earlier models left free, so that a search needs no more than one of them."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        libc = ctypes.CDLL(None)
        _ = libc.mallopt, libc.malloc_trim
    except (OSError, AttributeError):
        return None
    return libc
