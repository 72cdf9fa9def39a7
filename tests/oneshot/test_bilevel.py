"""The loop that trains a supernet: what a step changes, what goes on, what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.architecture import Architecture
from archloom.errors import Diverged, TrialError
from archloom.nn import Pick, Weighted, model_space
from archloom.oneshot import (
    Bilevel,
    Darts,
    FairNas,
    Gates,
    Gdas,
    Learned,
    Sandwich,
    Scorer,
    SupernetRecipe,
    Uniform,
    halve,
    on_device,
    rebuild_gates,
    weight_gradients,
    whole,
)
from archloom.plugins import BUILT_IN
from archloom.task import Task, from_arrays
from archloom.train import Batch


def conv(width: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width)
    )


@model_space
def tiny(pick: Pick) -> nn.Module:
    def op(label: str) -> nn.Module:
        makes = {"conv3": lambda: conv(4, 3), "conv1": lambda: conv(4, 1), "skip": nn.Identity}
        return pick.layer(label, makes)

    stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.1))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return nn.Sequential(stem, op("a"), op("b"), head)


@pytest.fixture(scope="module")
def task() -> Task:
    images = torch.rand(96, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    return from_arrays(images, (images.mean((1, 2, 3)) > 0.5).long(), valid=0.25, name="bright")


def loop(task: Task, gates: Gates, space: Any = tiny, **settings: Any) -> Bilevel:
    gates.setup(space.space, 0)
    bilevel = isinstance(gates, Learned) and gates.traits.bilevel
    halves = halve(task) if bilevel else whole(task)
    recipe = SupernetRecipe(**{"epochs": 4, "batch_size": 16, **settings})
    torch.manual_seed(0)
    filled = recipe.filled(gates.traits, len(halves.weights))
    return Bilevel(space.supernet(), gates, task, filled, halves, seed=5)


def flat(state: Any) -> dict[str, Tensor]:
    found = {}
    items = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in items:
        if isinstance(value, Tensor):
            found[str(key)] = value
        elif isinstance(value, dict | list):
            found |= {f"{key}.{name}": tensor for name, tensor in flat(value).items()}
    return found


@pytest.mark.parametrize("name", BUILT_IN["methods"])
def test_a_training_goes_on_bit_for_bit(task: Task, name: str, tmp_path: Any) -> None:
    whole_run = loop(task, rebuild_gates({"name": name}))
    for epoch in (1, 2, 3, 4):
        whole_run.epoch(epoch)
    cut = loop(task, rebuild_gates({"name": name}))
    for epoch in (1, 2):
        cut.epoch(epoch)
    torch.save(cut.state(), tmp_path / "state.pt")
    torch.randn(3)
    again = loop(task, rebuild_gates({"name": name}))
    again.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.done == 2
    for epoch in (3, 4):
        again.epoch(epoch)
    assert again.losses == whole_run.losses
    assert again.gates.derive() == whole_run.gates.derive()
    one, other = flat(whole_run.state()), flat(again.state())
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("order", [1, 2])
def test_both_levels_learn(task: Task, order: Any) -> None:
    training = loop(task, Darts(order=order), epochs=6, lr=0.1, arch_lr=0.05)
    before = copy.deepcopy(training.gates.state())
    losses = [training.epoch(epoch) for epoch in range(1, 7)]
    assert losses[-1].train < losses[0].train
    assert losses[0].arch is not None
    assert losses[-1].arch is not None
    assert losses[-1].arch < losses[0].arch
    after = training.gates.state()
    assert all(not torch.equal(before["alphas"][k], after["alphas"][k]) for k in ("a", "b"))


def test_warm_up_trains_weights_only(task: Task) -> None:
    training = loop(task, Darts(), warmup=0.5)
    before = copy.deepcopy(training.gates.state())
    weights = copy.deepcopy(training.supernet.state_dict())
    for epoch in (1, 2):
        assert training.epoch(epoch).arch is None
    kept = training.gates.state()["alphas"]
    assert all(torch.equal(before["alphas"][k], kept[k]) for k in kept)
    assert not torch.equal(weights["model.0.0.weight"], training.supernet.model[0][0].weight)
    assert training.epoch(3).arch is not None


def test_the_rate_falls_along_half_a_cosine_from_step_to_step(task: Task) -> None:
    training = loop(task, Uniform(), epochs=2, lr=1e-3, lr_end=0.0)
    seen: list[float] = []
    steps = training.steps_an_epoch
    for epoch in (1, 2):
        training.epoch(epoch, watch=lambda _, __: seen.append(rate(training)))
    wanted = [1e-3 * (1 + np.cos(np.pi * step / (2 * steps))) / 2 for step in range(2 * steps)]
    np.testing.assert_allclose(seen, wanted, rtol=1e-9)


def rate(training: Bilevel) -> float:
    value: float = training.optimizer.param_groups[0]["lr"]
    return value


def test_time_that_is_used_counts_as_done(task: Task) -> None:
    training = loop(task, Gdas(), lr=1e-2, lr_end=0.0)
    training.epoch(1, floor=1.0)
    assert rate(training) == 0.0
    gates = training.gates
    assert isinstance(gates, Gdas)
    assert gates.temperature == pytest.approx(gates.cold)


def test_gradients_of_all_paths_are_summed(task: Task) -> None:
    """FairNAS, arXiv 1907.01845, algorithm 1."""
    training = loop(task, FairNas())
    supernet, passes = training.supernet.eval(), training.passes
    paths = training.gates.paths(np.random.default_rng(0))
    assert len(paths) == 3
    batch = Batch(torch.randn(8, 1, 6, 6), torch.arange(8) % 2)
    sums: dict[str, Tensor] = {}
    for path in paths:
        supernet.zero_grad()
        weight_gradients(passes, batch, [path])
        for name, p in supernet.named_parameters():
            if p.grad is not None:
                sums[name] = sums.get(name, torch.zeros_like(p)) + p.grad
    supernet.zero_grad()
    weight_gradients(passes, batch, paths)
    for name, p in supernet.named_parameters():
        assert p.grad is not None, name
        torch.testing.assert_close(p.grad, sums[name])


def test_parts_of_a_batch_give_its_gradient(task: Task) -> None:
    training = loop(task, Darts())
    supernet, passes = training.supernet.eval(), training.passes
    batch = Batch(torch.randn(7, 1, 6, 6), torch.arange(7) % 2)
    path = training.gates.paths(np.random.default_rng(0))
    found = []
    for size in (None, 3):
        supernet.zero_grad()
        loss = weight_gradients(passes, batch, path, micro_batch=size)
        found.append((loss, [p.grad for p in supernet.parameters() if p.grad is not None]))
    torch.testing.assert_close(found[0], found[1])


def test_the_largest_path_teaches_the_others(task: Task) -> None:
    """BigNAS, arXiv 2003.11142: cross-entropy with the first path's probabilities."""
    training = loop(task, Sandwich(random=0))
    supernet, passes = training.supernet.eval(), training.passes
    batch = Batch(torch.randn(8, 1, 6, 6), torch.arange(8) % 2)
    paths = [{"a": "conv3", "b": "conv3"}, {"a": "skip", "b": "conv1"}]
    loss = weight_gradients(passes, batch, paths, distill=True)
    with torch.no_grad():
        first, second = (supernet(batch.inputs, gates=path) for path in paths)
        hard = functional.cross_entropy(first, batch.targets)
        soft = functional.cross_entropy(second, first.softmax(1))
    torch.testing.assert_close(loss, (hard + soft) / 2)


def test_scales_of_norms_inside_options_rest_where_the_paper_says_so(task: Task) -> None:
    training = loop(task, Darts())
    training.epoch(1)
    norm = training.supernet.get_submodule("model.1").option("conv3")[1]
    assert torch.equal(norm.weight, torch.ones(4))
    assert not norm.weight.requires_grad
    stem = training.supernet.model[0][1]
    assert not torch.equal(stem.weight, torch.ones(4)), "outside of options they learn"
    assert loop(task, Uniform()).supernet.model[1].option("conv3")[1].weight.requires_grad


@pytest.mark.parametrize("gates", [Darts(), Uniform()], ids=["darts", "spos"])
def test_a_loss_that_is_not_finite_stops_the_epoch(task: Task, gates: Gates) -> None:
    training = loop(task, gates)
    with torch.no_grad():
        training.supernet.model[3][2].weight.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"must be finite.*epoch 1.*Lower lr"):
        training.epoch(1)
    assert training.done == 0


def test_an_infinite_weight_beside_the_paths_is_found(task: Task) -> None:
    training = loop(task, Uniform())
    training.gates.paths = lambda rng: [{"a": "skip", "b": "skip"}]  # type: ignore[method-assign]
    with torch.no_grad():
        training.supernet.model[1].option("conv3")[0].weight.fill_(float("inf"))
    with pytest.raises(Diverged, match="conv3"):
        training.epoch(1)


def test_outputs_that_do_not_fit_are_named() -> None:
    @model_space
    def wrong(pick: Pick) -> nn.Module:
        op = pick.layer("op", {"a": lambda: nn.Linear(36, 3), "b": lambda: nn.Linear(36, 3)})
        return nn.Sequential(nn.Flatten(), op)

    task = from_arrays(torch.rand(40, 1, 6, 6), torch.arange(40) % 2, valid=0.25)
    with pytest.raises(TrialError, match=r"\(15, 2\).*got \(15, 3\)"):
        loop(task, Uniform(), wrong, batch_size=15).epoch(1)


def test_memory_that_runs_out_halves_the_batch(task: Task) -> None:
    training = loop(task, Darts())
    limit = 6

    def refuse(module: nn.Module, inputs: Any) -> None:
        if len(inputs[0]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")

    training.supernet.register_forward_pre_hook(refuse)
    training.epoch(1)
    assert training.micro_batch == 4
    limit = 0
    with pytest.raises(TrialError, match="not even with one sample"):
        training.epoch(2)


def test_looking_at_scores_changes_nothing(task: Task) -> None:
    training = loop(task, Darts())
    training.epoch(1)
    before = {k: v.clone() for k, v in training.supernet.state_dict().items()}
    scorer = Scorer(training.task)
    first = scorer.child(training.supernet, {"a": "conv3", "b": "skip"})
    path = training.gates.paths(np.random.default_rng(0))[0]
    scorer.path(training.supernet, path)
    assert scorer.child(training.supernet, {"a": "conv3", "b": "skip"}) == first
    after = training.supernet.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert training.supernet.training


def test_a_score_is_that_of_statistics_measured_on_training_samples(task: Task) -> None:
    training = loop(task, Uniform())
    training.epoch(1)
    path = {"a": "conv3", "b": "conv1"}
    child = training.supernet.child(path)
    inputs = task.prepare(task.train.inputs)
    for module in child.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    child.eval()
    for module in child.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    with torch.no_grad():
        child(inputs)
        wanted = task.score(child.eval()(task.prepare(task.valid.inputs)), task.valid.targets)
    found = Scorer(training.task, batch_size=len(task.train)).child(training.supernet, path)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_weights_travel_to_the_device_in_one_piece() -> None:
    weights, few = torch.tensor([0.1, 0.2, 0.7]), torch.tensor([1.0], requires_grad=True)
    given = {"a": weights, "b": Weighted(("skip",), few), "c": "skip"}
    assert on_device(given, torch.device("cpu")) is given
    moved = on_device(given, torch.device("meta"))
    assert moved["c"] == "skip"
    assert moved["a"].shape == (3,)  # type: ignore[union-attr]
    assert moved["a"].is_meta  # type: ignore[union-attr]
    assert moved["b"].options == ("skip",)  # type: ignore[union-attr]
    assert moved["b"].weights.requires_grad  # type: ignore[union-attr]


class Noise(nn.Module):
    """Gives noise of the input's size, which says nothing about it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.randn_like(x)


class First(nn.Module):
    """Keeps one feature of six."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1].expand_as(x)


@model_space
def clear(pick: Pick) -> nn.Module:
    """Both choices have one option that keeps the signal; the others bury it."""

    def op(label: str) -> nn.Module:
        return pick.layer(label, {"first": First, "keep": nn.Identity, "noise": Noise})

    return nn.Sequential(op("a"), op("b"), nn.Linear(6, 3))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("gates", "epochs"),
    [(Darts(), 12), (Darts(order=2), 12), (Gdas(), 40)],
    ids=["darts", "second", "gdas"],
)
def test_the_clearly_best_operations_are_found(seed: int, gates: Gates, epochs: int) -> None:
    X = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    y = (X @ np.random.default_rng(1).normal(size=(6, 3))).argmax(1)
    task = from_arrays(X, y, valid=0.2)
    gates.setup(clear.space, seed)
    torch.manual_seed(seed)
    halves = halve(task, seed=seed)
    recipe = SupernetRecipe(epochs=epochs, batch_size=32, lr=0.1, arch_lr=0.05)
    filled = recipe.filled(gates.traits)
    training = Bilevel(clear.supernet(), gates, task, filled, halves, seed=seed)
    for epoch in range(1, epochs + 1):
        training.epoch(epoch)
    assert gates.derive() == Architecture({"a": "keep", "b": "keep"})


@pytest.mark.parametrize(
    "gates", [Darts(), Darts(order=2), Sandwich()], ids=["darts", "second", "sandwich"]
)
def test_mixed_precision_trains(task: Task, gates: Gates) -> None:
    training = loop(task, gates, amp="bf16", epochs=3, lr=0.1)
    seen = []
    training.supernet.model[3].register_forward_hook(lambda m, x, y: seen.append(y.dtype))
    losses = [training.epoch(epoch).train for epoch in (1, 2, 3)]
    assert torch.bfloat16 in seen
    assert losses[-1] < losses[0]
    assert all(p.dtype is torch.float32 for p in training.supernet.parameters())
