"""Expected costs against the mean over all models, and penalties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.nn import Assignment, ModelSpace, Pick, add, model_space
from archloom.oneshot import CostTree, Darts, Enas, Judged, Penalty, Snas, Uniform
from archloom.oneshot._uniform import uniform_chances
from archloom.space import SomeOf, Space

X = torch.zeros(1, 1, 6, 6)


@model_space
def nested(pick: Pick) -> nn.Module:
    """Depth, operations with a choice inside, one of them tied to another place."""

    def block(pick: Pick) -> nn.Module:
        return pick.layer(
            "op",
            {
                "conv": lambda: nn.Conv2d(4, 4, 3, padding=1),
                "narrow": lambda p: nn.Sequential(nn.Conv2d(4, 2, 1), act(p), nn.Conv2d(2, 4, 1)),
                "skip": nn.Identity,
            },
        )

    def act(pick: Pick) -> nn.Module:
        return pick.layer("act", {"relu": nn.ReLU, "mix": lambda: nn.Conv2d(2, 2, 1)})

    body = pick.repeat("body", block, 1, 2)
    tied = pick.at("body.0").layer(
        "op",
        {
            "conv": lambda: nn.Conv2d(4, 4, 1),
            "narrow": lambda: nn.Conv2d(4, 4, 1, groups=2),
            "skip": nn.Identity,
        },
    )
    return nn.Sequential(nn.Conv2d(1, 4, 1), body, tied)


@model_space
def inputs(pick: Pick) -> nn.Module:
    """Some of the branches, each with an operation."""

    def branch(pick: Pick) -> nn.Module:
        return pick.layer("op", {"one": lambda: nn.Conv2d(1, 2, 1), "three": three})

    chosen = pick.subset("from", dict.fromkeys("abc", branch), 2)
    return add(*chosen.values())


def three() -> nn.Module:
    return nn.Conv2d(1, 2, 3, padding=1)


@model_space
def elastic(pick: Pick) -> nn.Module:
    """Widths that several layers hang on, and a kernel."""
    width = pick.value("width", [2, 4, 6])
    kernel = pick.value("kernel", [1, 3])
    conv = nn.Conv2d(1, width, kernel, padding=kernel // 2)
    return nn.Sequential(
        conv,
        nn.BatchNorm2d(width),
        pick.layer("op", {"wide": lambda: nn.Conv2d(width, width * 2, 1), "same": doubled(width)}),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width * 2, 3),
    )


def doubled(width: int):  # type: ignore[no-untyped-def]
    return lambda: nn.Conv2d(width, width * 2, 3, padding=1)


def true_cost(space: ModelSpace, architecture: Architecture, metric: str) -> float:
    model = space.build(architecture, device="meta").eval()
    if metric == "params":
        return float(sum(p.numel() for p in model.parameters()))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(X.to("meta"))
    return float(counter.get_total_flops())


def chance(space: Space, architecture: Architecture, chances: dict[str, Tensor]) -> float:
    """Give how likely an architecture is, choice by choice; inputs by pairs of equal odds."""
    total = 1.0
    for label, value in architecture.items():
        domain = space.labels[label].domain
        if isinstance(domain, SomeOf):
            total /= math.comb(len(domain.options), domain.low)
        else:
            total *= float(chances[label][list(domain.values()).index(value)])
    return total


def some_chances(space: Space) -> dict[str, Tensor]:
    rng = np.random.default_rng(0)
    found = {label: c.double() for label, c in uniform_chances(space).items()}
    for label, choice in space.labels.items():
        if not isinstance(choice.domain, SomeOf):
            drawn = rng.dirichlet(np.ones(int(choice.domain.count)))
            found[label] = torch.tensor(drawn)
    return found


@pytest.mark.parametrize("space", [nested, inputs, elastic], ids=lambda space: space.__name__)
@pytest.mark.parametrize("metric", ["params", "flops"])
def test_costs_and_their_mean_are_those_of_all_models(space: ModelSpace, metric: str) -> None:
    tree = CostTree.of(space.supernet(), X, metric)  # type: ignore[arg-type]
    chances = some_chances(space.space)
    mean = total = 0.0
    for architecture in space.space.enumerate():
        cost = true_cost(space, architecture, metric)
        assert tree.cost(architecture) == cost, architecture
        share = chance(space.space, architecture, chances)
        mean, total = mean + share * cost, total + share
    assert total == pytest.approx(1.0)
    assert float(tree.expected(chances)) == pytest.approx(mean, rel=1e-6)


def test_the_mean_is_differentiable_in_the_probabilities() -> None:
    tree = CostTree.of(nested.supernet(), X, "flops")
    chances = {k: v.requires_grad_() for k, v in some_chances(nested.space).items()}
    assert torch.autograd.gradcheck(
        lambda *values: tree.expected(dict(zip(chances, values, strict=True))),
        tuple(chances.values()),
    )


def test_pinned_choices_are_part_of_the_cost() -> None:
    supernet = elastic.supernet(width=4)
    tree = CostTree.of(supernet, X, "params")
    for architecture in supernet.space.space.enumerate():
        whole = Architecture({**architecture, "width": 4})
        assert tree.cost(architecture) == true_cost(elastic, whole, "params")


def test_latency_is_a_sum_over_parts_that_run() -> None:
    tree = CostTree.of(nested.supernet(), X, "latency_ms")
    shallow = {"body": 1, "body.0.op": "skip"}
    deep = {
        "body": 2,
        "body.0.op": "narrow",
        "body.0.op.narrow.act": "mix",
        "body.1.op": "narrow",
        "body.1.op.narrow.act": "mix",
    }
    assert 0 < tree.cost(shallow) < tree.cost(deep)


def test_a_supernet_is_not_changed_by_measuring() -> None:
    torch.manual_seed(0)
    supernet = elastic.supernet().train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    state = torch.random.get_rng_state()
    CostTree.of(supernet, X, "flops")
    assert supernet.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_missing_probabilities_are_named() -> None:
    tree = CostTree.of(inputs.supernet(), X, "params")
    chances = uniform_chances(inputs.space)
    del chances["from.a.op"]
    with pytest.raises(ConfigError, match=r"probabilities of 'from\.a\.op'"):
        tree.expected(chances)


def test_unknown_metrics_are_refused() -> None:
    with pytest.raises(ConfigError, match="one of params, flops, latency_ms, got 'energy'"):
        CostTree.of(inputs.supernet(), X, "energy")  # type: ignore[arg-type]


class TestPenalty:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("flops:0.1", Penalty("flops", 0.1)),
            ("params", Penalty("params", 0.1)),
            ("latency_ms:2:3.5", Penalty("latency_ms", 2.0, 3.5)),
            ({"metric": "params", "target": 1000}, Penalty("params", 0.1, 1000)),
            (Penalty("flops", 1.0), Penalty("flops", 1.0)),
        ],
    )
    def test_text_and_mappings_are_read(self, given: object, expected: Penalty) -> None:
        assert Penalty.of(given) == expected  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("flop:0.1", "did you mean 'flops'"),
            ("flops:much", "metric:weight"),
            ("flops:1:2:3", "metric:weight:target"),
            ("flops:0", "weight must be a finite number above 0"),
            ("flops:1:-5", "target must be a finite number above 0"),
            ({"wieght": 1}, "did you mean 'weight'"),
            (3, "a text like"),
        ],
    )
    def test_anything_else_is_refused(self, given: object, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            Penalty.of(given)  # type: ignore[arg-type]

    def test_a_price_is_in_units_of_the_average_model(self) -> None:
        charge = Penalty("params", 0.5).on(inputs.supernet(), X)
        assert float(charge.term(uniform_chances(inputs.space))) == pytest.approx(0.5)
        cheap = dict(uniform_chances(inputs.space))
        cheap |= {f"from.{name}.op": torch.tensor([1.0, 0.0]) for name in "abc"}
        # 2 of 3 branches: 4 parameters each with a kernel of 1, 20 with a kernel of 3.
        assert float(charge.term(cheap)) == pytest.approx(0.5 * 8 / 24)

    def test_up_to_a_target_nothing_is_paid(self) -> None:
        charge = Penalty("params", 1.0, target=20.0).on(inputs.supernet(), X)
        chances = uniform_chances(inputs.space)
        assert float(charge.term(chances)) == pytest.approx(24 / 20 - 1)
        cheap = {**chances, **{f"from.{n}.op": torch.tensor([1.0, 0.0]) for n in "abc"}}
        assert float(charge.term(cheap)) == 0.0

    @pytest.mark.parametrize("method", [Darts, Snas])
    def test_methods_move_to_cheaper_options(self, method: type[Darts]) -> None:
        gates = method()
        gates.setup(inputs.space, seed=0)
        charge = Penalty("flops", 1.0).on(inputs.supernet(), X)
        optimizer = torch.optim.Adam(gates.parameters().values(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            charge.term(gates.probabilities()).backward()
            optimizer.step()
        derived = gates.derive()
        assert derived is not None
        assert {v for k, v in derived.items() if k.endswith("op")} == {"one"}

    def test_a_rewarded_method_pays_for_each_path(self) -> None:
        charge = Penalty("params", 0.5).on(inputs.supernet(), X)

        def judge(assignment: Assignment) -> Judged:
            return Judged(torch.zeros(()), 0.9)

        gates = Enas(size=8)
        gates.setup(inputs.space, seed=0)
        path = gates.draw(np.random.default_rng(0))
        charged = charge.judging(judge)(path)
        assert charged.score == pytest.approx(0.9 - 0.5 * charge.tree.cost(path) / 24)
        with pytest.raises(ConfigError, match="single paths"):
            charge.judging(judge)(uniform_chances(inputs.space))

    def test_sampling_methods_train_no_path_beyond_the_target(self) -> None:
        gates = Uniform()
        gates.setup(inputs.space, seed=0)
        gates.limit(Penalty("params", target=30.0).admitting(inputs.supernet(), X))
        rng = np.random.default_rng(0)
        costs = {true_cost(inputs, path, "params") for path in (gates.draw(rng) for _ in range(60))}
        assert costs == {8.0, 24.0}  # of 8, 24 and 40

    def test_without_a_target_nothing_can_be_left_out(self) -> None:
        with pytest.raises(ConfigError, match=r"params:0\.1:TARGET"):
            Penalty("params").admitting(inputs.supernet(), X)

    def test_a_space_without_any_cost_is_refused(self) -> None:
        @model_space
        def free(pick: Pick) -> nn.Module:
            return pick.layer("op", {"relu": nn.ReLU, "skip": nn.Identity})

        with pytest.raises(ConfigError, match="no model of this space has any"):
            Penalty("params").on(free.supernet(), X)
