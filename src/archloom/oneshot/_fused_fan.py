"""A fan: weighted choices that read the same map, run together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final, cast, final

import torch
from torch import Tensor

from archloom.oneshot._fused_depthwise import phases, unphased
from archloom.oneshot._fused_fold import folded, update
from archloom.oneshot._fused_plan import Edge, Lane, Option, Other, Pooled, Unit
from archloom.oneshot._fused_stages import continued, moments, opened
from archloom.oneshot._fused_sum import Places, summed

# On a CPU, lanes of fewer than _LARGE numbers run side by side, up to _AT_A_TIME of them: then
# few calls count for more than what the caches can hold.
_LARGE: Final = 2**17
_AT_A_TIME: Final = 2**19


@dataclass(frozen=True)
class _Column:
    """The lanes of one option, one for each edge: what goes into their next batch norms.

    Attributes:
        number: of the option.
        lanes: all of them.
        shares: how many of them each of the maps has.
        maps: wide ones.
        products: (lanes, channels, channels).
        sums: (lanes, channels).
        holed: whether the maps are in sub-maps (see `phases`).
        done: how many depthwise convolutions have run.
    """

    number: int
    lanes: tuple[Lane, ...]
    shares: tuple[int, ...]
    maps: tuple[Tensor, ...]
    products: Tensor
    sums: Tensor
    holed: bool
    done: int = 1

    @property
    def units(self) -> list[Unit]:
        """The units whose batch norms are next."""
        return [lane[self.done - 1] for lane in self.lanes]

    @property
    def deeper(self) -> bool:
        """Whether there are more units after these."""
        return len(self.lanes[0]) > self.done

    @property
    def pixels(self) -> int:
        """How many pixels the moments are of."""
        return self.maps[0].shape[:3].numel()

    @property
    def edges(self) -> list[tuple[int, ...]]:
        """The edges that the lanes of each map belong to."""
        ends = list(accumulate(self.shares, initial=0))
        return [tuple(range(start, end)) for start, end in pairwise(ends)]


@final
class Fan:
    """Edges of one kind that start from the same map.

    The maps inside are (samples, height, width, channels); `wide` ones have the channels of
    several edges side by side.
    """

    def __init__(self, edges: Sequence[Edge]) -> None:
        self.edges = tuple(edges)
        options = list(enumerate(edges[0].options))
        self._stride = edges[0].stride
        self._lanes = [n for n, o in options if isinstance(o, tuple)]
        self._others = [n for n, o in options if isinstance(o, Other) and not o.zero]
        self._direct = [n for n, o in options if not isinstance(o, tuple | Other)]

    def __call__(self, image: Tensor, weights: Tensor) -> list[Tensor]:
        """Give the weighted sum of each edge's options.

        Args:
            image: (samples, channels, height, width).
            weights: (edges, options).
        """
        x = image.permute(0, 2, 3, 1).contiguous()
        height, width = (-(-size // self._stride) for size in x.shape[1:3])
        columns = self._opened(torch.relu(x), height, width)
        while any(column.deeper for column in columns):
            columns = _deepened(columns)
        shared, apart = self._divided()
        sums = self._summed(columns, x, weights, shared, (len(x), height, width))
        outputs = [part.permute(0, 3, 1, 2) for part in sums]
        for number in apart:
            for place, own in enumerate(self._one_by_one(x.permute(0, 3, 1, 2), number)):
                outputs[place] = outputs[place] + own * weights[place, number]
        return outputs

    def _divided(self) -> tuple[list[int], list[int]]:
        """Give the options that are computed once for all edges, and those for each one."""
        # Outside of training, each edge's batch norm has statistics of its own.
        apart = [n for n in self._direct if _own_statistics(self.edges[0].options[n])]
        return [n for n in self._direct if n not in apart], [*self._others, *apart]

    def _one_by_one(self, image: Tensor, number: int) -> Iterator[Tensor]:
        options = [edge.options[number] for edge in self.edges]
        pooled = options[0].pool(image) if isinstance(options[0], Pooled) else None
        for option in options:
            if isinstance(option, Pooled):
                assert option.norm is not None  # else it would be computed once
                yield option.norm(pooled)
            else:
                yield cast("Other", option).module(image)

    def _opened(self, x: Tensor, height: int, width: int) -> list[_Column]:
        """Run the first depthwise convolutions: the plain ones, and those with holes."""
        lanes = {n: tuple(cast("Lane", e.options[n]) for e in self.edges) for n in self._lanes}
        holed = [number for number in lanes if lanes[number][0][0].dilated]
        plain = [number for number in lanes if number not in holed]
        columns = _columns(x, {n: lanes[n] for n in plain}, self._stride, False)
        if not holed:
            return columns
        apart = phases(x)
        if self._stride == 2:  # what the stride leaves is the first sub-map
            return columns + _columns(apart[: len(x)], {n: lanes[n] for n in holed}, 1, False)
        others = _columns(apart, {n: lanes[n] for n in holed}, 1, True)
        if height % 2 or width % 2:
            others = [_put_together(column, height, width) for column in others]
        return columns + others

    def _summed(
        self,
        columns: Sequence[_Column],
        x: Tensor,
        weights: Tensor,
        shared: list[int],
        shape: tuple[int, int, int],
    ) -> Sequence[Tensor]:
        scale = weights[:, [column.number for column in columns]].t().reshape(-1)
        matrices, shifts = _folded(columns, scale)
        places = Places(
            tuple(edges for column in columns for edges in column.edges),
            tuple(column.holed for column in columns for _ in column.maps),
            shape,
            len(self.edges),
        )
        bias = shifts.view(len(columns), len(self.edges), -1).sum(0)
        maps = self._maps(x, shared)
        wides = [wide for column in columns for wide in column.maps]
        return summed(places, weights[:, shared], maps, bias, matrices, wides)

    def _maps(self, x: Tensor, shared: list[int]) -> Tensor | None:
        """Give what all edges only weigh: poolings, and the map itself."""
        if not shared:
            return None
        image = x.permute(0, 3, 1, 2)
        maps = [
            self._pooled(image, number).permute(0, 2, 3, 1)
            if isinstance(self.edges[0].options[number], Pooled)
            else x
            for number in shared
        ]
        return torch.stack(maps)

    def _pooled(self, image: Tensor, number: int) -> Tensor:
        options = [cast("Pooled", edge.options[number]) for edge in self.edges]
        pooled: Tensor = options[0].pool(image)
        norms = [option.norm for option in options if option.norm is not None]
        if not norms:
            return pooled
        eps = norms[0].eps
        result, mean, inverse = torch.native_batch_norm(
            pooled, None, None, None, None, True, 0.0, eps
        )
        update(norms, mean.detach(), inverse.detach() ** -2 - eps, pooled.numel() // len(mean))
        return result


def _own_statistics(option: Option) -> bool:
    return isinstance(option, Pooled) and option.norm is not None and not option.norm.training


def _columns(
    x: Tensor, lanes: dict[int, tuple[Lane, ...]], stride: int, holed: bool
) -> list[_Column]:
    if not lanes:
        return []
    shares = _shares(len(next(iter(lanes.values()))), x)
    found = opened(x, [_kernels(own, 0) for own in lanes.values()], shares, stride)
    return [
        _Column(number, own, shares, *column, holed)
        for (number, own), column in zip(lanes.items(), found, strict=True)
    ]


def _shares(number: int, x: Tensor) -> tuple[int, ...]:
    """Divide lanes on a map into those that run side by side."""
    size = number
    if x.device.type == "cpu":
        size = 1 if x.numel() >= _LARGE else max(1, _AT_A_TIME // x.numel())
    return tuple(min(size, number - start) for start in range(0, number, size))


def _kernels(lanes: Sequence[Lane], depth: int) -> Tensor:
    return torch.cat([lane[depth].depthwise.weight for lane in lanes])


def _put_together(column: _Column, height: int, width: int) -> _Column:
    """Leave sub-maps, where they are padded and the padding would be counted."""
    maps = tuple(unphased(wide, height, width).contiguous() for wide in column.maps)
    found = [moments(wide, lanes) for wide, lanes in zip(maps, column.shares, strict=True)]
    products, sums = (torch.cat(parts) for parts in zip(*found, strict=True))
    return replace(column, maps=maps, products=products, sums=sums, holed=False)


def _deepened(columns: Sequence[_Column]) -> list[_Column]:
    """Run one more unit of the lanes that have more."""
    after: dict[int, _Column] = {}
    for alike in _alike([column for column in columns if column.deeper]):
        found = _folded(alike, None)
        sizes = [len(column.lanes) for column in alike]
        parts = (torch.split(part, sizes) for part in found)
        for column, weight, bias in zip(alike, *parts, strict=True):
            kernels = _kernels(column.lanes, column.done)
            maps, products, sums = continued(column.maps, weight, bias, kernels, column.shares)
            after[column.number] = replace(
                column, maps=maps, products=products, sums=sums, done=column.done + 1
            )
    return [after.get(column.number, column) for column in columns]


def _alike(columns: Sequence[_Column]) -> list[list[_Column]]:
    """Group columns whose pointwise convolutions are of one size."""
    groups: dict[tuple[int, ...], list[_Column]] = {}
    for column in columns:
        groups.setdefault(tuple(column.units[0].pointwise.weight.shape), []).append(column)
    return list(groups.values())


def _folded(columns: Sequence[_Column], scale: Tensor | None) -> tuple[Tensor, Tensor]:
    units = [unit for column in columns for unit in column.units]
    products = torch.cat([column.products for column in columns])
    sums = torch.cat([column.sums for column in columns])
    return folded(units, products, sums, columns[0].pixels, scale)
