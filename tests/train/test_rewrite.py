"""Rewrites are exact, are undone, and keep away from what they could break."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from archloom.train import rewritten


def run(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model.zero_grad()
    x = x.clone().requires_grad_()
    out = model(x)
    out.square().sum().backward()
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    assert x.grad is not None
    return [out.detach(), x.grad, *grads]


POOLS = {
    "1d": (nn.Conv1d(2, 4, 3), lambda: nn.MaxPool1d(2), (3, 2, 17)),
    "2d": (nn.Conv2d(2, 4, 3), lambda: nn.MaxPool2d(2), (3, 2, 13, 12)),
    "overlap": (nn.Conv2d(2, 4, 3), lambda: nn.MaxPool2d(3, stride=2, padding=1), (3, 2, 13, 12)),
    "ceil": (nn.Conv2d(2, 4, 3), lambda: nn.MaxPool2d(3, ceil_mode=True), (3, 2, 13, 12)),
    "3d": (nn.Conv3d(2, 4, 3), lambda: nn.MaxPool3d(2), (3, 2, 7, 8, 9)),
}


@pytest.mark.parametrize("name", POOLS)
def test_pooling_before_relu_is_bit_for_bit_equal(name: str) -> None:
    conv, pool, shape = POOLS[name]
    torch.manual_seed(0)
    model = nn.Sequential(copy.deepcopy(conv), nn.ReLU(), pool(), nn.Flatten())
    x = torch.randn(*shape).round(decimals=1)  # rounded, so that windows hold ties
    before = run(model, x)
    with rewritten(model, x) as done:
        assert done == {"pool_before_relu": 1, "relu_in_place": 1}
        assert [type(layer).__name__[:4] for layer in model] == ["Conv", "MaxP", "ReLU", "Flat"]
        during = run(model, x)
    for a, b in zip(before, during, strict=True):
        assert torch.equal(a, b)


def test_everything_is_put_back(make_model: Callable[[], nn.Module]) -> None:
    model = make_model()
    modules, keys = list(model), list(model.state_dict())
    with rewritten(model, torch.randn(4, 1, 8, 8)) as done:
        assert done["pool_before_relu"] == 1
        assert done["relu_in_place"] == 2
        assert list(model.state_dict()) == keys
    assert all(a is b for a, b in zip(model, modules, strict=True))
    assert not any(m.inplace for m in model.modules() if isinstance(m, nn.ReLU))


def test_it_is_put_back_after_an_error_too(make_model: Callable[[], nn.Module]) -> None:
    model = make_model()
    modules = list(model)
    with pytest.raises(KeyError), rewritten(model, torch.randn(4, 1, 8, 8)):
        raise KeyError("stop")
    assert all(a is b for a, b in zip(model, modules, strict=True))


def test_nested_chains_are_rewritten() -> None:
    def block() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))

    model = nn.Sequential(block(), nn.Sequential(block(), nn.Flatten()))
    with rewritten(model, torch.randn(2, 1, 8, 8)) as done:
        assert done["pool_before_relu"] == 2


def test_a_pool_after_the_block_of_the_relu_comes_first_too() -> None:
    block = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    model = nn.Sequential(block, nn.Sequential(), nn.MaxPool2d(2), nn.Flatten())
    x = torch.randn(4, 1, 8, 8)
    before = run(model, x)
    with rewritten(model, x) as done:
        assert done == {"pool_before_relu": 1, "relu_in_place": 1}
        during = run(model, x)
    for a, b in zip(before, during, strict=True):
        assert torch.equal(a, b)
    assert isinstance(block[2], nn.ReLU)


def test_a_block_used_twice_is_left_as_it_is() -> None:
    block = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())
    model = nn.Sequential(block, nn.MaxPool2d(2), block, nn.Flatten())
    with rewritten(model, torch.randn(4, 1, 8, 8)) as done:
        assert done["pool_before_relu"] == 0
    assert isinstance(block[1], nn.ReLU)


class _Peeking(nn.Module):
    """Looks at what flows between the layers of its chain, as feature extractors do."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = []
        for layer in self.chain:
            x = layer(x)
            seen.append(x.mean((2, 3)))
        return torch.cat(seen, 1)


class _MyReLU(nn.ReLU):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


def hooked() -> nn.Module:
    relu = nn.ReLU()
    relu.register_forward_hook(lambda module, args, out: None)
    return nn.Sequential(nn.Identity(), relu, nn.MaxPool2d(2))


@pytest.mark.parametrize(
    "model",
    [
        _Peeking(),
        nn.Sequential(nn.Conv2d(1, 4, 3), _MyReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.ReLU(), nn.AvgPool2d(2)),
        hooked(),
        nn.Linear(8, 2),
    ],
)
def test_what_is_left_alone(model: nn.Module) -> None:
    before = [list(m) for m in model.modules() if isinstance(m, nn.Sequential)]
    with rewritten(model, torch.randn(2, 1, 8, 8)) as done:
        assert done == {"pool_before_relu": 0, "relu_in_place": 0}
        after = [list(m) for m in model.modules() if isinstance(m, nn.Sequential)]
        assert before == after


def test_the_weights_and_statistics_are_not_touched(
    make_model: Callable[[], nn.Module],
) -> None:
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    with rewritten(model, torch.randn(4, 1, 8, 8)):
        pass
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    assert all(p.grad is None for p in model.parameters())
