"""Whether a part of a supernet does, for one architecture, what the part built for it does."""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from archloom.architecture import Architecture
from archloom.errors import SpaceError
from archloom.nn._elastic_gates import settled
from archloom.nn._elastic_graph import ElasticNumber
from archloom.nn._elastic_layers import ElasticLayer
from archloom.nn._elastic_value import expressions_in, number_of
from archloom.nn._match import CHOICES
from archloom.nn._mixed_depth import Step

_OWN: Final = frozenset(vars(nn.Module())) | {"training"}
_NEUTRAL: Final = frozenset({"add", "iadd", "add_", "mul", "imul", "mul_"})
"""Operations that an input can leave out which is not chosen (see `Nothing`)."""

_PLAIN: Final = (bool, int, float, str, type(None))


def difference(shared: nn.Module, plain: nn.Module, architecture: Architecture) -> None:
    """Raise `SpaceError` where the two differ in kind, tensors or settings."""
    if isinstance(plain, GraphModule) and isinstance(shared, GraphModule):
        _compare_graphs(shared, plain, architecture)
    elif isinstance(shared, type(plain)):
        _compare_settings(shared, plain, architecture)
    else:
        raise SpaceError(f"it has {_told(plain)} where the supernet has {_told(shared)}")
    if type(shared) is not nn.Sequential:
        _refuse_steps(shared)
    _compare_tensors(shared, plain, architecture)


def tensors_of(module: nn.Module, architecture: Architecture) -> dict[str, Tensor]:
    """Give the tensors that a module itself saves, cut for the architecture where it is elastic."""
    if isinstance(module, ElasticLayer):
        return module.child_state(architecture)
    buffers = {
        name: buffer
        for name, buffer in module._buffers.items()
        if name not in module._non_persistent_buffers_set
    }
    own = {**module._parameters, **buffers}
    return {name: tensor for name, tensor in own.items() if tensor is not None}


def _compare_tensors(shared: nn.Module, plain: nn.Module, architecture: Architecture) -> None:
    one, two = (
        {name: tuple(tensor.shape) for name, tensor in tensors_of(m, architecture).items()}
        for m in (shared, plain)
    )
    if one != two:
        names = [name for name in {**two, **one} if one.get(name) != two.get(name)]
        raise SpaceError(
            f"{names[0]} of {_told(plain)} has the shape {two.get(names[0], 'none')} where the "
            f"supernet has {one.get(names[0], 'none')}"
        )


def _compare_settings(shared: nn.Module, plain: nn.Module, architecture: Architecture) -> None:
    """Compare numbers and words; what is not elastic cannot follow one that hangs on a choice."""
    elastic = isinstance(shared, ElasticLayer)
    for name, setting in vars(plain).items():
        if name in _OWN or not _is_plain(setting):
            continue
        there = vars(shared).get(name)
        found = settled(there, architecture) if elastic else there
        if found != setting:
            on = sorted({label for e in expressions_in(there) for label in e.leaves()})
            hangs = f" (it hangs on {', '.join(map(repr, on))})" if on else ""
            raise SpaceError(
                f"{name} of {_told(plain)} is {setting!r} where the supernet has {found!r}{hangs}"
            )


def _compare_graphs(shared: GraphModule, plain: GraphModule, architecture: Architecture) -> None:
    """Compare what is written into the operations.

    Where inputs are chosen the model may have fewer sums and products.
    """
    one, two = _operations(shared, architecture), _operations(plain, architecture)
    if _calls_choices(shared):
        one, two = ([said for said in side if said[0] not in _NEUTRAL] for side in (one, two))
    if one != two:
        odd = next((pair for pair in zip(one, two, strict=False) if pair[0] != pair[1]), None)
        told = f": {' '.join(odd[1])} where the supernet has {' '.join(odd[0])}" if odd else ""
        raise SpaceError(f"the operations of {_told(plain)} differ{told}")


def _operations(module: GraphModule, architecture: Architecture) -> list[tuple[str, ...]]:
    """Give each operation with its constants; elastic ones are those of the architecture."""

    def told(leaf: Any) -> str:
        if not isinstance(leaf, Node):
            return repr(leaf)
        part = module.get_submodule(str(leaf.target)) if leaf.op == "call_module" else None
        return repr(settled(number_of(part.expression), architecture)) if _is_number(part) else "x"

    return [
        (
            getattr(node.target, "__name__", str(node.target)),
            *map(told, pytree.tree_leaves((node.args, node.kwargs))),
        )
        for node in module.graph.nodes
        if node.op in ("call_function", "call_method")
    ]


def _is_number(part: nn.Module | None) -> TypeGuard[ElasticNumber]:
    return isinstance(part, ElasticNumber)


def _calls_choices(module: GraphModule) -> bool:
    called = (node.target for node in module.graph.nodes if node.op == "call_module")
    return any(isinstance(module.get_submodule(str(target)), CHOICES) for target in called)


def _refuse_steps(shared: nn.Module) -> None:
    for part in shared._modules.values():
        if isinstance(part, Step):
            raise SpaceError(
                f"the bodies of {part.label!r} were taken out of their repeat, so that nothing "
                f"says how they go together: pass join= to pick.repeat"
            )


def _is_plain(setting: Any) -> bool:
    if isinstance(setting, tuple | list):
        return all(map(_is_plain, setting))
    return isinstance(setting, _PLAIN)


def _told(module: nn.Module) -> str:
    return type(module).__name__
