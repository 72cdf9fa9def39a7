"""A model file: a plain torch module that also says how its inputs and outputs are to be read.

The module needs nothing but torch to load. Its attribute `archloom`, a dict that JSON can hold,
tells `archloom predict` how files become inputs and outputs become answers.
"""

from __future__ import annotations

import copy
import os
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import archloom
from archloom.automl._answers import Answers, MixedAnswers, answers_from_json
from archloom.automl._encode import encoder_from_json
from archloom.automl._outputs import finished, outputs_of
from archloom.errors import DataError
from archloom.task import Target, kind_of, target_from_json

FORMAT = 1

_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, TypeError),
    *(LookupError, AttributeError, ImportError, MemoryError, struct.error),
)
"""What unpickling raises for files that are damaged, or of another kind."""


@dataclass(frozen=True)
class ModelFile:
    """A trained model and all that predicting from raw data needs.

    `source` says where the training data came from, None for data in memory.
    """

    model: nn.Module
    kind: str
    encoder: Any
    answers: Answers | MixedAnswers
    target: Target
    threshold: float | None
    source: Mapping[str, Any] | None = None

    def finished(self, X: Any, device: torch.device | str = "cpu") -> np.ndarray:
        """Give probabilities, or numbers in natural units, for raw data."""
        return finished(outputs_of(self.model, self.encoder.transform(X), device), self.target)

    def save(self, path: Path) -> None:
        """Write the file whole, or not at all."""
        model = copy.deepcopy(self.model).cpu().eval()
        # a plain attribute: who loads the module without archloom can read it
        model.__dict__["archloom"] = {
            "format": FORMAT,
            "version": archloom.__version__,
            "kind": self.kind,
            "encoder": dict(self.encoder.to_json()),
            "answers": self.answers.to_json(),
            "target": self.target.to_json(),
            "threshold": self.threshold,
            "source": None if self.source is None else dict(self.source),
        }
        beside = path.with_name(path.name + ".part")
        torch.save(model, beside)
        os.replace(beside, path)


def load_model_file(path: str | Path) -> ModelFile:
    """Read a model file.

    Loading runs code that the file holds, as every pickled module does: open only files that you
    trust.

    Raises:
        DataError: for a file that is missing, broken, or no model file of `archloom fit`.

    >>> import tempfile
    >>> from archloom.automl import TableRegressor
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> X = [[float(i), float(i % 7)] for i in range(40)]
    >>> door = TableRegressor(space="mlp", **settings).fit(X, range(40))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = load_model_file(door.export(f"{folder}/model.pt"))
    >>> model.kind, model.finished(X[:3]).shape
    ('table', (3, 1))
    """
    path = Path(path)
    try:
        model = torch.load(path, map_location="cpu", weights_only=False)
    except FileNotFoundError as error:
        raise DataError(f"There is no model file {str(path)!r}.") from error
    except _UNREADABLE as error:
        raise DataError(
            f"{str(path)!r} is no model file of archloom: it {_what(path)} ({error}). Give the "
            f".pt file that `archloom fit` or a door's export() wrote."
        ) from error
    about = getattr(model, "archloom", None)
    if not isinstance(about, dict) or "encoder" not in about:
        raise DataError(
            f"{str(path)!r} holds no model of `archloom fit` or a door's export(): what inputs it "
            f"takes is not known."
        )
    if about["format"] > FORMAT:
        raise DataError(
            f"{str(path)!r} was written by archloom {about['version']}, in a newer format than "
            f"this version ({archloom.__version__}) reads: install a newer archloom."
        )
    return ModelFile(
        model,
        about["kind"],
        encoder_from_json(about["encoder"]),
        answers_from_json(about["answers"]),
        target_from_json(about["target"]),
        about["threshold"],
        about["source"],
    )


def _what(path: Path) -> str:
    """Say what a file is that is no model."""
    kind, words = kind_of(path) if path.is_file() else ("folder", "a folder")
    if kind in ("zip", "unknown"):
        return "is damaged or cut short"
    return f"is {words}"
