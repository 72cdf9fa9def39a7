"""What is averaged: probabilities of classes and labels, numbers as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor

from archloom.errors import ConfigError

Kind: TypeAlias = Literal["classes", "labels", "numbers"]

_KINDS = ("classes", "labels", "numbers")
_TINY = 1e-30  # the least probability whose logarithm is taken


class Part(NamedTuple):
    """Columns of a model's output that are averaged in one way."""

    kind: Kind
    columns: int


def parts_of(target: Any) -> tuple[Part, ...]:
    """Give the parts of a target's columns: one, and one for each output of a `Mixed`.

    Parts, or pairs such as a JSON file gives, are taken as they are.

    Raises:
        ConfigError: for a target of a kind that cannot be averaged.

    >>> from archloom.task import digits
    >>> parts_of(digits().target), parts_of([["labels", 14]])
    ((Part(kind='classes', columns=10),), (Part(kind='labels', columns=14),))
    """
    if isinstance(target, list | tuple):
        return tuple(_part(kind, columns) for kind, columns in target)
    if target.kind == "mixed":
        return tuple(part for inner in target.parts.values() for part in parts_of(inner))
    return (_part(target.kind, target.outputs),)


def _part(kind: str, columns: int) -> Part:
    if kind not in _KINDS:
        raise ConfigError(f"What is averaged is one of {', '.join(_KINDS)}, got {kind!r}.")
    return Part(cast("Kind", kind), int(columns))


def slices(parts: Sequence[Part]) -> Iterator[tuple[Part, slice]]:
    """Give each part with the columns that it takes."""
    first = 0
    for part in parts:
        yield part, slice(first, first + part.columns)
        first += part.columns


def to_means(outputs: Tensor, parts: Sequence[Part]) -> Tensor:
    """Turn a model's outputs into what may be averaged, in double precision.

    >>> to_means(torch.tensor([[0.0, 0.0, 5.0]]), [Part("classes", 2), Part("numbers", 1)])
    tensor([[0.5000, 0.5000, 5.0000]], dtype=torch.float64)
    """
    outputs = outputs.double()
    done = []
    for part, columns in slices(parts):
        mine = outputs[:, columns]
        match part.kind:
            case "classes":
                mine = mine.softmax(1)
            case "labels":
                mine = mine.sigmoid()
        done.append(mine)
    return torch.cat(done, 1)


def from_means(means: Tensor, parts: Sequence[Part]) -> Tensor:
    """Turn averages back into outputs as a model gives them: logits, numbers; single precision.

    >>> from_means(torch.tensor([[0.5, 0.5]]), [Part("classes", 2)]).softmax(1)
    tensor([[0.5000, 0.5000]])
    """
    done = []
    for part, columns in slices(parts):
        mine = means[:, columns].double()
        match part.kind:
            case "classes":
                mine = mine.clamp_min(_TINY).log()
            case "labels":
                mine = mine.clamp_min(_TINY).log() - (1 - mine).clamp_min(_TINY).log()
        done.append(mine)
    return torch.cat(done, 1).float()


def combine_outputs(outputs: Sequence[Tensor], weights: Sequence[float], target: Any) -> Tensor:
    """Give the outputs of an ensemble from those of its members: what `combined_model` gives.

    >>> sure, unsure = torch.tensor([[9.0, -9.0]]), torch.tensor([[0.0, 0.0]])
    >>> combine_outputs([sure, unsure], [0.5, 0.5], [("classes", 2)]).softmax(1)
    tensor([[0.7500, 0.2500]])
    """
    parts = parts_of(target)
    shares = normal_weights(weights, len(outputs))
    total = shares[0] * to_means(outputs[0], parts)
    for share, each in zip(shares[1:], outputs[1:], strict=True):
        total += share * to_means(each, parts)
    return from_means(total, parts)


def normal_weights(weights: Sequence[float], members: int) -> list[float]:
    """Give weights that sum to 1. Raises `ConfigError` unless they are that many, not negative."""
    if not members:
        raise ConfigError("An ensemble needs at least one member, got none.")
    if len(weights) != members or not all(weight >= 0 for weight in weights) or not sum(weights):
        raise ConfigError(
            f"An ensemble of {members} needs as many weights, none negative and not all 0, got "
            f"{list(weights)}."
        )
    total = float(sum(weights))
    return [float(weight) / total for weight in weights]
