"""Stored: a supernet in a run's folder, where its stage left it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch

from archloom.errors import ConfigError, RunError, did_you_mean
from archloom.nn import ModelSpace, Supernet
from archloom.train import Layout, kept_random_state, load_tensors, save_tensors, set_layout

FOLDER: Final = "supernets"
FILE: Final = "supernet.pt"


@dataclass(frozen=True, eq=False)
class Stored:
    """A supernet with trained weights, in the memory layout that it was trained in."""

    supernet: Supernet
    layout: Layout
    epoch: int


def supernet_path(run: Path, stage: str) -> Path:
    """Give the file of a stage's supernet in a run's folder.

    >>> supernet_path(Path("run"), "supernet").as_posix()
    'run/supernets/supernet/supernet.pt'
    """
    return run / FOLDER / stage / FILE


def save_supernet(path: Path, content: Mapping[str, Any]) -> None:
    """Write where a supernet's training stands, whole or not at all: what `Bilevel.state` gives.

    Raises:
        OSError: when the disk is full, for instance.
    """
    save_tensors(path, content)


def find_supernet(files: Path, stage: str) -> Path:
    """Give the file of a stage's supernet, from a folder anywhere inside the run's.

    Raises:
        ConfigError: when the run has none.
    """
    for folder in (files, *files.parents):
        path = supernet_path(folder, stage)
        if path.is_file():
            return path
    raise ConfigError(
        f"Inherited scores come from a supernet that a stage {stage!r} has trained, and the run "
        f"has none: {_mend(files, stage)}"
    )


def _mend(files: Path, stage: str) -> str:
    found: Iterable[Path] = (p for f in (files, *files.parents) for p in (f / FOLDER).glob("*"))
    known = sorted({path.name for path in found if (path / FILE).is_file()})
    if known:
        return f"{did_you_mean(stage, known)}."
    return "put OneShot(...) before the search."


def load_supernet(path: Path, space: ModelSpace, device: torch.device | str = "cpu") -> Stored:
    """Give the supernet of a space with the weights in a file, in eval mode.

    The last one is kept, so that a process loads it once however many architectures it scores.

    Raises:
        ConfigError: when there is no such file.
        RunError: when the file is damaged, or belongs to another space.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"A supernet is loaded from the file that its stage wrote, and there is no "
            f"{str(path)!r}: `find_supernet(RUN, STAGE)` gives its place."
        ) from error
    return _loaded(path, (status.st_mtime_ns, status.st_size), space, str(device))


@lru_cache(maxsize=1)
def _loaded(path: Path, stamp: tuple[int, int], space: ModelSpace, device: str) -> Stored:
    saved = load_tensors(path, device)
    if saved is None:
        raise RunError(
            f"The supernet in {str(path)!r} cannot be read: it is damaged. Resume the run, which "
            f"trains it again."
        )
    with kept_random_state(torch.device(device)):
        supernet = space.supernet().to(device)
    try:
        supernet.load_state_dict(saved["supernet"])
    except RuntimeError as error:
        reason = str(error).splitlines()[1:2] or [str(error)]
        raise RunError(
            f"The supernet in {str(path)!r} belongs to another space than {space!r} "
            f"({reason[0].strip()}): pin the same choices."
        ) from error
    set_layout(supernet, saved["layout"])
    return Stored(supernet.eval(), saved["layout"], int(saved["done"]))
