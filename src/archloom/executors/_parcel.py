"""Parcels: objects written to files once and read by every worker, their tensors mapped.

A tensor does not go through pickle: all tensors of a parcel lie in one file that each worker maps
into its memory, so that any number of workers hold the data once, and none can change them.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import IO, Any

import cloudpickle  # type: ignore[import-untyped]
import torch
from torch import Tensor, nn

from archloom.errors import ConfigError, RunError
from archloom.nn import ModelSpace
from archloom.space import Space

_TENSORS = ".pt"


def pack(thing: object, path: Path, what: str) -> None:
    """Write the object to `path` and its tensors beside it.

    Raises:
        ConfigError: when it holds something that cannot be sent to another process.
        RunError: when the disk does not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            tensors = _dump(thing, file, what)
        torch.save([_compact(tensor) for tensor in tensors], path.with_suffix(_TENSORS))
    except (OSError, RuntimeError) as error:  # torch says so where its writing fails
        raise RunError(
            f"{what} must be written once for the worker processes, and {str(path)!r} cannot be "
            f"written ({error}): make room, or run with workers=1."
        ) from error


def unpack(path: Path) -> Any:
    """Give the object that `pack` wrote, its tensors mapped from the file."""
    tensors = torch.load(path.with_suffix(_TENSORS), mmap=True, weights_only=True)
    with path.open("rb") as file:
        return _Unpacker(file, tensors).load()


def require_portable(thing: object, what: str) -> None:
    """Raise `ConfigError` if the object cannot be sent to another process."""
    _dump(thing, io.BytesIO(), what)


def _dump(thing: object, file: IO[bytes], what: str) -> list[Tensor]:
    packer = _Packer(file)
    try:
        packer.dump(thing)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{what} must be sent to the worker processes and cannot be pickled ({error}): keep "
            f"open files, locks and generators out of it, or run with workers=1."
        ) from error
    finally:
        packer.restore()
    return packer.tensors


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles functions and classes by value where a fresh process could not import them."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.tensors: list[Tensor] = []
        self._places: dict[int, int] = {}
        self._found: dict[str, bool] = {}
        self._registered: list[Any] = []

    def persistent_id(self, thing: object) -> int | None:
        if type(thing) is not Tensor or thing.layout is not torch.strided or thing.is_meta:
            return None
        if id(thing) not in self._places:
            self._places[id(thing)] = len(self.tensors)
            self.tensors.append(thing)  # which also keeps its id from being another's
        return self._places[id(thing)]

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, ModelSpace):
            named = self._has_name(thing)
            return NotImplemented if named else (_space, (thing.function, thing.to_json()))
        if isinstance(thing, FunctionType | type) and not self._importable(thing.__module__):
            self._send_by_value(thing.__module__)
        return super().reducer_override(thing)

    def restore(self) -> None:
        """Take back what was said about modules."""
        for module in self._registered:
            cloudpickle.unregister_pickle_by_value(module)

    def _has_name(self, space: ModelSpace) -> bool:
        module, _, qualname = space.name.rpartition(":")
        found: Any = sys.modules.get(module)
        for part in qualname.split("."):
            found = getattr(found, part, None)
        same = isinstance(found, ModelSpace) and found.function is space.function
        return same and self._importable(module)

    def _importable(self, module: str | None) -> bool:
        name = module or "builtins"
        if name not in self._found:
            self._found[name] = _importable(name)
        return self._found[name]

    def _send_by_value(self, name: str) -> None:
        module = sys.modules.get(name)
        if module is None or name in cloudpickle.list_registry_pickle_by_value():
            return
        cloudpickle.register_pickle_by_value(module)
        self._registered.append(module)


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: IO[bytes], tensors: list[Tensor]) -> None:
        super().__init__(file)
        self._tensors = tensors

    def persistent_load(self, place: Any) -> Tensor:
        tensor: Tensor = self._tensors[place]
        return tensor


def _importable(name: str) -> bool:
    """Whether a fresh process with our search path finds the very module that we have."""
    top = name.partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return False
    finds: list[Callable[..., Any]] = [
        finder.find_spec for finder in sys.meta_path if hasattr(finder, "find_spec")
    ]
    spec = next((spec for find in finds if (spec := find(top, None)) is not None), None)
    file = getattr(sys.modules.get(top), "__file__", None)
    if spec is None:
        return False
    if file is None or spec.origin is None or not spec.has_location:
        return True
    return Path(file).resolve() == Path(spec.origin).resolve()


def _compact(tensor: Tensor) -> Tensor:
    """Give the values without the rest of a larger storage that the tensor is a view of."""
    plain = tensor.detach().cpu()
    whole = plain.untyped_storage().nbytes() == plain.numel() * plain.element_size()
    return plain if whole else plain.clone()


def _space(function: Callable[..., nn.Module], data: Mapping[str, Any]) -> ModelSpace:
    """Make a space again from its function and its own description."""
    bare = ModelSpace(function, data["name"])(**data["settings"])
    extra = Space.from_json(data["joint"]).choices if "joint" in data else ()
    return ModelSpace(function, bare.name, bare.settings, {c.label: c.domain for c in extra})
