"""Elastic layers: torch's layers whose sizes follow the gates, with sliced weights.

A pass over the finished model gives every module that holds elastic numbers a class of its own,
made of the class it had. The module stays the same object with the same parameters under the same
names, so that whatever refers to it (a graph, a list, a hook, an optimizer) still does.

The smaller layer is what Slimmable Networks (arXiv:1812.08928) and Once-for-All (arXiv:1908.09791)
use: the first channels, the middle of a kernel. Deviations: the kernel transformation matrices of
Once-for-All (section 3.3) are left out, since a child could not take them along; sums and products
of sizes are cut part by part, see `_elastic_cut`; the running statistics of a batch norm are kept
once, in the largest layer, and a smaller one updates the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Final, cast, final

from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.modules.lazy import LazyModuleMixin

from archloom.errors import SpaceError
from archloom.nn._elastic_expression import Leaf
from archloom.nn._elastic_forms import Form, form_of
from archloom.nn._elastic_gates import is_weighted, options_of, value_in
from archloom.nn._elastic_graph import swap_constants
from archloom.nn._elastic_mix import Apart, Masked, Single, mixture
from archloom.nn._elastic_plan import Plan, plan_of, settings_of
from archloom.nn._elastic_value import expressions_in
from archloom.nn._routing import Routing

_KEPT: Final = 512
"""How many plans a layer keeps."""

_FAST: Final[Mapping[type[nn.Module], str]] = {
    nn.TransformerEncoderLayer: "activation_relu_or_gelu",
    nn.TransformerEncoder: "use_nested_tensor",
}
"""The attributes that let torch's transformer take its fast path."""


@final
class Elasticity:
    """What an elastic layer knows beside torch's own.

    Attributes:
        routing: what says which sizes are wanted.
        form: how its tensors follow from its settings; None where it has settings only.
        settings: those that depend on choices, with elastic numbers in them.
        leaves: the choices that they depend on, by label.

    Args:
        always: what runs whatever the gates say, where there is such a thing.
    """

    def __init__(
        self,
        routing: Routing,
        form: Form | None,
        settings: Mapping[str, Any],
        always: Single | None = None,
    ) -> None:
        self.routing = routing
        self.form = form
        self.settings = dict(settings)
        self.leaves: dict[str, Leaf] = {}
        for expression in expressions_in(self.settings):
            self.leaves |= expression.leaves()
        self._always = always
        self._paths: dict[Any, Single | Masked | Apart] = {}
        self._runs: dict[Any, Single | Masked | Apart] = {}

    def run(self, module: ElasticLayer) -> Single | Masked | Apart | None:
        """Give what runs under the present gates; None is the layer as it is."""
        routing = self.routing
        if not self.leaves and (routing.divisor == 1 or self.form is None):
            return self._always
        path = routing.divisor, *map(routing.gates.get, self.leaves)
        return self._paths.get(path) or self._find(module, path)

    def plan(self, module: ElasticLayer, values: Mapping[str, Any]) -> Plan:
        """Give the plan under the values of an architecture."""
        options = {label: (value_in(values, leaf),) for label, leaf in self.leaves.items()}
        return plan_of(module, self.form, self.settings, options)

    def _find(self, module: ElasticLayer, path: tuple[Any, ...]) -> Single | Masked | Apart:
        routing = self.routing
        options = {label: options_of(routing, leaf) for label, leaf in self.leaves.items()}
        weighted = frozenset(
            label for label, leaf in self.leaves.items() if is_weighted(routing, leaf)
        )
        key = (*options.values(), weighted, routing.divisor)
        run = self._runs.get(key)
        if run is None:
            if len(self._runs) >= _KEPT:
                self._runs.clear()
                self._paths.clear()
            run = self._runs[key] = mixture(module, options, weighted, routing.divisor)
        if all(type(gate) in (int, float) for gate in path):
            self._paths[path] = run
        return run

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_paths": {}, "_runs": {}}


class ElasticLayer(nn.Module):
    """A layer whose sizes and settings follow the gates.

    Attributes:
        plain: the class that it had.
        elastic: what it knows beside.
    """

    plain: ClassVar[type[nn.Module]]
    elastic: Elasticity

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        run = self.elastic.run(self)
        if run is None:
            return self.plain.forward(self, *args, **kwargs)
        return run(self, args, kwargs)

    def child_state(self, values: Mapping[str, Any]) -> dict[str, Tensor]:
        """Give the tensors that the layer has under those values of the choices.

        They are those of this module itself by torch's names, without those of modules inside.
        Where possible they are views of the large ones.

        Args:
            values: an `Architecture`, or another mapping from labels to numbers.
        """
        plan = self.elastic.plan(self, values)
        names = (*self._parameters, *(self._buffers.keys() - self._non_persistent_buffers_set))
        tensors = {name: plan.tensor(self, name) for name in names}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def child_repr(self, values: Mapping[str, Any]) -> str:
        """Give `extra_repr` of the layer that it is under those values of the choices."""
        return self.plain.extra_repr(self.view(self.elastic.plan(self, values), {}))

    def run_as(
        self, plan: Plan, args: Any, kwargs: Any, tensors: Mapping[str, Tensor] | None = None
    ) -> Any:
        """Run as the layer of a plan.

        Args:
            plan: of a smaller layer.
            args: of its forward.
            kwargs: of its forward.
            tensors: what to use in place of the plan's.
        """
        if self.elastic.form is None:
            return self._run_set(plan, args, kwargs)
        view = self.view(plan, tensors or {})
        output = self.plain.forward(view, *args, **kwargs)
        if plan.copied and self.training:
            for name, cut in plan.copied:
                cut.put(cast("Tensor", self._buffers[name]), view.__dict__[name])
        return output

    def _run_set(self, plan: Plan, args: Any, kwargs: Any) -> Any:
        """Run with other settings, but as this very object, in which code may keep things."""
        self.__dict__.update(plan.settings)
        try:
            return self.plain.forward(self, *args, **kwargs)
        finally:
            self.__dict__.update(self.elastic.settings)

    def view(self, plan: Plan, tensors: Mapping[str, Tensor]) -> nn.Module:
        """Give a layer of the plain class with the plan's settings and tensors, for one forward."""
        view = self.plain.__new__(self.plain)
        fields = view.__dict__
        fields.update(self.__dict__)
        fields.update(plan.settings)
        for name in plan.cuts:
            if name not in tensors:
                fields[name] = plan.tensor(self, name)
        fields.update(tensors)
        for name, inner in plan.parts.items():
            fields[name] = cast("ElasticLayer", self._modules[name]).view(inner, {})
        if isinstance(view, nn.RNNBase):
            # cuDNN would gather its weights, which are parts of larger ones, in one block.
            fields["flatten_parameters"] = _nothing
        return view

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _revived, (self.plain,), cast("Any", self).__getstate__()


def swap_elastic(module: nn.Module, routing: Routing, *, divisible: bool = False) -> nn.Module:
    """Let every part of a model that holds elastic numbers follow the gates; gives the model.

    Args:
        module: what a space function gave, made with elastic numbers.
        routing: what says which numbers are wanted.
        divisible: whether layers without such numbers shall follow `routing.divisor`, too.

    Raises:
        SpaceError: for a lazy layer, whose sizes nobody knows yet.
    """
    for part in list(module.modules()):
        if isinstance(part, GraphModule):
            swap_constants(part, routing)
        elif not isinstance(part, ElasticLayer):
            settings = {n: v for n, v in settings_of(part).items() if any(expressions_in(v))}
            if settings and isinstance(part, LazyModuleMixin):
                raise _lazy(part, settings)
            form = form_of(part) if settings or divisible else None
            if settings or form is not None:
                _become(part, Elasticity(routing, form, settings))
    for part in list(module.modules()):
        _keep_to_parts(part, routing)
    return module


@cache
def elastic_class(plain: type[nn.Module]) -> type[ElasticLayer]:
    """Give the elastic class of a class of layers."""
    made = type(f"Elastic{plain.__name__}", (ElasticLayer, plain), {"plain": plain})
    return cast("type[ElasticLayer]", made)


def _keep_to_parts(module: nn.Module, routing: Routing) -> None:
    """Keep torch's transformer from its fast path, which takes the parts' tensors by itself."""
    for kind, name in _FAST.items():
        parts = module.modules() if isinstance(module, kind) else ()
        if not isinstance(module, ElasticLayer) and any(isinstance(p, ElasticLayer) for p in parts):
            slow = Single(Plan({name: 0}, {}))
            _become(module, Elasticity(routing, None, {name: getattr(module, name)}, slow))


def _become(module: nn.Module, elastic: Elasticity) -> None:
    module.__dict__["elastic"] = elastic
    module.__class__ = elastic_class(type(module))  # type: ignore[arg-type]


def _lazy(module: nn.Module, settings: Mapping[str, Any]) -> SpaceError:
    labels = sorted({label for e in expressions_in(settings) for label in e.leaves()})
    return SpaceError(
        f"A {type(module).__name__} cannot follow {', '.join(map(repr, labels))}: what it takes "
        f"becomes known in its first run only, which is of one size. Say it: "
        f"nn.{type(module).__name__.removeprefix('Lazy')}(...)."
    )


def _revived(plain: type[nn.Module]) -> ElasticLayer:
    kind = elastic_class(plain)  # type: ignore[arg-type]
    return kind.__new__(kind)


def _nothing() -> None:
    return None
