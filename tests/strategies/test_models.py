"""The models behind predictors: graphs of cells, rows, Gaussian processes, ensembles."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from archloom.architecture import Architecture
from archloom.nn.cells import from_nasbench201, to_nasbench101
from archloom.space import Choice, OneOf, Option, Space, integers, uniform
from archloom.strategies._cells import cells_of
from archloom.strategies._encoding import Encoding, scaled
from archloom.strategies._ensemble import _forward, _slopes, answers
from archloom.strategies._gaussian import Kernel, Posterior, Term, learned, notable
from archloom.strategies._predictor import log_improvement
from archloom.strategies._told import Told, normal_scores
from archloom.testing import example_spaces
from archloom.trial import State, Trial
from archloom.zoo import darts, nasbench101, nasbench201

RNG = np.random.default_rng


def test_the_graph_of_a_nas_bench_201_cell() -> None:
    """Node 2 leads nowhere; 0-1-3 has two operations, of which one is a skip."""
    [cell] = cells_of(nasbench201.space)
    graph = cell.graph(
        from_nasbench201(
            "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|avg_pool_3x3~0|skip_connect~1|none~2|"
        )
    )
    assert graph.live() == Counter(nor_conv_3x3=1, skip_connect=1, avg_pool_3x3=1)
    assert (graph.longest, graph.shortest, graph.count) == (1, 1, 2)
    assert graph.paths() == Counter({("nor_conv_3x3", "skip_connect"): 1, ("avg_pool_3x3",): 1})


def test_a_cell_without_a_path_has_nothing_in_it() -> None:
    [cell] = cells_of(nasbench201.space)
    graph = cell.graph(
        from_nasbench201("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|")
    )
    assert (graph.longest, graph.count, graph.live(), graph.paths()) == (
        -1,
        0,
        Counter(),
        Counter(),
    )


def test_the_graph_of_a_nas_bench_101_cell_is_the_pruned_one() -> None:
    """As many operations as the benchmark's own pruning leaves, for random cells."""
    [cell] = cells_of(nasbench101.space)
    rng = RNG(0)
    for _ in range(30):
        architecture = nasbench101.space.sample(rng)
        matrix, operations = to_nasbench101(architecture)[:2]
        graph = cell.graph(architecture)
        assert graph.live() == Counter(operations[1:-1])
        powers, paths = np.array(matrix), 0
        while powers.any():
            paths += int(powers[0, -1])
            powers = powers @ np.array(matrix)
        assert graph.count == paths


def test_the_graph_of_a_darts_cell_has_two_edges_a_node() -> None:
    normal, _ = cells_of(darts.space)
    graph = normal.graph(darts.space.sample(RNG(0)))
    assert sum(graph.live().values()) == 8


def test_paths_are_those_of_bananas() -> None:
    """Of 4 operations besides none there are 4 + 16 + 64 paths; an edge of none breaks them."""
    space = nasbench201.space
    encoding = Encoding(space, ("live", "shape", "paths"))
    every = encoding.rows([space.sample(RNG(seed)) for seed in range(2000)])["paths"]
    assert int(every.any(0).sum()) <= 84
    conv = from_nasbench201(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    assert encoding.rows([conv])["paths"].sum() == 3  # one, two and three convolutions


def test_differing_in_one_choice_is_a_squared_distance_of_one() -> None:
    domain = OneOf((Option("a"), Option("b"), Option("c")))
    space = Space((Choice("one", "layer", domain), Choice("two", "layer", domain)))
    first, second = (Architecture({"one": "a", "two": two}) for two in "bc")
    rows = Encoding(space).rows([first, second])
    assert np.square(np.diff(rows["tree"], axis=0)).sum() == pytest.approx(1)
    assert rows["counts"].shape == (2, 3)


def test_numbers_that_are_options_are_nearer_when_close() -> None:
    space = Space(()).joint(width=[16, 32, 64, 128], units=integers(1, 9), rate=uniform(0, 1))
    low, middle, high = (
        Encoding(space).rows([Architecture({"width": width, "units": 1, "rate": 0.5})])["tree"]
        for width in (16, 32, 128)
    )
    assert np.square(low - middle).sum() < np.square(low - high).sum()


@pytest.mark.parametrize("name", sorted(example_spaces()))
def test_no_rows_and_some_rows_have_the_same_blocks(name: str) -> None:
    space = example_spaces()[name]
    encoding = Encoding(space, ("live", "shape", "paths"))
    rng = RNG(0)
    none, some = encoding.rows([]), encoding.rows([space.sample(rng), space.sample(rng)])
    assert {k: v.shape[1] for k, v in none.items()} == {k: v.shape[1] for k, v in some.items()}
    width = sum(len(group) for group in encoding.groups)
    assert width == some["tree"].shape[1] if some else width == 0


def test_features_are_brought_to_one_scale() -> None:
    given = [{"a": 10.0**power, "b": 1.0} for power in range(5)] + [{"a": math.nan}]
    columns = scaled(given, 5)
    assert columns.shape == (6, 2)
    assert np.isfinite(columns).all()
    assert np.all(np.diff(columns[:5, 0]) > 0)
    assert columns[5, 0] == columns[2, 0] == 0


def test_normal_scores_are_those_of_the_ranks() -> None:
    scores = normal_scores(np.array([3.0, -math.inf, 2.0, 3.0]))
    assert scores == pytest.approx(norm.ppf([0.75, 0.125, 0.375, 0.75]))


def test_the_mark_moves_in_growing_steps() -> None:
    told, marks = Told(), []
    for number in range(170):
        trial = Trial(number, "s", Architecture({"a": number}), 0, State.DONE)
        told.add(trial, float(number))
        marks.append(told.mark)
    assert marks[:39] == list(range(1, 40))
    assert marks[40:44] == [40, 42, 42, 44]
    assert marks[-1] == 168


def rows_of(count: int = 25) -> dict[str, np.ndarray]:
    rng = RNG(3)
    return {"tree": rng.standard_normal((count, 6)), "counts": rng.standard_normal((count, 3))}


GROUPS = (slice(0, 2), slice(2, 6))
KERNEL = Kernel(
    (Term("tree", "linear", GROUPS), Term("tree", "near", GROUPS, -1.0), Term("counts", "near"))
)


def test_the_posterior_is_that_of_scikit_learn() -> None:
    rows, asked = rows_of(), {"counts": RNG(4).standard_normal((7, 3))}
    values = RNG(5).standard_normal(25)
    kernel, noise, weight = Kernel((Term("counts", "near"),)), 0.1, 0.7
    posterior = Posterior(kernel, np.log([1.0, weight, noise]), rows, values)
    theirs = GaussianProcessRegressor(
        RBF(math.sqrt(0.5 / weight)), alpha=noise + 1e-6, optimizer=None
    ).fit(rows["counts"], values)
    mean, std = theirs.predict(asked["counts"], return_std=True)
    ours = posterior.predict(asked)
    assert ours[0] == pytest.approx(mean)
    assert ours[1] == pytest.approx(std)


def test_the_kernel_is_one_function() -> None:
    rows, settings = rows_of(), KERNEL.prior + 0.3
    matrix, slopes = KERNEL.gradient(KERNEL.parts(rows), settings)
    assert matrix == pytest.approx(KERNEL.between(rows, rows, settings))
    assert np.diag(matrix) == pytest.approx(KERNEL.alone(rows, settings))
    assert len(slopes) == len(settings) - 1


def test_the_derivatives_of_the_kernel() -> None:
    parts, start = KERNEL.parts(rows_of(6)), KERNEL.prior

    def total(settings: np.ndarray) -> float:
        return float(np.sin(KERNEL.gradient(parts, settings)[0]).sum())

    def slope(settings: np.ndarray) -> np.ndarray:
        matrix, slopes = KERNEL.gradient(parts, settings)
        return np.array([*(float(np.vdot(np.cos(matrix), by)) for by in slopes), 0.0])

    assert check_grad(total, slope, start) < 1e-4


def test_learning_finds_which_columns_matter() -> None:
    rows = {"tree": RNG(0).standard_normal((60, 4))}
    values = normal_scores(np.sin(3 * rows["tree"][:, 0]) + 0.01 * rows["tree"][:, 1])
    groups = tuple(slice(at, at + 1) for at in range(4))
    settings = learned(Kernel((Term("tree", "near", groups),)), rows, values)
    assert settings[1] > max(settings[2:5]) + 1
    assert settings[-1] < settings[0] - 2, "little noise"


def test_the_most_notable_are_the_best_and_a_sample_of_the_rest() -> None:
    values = RNG(0).permutation(100).astype(float)
    places = notable(values, 20)
    assert len(set(places.tolist())) == 20
    assert set(range(90, 100)) <= set(values[places].tolist())
    assert values[places].min() == 0


def test_expected_improvement_against_its_integral() -> None:
    mean, std, best = np.array([0.3, -1.0, -4.0]), np.array([0.5, 1.0, 0.7]), 0.6
    draws = np.linspace(-9, 9, 400_001)
    for at in range(3):
        gain = np.maximum(mean[at] + std[at] * draws - best, 0) * norm.pdf(draws)
        expected = gain.sum() * (draws[1] - draws[0])
        assert log_improvement(mean, std, best)[at] == pytest.approx(math.log(expected), abs=1e-4)


def test_expected_improvement_stays_ordered_where_it_would_underflow() -> None:
    logs = log_improvement(np.linspace(-200, 0, 2001), np.ones(2001), 0.0)
    assert np.isfinite(logs).all()
    assert np.all(np.diff(logs) > 0)


def test_the_derivatives_of_the_networks() -> None:
    rng = RNG(1)
    weights = [rng.standard_normal(shape) for shape in ((2, 3, 4), (2, 1, 4), (2, 4, 4))]
    weights += [rng.standard_normal(shape) for shape in ((2, 1, 4), (2, 4, 1), (2, 1, 1))]
    rows, target = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 5))
    sizes = np.cumsum([weight.size for weight in weights])[:-1]

    def shaped(flat: np.ndarray) -> list[np.ndarray]:
        parts = np.split(flat, sizes)
        return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]

    def loss(flat: np.ndarray) -> float:
        out = _forward(shaped(flat), rows)[-1][..., 0]
        return float(0.5 * ((out - target) ** 2).mean(1).sum())

    def slope(flat: np.ndarray) -> np.ndarray:
        return np.concatenate([part.ravel() for part in _slopes(shaped(flat), rows, target)])

    start = np.concatenate([weight.ravel() for weight in weights])
    assert check_grad(loss, slope, start) < 1e-4


@pytest.mark.parametrize("model", ["networks", "forest"])
def test_ensembles_learn_and_know_where_they_do_not(model: str) -> None:
    rng = RNG(0)
    known, asked = rng.random((120, 3)), rng.random((200, 3))
    said = answers(model, 5, known, known.sum(1), asked, RNG(1))  # type: ignore[arg-type]
    assert said.shape == (5, 200)
    assert np.corrcoef(said.mean(0), asked.sum(1))[0, 1] > 0.9
    assert said.std(0).min() > 0
    again = answers(model, 5, known, known.sum(1), asked, RNG(1))  # type: ignore[arg-type]
    assert np.array_equal(said, again)
