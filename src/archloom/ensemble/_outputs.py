"""The file that holds what a trial's model predicted for validation data."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from archloom.train import load_tensors, save_tensors

OUTPUTS = "outputs.pt"


class Saved(NamedTuple):
    """Raw outputs, and of which samples.

    `rows` are places among the task's pooled samples (training, then validation); None stands
    for the validation samples, all of them in their order.
    """

    outputs: Tensor
    rows: Tensor | None = None


def save_outputs(files: Path, outputs: Tensor, rows: Tensor | None = None) -> None:
    """Write the outputs into a trial's folder."""
    content = {"outputs": outputs.cpu()} | ({} if rows is None else {"rows": rows.cpu()})
    save_tensors(files / OUTPUTS, content)


def saved_outputs(files: Path) -> Saved | None:
    """Give what `save_outputs` wrote; None where it is missing, torn, or no single tensor.

    >>> import tempfile, torch
    >>> folder = Path(tempfile.mkdtemp())
    >>> save_outputs(folder, torch.zeros(4, 2))
    >>> saved_outputs(folder).outputs.shape, saved_outputs(folder / "nowhere")
    (torch.Size([4, 2]), None)
    """
    content = load_tensors(files / OUTPUTS)
    outputs = None if content is None else content.get("outputs")
    if content is None or not isinstance(outputs, Tensor) or outputs.ndim != 2:
        return None
    return Saved(outputs, content.get("rows"))
