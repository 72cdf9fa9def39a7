"""Supernet: one set of weights for all architectures of a space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.errors import SpaceError
from archloom.nn._elastic_layers import swap_elastic
from archloom.nn._fixed import Fixed
from archloom.nn._match import Match
from archloom.nn._meta import on_cpu, without_data
from archloom.nn._mixed_depth import MixedDepth
from archloom.nn._pick import Pick
from archloom.nn._routing import Assignment, Routing
from archloom.nn._share_compare import tensors_of
from archloom.nn._shared import Place, Placed, Shared

if TYPE_CHECKING:
    from archloom.nn._model_space import ModelSpace


class Refused(SpaceError):
    """Values that no module of a supernet can follow.

    Attributes:
        labels: label -> why.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{label!r}: {why}" for label, why in labels.items()))
        self.labels = dict(labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return Refused, (self.labels,)


@final
class Supernet(nn.Module):
    """A model that holds the weights of every option of a space; gates say which of them run.

    Made by `ModelSpace.supernet`. It is an ordinary module: optimizers, `state_dict`,
    `copy.deepcopy`, `functional_call`, `.to(device)` and autocast work as with any other. Its
    weights come from torch's global random state.

    Attributes:
        space: the model space that it shares, what was pinned included; `space.space` has the
            choices that are left to the gates.
        model: what the space function gave.

    >>> from archloom.nn import model_space
    >>> @model_space
    ... def tiny(pick):
    ...     op = pick.layer("op", {"relu": nn.ReLU, "tanh": nn.Tanh})
    ...     return nn.Sequential(nn.Linear(4, 2), op)
    >>> supernet = tiny.supernet()
    >>> supernet(torch.zeros(3, 4), gates={"op": torch.tensor([0.5, 0.5])}).shape
    torch.Size([3, 2])
    >>> supernet.child({"op": "tanh"})
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
      (1): Tanh()
    )
    """

    def __init__(self, space: ModelSpace) -> None:
        super().__init__()
        self.space = space
        self.routing = Routing(space.space.labels, space.pins)
        reading = Shared(self.routing)
        placed = Placed(reading)
        self.model = space._read(Pick(placed))
        if reading.refused:
            raise Refused(reading.refused)
        self._made = dict(placed.made)
        for part in self._parts():
            swap_elastic(part, self.routing)
        self._divisible = False

    def forward(self, *args: Any, gates: Assignment | None = None, **kwargs: Any) -> Any:
        if gates is None:
            return self.model(*args, **kwargs)
        with self.routing.routed(gates):
            return self.model(*args, **kwargs)

    def routed(self, gates: Assignment, *, partial: int = 1) -> AbstractContextManager[None]:
        """Let every forward inside a `with` take these gates.

        Args:
            gates: label -> an option's value, weights of all options (in the order of the
                choice's options; a repeat's depths and a subset's options likewise), or
                `Weighted`. Labels that no path with weight leads to may be left out.
            partial: K runs choices with weights on one channel in K (PC-DARTS,
                arXiv:1907.05737).

        Raises:
            ConfigError: for a label that the space does not have or that is pinned.
        """
        if partial > 1 and not self._divisible:
            for part in self._parts():
                swap_elastic(part, self.routing, divisible=True)
            self._divisible = True
        return self.routing.routed(gates, partial)

    def child(self, architecture: Architecture | Mapping[str, Any]) -> nn.Module:
        """Give the stand-alone model of an architecture, with a copy of its weights in here.

        It is what `space.build` gives, with the same keys and shapes, on the supernet's device and
        in its mode (`train` or `eval`).

        Raises:
            InvalidArchitecture: when the architecture is not a point of `space`.
            SpaceError: when the architecture cannot share (see `unshareable`).
        """
        architecture = self._checked(architecture)
        with on_cpu():
            pairs, model = self.match(architecture)
        model.to(self.device)
        for shared, plain in pairs:
            _inherit(shared, plain, architecture)
        return model.train(self.training)

    def path_parameters(self, architecture: Architecture | Mapping[str, Any]) -> list[nn.Parameter]:
        """Give the parameters that the path of an architecture uses, whole where it uses a part.

        Raises:
            InvalidArchitecture: when the architecture is not a point of `space`.
        """
        architecture = self._checked(architecture)
        pairs, _ = without_data(lambda: self.match(architecture))
        used = {
            id(parameter): parameter
            for shared, _ in pairs
            for parameter in shared.parameters(recurse=False)
        }
        return list(used.values())

    def match(
        self, architecture: Architecture
    ) -> tuple[list[tuple[nn.Module, nn.Module]], nn.Module]:
        """Build the model of an architecture; give it, and which module in here is which of it.

        Raises:
            SpaceError: where the model has parts that are not in here.
        """
        fixed = Fixed(self.space._trace, architecture)
        placed = Placed(fixed)
        model = self.space._read(Pick(placed))
        fixed.finish()
        match = Match(self.model, self._made, model, placed.made, architecture)
        return list(match.pairs()), model

    @property
    def places(self) -> Mapping[Place, nn.Module]:
        """What the options, bodies and inputs of each choice became, by where they were made."""
        return self._made

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next((tensor.device for tensor in _tensors(self)), torch.empty(0).device)

    def _parts(self) -> list[nn.Module]:
        """Give the model, and the joins of repeats, which it does not register."""
        depths = [part for part in self.model.modules() if isinstance(part, MixedDepth)]
        return [self.model, *(join for depth in depths for join in depth.joins)]

    def _checked(self, architecture: Architecture | Mapping[str, Any]) -> Architecture:
        if not isinstance(architecture, Architecture):
            architecture = Architecture(architecture)
        self.space.space.check(architecture)
        return architecture


def _inherit(shared: nn.Module, plain: nn.Module, architecture: Architecture) -> None:
    """Copy the tensors that a module itself saves."""
    for name, tensor in tensors_of(shared, architecture).items():
        held: Tensor | None = plain._parameters.get(name)
        if held is None:
            held = plain._buffers.get(name)
        if held is None or held.shape != tensor.shape:
            raise SpaceError(
                f"{name!r} of a {type(plain).__name__} has the shape "
                f"{None if held is None else tuple(held.shape)} in the model but "
                f"{tuple(tensor.shape)} in the supernet."
            )
        held.data = tensor.detach().clone()


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()
