"""combined_model: an ensemble as one plain torch module."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node
from torch.nn import functional

from archloom.ensemble._parts import Kind, normal_weights, parts_of, slices
from archloom.ensemble._views import PLAIN, add_view
from archloom.errors import ConfigError


def combined_model(
    models: Sequence[nn.Module],
    weights: Sequence[float],
    target: Any,
    *,
    views: Sequence[str] = (PLAIN,),
    temperature: float = 1.0,
    bias: Sequence[float] | None = None,
    inputs: int | Sequence[str] = 1,
) -> GraphModule:
    """Give one module whose output is the weighted mean of what the models predict.

    For classes it gives the logarithm of the mean probability, so that its softmax is the mean
    and its largest output the predicted class; for labels the logit of the mean probability; for
    numbers the mean. It takes what the models take, pickles and exports, and needs nothing but
    torch (and what the models need) to be loaded. The models are used as they are, not copied.

    Args:
        weights: one a model, not negative; their sum does not matter.
        target: of the task (`task.target`), or pairs (kind, columns).
        views: test-time augmentation: each model sees the input in all of these forms (`plain`,
            `flip`, `vflip`, `dflip`, `rot90`, a pixel to the `left`, `right`, `up`, `down`, or
            several joined by spaces), whose predictions count alike.
        temperature: the outputs are divided by it (Guo et al. 2017); numbers are not.
        bias: added to the outputs, one a column: a decision threshold, for instance.
        inputs: how many tensors the models take by position, or the names of those by keyword.

    Raises:
        ConfigError: for weights, views, a temperature or a bias that do not fit.

    >>> one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> both = combined_model([one, other], [1, 1], [("classes", 2)])
    >>> x = torch.rand(4, 3)
    >>> mean = (one(x).softmax(1) + other(x).softmax(1)) / 2
    >>> torch.allclose(both(x).softmax(1), mean)
    True
    """
    parts = parts_of(target)
    shares = normal_weights(weights, len(models))
    columns = sum(part.columns for part in parts)
    _check(views, temperature, bias, columns, inputs)
    graph = Graph()
    sources = _placeholders(graph, inputs)
    seen = [[add_view(graph, source, view) for source in sources] for view in views]
    terms, logs = [], []
    for number, share in enumerate(shares):
        for view in seen:
            terms.append(_call(graph, f"member{number}", view, inputs))
            logs.append(share / len(views))
    mixed = [
        _mean(graph, part.kind, _columns(graph, terms, where, columns), logs, temperature)
        for part, where in slices(parts)
    ]
    total = mixed[0] if len(mixed) == 1 else graph.call_function(torch.cat, (mixed, 1))
    root = nn.Module()
    for number, model in enumerate(models):
        root.add_module(f"member{number}", model)
    if bias is not None:
        root.register_buffer("bias", torch.tensor([float(b) for b in bias]))
        total = graph.call_function(operator.add, (total, graph.get_attr("bias")))
    graph.output(total)
    return GraphModule(root, graph, "Ensemble").eval()


def _placeholders(graph: Graph, inputs: int | Sequence[str]) -> list[Node]:
    if isinstance(inputs, int):
        names: Sequence[str] = ["x"] if inputs == 1 else [f"x{n}" for n in range(inputs)]
    else:
        names = inputs
    return [graph.placeholder(name) for name in names]


def _call(graph: Graph, name: str, view: Sequence[Node], inputs: int | Sequence[str]) -> Node:
    if isinstance(inputs, int):
        return graph.call_module(name, tuple(view))
    named: dict[str, Any] = dict(zip(inputs, view, strict=True))
    return graph.call_module(name, kwargs=named)


def _columns(graph: Graph, terms: Sequence[Node], where: slice, columns: int) -> list[Node]:
    if where == slice(0, columns):
        return list(terms)
    place = (slice(None), where)
    return [graph.call_function(operator.getitem, (term, place)) for term in terms]


def _mean(
    graph: Graph, kind: Kind, terms: Sequence[Node], shares: Sequence[float], temperature: float
) -> Node:
    """Add the weighted mean of the terms, as outputs, to the graph."""
    if kind == "numbers":
        total = graph.call_function(operator.mul, (terms[0], shares[0]))
        for term, share in zip(terms[1:], shares[1:], strict=True):
            weighted = graph.call_function(operator.mul, (term, share))
            total = graph.call_function(operator.add, (total, weighted))
        return total
    if kind == "classes":
        mean = _log_mean(graph, [_log_softmax(graph, term) for term in terms], shares)
    else:
        yes = _log_mean(graph, [_log_sigmoid(graph, term) for term in terms], shares)
        against = [graph.call_function(operator.neg, (term,)) for term in terms]
        no = _log_mean(graph, [_log_sigmoid(graph, term) for term in against], shares)
        mean = graph.call_function(operator.sub, (yes, no))
    if temperature != 1.0:
        mean = graph.call_function(operator.truediv, (mean, temperature))
    return mean


def _log_softmax(graph: Graph, term: Node) -> Node:
    return graph.call_function(functional.log_softmax, (term,), {"dim": 1})


def _log_sigmoid(graph: Graph, term: Node) -> Node:
    return graph.call_function(functional.logsigmoid, (term,))


def _log_mean(graph: Graph, logs: Sequence[Node], shares: Sequence[float]) -> Node:
    """Log of the weighted mean of what these are the logs of."""
    if len(logs) == 1:
        return logs[0]
    shifted = [
        graph.call_function(operator.add, (log, math.log(share)))
        for log, share in zip(logs, shares, strict=True)
        if share > 0
    ]
    stacked = graph.call_function(torch.stack, (shifted,))
    return graph.call_function(torch.logsumexp, (stacked, 0))


def _check(
    views: Sequence[str],
    temperature: float,
    bias: Sequence[float] | None,
    columns: int,
    inputs: int | Sequence[str],
) -> None:
    if not views:
        raise ConfigError(f"Each model sees at least one view, such as {PLAIN!r}, got none.")
    if not (math.isfinite(temperature) and temperature > 0):
        raise ConfigError(f"A temperature is a positive number, got {temperature}.")
    if bias is not None and len(bias) != columns:
        raise ConfigError(f"A bias has one number a column, {columns}, got {len(bias)}.")
    if isinstance(inputs, int) and inputs < 1:
        raise ConfigError(f"A model takes at least one input, got inputs={inputs}.")
