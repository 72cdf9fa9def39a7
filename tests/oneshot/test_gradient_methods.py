"""DARTS, GDAS, SNAS, PC-DARTS, DrNAS and ProxylessNAS against the formulas of their papers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from method_spaces import (
    calls,
    linear_judge,
    mixed_end,
    net_judge,
    node,
    one_choice,
    seeded,
    two_steps,
)
from torch import Tensor

from archloom.errors import ConfigError
from archloom.nn import Weighted
from archloom.oneshot import Darts, DrNas, Gdas, Learned, PcDarts, ProxylessNas, Snas
from archloom.oneshot._drnas import dirichlet

ALPHAS = torch.tensor([0.3, -0.5, 1.2, 0.1])
COSTS = torch.tensor([1.0, -2.0, 0.5, 3.0])
MANY = 4000


def ready(gates: Learned, alphas: Tensor = ALPHAS) -> Learned:
    """Set a method up on one choice, with these parameters."""
    gates.setup(one_choice(len(alphas)), seed=0)
    with torch.no_grad():
        gates.parameters()["op"].copy_(alphas)
    return gates


def gradient(gates: Learned, seed: int) -> Tensor:
    loss = gates.loss(linear_judge(COSTS), np.random.default_rng(seed))
    return torch.autograd.grad(loss, gates.parameters()["op"])[0]


class TestDarts:
    def test_the_mixture_is_the_weighted_sum_of_the_children(self) -> None:
        supernet = seeded(mixed_end.supernet)
        gates = Darts()
        gates.setup(mixed_end.space, seed=3)
        with torch.no_grad():
            gates.parameters()["op"].copy_(torch.tensor([0.5, -1.0, 2.0]))
        x = torch.randn(7, 3)
        (path,) = gates.paths(np.random.default_rng(0))
        weights = torch.tensor([0.5, -1.0, 2.0]).softmax(0)
        children = torch.stack([supernet.child({"op": name})(x) for name in "abc"])
        expected = (weights[:, None, None] * children).sum(0)
        torch.testing.assert_close(supernet(x, gates=path), expected)

    def test_alphas_get_the_gradient_of_the_mixture(self) -> None:
        supernet = seeded(mixed_end.supernet)
        gates = Darts()
        gates.setup(mixed_end.space, seed=3)
        x = torch.randn(7, 3)
        loss = gates.loss(net_judge(supernet, x), np.random.default_rng(0))
        found = torch.autograd.grad(loss, gates.parameters()["op"])[0]
        with torch.no_grad():
            chances = gates.probabilities()["op"]
            children = torch.stack([supernet.child({"op": name})(x) for name in "abc"])
            mixture = (chances[:, None, None] * children).sum(0)
            by_weight = (children * (2 * mixture / mixture.numel())).sum((1, 2))
            expected = chances * (by_weight - (chances * by_weight).sum())
        torch.testing.assert_close(found, expected)

    def test_all_inputs_of_a_node_run_unweighted(self) -> None:
        gates = Darts()
        gates.setup(node(("conv", "skip")), seed=0)
        (path,) = gates.paths(np.random.default_rng(0))
        assert path["node"] == ("0", "1", "2")

    def test_settings_reach_the_traits(self) -> None:
        traits = Darts(order=2, hessian="finite").traits
        assert (traits.order, traits.hessian) == (2, "finite")
        with pytest.raises(ConfigError, match="order of Darts must be one of 1, 2, got 3"):
            Darts(order=3)  # type: ignore[arg-type]


class TestGdas:
    @pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
    def test_alphas_get_the_gradient_of_the_paper(self, share: float) -> None:
        """With k drawn: d loss / d alpha_j = dL/dh_k h_k (delta_jk - h_j) / tau."""
        gates = ready(Gdas(hot=5.0, cold=0.5))
        gates.anneal(share)
        tau = 5.0 - 4.5 * share
        for seed in range(20):
            found = gradient(gates, seed)
            drawn = np.random.default_rng(seed).standard_exponential(4)
            noise = -torch.tensor(drawn, dtype=torch.float32).log()
            relaxed = ((ALPHAS + noise) / tau).softmax(0)
            k = int((ALPHAS + noise).argmax())
            delta = torch.nn.functional.one_hot(torch.tensor(k), 4)
            expected = COSTS[k] * relaxed[k] * (delta - relaxed) / tau
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)

    def test_the_forward_weight_is_one(self) -> None:
        gates = ready(Gdas())
        judged = []

        def judge(assignment):  # type: ignore[no-untyped-def]
            judged.append(assignment["op"])
            return linear_judge(COSTS)(assignment)

        gates.loss(judge, np.random.default_rng(0))
        (gate,) = judged
        assert isinstance(gate, Weighted)
        assert gate.weights.tolist() == [1.0]

    def test_paths_are_drawn_with_the_softmax_of_alpha(self) -> None:
        gates = ready(Gdas())
        rng = np.random.default_rng(0)
        counts = Counter(gates.paths(rng)[0]["op"] for _ in range(MANY))
        for name, chance in enumerate(ALPHAS.softmax(0).tolist()):
            assert counts[str(name)] / MANY == pytest.approx(chance, abs=2 / MANY**0.5)

    def test_weight_and_architecture_steps_run_the_drawn_path_only(self) -> None:
        supernet = seeded(two_steps.supernet)
        gates = Gdas()
        gates.setup(two_steps.space, seed=0)
        x = torch.randn(2, 4)
        rng = np.random.default_rng(0)
        for run in (
            lambda: supernet(x, gates=gates.paths(rng)[0]),
            lambda: gates.loss(net_judge(supernet, x), rng).backward(),
        ):
            counts = calls(supernet, run)
            assert sum(counts.values()) == 2
            assert {name.split("=")[0] for name, n in counts.items() if n} == {"first", "second"}
        grads = [p.grad for p in gates.parameters().values()]
        assert all(grad is not None and bool(grad.any()) for grad in grads)


class TestSnas:
    def test_alphas_get_the_gradient_of_the_concrete_distribution(self) -> None:
        gates = ready(Snas(hot=0.8))
        drawn = np.random.default_rng(4).standard_exponential(4)
        noise = -torch.tensor(drawn, dtype=torch.float32).log()
        z = ((ALPHAS.log_softmax(0) + noise) / 0.8).softmax(0)
        expected = z * (COSTS - (z * COSTS).sum()) / 0.8
        torch.testing.assert_close(gradient(gates, 4), expected, atol=1e-6, rtol=1e-4)

    def test_temperature_falls_by_a_constant_factor(self) -> None:
        gates = Snas(hot=1.0, cold=0.01)
        gates.setup(one_choice(2), seed=0)
        found = []
        for share in (0.0, 0.5, 1.0):
            gates.anneal(share)
            found.append(gates.temperature)
        assert found == pytest.approx([1.0, 0.1, 0.01])

    def test_a_cold_sample_is_nearly_one_option_drawn_with_its_probability(self) -> None:
        gates = ready(Snas(hot=1e-3, cold=1e-4))
        rng = np.random.default_rng(0)
        samples = torch.stack([gates.paths(rng)[0]["op"] for _ in range(MANY)])  # type: ignore[arg-type]
        assert float((samples.max(1).values > 0.99).float().mean()) > 0.98
        shares = samples.mean(0)
        torch.testing.assert_close(shares, ALPHAS.softmax(0), atol=2 / MANY**0.5, rtol=0)

    def test_both_parts_learn_from_all_data(self) -> None:
        assert not Snas().traits.bilevel


class TestPcDarts:
    def test_inputs_are_weighted_by_a_softmax_over_the_node(self) -> None:
        gates = PcDarts(partial=2)
        gates.setup(node(("conv", "skip")), seed=0)
        beta = torch.tensor([0.2, -1.0, 0.7])
        with torch.no_grad():
            gates.parameters()["node"].copy_(beta)
        (path,) = gates.paths(np.random.default_rng(0))
        torch.testing.assert_close(path["node"], beta.softmax(0))
        torch.testing.assert_close(path["0.op"], gates.parameters()["0.op"].detach().softmax(0))
        assert gates.partial == 2

    def test_the_cell_keeps_the_largest_products_of_alpha_and_beta(self) -> None:
        gates = PcDarts()
        gates.setup(node(("none", "conv", "skip")), seed=0)
        # beta * strongest: 0.5 * 0.2, 0.3 * 0.6, 0.2 * 0.8: the largest beta loses.
        values = {
            "node": [0.5, 0.3, 0.2],
            "0.op": [0.7, 0.2, 0.1],
            "1.op": [0.3, 0.1, 0.6],
            "2.op": [0.1, 0.8, 0.1],
        }
        with torch.no_grad():
            for label, shares in values.items():
                gates.parameters()[label].copy_(torch.tensor(shares).log())
        derived = gates.derive()
        assert derived is not None
        assert dict(derived) == {"node": ("1", "2"), "1.op": "skip", "2.op": "conv"}
        chances = gates.probabilities()["node"].tolist()
        products = [0.5 * 0.2, 0.3 * 0.6, 0.2 * 0.8]
        pairs = {(i, j): products[i] * products[j] for i, j in ((0, 1), (0, 2), (1, 2))}
        total = sum(pairs.values())
        for i in range(3):
            share = sum(p for pair, p in pairs.items() if i in pair) / total
            assert chances[i] == pytest.approx(share, abs=1e-5)

    def test_the_architecture_rests_at_first(self) -> None:
        assert PcDarts().traits.warmup * PcDarts().traits.epochs == pytest.approx(15)


class TestDrNas:
    def test_weights_have_the_mean_and_variance_of_the_dirichlet_distribution(self) -> None:
        gates = ready(DrNas())
        beta = torch.nn.functional.elu(ALPHAS) + 1
        rng = np.random.default_rng(0)
        drawn = torch.stack([gates.paths(rng)[0]["op"] for _ in range(MANY)])  # type: ignore[arg-type]
        mean = beta / beta.sum()
        torch.testing.assert_close(drawn.mean(0), mean, atol=0.02, rtol=0)
        variance = mean * (1 - mean) / (beta.sum() + 1)
        torch.testing.assert_close(drawn.var(0), variance, atol=0.01, rtol=0)
        torch.testing.assert_close(gates.probabilities()["op"].detach(), mean)

    def test_the_pathwise_gradient_is_that_of_torch(self) -> None:
        beta = torch.tensor([0.5, 2.0, 1.3], requires_grad=True)
        torch.manual_seed(0)
        reference = torch.distributions.Dirichlet(beta).rsample()
        (expected,) = torch.autograd.grad((reference * COSTS[:3]).sum(), beta)

        class Replayed(np.random.Generator):
            def dirichlet(self, alpha, size=None):  # type: ignore[no-untyped-def]
                return reference.detach().double().numpy()

        sample = dirichlet(beta, Replayed(np.random.PCG64(0)))
        (found,) = torch.autograd.grad((sample * COSTS[:3]).sum(), beta)
        torch.testing.assert_close(found, expected)

    def test_the_mean_gradient_is_that_of_the_mean(self) -> None:
        beta = torch.tensor([0.7, 2.0, 1.3], requires_grad=True)
        rng = np.random.default_rng(0)
        total = torch.zeros(3)
        for _ in range(MANY):
            loss = (dirichlet(beta, rng) * COSTS[:3]).sum()
            total += torch.autograd.grad(loss, beta)[0] / MANY
        whole = beta.detach().sum()
        mean = (beta.detach() * COSTS[:3]).sum() / whole
        torch.testing.assert_close(total, (COSTS[:3] - mean) / whole, atol=0.03, rtol=0)

    @pytest.mark.parametrize("name", ["l2", "kl"])
    def test_the_regulariser_is_the_distance_to_the_anchor(self, name: str) -> None:
        plain = ready(DrNas(regulariser="none"))
        held = ready(DrNas(regulariser=name, strength=0.5))  # type: ignore[arg-type]
        losses = [
            float(gates.loss(linear_judge(COSTS), np.random.default_rng(1)).detach())
            for gates in (plain, held)
        ]
        beta = (torch.nn.functional.elu(ALPHAS) + 1).double()
        if name == "l2":
            distance = (beta - 1).square().sum()
        else:
            distance = (
                torch.lgamma(beta.sum())
                - torch.lgamma(beta).sum()
                - torch.lgamma(torch.tensor(4.0))
                + ((beta - 1) * (torch.digamma(beta) - torch.digamma(beta.sum()))).sum()
            )
        assert losses[1] - losses[0] == pytest.approx(0.5 * float(distance), abs=1e-4)

    def test_the_progressive_scheme_goes_on_with_the_better_half(self) -> None:
        gates = ready(DrNas(first_partial=4, progressive=True))
        assert gates.partial == 4
        gates.anneal(0.49)
        assert isinstance(gates.paths(np.random.default_rng(0))[0]["op"], Tensor)
        gates.anneal(0.5)
        gate = gates.paths(np.random.default_rng(0))[0]["op"]
        assert isinstance(gate, Weighted)
        assert gate.options == ("0", "2")  # alphas 0.3 and 1.2
        assert gates.partial == 2
        assert gates.probabilities()["op"].tolist()[1::2] == [0.0, 0.0]
        assert {gates.draw(np.random.default_rng(i))["op"] for i in range(50)} == {"0", "2"}


class TestProxylessNas:
    def test_alphas_get_the_gradient_of_equation_4(self) -> None:
        """d loss / d alpha_i = sum over the two drawn of dL/dg_j p_j (delta_ij - p_i)."""
        gates = ready(ProxylessNas())
        seen = set()
        for seed in range(30):
            drawn = []

            def judge(assignment):  # type: ignore[no-untyped-def]
                drawn.append(assignment["op"])  # noqa: B023
                return linear_judge(COSTS)(assignment)

            loss = gates.loss(judge, np.random.default_rng(seed))
            (found,) = torch.autograd.grad(loss, gates.parameters()["op"])
            (gate,) = drawn
            places = [int(option) for option in gate.options]
            assert len(set(places)) == 2
            assert sorted(gate.weights.tolist()) == [0.0, 1.0]
            chances = ALPHAS[places].softmax(0)
            by_gate = COSTS[places]
            expected = torch.zeros(4)
            for i in range(2):
                for j in range(2):
                    delta = float(i == j)
                    expected[places[i]] += by_gate[j] * chances[j] * (delta - chances[i])
            torch.testing.assert_close(found, expected)
            seen.update(places)
        assert seen == {0, 1, 2, 3}

    def test_a_step_leaves_the_other_probabilities_alone(self) -> None:
        gates = ready(ProxylessNas())
        optimizer = torch.optim.Adam(gates.parameters().values(), lr=0.3, betas=(0.0, 0.999))
        rng = np.random.default_rng(0)
        for _ in range(10):
            before = gates.probabilities()["op"].detach()
            optimizer.zero_grad()
            gates.loss(linear_judge(COSTS), rng).backward()
            touched = gates.parameters()["op"].grad != 0  # type: ignore[operator]
            optimizer.step()
            gates.stepped()
            after = gates.probabilities()["op"].detach()
            assert int(touched.sum()) == 2
            torch.testing.assert_close(after[~touched], before[~touched])
            assert not torch.allclose(after[touched], before[touched], atol=1e-3)

    def test_two_options_run_in_an_architecture_step_and_one_in_a_weight_step(self) -> None:
        supernet = seeded(two_steps.supernet)
        gates = ProxylessNas()
        gates.setup(two_steps.space, seed=0)
        x = torch.randn(2, 4)
        rng = np.random.default_rng(0)
        weights = calls(supernet, lambda: supernet(x, gates=gates.paths(rng)[0]))
        both = calls(supernet, lambda: gates.loss(net_judge(supernet, x), rng))
        for label in ("first", "second"):
            assert sum(n for name, n in weights.items() if name.startswith(label)) == 1
            assert sum(n for name, n in both.items() if name.startswith(label)) == 2

    def test_the_gate_is_drawn_between_the_two_by_their_probabilities(self) -> None:
        alphas = torch.tensor([0.0, 1.0])
        gates = ready(ProxylessNas(), alphas)
        rng = np.random.default_rng(0)
        on = 0
        for _ in range(MANY):
            gate = gates.weighted(rng)["op"]  # type: ignore[attr-defined]
            on += gate.options[int(gate.weights.argmax())] == "1"
        assert on / MANY == pytest.approx(float(alphas.softmax(0)[1]), abs=2 / MANY**0.5)
