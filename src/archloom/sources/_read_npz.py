"""Named arrays of an `.npz` file, without pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archloom.errors import DataError
from archloom.task import existing

_BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError)


def read_npz(path: str | Path, needs: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Give all arrays of the file.

    Raises:
        DataError: when the file is missing, damaged, or lacks one of the arrays it `needs`.
    """
    path = existing(path, "npz file")
    try:
        with path.open("rb") as raw:  # np.load itself leaves a broken file open
            file = np.load(raw, allow_pickle=False)
            arrays = {} if isinstance(file, np.ndarray) else {key: file[key] for key in file.files}
    except _BROKEN as error:
        raise DataError(
            f"{path} cannot be read as an npz file of plain arrays ({error}). It may be truncated "
            f"or hold pickled objects: get it again."
        ) from error
    lacking = [key for key in needs if key not in arrays]
    if lacking:
        raise DataError(
            f"An npz file of {what} holds {', '.join(needs)}; {path} lacks {', '.join(lacking)}. "
            f"It holds: {', '.join(sorted(arrays)) or 'no named arrays'}."
        )
    return arrays
