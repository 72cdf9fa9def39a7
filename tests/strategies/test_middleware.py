"""Strategies around other strategies: twins, filters, portfolios and warm starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError, Infeasible, RunError
from archloom.journal import Finished, Noted, SqliteJournal, Started
from archloom.nn.cells import canonical_nasbench201, to_nasbench201
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies import (
    Distinct,
    Evolution,
    Filtered,
    Grid,
    LocalSearch,
    Offer,
    Portfolio,
    Random,
    Strategy,
    WarmStart,
    best_of,
    described,
    made,
)
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")
PAIRS = Space(()).joint(a=[1, 2, 3, 4], b=[1, 2, 3, 4])  # 16 points, 10 up to their order


def unordered(architecture: Architecture) -> Hashable:
    return tuple(sorted(architecture.values(), key=str))


def total(architecture: Architecture) -> float:
    return float(sum(architecture.values()))  # type: ignore[arg-type]


def search(
    strategy: Strategy,
    space: Space,
    score: Callable[[Architecture], float] = total,
    trials: int = 1000,
) -> list[Trial]:
    """Run a search of one trial at a time and give its ended trials."""
    strategy.setup(space, ACCURACY, 0)
    ended = []
    for number in range(trials):
        proposal = strategy.ask(number)
        if proposal is None:
            break
        start = started(number, proposal)
        strategy.tell(start)
        value = score(proposal.architecture)
        ended.append(replace(start, state=State.DONE, metrics={"accuracy": value}))
        strategy.tell(ended[-1])
    return ended


def started(number: int, proposal: Proposal) -> Trial:
    return Trial(
        number,
        "search",
        proposal.architecture,
        0,
        parent=proposal.parent,
        budget=proposal.budget,
    )


@dataclass
class Fixed(Strategy):
    """Propose numbers of a list, whatever happened; remember what was told."""

    values: tuple[int, ...] = ()
    seed: int | None = None

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self.told: list[Trial] = []

    def ask(self, number: int) -> Proposal | None:
        ended = sum(trial.state.ended for trial in self.told)
        running = sum(trial.state is State.RUNNING for trial in self.told)
        place = max(ended, running)
        if place >= len(self.values):
            return None
        return Proposal(Architecture({"x": self.values[place]}))

    def tell(self, trial: Trial) -> None:
        self.told.append(trial)


# -- names and settings --------------------------------------------------------------------------


def test_described_strategies_come_back_equal_through_json() -> None:
    strategy = Portfolio(
        [Distinct(Filtered(WarmStart("grid", [{"a": 1}]))), Evolution(population=4, sample=2)]
    )
    text = json.dumps(described(strategy))
    assert made(json.loads(text)) == strategy
    assert json.loads(json.dumps(asdict(strategy))) == {
        setting: value for setting, value in json.loads(text).items() if setting != "name"
    }


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("evolutoin", "did you mean 'evolution'"),
        ({"name": "evolution", "poplation": 3}, "did you mean 'population'"),
        ({"population": 3}, r"\{'name': NAME"),
        (3, "by its name"),
        ("builtins:dict", "derives from"),
    ],
)
def test_what_is_no_strategy_is_named(spec: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(spec)  # type: ignore[arg-type]


def test_settings_that_json_cannot_hold_are_named() -> None:
    with pytest.raises(ConfigError, match=r"values of .* is <object"):
        described(Fixed((object(),)))  # type: ignore[arg-type]


# -- distinct ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inner",
    [
        Random(),
        Random(deduplicate=False),
        Grid(),
        LocalSearch(),
        Evolution(population=4, sample=2),
        Evolution(population=4, sample=2, deduplicate=False),
    ],
    ids=lambda inner: f"{type(inner).__name__}-{getattr(inner, 'deduplicate', '')}",
)
def test_every_form_is_tried_exactly_once(inner: Strategy) -> None:
    strategy = Distinct(inner)
    strategy.accept(Offer(canonical=unordered))
    trials = search(strategy, PAIRS)
    forms = [unordered(trial.architecture) for trial in trials]
    assert len(forms) == len(set(forms)) == 10


def test_cells_of_nas_bench_201_that_compute_the_same_are_tried_once() -> None:
    from archloom.zoo import nasbench201

    edges = nasbench201(operations=("none", "skip_connect", "nor_conv_1x1")).space
    strategy = Distinct("random")
    strategy.accept(Offer(canonical=lambda cell: canonical_nasbench201(to_nasbench201(cell))))
    trials = search(strategy, edges, len)
    forms = {canonical_nasbench201(to_nasbench201(cell)) for cell in edges.enumerate()}
    assert len(trials) == len(forms) < edges.size


def test_the_inner_strategy_learns_from_a_twin_at_once() -> None:
    inner = Fixed((1, 2, -1, 3))
    strategy = Distinct("random")
    strategy._inner = inner
    strategy.accept(Offer(canonical=lambda architecture: abs(architecture["x"])))  # type: ignore[arg-type]
    space = Space(()).joint(x=[-1, 1, 2, 3])
    trials = search(strategy, space, lambda architecture: 10.0 * architecture["x"])  # type: ignore[operator]
    assert [trial.architecture["x"] for trial in trials] == [1, 2, 3]
    twins = [trial for trial in inner.told if trial.architecture["x"] == -1]
    assert [trial.state for trial in twins] == [State.RUNNING, State.DONE]
    assert twins[-1].metrics == {"accuracy": 10.0}
    assert all(trial.number > len(trials) for trial in twins)


def test_a_twin_of_a_running_trial_ends_with_it() -> None:
    inner = Fixed((1, -1, 3))
    strategy = Distinct("random")
    strategy._inner = inner
    strategy.accept(Offer(canonical=lambda architecture: abs(architecture["x"])))  # type: ignore[arg-type]
    strategy.setup(Space(()).joint(x=[-1, 1, 2, 3]), ACCURACY, 0)
    first = started(0, Proposal(Architecture({"x": 1})))
    strategy.tell(first)
    assert [trial.architecture["x"] for trial in inner.told] == [1, -1]
    assert strategy.ask(1) == Proposal(Architecture({"x": 3}))
    strategy.tell(replace(first, state=State.DONE, metrics={"accuracy": 0.5}))
    assert [trial.metrics.get("accuracy") for trial in inner.told if trial.state.ended] == [0.5] * 2


def test_parents_of_children_of_twins_are_trials_on_record() -> None:
    strategy = Distinct(Evolution(population=3, sample=3))
    strategy.accept(Offer(canonical=unordered))
    trials = search(strategy, Space(()).joint(a=list(range(9)), b=list(range(9))))
    parents = [trial.parent for trial in trials if trial.parent is not None]
    assert parents
    assert all(parent < trial.number for trial in trials if (parent := trial.parent) is not None)


def test_a_promotion_is_no_twin() -> None:
    strategy = Distinct("random")
    strategy.setup(PAIRS, ACCURACY, 0)
    architecture = PAIRS.default()
    low = Trial(0, "search", architecture, 0, State.DONE, metrics={"accuracy": 1.0}, budget=0.25)
    strategy.tell(low)
    assert strategy._twin(Proposal(architecture, budget=0.5, parent=0)) is None
    assert strategy._twin(Proposal(architecture, budget=0.25)) == low
    assert strategy._twin(Proposal(architecture, budget=0.1)) == low


# -- filtered ------------------------------------------------------------------------------------


def small(architecture: Architecture) -> bool:
    return total(architecture) <= 4


def never(architecture: Architecture) -> bool:
    return False


def forgot(architecture: Architecture) -> None:
    small(architecture)


@pytest.mark.parametrize("inner", ["random", "grid", "local_search", "evolution"])
def test_all_that_keep_the_constraints_are_tried_and_no_others(inner: str) -> None:
    strategy = Filtered(inner)
    strategy.accept(Offer(feasible=small))
    trials = search(strategy, PAIRS)
    expected = {architecture for architecture in PAIRS.enumerate() if small(architecture)}
    assert len(trials) == len(expected) == 6
    assert {trial.architecture for trial in trials} == expected


def test_a_rule_is_named_by_where_it_lives() -> None:
    strategy = Filtered("random", rule=f"{__name__}:small")
    assert len(search(strategy, PAIRS)) == 6
    assert made(described(strategy)) == strategy


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        (small, ConfigError, "where it lives"),
        ("json:missing", ConfigError, "cannot be imported"),
        ("math:pi", ConfigError, "called with an architecture"),
        (f"{__name__}:never", Infeasible, "keeps the rule"),
        (f"{__name__}:forgot", ConfigError, "True or False"),
    ],
)
def test_rules_that_cannot_work_are_named(rule: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Filtered("random", rule=rule).setup(PAIRS, ACCURACY, 0)


# -- portfolio -----------------------------------------------------------------------------------


def test_turns_shift_to_the_strategy_that_does_well() -> None:
    space = Space(()).joint(**{f"x{place}": list(range(10)) for place in range(6)})
    evolution = {"name": "evolution", "population": 10, "sample": 5}
    strategy = Portfolio(["random", evolution])
    trials = search(strategy, space, trials=150)
    assert strategy.shares[1] > 0.6
    plain = search(Random(), space, trials=150)
    assert max(map(score, trials)) > max(map(score, plain))


def score(trial: Trial) -> float:
    return trial.metrics["accuracy"]


def test_the_first_turns_go_round_and_rewards_are_shares_beaten() -> None:
    strategy = Portfolio(["random", "random"], discount=1.0, exploration=0.0)
    strategy.setup(PAIRS, ACCURACY, 0)
    turns = []
    for number, value in enumerate([0.5, 0.2, 0.9, 0.4]):
        turns.append(strategy._turn())
        start = Trial(number, "search", PAIRS.default(), 0)
        strategy.tell(start)
        strategy.tell(replace(start, state=State.DONE, metrics={"accuracy": value}))
    # Rewards by hand: 1/2 (the first), 0 of 1, 2 of 2, 1 of 3.
    assert turns == [0, 1, 0, 0]
    assert strategy._rewards == pytest.approx([0.5 + 1 + 1 / 3, 0.0])
    assert strategy.shares == (0.75, 0.25)


def test_failed_trials_earn_nothing() -> None:
    strategy = Portfolio(["random"], discount=1.0)
    strategy.setup(PAIRS, ACCURACY, 0)
    strategy.tell(Trial(0, "search", PAIRS.default(), 0))
    strategy.tell(Trial(0, "search", PAIRS.default(), 0, State.FAILED, error="no"))
    assert strategy._rewards == [0.0]


def test_the_next_strategy_steps_in_for_one_that_is_at_its_end() -> None:
    ten = [{"name": "grid", "points": 1}, "random"]
    trials = search(Portfolio(ten), PAIRS)
    assert len({trial.architecture for trial in trials}) == len(trials) == 16


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strategies": []}, "at least one"),
        ({"strategies": "random"}, "a list"),
        ({"exploration": -1}, "exploration"),
        ({"discount": 0}, "discount"),
        ({"discount": float("nan")}, "discount"),
    ],
)
def test_portfolios_that_cannot_work_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Portfolio(**settings)  # type: ignore[arg-type]


# -- warm start ----------------------------------------------------------------------------------


def test_given_architectures_come_first_and_are_not_repeated() -> None:
    first = [{"a": 4, "b": 4}, {"a": 1, "b": 3}]
    strategy = WarmStart("grid", first)
    strategy.accept(Offer(first=(Architecture({"a": 2, "b": 2}), Architecture(first[0]))))
    trials = search(strategy, PAIRS)
    tried = [dict(trial.architecture) for trial in trials]
    assert tried[:3] == [*first, {"a": 2, "b": 2}]
    assert len(tried) == len({str(values) for values in tried}) == 16


def test_architectures_of_a_related_space_are_fitted() -> None:
    strategy = WarmStart("random", [{"a": 3, "b": 99, "c": 1}])
    strategy.setup(PAIRS, ACCURACY, 0)
    assert strategy.ask(0) == Proposal(Architecture({"a": 3, "b": 1}))
    with pytest.raises(ConfigError, match="shares a label"):
        WarmStart("random", [{"c": 1}]).setup(PAIRS, ACCURACY, 0)


def test_the_best_of_runs_come_in_turn(tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    scores = [{1: 0.9, 2: 0.5, 3: 0.7}, {2: 0.6, 4: 0.1}]
    for run, values in zip(runs, scores, strict=True):
        run.mkdir()
        with SqliteJournal(run, write=True) as journal:
            journal.append(Noted("experiment", {"objectives": ["max accuracy"]}))
            for number, (a, value) in enumerate(values.items()):
                journal.append(Started(number, "search", Architecture({"a": a, "b": 1}), seed=0))
                journal.append(Finished(number, State.DONE, {"accuracy": value}))
    assert [there["a"] for there in best_of(runs, top=2)] == [1, 2, 3, 4]
    with pytest.raises(RunError):
        best_of([tmp_path / "three"])
    with pytest.raises(ConfigError, match="top"):
        best_of(runs, top=0)
