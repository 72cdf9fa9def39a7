"""REINFORCE and PPO: the controller's chances, the gradient, and toys that they solve."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from archloom.architecture import Architecture
from archloom.errors import ConfigError, InvalidArchitecture
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space
from archloom.strategies import Offer, Ppo, Random, Reinforce, Strategy
from archloom.strategies._controller import Controller
from archloom.strategies._decisions import Decisions
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")


def controller_of(space: Space, seed: int = 0, scale: float = 10.0) -> tuple[Controller, Decisions]:
    """A controller whose chances are far from even."""
    decisions = Decisions(space, bins=4)
    controller = Controller(decisions.counts, 6, 2, np.random.default_rng(seed))
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(scale)
    return controller, decisions


def log_chance(controller: Controller, decisions: Decisions, made: Architecture) -> float:
    return float(controller([decisions.read(made)]).log_chances.detach().sum())


@pytest.mark.parametrize("name", ["flat", "conditional", "tied", "subset"])
def test_the_chances_of_all_architectures_sum_to_one(name: str) -> None:
    space = example_spaces()[name]
    controller, decisions = controller_of(space)
    chances = [math.exp(log_chance(controller, decisions, made)) for made in space.enumerate()]
    assert sum(chances) == pytest.approx(1.0)
    assert max(chances) > 3 * min(chances), "they are not even"


def test_the_writer_draws_by_the_chances_that_torch_computes() -> None:
    """The writer's own LSTM in NumPy against torch's."""
    space = example_spaces()["tied"]
    controller, decisions = controller_of(space)
    rng = np.random.default_rng(1)
    draws = 3000
    drawn = Counter(decisions.write(controller.writer(rng), rng) for _ in range(draws))
    for made in space.enumerate():
        chance = math.exp(log_chance(controller, decisions, made))
        error = math.sqrt(chance * (1 - chance) / draws)
        assert drawn[made] / draws == pytest.approx(chance, abs=5 * error)


def test_with_nothing_learned_or_all_heat_it_draws_by_the_odds() -> None:
    space = example_spaces()["subset"]
    even, decisions = controller_of(space, scale=0.0)
    chances = Counter[object]()
    for made in space.enumerate():
        chances[made["inputs"]] += math.exp(log_chance(even, decisions, made))  # type: ignore[assignment]
    assert list(chances.values()) == pytest.approx([1 / 11] * 11), "11 subsets, all as likely"
    hot, _ = controller_of(space)
    rng = np.random.default_rng(0)
    drawn = Counter(decisions.write(hot.writer(rng, 1e9), rng)["inputs"] for _ in range(2200))
    assert max(abs(count - 200) for count in drawn.values()) < 5 * math.sqrt(200)


def test_entropy_and_padding() -> None:
    """Judged in one batch, paths of different lengths get what each gets alone."""
    space = example_spaces()["conditional"]
    controller, decisions = controller_of(space)
    paths = [decisions.read(made) for made in space.enumerate()]
    together = controller(paths)
    alone = [controller([path]) for path in paths]
    for got, expected in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(got, torch.cat(expected))
    even, _ = controller_of(space, scale=0.0)
    judged = even([decisions.read(space.default())])
    expected = torch.tensor([2, 3, 3], dtype=torch.float64).log()
    torch.testing.assert_close(judged.entropies, expected)
    torch.testing.assert_close(judged.log_chances, -expected)


def test_making_a_controller_uses_no_random_numbers_of_torch() -> None:
    before = torch.get_rng_state()
    Reinforce().setup(example_spaces()["flat"], ACCURACY, 0)
    assert torch.equal(torch.get_rng_state(), before)


def end(number: int, made: Architecture, score: float, state: State = State.DONE) -> Trial:
    metrics = {"accuracy": score} if state.scored else {}
    return Trial(number, "search", made, 0, state, metrics=metrics)


@pytest.mark.parametrize("how", [Reinforce, Ppo])
def test_what_beats_the_expectation_becomes_likelier(how: type[Reinforce] | type[Ppo]) -> None:
    space = example_spaces()["flat"]
    for score, sign in ((0.9, 1), (0.1, -1)):
        strategy = how(batch=1, entropy=0.0, reward="value", lr=0.001)
        strategy.setup(space, ACCURACY, 0)
        first, second = space.default(), space.complete({"a": "z", "b": 4, "c": False})
        strategy.tell(end(0, first, 0.5))
        path = strategy._policy.path(second)
        before = strategy._policy.judged(path).log_chances.sum()
        offset = 0.0
        if how is Ppo:  # its expectation is learned; score against what it is now
            offset = float(strategy._policy.judged(path).values.mean()) - 0.5
        strategy.tell(end(1, second, score + offset))
        after = strategy._policy.judged(path).log_chances.sum()
        assert float(after - before) * sign > 0


def test_the_step_is_the_reinforce_gradient() -> None:
    """One trial, plain gradient: d/dlogit of R log p is R (1 - p) for what was taken."""
    space = Space((Choice("op", "layer", OneOf(tuple(map(Option, "abc")))),))
    strategy = Reinforce(reward="value", entropy=0.0, decay=0.9)
    strategy.setup(space, ACCURACY, 0)
    strategy.tell(end(0, space.complete({"op": "a"}), 1.0))  # as expected: nothing to learn
    bias = strategy._policy.controller.outputs.bias
    assert bias.grad is not None
    assert torch.equal(bias.grad, torch.zeros_like(bias))
    path = strategy._policy.path(space.complete({"op": "b"}))
    chances = [
        float(strategy._policy.judged(strategy._policy.path(made)).log_chances.exp())
        for made in space.enumerate()
    ]
    strategy.tell(end(1, space.complete({"op": "b"}), 3.0))
    advantage = 3.0 - 1.0  # the average of earlier rewards is 1
    wanted = [-advantage * ((place == path[0].outcome) - chances[place]) for place in range(3)]
    assert bias.grad[:3].tolist() == pytest.approx(wanted)


def test_ppo_gains_nothing_beyond_the_clip() -> None:
    """Many epochs on one batch stop near a ratio of 1 + clip; without a clip they go on."""
    space = Space((Choice("op", "layer", OneOf(tuple(map(Option, "abc")))),))
    ratios = []
    for clip in (0.1, 1.0):
        strategy = Ppo(
            batch=1, epochs=40, clip=clip, lr=0.003, reward="value", critic=0.0, entropy=0.0
        )
        strategy.setup(space, ACCURACY, 0)
        path = strategy._policy.path(space.complete({"op": "b"}))
        before = strategy._policy.judged(path).log_chances
        strategy.tell(end(0, space.complete({"op": "b"}), 1.0))
        ratios.append(float((strategy._policy.judged(path).log_chances - before).exp()))
    assert 1.1 < ratios[0] < 1.35, "momentum carries it a little beyond"
    assert ratios[1] > ratios[0] + 0.2


def test_ppo_learns_what_to_expect() -> None:
    strategy = Ppo(batch=1, lr=0.02, reward="value", deduplicate=False)
    space = example_spaces()["flat"]
    strategy.setup(space, ACCURACY, 0)
    for number in range(25):
        strategy.tell(end(number, space.default(), 0.8))
    values = strategy._policy.judged(strategy._policy.path(space.default())).values
    assert values.tolist() == pytest.approx([0.8] * 3, abs=0.05)


def cell() -> Space:
    operation = OneOf(tuple(Option(number) for number in range(5)))
    return Space(tuple(Choice(f"edge{number}", "layer", operation) for number in range(6)))


def hits(strategy: Strategy, trials: int, seed: int) -> float:
    """Mean number of the six edges with operation 4, over the last third of the trials."""
    strategy.setup(cell(), ACCURACY, seed)
    found = []
    for number in range(trials):
        proposal = strategy.ask(number)
        assert proposal is not None
        found.append(float(sum(value == 4 for value in proposal.architecture.values())))
        strategy.tell(Trial(number, "search", proposal.architecture, 0))
        strategy.tell(end(number, proposal.architecture, found[-1]))
    return float(np.mean(found[-trials // 3 :]))


@pytest.mark.parametrize("how", [Reinforce, Ppo])
def test_one_max_is_learned(how: type[Reinforce] | type[Ppo]) -> None:
    """At random 6/5 of the edges are right."""
    learned = [hits(how(), 90, seed) for seed in range(4)]
    drawn = [hits(Random(), 90, seed) for seed in range(4)]
    assert np.mean(drawn) == pytest.approx(6 / 5, abs=0.3)
    assert min(learned) > 2.2


def test_a_bandit_is_solved_with_repeats() -> None:
    """Four arms, rewards with noise: nearly all late pulls are of the best one."""
    space = Space(()).joint(arm=[0, 1, 2, 3])
    strategy = Reinforce(deduplicate=False, lr=0.05)
    strategy.setup(space, ACCURACY, 3)
    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    pulls = []
    for number in range(200):
        proposal = strategy.ask(number)
        assert proposal is not None
        arm = int(proposal.architecture["arm"])  # type: ignore[arg-type]
        pulls.append(arm)
        strategy.tell(end(number, proposal.architecture, [0.2, 0.5, 0.8, 0.4][arm] + noise[number]))
    assert pulls[-50:].count(2) > 40


def test_failed_trials_teach_to_stay_away() -> None:
    space = Space(()).joint(arm=[0, 1, 2, 3])
    strategy = Reinforce(deduplicate=False, lr=0.05)
    strategy.setup(space, ACCURACY, 0)
    good, bad = space.complete({"arm": 0}), space.complete({"arm": 1})
    for number in range(0, 60, 2):
        strategy.tell(end(number, good, 0.5))
        strategy.tell(end(number + 1, bad, 0.0, State.FAILED))
    chances = [
        float(strategy._policy.judged(strategy._policy.path(made)).log_chances.exp())
        for made in (good, bad)
    ]
    assert chances[1] < 0.05 < 0.5 < chances[0]


@pytest.mark.parametrize("how", [Reinforce, Ppo])
def test_what_the_search_offers_comes_first(how: type[Reinforce] | type[Ppo]) -> None:
    space = example_spaces()["flat"]
    first = (space.complete({"a": "z"}), space.complete({"a": "y"}))
    strategy = how()
    strategy.accept(Offer(first=first))
    strategy.setup(space, ACCURACY, 0)
    for number in range(2):
        assert strategy.ask(number) == Proposal(first[number])
        strategy.tell(end(number, first[number], 0.5))
    third = strategy.ask(2)
    assert third is not None
    assert third.architecture not in first
    strategy.accept(Offer(first=(Architecture({"b": 1}),)))
    with pytest.raises(InvalidArchitecture):
        strategy.setup(space, ACCURACY, 0)


@pytest.mark.parametrize(
    ("how", "settings", "message"),
    [
        (Reinforce, {"lr": 0}, "lr must be a number above 0, got 0"),
        (Reinforce, {"decay": 1.5}, "decay must be a number of at least 0 and at most 1"),
        (Reinforce, {"entropy": math.nan}, "entropy must be a number"),
        (Reinforce, {"batch": 0}, "batch must be an int of at least 1"),
        (Reinforce, {"bins": 1}, "bins must be an int of at least 2"),
        (Reinforce, {"reward": "cubed"}, "reward must be 'rank' or 'value', got 'cubed'"),
        (Ppo, {"clip": 0}, "clip must be a number above 0 and at most 1"),
        (Ppo, {"critic": -1}, "critic must be a number of at least 0"),
        (Ppo, {"epochs": 2.5}, "epochs must be an int"),
        (Ppo, {"deduplicate": 1}, "deduplicate must be true or false"),
    ],
)
def test_bad_settings_are_errors(
    how: type[Reinforce] | type[Ppo], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        how(**settings)  # type: ignore[arg-type]
