"""A fan: weighted choices that read the same map, run together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast, final

import torch
from torch import Tensor

from archloom.oneshot._fused_depthwise import phases, unphased
from archloom.oneshot._fused_fold import folded, update
from archloom.oneshot._fused_plan import Edge, Lane, Option, Other, Pooled, Unit
from archloom.oneshot._fused_stages import continued, moments, opened
from archloom.oneshot._fused_sum import Places, summed

# On a CPU, lanes run side by side up to this many numbers, which the caches can hold.
_AT_A_TIME: Final = 2**18


@dataclass
class _Bundle:
    """Lanes of one option that run side by side: what goes into their next batch norms."""

    edges: tuple[int, ...]
    lanes: list[Lane]
    map: Tensor
    products: Tensor
    sums: Tensor
    holed: bool
    done: int = 1

    @property
    def units(self) -> list[Unit]:
        """The units whose depthwise convolutions have run, and no more of them."""
        return [lane[self.done - 1] for lane in self.lanes]

    @property
    def pixels(self) -> int:
        """How many pixels the moments are of."""
        return self.map.shape[0] * self.map.shape[1] * self.map.shape[2]


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
        bundles = self._opened(torch.relu(x), height, width)
        while any(_deeper(bundle) for bundle in bundles):
            bundles = _deepened(bundles)
        shared, apart = self._divided()
        sums = self._summed(bundles, x, weights, shared, (len(x), height, width))
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

    def _opened(self, x: Tensor, height: int, width: int) -> list[_Bundle]:
        """Run the first depthwise convolutions."""
        apart: Tensor | None = None
        bundles = []
        for number in self._lanes:
            lanes = [cast("Lane", edge.options[number]) for edge in self.edges]
            dilated = lanes[0][0].dilated
            if dilated and apart is None:
                apart = phases(x)
            source = apart if dilated and apart is not None else x
            if dilated and self._stride == 2:
                source = source[: len(x)]  # what the stride leaves is the first sub-map
            stride = 1 if dilated else self._stride
            holed = dilated and self._stride == 1
            for edges in _shares(len(lanes), source):
                own = [lanes[edge] for edge in edges]
                found = opened(source, _kernels(own, 0), len(own), stride)
                bundle = _Bundle(edges, own, *found, holed)
                whole = height % 2 == 0 and width % 2 == 0
                bundles.append(bundle if whole or not holed else _put_together(bundle, x))
        return bundles

    def _summed(
        self,
        bundles: list[_Bundle],
        x: Tensor,
        weights: Tensor,
        shared: list[int],
        shape: tuple[int, int, int],
    ) -> Sequence[Tensor]:
        maps = self._maps(x, shared)
        scale = torch.cat(
            [
                weights[list(bundle.edges), number]
                for bundle, number in zip(bundles, self._numbers(bundles), strict=True)
            ]
        )
        matrices, shifts = _folded(bundles, scale)
        edges = [edge for bundle in bundles for edge in bundle.edges]
        index = torch.tensor(edges, device=shifts.device)
        bias = shifts.new_zeros(len(self.edges), shifts.shape[1]).index_add(0, index, shifts)
        places = Places(
            tuple(bundle.edges for bundle in bundles),
            tuple(bundle.holed for bundle in bundles),
            shape,
            len(self.edges),
        )
        wides = [bundle.map for bundle in bundles]
        return summed(places, weights[:, shared], maps, bias, matrices, wides)

    def _numbers(self, bundles: list[_Bundle]) -> Iterator[int]:
        """Give the option's number of each bundle."""
        place = -1
        for bundle in bundles:
            place += bundle.edges[0] == 0
            yield self._lanes[place]

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


def _shares(number: int, x: Tensor) -> list[tuple[int, ...]]:
    """Divide lanes on a map into those that run side by side."""
    size = number if x.device.type != "cpu" else max(1, _AT_A_TIME // x.numel())
    return [tuple(range(at, min(at + size, number))) for at in range(0, number, size)]


def _kernels(lanes: Sequence[Lane], depth: int) -> Tensor:
    return torch.cat([lane[depth].depthwise.weight for lane in lanes])


def _put_together(bundle: _Bundle, x: Tensor) -> _Bundle:
    """Leave sub-maps, where they are padded and the padding would be counted."""
    whole = unphased(bundle.map, x.shape[1], x.shape[2]).contiguous()
    found = moments(whole, len(bundle.lanes))
    return _Bundle(bundle.edges, bundle.lanes, *found, False)


def _deeper(bundle: _Bundle) -> bool:
    return len(bundle.lanes[0]) > bundle.done


def _deepened(bundles: list[_Bundle]) -> list[_Bundle]:
    """Run one more unit of the lanes that have more."""
    ready = [bundle for bundle in bundles if _deeper(bundle)]
    after: dict[int, _Bundle] = {}
    for alike in _alike(ready):
        matrices, shifts = _folded(alike, None)
        sizes = [len(bundle.lanes) for bundle in alike]
        for bundle, weight, bias in zip(
            alike, matrices.split(sizes), shifts.split(sizes), strict=True
        ):
            kernels = _kernels(bundle.lanes, bundle.done)
            found = continued(bundle.map, weight, bias, kernels)
            after[id(bundle)] = _Bundle(
                bundle.edges, bundle.lanes, *found, bundle.holed, bundle.done + 1
            )
    return [after.get(id(bundle), bundle) for bundle in bundles]


def _alike(bundles: Sequence[_Bundle]) -> list[list[_Bundle]]:
    """Group bundles whose pointwise convolutions are of one size."""
    groups: dict[tuple[int, ...], list[_Bundle]] = {}
    for bundle in bundles:
        groups.setdefault(tuple(bundle.units[0].pointwise.weight.shape), []).append(bundle)
    return list(groups.values())


def _folded(bundles: Sequence[_Bundle], scale: Tensor | None) -> tuple[Tensor, Tensor]:
    units = [unit for bundle in bundles for unit in bundle.units]
    products = torch.cat([bundle.products for bundle in bundles])
    sums = torch.cat([bundle.sums for bundle in bundles])
    return folded(units, products, sums, bundles[0].pixels, scale)
