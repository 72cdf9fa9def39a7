"""export_model: write a trained model in the formats asked for, each file whole or not at all."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from archloom.errors import ConfigError, did_you_mean
from archloom.export._normalise import normalised
from archloom.export._onnx import write_onnx
from archloom.export._outputs import apart, output_columns
from archloom.task import Target

Format: TypeAlias = Literal["pt", "pt2", "onnx"]
Example: TypeAlias = "Tensor | tuple[Any, ...] | Mapping[str, Any]"

FORMATS: Final[tuple[Format, ...]] = ("pt", "pt2", "onnx")


def export_model(
    model: nn.Module,
    example: Example,
    target: str | Path,
    formats: Sequence[str] = ("pt", "pt2"),
    *,
    normalise: tuple[Sequence[float] | Tensor, Sequence[float] | Tensor] | None = None,
    outputs: Target | Mapping[str, int] | None = None,
) -> list[Path]:
    """Write `model` to files and give their paths. None of them needs archloom to be read.

    - "pt": the module itself; `torch.load(path, weights_only=False)` gives it back.
    - "pt2": the exported program; `torch.export.load(path).module()` runs it.
    - "onnx": an ONNX graph, compared with the model on a random batch before it is kept. Its
      inputs bear the names of the example's, or `input`; its outputs those of `outputs`, or
      `output`, or of what the model gives: the keys of a dict, `output0`, `output1` of a tuple.

    The files take any batch size and give what the model gives: logits for a classifier. The model
    is stored in eval mode on the CPU; the one passed in stays as it is.

    Args:
        model: a trained module.
        example: a batch of inputs: a tensor `x` for `model(x)`, a tuple for `model(*xs)`, a dict
            for `model(**xs)`. Shapes and dtypes count, besides the batch size.
        target: a file whose ending names the format, or a folder, which gets `model.<format>`.
        formats: which to write; ignored when `target` is a file.
        normalise: mean and standard deviation (see `normalised`) to bake in, so that the files
            take raw inputs.
        outputs: what the columns of the model's one output are: a task's target, or the number of
            columns of each by name. The ONNX file has an output of its own for each of several
            targets; the other files give the model's one tensor.

    Raises:
        ConfigError: for an unknown format, for a model that cannot be exported in that format, and
            for an ONNX file whose outputs differ from the model's.
        MissingExtra: for "onnx" without the onnx extra.

    >>> folder = tempfile.mkdtemp()
    >>> [path.name for path in export_model(nn.Linear(4, 2), torch.zeros(2, 4), folder, ["pt"])]
    ['model.pt']
    """
    paths = _paths(Path(target), formats)
    ready = copy.deepcopy(model).cpu().eval()
    inputs = _on_cpu(example)
    if normalise is not None:
        if not isinstance(inputs, Tensor):
            raise ConfigError(
                "Normalisation can be baked in for models of one input tensor; put it into the "
                "model itself for more."
            )
        ready = normalised(ready, *normalise, dims=inputs.dim()).eval()
    columns = output_columns(outputs)
    for format, path in paths.items():
        with _atomic(path) as partial:
            if format == "onnx":
                split = apart(ready, inputs, columns) if columns else ready
                _write_onnx(split, inputs, partial, list(columns))
            else:
                _WRITERS[format](ready, inputs, partial)
    return list(paths.values())


def _paths(target: Path, formats: Sequence[str]) -> dict[str, Path]:
    ending = target.suffix.removeprefix(".")
    if ending in FORMATS and not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        return {ending: target}
    if isinstance(formats, str):
        formats = [formats]
    for format in formats:
        if format not in FORMATS:
            raise ConfigError(
                f"There is no export format {format!r}: {did_you_mean(format, FORMATS)}."
            )
    if target.exists() and not target.is_dir():
        raise ConfigError(
            f"{str(target)!r} is a file, but its ending is none of {', '.join(FORMATS)}: give a "
            f"folder, or a file such as {str(target.with_suffix('.pt'))!r}."
        )
    target.mkdir(parents=True, exist_ok=True)
    return {format: target / f"model.{format}" for format in formats}


def _on_cpu(example: Example) -> Example:
    """Give the example on the CPU with a batch of at least two, which exporters need."""

    def ready(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        leaf = torch.zeros(leaf.shape, dtype=leaf.dtype) if leaf.is_meta else leaf.detach().cpu()
        return torch.cat([leaf, leaf]) if leaf.dim() and leaf.shape[0] == 1 else leaf

    if isinstance(example, Mapping):
        return {name: ready(leaf) for name, leaf in example.items()}
    return tuple(map(ready, example)) if isinstance(example, tuple) else ready(example)


@contextlib.contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the name of `path` only when all went well."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        partial = Path(folder) / path.name
        yield partial
        os.replace(partial, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress and deprecation notes away; errors still come as exceptions."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _write_pt(model: nn.Module, example: Example, path: Path) -> None:
    torch.save(model, path)


def _write_pt2(model: nn.Module, example: Example, path: Path) -> None:
    with _quiet():
        torch.export.save(_exported(model, example), path)


def _write_onnx(model: nn.Module, example: Example, path: Path, outputs: Sequence[str]) -> None:
    with _quiet():
        write_onnx(model, _exported(model, example), example, path, outputs)


_WRITERS: Final[Mapping[str, Callable[[nn.Module, Example, Path], None]]] = {
    "pt": _write_pt,
    "pt2": _write_pt2,
}


def _exported(model: nn.Module, example: Example) -> torch.export.ExportedProgram:
    """Trace the model for any batch size, or for the example's where it insists on one."""
    args, kwargs = _call(example)
    batch = torch.export.Dim("batch", min=1)
    shapes = _dynamic(example, batch)
    try:
        return torch.export.export(model, args, kwargs, dynamic_shapes=shapes, strict=False)
    except (RuntimeError, ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"The model cannot be exported for any batch size: {first} Export it as 'pt', or "
            f"rewrite the part of its forward that depends on values or on the batch size."
        ) from error


def _call(example: Example) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        return (), dict(example)
    return (example if isinstance(example, tuple) else (example,)), {}


def _dynamic(example: Example, batch: Any) -> Any:
    def dynamic(leaf: Any) -> Any:
        return {0: batch} if isinstance(leaf, Tensor) and leaf.dim() else None

    if isinstance(example, Mapping):
        return {name: dynamic(leaf) for name, leaf in example.items()}
    leaves = example if isinstance(example, tuple) else (example,)
    return tuple(map(dynamic, leaves))
