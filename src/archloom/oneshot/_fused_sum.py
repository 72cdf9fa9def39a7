"""The weighted sums of a fan's edges, in one function of all that is summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from archloom.oneshot._fused_depthwise import phases, unphased
from archloom.oneshot._fused_products import inner_product
from archloom.oneshot._fused_stages import again


@dataclass(frozen=True)
class Places:
    """What each lane of the wide maps is, in their order.

    Attributes:
        edges: the edge that each lane of each map adds to.
        holed: for each map, whether it is in sub-maps (see `phases`).
        shape: (samples, height, width) of the sums.
        number: of edges.
    """

    edges: tuple[tuple[int, ...], ...]
    holed: tuple[bool, ...]
    shape: tuple[int, int, int]
    number: int


def summed(
    places: Places,
    direct: Tensor,
    maps: Tensor | None,
    bias: Tensor,
    weight: Tensor,
    wides: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """Give, for each edge, the sum of its lanes through pointwise convolutions, and of maps.

    Args:
        places: where the lanes belong.
        direct: (edges, maps): weights of the maps.
        maps: (maps, samples, height, width, new channels) that all edges use, if there are some.
        bias: (edges, new channels).
        weight: (lanes, new channels, channels), in the order of the lanes in `wides`.
        wides: (samples, height, width, lanes * channels) each, or in sub-maps.

    Returns:
        (samples, height, width, new channels) for each edge.
    """
    found: tuple[Tensor, ...] = _Summed.apply(places, direct, maps, bias, weight, *wides)  # type: ignore[no-untyped-call]
    return found


class _Summed(Function):
    @staticmethod
    def forward(
        ctx: Any,
        places: Places,
        direct: Tensor,
        maps: Tensor | None,
        bias: Tensor,
        weight: Tensor,
        *wides: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(direct, maps, bias, weight, *wides)
        ctx.places = places
        shape = (*places.shape, bias.shape[1])
        if maps is None:
            n, h, w = places.shape
            sums = bias.unsqueeze(1).repeat(1, n * h * w, 1)
        else:
            sums = (direct @ maps.flatten(1)).view(places.number, -1, bias.shape[1])
            sums += bias.unsqueeze(1)
        holed: dict[int, Tensor] = {}
        turned = weight.transpose(1, 2).contiguous()
        for edge, apart, part, matrix in _lanes(places, wides, turned):
            if not apart:
                sums[edge].addmm_(part, matrix)
            elif edge in holed:
                holed[edge].addmm_(part, matrix)
            else:
                holed[edge] = torch.mm(part, matrix)
        results = [part.view(shape) for part in sums]
        for edge, part in holed.items():
            results[edge] += _whole(part, shape)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        direct, maps, bias, weight, *wides = ctx.saved_tensors
        places = ctx.places
        if torch.is_grad_enabled():
            inputs = [direct, bias, weight, *wides] + ([] if maps is None else [maps])

            def plain(direct: Tensor, bias: Tensor, weight: Tensor, *rest: Tensor) -> Any:
                own = rest[len(wides)] if maps is not None else None
                return _plain_summed(places, direct, own, bias, weight, rest[: len(wides)])

            found = again(plain, inputs, gradients)
            own = found[-1] if maps is not None else None
            return None, found[0], own, *found[1 : 3 + len(wides)]
        gradients = tuple(gradient.contiguous() for gradient in gradients)
        flat = [gradient.view(-1, bias.shape[1]) for gradient in gradients]
        apart = (
            [phases(gradient).view(-1, bias.shape[1]) for gradient in gradients]
            if any(places.holed)
            else flat
        )
        intos, matrices = [torch.empty_like(wide) for wide in wides], torch.empty_like(weight)
        for (edge, holed, part, matrix), place, slot in zip(
            _lanes(places, wides, weight),
            [
                place
                for into, edges in zip(intos, places.edges, strict=True)
                for place in _flat(into, len(edges))
            ],
            matrices,
            strict=True,
        ):
            own = apart[edge] if holed else flat[edge]
            torch.mm(own, matrix, out=place)
            slot.copy_(inner_product(own, part))
        of_direct = of_maps = None
        if maps is not None:
            joined = torch.stack(flat).flatten(1)
            if ctx.needs_input_grad[2]:
                of_maps = (direct.t() @ joined).view_as(maps)
            of_direct = joined @ maps.flatten(1).t()
        of_bias = torch.stack([own.sum(0) for own in flat])
        return None, of_direct, of_maps, of_bias, matrices, *intos


def _lanes(
    places: Places, wides: Sequence[Tensor], weight: Tensor
) -> list[tuple[int, bool, Tensor, Tensor]]:
    """Give each lane's edge, whether it is in sub-maps, its matrix of pixels, and its weight."""
    found = []
    matrices = iter(weight)
    for wide, edges, holed in zip(wides, places.edges, places.holed, strict=True):
        for part, edge in zip(_flat(wide, len(edges)), edges, strict=True):
            found.append((edge, holed, part, next(matrices)))
    return found


def _flat(wide: Tensor, lanes: int) -> Sequence[Tensor]:
    """Give each lane as a matrix (pixels, channels)."""
    return wide.view(-1, wide.shape[3]).chunk(lanes, 1)


def _whole(part: Tensor, shape: tuple[int, ...]) -> Tensor:
    n, h, w, c = shape
    return unphased(part.view(4 * n, h // 2, w // 2, c), h, w)


def _plain_summed(
    places: Places,
    direct: Tensor,
    maps: Tensor | None,
    bias: Tensor,
    weight: Tensor,
    wides: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    shape = (*places.shape, bias.shape[1])
    results = [own.expand(shape) for own in bias]
    if maps is not None:
        own = torch.einsum("ek,k...->e...", direct, maps)
        results = [a + b for a, b in zip(results, own, strict=True)]
    for edge, holed, part, matrix in _lanes(places, wides, weight):
        found = part @ matrix.t()
        results[edge] = results[edge] + (_whole(found, shape) if holed else found.view(shape))
    return tuple(results)
