"""From checked YAML blocks to torch modules, asking the pick for what is searched."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, final

from torch import nn

from archloom.errors import ConfigError, SpaceError
from archloom.nn import _layers
from archloom.nn._graph import residual
from archloom.nn._layers import Shape
from archloom.nn._pick import Pick
from archloom.nn._schema import Asked, Block


@final
class YamlFunction:
    """The space function of a YAML file: `f(pick, shape, classes, channels)`.

    `channels`, where given, replaces the first number of `shape`.
    """

    def __init__(
        self,
        file: str,
        name: str,
        blocks: tuple[Block, ...],
        shape: Shape | None,
        classes: int | None,
        skip_small: bool,
        description: str,
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = description
        self._file = file
        self._blocks = blocks
        self._shape = shape
        self._classes = classes
        self._skip_small = skip_small

    def __call__(
        self,
        pick: Pick,
        shape: Shape | None = None,
        classes: int | None = None,
        channels: int | None = None,
    ) -> nn.Sequential:
        shape = self._known("shape", shape, self._shape)
        classes = self._known("classes", classes, self._classes)
        if channels is not None:
            shape = (channels, *shape[1:])
        body, after = _Stack(self._file, pick, self._skip_small).blocks(
            self._blocks, tuple(shape), pick
        )
        flat = [nn.Flatten()] if len(after) > 1 else []
        return nn.Sequential(*body, *flat, nn.Linear(math.prod(after), classes))

    def _known(self, name: str, given: Any, written: Any) -> Any:
        if given is None and written is None:
            raise ConfigError(
                f"{self.__name__} needs {name!r}: set it when calling the space, or write it in "
                f"the file."
            )
        return written if given is None else given


@dataclass(frozen=True)
class _Stack:
    """Builds blocks one after the other, keeping track of the shape that reaches each.

    `root` answers the labels that the file gives, wherever they stand; other labels belong to the
    repeat or the option that they stand in.
    """

    file: str
    root: Pick
    skip_small: bool

    def blocks(
        self, blocks: tuple[Block, ...], shape: Shape, pick: Pick
    ) -> tuple[list[nn.Module], Shape]:
        """Give the modules and the shape after the last one."""
        modules: list[nn.Module] = []
        for block in blocks:
            build: Callable[[Block, Shape, Pick], tuple[nn.Module, Shape]] = getattr(
                self, f"_{block.kind}"
            )
            module, shape = build(block, shape, pick)
            modules.append(module)
        return modules, shape

    def _ask(self, block: Block, key: str, pick: Pick) -> Any:
        value = block.values[key]
        if not isinstance(value, Asked):
            return value
        if value.label is not None:
            return self.root.value(value.label, value.domain)
        return pick.value(f"{block.name}.{key}", value.domain)

    def _need_map(self, block: Block, shape: Shape) -> None:
        if len(shape) < 2:
            raise SpaceError(
                f"{self.file}: {block.where} needs data with channels and sizes, but only "
                f"{shape[0]} features reach it: put it before any dense, flatten or global_pool "
                f"block."
            )

    def _conv(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return self._convolution(block, shape, pick, _one_conv)

    def _separable(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return self._convolution(block, shape, pick, _layers.separable)

    def _convolution(
        self,
        block: Block,
        shape: Shape,
        pick: Pick,
        make: Callable[[Shape, int, int, int, bool], list[nn.Module]],
    ) -> tuple[nn.Module, Shape]:
        self._need_map(block, shape)
        ask = partial(self._ask, block, pick=pick)
        channels, kernel, stride = ask("channels"), ask("kernel"), ask("stride")
        norm = ask("norm")
        modules = make(shape, channels, kernel, stride, norm != "batch")
        shape = (channels, *(-(-size // stride) for size in shape[1:]))
        modules += _layers.norm(norm, shape) + _layers.activation(ask("activation"))
        kind, size = ask("pool"), ask("pool_size")
        pooled, shape = self._pooled(block, kind, size, shape)
        return nn.Sequential(*modules, *pooled, *_layers.dropout(ask("dropout"))), shape

    def _pool(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        self._need_map(block, shape)
        kind, size = self._ask(block, "kind", pick), self._ask(block, "size", pick)
        pooled, shape = self._pooled(block, kind, size, shape)
        return (pooled[0] if pooled else nn.Identity()), shape

    def _pooled(
        self, block: Block, kind: str, size: int, shape: Shape
    ) -> tuple[list[nn.Module], Shape]:
        if kind == "none" or size == 1:
            return [], shape
        if min(shape[1:]) < size:
            if self.skip_small:
                return [], shape
            raise SpaceError(
                f"{self.file}: {block.where}: pooling of size {size} needs a map of at least that "
                f"size, but {'x'.join(map(str, shape[1:]))} is left of it. Pool less often, or "
                f"write 'small_maps: skip' at the top of the file to leave such poolings out."
            )
        after = (shape[0], *(length // size for length in shape[1:]))
        return [_layers.pool(kind, shape, size)], after

    def _global_pool(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        self._need_map(block, shape)
        kind = self._ask(block, "kind", pick)
        return nn.Sequential(*_layers.global_pool(kind, shape)), shape[:1]

    def _dense(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        ask = partial(self._ask, block, pick=pick)
        width, norm = ask("width"), ask("norm")
        modules: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        modules.append(nn.Linear(math.prod(shape), width, bias=norm != "batch"))
        modules += _layers.norm(norm, (width,)) + _layers.activation(ask("activation"))
        return nn.Sequential(*modules, *_layers.dropout(ask("dropout"))), (width,)

    def _flatten(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return nn.Flatten(), (math.prod(shape),)

    def _identity(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return nn.Identity(), shape

    def _dropout(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return _only(_layers.dropout(self._ask(block, "rate", pick))), shape

    def _activation(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return _only(_layers.activation(self._ask(block, "kind", pick))), shape

    def _norm(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        return _only(_layers.norm(self._ask(block, "kind", pick), shape)), shape

    def _residual(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        body, after = self.blocks(block.blocks, shape, pick.at(block.name))
        if len(after) != len(shape) and len(after) > 1:
            raise SpaceError(
                f"{self.file}: {block.where}: an input of shape {shape} cannot be added to what "
                f"comes out, of shape {after}."
            )
        joined = residual(nn.Sequential(*body), _layers.shortcut(shape, after))
        last = _layers.activation(self._ask(block, "activation", pick))
        return (nn.Sequential(joined, *last) if last else joined), after

    def _repeat(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        times = block.values["times"]
        label, at = block.name, pick
        if isinstance(times, Asked):
            depths = list(times.domain.values())
            low, high = depths[0], depths[-1]
            label, at = (times.label, self.root) if times.label else (label, at)
        else:
            low = high = times

        def body(pick: Pick) -> nn.Module:
            nonlocal shape
            modules, shape = self.blocks(block.blocks, shape, pick)
            return modules[0] if len(modules) == 1 else nn.Sequential(*modules)

        return at.repeat(label, body, cast("int", low), cast("int", high)), shape

    def _choice(self, block: Block, shape: Shape, pick: Pick) -> tuple[nn.Module, Shape]:
        after: list[Shape] = []

        def option(name: str, pick: Pick) -> nn.Module:
            modules, shape_after = self.blocks(block.options[name], shape, pick)
            after.append(shape_after)
            return modules[0] if len(modules) == 1 else nn.Sequential(*modules)

        makes = {name: partial(option, name) for name in block.options}
        at, label = (pick, block.name) if block.label is None else (self.root, block.label)
        same_shape = self._ask(block, "same_shape", pick)
        module = at.layer(label, makes, same_shape=same_shape)
        # One reading makes the chosen option only, another makes all and gives the first.
        return module, after[0]


def _one_conv(shape: Shape, channels: int, kernel: int, stride: int, bias: bool) -> list[nn.Module]:
    return [_layers.conv(shape, channels, kernel, stride, bias)]


def _only(modules: list[nn.Module]) -> nn.Module:
    return modules[0] if modules else nn.Identity()
