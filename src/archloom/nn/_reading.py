"""Reading: what answers a `Pick`. One space function, several readings.

`Pick` turns the user's words into full labels, domains and thunks and passes them on; a reading
decides which thunks run and what they are joined to. It never sees the `Pick` or the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from torch import nn

from archloom.architecture import Value
from archloom.space import Domain

Thunk: TypeAlias = Callable[[], nn.Module]
Join: TypeAlias = Callable[[list[nn.Module]], nn.Module]


class Reading(Protocol):
    """The four questions that a space function can ask."""

    def value(self, label: str, domain: Domain) -> Value:
        """Give the number or name to use for `label`."""
        ...

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        """Give the module to use for `label`, made by one of `makes` or of several."""
        ...

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        """Give `low` to `high` modules `make(0), make(1), ...`, joined. `low` < `high`."""
        ...

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        """Give `low` to `high` of the named modules, in the order of `makes`."""
        ...
