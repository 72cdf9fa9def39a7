"""Task from a torch `Dataset`, or any sequence of (input, target) pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from archloom.errors import DataError
from archloom.task import Room, Task, from_arrays, map_tensors


def from_dataset(
    data: Any,
    *,
    valid: Any = 0.1,
    test: Any = None,
    seed: int = 0,
    workers: int = 0,
    memory: str | int | float | None = None,
    cache: Any = None,
    **settings: Any,
) -> Task:
    """Read a map-style dataset whose items are pairs (input, target), each item once.

    Inputs are tensors, arrays, Pillow images or numbers, or a tuple or dict of them, all of one
    shape. `valid` and `test` are fractions, or datasets of their own. A `TensorDataset` and
    subsets of it are taken as a whole; other datasets are read item by item, by `workers`
    processes where that is slow. What does not fit into `memory` goes to a file in `cache`.
    `classes` of the dataset name the classes. Further settings are those of `from_arrays`.

    Raises:
        DataError: for datasets without length or items, and items that do not fit together.

    >>> data = TensorDataset(torch.rand(20, 1, 8, 8), torch.arange(20) % 2)
    >>> from_dataset(data, valid=0.2)
    Task('TensorDataset', 16/4/0, shape=(1, 8, 8), classes=2)
    """
    room = Room.of(memory, cache)
    notices: list[str] = []
    X, y = _read(data, "train", workers, room, notices)
    parts: dict[str, Any] = {
        name: _read(part, name, workers, room, notices) if _is_data(part) else part
        for name, part in (("valid", valid), ("test", test))
    }
    given = {"name": type(_bare(data)).__name__, "memory": memory, "cache": cache, **settings}
    names: Any = getattr(_bare(data), "classes", None)
    if not given.keys() & {"class_names", "classes", "target", "loss"} and _name(names, y):
        given["class_names"] = [str(name) for name in names]
    given["notices"] = (*notices, *settings.get("notices", ()))
    return from_arrays(X, y, seed=seed, **parts, **given)


def _is_data(part: Any) -> bool:
    return part is not None and not isinstance(part, int | float | tuple)


def _bare(data: Any) -> Any:
    while isinstance(data, Subset):
        data = data.dataset
    return data


def _name(names: Any, y: Any) -> bool:
    """Say whether the dataset's `classes` name what its targets count."""
    if not isinstance(names, list | tuple) or len(names) < 2:
        return False
    targets = np.asarray(y)
    return targets.ndim == 1 and targets.dtype.kind in "iu" and int(targets.max()) < len(names)


def _read(data: Any, where: str, workers: int, room: Room, notices: list[str]) -> tuple[Any, Any]:
    if isinstance(data, IterableDataset) or not hasattr(data, "__getitem__"):
        raise DataError(
            f"A dataset has a length and items by number, {where} is {type(data).__name__}, which "
            f"has none: collect its items in a list first."
        )
    index = None
    bare = data
    while isinstance(bare, Subset):  # an index into an index
        inner = torch.as_tensor(bare.indices, dtype=torch.int64)
        index = inner if index is None else inner[index]
        bare = bare.dataset
    if isinstance(bare, TensorDataset):
        return _whole(bare.tensors, index, room, where)
    return _item_by_item(data, where, workers, room, notices)


def _whole(
    tensors: Sequence[Tensor], index: Tensor | None, room: Room, where: str
) -> tuple[Any, Any]:
    if len(tensors) < 2:
        raise DataError(
            f"A TensorDataset holds inputs and, last, targets; {where} has {len(tensors)} tensors."
        )
    taken = [one if index is None else room.take(one, index) for one in tensors]
    inputs = taken[0] if len(taken) == 2 else tuple(taken[:-1])
    return inputs, taken[-1]


def _item_by_item(
    data: Any, where: str, workers: int, room: Room, notices: list[str]
) -> tuple[Any, Any]:
    count = len(data)
    if not count:
        raise DataError(f"A split must hold samples, {where} has none.")
    first = _pair(data[0], 0, where)
    if not _same(first[0], _pair(data[0], 0, where)[0]):
        notices.append(
            f"Items of {where} differ each time they are read (random transforms?); each is read "
            f"once and stays so. Augmentation is better left to training."
        )
    example = map_tensors(lambda one: _array(one, 0, where), first[0])
    total = count * sum(_bytes(example))
    rows = map_tensors(lambda one: room.empty((count, *one.shape), one.dtype, total=total), example)
    targets: list[Any] = []
    for number, item in enumerate(_items(data, workers)):
        inputs, target = _pair(item, number, where)
        _put(rows, inputs, number, where)
        targets.append(_plain(target))
    return rows, _stacked(targets, where)


def _items(data: Any, workers: int) -> Iterator[Any]:
    if not workers:
        yield from (data[number] for number in range(len(data)))
        return
    loader: Any = DataLoader(data, batch_size=64, num_workers=workers, collate_fn=list)
    for batch in loader:
        yield from batch


def _pair(item: Any, number: int, where: str) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise DataError(
            f"Items of a dataset are pairs (input, target), item {number} of {where} is "
            f"{type(item).__name__}."
        )
    inputs = item[0] if len(item) == 2 else tuple(item[:-1])
    return tuple(inputs) if isinstance(inputs, list) else inputs, item[-1]


def _array(value: Any, number: int, where: str) -> np.ndarray:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise DataError(
            f"Inputs must be numbers, item {number} of {where} holds {type(value).__name__}. Give "
            f"the dataset a transform that makes tensors."
        )
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def _put(rows: Any, inputs: Any, number: int, where: str) -> None:
    def one(row: np.ndarray, value: Any) -> None:
        array = _array(value, number, where)
        if array.shape != row.shape[1:]:
            raise DataError(
                f"Samples must all have one shape: item 0 of {where} has {row.shape[1:]}, item "
                f"{number} has {array.shape}."
            )
        row[number] = array

    map_tensors(one, rows, inputs)


def _plain(target: Any) -> Any:
    if isinstance(target, Tensor):
        target = target.detach().cpu()
        return target.item() if target.ndim == 0 else target.numpy()
    return target


def _stacked(targets: list[Any], where: str) -> Any:
    if not isinstance(targets[0], np.ndarray | list | tuple):
        return targets
    try:
        return np.stack([np.asarray(target) for target in targets])
    except ValueError as error:
        raise DataError(f"Targets must all have one shape, those of {where} differ.") from error


def _same(one: Any, other: Any) -> bool:
    equal: list[bool] = []
    compare: Callable[..., None] = lambda a, b: equal.append(_equal(a, b))  # noqa: E731
    map_tensors(compare, one, other)
    return all(equal)


def _equal(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=False)


def _bytes(example: Any) -> list[int]:
    sizes: list[int] = []
    map_tensors(lambda one: sizes.append(one.nbytes), example)
    return sizes
