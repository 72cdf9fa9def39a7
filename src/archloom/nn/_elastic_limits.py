"""Which numbers of a supernet can be chosen, but not weighted."""

from __future__ import annotations

from torch import nn

from archloom.nn._elastic_expression import Leaf
from archloom.nn._elastic_graph import ElasticNumber
from archloom.nn._elastic_layers import ElasticLayer
from archloom.nn._elastic_mix import acting, is_summed


def unweighable(module: nn.Module) -> dict[str, str]:
    """Give the value choices that gates cannot weight, and why: gradient methods pin them.

    Args:
        module: a supernet, or what `swap_elastic` gave.

    >>> from archloom.nn import model_space
    >>> @model_space
    ... def tiny(pick):
    ...     heads = pick.value("heads", [1, 2])
    ...     width = pick.value("width", [4, 8])
    ...     return nn.Sequential(nn.Linear(3, width), nn.MultiheadAttention(8, heads))
    >>> unweighable(tiny.supernet())
    {'heads': 'a MultiheadAttention cannot run several sizes by weight'}
    """
    seen: dict[str, Leaf] = {}
    summed: set[str] = set()
    found: dict[str, str] = {}
    for part in module.modules():
        if isinstance(part, ElasticNumber):
            seen |= part.expression.leaves()
        elif isinstance(part, ElasticLayer):
            seen |= part.elastic.leaves
            labels = [leaf.label for leaf in acting(part, part.elastic.leaves.keys())]
            if is_summed(part):
                summed |= set(labels)
            elif part.elastic.form is not None:
                told = f"a {part.plain.__name__} cannot run several sizes by weight"
                found |= dict.fromkeys(labels, told)
    for label, leaf in seen.items():
        if not leaf.finite:
            found[label] = "it is a range of numbers without end"
        elif label not in summed:
            found.setdefault(label, "no layer of torch sums over it")
    return found
