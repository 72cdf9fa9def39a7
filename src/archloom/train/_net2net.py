"""Make a grown model compute what the smaller one computes (Net2Net, arXiv 1511.05641)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node, Tracer
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from archloom.nn import Kin
from archloom.task import Inputs, call_model

_Affine: TypeAlias = "nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d"
_AFFINE: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS: Final = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)
_NEAR: Final = 1e-4
_TRACE_ERRORS: Final = (
    *(AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    NotImplementedError,
)


class Lost(Exception):
    """The change of the architecture does not let the function be kept."""


@torch.no_grad()
def grow(
    child: nn.Module,
    parent: nn.Module,
    kin: Kin,
    inputs: Inputs,
    *,
    noise: float,
    seed: int,
) -> bool:
    """Say whether the child now computes what the parent does; where not, its weights are void."""
    modes = child.training, parent.training
    child.eval(), parent.eval()
    try:
        widened = _Widening(child, parent, kin)
        widened.run()
        _make_identities(child, kin.new, inputs)
        same = _near(call_model(child, inputs), call_model(parent, inputs))
        if same and noise:
            widened.add_noise(noise, seed)
    except (Lost, *_TRACE_ERRORS):
        return False
    finally:
        child.train(modes[0]), parent.train(modes[1])
    return same


@final
class _Channels:
    """Which channel of the parent each channel of the child repeats, and how many there are."""

    def __init__(self, source: Tensor, count: int) -> None:
        self.source = source
        self.count = count

    @classmethod
    def same(cls, count: int) -> _Channels:
        return cls(torch.arange(count), count)

    @classmethod
    def wider(cls, old: int, new: int) -> _Channels:
        """Repeat channels drawn at random: the same ones wherever `old` become `new`.

        So layers whose outputs are added repeat the same ones.
        """
        generator = torch.Generator().manual_seed(old * 1_000_003 + new)
        more = torch.randint(old, (new - old,), generator=generator)
        return cls(torch.cat([torch.arange(old), more]), old)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Channels) and torch.equal(self.source, other.source)

    __hash__ = None  # type: ignore[assignment]

    def spread(self, positions: int) -> _Channels:
        """Give the channels of a flattened map."""
        inner = self.source[:, None] * positions + torch.arange(positions)
        return _Channels(inner.flatten(), self.count * positions)

    @property
    def copies(self) -> Tensor:
        """How often each channel's source is there."""
        return torch.bincount(self.source, minlength=self.count)[self.source]


class _Leaves(Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not isinstance(m, nn.Sequential | GraphModule) and not _is_own(m)


def _is_own(module: nn.Module) -> bool:
    """Whether a module is written by somebody else than torch, and has parts to look into."""
    return not type(module).__module__.startswith("torch.") and any(True for _ in module.children())


@final
class _Widening:
    """Follows the channels through the child's graph and takes each layer's weights over."""

    def __init__(self, child: nn.Module, parent: nn.Module, kin: Kin) -> None:
        self._child, self._parent, self._kin = child, parent, kin
        self._channels: dict[Node, _Channels] = {}
        self._repeated: list[tuple[Tensor, Tensor]] = []  # weights, which rows are copies

    def run(self) -> None:
        graph = _Leaves().trace(self._child)
        for node in graph.nodes:
            given = [self._channels[n] for n in node.all_input_nodes if n in self._channels]
            if node.op == "call_module":
                found = self._module(str(node.target), given)
            elif node.op in ("call_function", "call_method"):
                found = self._function(node, given)
            else:
                found = None
            if found is not None:
                self._channels[node] = found

    def add_noise(self, noise: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for weight, copies in self._repeated:
            drawn = torch.randn(weight[copies].shape, generator=generator)
            scale = noise * float(weight.std()) if weight.numel() > 1 else 0.0
            weight[copies] += scale * drawn.to(weight.device, weight.dtype)

    def _module(self, name: str, given: list[_Channels]) -> _Channels | None:
        module = self._child.get_submodule(name)
        channels = given[0] if given else None
        if any(name == new or name.startswith(f"{new}.") for new in self._kin.new):
            return channels  # it will be the identity
        other = self._kin.pairs.get(name)
        twin = None if other is None else self._parent.get_submodule(other)
        if isinstance(module, _AFFINE):
            if type(twin) is not type(module):
                raise Lost
            assert isinstance(twin, _AFFINE)
            return self._affine(module, twin, channels)
        if isinstance(module, _NORMS):
            if type(twin) is not type(module):
                raise Lost
            return _take_norm(module, twin, channels)
        if isinstance(module, nn.Flatten):
            if module.start_dim != 1:
                raise Lost
            return channels  # the layer that reads them knows how many positions each has
        return channels

    def _affine(self, module: _Affine, twin: _Affine, channels: _Channels | None) -> _Channels:
        new, old = module.weight.shape, twin.weight.shape
        if new[0] < old[0] or any(b < a for b, a in zip(new[2:], old[2:], strict=True)):
            raise Lost
        groups = getattr(module, "groups", 1)
        if channels is None:
            channels = _Channels.same(old[1] * groups)
        if groups > 1:
            rows, columns = self._grouped(module, twin, channels), torch.arange(old[1])
            shared = torch.ones(1)
        else:
            rows = _Channels.same(old[0]) if new[0] == old[0] else _Channels.wider(old[0], new[0])
            channels = self._fitting(channels, old[1], new[1])
            columns, shared = channels.source, channels.copies
        weight = twin.weight[rows.source][:, columns]
        weight = weight / shared.view(1, -1, *[1] * (len(new) - 2)).to(weight)
        module.weight.zero_()
        module.weight[_middle(new, old)] = weight
        if module.bias is not None:
            if twin.bias is None:
                module.bias.zero_()
            else:
                module.bias.copy_(twin.bias[rows.source])
        elif twin.bias is not None:
            raise Lost
        if new[0] > old[0] and groups == 1:
            copies = torch.arange(new[0]) >= old[0]
            self._repeated.append((module.weight, copies.to(module.weight.device)))
        return rows

    def _grouped(self, module: _Affine, twin: _Affine, channels: _Channels) -> _Channels:
        depthwise = all(m.weight.shape[0] == getattr(m, "groups", 1) for m in (module, twin))
        if not depthwise and module.weight.shape != twin.weight.shape:
            raise Lost
        if not depthwise and channels != _Channels.same(channels.count):
            raise Lost
        return channels if depthwise else _Channels.same(module.weight.shape[0])

    def _fitting(self, channels: _Channels, old: int, new: int) -> _Channels:
        """Give the channels as the inputs of a layer, flattened where that is how it sees them."""
        if channels.count == old and len(channels.source) == new:
            return channels
        positions, rest = divmod(old, channels.count)
        if rest or len(channels.source) * positions != new:
            raise Lost
        return channels.spread(positions)

    def _function(self, node: Node, given: list[_Channels]) -> _Channels | None:
        name = getattr(node.target, "__name__", str(node.target))
        if name in ("cat", "concat"):
            dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
            if dim != 1 or len(given) < len(node.all_input_nodes):
                raise Lost
            return _joined(node, self._channels)
        if not given:
            return None
        if any(channels != given[0] for channels in given[1:]):
            raise Lost
        return given[0]


def _joined(node: Node, channels: Mapping[Node, _Channels]) -> _Channels:
    inputs: Any = node.args[0]
    sources: list[Tensor] = []
    count = 0
    for part in inputs:
        sources.append(channels[part].source + count)
        count += channels[part].count
    return _Channels(torch.cat(sources), count)


def _take_norm(module: nn.Module, twin: Any, channels: _Channels | None) -> _Channels | None:
    for key, target in {**module._parameters, **module._buffers}.items():
        source = getattr(twin, key)
        if (target is None) != (source is None):
            raise Lost
        if target is None:
            continue
        if target.dim() == 0 or channels is None:
            target.copy_(source)
        else:
            target.copy_(source[channels.source])
    return channels


def _middle(new: torch.Size, old: torch.Size) -> tuple[slice, ...]:
    """Give where the old kernel lies in the new one."""
    starts = [(b - a) // 2 for b, a in zip(new[2:], old[2:], strict=True)]
    sizes = zip(starts, old[2:], strict=True)
    return (slice(None), slice(None), *(slice(start, start + size) for start, size in sizes))


def _make_identities(child: nn.Module, new: tuple[str, ...], inputs: Inputs) -> None:
    """Make every new body pass on what it gets, in evaluation as in training."""
    for name in new:
        body = child.get_submodule(name)
        if not any(True for _ in body.parameters()):
            continue
        seen = _input_of(body, partial(call_model, child, inputs))
        for attempt in (_pass_on, _silence):
            attempt(body)
            norms = [part for part in body.modules() if isinstance(part, _BatchNorm)]
            if attempt is _pass_on:
                _undo_norms(body, norms, seen)
            if _near(body(seen), seen):
                break
        else:
            raise Lost


def _input_of(part: nn.Module, run: Callable[[], Any]) -> Tensor:
    """Give what a module gets when a model runs."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
        seen.append(args[0])

    handle = part.register_forward_pre_hook(keep)
    try:
        run()
    finally:
        handle.remove()
    if not seen:
        raise Lost
    return seen[0]


def _pass_on(body: nn.Module) -> None:
    """Make every layer inside the identity (section 2.3)."""
    for part in body.modules():
        if isinstance(part, nn.Linear) and part.in_features == part.out_features:
            nn.init.eye_(part.weight)
        elif isinstance(part, _AFFINE) and part.weight.shape[0] == getattr(part, "in_channels", 0):
            nn.init.dirac_(part.weight, getattr(part, "groups", 1))
        if isinstance(part, _AFFINE) and part.bias is not None:
            part.bias.zero_()


def _undo_norms(body: nn.Module, norms: list[_BatchNorm], seen: Tensor) -> None:
    """Let every norm, in order, scale back to what came in."""
    for norm in norms:
        if norm.weight is None or norm.bias is None or norm.running_mean is None:
            raise Lost
        assert norm.running_var is not None
        came = _input_of(norm, partial(body, seen))
        dims = [dim for dim in range(came.dim()) if dim != 1]
        mean, var = came.mean(dims), came.var(dims, correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
        norm.weight.copy_((var + norm.eps).sqrt())
        norm.bias.copy_(mean)


def _silence(body: nn.Module) -> None:
    """Let the branch beside a shortcut give zeros: its last layer with weights has none."""
    last = [p for p in body.modules() if isinstance(p, (*_AFFINE, *_NORMS))]
    for part in reversed(last):
        if part.weight is not None:
            nn.init.zeros_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
            return


def _near(one: Any, two: Any) -> bool:
    mine, theirs = tree_leaves(one), tree_leaves(two)
    if len(mine) != len(theirs):
        return False
    return all(_same(first, second) for first, second in zip(mine, theirs, strict=True))


def _same(one: Any, two: Any) -> bool:
    if not isinstance(one, Tensor) or not isinstance(two, Tensor) or one.shape != two.shape:
        return False
    scale = 1.0 + float(two.abs().max()) if two.numel() else 1.0
    return bool(((one - two).abs() <= _NEAR * scale).all())
