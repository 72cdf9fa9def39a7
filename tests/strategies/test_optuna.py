"""Optuna's samplers as strategies: the same draws as Optuna's own study, and what is ours."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError, MissingExtra
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, SomeOf, Space, integers, log_uniform, uniform
from archloom.strategies import CmaEs, Gp, Nsga3, Offer, Optuna, Qmc, Strategy, Tpe
from archloom.strategies._optuna_book import Book
from archloom.strategies._optuna_climb import climb
from archloom.strategies._optuna_params import Category, Members, Whole, codes_of
from archloom.strategies._optuna_samplers import Recipe
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")
MIXED = Space(()).joint(
    op=["conv3", "conv5", "skip"],
    width=[16, 32, 64],
    units=integers(8, 64, step=8),
    dropout=uniform(0.0, 0.5),
    lr=log_uniform(1e-4, 1e-1),
)
THEIRS: Mapping[str, optuna.distributions.BaseDistribution] = {
    "op": optuna.distributions.CategoricalDistribution(range(3)),
    "width": optuna.distributions.IntDistribution(0, 2),
    "units": optuna.distributions.IntDistribution(8, 64, step=8),
    "dropout": optuna.distributions.FloatDistribution(0.0, 0.5),
    "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
}


def score(architecture: Mapping[str, Any]) -> float:
    off = abs(np.log10(architecture["lr"]) + 2.5) + architecture["dropout"]
    return float(architecture["units"] / 64 + (architecture["op"] == "conv5") - off)


def evaluate(strategy: Strategy, number: int, proposal: Proposal | None, **metrics: float) -> None:
    assert proposal is not None
    trial = Trial(number, "search", proposal.architecture, 0)
    strategy.tell(trial)
    strategy.tell(replace(trial, state=State.DONE, metrics=metrics))


def search(
    strategy: Strategy, space: Space, trials: int, value: Callable[[Architecture], float]
) -> list[Architecture]:
    strategy.setup(space, ACCURACY, 0)
    met = []
    for number in range(trials):
        proposal = strategy.ask(number)
        assert proposal is not None
        met.append(proposal.architecture)
        evaluate(strategy, number, proposal, accuracy=value(proposal.architecture))
    return met


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("tpe", {"n_startup_trials": 5}),
        Recipe("cmaes", {"popsize": 5}),
        Recipe("nsga2", {"population_size": 6}),
        Recipe("nsga3", {"population_size": 6}),
        Recipe("random", {}),
    ],
    ids=lambda recipe: recipe.sampler,
)
def test_the_draws_are_those_of_optunas_own_study(recipe: Recipe) -> None:
    """Optuna asks and tells its own storage, with a sampler of the same seed for each trial."""
    ours = search(Optuna(recipe.sampler, recipe.options, deduplicate=False), MIXED, 30, score)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for number, architecture in enumerate(ours):
        seed = np.random.default_rng([0, number, 1]).integers(2**31 - 1)
        study.sampler = recipe.make(0, int(seed))
        trial = study.ask(dict(THEIRS))
        expected = {
            "op": ["conv3", "conv5", "skip"][trial.params["op"]],
            "width": [16, 32, 64][trial.params["width"]],
            **{label: trial.params[label] for label in ("units", "dropout", "lr")},
        }
        assert architecture == Architecture(expected)
        study.tell(trial, score(expected))


@pytest.mark.parametrize(
    "strategy", [Tpe(startup=5), Gp(startup=5), CmaEs(), Nsga3(population=6), Qmc()]
)
def test_samplers_come_near_the_best_of_a_smooth_space(strategy: Strategy) -> None:
    space = Space(()).joint(x=uniform(0.0, 1.0), y=uniform(0.0, 1.0))

    def value(architecture: Mapping[str, Any]) -> float:
        return -((architecture["x"] - 0.3) ** 2) - (architecture["y"] - 0.6) ** 2

    best = max(map(value, search(strategy, space, 60, value)))
    assert best > -(0.1**2)  # a random point does as well with probability 0.03
    if isinstance(strategy, Gp):
        assert best > -(0.01**2)  # 0.0003


def test_a_halton_sequence_fills_a_range_evenly() -> None:
    space = Space(()).joint(x=uniform(0.0, 1.0))
    met = search(Qmc("halton"), space, 32, lambda architecture: 0.0)
    counts = np.histogram([float(a["x"]) for a in met], bins=16, range=(0, 1))[0]  # type: ignore[arg-type]
    assert set(counts) == {2}


@pytest.mark.parametrize("sampler", ["nsga2", "nsga3", "tpe"])
def test_several_objectives_are_all_searched_for(sampler: str) -> None:
    """The front: x anywhere from 0.2 (the first objective's best) to 0.8 (the second's), y = 0."""
    objectives = (ACCURACY, Objective("loss", "min"))
    genes = {"population_size": 10, "mutation_prob": 0.1}
    options = {"n_startup_trials": 10} if sampler == "tpe" else genes
    strategy = Optuna(sampler, options)
    strategy.accept(Offer(objectives))
    strategy.setup(Space(()).joint(x=uniform(0, 1), y=uniform(0, 1)), ACCURACY, 0)
    late = []
    for number in range(150):
        proposal = strategy.ask(number)
        assert proposal is not None
        x, y = (float(proposal.architecture[label]) for label in "xy")  # type: ignore[arg-type]
        evaluate(strategy, number, proposal, accuracy=-abs(x - 0.2) - y, loss=abs(x - 0.8) + y)
        late += [(x, y)] * (number >= 100)
    assert np.median([y for _, y in late]) < 0.25
    assert sum(x < 0.4 for x, _ in late) >= 5, "the first objective counts"
    assert sum(x > 0.6 for x, _ in late) >= 5, "and so does the second"
    proposal = strategy.ask(150)
    with pytest.raises(ConfigError, match="'loss'"):
        evaluate(strategy, 150, proposal, accuracy=1.0)


def test_cma_es_takes_the_first_objective() -> None:
    strategy = CmaEs()
    strategy.accept(Offer((ACCURACY, Objective("params", "min"))))
    strategy.setup(MIXED, ACCURACY, 0)
    evaluate(strategy, 0, strategy.ask(0), accuracy=1.0)
    assert strategy.ask(1) is not None


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Optuna("tpi"), "did you mean 'tpe'"),
        (lambda: Optuna("tpe", [1]), "options map names"),  # type: ignore[arg-type]
        (lambda: Tpe(startup=-1), "startup"),
        (lambda: Tpe(candidates=0), "candidates"),
        (lambda: Tpe(joint=1), "joint"),  # type: ignore[arg-type]
        (lambda: Gp(startup=0), "startup"),
        (lambda: CmaEs(population=1), "population"),
        (lambda: Nsga3(population=1), "population"),
        (lambda: Qmc("sobel"), "'sobol' or 'halton', got 'sobel'"),
        (lambda: Tpe(deduplicate=2), "deduplicate"),  # type: ignore[arg-type]
        (lambda: Tpe(seed=-1), "seed"),
        (lambda: Tpe(prior="wide"), "maps labels"),  # type: ignore[arg-type]
    ],
)
def test_bad_settings_are_refused(make: Callable[[], Strategy], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        make()


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [
        (Optuna("tpe", {"startup": 3}), "no option 'startup'.*did you mean 'n_startup_trials'"),
        (Optuna("tpe", {"seed": 3}), "no option 'seed'"),
        (Optuna("nsga2", {"population_size": 1}), "refuses.*greater than or equal to 2"),
        (Optuna("qmc", {"qmc_type": "lattice"}), "refuses.*lattice"),
    ],
)
def test_options_that_optuna_refuses_are_errors_at_start(strategy: Strategy, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        strategy.accept(Offer())
    with pytest.raises(ConfigError, match=rule):
        strategy.setup(MIXED, ACCURACY, 0)


def test_cma_es_needs_numbers() -> None:
    space = Space(()).joint(op=["a", "b"], bias=[True, False])
    with pytest.raises(ConfigError, match=r"none: op, bias are categories.*'tpe'"):
        CmaEs().setup(space, ACCURACY, 0)
    CmaEs().setup(space.joint(width=[16, 32]), ACCURACY, 0)


@pytest.mark.parametrize(("strategy", "package"), [(Tpe(), "optuna"), (CmaEs(), "cmaes")])
def test_a_missing_package_says_what_to_install(
    strategy: Strategy, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"needs {package}: pip install 'archloom\[bayes\]'"):
        strategy.accept(Offer())


def test_a_prior_comes_first_and_fills_the_start_up() -> None:
    space = Space(()).joint(op=["a", "b", "c", "d"], lr=log_uniform(1e-4, 1e-1))
    prior = {"op": {"a": 0, "b": 0, "d": 8}, "lr": {"mean": 1e-3, "std": 0.1}}
    met = search(Tpe(startup=12, prior=prior), space, 12, lambda architecture: 0.0)
    assert met[0] == Architecture({"op": "d", "lr": 1e-3})
    assert {point["op"] for point in met} <= {"c", "d"}
    assert all(2e-4 < float(point["lr"]) < 5e-3 for point in met)  # type: ignore[arg-type]


def test_offered_architectures_come_before_all_others() -> None:
    points = tuple(itertools.islice(example_spaces()["conditional"].enumerate(), 4))
    strategy = Tpe(prior={"width": 32})
    strategy.accept(Offer(first=points))
    met = search(strategy, example_spaces()["conditional"], 5, lambda architecture: 0.0)
    assert tuple(met[:4]) == points
    assert met[4]["width"] == 32


def test_scores_that_are_not_finite_teach_nothing() -> None:
    """The search goes on as if those trials had failed."""

    def told(metric: float, state: State) -> Architecture:
        strategy = Tpe(startup=3)
        strategy.setup(MIXED, ACCURACY, 0)
        for number in range(10):
            proposal = strategy.ask(number)
            assert proposal is not None
            trial = Trial(number, "search", proposal.architecture, 0)
            strategy.tell(trial)
            bad = number % 2
            metrics = {} if bad and state is State.FAILED else {"accuracy": metric if bad else 0.5}
            strategy.tell(replace(trial, state=state if bad else State.DONE, metrics=metrics))
        last = strategy.ask(10)
        assert last is not None
        return last.architecture

    assert told(float("nan"), State.DONE) == told(0.0, State.FAILED)
    assert told(float("inf"), State.DONE) == told(0.0, State.FAILED)
    assert told(0.9, State.DONE) != told(0.0, State.FAILED)


@pytest.mark.parametrize("name", list(example_spaces()))
def test_every_point_survives_being_told_in_parameters(name: str) -> None:
    space, rng = example_spaces()[name], np.random.default_rng(0)
    codes = codes_of(space)
    for _ in range(30):
        point = space.sample(rng)
        for label, value in point.items():
            if label in codes:
                params = codes[label].encode(value)
                assert set(params) == set(codes[label].params)
                assert codes[label].decode(params, rng) == value


def test_numbers_in_order_are_ranked_but_names_of_layers_are_not() -> None:
    space = MIXED.plus([Choice("op2", "layer", OneOf((Option(0), Option(1), Option(2))))])
    ranked = {label: code.params[label] for label, code in codes_of(space).items()}
    assert ranked["width"] == Whole(0, 2)
    assert ranked["op"] == ranked["op2"] == Category(3)
    falling = codes_of(Space(()).joint(rate=[0.5, 0.2, 0.1], odd=[1, 3, 2], flag=[False, True]))
    kinds = {label: type(code.params[label]) for label, code in falling.items()}
    assert kinds == {"rate": Whole, "odd": Category, "flag": Category}


def test_large_subsets_are_told_option_by_option() -> None:
    domain = SomeOf(tuple(Option(letter) for letter in "abcdefg"), 2, 3)
    space = Space((Choice("inputs", "subset", domain),))
    code = codes_of(space)["inputs"]
    assert isinstance(code, Members)
    rng = np.random.default_rng(0)
    for value in domain.values():
        assert code.decode(code.encode(value), rng) == value
    for bits in itertools.product((0, 1), repeat=7):
        wanted = dict(zip(code.params, bits, strict=True))
        made = code.decode(wanted, rng)
        assert domain.fault(made) is None
        assert isinstance(made, tuple)
        kept = {letter for letter, bit in zip("abcdefg", bits, strict=True) if bit}
        assert set(made) <= kept if len(kept) > 3 else kept <= set(made)
    met = search(Tpe(startup=5), space, 30, lambda point: float("c" in point["inputs"]))  # type: ignore[operator]
    assert len(set(met)) == 30


def test_climbing_finds_the_best_of_all_points() -> None:
    weights = np.array([[0.3, 0.9, 0.1], [0.2, 0.1, 0.8], [0.5, 0.7, 0.6]])
    choices = {place: np.arange(3.0) for place in range(3)}

    def value(points: Any) -> Any:
        chosen = points[:, :3].astype(int)
        return weights[np.arange(3), chosen].sum(axis=1) - (points[:, 3] - 0.4) ** 2

    begin = np.array([[0.0, 0.0, 0.0, 0.9], [2.0, 1.0, 2.0, 0.1]])
    found = climb(value, begin, choices, [3], np.random.RandomState(0))
    assert found[:3].tolist() == [1, 2, 1]
    assert found[3] == pytest.approx(0.4, abs=0.05)


def test_a_window_keeps_the_best_and_the_latest() -> None:
    book = Book(1)
    for number in range(10):
        book.end(book.add({}, {}, {}), [float(-number)])
    book.add({}, {}, {})
    kept = [trial.number for trial in book.fork(4).get_all_trials(0, deepcopy=False)]
    assert kept == [0, 1, 8, 9, 10]
    assert len(book.fork(20).get_all_trials(0)) == 11


def test_optuna_keeps_quiet(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    level = logging.getLogger("optuna").level
    search(Gp(startup=2), example_spaces()["floats"], 4, lambda architecture: 0.5)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert logging.getLogger("optuna").level == level
