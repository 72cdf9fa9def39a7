"""Layers in the order in which they run, with shapes, and what feeds what."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from archloom.report import Layer, layers


def _kinds(found: list[Layer]) -> list[str]:
    return [layer.kind for layer in found]


def _meta(*shape: int) -> Tensor:
    return torch.zeros(shape, device="meta")


def _lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )


def test_lenet_5_has_its_published_shapes_and_parameters() -> None:
    """LeCun et al. 1998, with full connections between S2 and C3: 61,706 parameters."""
    found = layers(_lenet(), _meta(1, 1, 32, 32))
    assert [layer.shape for layer in found] == [
        (1, 32, 32),
        *[(6, 28, 28)] * 2,
        (6, 14, 14),
        *[(16, 10, 10)] * 2,
        (16, 5, 5),
        *[(400,)],
        *[(120,)] * 2,
        *[(84,)] * 2,
        (10,),
    ]
    assert sum(layer.params for layer in found) == 61_706
    assert [layer.inputs for layer in found] == [(), *((n,) for n in range(len(found) - 1))]
    assert (found[1].name, found[1].kind, found[1].detail) == ("0", "Conv2d", "5×5, 6")


class _Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def test_branches_and_sums_are_seen() -> None:
    found = layers(_Residual(nn.Linear(4, 4)), _meta(1, 4))
    assert _kinds(found) == ["Input", "Linear", "Identity", "add", "relu"]
    assert [layer.inputs for layer in found] == [(), (0,), (0,), (1, 2), (3,)]


def test_graph_modules_are_seen_through() -> None:
    traced = torch.fx.symbolic_trace(_Residual(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)))
    found = layers(nn.Sequential(nn.Conv2d(1, 4, 3), traced), _meta(1, 1, 8, 8))
    assert _kinds(found) == ["Input", "Conv2d", "Conv2d", "Conv2d", "add", "relu"]
    assert found[4].inputs == (2, 3)
    assert found[2].name == "1.body"


class _Pair(nn.Module):
    """Two inputs, two outputs, functions, a module used twice, an addition in place."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        h = self.left(x) * self.right(y)
        h += self.right(x)
        both = torch.cat([h, h.flatten(1)], 1)[:, :8]
        return {"scores": self.head(both), "size": nn.functional.max_pool1d(both, 2)}


@pytest.mark.parametrize("as_dict", [False, True])
def test_several_inputs_and_outputs(as_dict: bool) -> None:
    pair = (_meta(1, 4), _meta(1, 4))
    found = layers(_Pair(), dict(zip("xy", pair, strict=True)) if as_dict else pair)
    assert [layer.name for layer in found[:2]] == (["x", "y"] if as_dict else ["1", "2"])
    assert _kinds(found)[2:] == [
        "Linear",
        "Linear",
        "mul",
        "Linear",
        "add",
        "flatten",
        "concat",
        "Linear",
        "max_pool1d",
    ]
    assert found[5].params == 0, "the right layer was counted before"
    assert found[4].inputs == (2, 3)
    assert found[6].inputs == (4, 5)
    assert found[8].inputs == (6, 7)
    assert found[9].inputs == found[10].inputs == (8,)


def test_recurrent_layers_and_attention_are_one_layer_each() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.lstm = nn.Embedding(100, 8), nn.LSTM(8, 8, 2, batch_first=True)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            h, _ = self.lstm(self.embed(x))
            out, _ = self.attend(h, h, h)
            return out.mean(1)  # type: ignore[no-any-return]

    found = layers(Model(), torch.zeros(1, 5, dtype=torch.long))
    assert _kinds(found) == ["Input", "Embedding", "LSTM", "MultiheadAttention", "mean"]
    assert [layer.detail for layer in found[1:4]] == ["100 × 8", "8, 2 layers", "8, 2 heads"]
    assert found[2].params == 2 * (4 * 8 * 8 * 2 + 4 * 8 * 2)
    assert found[4].shape == (8,)


def test_layers_that_work_in_place_keep_the_chain() -> None:
    found = layers(nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Dropout()), _meta(1, 2))
    assert [layer.inputs for layer in found] == [(), (0,), (1,), (2,)]


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    model[2].eval()
    before = copy.deepcopy(model.state_dict())
    state = torch.random.get_rng_state()
    layers(model, torch.ones(1, 1, 4, 4))
    assert [module.training for module in model] == [True, True, False]
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


class _Peeks(nn.Module):
    """Looks at its values, which the meta device does not have."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.first, self.second, self.fails = nn.Linear(2, 3), nn.Linear(3, 1), fails

    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 0 or self.fails:
            raise ValueError("no")
        return self.second(self.first(x))  # type: ignore[no-any-return]


def test_a_model_that_does_not_run_on_meta_runs_on_the_cpu() -> None:
    assert [layer.shape for layer in layers(_Peeks(), _meta(1, 2))] == [(2,), (3,), (1,)]


@pytest.mark.parametrize("example", [None, _meta(1, 2), _meta(1, 7), (_meta(1, 2),) * 3, {"z": 1}])
def test_a_model_that_runs_nowhere_is_listed(example: object) -> None:
    found = layers(_Peeks(fails=True), example)
    assert [(layer.name, layer.shape, layer.params) for layer in found] == [
        ("first", None, 9),
        ("second", None, 4),
    ]
    assert [layer.inputs for layer in found] == [(), (0,)]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Conv2d(8, 8, (3, 1), groups=8, dilation=2), "3×1, 8, depthwise, dilation 2"),
        (nn.Conv1d(8, 16, 5, stride=2, groups=4), "5, 16, stride 2, 4 groups"),
        (nn.MaxPool2d(3, stride=2), "3, stride 2"),
        (nn.AvgPool2d((2, 1)), "2×1"),
        (nn.AdaptiveAvgPool2d((1, 1)), "to 1"),
        (nn.AdaptiveAvgPool2d((None, 1)), "to None×1"),
        (nn.Dropout(0.25), "0.25"),
        (nn.GRU(4, 8), "8"),
        (nn.BatchNorm2d(3), ""),
    ],
)
def test_a_layer_is_named_with_its_settings(module: nn.Module, said: str) -> None:
    assert layers(nn.Sequential(module))[0].detail == said


def test_odd_models() -> None:
    assert layers(nn.Sequential()) == []
    assert _kinds(layers(nn.Linear(2, 2), _meta(1, 2))) == ["Input", "Linear"]
    assert _kinds(layers(nn.Sequential(nn.LazyLinear(3)))) == ["LazyLinear"]
    shared = nn.Linear(2, 2)
    twice = layers(nn.Sequential(shared, nn.ReLU(), shared), _meta(1, 2))
    assert [layer.params for layer in twice] == [0, 6, 0, 0]
