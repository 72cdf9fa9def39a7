"""One stage of residual blocks: what it costs, how wide it may be, and its modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from torch import nn

from archloom.nn import residual, scaled
from archloom.zoo._dims import (
    AVG_POOLS,
    BATCH_NORMS,
    CONVS,
    MAX_POOLS,
    excitation,
    halved,
    pooled,
    zeroed,
)

PER_OUTPUT: Final = 50
"""Multiply-adds that take as long as normalising and activating one number, in CPU training."""

DEPTHWISE: Final = 16
"""How much longer a multiply-add of a depthwise convolution takes than one of a full one."""

_EXPANSION: Final = 4
_STEP: Final = 8

Activation = Callable[[], nn.Module]
Size = tuple[int, ...]


@dataclass(frozen=True)
class Conv:
    """A convolution with batch normalisation, and an activation or none."""

    before: int
    after: int
    kernel: int
    stride: Size
    depthwise: bool = False
    active: bool = True

    def work(self, size: Size) -> int:
        """Give what it costs on a map of that size, in multiply-adds."""
        taps = math.prod([self.kernel] * len(size)) * (DEPTHWISE if self.depthwise else self.before)
        return math.prod(halved(size, self.stride)) * self.after * (taps + PER_OUTPUT)

    def module(self, activation: Activation) -> nn.Sequential:
        """Give the layers."""
        dims = len(self.stride)
        conv = CONVS[dims - 1](
            self.before,
            self.after,
            self.kernel,
            stride=self.stride,
            padding=self.kernel // 2,
            groups=self.before if self.depthwise else 1,
            bias=False,
        )
        last = [activation()] if self.active else []
        return nn.Sequential(conv, BATCH_NORMS[dims - 1](self.after), *last)


@dataclass(frozen=True)
class Block:
    """A residual block: the convolutions of its branch, and how its input becomes addable."""

    convs: tuple[Conv, ...]
    stride: Size
    excited: bool
    active: bool

    @cached_property
    def shortcut(self) -> Conv | None:
        """The projection of the input, None where it can be added as it is."""
        before, after = self.convs[0].before, self.convs[-1].after
        if before == after and max(self.stride) == 1:
            return None
        return Conv(before, after, 1, (1,) * len(self.stride), active=False)

    def work(self, size: Size) -> int:
        """Give what it costs on a map of that size, in multiply-adds."""
        total = self.shortcut.work(halved(size, self.stride)) if self.shortcut else 0
        for conv in self.convs:
            total += conv.work(size)
            size = halved(size, conv.stride)
        return total

    def module(self, activation: Activation) -> nn.Module:
        """Give the layers; the branch begins at zero."""
        layers = [conv.module(activation) for conv in self.convs]
        zeroed(layers[-1][1])
        branch = nn.Sequential(*layers)
        if self.excited:
            branch.append(scaled(excitation(self.convs[-1].after, len(self.stride))))
        total = residual(branch, self._aside(activation))
        return nn.Sequential(total, activation()) if self.active else total

    def _aside(self, activation: Activation) -> nn.Module | None:
        if self.shortcut is None:
            return None
        projection = self.shortcut.module(activation)
        if max(self.stride) == 1:
            return projection
        return nn.Sequential(pooled(AVG_POOLS, self.stride), projection)


@dataclass(frozen=True)
class Stage:
    """What is decided of a stage before its width: `size` is of the map that comes in."""

    kind: str
    kernel: int
    depth: int
    excited: bool
    size: Size
    stride: Size
    down: str

    @property
    def size_after(self) -> Size:
        """The size of the map that comes out."""
        return halved(self.size, self.stride)

    def width(self, before: int | None, limit: float, most: int) -> int:
        """Give the largest width, in steps of 8 up to `most`, that costs no more than the limit.

        Without a number of channels before it, the stage gets as many as it has.
        """
        for width in range(most, _STEP, -_STEP):
            if self._work(before or width, width) <= limit:
                return width
        return _STEP

    def module(self, before: int, width: int, activation: Activation) -> nn.Sequential:
        """Give the layers."""
        layers = [block.module(activation) for block in self._blocks(before, width)]
        if self._pools:
            layers.insert(0, pooled(MAX_POOLS, self.stride))
        if entry := self._entry(before, width):
            layers.insert(0, entry.module(activation))
        return nn.Sequential(*layers)

    @property
    def _pools(self) -> bool:
        return self.down != "stride" and max(self.stride) > 1

    def _work(self, before: int, width: int) -> int:
        first, *others = self._blocks(before, width)
        entry = self._entry(before, width)
        return (
            (entry.work(self.size) if entry else 0)
            + first.work(self.size_after if self._pools else self.size)
            + sum(block.work(self.size_after) for block in others)
        )

    def _entry(self, before: int, width: int) -> Conv | None:
        """Give what widens the map before it is pooled."""
        if not self._pools or self.down != "conv":
            return None
        return Conv(before, width, 3, (1,) * len(self.size))

    def _blocks(self, before: int, width: int) -> list[Block]:
        same = (1,) * len(self.size)
        if self._entry(before, width):
            before = width
        blocks = []
        for number in range(self.depth):
            stride = same if number or self._pools else self.stride
            convs = _CONVS[self.kind](width if number else before, width, self.kernel, stride)
            blocks.append(Block(convs, stride, self.excited, self.kind == "basic"))
        return blocks


def _basic(before: int, after: int, kernel: int, stride: Size) -> tuple[Conv, ...]:
    same = (1,) * len(stride)
    return (
        Conv(before, after, kernel, stride),
        Conv(after, after, kernel, same, active=False),
    )


def _inverted(before: int, after: int, kernel: int, stride: Size) -> tuple[Conv, ...]:
    same, inner = (1,) * len(stride), _EXPANSION * before
    return (
        Conv(before, inner, 1, same),
        Conv(inner, inner, kernel, stride, depthwise=True),
        Conv(inner, after, 1, same, active=False),
    )


def _convnext(before: int, after: int, kernel: int, stride: Size) -> tuple[Conv, ...]:
    same = (1,) * len(stride)
    return (
        Conv(before, before, kernel, stride, depthwise=True, active=False),
        Conv(before, _EXPANSION * after, 1, same),
        Conv(_EXPANSION * after, after, 1, same, active=False),
    )


_CONVS: Final = {"basic": _basic, "inverted": _inverted, "convnext": _convnext}
