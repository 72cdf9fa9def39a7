"""MedMNIST v2 and v3: 18 medical image sets with published splits, read from their npz files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archloom.errors import ConfigError, DataError, MissingExtra, did_you_mean
from archloom.task import Classes, Task, existing, from_npz, json_source

_ORGANS = (
    *("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right"),
    *("liver", "lung-left", "lung-right", "pancreas", "spleen"),
)


@dataclass(frozen=True)
class MedMNIST:
    """One set of MedMNIST: its task, what its labels mean, and whether it holds volumes.

    >>> MEDMNIST["breastmnist"]
    MedMNIST(task='binary-class', labels=('malignant', 'normal, benign'), volumes=False)
    """

    task: str
    labels: tuple[str, ...]
    volumes: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The edge lengths that the set is published in, in pixels or voxels."""
        return (28, 64) if self.volumes else (28, 64, 128, 224)


MEDMNIST: Mapping[str, MedMNIST] = {
    "pathmnist": MedMNIST(
        "multi-class",
        (
            *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle"),
            *("normal colon mucosa", "cancer-associated stroma"),
            "colorectal adenocarcinoma epithelium",
        ),
    ),
    "chestmnist": MedMNIST(
        "multi-label, binary-class",
        (
            *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule"),
            *("pneumonia", "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis"),
            *("pleural", "hernia"),
        ),
    ),
    "dermamnist": MedMNIST(
        "multi-class",
        (
            *("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma"),
            *("benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi"),
            "vascular lesions",
        ),
    ),
    "octmnist": MedMNIST(
        "multi-class",
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    "pneumoniamnist": MedMNIST("binary-class", ("normal", "pneumonia")),
    "retinamnist": MedMNIST("ordinal-regression", ("0", "1", "2", "3", "4")),
    "breastmnist": MedMNIST("binary-class", ("malignant", "normal, benign")),
    "bloodmnist": MedMNIST(
        "multi-class",
        (
            *("basophil", "eosinophil", "erythroblast"),
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            *("lymphocyte", "monocyte", "neutrophil", "platelet"),
        ),
    ),
    "tissuemnist": MedMNIST(
        "multi-class",
        (
            *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule"),
            *("Glomerular endothelial cells", "Interstitial endothelial cells", "Leukocytes"),
            *("Podocytes", "Proximal Tubule Segments", "Thick Ascending Limb"),
        ),
    ),
    "organamnist": MedMNIST("multi-class", _ORGANS),
    "organcmnist": MedMNIST("multi-class", _ORGANS),
    "organsmnist": MedMNIST("multi-class", _ORGANS),
    "organmnist3d": MedMNIST(
        "multi-class",
        (
            *("liver", "kidney-right", "kidney-left", "femur-right", "femur-left", "bladder"),
            *("heart", "lung-right", "lung-left", "spleen", "pancreas"),
        ),
        volumes=True,
    ),
    "nodulemnist3d": MedMNIST("binary-class", ("benign", "malignant"), volumes=True),
    "adrenalmnist3d": MedMNIST("binary-class", ("normal", "hyperplasia"), volumes=True),
    "fracturemnist3d": MedMNIST(
        "multi-class",
        ("buckle rib fracture", "nondisplaced rib fracture", "displaced rib fracture"),
        volumes=True,
    ),
    "vesselmnist3d": MedMNIST("binary-class", ("vessel", "aneurysm"), volumes=True),
    "synapsemnist3d": MedMNIST(
        "binary-class", ("inhibitory synapse", "excitatory synapse"), volumes=True
    ),
}
"""The sets by name, with the label names of the package medmnist 3.0.2 (`medmnist/info.py`)."""

# Yang, Shi and Ni, "MedMNIST Classification Decathlon": the names of version 1
_RENAMED = {
    "organmnist_axial": "organamnist",
    "organmnist_coronal": "organcmnist",
    "organmnist_sagittal": "organsmnist",
}


def medmnist_name(stem: str) -> str | None:
    """Give the set that a file of this stem holds, None for other names.

    >>> medmnist_name("breastmnist_224"), medmnist_name("OrganMNIST_Axial"), medmnist_name("mnist")
    ('breastmnist', 'organamnist', None)
    """
    name = re.sub(r"_(28|64|128|224)$", "", stem.lower())
    name = _RENAMED.get(name, name)
    return name if name in MEDMNIST else None


def from_medmnist(
    path: str | Path,
    *,
    size: int = 28,
    root: str | Path | None = None,
    download: bool = False,
    **settings: Any,
) -> Task:
    """Read a set of MedMNIST by its name or from its npz file, with its published splits.

    The file of a name, such as `breastmnist.npz` or `breastmnist_224.npz`, is looked for in
    `root` (`~/.medmnist`, where the package medmnist puts it, unless told otherwise).
    `download=True` lets that package fetch what is missing.

    Labels get their published names. The grades of RetinaMNIST are ordinal classes, judged by the
    quadratic kappa too; `target="numbers"` predicts them as a number. ChestMNIST has 14
    independent labels. Further settings are those of `from_npz`.

    Raises:
        MissingExtra: when `download` is asked for and the package medmnist is not installed.
        DataError: when the file is missing or broken.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     X, y = np.zeros((20, 28, 28), dtype=np.uint8), np.arange(20).reshape(20, 1) % 2
    ...     np.savez(Path(folder) / "pneumoniamnist.npz", train_images=X, train_labels=y)
    ...     from_medmnist("pneumoniamnist", root=folder, valid=0.2).class_names
    ('normal', 'pneumonia')
    """
    given = Path(path).expanduser()
    by_file = given.suffix == ".npz" or len(given.parts) > 1
    name = medmnist_name(given.stem if by_file else str(path))
    if name is None and not by_file:
        raise DataError(f"There is no MedMNIST set {str(path)!r}: {_near(str(path))}.")
    file = given if by_file else _file(name or "", size, root, download)
    about = MEDMNIST[name] if name else None
    options = {**_meaning(about, settings), **settings}
    options.setdefault("name", given.stem if by_file else _stem(name or "", size))
    if "source" not in options:
        where: dict[str, Any] = {"path": file.resolve()} if by_file else {"path": str(path)}
        if not by_file:
            where |= {"size": size, "root": None if root is None else Path(root).resolve()}
        options["source"] = json_source("medmnist", **where, **settings)
    return from_npz(existing(file, "npz file"), **options)


def _meaning(about: MedMNIST | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that the set's published description asks for."""
    if about is None or settings.keys() & {"loss", "classes", "class_names"}:
        return {}
    if about.task == "ordinal-regression":
        if settings.get("target", "classes") != "classes":
            return {}
        return {"target": Classes(about.labels, ordinal=True)}
    if about.task.startswith("multi-label"):
        return {"class_names": about.labels, "target": "labels"}
    return {"class_names": about.labels} if settings.get("target") != "numbers" else {}


def _near(name: str) -> str:
    return did_you_mean(name, MEDMNIST)


def _stem(name: str, size: int) -> str:
    return name if size == 28 else f"{name}_{size}"


def _file(name: str, size: int, root: str | Path | None, download: bool) -> Path:
    sizes = MEDMNIST[name].sizes
    if size not in sizes:
        raise ConfigError(f"{name} comes in the sizes {', '.join(map(str, sizes))}, got {size}.")
    folder = Path("~/.medmnist" if root is None else root).expanduser()
    file = folder / f"{_stem(name, size)}.npz"
    if file.exists():
        return file
    if not download:
        raise DataError(
            f"There is no file {file}: download=True fetches it with the package medmnist, or get "
            f"it from medmnist.com and name its folder with root=."
        )
    _download(name, size, folder)
    return file


def _download(name: str, size: int, folder: Path) -> None:
    try:
        import medmnist
    except ImportError as error:
        raise MissingExtra(
            f"download=True needs the package medmnist: `pip install medmnist` (it brings "
            f"torchvision along). Without it, get {_stem(name, size)}.npz from medmnist.com and "
            f"name its folder with root=."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    make = getattr(medmnist, medmnist.INFO[name]["python_class"])
    try:
        make(split="train", root=str(folder), download=True, size=size)
    except RuntimeError as error:
        raise DataError(f"The package medmnist could not fetch {name}: {error}") from error
