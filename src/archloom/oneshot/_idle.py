"""Idle options: those that only pass their input on, or give nothing; and how many are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from torch import nn

from archloom.architecture import Value
from archloom.oneshot._slots import NOTHING
from archloom.space import OneOf, Space

if TYPE_CHECKING:
    from archloom.nn import Supernet

Idleness: TypeAlias = Literal["skip", "none"]
"""Whether an option passes its input on or gives nothing."""

Idle: TypeAlias = Mapping[str, Mapping[str, Idleness]]
"""The idle options of each layer choice that has some."""

SKIPS: Final = frozenset({"skip", "skip_connect", "skip_connection", "identity", "shortcut"})
"""What an option is called that passes its input on."""

_DRAWS: Final = 1000


@dataclass(frozen=True)
class Count:
    """How many of a cell's operations are skip connections, "none", and anything at all."""

    skips: int = 0
    nones: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """The share of operations that learn nothing; 0 without any."""
        return (self.skips + self.nones) / self.total if self.total else 0.0


def idle_options(space: Space, supernet: Supernet | None = None) -> Idle:
    """Find the idle options of layer choices, by their names and, in a supernet, by their modules.

    An `nn.Identity` and a module that `gives_zeros` are idle whatever they are called. Choices
    with idle options only are left out: there is nothing that they could collapse from.

    >>> from archloom.space import Choice, Option
    >>> ops = OneOf((Option("conv"), Option("skip_connect"), Option("none")))
    >>> idle_options(Space((Choice("op", "layer", ops),)))
    {'op': {'skip_connect': 'skip', 'none': 'none'}}
    """
    built = {} if supernet is None else _by_module(supernet)
    found = {}
    for label, choice in space.labels.items():
        if choice.kind != "layer" or not isinstance(choice.domain, OneOf):
            continue
        names = [str(option.value) for option in choice.domain.options]
        known = built.get(label, {})
        idle = {name: kind for name in names if (kind := known.get(name) or _by_name(name))}
        if 0 < len(idle) < len(names):
            found[label] = idle
    return found


def cell_of(label: str) -> str:
    """Give the cell that a label belongs to: what stands before its first dot.

    >>> cell_of("normal.0.op"), cell_of("op")
    ('normal', '')
    """
    return label.partition(".")[0] if "." in label else ""


def count_idle(architecture: Mapping[str, Value], idle: Idle) -> dict[str, Count]:
    """Count what an architecture chose among operations, for each cell.

    >>> idle = {"a.0": {"skip": "skip"}, "a.1": {"skip": "skip"}}
    >>> count_idle({"a.0": "skip", "a.1": "conv"}, idle)
    {'a': Count(skips=1, nones=0, total=2)}
    """
    counts: dict[str, Count] = {}
    for label, options in idle.items():
        if label not in architecture:
            continue
        kind = options.get(str(architecture[label]))
        before = counts.get(cell_of(label), Count())
        counts[cell_of(label)] = Count(
            before.skips + (kind == "skip"), before.nones + (kind == "none"), before.total + 1
        )
    return counts


def idle_share(architecture: Mapping[str, Value], idle: Idle) -> float:
    """Give the share of an architecture's operations that are idle; 0 where none could be."""
    counts = count_idle(architecture, idle).values()
    total = sum(count.total for count in counts)
    return sum(count.skips + count.nones for count in counts) / total if total else 0.0


def usual_share(space: Space, idle: Idle, level: float, seed: int = 0) -> float:
    """Give the share of idle operations that only `level` of random architectures exceed."""
    if not idle:
        return 0.0
    rng = np.random.default_rng([seed, 0x1D7E])
    shares = [idle_share(space.sample(rng), idle) for _ in range(_DRAWS)]
    return float(np.quantile(shares, 1 - level, method="higher"))


def _by_name(name: str) -> Idleness | None:
    plain = name.lower().replace("-", "_")
    if plain in NOTHING:
        return "none"
    return "skip" if plain in SKIPS else None


def _by_module(supernet: Supernet) -> dict[str, dict[str, Idleness]]:
    from archloom.nn._mixed import Mixed, gives_zeros

    found: dict[str, dict[str, Idleness]] = {}
    for module in supernet.modules():
        if isinstance(module, Mixed):
            options = {name: module.option(name) for name in module.names}
            for name, option in options.items():
                kinds = found.setdefault(module.label, {})
                if gives_zeros(option):
                    kinds[name] = "none"
                elif isinstance(option, nn.Identity):
                    kinds[name] = "skip"
    return found
