"""Weighted sums over several sizes of one layer.

What comes in has the largest size that has a weight, as has what goes out; a smaller layer's
output counts as zero where it has no channels. For layers whose output is linear in their tensors
the sum is one run with tensors that are scaled by the expected mask (FBNetV2, arXiv:2004.05565,
section 3, which scales the output; deviation: kernels are masked, too). Others run once a size.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Final, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import ConfigError
from archloom.nn._blend import UnequalShapes, plus, shapes, weighed
from archloom.nn._elastic_cut import WHOLE, Constant, Cut, Some, centre, cut_of, entries
from archloom.nn._elastic_expression import Expression, Leaf, largest
from archloom.nn._elastic_gates import joint_weights
from archloom.nn._elastic_plan import Options, Plan, plan_of
from archloom.nn._elastic_value import expression_of, expressions_in

if TYPE_CHECKING:
    from archloom.nn._elastic_layers import ElasticLayer

_MOST: Final = 1024
_SIZES: Final = frozenset({"kernel_size", "padding", "_reversed_padding_repeated_twice", "groups"})


@final
class Single:
    """One run with one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, module: ElasticLayer, args: Any, kwargs: Any) -> Any:
        return module.run_as(self._plan, args, kwargs)


@final
class Masked:
    """One run of the largest size, its tensors scaled by how much weight uses each entry."""

    def __init__(
        self, plan: Plan, leaves: tuple[Leaf, ...], channels: Constant, kernels: Constant | None
    ) -> None:
        self._plan = plan
        self._leaves = leaves
        self._channels = channels
        self._kernels = kernels

    def __call__(self, module: ElasticLayer, args: Any, kwargs: Any) -> Any:
        weights = joint_weights(module.elastic.routing, self._leaves)
        mask = weights @ self._channels.beside(weights, weights.dtype)
        scaled: dict[str, Tensor] = {}
        weight = self._plan.tensor(module, "weight")
        if weight is not None:
            scaled["weight"] = weight * self._spread(weights, mask, weight)
            bias = self._plan.tensor(module, "bias")
            if bias is not None:
                scaled["bias"] = bias * mask.to(bias)
        output = module.run_as(self._plan, args, kwargs, scaled)
        if weight is None:
            axis = _axis(module) % output.dim()
            output = output * mask.to(output).view(-1, *[1] * (output.dim() - axis - 1))
        return output

    def _spread(self, weights: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        """Give the mask in the form of the weight: over its channels, and its kernel."""
        if self._kernels is None:
            return mask.to(weight).view(-1, *[1] * (weight.dim() - 1))
        channels, kernels = (
            each.beside(weights, weights.dtype) for each in (self._channels, self._kernels)
        )
        spread = (weights[:, None] * channels).T @ kernels
        return spread.to(weight).view(len(mask), 1, *weight.shape[2:])


@final
class Apart:
    """One run for every combination of options."""

    def __init__(
        self,
        leaves: tuple[Leaf, ...],
        plans: tuple[Plan, ...],
        enters: tuple[Cut, ...],
        leaving: tuple[Cut, ...],
        size: int,
    ) -> None:
        self._leaves = leaves
        self._plans = plans
        self._enters = enters
        self._leaving = leaving
        self._size = size

    def __call__(self, module: ElasticLayer, args: Any, kwargs: Any) -> Any:
        weights = joint_weights(module.elastic.routing, self._leaves).unbind(0)
        total: Any = None
        for plan, enters, leaving, weight in zip(
            self._plans, self._enters, self._leaving, weights, strict=True
        ):
            output = module.run_as(plan, _cut_first(module, enters, args), kwargs)
            output = weighed(_padded(module, leaving, self._size, output), weight)
            if total is not None and shapes(output) != shapes(total):
                raise _unequal(self._leaves[0], shapes(output), shapes(total))
            total = output if total is None else plus(total, output)
        return total


def mixture(
    module: ElasticLayer, options: Options, weighted: frozenset[str], divisor: int
) -> Single | Masked | Apart:
    """Give what runs where some choices have weights.

    Args:
        module: the layer.
        options: of every choice that it depends on.
        weighted: the labels of those with weights.
        divisor: K where the layer shall use one channel in K.

    Raises:
        ConfigError: when the layer's outputs cannot be summed by weights.
    """
    elastic = module.elastic
    form = elastic.form
    plan = partial(plan_of, module, form, elastic.settings, divisor=divisor)
    leaves = acting(module, weighted)
    if not leaves or (form is None and not is_summed(module)):
        # What only comes in is summed already, and code that is not torch's may need the size.
        return Single(plan(options))
    if not is_summed(module):
        raise _never(module, leaves[0])
    combinations = [
        {**options, **{leaf.label: (value,) for leaf, value in zip(leaves, values, strict=True)}}
        for values in _product(module, leaves, options)
    ]
    plans = tuple(plan(each) for each in combinations)
    if form is not None and form.masked and _one_run(module, plan(options), plans):
        return _masked(module, leaves, plan(options), options, combinations, plans)
    return _apart(module, leaves, options, combinations, plans, divisor)


def is_summed(module: ElasticLayer) -> bool:
    """Say whether a layer gives the weighted sum over its sizes and settings.

    Code that is not torch's does not, nor `nn.Unflatten`: they take the numbers for sizes of what
    comes in, which is as large as can be.
    """
    form = module.elastic.form
    if form is not None:
        return form.leaves is not None
    return module.plain.__module__.startswith("torch.nn.") and module.plain is not nn.Unflatten


def acting(module: ElasticLayer, weighted: Collection[str]) -> tuple[Leaf, ...]:
    """Give the weighted choices that more depends on than how many channels come in."""
    form = module.elastic.form
    settings = dict(module.elastic.settings)
    if form is not None and form.enters != form.leaves:
        settings.pop(form.enters or "", None)
    found: dict[str, Leaf] = {}
    for expression in expressions_in(settings):
        found |= {label: leaf for label, leaf in expression.leaves().items() if label in weighted}
    return tuple(found.values())


def _product(
    module: ElasticLayer, leaves: tuple[Leaf, ...], options: Options
) -> list[tuple[Any, ...]]:
    number = prod(len(options[leaf.label]) for leaf in leaves)
    if number > _MOST:
        raise ConfigError(
            f"A {module.plain.__name__} depends on {number} combinations of the weighted choices "
            f"{', '.join(repr(leaf.label) for leaf in leaves)}, more than {_MOST}: offer fewer "
            f"options, or search with a method that samples paths."
        )
    return list(product(*(options[leaf.label] for leaf in leaves)))


def _masked(
    module: ElasticLayer,
    leaves: tuple[Leaf, ...],
    plan: Plan,
    options: Options,
    combinations: list[dict[str, Any]],
    plans: tuple[Plan, ...],
) -> Masked:
    form = module.elastic.form
    assert form is not None
    assert form.leaves is not None
    out = _setting(module, form.leaves)
    size = int(_first(plan.settings.get(form.leaves, getattr(module, form.leaves))))
    before = _size(out, options)
    channels = [_shrunk(out, options, each) for each in combinations]
    kernels = None
    kernel = plan.settings.get("kernel_size")
    if form.kernel and kernel is not None:
        smaller = [other.settings["kernel_size"] for other in plans]
        kernels = Constant(lambda: torch.stack([_kernel_mask(kernel, k) for k in smaller]))
    return Masked(
        plan,
        leaves,
        Constant(lambda: torch.stack([_used(cut, before)[:size] for cut in channels])),
        kernels,
    )


def _apart(
    module: ElasticLayer,
    leaves: tuple[Leaf, ...],
    options: Options,
    combinations: list[dict[str, Any]],
    plans: tuple[Plan, ...],
    divisor: int,
) -> Apart:
    form = module.elastic.form
    whole = (WHOLE,) * len(plans)
    if form is None or form.leaves is None:
        return Apart(leaves, plans, whole, whole, 0)
    out = _setting(module, form.leaves)
    leaving = tuple(_shrunk(out, options, each) for each in combinations)
    enters: tuple[Cut, ...] = whole
    if form.enters is not None:
        inside = _setting(module, form.enters)
        enters = tuple(_shrunk(inside, options, each) for each in combinations)
    if divisor > 1 and {*leaving, *enters} != {WHOLE}:
        raise ConfigError(
            f"Partial channels cannot run the sizes of {leaves[0].label!r} by weight: pin it, or "
            f"search without partial channels."
        )
    return Apart(leaves, plans, enters, leaving, _size(out, options))


def _one_run(module: ElasticLayer, plan: Plan, plans: tuple[Plan, ...]) -> bool:
    """Say whether smaller layers are the largest one with zeros in its tensors."""
    form = module.elastic.form
    assert form is not None
    sizes = {*_SIZES, *form.channels}
    for name in plan.settings.keys() - sizes:
        if any(other.settings[name] != plan.settings[name] for other in plans):
            return False
    return not form.kernel or all(
        _same_place(module, plan, other) and _same_groups(module, plan, other) for other in plans
    )


def _same_place(module: nn.Module, plan: Plan, other: Plan) -> bool:
    """Say whether a smaller kernel's padding leaves it in the middle of the larger one."""
    find = partial(_found, module)
    for axis, (large, small) in enumerate(
        zip(find(plan, "kernel_size"), find(other, "kernel_size"), strict=True)
    ):
        padding, less = find(plan, "padding"), find(other, "padding")
        if isinstance(padding, str):
            if large != small and (padding == "valid" or (large - small) % 2):
                return False
            continue
        reach = (large - small) * find(plan, "dilation")[axis]
        if (large - small) % 2 or reach != 2 * (padding[axis] - less[axis]):
            return False
    return True


def _same_groups(module: nn.Module, plan: Plan, other: Plan) -> bool:
    """Say whether each channel meets the same channels in a smaller layer as in the largest."""
    names = ("in_channels", "out_channels", "groups")
    large, small = ([_found(module, p, name) for name in names] for p in (plan, other))
    return large == small or large[2] == small[2] == 1 or len(set(large)) == len(set(small)) == 1


def _found(module: nn.Module, plan: Plan, name: str) -> Any:
    return plan.settings[name] if name in plan.settings else getattr(module, name)


def _setting(module: ElasticLayer, name: str) -> Expression:
    return expression_of(_first(module.elastic.settings.get(name, getattr(module, name))))


def _first(setting: Any) -> Any:
    return setting[0] if isinstance(setting, tuple) else setting


def _shrunk(size: Expression, options: Options, fewer: Options) -> Cut:
    return cut_of(size, partial(largest, options=options), partial(largest, options=fewer))


def _size(size: Expression, options: Options) -> int:
    return int(largest(size, options))


def _used(cut: Cut, size: int) -> Tensor:
    return torch.zeros(size).index_fill(0, entries(cut, size), 1.0)


def _kernel_mask(large: tuple[int, ...], small: tuple[int, ...]) -> Tensor:
    mask = torch.zeros(large)
    middle = mask
    for axis, (before, after) in enumerate(zip(large, small, strict=True)):
        middle = centre(before, after)(middle, axis)
    middle.fill_(1.0)
    return mask.flatten()


def _axis(module: ElasticLayer) -> int:
    form = module.elastic.form
    assert form is not None
    assert form.axis is not None
    return form.axis(module)


def _cut_first(module: ElasticLayer, cut: Cut, args: Any) -> Any:
    if cut == WHOLE:
        return args
    return (cut(args[0], _axis(module) % args[0].dim()), *args[1:])


def _padded(module: ElasticLayer, cut: Cut, size: int, output: Any) -> Any:
    """Give the output with zeros where the smaller layer has no channels."""
    if cut == WHOLE:
        return output
    tensor = cast("Tensor", output)
    axis = _axis(module) % tensor.dim()
    if isinstance(cut, Some):
        behind = [0, 0] * (tensor.dim() - axis - 1)
        return functional.pad(tensor, [*behind, 0, size - tensor.shape[axis]])
    shape = (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :])
    return tensor.new_zeros(shape).index_copy(axis, entries(cut, size).to(tensor.device), tensor)


def _never(module: ElasticLayer, leaf: Leaf) -> ConfigError:
    return ConfigError(
        f"{leaf.label!r} sets the size of a {module.plain.__name__}, which cannot run several "
        f"sizes by weight: search with a method that samples paths, or pin it: "
        f"pinned={{{leaf.label!r}: ...}}."
    )


def _unequal(leaf: Leaf, one: Any, two: Any) -> UnequalShapes:
    return UnequalShapes(
        leaf.label,
        f"The options of {leaf.label!r} give outputs of shapes {one} and {two}, and outputs that "
        f"are weighted must have one shape: make it so, or pin the choice: "
        f"pinned={{{leaf.label!r}: ...}}.",
    )
