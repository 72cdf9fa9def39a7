"""The cell of DARTS and NASNet: nodes that choose two earlier states and an operation for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from torch import nn
from torch.fx import GraphModule

from archloom.errors import ConfigError, did_you_mean
from archloom.nn._cell_ops import DARTS_OPERATIONS, halved, operations, relu_conv_norm
from archloom.nn._cell_wiring import joined, summed
from archloom.nn._pick import Pick
from archloom.nn._supernet import Refused
from archloom.nn._wired import wired

Ends = Literal["all", "loose"]


def darts_cell(
    pick: Pick,
    before: tuple[int, int],
    width: int,
    *,
    reduction: bool = False,
    reduced_before: bool = False,
    nodes: int = 4,
    inputs: int = 2,
    names: Sequence[str] = DARTS_OPERATIONS,
    ends: Ends = "all",
    pool_norm: bool = False,
) -> tuple[GraphModule, int]:
    """Give a DARTS cell `(first, second) -> output` and the channels of its output.

    States 0 and 1 are the outputs of the two cells before, brought to `width` channels. Each
    further state, a node, is the sum of `inputs` edges from earlier states, which are chosen
    (`node2`, `node3`, ...: a subset of the earlier states by number) with an operation each
    (`node2.0.op`: on the edge from state 0 to state 2). DARTS, arXiv:1806.09055, section 2.1.

    Ask all normal cells with one `pick.at("normal")` and all reduction cells with one
    `pick.at("reduce")`, so that they are decided together.

    Args:
        pick: answers the choices.
        before: channels of the outputs of the last cell but one and of the last cell.
        width: channels of each state.
        reduction: whether the map is halved (by the edges from states 0 and 1).
        reduced_before: whether the last cell halved the map, so that `first` is twice as large.
        nodes: how many states are computed.
        inputs: how many edges a node has. In NASNet (arXiv:1707.07012) both may start from one
            state, here they start from different ones.
        names: the operations to choose from, see `OPERATIONS`.
        ends: which states are concatenated to the output: all nodes as in DARTS, or those that
            no node uses as in NASNet and ENAS. Loose ends set the output's channels, so that they
            cannot be shared by a supernet.
        pool_norm: whether poolings are followed by batch normalisation without scale and shift,
            as in the search phase of DARTS (its final networks have none).

    Raises:
        ConfigError: for an argument that cannot be used.
        SpaceError: for loose ends in a supernet, unless the inputs of all nodes are pinned.

    >>> import torch
    >>> from archloom.nn import model_space
    >>> @model_space
    ... def one_cell(pick):
    ...     cell, channels = darts_cell(pick.at("normal"), (8, 8), 4)
    ...     return cell
    >>> list(one_cell.space.labels)[:3], one_cell.space.size == 3 * 6 * 10 * 7**8
    (['normal.node2', 'normal.node2.0.op', 'normal.node2.1.op'], True)
    >>> x = torch.zeros(1, 8, 6, 6)
    >>> one_cell.build(one_cell.space.default())(x, x).shape
    torch.Size([1, 16, 6, 6])
    """
    _check(width, nodes, inputs, ends)
    parts: dict[str, nn.Module] = {
        "before0": halved(before[0], width) if reduced_before else _adapted(before[0], width),
        "before1": _adapted(before[1], width),
    }
    chosen = []
    for node in range(2, nodes + 2):
        edges = {
            str(state): _edge(names, width, 2 if reduction and state < 2 else 1, pool_norm)
            for state in range(node)
        }
        picked = pick.subset(f"node{node}", edges, min(inputs, node))
        parts.update({f"node{node}.{state}": edge for state, edge in picked.items()})
        chosen.append([int(state) for state in picked])
    last = _ends(pick, chosen, inputs, ends)
    cell = wired(_forward(chosen, last, parts), parts, ("first", "second"), "Cell")
    return cell, width * len(last)


def _forward(
    chosen: Sequence[Sequence[int]], last: Sequence[int], parts: Mapping[str, nn.Module]
) -> Callable[..., Any]:
    def forward(self: Any, first: Any, second: Any) -> Any:
        states = [self.before0(first), self.before1(second)]
        for node, used in enumerate(chosen, start=2):
            edges = {f"node{node}.{state}": states[state] for state in used}
            states.append(summed(self, edges, parts))
        return joined([states[state] for state in last])

    return forward


def _edge(
    names: Sequence[str], width: int, stride: int, pool_norm: bool
) -> Callable[[Pick], nn.Module]:
    makes = operations(names, width, stride, pool_norm=pool_norm)
    return lambda pick: pick.layer("op", makes)


def _adapted(before: int, width: int) -> nn.Module:
    return relu_conv_norm(before, width, 1)


def _ends(pick: Pick, chosen: Sequence[Sequence[int]], inputs: int, ends: Ends) -> list[int]:
    states = list(range(2, len(chosen) + 2))
    if ends == "all":
        return states
    if any(len(used) > inputs for used in chosen):  # in a supernet, where all of them are there
        why = "it decides which states are concatenated, and so the widths; ends='all' can share"
        labels = (pick._label(f"node{node}") for node in states)
        raise Refused(dict.fromkeys(labels, why))
    used_states = {state for used in chosen for state in used}
    return [state for state in states if state not in used_states]


def _check(width: int, nodes: int, inputs: int, ends: str) -> None:
    for name, value in (("width", width), ("nodes", nodes), ("inputs", inputs)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} of a cell must be a whole number from 1, got {value!r}.")
    if ends not in get_args(Ends):
        raise ConfigError(
            f"There are no ends {ends!r} of a cell: {did_you_mean(ends, get_args(Ends))}."
        )
