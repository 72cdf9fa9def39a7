"""Files that are either whole or not there: checkpoints and weights."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_TORN = (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError)


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` into the file so that a crash leaves the old content or the new, never a part.

    Raises:
        OSError: as it comes, when the disk is full for instance.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def save_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values, loadable with `torch.load(path, weights_only=True)`."""
    memory = io.BytesIO()  # torch hides a full disk in a RuntimeError when it writes itself
    torch.save(dict(content), memory)
    write_atomically(path, memory.getvalue())


def load_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """Give what `save_tensors` wrote, None when the file is missing, torn or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch does not look at the checksums
                return None
        content = torch.load(path, map_location=device, weights_only=True)
    except (*_TORN, zipfile.BadZipFile):
        return None
    return content if isinstance(content, dict) else None


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, where folders can be opened (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
