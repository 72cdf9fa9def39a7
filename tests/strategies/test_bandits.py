"""Successive halving, ASHA and Hyperband: who goes on, with how much, and when."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space, uniform
from archloom.strategies import Asha, Bohb, Dehb, Hyperband, Offer, Strategy, SuccessiveHalving
from archloom.strategies._hyperband import hyperband_bracket
from archloom.strategies._rungs import rungs_of
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")
EIGHTY_ONE = tuple(epochs / 81 for epochs in range(1, 82))
NINE = tuple(epochs / 9 for epochs in range(1, 10))
ENDLESS = Space(()).joint(x=uniform(0.0, 1.0))
BANDITS = [SuccessiveHalving, Asha, Hyperband, Bohb, Dehb]

End = Callable[[Trial], Trial]


def ready(
    strategy: Strategy,
    budgets: tuple[float, ...] = NINE,
    space: Space = ENDLESS,
    first: tuple[Architecture, ...] = (),
) -> Strategy:
    strategy.accept(Offer(objectives=(ACCURACY,), budgets=budgets, first=first))
    strategy.setup(space, ACCURACY, 0)
    return strategy


def scored(trial: Trial) -> Trial:
    """The architecture's x is its accuracy."""
    value = float(str(trial.architecture["x"]))
    return replace(trial, state=State.DONE, metrics={"accuracy": value})


def start(strategy: Strategy, number: int) -> Trial:
    proposal = strategy.ask(number)
    assert proposal is not None
    trial = Trial(
        number,
        "search",
        proposal.architecture,
        0,
        parent=proposal.parent,
        budget=proposal.budget,
    )
    strategy.tell(trial)
    return trial


def play(strategy: Strategy, trials: int, end: End = scored) -> list[Trial]:
    told = []
    for number in range(trials):
        told.append(end(start(strategy, number)))
        strategy.tell(told[-1])
    return told


def whole(share: float | None, full: int) -> int:
    assert share is not None
    epochs = round(share * full)
    assert share == pytest.approx(epochs / full)
    return epochs


# -- the papers' tables ---------------------------------------------------------------------------

TABLE_1 = {  # of Hyperband: n_i and r_i for R = 81, eta = 3
    4: [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    3: [(34, 3), (11, 9), (3, 27), (1, 81)],
    2: [(15, 9), (5, 27), (1, 81)],
    1: [(8, 27), (2, 81)],
    0: [(5, 81)],
}


def test_hyperband_gives_the_brackets_of_the_papers_table() -> None:
    rows = [row for s in (4, 3, 2, 1, 0) for row in TABLE_1[s]]
    told = play(ready(Hyperband(eta=3), EIGHTY_ONE), sum(many for many, _ in rows))
    runs = [
        (len(list(group)), epochs)
        for epochs, group in itertools.groupby(whole(t.budget, 81) for t in told)
    ]
    assert runs == [*rows[:-1][:-2], *merged(rows[-3:])]


def merged(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The last two brackets' runs of full trials stand side by side."""
    (begun, epochs), (two, full), (five, same) = rows
    assert full == same
    return [(begun, epochs), (two + five, full)]


def test_hyperbands_brackets_come_round() -> None:
    shapes = [hyperband_bracket(index, 5, 3) for index in range(6)]
    assert [
        list(zip(s.sizes, (3 ** (s.first + i) for i in range(5)), strict=False)) for s in shapes[:5]
    ] == [TABLE_1[s] for s in (4, 3, 2, 1, 0)]
    assert shapes[5] == shapes[0]


def test_a_bracket_of_successive_halving_costs_the_same_on_every_rung() -> None:
    told = play(ready(SuccessiveHalving(eta=3), EIGHTY_ONE), 81 + 27 + 9 + 3 + 1)
    counts = Counter(whole(trial.budget, 81) for trial in told)
    assert counts == {1: 81, 3: 27, 9: 9, 27: 3, 81: 1}
    assert {epochs * many for epochs, many in counts.items()} == {81}


@pytest.mark.parametrize("eta", [2, 3, 4])
def test_the_best_of_a_rung_go_on_and_no_others(eta: int) -> None:
    told = play(ready(SuccessiveHalving(eta=eta, architectures=16), EIGHTY_ONE), 19)
    rungs = itertools.groupby(told, lambda trial: trial.budget)
    for (_, lower), (_, upper) in itertools.pairwise((b, list(g)) for b, g in rungs):
        best = sorted(lower, key=lambda t: -t.metrics["accuracy"])[: 16 // eta]
        assert [trial.parent for trial in upper] == [t.number for t in best][: len(upper)]
        assert [t.architecture for t in upper] == [t.architecture for t in best][: len(upper)]


def test_a_minimised_metric_lets_the_smallest_go_on() -> None:
    strategy = SuccessiveHalving(architectures=9)
    strategy.accept(Offer(budgets=NINE))
    strategy.setup(ENDLESS, Objective("accuracy", "min"), 0)
    told = play(strategy, 10)
    assert told[9].parent == min(told[:9], key=lambda t: t.metrics["accuracy"]).number


# -- rungs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budgets", "eta", "lowest", "expected"),
    [
        (NINE, 3, None, (1 / 9, 3 / 9, 1.0)),
        (NINE, 3, 1 / 3, (3 / 9, 1.0)),
        (NINE, 2, None, (1 / 9, 2 / 9, 5 / 9, 1.0)),  # 4/9 = 1/2 / 1.125 and 5/9 = 1/2 * 1.111
        (tuple(n / 20 for n in range(1, 21)), 3, None, (0.1, 0.35, 1.0)),
        ((0.06, 1.0), 3, None, (0.06, 1.0)),  # two schedules of a table, 12 and 200 epochs
        ((0.5, 1.0), 3, None, (0.5, 1.0)),  # no third is offered, a half is
        ((1.0,), 3, None, (1.0,)),
        (EIGHTY_ONE, 3, 0.1, (9 / 81, 27 / 81, 1.0)),
    ],
)
def test_rungs_are_the_offered_budgets_nearest_to_powers(
    budgets: tuple[float, ...], eta: float, lowest: float | None, expected: tuple[float, ...]
) -> None:
    assert rungs_of(budgets, eta, lowest) == expected


# -- asynchronous promotions ----------------------------------------------------------------------


def test_asha_promotes_as_soon_as_a_third_can_be_told() -> None:
    strategy = ready(Asha(eta=3))
    told = play(strategy, 3)
    promoted = start(strategy, 3)
    best = max(told, key=lambda trial: trial.metrics["accuracy"])
    assert (promoted.parent, promoted.architecture) == (best.number, best.architecture)
    assert promoted.budget == pytest.approx(3 / 9)
    fifth = start(strategy, 4)  # the promoted one runs: a new one begins meanwhile
    assert fifth.parent is None
    assert fifth.budget == pytest.approx(1 / 9)


def algorithm_2(rungs: list[dict[int, float]], promoted: set[int], eta: int) -> int | None:
    """`get_job` of the ASHA paper: the trial to promote, None for a new one."""
    for rung in reversed(rungs[:-1]):
        top = sorted(rung, key=lambda number: -rung[number])[: len(rung) // eta]
        able = [number for number in top if number not in promoted]
        if able:
            return able[0]
    return None


def test_asha_follows_its_algorithm_with_many_workers() -> None:
    strategy, rng = ready(Asha(eta=2)), np.random.default_rng(3)
    levels = rungs_of(NINE, 2)
    rungs: list[dict[int, float]] = [{} for _ in levels]
    promoted: set[int] = set()
    running: list[Trial] = []
    for number in range(150):
        expected = algorithm_2(rungs, promoted, 2)
        trial = start(strategy, number)
        assert trial.parent == expected
        promoted |= {expected} if expected is not None else set()
        running.append(trial)
        if len(running) == 5:
            ended = scored(running.pop(int(rng.integers(5))))
            strategy.tell(ended)
            assert ended.budget is not None
            rungs[levels.index(ended.budget)][ended.number] = ended.metrics["accuracy"]
    assert len(rungs[-1]) > 2


# -- whatever happens to trials -------------------------------------------------------------------


def test_failed_trials_count_as_the_worst_and_stopped_ones_do_not_go_on() -> None:
    def end(trial: Trial) -> Trial:
        if trial.number in (0, 1, 2, 3):
            return replace(trial, state=State.FAILED, error="RuntimeError: no")
        if trial.number in (4, 5):
            return replace(scored(trial), state=State.STOPPED, metrics={"accuracy": 2.0})
        return scored(trial)

    told = play(ready(SuccessiveHalving(architectures=9)), 13, end)
    assert {trial.parent for trial in told[9:12]} == {6, 7, 8}
    assert told[12].budget == 1.0


def test_a_rejected_architecture_leaves_its_place_to_another() -> None:
    def end(trial: Trial) -> Trial:
        if trial.number % 2:
            return replace(trial, state=State.REJECTED, metrics={"params": 1e9})
        return scored(trial)

    strategy = ready(SuccessiveHalving(architectures=9))
    told = []
    for number in range(18):
        proposal = strategy.ask(number)
        assert proposal is not None
        assert proposal.parent is None or number == 17
        trial = Trial(number, "search", proposal.architecture, 0, budget=proposal.budget)
        told.append(end(replace(trial, parent=proposal.parent)))
        strategy.tell(told[-1])
    assert sum(t.state is State.DONE for t in told[:17]) == 9
    assert told[17].parent is not None


def test_when_all_fail_the_next_bracket_begins() -> None:
    def end(trial: Trial) -> Trial:
        return replace(trial, state=State.FAILED, error="RuntimeError: no")

    told = play(ready(Hyperband()), 9 + 5 + 3 + 1, end)
    assert [whole(t.budget, 9) for t in told] == [1] * 9 + [3] * 5 + [9] * 3 + [1]


def test_while_a_rung_waits_the_next_bracket_begins() -> None:
    strategy = ready(SuccessiveHalving(architectures=9))
    running = [start(strategy, number) for number in range(12)]
    assert all(trial.parent is None for trial in running)
    for trial in running[:9]:
        strategy.tell(scored(trial))
    best = sorted(running[:9], key=lambda t: -float(str(t.architecture["x"])))[:3]
    assert [start(strategy, n).parent for n in (12, 13, 14)] == [t.number for t in best]
    assert start(strategy, 15).parent is None


@pytest.mark.parametrize("make", BANDITS)
def test_in_a_small_space_all_get_their_full_budget(make: Callable[..., Strategy]) -> None:
    space = Space(()).joint(x=[0.1, 0.2, 0.3, 0.4, 0.5], y=[1, 2])
    strategy = ready(make(), space=space)
    reached: Counter[Architecture] = Counter()
    for number in range(100):
        proposal = strategy.ask(number)
        if proposal is None:
            break
        trial = scored(start(strategy, number))
        strategy.tell(trial)
        reached[trial.architecture] += trial.budget == 1.0
    assert strategy.ask(number) is None
    assert reached == dict.fromkeys(space.enumerate(), 1)


@pytest.mark.parametrize("make", BANDITS)
def test_what_is_worth_trying_first_comes_first(make: Callable[..., Strategy]) -> None:
    first = (Architecture({"x": 0.25}), Architecture({"x": 0.75}))
    told = play(ready(make(), first=first), 3)
    assert tuple(trial.architecture for trial in told[:2]) == first
    assert told[2].architecture not in first


@pytest.mark.parametrize("make", BANDITS)
def test_trials_that_others_asked_for_do_no_harm(make: Callable[..., Strategy]) -> None:
    strategy = ready(make())
    for number, budget in enumerate([None, 0.9, 1 / 3]):
        theirs = Trial(number, "search", Architecture({"x": 0.9 + number / 100}), 0, budget=budget)
        strategy.tell(theirs)
        strategy.tell(scored(theirs))
    for number in range(3, 40):
        trial = start(strategy, number)
        strategy.tell(scored(trial))
    assert trial.architecture["x"] != 0.9


@pytest.mark.parametrize("make", BANDITS)
def test_the_best_is_found_for_less_than_full_trainings(make: Callable[..., Strategy]) -> None:
    told = play(ready(make(), EIGHTY_ONE), 150)
    best = max(told, key=lambda t: (t.budget or 0, t.metrics["accuracy"]))
    assert best.budget == 1.0
    spent = sum(
        (t.budget or 0) - (0 if t.parent is None else told[t.parent].budget or 0) for t in told
    )
    fresh = [t for t in told if t.parent is None]
    assert spent < len(fresh) / 3
    assert best.metrics["accuracy"] > 0.95


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BANDITS)
def test_full_effort_alone_is_refused_with_the_mend(make: Callable[..., Strategy]) -> None:
    with pytest.raises(ConfigError, match=rf"{make.__name__} .* epochs of at least 3.*evolution"):
        make().accept(Offer())
    with pytest.raises(ConfigError, match=r"min_budget=0\.95 rules out .* 0\.889"):
        make(min_budget=0.95).accept(Offer(budgets=NINE))


@pytest.mark.parametrize("make", BANDITS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": 1}, "eta must be a number of at least 2"),
        ({"eta": float("nan")}, "eta must be a number of at least 2"),
        ({"eta": "3"}, "eta must be a number of at least 2"),
        ({"min_budget": 0}, "min_budget must be a number above 0 and at most 1, got 0"),
        ({"min_budget": 1.5}, "min_budget must be a number above 0 and at most 1, got 1.5"),
        ({"min_budget": True}, "min_budget must be a number"),
        ({"seed": -1}, "seed"),
        ({"prior": [1]}, "A prior maps labels"),
    ],
)
def test_settings_out_of_range_are_refused(
    make: Callable[..., Strategy], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)


def test_a_bracket_needs_enough_to_halve() -> None:
    with pytest.raises(ConfigError, match="at least eta=3 architectures, or none would go on"):
        SuccessiveHalving(architectures=2)
    with pytest.raises(ConfigError, match="architectures"):
        SuccessiveHalving(architectures=0)


@pytest.mark.parametrize("settings", [{"top": 2}, {"random_fraction": "all"}, {"min_points": 0}])
def test_breeding_has_its_limits(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(settings))} must be"):
        Dehb(**settings)  # type: ignore[arg-type]


# -- evolution across budgets ---------------------------------------------------------------------


def test_children_are_bred_from_the_best_of_the_highest_rung_that_can_give_parents() -> None:
    """Parents are the best of each sixteen; a child differs from both in one label at most."""
    space = Space(()).joint(**{f"l{number}": list(range(10)) for number in range(6)})

    def low(trial: Trial) -> float:
        return sum(int(str(value)) for value in trial.architecture.values())

    strategy = ready(Dehb(random_fraction=0.0, top=0.1, min_points=4), space=space)
    told = [
        replace(trial, state=State.DONE, metrics={"accuracy": low(trial)})
        for trial in (
            Trial(number, "s", space.sample(np.random.default_rng(number)), 0, budget=budget)
            for number, budget in enumerate([1 / 3] * 16 + [1.0] * 3)
        )
    ]
    for trial in told:
        strategy.tell(trial)
    best = sorted(told[:16], key=lambda t: -t.metrics["accuracy"])[:3]
    for proposal in proposals(strategy, 200):
        new = [
            label
            for label, value in proposal.architecture.items()
            if value not in {trial.architecture[label] for trial in best}
        ]
        assert len(new) <= 1


@pytest.mark.parametrize("make", BANDITS)
def test_a_prior_must_fit_the_space(make: Callable[..., Strategy]) -> None:
    with pytest.raises(ConfigError, match="'lr', a label that the space does not have"):
        ready(make(prior={"lr": {"mean": 0.1}}))


# -- expert priors --------------------------------------------------------------------------------

TWO = Space(()).joint(x=uniform(0.0, 1.0), op=["a", "b"])
SURE = {"op": {"a": 1, "b": 0}}


def proposals(strategy: Strategy, many: int) -> Iterator[Proposal]:
    for number in range(many):
        proposal = strategy.ask(number)
        assert proposal is not None
        yield proposal


def test_priorband_trusts_the_prior_more_on_higher_rungs() -> None:
    """A share of 1 / (1 + eta^r) is uniform: of rung 0 a half, of rung 2 a tenth."""
    low = ready(SuccessiveHalving(prior=SURE), space=TWO)
    met = [p.architecture["op"] for p in proposals(low, 2000)]
    assert met.count("b") / 2000 == pytest.approx(1 / 2 * 1 / 2, abs=0.03)

    high = ready(Hyperband(prior=SURE), space=TWO)
    play(high, 9 + 3 + 1 + 5 + 1)  # now the bracket that begins with the full budget
    met = []
    for proposal in proposals(high, 2000):
        assert proposal.budget == 1.0
        met.append(proposal.architecture["op"])
    # A tenth at random; a part of the rest is around the incumbent, which has op=a or b.
    assert met.count("b") / 2000 < 0.5


def test_priorband_turns_to_an_incumbent_that_the_prior_denies() -> None:
    def end(trial: Trial) -> Trial:
        value = 1.0 if trial.architecture["op"] == "b" else 0.1
        return replace(trial, state=State.DONE, metrics={"accuracy": value})

    strategy = ready(Hyperband(prior={"op": {"a": 9, "b": 1}}, seed=1), space=TWO)
    told = play(strategy, 9 + 3 + 1 + 5 + 1, end)
    assert told[12].budget == 1.0
    assert told[12].architecture["op"] == "b"
    met = [p.architecture["op"] for p in proposals(strategy, 1000)]
    # Without an incumbent it were 0.1 * 1/2 + 0.9 * 1/10 = 0.14.
    assert met.count("b") / 1000 > 0.25
