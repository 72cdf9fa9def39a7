"""Which module of a supernet is which module of a model built for one architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, final

from torch import nn

from archloom.architecture import Architecture
from archloom.errors import SpaceError
from archloom.nn._elastic_gates import settled
from archloom.nn._elastic_graph import ElasticNumber
from archloom.nn._mixed import Mixed
from archloom.nn._mixed_depth import MixedDepth, Step
from archloom.nn._mixed_inputs import Edge, MixedInputs
from archloom.nn._shared import Place

CHOICES: Final = (Mixed, MixedDepth, MixedInputs, Edge, Step)
"""The modules that stand for a question of the space function."""


@final
class Match:
    """The pairs of equal parts of a supernet's model and a model of one of its architectures.

    What a question of the space function made is found by the place where it was made, so that
    it does not matter where the function put it. What stands between is found in order, of the
    parts of the same whole.

    Args:
        shared: the supernet's model.
        shared_made: its modules by place.
        plain: the model of the architecture.
        plain_made: its modules by place.
        architecture: which it is.
    """

    def __init__(
        self,
        shared: nn.Module,
        shared_made: Mapping[Place, nn.Module],
        plain: nn.Module,
        plain_made: Mapping[Place, nn.Module],
        architecture: Architecture,
    ) -> None:
        self._roots = shared, plain
        self._shared_made = shared_made
        self._shared_ids = {id(module) for module in shared_made.values()}
        # Of what is made inside and handed on as it is, the inner place counts: it came first.
        self._places: dict[int, Place] = {}
        for place, module in plain_made.items():
            self._places.setdefault(id(module), place)
        self._architecture = architecture
        self._seen: set[tuple[int, int]] = set()

    def pairs(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Give (module of the supernet, module of the model), containers before their parts.

        Raises:
            SpaceError: where the two do not have the same parts.
        """
        shared, plain = self._roots
        yield from self._walk(self._found(plain, shared), plain, "model")

    def _found(self, plain: nn.Module, otherwise: nn.Module | None) -> nn.Module | None:
        """Give what was made at the same place, or `otherwise` for what no question made."""
        place = self._places.get(id(plain))
        found = otherwise if place is None else self._shared_made.get(place, otherwise)
        if isinstance(found, MixedDepth):
            return found.joined(self._architecture[found.label])  # type: ignore[arg-type]
        return found

    def _walk(
        self, shared: nn.Module | None, plain: nn.Module, where: str
    ) -> Iterator[tuple[nn.Module, nn.Module]]:
        if shared is None:
            raise SpaceError(f"{where} is not in the supernet.")
        if (id(shared), id(plain)) in self._seen:
            return
        self._seen.add((id(shared), id(plain)))
        yield shared, plain
        rest: list[tuple[str, nn.Module]] = []
        for name, part in _parts(plain):
            if id(part) in self._places:
                yield from self._walk(self._found(part, None), part, f"{where}.{name}")
            elif not _nothing(part, self._architecture):
                rest.append((name, part))
        others = [
            part
            for _, part in _parts(shared)
            if not (self._is_made(part) or _nothing(part, self._architecture))
        ]
        if len(others) != len(rest):
            raise SpaceError(
                f"{where} has {_told([part for _, part in rest])} where the supernet has "
                f"{_told(others)}."
            )
        for (name, part), other in zip(rest, others, strict=True):
            yield from self._walk(other, part, f"{where}.{name}")

    def _is_made(self, part: nn.Module) -> bool:
        return isinstance(part, CHOICES) or id(part) in self._shared_ids


def _parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Give the parts by name; unlike `named_children` one that is there twice, twice."""
    return ((name, part) for name, part in module._modules.items() if part is not None)


def _nothing(module: nn.Module, architecture: Architecture) -> bool:
    """Say whether a model may just as well do without the module."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return bool(settled(module.p, architecture) == 0)
    return type(module) is nn.Identity or isinstance(module, ElasticNumber)


def _told(parts: list[nn.Module]) -> str:
    return ", ".join(type(part).__name__ for part in parts) or "nothing"
