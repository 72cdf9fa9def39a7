"""Q-learning: the updates by hand, the paper's schedule, and a toy that it solves."""

from __future__ import annotations

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space
from archloom.strategies import Offer, QLearning, Random, Strategy
from archloom.strategies._rewards import Rewards
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")


def end(number: int, made: Architecture, score: float, state: State = State.DONE) -> Trial:
    metrics = {"accuracy": score} if state.scored else {}
    return Trial(number, "search", made, 0, state, metrics=metrics)


def two_layers() -> Space:
    layer = OneOf(tuple(map(Option, "abc")))
    return Space((Choice("first", "layer", layer), Choice("second", "layer", layer)))


def test_the_update_is_equation_3_from_the_last_decision_to_the_first() -> None:
    strategy = QLearning(rate=0.1, discount=0.9, replays=1, reward="value")
    space = two_layers()
    strategy.setup(space, ACCURACY, 0)
    strategy.tell(end(0, space.complete({"first": "b", "second": "c"}), 0.9))
    last = 0.5 + 0.1 * (0.9 - 0.5)  # from 0.5, towards the reward
    first = 0.5 + 0.1 * (0.9 * last - 0.5)  # towards the discounted best of what follows
    assert set(strategy._values) == {("first", ()), ("second", (1,))}
    assert strategy._values["second", (1,)].tolist() == pytest.approx([0.5, 0.5, last])
    assert strategy._values["first", ()].tolist() == pytest.approx([0.5, first, 0.5])


def test_many_replays_end_at_the_best_that_each_decision_leads_to() -> None:
    """The fixed point of the Bellman equation: the largest reward behind a decision."""
    strategy = QLearning(rate=0.2, replays=300, reward="value", context=1)
    space = two_layers()
    strategy.setup(space, ACCURACY, 0)
    scores = dict(zip(space.enumerate(), np.random.default_rng(0).uniform(0.6, 1, 9), strict=True))
    for number, (made, score) in enumerate(scores.items()):
        strategy.tell(end(number, made, float(score)))
    for place, name in enumerate("abc"):
        behind = [score for made, score in scores.items() if made["first"] == name]
        assert strategy._values["first", ()][place] == pytest.approx(max(behind), abs=0.01)
        assert strategy._values["second", (place,)].tolist() == pytest.approx(behind, abs=0.01)


def test_epsilon_falls_as_in_table_2_of_the_paper() -> None:
    """1,500 models at 1.0, then 100 each at 0.9, 0.8, 0.7, and 150 each from 0.6 to 0.1."""
    strategy = QLearning(trials=2700)
    strategy.setup(two_layers(), ACCURACY, 0)
    ends = [1500, 1600, 1700, 1800, 1950, 2100, 2250, 2400, 2550]
    for step, until in enumerate(ends):
        strategy._ended = until - 1
        assert strategy.epsilon == pytest.approx(1.0 - 0.1 * step)
        strategy._ended = until
        assert strategy.epsilon == pytest.approx(0.9 - 0.1 * step)
    strategy._ended = 10_000
    assert strategy.epsilon == 0.1


def test_the_schedule_is_as_long_as_the_search_unless_set() -> None:
    space = example_spaces()["conditional"]
    for settings, offered, length in (({}, 20, 20), ({"trials": 40}, 20, 40), ({}, None, 100)):
        strategy = QLearning(replays=1, **settings)
        strategy.accept(Offer(trials=offered))
        strategy.setup(space, ACCURACY, 0)
        number = 0
        while strategy.epsilon == 1.0:
            state = State.FAILED if number % 4 == 1 else State.DONE
            strategy.tell(end(2 * number, space.default(), 0.5, state))
            rejected = end(2 * number + 1, space.default(), 0.5, State.REJECTED)
            strategy.tell(rejected)  # costs nothing and does not count
            number += 1
        assert number == -(-length * 5 // 9)


def test_greedy_decisions_are_those_of_the_largest_value() -> None:
    space = two_layers()
    strategy = QLearning(reward="value", deduplicate=False)
    strategy.setup(space, ACCURACY, 0)
    for number, made in enumerate(space.enumerate()):
        strategy.tell(
            end(number, made, float(made == space.complete({"first": "c", "second": "a"})))
        )
    assert strategy._draw(0.0, np.random.default_rng(5)) == Architecture(
        {"first": "c", "second": "a"}
    )
    drawn = {strategy._draw(1.0, np.random.default_rng(seed)) for seed in range(100)}
    assert len(drawn) == 9


def test_context_is_how_many_outcomes_a_state_remembers() -> None:
    space = Space(()).joint(a=[0, 1], b=[0, 1], c=[0, 1], d=[0, 1])
    made = Architecture({"a": 1, "b": 0, "c": 1, "d": 1})
    for context, expected in (
        (0, [(), (), (), ()]),
        (1, [(), (1,), (0,), (1,)]),
        (3, [(), (1,), (1, 0), (1, 0, 1)]),
    ):
        strategy = QLearning(context=context)
        strategy.setup(space, ACCURACY, 0)
        states = strategy._remembered(made, 0.5).states
        assert states == list(zip("abcd", expected, strict=True))


def test_ranks_count_ties_half_and_failures_nothing() -> None:
    rewards = Rewards("rank")
    for gain in (3.0, 1.0, 1.0, -np.inf, 2.0, None):
        rewards.add(gain)
    found = [rewards.of(gain) for gain in (3.0, 2.0, 1.0, -np.inf, None)]
    assert found == [1.0, 0.75, 1.5 / 4, 0.0, 0.0]
    plain = Rewards("value")
    for gain in (0.9, -np.inf, 0.4):
        plain.add(gain)
    assert [plain.of(gain) for gain in (0.9, -np.inf, None)] == [0.9, 0.4, 0.4]


def best_late(strategy: Strategy, seed: int, trials: int = 100) -> float:
    """Mean score of the last fifth of the trials: six edges, one best operation each."""
    operation = OneOf(tuple(Option(number) for number in range(4)))
    space = Space(tuple(Choice(f"edge{number}", "layer", operation) for number in range(6)))
    strategy.accept(Offer(trials=trials))
    strategy.setup(space, ACCURACY, seed)
    scores = []
    for number in range(trials):
        proposal = strategy.ask(number)
        assert proposal is not None
        scores.append(float(sum(value == 3 for value in proposal.architecture.values())))
        strategy.tell(end(number, proposal.architecture, scores[-1]))
    return float(np.mean(scores[-trials // 5 :]))


def test_it_learns_which_decisions_pay() -> None:
    learned = [best_late(QLearning(), seed) for seed in range(6)]
    drawn = [best_late(Random(), seed) for seed in range(6)]
    assert np.mean(drawn) == pytest.approx(1.5, abs=0.3)
    assert np.mean(learned) > 2.2


def test_what_the_search_offers_comes_first() -> None:
    space = example_spaces()["flat"]
    strategy = QLearning()
    strategy.accept(Offer(first=(space.complete({"a": "z"}),)))
    strategy.setup(space, ACCURACY, 0)
    assert strategy.ask(0) == Proposal(space.complete({"a": "z"}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "rate must be a number above 0 and at most 1"),
        ({"discount": 1.1}, "discount must be a number above 0 and at most 1"),
        ({"context": -1}, "context must be an int of at least 0"),
        ({"replays": 0}, "replays must be an int of at least 1"),
        ({"trials": 0}, "trials must be an int of at least 1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_settings_are_errors(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        QLearning(**settings)  # type: ignore[arg-type]
