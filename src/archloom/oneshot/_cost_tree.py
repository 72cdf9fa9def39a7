"""CostTree: what the models of a space cost on average, differentiable in the probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError
from archloom.oneshot._probe import Part, probe
from archloom.space import SomeOf, Space

if TYPE_CHECKING:
    from archloom.nn import Supernet
    from archloom.task import Inputs

Metric: TypeAlias = Literal["params", "flops", "latency_ms"]

METRICS: tuple[Metric, ...] = ("params", "flops", "latency_ms")

_LARGEST = 1_000_000


@dataclass(frozen=True, eq=False)
class Term:
    """The cost of all parts that hang on the same choices: one dimension for each label."""

    labels: tuple[str, ...]
    table: Tensor


@final
class CostTree:
    """The cost of every architecture of a supernet, as a sum over parts of the model.

    A part (a convolution, say) is there with the product of the probabilities of the options
    around it, and costs what the sizes that it hangs on say. Both sum up to the exact mean over
    all architectures, since choices are drawn independently given that they are active.

    >>> import torch
    >>> from torch import nn
    >>> from archloom.nn import model_space
    >>> @model_space
    ... def tiny(pick):
    ...     wide = lambda: nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 4))
    ...     return pick.layer("op", {"wide": wide, "skip": nn.Identity})
    >>> tree = CostTree.of(tiny.supernet(), torch.zeros(1, 4), "params")
    >>> tree.cost({"op": "wide"}), tree.expected({"op": torch.tensor([0.25, 0.75])})
    (148.0, tensor(37.))
    """

    def __init__(self, space: Space, metric: Metric, terms: Iterable[Term]) -> None:
        self.space = space
        self.metric = metric
        self.terms = tuple(terms)

    @classmethod
    def of(
        cls,
        supernet: Supernet,
        example: Inputs,
        metric: Metric = "flops",
        device: torch.device | str = "cpu",
    ) -> CostTree:
        """Measure a supernet's parts.

        Parameters and operations (as `Cost` counts them) are taken on the meta device, of as few
        architectures as let every part be seen with every size; latency is the time of each part,
        on `device`, of the same ones.

        Args:
            supernet: what is measured; it is not run itself and does not change.
            example: inputs of a batch; operations and latency are those of this batch, so give
                one sample for numbers that compare with `Cost`.
            metric: "params", "flops" or "latency_ms".
            device: where latency is measured.

        Raises:
            ConfigError: when the cost hangs on a choice in a way that no table can hold.
        """
        if metric not in METRICS:
            raise ConfigError(f"A cost is one of {', '.join(METRICS)}, got {metric!r}.")
        space = supernet.space.space
        parts = probe(supernet, example, metric, device)
        return cls(space, metric, _terms(space, parts))

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Give the mean cost where each label takes its options with these probabilities.

        Args:
            probabilities: as `Gates.probabilities` gives them: of options given that the label is
                active, of each input of a subset that it is chosen. Labels with a single outcome
                may be missing.

        Raises:
            ConfigError: when a label is missing that has several outcomes.
        """
        like = next(iter(probabilities.values()), torch.zeros(()))
        total = torch.zeros((), dtype=like.dtype, device=like.device)
        for term in self.terms:
            part = term.table.to(like.device, like.dtype)
            for label in reversed(term.labels):
                part = part @ self._chances(label, probabilities).to(part)
            total = total + part
        return total

    def cost(self, architecture: Architecture | Mapping[str, Value]) -> float:
        """Give the cost of one architecture.

        Raises:
            InvalidArchitecture: when it is not a point of the space.
        """
        self.space.check(architecture)
        chosen = {label: self._chosen(label, architecture) for label in self._labels}
        return float(self.expected(chosen))

    @property
    def _labels(self) -> set[str]:
        return {label for term in self.terms for label in term.labels}

    def _chances(self, label: str, probabilities: Mapping[str, Tensor]) -> Tensor:
        if label in probabilities:
            return probabilities[label]
        domain = self.space.labels[label].domain
        if domain.count > 1:
            raise ConfigError(
                f"The expected {self.metric} needs the probabilities of {label!r}, and they are "
                f"not among those given."
            )
        return self._chosen(label, {label: domain.default})

    def _chosen(self, label: str, architecture: Mapping[str, Value]) -> Tensor:
        """Give certainties: zeros and ones. What is not active is multiplied by 0 elsewhere."""
        options = options_of(self.space, label)
        value = architecture.get(label, options[0])
        several = isinstance(self.space.labels[label].domain, SomeOf)
        chosen = [
            float(option in value if several and isinstance(value, tuple) else option == value)
            for option in options
        ]
        return torch.tensor(chosen, dtype=torch.float64)


def options_of(space: Space, label: str) -> tuple[Value, ...]:
    """Give a label's options in the order of its domain; of a subset its inputs."""
    domain = space.labels[label].domain
    if isinstance(domain, SomeOf):
        return tuple(option.value for option in domain.options)
    return tuple(domain.values())


def _terms(space: Space, parts: Iterable[Part]) -> list[Term]:
    """Write the parts into tables, one for all parts that hang on the same labels."""
    tables: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for part in parts:
        labels = tuple(part.labels)
        if labels not in tables:
            tables[labels] = np.zeros(_shape(space, labels))
        table = tables[labels]
        # Several entries may speak of one place, where a label was not active in one of them.
        own = np.zeros_like(table)
        for key, cost in part.costs.items():
            own[_index(space, part, key)] = cost
        table += own
    return [Term(labels, torch.from_numpy(table)) for labels, table in tables.items()]


def _shape(space: Space, labels: tuple[str, ...]) -> tuple[int, ...]:
    shape = tuple(len(options_of(space, label)) for label in labels)
    if np.prod(shape, dtype=float) > _LARGEST:
        raise ConfigError(
            f"The cost of one part hangs on {', '.join(map(repr, labels))} together, which is "
            f"more than {_LARGEST} combinations. Pin one of them, or limit the cost of paths "
            f"instead (a method that samples: spos)."
        )
    return shape


def _index(space: Space, part: Part, key: tuple[Value, ...]) -> tuple[int | slice, ...]:
    places: list[int | slice] = []
    for label, value in zip(part.labels, key, strict=True):
        options = options_of(space, label)
        if label in part.inputs:
            places.append(options.index(part.inputs[label]))
        elif value is None:
            places.append(slice(None))
        else:
            places.append(options.index(value))
    return tuple(places)
