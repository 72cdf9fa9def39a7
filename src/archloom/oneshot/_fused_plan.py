"""Which options of weighted choices can run together, told from their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias, cast

from torch import nn

from archloom.nn._elastic_layers import ElasticLayer
from archloom.nn._mixed import Mixed, gives_zeros

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True, eq=False)
class Unit:
    """ReLU, a depthwise convolution, a pointwise one and batch norm."""

    depthwise: nn.Conv2d
    pointwise: nn.Conv2d
    norm: nn.BatchNorm2d

    @property
    def dilated(self) -> bool:
        """Whether the kernel has holes."""
        return self.depthwise.dilation[0] == 2

    @property
    def kind(self) -> tuple[Any, ...]:
        """What units must share to run side by side."""
        layer = self.depthwise
        size = layer.kernel_size[0], layer.stride[0], layer.dilation[0]
        return *size, layer.in_channels, self.pointwise.out_channels, _settings(self.norm)


Lane: TypeAlias = "tuple[Unit, ...]"
"""An option that is a chain of units."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """An option that pools 3x3 pixels, say, and may normalise them."""

    pool: nn.MaxPool2d | nn.AvgPool2d
    norm: nn.BatchNorm2d | None

    @property
    def kind(self) -> tuple[Any, ...]:
        """What options must share to be computed once for all edges."""
        settings = None if self.norm is None else _settings(self.norm)
        return type(self.pool), self.pool.extra_repr(), settings


@dataclass(frozen=True, eq=False)
class Other:
    """An option that is run as it is; `zero` says that it need not be run at all."""

    module: nn.Module
    zero: bool = False

    @property
    def kind(self) -> tuple[Any, ...]:
        """Nothing has to be alike."""
        return ("zero" if self.zero else "other",)


@dataclass(frozen=True, eq=False)
class Skip:
    """An option that passes its input on."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """All are alike."""
        return ("skip",)


Option: TypeAlias = "Lane | Pooled | Skip | Other"


@dataclass(frozen=True, eq=False)
class Edge:
    """What the options of one choice are.

    Attributes:
        options: in the order of the choice's weights.
        stride: of all of them.
        channels: of the map that comes in, and of the one that goes out.
    """

    options: tuple[Option, ...]
    stride: int
    channels: tuple[int, int]

    @property
    def kind(self) -> tuple[Any, ...]:
        """What choices must share to run together."""
        return self.stride, *self.channels, *(kind_of(option) for option in self.options)

    @property
    def norms(self) -> list[nn.BatchNorm2d]:
        """All norms that run together."""
        found = [unit.norm for lane in self.options if isinstance(lane, tuple) for unit in lane]
        pooled = [option.norm for option in self.options if isinstance(option, Pooled)]
        return found + [norm for norm in pooled if norm is not None]


def kind_of(option: Option) -> tuple[Any, ...]:
    """Give what options at the same place of two edges must share."""
    if isinstance(option, tuple):
        return tuple(unit.kind for unit in option)
    return option.kind


def edge_of(mixed: Mixed) -> Edge | None:
    """Tell what a choice's options are; None where nothing would be gained."""
    if hooked(mixed):
        return None
    options = [_option(mixed.option(name)) for name in mixed.names]
    lanes = [option for option in options if isinstance(option, tuple)]
    if not lanes:
        return None
    first = lanes[0]
    stride = first[0].depthwise.stride[0]
    channels = first[0].depthwise.in_channels, first[-1].pointwise.out_channels
    settings = _settings(first[0].norm)
    options = [
        option if _fits(option, stride, channels, settings) else Other(mixed.option(name))
        for name, option in zip(mixed.names, options, strict=True)
    ]
    return Edge(tuple(options), stride, channels)


def hooked(module: nn.Module) -> bool:
    """Say whether somebody listens to a module."""
    return any(getattr(module, name) for name in _HOOKS)


def _option(module: nn.Module) -> Option:
    if gives_zeros(module):
        return Other(module, zero=True)
    layers = _layers(module)
    match layers:
        case None:
            return Other(module)
        case [nn.Identity()]:
            return Skip()
        case [nn.MaxPool2d() | nn.AvgPool2d() as pool]:
            return Pooled(pool, None) if _plain_pool(pool) else Other(module)
        case [nn.MaxPool2d() | nn.AvgPool2d() as pool, nn.BatchNorm2d() as norm]:
            good = _plain_pool(pool) and _plain_norm(norm) and not norm.affine
            return Pooled(pool, norm) if good else Other(module)
    return _lane(layers) or Other(module)


def _layers(module: nn.Module) -> list[nn.Module] | None:
    """Give the layers of a chain; None where somebody listens to one of them."""
    if hooked(module):
        return None
    if type(module) is not nn.Sequential:
        return [module]
    inner = [_layers(part) for part in module]
    if any(part is None for part in inner):
        return None
    return [layer for part in inner for layer in cast("list[nn.Module]", part)]


def _lane(layers: Sequence[nn.Module]) -> Lane | None:
    if not layers or len(layers) % 4:
        return None
    units = [_unit(layers[start : start + 4]) for start in range(0, len(layers), 4)]
    found = tuple(unit for unit in units if unit is not None)
    later = all(u.depthwise.stride == u.depthwise.dilation == (1, 1) for u in found[1:])
    chained = all(
        before.pointwise.out_channels == after.depthwise.in_channels
        for before, after in pairwise(found)
    )
    return found if len(found) == len(units) and later and chained else None


def _unit(layers: Sequence[nn.Module]) -> Unit | None:
    match layers:
        case [
            nn.ReLU() as relu,
            nn.Conv2d() as depthwise,
            nn.Conv2d() as pointwise,
            nn.BatchNorm2d() as norm,
        ]:
            plain = type(relu) is nn.ReLU and not relu.inplace and _plain_norm(norm)
            if plain and _is_depthwise(depthwise) and _is_pointwise(pointwise):
                return Unit(depthwise, pointwise, norm)
    return None


def _is_depthwise(layer: nn.Conv2d) -> bool:
    size, dilation = layer.kernel_size[0], layer.dilation[0]
    same = dilation * (size // 2)
    return (
        _plain_conv(layer)
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.kernel_size == (size, size)
        and size % 2 == 1
        and layer.stride in ((1, 1), (2, 2))
        and layer.dilation in ((1, 1), (2, 2))
        and layer.padding == (same, same)
    )


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return (
        _plain_conv(layer)
        and layer.groups == 1
        and layer.kernel_size == layer.stride == (1, 1)
        and layer.padding == (0, 0)
    )


def _plain_conv(layer: nn.Conv2d) -> bool:
    return is_plainly(layer, nn.Conv2d) and layer.bias is None and layer.padding_mode == "zeros"


def _plain_norm(norm: nn.BatchNorm2d) -> bool:
    usual = norm.track_running_stats and norm.momentum is not None
    return is_plainly(norm, nn.BatchNorm2d) and usual


def _plain_pool(pool: nn.MaxPool2d | nn.AvgPool2d) -> bool:
    same = pool.padding == pool.kernel_size // 2 if isinstance(pool.kernel_size, int) else False
    odd = isinstance(pool.kernel_size, int) and pool.kernel_size % 2 == 1
    usual = type(pool) in (nn.MaxPool2d, nn.AvgPool2d) and isinstance(pool.stride, int)
    whole = not pool.ceil_mode and getattr(pool, "dilation", 1) == 1
    return same and odd and usual and whole and not getattr(pool, "return_indices", False)


def is_plainly(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Say whether a layer is of that very class, or an elastic one that no choice cuts."""
    if isinstance(layer, ElasticLayer):
        return layer.plain is kind and not layer.elastic.leaves
    return type(layer) is kind


def _settings(norm: nn.BatchNorm2d) -> tuple[Any, ...]:
    return norm.eps, norm.momentum


def _fits(
    option: Option, stride: int, channels: tuple[int, int], settings: tuple[Any, ...]
) -> bool:
    """Say whether an option goes with the choice's first lane."""
    if isinstance(option, tuple):
        ends = option[0].depthwise.in_channels, option[-1].pointwise.out_channels
        alike = all(_settings(unit.norm) == settings for unit in option)
        return alike and ends == channels and option[0].depthwise.stride[0] == stride
    if isinstance(option, Pooled):
        alike = option.norm is None or _settings(option.norm) == settings
        return alike and option.pool.stride == stride and channels[0] == channels[1]
    if isinstance(option, Skip):
        return stride == 1 and channels[0] == channels[1]
    return True
