"""Cells: what they compute, which choices they ask, and how they read as strings."""

from __future__ import annotations

from collections import namedtuple
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.errors import ConfigError, SpaceError
from archloom.nn import ModelSpace, model_space
from archloom.nn.cells import (
    NASBENCH101_OPERATIONS,
    OPERATIONS,
    canonical_genotype,
    canonical_nasbench201,
    darts_cell,
    from_genotype,
    from_nasbench101,
    from_nasbench201,
    halved,
    nasbench101_cell,
    nasbench101_hash,
    nasbench201_cell,
    operations,
    pruned_nasbench101,
    to_genotype,
    to_nasbench101,
    to_nasbench201,
    zero,
)

TABLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "nas_bench_201_cifar10.npz"

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)

# The first cell of the NAS-Bench-101 data set, with its published hash.
MATRIX = (
    (0, 1, 0, 0, 1, 1, 0),
    (0, 0, 1, 0, 0, 0, 0),
    (0, 0, 0, 1, 0, 0, 1),
    (0, 0, 0, 0, 0, 1, 0),
    (0, 0, 0, 0, 0, 1, 0),
    (0, 0, 0, 0, 0, 0, 1),
    (0, 0, 0, 0, 0, 0, 0),
)
CONV3, CONV1, POOL = NASBENCH101_OPERATIONS
VERTICES = ("input", CONV3, POOL, CONV3, CONV3, CONV1, "output")


@model_space
def two_darts_cells(pick: Any, ends: str = "all", nodes: int = 2) -> nn.Module:
    names = ("sep_conv_3x3", "skip_connect", "max_pool_3x3")
    parts = {"ends": ends, "nodes": nodes, "names": names}
    first, middle = darts_cell(pick.at("normal"), (4, 4), 4, **parts)
    second, _ = darts_cell(pick.at("normal"), (4, middle), 4, **parts)
    return _Twice(first, second)


class _Twice(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        return self.second(x, self.first(x, x))


@model_space
def nasbench201_space(pick: Any, nodes: int = 4) -> nn.Module:
    return nasbench201_cell(pick.at("cell"), 4, nodes=nodes)


@model_space
def nasbench101_space(pick: Any, vertices: int = 4, edges: int = 9) -> nn.Module:
    return nasbench101_cell(pick.at("cell"), 6, 8, vertices=vertices, edges=edges)


def images(channels: int, size: int = 6) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", [8, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_operations_keep_channels_and_divide_the_size(name: str, size: int, stride: int) -> None:
    module = operations([name], 4, stride, pool_norm=True)[name]()
    assert module(images(4, size)).shape == (2, 4, -(-size // stride), -(-size // stride))


def test_none_gives_zeros_and_says_so() -> None:
    assert zero(2)(images(3)).abs().sum() == 0
    assert zero().meta["gives_zeros"]


def test_halved_is_the_factorized_reduction_of_the_paper() -> None:
    module = halved(4, 6).eval()
    first, second = (part for part in module.modules() if isinstance(part, nn.Conv2d))
    x = images(4)
    active = torch.relu(x)
    wanted = torch.cat([first(active), second(active[:, :, 1:, 1:])], 1)
    assert torch.allclose(module(x), module[2](wanted), atol=1e-6)


def test_an_unknown_operation_is_mended() -> None:
    with pytest.raises(ConfigError, match="'sep_conv_3x3'"):
        operations(["sep_conv_3x4"], 8)


def test_a_darts_cell_sums_its_edges_and_concatenates_its_nodes() -> None:
    point = {"normal.node2": ("0", "1"), "normal.node2.0.op": "sep_conv_3x3"}
    point |= {"normal.node2.1.op": "max_pool_3x3", "normal.node3": ("0", "2")}
    point |= {"normal.node3.0.op": "skip_connect", "normal.node3.2.op": "sep_conv_3x3"}
    cell = two_darts_cells.build(point).first.eval()
    x, y = images(4), images(4).flip(0)
    zeroth, first = cell.before0(x), cell.before1(y)
    edge = cell.get_submodule
    second = edge("node2.0")(zeroth) + edge("node2.1")(first)
    third = zeroth + edge("node3.2")(second)
    assert torch.allclose(cell(x, y), torch.cat([second, third], 1), atol=1e-6)


def test_cells_of_one_scope_decide_together() -> None:
    space = two_darts_cells(nodes=4).space
    assert space.size == 3 * 6 * 10 * 3**8
    model = two_darts_cells.build(two_darts_cells.space.default())
    kinds = [[type(m) for m in cell.get_submodule("node2.0")] for cell in model.children()]
    assert kinds[0] == kinds[1]


def test_loose_ends_are_the_states_that_no_node_uses() -> None:
    space = two_darts_cells(ends="loose")
    chain = {"normal.node3": ("0", "2")}
    both = space.build(space.space.default())
    last = space.build(space.space.complete(chain))
    assert both(images(4)).shape[1] == 8
    assert last(images(4)).shape[1] == 4
    with pytest.raises(SpaceError, match=r"'normal\.node3'"):
        space.supernet()
    shared = space.supernet("auto")
    assert set(shared.space.pins) == {"normal.node2", "normal.node3"}


def test_a_nasbench201_cell_is_a_sum_over_all_edges() -> None:
    names = ["nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3", "none", "nor_conv_1x1"]
    text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*names)
    cell = nasbench201_space.build(from_nasbench201(text)).eval()
    x = images(4)
    one = cell.edge0to1(x)
    two = x + cell.edge1to2(one)
    three = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False) + cell.edge2to3(two)
    assert torch.allclose(cell(x), three, atol=1e-6)


def test_a_nasbench201_cell_of_nothing_gives_zeros() -> None:
    dead = from_nasbench201("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert nasbench201_space.build(dead)(images(4)).abs().sum() == 0
    # Edges that start where nothing arrives are there all the same, as in the benchmark.
    lost = from_nasbench201("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|none~2|")
    model = nasbench201_space.build(lost)
    assert sum(weight.numel() for weight in model.parameters()) == 4 * 4 * 9 + 8
    assert model(images(4)).abs().sum() == 0


def test_a_nasbench101_cell_is_that_of_the_paper() -> None:
    matrix = ((0, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    point = from_nasbench101(matrix, ("input", CONV3, POOL, "output"), vertices=4)
    cell = nasbench101_space.build(point).eval()
    x = images(6)
    # Two vertices share the 8 channels of the output; the first feeds the second.
    one = cell.op1(cell.project1(x))
    two = cell.op2(one + cell.project2(x))
    assert one.shape[1] == two.shape[1] == 4
    assert torch.allclose(cell(x), torch.cat([one, two], 1) + cell.project3(x), atol=1e-6)


def test_channels_are_cut_off_where_the_next_vertex_has_fewer() -> None:
    matrix = [[0] * 5 for _ in range(5)]
    for source, target in [(0, 1), (1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]:
        matrix[source][target] = 1
    point = from_nasbench101(matrix, ("input", CONV1, CONV1, CONV1, "output"), vertices=5)
    cell = nasbench101_space(vertices=5).build(point).eval()
    x = images(6)
    one = cell.op1(cell.project1(x))
    assert one.shape[1] == 3  # 8 channels for three vertices: 3, 3 and 2
    wanted = torch.cat([one, cell.op2(one), cell.op3(one[:, :2])], 1)
    assert torch.allclose(cell(x), wanted, atol=1e-6)


def test_every_nasbench101_cell_is_a_point_and_every_point_a_cell() -> None:
    space = nasbench101_space(edges=5).space
    points = {nasbench101_hash(*to_nasbench101(point)) for point in space.enumerate()}
    assert points == {
        nasbench101_hash(matrix, names)
        for size in (2, 3, 4)
        for matrix, names in cells_of(size)
        if sum(map(sum, matrix)) <= 5
    }


def cells_of(size: int) -> list[tuple[Any, Any]]:
    """All cells of exactly so many vertices, with repetitions."""
    edges = list(combinations(range(size), 2))
    found = []
    for present in product((0, 1), repeat=len(edges)):
        there = {edge for edge, one in zip(edges, present, strict=True) if one}
        matrix = [[int((i, j) in there) for j in range(size)] for i in range(size)]
        ends = [row[-1] for row in matrix], matrix[0]
        inner = range(1, size - 1)
        if sum(present) > 9 or not any(ends[0]) or not any(ends[1]):
            continue
        if all(any(matrix[v]) and any(row[v] for row in matrix) for v in inner):
            found += [
                (matrix, ("input", *names, "output"))
                for names in product(NASBENCH101_OPERATIONS, repeat=size - 2)
            ]
    return found


@pytest.mark.parametrize(("size", "number"), [(2, 1), (3, 6), (4, 84), (5, 2441)])
def test_as_many_nasbench101_cells_as_in_the_benchmark(size: int, number: int) -> None:
    unique = {nasbench101_hash(*cell): cell for cell in cells_of(size)}
    assert len(unique) == number
    space = nasbench101_space(vertices=7).space
    for key, cell in unique.items():
        point = from_nasbench101(*cell)
        space.check(point)
        assert nasbench101_hash(*to_nasbench101(point)) == key


def test_nasbench101_strings() -> None:
    assert nasbench101_hash(MATRIX, VERTICES) == "00005c142e6f48ac74fdcf73e3439874"
    assert to_nasbench101(from_nasbench101(MATRIX, VERTICES)) == (MATRIX, VERTICES)
    dangling = [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    chain = ((0, 1, 0), (0, 0, 1), (0, 0, 0))
    assert pruned_nasbench101(dangling, ("input", CONV1, POOL, "output")) == (
        chain,
        ("input", POOL, "output"),
    )


@pytest.mark.parametrize(
    ("matrix", "names", "said"),
    [
        ([[0, 0], [0, 0]], ("input", "output"), "path"),
        ([[0, 1], [1, 0]], ("input", "output"), "above its diagonal"),
        ([[0, 1]], ("input", "output"), "square"),
        ([[0, 1], [0, 0]], ("input", CONV1), "'output' last"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", "conv3x3", "output"), "conv3x3-bn-relu"),
    ],
)
def test_what_is_no_nasbench101_cell(matrix: Any, names: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_nasbench101(matrix, names)


def test_too_large_a_nasbench101_cell() -> None:
    full = [[int(j > i) for j in range(5)] for i in range(5)]
    with pytest.raises(ConfigError, match="9 edges at most, got 10"):
        from_nasbench101(full, ("input", CONV1, CONV1, CONV1, "output"))
    with pytest.raises(ConfigError, match="6 vertices at most, got 7"):
        from_nasbench101(MATRIX, VERTICES, vertices=6)


def test_genotypes_round_trip() -> None:
    point = from_genotype(DARTS_V2)
    text = to_genotype(point)
    assert from_genotype(text) == point
    assert "('skip_connect', 0), ('sep_conv_3x3', 1)" in text  # edges by rising state
    as_range = DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 6)")
    assert from_genotype(as_range) == point
    Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
    assert from_genotype(eval(text, {"Genotype": Genotype})) == point


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dil_conv_3x3", "dil_conv_3x2", "'dil_conv_3x3'"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)", "two different states"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", "below 5"),
        ("normal_concat=[2, 3, 4, 5]", "normal_concat=[4, 5]", "ends='loose'"),
        (", ('dil_conv_3x3', 2)", "", "two edges for each node, got 7"),
        ("normal=[(", "normal=[__import__('os'), (", "reads Genotype"),
        ("reduce_concat", "reduced", "has normal"),
    ],
)
def test_what_is_no_genotype(old: str, new: str, said: str) -> None:
    assert old in DARTS_V2
    with pytest.raises(ConfigError, match=said):
        from_genotype(DARTS_V2.replace(old, new))


def test_loose_ends_in_genotypes() -> None:
    point = from_genotype(DARTS_V2)
    loose = to_genotype(point, "loose")
    assert "normal_concat=[3, 4, 5]" in loose  # only node 2 of DARTS_V2's normal cell is used
    assert from_genotype(loose, "loose") == point


def test_renumbered_nodes_are_one_genotype() -> None:
    first = from_genotype(DARTS_V2)
    # Nodes 2 and 3 of the normal cell change places.
    edges = ["('sep_conv_3x3', 0), ('sep_conv_3x3', 1)"] * 2
    assert ", ".join(edges) in DARTS_V2
    second = from_genotype(DARTS_V2.replace("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 3)]"))
    assert first != second
    assert canonical_genotype(first) == canonical_genotype(second)
    third = from_genotype(DARTS_V2.replace("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 4)]"))
    assert canonical_genotype(first) != canonical_genotype(third)


@pytest.mark.parametrize("convert", [to_genotype, to_nasbench201, to_nasbench101])
def test_an_architecture_of_another_space_has_no_string(convert: Any) -> None:
    with pytest.raises(ConfigError, match="'width'"):
        convert(Architecture({"width": 3}))


@pytest.mark.parametrize(
    "text", ["", "|none~0|+|none~0|", "|none~1|", "none~0", "|none~0|+|none~1|none~0|"]
)
def test_what_is_no_nasbench201_string(text: str) -> None:
    with pytest.raises(ConfigError, match="reads"):
        from_nasbench201(text)


def test_the_strings_of_the_nasbench201_table() -> None:
    if not TABLE.exists():
        pytest.skip("the published table is not here")
    with np.load(TABLE) as table:
        texts, same = [str(text) for text in table["arch_str"]], table["unique_id"].tolist()
    assert all(to_nasbench201(from_nasbench201(text)) == text for text in texts[::50])
    assert {from_nasbench201(text) for text in texts} == set(nasbench201_space.space.enumerate())
    pairs = {(canonical_nasbench201(text), name) for text, name in zip(texts, same, strict=True)}
    assert len(pairs) == len(set(same)) == len({text for text, _ in pairs}) == 6466


SHARED = {
    "darts": (two_darts_cells, {}, 4),
    "nasbench201": (nasbench201_space, {}, 4),
    "nasbench101": (
        nasbench101_space(vertices=7),
        {
            label: value
            for label, value in from_nasbench101(MATRIX, VERTICES).items()
            if ".op" not in label
        },
        6,
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_one_set_of_weights_serves_all_cells(name: str) -> None:
    space, pins, channels = SHARED[name]
    assert isinstance(space, ModelSpace)
    torch.manual_seed(0)
    supernet = space.supernet(pins, example=torch.zeros(2, channels, 6, 6)).eval()
    x = images(channels)
    rng = np.random.default_rng(0)
    for _ in range(5):
        point = supernet.space.space.sample(rng)
        child = supernet.child(point)
        assert torch.allclose(child(x), supernet(x, gates=point), atol=1e-5)
        built = supernet.space.build(point).state_dict()
        assert {k: v.shape for k, v in child.state_dict().items()} == {
            k: v.shape for k, v in built.items()
        }


def test_edges_that_set_widths_cannot_be_shared() -> None:
    space = nasbench101_space(vertices=7)
    with pytest.raises(SpaceError, match=r"cell.vertices.7.from2"):
        space.supernet()
    assert all(
        ".op" in label or label == "cell.vertices"
        for label in space.supernet("auto").space.space.labels
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda pick: darts_cell(pick, (4, 4), 0)[0],
        lambda pick: darts_cell(pick, (4, 4), 4, ends="loos")[0],
        lambda pick: darts_cell(pick, (4, 4), 4, nodes=0)[0],
        lambda pick: nasbench201_cell(pick, 4, nodes=1),
        lambda pick: nasbench101_cell(pick, 4, 6),
        lambda pick: nasbench101_cell(pick, 4, 8, edges=0),
        lambda pick: nasbench101_cell(pick, 4, 8, names=("conv3x3",)),
    ],
)
def test_bad_arguments(make: Any) -> None:
    with pytest.raises(ConfigError):
        _ = model_space(make).space
