"""What a drawing says about a single module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def detail(module: nn.Module) -> str:
    """Give the settings of a layer that a drawing should name.

    >>> detail(nn.Conv2d(8, 16, 3, stride=2)), detail(nn.Linear(8, 10)), detail(nn.ReLU())
    ('3×3, 16, stride 2', '10', '')
    """
    match module:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            parts = ["×".join(map(str, module.kernel_size)), str(module.out_channels)]
            if any(step != 1 for step in module.stride):
                parts.append(f"stride {_plainly(module.stride)}")
            if module.groups > 1:
                whole = module.groups == module.in_channels
                parts.append("depthwise" if whole else f"{module.groups} groups")
            if any(step != 1 for step in module.dilation):
                parts.append(f"dilation {_plainly(module.dilation)}")
            return ", ".join(parts)
        case nn.Linear():
            return str(module.out_features)
        case nn.Dropout() | nn.Dropout2d():
            return f"{module.p:g}"
        case nn.MaxPool1d() | nn.MaxPool2d() | nn.AvgPool1d() | nn.AvgPool2d():
            size = _plainly(module.kernel_size)
            stride = _plainly(module.stride)
            return size if stride == size else f"{size}, stride {stride}"
        case nn.AdaptiveAvgPool2d() | nn.AdaptiveMaxPool2d() | nn.AdaptiveAvgPool1d():
            return f"to {_plainly(module.output_size)}"
        case nn.LSTM() | nn.GRU() | nn.RNN():
            return f"{module.hidden_size}" + (
                f", {module.num_layers} layers" * (module.num_layers > 1)
            )
        case nn.Embedding():
            return f"{module.num_embeddings} × {module.embedding_dim}"
        case nn.MultiheadAttention():
            return f"{module.embed_dim}, {module.num_heads} heads"
    return ""


def _plainly(size: Any) -> str:
    """Write `(2, 2)` as `2` and `(2, 1)` as `2×1`."""
    if not isinstance(size, tuple | list):
        return str(size)
    return str(size[0]) if len(set(size)) == 1 else "×".join(map(str, size))


def leaf_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Walk over the modules that are drawn as one: torch's own layers and those without parts."""
    seen: set[int] = set()

    def walk(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        if id(module) in seen:
            return
        seen.add(id(module))
        own = type(module).__module__.startswith("torch.nn.")
        children = list(module.named_children())
        if not isinstance(module, _CONTAINERS) and (own or not children):
            yield name or type(module).__name__, module
            return
        for child, inner in children:
            yield from walk(f"{name}.{child}" if name else child, inner)

    return walk("", model)


def params(module: nn.Module) -> int:
    """Give the number of parameters; those of a lazy module that never ran count nothing."""
    uninitialized = nn.parameter.UninitializedParameter
    return sum(p.numel() for p in module.parameters() if not isinstance(p, uninitialized))
