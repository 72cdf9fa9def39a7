"""MNIST and Fashion-MNIST from their IDX files, wherever they are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archloom.errors import DataError
from archloom.task._files import data_folders, first_existing, json_source
from archloom.task._idx import from_idx
from archloom.task._task import Task

_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def fashion_mnist(folder: str | Path | None = None, **settings: Any) -> Task:
    """Give Fashion-MNIST (Xiao et al. 2017): 28x28 pictures of clothes, ten classes.

    54,000 images train and 6,000 validate, cut by `seed`; the official 10,000 test.
    The files are looked for in `folder`, `$ARCHLOOM_DATA/fashion-mnist`,
    `~/.cache/archloom/fashion-mnist` and where Debian's package puts them.
    Settings are those of `from_idx`. Mirroring is allowed as augmentation.

    Raises:
        DataError: when the files are nowhere; the message says how to get them.
    """
    settings = {"augment_ops": ("shift", "flip"), "class_names": _CLOTHES, **settings}
    found = _folder(
        "fashion-mnist",
        folder,
        "/usr/share/datasets/fashion-mnist",
        mend="On Debian and Ubuntu `apt install dataset-fashion-mnist` installs them; else "
        "download the four files from github.com/zalandoresearch/fashion-mnist",
    )
    return _task("fashion-mnist", found, folder, settings)


def mnist(folder: str | Path | None = None, **settings: Any) -> Task:
    """Give MNIST (LeCun et al. 1998): 28x28 handwritten digits, ten classes.

    54,000 images train and 6,000 validate, cut by `seed`; the official 10,000 test.
    The files are looked for in `folder`, `$ARCHLOOM_DATA/mnist` and `~/.cache/archloom/mnist`.
    Settings are those of `from_idx`.

    Raises:
        DataError: when the files are nowhere; the message says how to get them.
    """
    mend = "Download the four files train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
    mend += "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz (for instance from "
    mend += "ossci-datasets.s3.amazonaws.com/mnist)"
    return _task("mnist", _folder("mnist", folder, mend=mend), folder, settings)


def _folder(name: str, folder: str | Path | None, *others: str, mend: str) -> Path:
    places = [Path(folder).expanduser()] if folder is not None else data_folders(name, *others)
    found = first_existing(places)
    if found is None:
        target = data_folders(name)[0]
        raise DataError(
            f"The files of {name} are in none of: {', '.join(map(str, places))}. {mend} and put "
            f"them into {target}, or give their folder."
        )
    return found


def _task(name: str, found: Path, folder: str | Path | None, settings: dict[str, Any]) -> Task:
    settings = {"name": name, **settings}
    asked = Path(folder).expanduser().resolve() if folder is not None else None
    plain = {k: v for k, v in settings.items() if k not in ("class_names", "name")}
    return from_idx(found, source=json_source(name, folder=asked, **plain), **settings)
