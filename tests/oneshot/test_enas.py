"""The controller of ENAS: its probabilities, its gradient, its baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from method_spaces import layer, linear_judge, node, one_choice
from torch import Tensor

from archloom.architecture import Architecture
from archloom.nn import Assignment
from archloom.oneshot import Enas, Judged
from archloom.oneshot._controller import Controller, Written
from archloom.oneshot._slots import Slot, slots_of
from archloom.space import Choice, OneOf, Option, Space


def tree() -> Space:
    depths = tuple(
        Option(n, tuple(layer(f"body.{i}.op", "x", "y") for i in range(n))) for n in (0, 1, 2)
    )
    return Space((Choice("body", "repeat", OneOf(depths)), *node(("a", "b")).choices))


def controller(space: Space, bound: float = 2.5) -> Controller:
    made = Controller(slots_of(space, "Enas", by_operation=False), 8, 5.0, bound)
    made.initialise(torch.Generator().manual_seed(0))
    return made


def forced(made: Controller, architecture: Architecture) -> Written:
    def pick(slot: Slot, odds: Tensor) -> tuple[int, ...]:
        value = architecture[slot.label]
        chosen = value if isinstance(value, tuple) else (value,)
        return tuple(place for place, option in enumerate(slot.options) if option in chosen)

    written: Written = made(pick)
    assert written.architecture == architecture
    return written


def test_chances_of_all_architectures_sum_to_one() -> None:
    space = tree()
    made = controller(space)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(20)  # far from uniform
        logs = torch.stack([forced(made, a).log_chance for a in space.enumerate()])
    assert float(logs.exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(logs.exp().max()) > 2 * float(logs.exp().min())


def test_entropy_of_the_decisions_is_that_of_the_architectures() -> None:
    """The mean over architectures of the sum of the decisions' entropies, by the chain rule."""
    space = tree()
    made = controller(space)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(20)
        written = [forced(made, architecture) for architecture in space.enumerate()]
        logs = torch.stack([w.log_chance for w in written])
        mean = (logs.exp() * torch.stack([w.entropy for w in written])).sum()
    assert float(mean) == pytest.approx(float(-(logs.exp() * logs).sum()), abs=1e-4)


def test_log_odds_are_bounded_by_the_tanh_constant() -> None:
    made = controller(one_choice(3), bound=1.5)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1e4)
        logs = torch.stack([forced(made, a).log_chance for a in one_choice(3).enumerate()])
    assert float(logs.max() - logs.min()) <= 3.0 + 1e-5


def test_the_mean_of_the_gradient_is_that_of_the_expected_reward() -> None:
    space = one_choice(3)
    made = controller(space)
    rewards = torch.tensor([1.0, 0.2, 0.7])
    written = [forced(made, architecture) for architecture in space.enumerate()]
    logs = torch.stack([w.log_chance for w in written])
    surrogate = -(logs.detach().exp() * logs * (rewards - 0.4)).sum()
    expected = -(logs.exp() * rewards).sum()
    weight = made.heads[0].weight
    assert isinstance(weight, Tensor)
    found, exact = (
        torch.autograd.grad(loss, weight, retain_graph=True)[0] for loss in (surrogate, expected)
    )
    torch.testing.assert_close(found, exact)


def test_the_loss_is_the_log_chance_times_reward_beyond_the_moving_average() -> None:
    gates = Enas(size=8, decay=0.9, entropy=0.5)
    gates.setup(one_choice(3), seed=0)
    rewards = iter([1.0, 3.0])
    drawn: list[Assignment] = []

    def judge(assignment: Assignment) -> Judged:
        drawn.append(assignment)
        return Judged(torch.zeros(()), next(rewards))

    losses = [gates.loss(judge, np.random.default_rng(seed)).detach() for seed in (1, 2)]
    with torch.no_grad():
        second = forced(gates._controller, Architecture(dict(drawn[1])))
    entropy = 0.5 * float(second.entropy)
    baseline = 0.9 * (1.0 + entropy) + 0.1 * (3.0 + entropy)
    assert float(losses[0]) == pytest.approx(0.0, abs=1e-6)
    expected = -float(second.log_chance) * (3.0 + entropy - baseline)
    assert float(losses[1]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("best", [0, 1])
def test_a_two_armed_bandit_is_won(best: int) -> None:
    gates = Enas(size=16)
    gates.setup(one_choice(2), seed=0)
    costs = torch.tensor([1.0, 1.0])
    costs[best] = 0.0
    optimizer = torch.optim.Adam(gates.parameters().values(), lr=0.01)
    rng = np.random.default_rng(0)
    for _ in range(150):
        optimizer.zero_grad()
        gates.loss(linear_judge(costs), rng).backward()
        optimizer.step()
    assert float(gates.probabilities()["op"][best].detach()) > 0.9
    assert gates.derive() == Architecture({"op": str(best)})


def test_labels_that_are_not_active_have_chances_too() -> None:
    gates = Enas(size=8)
    gates.setup(tree(), seed=0)
    found = gates.probabilities()
    assert set(found) == set(tree().labels)
    assert float(found["1.op"].sum().detach()) == pytest.approx(1.0, abs=1e-5)
    assert float(found["node"].sum().detach()) == pytest.approx(2.0, abs=1e-5)
