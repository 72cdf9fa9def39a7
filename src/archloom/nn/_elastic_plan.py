"""Plans: what an elastic layer runs with under one assignment of its choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from archloom.nn._elastic_cut import (
    WHOLE,
    Constant,
    Crop,
    Cut,
    Gather,
    Some,
    centre,
    crop_of,
    cut_of,
)
from archloom.nn._elastic_expression import Number, largest, own_of
from archloom.nn._elastic_forms import Form
from archloom.nn._elastic_value import expression_of, resolved

Options: TypeAlias = Mapping[str, Sequence[Number]]
"""For each label the numbers that its choice may give: one, or those that are weighted."""

Cuts: TypeAlias = "list[tuple[int, Cut]]"


@dataclass(frozen=True)
class Steps:
    """Cuts of several axes, one after the other."""

    cuts: tuple[tuple[int, Cut], ...]

    def __call__(self, tensor: Tensor) -> Tensor:
        """Give what stays of a tensor."""
        for axis, cut in self.cuts:
            tensor = cut(tensor, axis)
        return tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """The settings and the parts of the tensors that a smaller layer has.

    Attributes:
        settings: by the attribute of the layer that holds them.
        cuts: for the tensors that shrink, by name: what stays of each.
        copied: the buffers whose cut is a copy, and the cut: what a forward writes into the copy
            has to be written back.
        parts: the plans of the modules inside whose tensors the layer uses itself.
    """

    settings: Mapping[str, Any]
    cuts: Mapping[str, Steps | Crop | Gather]
    copied: tuple[tuple[str, Gather], ...] = ()
    parts: Mapping[str, Plan] = field(default_factory=dict)

    def tensor(self, module: nn.Module, name: str) -> Tensor | None:
        """Give a tensor of the smaller layer; where possible a view of the large one's."""
        tensor: Tensor | None = module._parameters.get(name)
        if tensor is None:
            tensor = module._buffers.get(name)
        cut = self.cuts.get(name)
        return tensor if tensor is None or cut is None else cut(tensor)


def settings_of(module: nn.Module) -> dict[str, Any]:
    """Give what a module's constructor has set, without what every module has."""
    return {name: value for name, value in vars(module).items() if name not in _EVERY}


def plan_of(
    module: nn.Module,
    form: Form | None,
    settings: Mapping[str, Any],
    options: Options,
    divisor: int = 1,
) -> Plan:
    """Give the plan of a layer whose choices have those options: the largest of each size.

    Args:
        module: the large layer.
        form: of the layer, None for a module with nothing but settings.
        settings: those of the layer, elastic numbers among them.
        options: of every label that the settings depend on.
        divisor: K where the layer shall use one channel in K.
    """
    find = partial(largest, options=options)
    found = {name: resolved(value, find) for name, value in settings.items()}
    if form is None:
        return Plan(found, {})
    cuts: dict[str, Cuts] = {}
    if divisor > 1:
        found |= form.divided({**settings_of(module), **found}, divisor)
    every = {**settings_of(module), **settings}
    large = form.sizes(SimpleNamespace(**every))
    small = form.sizes(SimpleNamespace(**{**every, **found}))
    for name, sizes in large.items():
        if wanted := _cuts(form.kernel and name == "weight", sizes, small[name], options):
            cuts[name] = wanted
    fast = {name: _at_once(module, name, wanted) for name, wanted in cuts.items()}
    copied = [(n, cut) for n, cut in fast.items() if n in module._buffers]
    return Plan(
        found,
        fast,
        tuple((name, cut) for name, cut in copied if isinstance(cut, Gather)),
        _parts(module, form, options),
    )


def _cuts(kernel: bool, large: tuple[Any, ...], small: tuple[int, ...], options: Options) -> Cuts:
    find = partial(largest, options=options)
    axes: list[list[tuple[int, Cut]]] = []
    for axis, (size, after) in enumerate(zip(large, small, strict=True)):
        expression = expression_of(size)
        if kernel and axis > 1:
            cuts = [centre(int(size), after)]
        else:
            divided = find(expression) > after
            cuts = [cut_of(expression, own_of, find), Some(after) if divided else WHOLE]
        axes.append([(axis, cut) for cut in cuts if cut != WHOLE])
    # Axes that are only narrowed come first, so that the others have less to copy.
    axes.sort(key=lambda steps: any(not isinstance(cut, Some) for _, cut in steps))
    return [step for steps in axes for step in steps]


def _at_once(module: nn.Module, name: str, cuts: Cuts) -> Steps | Crop | Gather:
    """Give the cuts as one where that is faster: where they are several, or leave a copy."""
    steps = Steps(tuple(cuts))
    tensor = module._parameters.get(name)
    if len(cuts) == 1 and isinstance(cuts[0][1], Some):
        return steps
    if tensor is None:
        tensor = module._buffers.get(name)  # type: ignore[assignment]
    if tensor is None:
        return steps
    if len({axis for axis, _ in cuts}) == 1:
        axis = cuts[0][0]
        along = Steps(tuple((0, cut) for _, cut in cuts))
        size = tensor.shape[axis]
        return Gather(Constant(lambda: along(torch.arange(size))), axis)
    return crop_of(tuple(tensor.shape), cuts) or steps


def _parts(module: nn.Module, form: Form, options: Options) -> dict[str, Plan]:
    plans = {}
    for name in form.parts:
        part = module.get_submodule(name)
        elastic = getattr(part, "elastic", None)
        if elastic is not None:
            plans[name] = plan_of(part, elastic.form, elastic.settings, options)
    return plans


_EVERY: Final = frozenset(vars(nn.Module()))
