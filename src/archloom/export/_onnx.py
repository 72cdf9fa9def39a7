"""ONNX files, kept only if onnxruntime gives what the model gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from archloom.errors import ConfigError, MissingExtra

TOLERANCE: Final = 1e-4
"""How far outputs may be apart, relative to the largest one or absolute, whichever is more."""

_BATCH: Final = 3


def write_onnx(
    model: nn.Module,
    program: torch.export.ExportedProgram,
    example: Any,
    path: Path,
    outputs: Sequence[str] = (),
) -> None:
    """Write the exported program as ONNX and compare the two on a random batch.

    `outputs` names the outputs, which are otherwise called by what the model gives.
    """
    _need_extra()
    names = _names(example)
    try:
        written = torch.onnx.export(
            program,
            dynamo=True,
            optimize=True,
            verbose=False,
            input_names=names,
            output_names=_apart_from(names, outputs or _output_names(_called(model, example))),
        )
    except (RuntimeError, ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"The model cannot be written as ONNX: {first}") from error
    if written is None:
        raise ConfigError("The model cannot be written as ONNX: the exporter gave nothing.")
    written.save(str(path), include_initializers=True)
    _compare(model, example, path)


def _need_extra() -> None:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"ONNX export needs the package {module}: pip install 'archloom[onnx]'."
            ) from error


def _names(example: Any) -> list[str]:
    if isinstance(example, Mapping):
        return list(example)
    if isinstance(example, tuple):
        return [f"input{number}" for number in range(len(example))]
    return ["input"]


def _output_names(given: Any) -> list[str] | None:
    """Give names for what a model gave, None where it is too involved for names."""
    if isinstance(given, Tensor):
        return ["output"]
    parts = given.items() if isinstance(given, Mapping) else enumerate(given)
    if not all(isinstance(part, Tensor) for _, part in parts):
        return None
    return list(given) if isinstance(given, Mapping) else [f"output{n}" for n in range(len(given))]


def _apart_from(inputs: Sequence[str], outputs: Sequence[str] | None) -> list[str] | None:
    """Give the outputs other names than the inputs have: a graph knows each name once."""
    if outputs is None:
        return None
    return [f"predicted_{name}" if name in inputs else name for name in outputs]


def _called(model: nn.Module, batch: Any) -> Any:
    with torch.no_grad():
        if isinstance(batch, Mapping):
            return model(**batch)
        return model(*batch) if isinstance(batch, tuple) else model(batch)


def _compare(model: nn.Module, example: Any, path: Path) -> None:
    """Raise `ConfigError` when onnxruntime's outputs differ from the model's."""
    import onnxruntime

    batch = pytree.tree_map(_random, example)
    wanted = _called(model, batch)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    leaves = [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
    feed = {i.name: leaf.numpy() for i, leaf in zip(session.get_inputs(), leaves, strict=True)}
    for given, leaf in zip(session.run(None, feed), pytree.tree_leaves(wanted), strict=True):
        apart = float((torch.as_tensor(given).double() - leaf.double()).abs().max())
        allowed = TOLERANCE * max(1.0, float(leaf.abs().max()))
        if not apart <= allowed:
            raise ConfigError(
                f"The ONNX file gives other outputs than the model: they are {apart:.2g} apart, "
                f"{allowed:.2g} is allowed."
            )


def _random(leaf: Any) -> Any:
    """Give a random batch like the example's: other numbers, another batch size."""
    if not isinstance(leaf, Tensor) or not leaf.dim():
        return leaf
    shape = (_BATCH, *leaf.shape[1:])
    generator = torch.Generator().manual_seed(0)
    if not leaf.dtype.is_floating_point:
        # Numbers that the example holds are the only ones known to be in range (of a vocabulary).
        picked = torch.randint(leaf.numel(), shape, generator=generator)
        return leaf.reshape(-1)[picked]
    low, high = float(leaf.min()), float(leaf.max())
    spread = max(high - low, 1.0)
    return low + spread * torch.rand(shape, generator=generator, dtype=leaf.dtype)
