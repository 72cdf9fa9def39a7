from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.nn import add, concat, residual, scaled


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        residual(nn.Conv2d(4, 4, 3, padding=1)),
        residual(nn.Conv2d(4, 8, 3, padding=1), shortcut=nn.Conv2d(4, 8, 1)),
        add(nn.Conv2d(8, 8, 1), nn.Identity(), residual(nn.BatchNorm2d(8))),
        scaled(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid())),
        concat(nn.Identity(), nn.Conv2d(8, 2, 1)),
    )


def by_hand(m: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    x = m[0].body(x) + x
    x = m[1].body(x) + m[1].shortcut(x)
    x = m[2].branch0(x) + x + (m[2].branch2.body(x) + x)
    x = x * x.mean((2, 3), keepdim=True).sigmoid()
    return torch.cat([x, m[4].branch1(x)], 1)


X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))


def test_they_compute_what_they_say() -> None:
    ready = model().eval()
    assert torch.allclose(ready(X), by_hand(ready, X), atol=1e-6)
    assert ready(X).shape == (2, 10, 6, 6)


def test_concat_takes_a_dimension() -> None:
    assert concat(nn.Identity(), nn.Identity(), dim=-1)(X).shape == (2, 4, 6, 12)


def test_state_dict_keys_are_readable() -> None:
    assert [k for k in model().state_dict() if k.endswith("weight")] == [
        "0.body.weight",
        "1.body.weight",
        "1.shortcut.weight",
        "2.branch0.weight",
        "2.branch2.body.weight",
        "4.branch1.weight",
    ]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_give_the_same(copied) -> None:  # type: ignore[no-untyped-def]
    ready = model().eval()
    assert torch.equal(copied(ready)(X), ready(X))


def test_gradients_training_mode_and_memory_format() -> None:
    ready = model().to(memory_format=torch.channels_last)
    assert ready.training
    assert ready[2].branch2.training
    ready(X.to(memory_format=torch.channels_last)).sum().backward()
    assert all(p.grad is not None for p in ready.parameters())
    assert not ready.eval()[2].branch2.body.training


def test_torch_export() -> None:
    ready = model().eval()
    program = torch.export.export(
        ready, (X,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
    )
    assert torch.allclose(program.module()(X[:1]), ready(X[:1]), atol=1e-6)


def test_they_load_where_archloom_cannot_be_imported(tmp_path: Path) -> None:
    ready = model().eval()
    torch.save(ready, tmp_path / "model.pt")
    torch.save((X, ready(X).detach()), tmp_path / "pair.pt")
    code = (
        "import sys; sys.modules['archloom'] = None\n"
        "import torch\n"
        "model = torch.load('model.pt', weights_only=False)\n"
        "x, y = torch.load('pair.pt')\n"
        "assert torch.allclose(model(x), y, atol=1e-6)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("joined", [add, concat])
def test_at_least_one_branch(joined) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="at least one branch"):
        joined()
