"""Models that take raw inputs of any form and give natural units, without this package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archloom.export import export_model, self_contained


class Sum(nn.Module):
    def forward(self, image: Tensor, age: Tensor) -> Tensor:
        return image.mean((1, 2, 3)).unsqueeze(1) + age


MEAN, STD = [10.0, 20.0], [2.0, 4.0]
IMAGE = torch.randint(0, 255, (6, 2, 5, 5), generator=torch.Generator().manual_seed(0)).to(
    torch.uint8
)
AGE = torch.linspace(20, 80, 6).reshape(6, 1)


def test_several_inputs_by_name_and_by_position() -> None:
    wanted = Sum()(
        (IMAGE - torch.tensor(MEAN).view(1, 2, 1, 1)) / torch.tensor(STD).view(1, 2, 1, 1), AGE
    )
    named = self_contained(Sum(), {"image": IMAGE, "age": AGE}, {"image": (MEAN, STD), "age": None})
    assert torch.allclose(named(image=IMAGE, age=AGE), wanted)
    placed = self_contained(Sum(), (IMAGE, AGE), ((MEAN, STD), None))
    assert torch.allclose(placed(IMAGE, AGE), wanted)
    shifted = self_contained(Sum(), (IMAGE, AGE), ((MEAN, STD), ([5.0], [2.0])))
    assert torch.allclose(shifted(IMAGE, AGE), wanted - AGE + (AGE - 5) / 2, atol=1e-5)


def test_columns_of_the_output_are_scaled_back() -> None:
    model = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    scaled = self_contained(model, x, None, ([2.0, 1.0], [100.0, 0.0]))
    assert torch.allclose(
        scaled(x), model(x) * torch.tensor([2.0, 1.0]) + torch.tensor([100.0, 0.0])
    )


def test_token_numbers_stay_whole() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 2))
    tokens = torch.randint(0, 9, (5, 3))
    ready = self_contained(model, tokens, None, ([2.0, 2.0], [0.0, 0.0]))
    assert torch.allclose(ready(tokens), model(tokens) * 2)


def test_names_that_python_knows_are_taken() -> None:
    class Two(nn.Module):
        def forward(self, input: Tensor, max: Tensor) -> Tensor:
            return input - max

    model = self_contained(
        Two(), {"input": AGE, "max": AGE}, {"input": ([1.0], [1.0]), "max": None}
    )
    assert torch.equal(model(input=AGE, max=AGE), torch.full((6, 1), -1.0))


def test_it_keeps_the_mode_and_exports(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(50, 2)).eval()
    model = self_contained(net, (IMAGE,), ((MEAN, STD),), ([2.0, 1.0], [1.0, 0.0]))
    assert not model.training
    (path,) = export_model(model, (IMAGE,), tmp_path / "model.pt2")
    loaded = torch.export.load(path).module()
    assert torch.allclose(loaded(IMAGE[:3]), model(IMAGE[:3]), atol=1e-5)


def test_a_saved_one_needs_torch_alone(tmp_path: Path) -> None:
    model = self_contained(
        nn.Linear(1, 1), {"input": AGE}, {"input": ([1.0], [2.0])}, ([3.0], [4.0])
    )
    torch.save(model, tmp_path / "model.pt")
    script = (
        "import sys, torch\n"
        f"model = torch.load({str(tmp_path / 'model.pt')!r}, weights_only=False)\n"
        "print(model(input=torch.ones(2, 1)).shape)\n"
        "assert not any(name.startswith('archloom') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "torch.Size([2, 1])" in done.stdout


@pytest.mark.parametrize("norm", [None, (MEAN, STD)])
def test_a_normalisation_of_one_tensor(norm: tuple[list[float], list[float]] | None) -> None:
    model = self_contained(nn.Identity(), IMAGE.float(), norm)
    out = model(IMAGE.float())
    if norm is not None:
        out = out * torch.tensor(STD).view(1, 2, 1, 1) + torch.tensor(MEAN).view(1, 2, 1, 1)
    assert torch.allclose(out, IMAGE.float(), atol=1e-4)
