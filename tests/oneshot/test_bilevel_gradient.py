"""The bilevel gradient against closed forms, worked out by hand for a scalar model."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archloom.nn import Pick, Supernet, model_space
from archloom.oneshot import ArchGradient, Darts, Passes, WeightStep, weight_gradients
from archloom.task import Task, from_arrays
from archloom.train import Batch, Recipe


@model_space
def two_operations(pick: Pick) -> nn.Module:
    """Give softmax(alpha)[0] * w * x + softmax(alpha)[1] * x."""
    return pick.layer("op", {"scale": lambda: nn.Linear(1, 1, bias=False), "skip": nn.Identity})


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets) ** 2).mean()


def scalar_task() -> Task:
    X = np.linspace(-1, 1, 8, dtype=np.float64)[:, None]
    return from_arrays(X, X, valid=0.5, loss=squared, name="scalar")


TRAIN, VALID = (0.7, -1.3), (1.9, 0.4)  # x and y of one sample each
W, ALPHA, RATE, DECAY, MOMENTUM, MOVING = 0.6, (0.3, -0.5), 0.05, 0.02, 0.9, 0.25


def batch(sample: tuple[float, float]) -> Batch:
    x, y = (torch.tensor([[value]], dtype=torch.float64) for value in sample)
    return Batch(x, y)


class Setting:
    """The toy with given weight, alphas and momentum, in double precision."""

    def __init__(self) -> None:
        self.supernet: Supernet = two_operations.supernet().double()
        self.gates = Darts()
        self.gates.setup(two_operations.space, 0)
        [alpha] = self.gates.parameters().values()
        alpha.data = torch.tensor(ALPHA, dtype=torch.float64)
        [weight] = self.supernet.parameters()
        weight.data.fill_(W)
        self.optimizer = torch.optim.SGD([weight], lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
        self.optimizer.state[weight]["momentum_buffer"] = torch.full_like(weight, MOVING)
        cpu = torch.device("cpu")
        self.passes = Passes(self.supernet, scalar_task(), self.gates, Recipe(), cpu)
        self.gradient = ArchGradient(self.passes, self.gates)


def softmax_and_slope() -> tuple[np.ndarray, np.ndarray]:
    p = np.exp(ALPHA) / np.exp(ALPHA).sum()
    return p, np.diag(p) - np.outer(p, p)  # d p_j / d alpha_k


def first_order_by_hand(w: float) -> np.ndarray:
    """d/d alpha of (p0 w x + p1 x - y)^2 is 2 (f - y) x (w, 1) dp/dalpha."""
    p, slope = softmax_and_slope()
    x, y = VALID
    error = (p[0] * w + p[1]) * x - y
    found: np.ndarray = 2 * error * x * np.array([w, 1.0]) @ slope
    return found


def second_order_by_hand() -> np.ndarray:
    """The chain rule through w' = w - rate (momentum m + 2 (f - y) p0 x + decay w)."""
    p, slope = softmax_and_slope()
    (x, y), (xv, yv) = TRAIN, VALID
    error = (p[0] * W + p[1]) * x - y
    ahead = W - RATE * (MOMENTUM * MOVING + 2 * error * p[0] * x + DECAY * W)
    d_error = x * np.array([W, 1.0]) @ slope
    d_ahead = -RATE * 2 * x * (d_error * p[0] + error * slope[0])
    through = 2 * ((p[0] * ahead + p[1]) * xv - yv) * p[0] * xv
    found: np.ndarray = first_order_by_hand(ahead) + through * d_ahead
    return found


def test_the_first_order_gradient_is_the_closed_form() -> None:
    [found], loss = Setting().gradient.first_order(batch(VALID), seed=0)
    np.testing.assert_allclose(found.numpy(), first_order_by_hand(W), rtol=1e-10)
    p, _ = softmax_and_slope()
    assert float(loss) == pytest.approx(((p[0] * W + p[1]) * VALID[0] - VALID[1]) ** 2)


@pytest.mark.parametrize(("hessian", "tolerance"), [("exact", 1e-10), ("finite", 1e-5)])
def test_the_second_order_gradient_is_the_closed_form(
    hessian: Literal["exact", "finite"], tolerance: float
) -> None:
    setting = Setting()
    step = WeightStep(setting.supernet, setting.optimizer)
    [found], _ = setting.gradient.second_order(batch(VALID), batch(TRAIN), 0, step, hessian)
    np.testing.assert_allclose(found.numpy(), second_order_by_hand(), rtol=tolerance)
    assert not np.allclose(second_order_by_hand(), first_order_by_hand(W), rtol=1e-2)


def test_looking_ahead_leaves_no_trace() -> None:
    setting = Setting()
    before = {k: v.clone() for k, v in setting.supernet.state_dict().items()}
    step = WeightStep(setting.supernet, setting.optimizer)
    setting.gradient.second_order(batch(VALID), batch(TRAIN), 0, step)
    for name, value in setting.supernet.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None for p in setting.supernet.parameters())


def test_the_step_ahead_is_the_optimizers() -> None:
    setting = Setting()
    step = WeightStep(setting.supernet, setting.optimizer)
    path = setting.gates.paths(np.random.default_rng(0))
    weight_gradients(setting.passes, batch(TRAIN), path)
    [weight] = setting.supernet.parameters()
    assert weight.grad is not None
    [ahead] = step.taken([weight.grad.clone()]).values()
    setting.optimizer.step()
    assert torch.allclose(ahead, weight, rtol=1e-12)


@model_space
def small(pick: Pick) -> nn.Module:
    def op(width: int) -> nn.Module:
        layer = {"tanh": lambda: nn.Sequential(nn.Linear(width, width), nn.Tanh())}
        return pick.layer(f"op{width}", {**layer, "skip": nn.Identity})

    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), op(4), nn.Linear(4, 3), op(3))


def test_the_paths_difference_is_the_exact_product_in_a_network() -> None:
    torch.manual_seed(0)
    supernet = small.supernet().double()
    gates = Darts()
    gates.setup(small.space, 0)
    for alpha in gates.parameters().values():
        alpha.data = torch.randn(2, dtype=torch.float64)
    task = from_arrays(np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 3, valid=0.5)
    passes = Passes(supernet, task, gates, Recipe(), torch.device("cpu"))
    one, two = (
        Batch(torch.randn(12, 5, dtype=torch.float64), torch.arange(12) % 3) for _ in range(2)
    )
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9)
    step = WeightStep(supernet, optimizer)
    gradient = ArchGradient(passes, gates)
    exact, _ = gradient.second_order(one, two, 0, step, "exact")
    finite, _ = gradient.second_order(one, two, 0, step, "finite")
    first, _ = gradient.first_order(one, 0)
    for a, b, plain in zip(exact, finite, first, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-7)
        assert not torch.allclose(a, plain, rtol=1e-2)
