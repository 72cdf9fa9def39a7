"""Supernets of spaces whose values set sizes: children have the keys, shapes and outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from archloom.errors import SpaceError
from archloom.nn import model_space, residual, yaml_space
from archloom.space import integers, uniform


@model_space
def mobile(pick):
    """An inverted bottleneck net: width, expansion and kernel of each block, as in OFA."""
    width = pick.value("width", [8, 12])

    def block(pick):
        inner = width * pick.value("expansion", [3, 4, 6])
        kernel = pick.value("kernel", [3, 5, 7])
        return residual(
            nn.Sequential(
                nn.Conv2d(width, inner, 1, bias=False),
                nn.BatchNorm2d(inner),
                nn.ReLU6(),
                nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner, bias=False),
                nn.BatchNorm2d(inner),
                nn.ReLU6(),
                nn.Conv2d(inner, width, 1, bias=False),
                nn.BatchNorm2d(width),
            )
        )

    hidden = pick.value("hidden", integers(10, 30))
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        pick.repeat("blocks", block, 1, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Dropout(pick.value("dropout", uniform(0.0, 0.5))),
        nn.Linear(hidden, 10),
    )


class Reader(nn.Module):
    """A class that asks for its own sizes: tokens to classes by torch's transformer."""

    def __init__(self, pick, layers=2):
        super().__init__()
        self.heads = pick.value("heads", [2, 4])
        self.width = pick.value("head_width", [4, 6]) * self.heads
        self.embed = nn.Embedding(20, self.width)
        feed = pick.value("feed", [16, 32])
        layer = nn.TransformerEncoderLayer(
            self.width, self.heads, feed, dropout=0.0, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers)
        self.norm = nn.LayerNorm(self.width)
        self.head = nn.Linear(2 * self.width, 3)

    def forward(self, tokens):
        x = self.norm(self.layers(self.embed(tokens))).unflatten(2, (self.heads, -1)).flatten(2)
        assert x.shape[-1] == self.width
        return self.head(torch.cat([x.mean(1), x.amax(1)], 1))


reader = model_space(Reader)

YAML = """
shape: [2, 12]
classes: 4
blocks:
  - repeat:
      times: {integers: [1, 3], label: depth}
      blocks:
        - conv: {channels: {one_of: [4, 8]}, kernel: {one_of: [3, 5]}, norm: batch}
  - global_pool: {kind: max}
  - dense: {width: {integers: [5, 40]}, norm: layer, dropout: {one_of: [0, 0.5]}}
"""

SPACES = {
    "mobile": (mobile, lambda: torch.randn(4, 3, 8, 8)),
    "reader": (reader, lambda: torch.randint(0, 20, (3, 7))),
    "yaml": (YAML, lambda: torch.randn(3, 2, 12)),
}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested")
@pytest.mark.parametrize("name", SPACES)
def test_children_are_what_is_built_and_give_what_the_supernet_gives(name, tmp_path):
    space, draw = SPACES[name]
    if isinstance(space, str):
        (tmp_path / "space.yaml").write_text(space, encoding="utf-8")
        space = yaml_space(tmp_path / "space.yaml")
    torch.manual_seed(0)
    x = draw()
    supernet = space.supernet(example=x).eval()
    rng = np.random.default_rng(0)
    for _ in range(12):
        architecture = supernet.space.space.sample(rng)
        child, built = supernet.child(architecture).eval(), supernet.space.build(architecture)
        assert repr(child) == repr(built.eval())
        assert {n: t.shape for n, t in child.state_dict().items()} == {
            n: t.shape for n, t in built.state_dict().items()
        }
        assert not any("archloom" in type(part).__module__ for part in child.modules())
        torch.testing.assert_close(child(x), supernet(x, gates=architecture), atol=1e-5, rtol=1e-5)


def test_parameters_of_a_child_by_hand():
    supernet = mobile.supernet()
    values = {"width": 8, "hidden": 17, "dropout": 0.25, "blocks": 1}
    child = supernet.child({**values, "blocks.0.expansion": 6, "blocks.0.kernel": 5})
    block = 8 * 48 + 2 * 48 + 48 * 25 + 2 * 48 + 48 * 8 + 2 * 8
    expected = 3 * 8 * 9 + 8 + block + 8 * 17 + 17 + 17 * 10 + 10
    assert sum(p.numel() for p in child.parameters()) == expected
    largest = 72 * 12 + 2 * 72 + 72 * 49 + 2 * 72 + 12 * 72 + 2 * 12
    whole = 3 * 12 * 9 + 12 + 3 * largest + 12 * 30 + 30 + 30 * 10 + 10
    assert sum(p.numel() for p in supernet.parameters()) == whole


def test_training_a_path_trains_the_slices_of_the_child():
    torch.manual_seed(0)
    supernet = mobile.supernet()
    path = supernet.space.space.default()
    child = supernet.child(path)
    x = torch.randn(6, 3, 8, 8)
    supernet(x, gates=path).square().mean().backward()
    child(x).square().mean().backward()
    torch.testing.assert_close(
        supernet.model[0].weight.grad[:8], child[0].weight.grad, atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        supernet.model[-1].weight.grad[:, :10], child[-1].weight.grad, atol=1e-5, rtol=1e-4
    )
    # Both have seen the same batch, so their running statistics agree.
    x = torch.randn(6, 3, 8, 8)
    again = supernet.eval()(x, gates=path)
    torch.testing.assert_close(again, child.eval()(x), atol=1e-5, rtol=1e-4)


def test_weights_over_sizes_reach_every_choice():
    torch.manual_seed(0)
    supernet = mobile.supernet({"dropout": 0.0, "blocks": 2, "hidden": 20})
    gates = {
        label: torch.zeros(choice.domain.count).requires_grad_()
        for label, choice in supernet.space.space.labels.items()
    }
    shares = {label: gate.softmax(0) for label, gate in gates.items()}
    supernet(torch.randn(4, 3, 8, 8), gates=shares).square().mean().backward()
    assert len(gates) == 5
    for gate in gates.values():
        assert gate.grad.abs().min() > 0


def test_a_setting_that_hangs_on_a_comparison_is_found(tmp_path):
    """How many groups divide the channels differs from option to option, which no sum can say."""
    (tmp_path / "space.yaml").write_text(YAML.replace("batch", "group"), encoding="utf-8")
    space = yaml_space(tmp_path / "space.yaml")
    with pytest.raises(SpaceError, match="num_groups of GroupNorm"):
        space.supernet()
