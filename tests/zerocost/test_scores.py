"""Zero-cost scores against closed forms, autograd done another way, and published values."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import ConfigError, DataError
from archloom.nn import Pick, model_space
from archloom.nn.cells import from_nasbench201
from archloom.plugins import BUILT_IN, find
from archloom.task import Split, Task, digits, from_arrays, from_npz
from archloom.zerocost import (
    NO_SCORE,
    Probe,
    checked_scores,
    epe_nas,
    fisher,
    flops,
    grad_norm,
    grasp,
    jacob_cov,
    l2_norm,
    minibatch,
    naswot,
    params,
    plain,
    rate,
    snip,
    synflow,
    zen,
)
from archloom.zoo import nasbench201, small_cnn, text_net

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
SCORES = tuple(BUILT_IN["scores"])


def convnet(act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), act()),
        *(nn.Conv2d(4, 3, 3, padding=1), act(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(3, 5)),
    )


def probe_of(model: nn.Module, samples: int = 12) -> Probe:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(samples, 2, 6, 6, generator=generator)
    targets = torch.arange(samples) % 3
    return Probe(model.train(), images, targets, functional.cross_entropy)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_a_finite_number_that_does_not_hang_on_what_ran_before(name: str) -> None:
    score = find("scores", name)
    fresh = score(probe_of(convnet()))
    used = probe_of(convnet())
    rate(used, SCORES)
    assert math.isfinite(fresh)
    assert score(used) == pytest.approx(fresh, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_leaves_weights_mode_and_hooks_as_they_were(name: str) -> None:
    model = convnet()
    before = {key: value.clone() for key, value in model.named_parameters()}
    find("scores", name)(probe_of(model))
    for key, value in model.named_parameters():
        assert torch.equal(value, before[key])
        assert value.grad is None
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def loss_and_gradients(probe: Probe) -> tuple[list[Tensor], list[Tensor]]:
    """Autograd by `backward`, which the scores do not use."""
    probe.model.zero_grad()
    output = probe.model(probe.inputs)
    functional.cross_entropy(output, probe.targets).backward()
    weights = [m.weight for m in probe.model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    return [weight.detach() for weight in weights], gradients


def test_gradient_scores_are_those_of_backward() -> None:
    weights, gradients = loss_and_gradients(probe_of(convnet()))
    pairs = list(zip(weights, gradients, strict=True))
    probe = probe_of(convnet())
    assert grad_norm(probe) == pytest.approx(sum(float(g.norm()) for g in gradients), rel=1e-5)
    assert snip(probe) == pytest.approx(sum(float((w * g).abs().sum()) for w, g in pairs), rel=1e-5)
    assert plain(probe) == pytest.approx(sum(float((w * g).sum()) for w, g in pairs), rel=1e-4)
    assert l2_norm(probe) == pytest.approx(sum(float(w.norm()) for w in weights), rel=1e-6)


def test_grasp_is_a_hessian_product_by_finite_differences() -> None:
    model = convnet(nn.Tanh).double()
    probe = probe_of(model)
    probe.inputs = probe.inputs.double()  # type: ignore[union-attr]
    weights, gradients = loss_and_gradients(probe)
    step, products = 1e-5, []
    for sign in (1, -1):
        moved = convnet(nn.Tanh).double()
        layers = [m for m in moved.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        with torch.no_grad():
            for layer, gradient in zip(layers, gradients, strict=True):
                layer.weight += sign * step * gradient
        products.append(
            loss_and_gradients(Probe(moved.train(), probe.inputs, probe.targets, probe.loss))[1]
        )
    change = [(a - b) / (2 * step) for a, b in zip(*products, strict=True)]
    expected = -sum(float((w * c).sum()) for w, c in zip(weights, change, strict=True))
    assert grasp(probe) == pytest.approx(expected, rel=1e-4)


def test_fisher_weighs_each_channel_by_its_weights() -> None:
    torch.manual_seed(0)
    first, last = nn.Conv2d(2, 3, 3, bias=False), nn.Linear(3, 2, bias=False)
    images, targets = torch.randn(5, 2, 3, 3), torch.tensor([0, 1, 0, 1, 1])
    model = nn.Sequential(first, nn.Flatten(), last)
    hidden = functional.conv2d(images, first.weight).flatten(1).detach().requires_grad_()
    logits = functional.linear(hidden, last.weight)
    logits.retain_grad()
    functional.cross_entropy(logits, targets).backward()
    assert hidden.grad is not None
    assert logits.grad is not None
    of_first = (hidden * hidden.grad).pow(2).mean(0).sum() / 2 * 18
    of_last = (logits * logits.grad).pow(2).mean(0).sum() / 2 * 3
    found = fisher(Probe(model, images, targets, functional.cross_entropy))
    assert found == pytest.approx(float((of_first + of_last).detach()), rel=1e-5)


def test_synflow_of_a_chain_is_its_layers_times_all_paths() -> None:
    first, last = nn.Linear(2, 3, bias=False), nn.Linear(3, 1, bias=False)
    model = nn.Sequential(first, nn.BatchNorm1d(3), nn.ReLU(), last)
    flow = float((last.weight.abs() @ first.weight.abs()).detach().double().sum())
    found = synflow(Probe(model, torch.randn(4, 2), torch.zeros(4), lambda y, _: y.sum()))
    assert math.exp(found) == pytest.approx(2 * flow, rel=1e-6)  # each of two layers sees it all


def test_synflow_of_an_interrupted_network_is_no_score() -> None:
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 1, bias=False))
    nn.init.zeros_(model[0].weight)
    probe = Probe(model, torch.randn(4, 2), torch.zeros(4), lambda y, _: y.sum())
    assert synflow(probe) == NO_SCORE
    assert jacob_cov(probe) == NO_SCORE


def test_naswot_counts_the_units_on_which_samples_agree() -> None:
    class InCode(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.gelu(torch.relu(x)) + x.relu()

    torch.manual_seed(0)
    batch = torch.randn(5, 40)
    on = batch > 0
    agree = (on[:, None] == on[None]).sum(2).double()
    _, expected = np.linalg.slogdet(3 * agree.numpy())  # of relu(x), on where x is
    assert naswot(Probe(InCode(), batch, torch.zeros(5), lambda y, _: y.sum())) == pytest.approx(
        float(expected)
    )


def test_naswot_sees_modules_and_in_place_ones() -> None:
    plain_one, in_place = convnet(), convnet(lambda: nn.ReLU(inplace=True))
    assert naswot(probe_of(plain_one)) == naswot(probe_of(in_place))
    assert fisher(probe_of(plain_one)) == pytest.approx(fisher(probe_of(in_place)), rel=1e-6)


def test_jacob_cov_of_unrelated_gradients_is_minus_the_number_of_samples() -> None:
    rng = np.random.default_rng(0)
    weights = torch.tensor(rng.standard_normal((6, 4000)), dtype=torch.float32)

    class OneEach(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weights).sum(1)

    probe = Probe(OneEach(), torch.zeros(6, 4000), torch.zeros(6), lambda y, _: y.sum())
    assert jacob_cov(probe) == pytest.approx(-6, abs=0.1)


def test_epe_nas_adds_the_logs_of_correlations_within_classes() -> None:
    rng = np.random.default_rng(0)
    weights = torch.tensor(rng.standard_normal((5, 30)), dtype=torch.float32)

    class OneEach(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weights).sum(1)

    labels = torch.tensor([0, 0, 1, 1, 2])  # the class of one sample has nothing to compare
    probe = Probe(OneEach(), torch.zeros(5, 30), labels, lambda y, _: y.sum())
    expected = 0.0
    for pair in ([0, 1], [2, 3]):
        correlation = np.corrcoef(weights[pair].double().numpy())
        expected += abs(np.log(np.abs(correlation) + 1e-5).sum())
    assert epe_nas(probe) == pytest.approx(expected, rel=1e-5)


def test_zen_undoes_a_scale_that_batch_normalisation_takes_away() -> None:
    """A convolution's scale cancels in the features; its log comes back by the normalisation."""
    plain_one = convnet()

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = convnet()

        def forward(self, x: Tensor) -> Tensor:
            inner = self.inner
            return torch.as_tensor(inner[1:](100 * inner[0](x)))

    assert zen(probe_of(Scaled())) == pytest.approx(
        zen(probe_of(plain_one)) + math.log(100), abs=1e-3
    )


def test_params_and_flops_are_those_of_the_estimator() -> None:
    from archloom.estimators import Cost

    task = digits()
    space = small_cnn.with_hints(task.hints)
    probe = Probe.of(space, space.space.default(), task, batch=16)
    cost = Cost().of(space, space.space.default(), task)
    assert {"params": params(probe), "flops": flops(probe)} == cost


def test_the_minibatch_is_the_same_for_all_and_has_every_class() -> None:
    task = digits()
    first, targets = minibatch(task, 32, seed=3)
    again, _ = minibatch(task, 32, seed=3)
    assert torch.equal(torch.as_tensor(first), torch.as_tensor(again))
    assert sorted(set(targets.tolist())) == list(range(10))
    assert len(targets) == 32


def test_one_training_sample_is_too_few() -> None:
    one = Split(torch.zeros(1, 3), torch.zeros(1, 3))
    task = Task("one", one, one, loss=functional.mse_loss)
    with pytest.raises(DataError, match="at least 2 samples, got 1"):
        minibatch(task, 8)


def test_an_unknown_score_is_named() -> None:
    with pytest.raises(ConfigError, match=r"called 'nasswot': did you mean 'naswot'"):
        checked_scores(["nasswot"])
    with pytest.raises(ConfigError, match="one or more zero-cost scores"):
        checked_scores([])


@model_space
def numbers_space(pick: Pick, features: int = 5, outputs: int = 1) -> nn.Module:
    width = pick.value("width", [4, 8])
    return nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, outputs))


def numbers_task() -> Task:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)).astype(np.float32)
    return from_arrays(X, X.sum(1), valid=0.2, target="numbers")


@pytest.mark.parametrize("name", SCORES)
def test_regression_has_all_scores(name: str) -> None:
    task = numbers_task()
    space = numbers_space.with_hints(task.hints)
    probe = Probe.of(space, space.space.default(), task, batch=8)
    value = find("scores", name)(probe)
    assert math.isfinite(value)


def test_text_has_all_scores() -> None:
    rng = np.random.default_rng(0)
    tokens = torch.as_tensor(rng.integers(1, 20, (60, 12)))
    task = from_arrays(tokens, np.arange(60) % 2, valid=0.2, kind="text")
    space = text_net.with_hints(task.hints)
    probe = Probe.of(space, space.space.default(), task, batch=8)
    found = rate(probe, [name for name in SCORES if name != "grasp"])
    assert all(value != NO_SCORE for value in found.values()), found


def test_scores_of_nas_bench_201_are_near_the_published_ones() -> None:
    """Ten architectures; `benchmarks/zero_cost.py` compares all 725."""
    table, images = DATA / "nas_bench_201_cifar10.npz", DATA / "cifar10_subset.npz"
    if not (table.exists() and images.exists()):
        pytest.skip("the published table is not here")
    with np.load(table) as file:
        names = [str(name) for name in file["zc_proxy"]]
        rows, texts, published = file["zc_arch_index"], file["arch_str"], file["zc_cifar10"]
    task = from_npz(images, valid=0.2)
    space = nasbench201.with_hints(task.hints)
    ours, theirs = [], []
    for place in range(0, 100, 10):
        architecture = from_nasbench201(str(texts[rows[place]]))
        probe = Probe.of(space, architecture, task, batch=32)
        ours.append(list(rate(probe, ["params", "l2_norm", "synflow"]).values()))
        theirs.append([published[place, names.index(n)] for n in ("params", "l2_norm", "synflow")])
    a, b = np.array(ours), np.array(theirs)
    assert np.array_equal(a[:, 0], np.round(b[:, 0] * 1e6))
    np.testing.assert_allclose(a[:, 1], b[:, 1], rtol=0.01)
    np.testing.assert_allclose(a[:, 2], b[:, 2], atol=1.0)
