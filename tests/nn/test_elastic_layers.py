"""Elastic layers on single paths: what they give is what a plain layer with the slices gives."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from archloom.errors import ConfigError, SpaceError
from archloom.nn._elastic_gates import settled
from archloom.nn._elastic_layers import ElasticLayer, swap_elastic
from archloom.nn._elastic_value import elastic
from archloom.nn._pick import as_domain
from archloom.nn._routing import Routing
from archloom.space import integers, uniform

LABELS = ("w", "v", "k", "h", "p", "g", "s", "d", "n")


def number(label, options):
    return elastic(label, as_domain(label, options))


W, V, K = number("w", [4, 8, 16]), number("v", [6, 12]), number("k", [1, 3, 5])
H, P, G = number("h", [1, 2, 4]), number("p", [0.0, 0.5]), number("g", [1, 2, 4])
S, D, N = number("s", [1, 2]), number("d", [1, 2]), number("n", integers(5, 40))


def shared(module):
    routing = Routing(LABELS)
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return swap_elastic(module, routing), routing


def loaded(plain, layer, values):
    """Give the plain layer with the slices that the elastic one names as its child's."""
    state = layer.child_state(values)
    plain.load_state_dict(
        {name: tensor.detach().clone() for name, tensor in state.items()},
        strict=not list(plain.children()),
    )
    return plain


LAYERS = {
    "conv1d": (
        lambda w, v, k, **_: nn.Conv1d(w, v, k, padding=k // 2),
        lambda w, **_: torch.randn(3, w, 9),
    ),
    "conv2d": (
        lambda w, v, k, **_: nn.Conv2d(w, v, k, padding=k // 2, bias=False),
        lambda w, **_: torch.randn(3, w, 7, 6),
    ),
    "conv3d": (
        lambda w, v, k, **_: nn.Conv3d(w, v, (k, 3, k), padding=(k // 2, 1, k // 2)),
        lambda w, **_: torch.randn(2, w, 5, 4, 5),
    ),
    "same": (
        lambda w, k, d, **_: nn.Conv2d(w, 3, k, padding="same", dilation=d),
        lambda w, **_: torch.randn(2, w, 7, 7),
    ),
    "reflect": (
        lambda w, k, **_: nn.Conv2d(w, 3, k, padding=k // 2, padding_mode="reflect"),
        lambda w, **_: torch.randn(2, w, 7, 7),
    ),
    "strides": (
        lambda k, s, d, **_: nn.Conv2d(3, 4, k, stride=s, dilation=d, padding=d * (k // 2)),
        lambda **_: torch.randn(2, 3, 12, 12),
    ),
    "depthwise": (
        lambda w, k, **_: nn.Conv2d(w, w, k, padding=k // 2, groups=w),
        lambda w, **_: torch.randn(2, w, 7, 7),
    ),
    "grouped": (
        lambda w, **_: nn.Conv2d(w, 2 * w, 3, groups=2),
        lambda w, **_: torch.randn(2, w, 7, 7),
    ),
    "groups": (
        lambda g, **_: nn.Conv2d(8, 16, 3, groups=g),
        lambda **_: torch.randn(2, 8, 7, 7),
    ),
    "transposed": (
        lambda w, v, k, **_: nn.ConvTranspose2d(w, v, k, padding=k // 2),
        lambda w, **_: torch.randn(2, w, 5, 5),
    ),
    "linear": (lambda w, v, **_: nn.Linear(w, v), lambda w, **_: torch.randn(3, 2, w)),
    "products": (
        lambda w, v, **_: nn.Linear(w * 9, 4 * v, bias=False),
        lambda w, **_: torch.randn(3, w * 9),
    ),
    "sums": (
        lambda w, v, **_: nn.Linear(w + v, 3 + w + 2 * v),
        lambda w, v, **_: torch.randn(3, w + v),
    ),
    "many": (lambda n, **_: nn.Linear(n, 64 - n), lambda n, **_: torch.randn(3, n)),
    "batch1d": (lambda w, **_: nn.BatchNorm1d(w), lambda w, **_: torch.randn(6, w)),
    "batch2d": (lambda w, **_: nn.BatchNorm2d(w), lambda w, **_: torch.randn(6, w, 3, 3)),
    "batch3d": (
        lambda w, **_: nn.BatchNorm3d(2 * w, momentum=None),
        lambda w, **_: torch.randn(6, 2 * w, 2, 2, 2),
    ),
    "batch of a sum": (
        lambda w, v, **_: nn.BatchNorm1d(w + v),
        lambda w, v, **_: torch.randn(6, w + v),
    ),
    "no affine": (
        lambda w, **_: nn.BatchNorm2d(w, affine=False, track_running_stats=False),
        lambda w, **_: torch.randn(6, w, 3, 3),
    ),
    "instance": (
        lambda w, **_: nn.InstanceNorm2d(w, affine=True, track_running_stats=True),
        lambda w, **_: torch.randn(6, w, 3, 3),
    ),
    "layer": (lambda w, **_: nn.LayerNorm(w), lambda w, **_: torch.randn(3, 5, w)),
    "layer of maps": (
        lambda w, **_: nn.LayerNorm([w, 4, 4]),
        lambda w, **_: torch.randn(3, w, 4, 4),
    ),
    "rms": (lambda w, **_: nn.RMSNorm(w), lambda w, **_: torch.randn(3, 5, w)),
    "group": (lambda w, g, **_: nn.GroupNorm(g, w), lambda w, **_: torch.randn(3, w, 4, 4)),
    "prelu": (lambda w, **_: nn.PReLU(w), lambda w, **_: torch.randn(3, w, 4)),
    "embedding": (
        lambda n, w, **_: nn.Embedding(n, w, padding_idx=0),
        lambda n, **_: torch.randint(0, n, (3, 7)),
    ),
    "max pooling": (
        lambda k, s, **_: nn.MaxPool2d(k, s, padding=k // 2),
        lambda **_: torch.randn(2, 3, 9, 9),
    ),
    "slope": (lambda p, **_: nn.LeakyReLU(p), lambda **_: torch.randn(2, 3)),
}
PATHS = [
    {"w": 16, "v": 12, "k": 5, "h": 4, "p": 0.5, "g": 4, "s": 2, "d": 2, "n": 40},
    {"w": 4, "v": 6, "k": 3, "h": 2, "p": 0.0, "g": 2, "s": 1, "d": 1, "n": 5},
    {"w": 8, "v": 12, "k": 1, "h": 1, "p": 0.5, "g": 1, "s": 2, "d": 2, "n": 23},
]
ELASTIC = {"w": W, "v": V, "k": K, "h": H, "p": P, "g": G, "s": S, "d": D, "n": N}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("values", PATHS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_path_runs_as_the_plain_layer_with_the_slices(name, values, training):
    make, draw = LAYERS[name]
    layer, routing = shared(make(**ELASTIC))
    layer.train(training)
    assert isinstance(layer, ElasticLayer)
    plain = loaded(make(**values).train(training), layer, values)
    x = draw(**values)
    if x.is_floating_point():
        x.requires_grad_()
    with routing.routed(values):
        found = layer(x)
    expected = plain(x)
    torch.testing.assert_close(found, expected)
    assert layer.child_repr(values) == plain.extra_repr()
    for key, after in plain.state_dict().items():
        torch.testing.assert_close(layer.child_state(values)[key].detach(), after.detach())

    weighing = torch.randn_like(expected)
    (found * weighing).sum().backward()
    entering = x.grad.clone() if x.is_floating_point() else None
    if entering is not None:
        x.grad = None
    (expected * weighing).sum().backward()
    if entering is not None:
        torch.testing.assert_close(entering, x.grad)
    _same_gradients(layer, plain, values)


def _same_gradients(layer, plain, values):
    """The gradients of the slices are the plain layer's, and all others are zero."""
    for key, parameter in plain.named_parameters():
        large = getattr(layer, key)
        whole = large.grad
        with torch.no_grad():
            large.copy_(whole)
        torch.testing.assert_close(layer.child_state(values)[key].detach(), parameter.grad)
        torch.testing.assert_close(whole.abs().sum(), parameter.grad.abs().sum())


def test_the_largest_path_is_the_layer_itself():
    torch.manual_seed(1)
    plain = nn.Conv2d(16, 12, 5, padding=2)
    layer, routing = shared(nn.Conv2d(W, V, K, padding=K // 2))
    layer.load_state_dict(plain.state_dict())
    x = torch.randn(2, 16, 6, 6)
    with routing.routed({"w": 16, "v": 12, "k": 5}):
        assert torch.equal(layer(x), plain(x))


def test_a_kernel_is_cut_to_its_middle():
    layer, _ = shared(nn.Conv2d(2, 2, K))
    assert torch.equal(layer.child_state({"k": 3})["weight"], layer.weight[:, :, 1:4, 1:4])
    assert torch.equal(layer.child_state({"k": 1})["weight"], layer.weight[:, :, 2:3, 2:3])


def test_sums_and_products_are_cut_part_by_part():
    layer, _ = shared(nn.Linear(W + V, 3 * W))
    weight = layer.child_state({"w": 4, "v": 6})["weight"]
    columns = [*range(4), *range(16, 22)]
    rows = [*range(4), *range(16, 20), *range(32, 36)]
    assert torch.equal(weight, layer.weight[rows][:, columns])
    flat, _ = shared(nn.Linear(W * 9, 2))
    assert torch.equal(flat.child_state({"w": 4})["weight"], flat.weight[:, :36])


def test_batch_norm_updates_the_first_statistics_in_place():
    layer, routing = shared(nn.BatchNorm1d(W))
    x = torch.randn(50, 4) * 3 + 2
    with routing.routed({"w": 4}):
        layer(x)
    torch.testing.assert_close(layer.running_mean[:4], 0.1 * x.mean(0))
    torch.testing.assert_close(layer.running_var[:4], 0.9 + 0.1 * x.var(0))
    assert torch.equal(layer.running_mean[4:], torch.zeros(12))
    assert torch.equal(layer.running_var[4:], torch.ones(12))
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize(
    "make", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout]
)
def test_dropout_takes_the_rate_of_the_path(make, rate):
    layer, routing = shared(make(P))
    x = torch.randn(4, 6, 3, 3, 3) if make is nn.Dropout3d else torch.randn(4, 6, 30)
    x = torch.randn(4, 6, 3, 3) if make is nn.Dropout2d else x
    with routing.routed({"p": rate}):
        torch.manual_seed(3)
        found = layer(x)
        torch.manual_seed(3)
        assert torch.equal(found, make(rate)(x))
        assert torch.equal(layer.eval()(x), x)
    assert layer.p == 0.5


@pytest.mark.parametrize(("width", "heads"), [(16, 4), (16, 2), (8, 4), (8, 2), (4, 1)])
@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"add_bias_kv": True}])
@pytest.mark.parametrize("training", [True, False])
def test_attention_with_fewer_heads_and_channels(width, heads, settings, training):
    layer, routing = shared(nn.MultiheadAttention(W, H, batch_first=True, **settings))
    layer.train(training)
    values = {"w": width, "h": heads}
    plain = nn.MultiheadAttention(width, heads, batch_first=True, **settings).train(training)
    if "bias" not in settings:
        parts = layer.in_proj_weight.view(3, 16, 16)[:, :width, :width].reshape(-1, width)
        assert torch.equal(layer.child_state(values)["in_proj_weight"], parts)
    loaded(plain, layer, values)
    plain.out_proj.load_state_dict(layer.out_proj.child_state(values))
    x = torch.randn(2, 5, width)
    with routing.routed(values):
        found, seen = layer(x, x, x)
    expected, attended = plain(x, x, x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(seen, attended)
    with torch.no_grad(), routing.routed(values):
        torch.testing.assert_close(layer(x, x, x)[0], plain(x, x, x)[0])


def test_attention_with_other_keys_and_values():
    layer, routing = shared(nn.MultiheadAttention(W, H, kdim=V, vdim=2 * V))
    values = {"w": 8, "h": 4, "v": 6}
    plain = loaded(nn.MultiheadAttention(8, 4, kdim=6, vdim=12), layer, values)
    plain.out_proj.load_state_dict(layer.out_proj.child_state(values))
    x, key, value = torch.randn(3, 2, 8), torch.randn(4, 2, 6), torch.randn(4, 2, 12)
    with routing.routed(values):
        torch.testing.assert_close(layer(x, key, value)[0], plain(x, key, value)[0])


def child_of(model, plain, values):
    """Load a plain model of the same structure with the slices of an elastic one."""
    for name, part in plain.named_modules():
        large = model.get_submodule(name)
        state = large.child_state(values) if isinstance(large, ElasticLayer) else None
        for key, tensor in part.named_parameters(recurse=False):
            source = getattr(large, key) if state is None else state[key]
            assert tensor.shape == source.shape
            tensor.data = source.detach().clone()
    return plain


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_torchs_transformer(training, grad, norm_first):
    def make(w, h, v):
        layer = nn.TransformerEncoderLayer(
            w, h, 4 * v, dropout=0.0, batch_first=True, norm_first=norm_first
        )
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first)

    values = {"w": 8, "h": 2, "v": 6}
    model, routing = shared(make(W, number("h", [2, 4]), V))
    model.train(training)
    plain = child_of(model, make(**values), values).train(training)
    x = torch.randn(3, 5, 8)
    with torch.set_grad_enabled(grad), routing.routed(values):
        torch.testing.assert_close(model(x), plain(x), atol=1e-5, rtol=1e-5)
        hidden = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 5])
        found, expected = (m(x, src_key_padding_mask=hidden) for m in (model, plain))
        torch.testing.assert_close(found[~hidden], expected[~hidden], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_recurrent_layers(kind):
    def make(w, v):
        return kind(w, v, num_layers=2, batch_first=True, bidirectional=True)

    values = {"w": 8, "v": 6}
    layer, routing = shared(make(W, V))
    plain = loaded(make(**values), layer, values)
    x = torch.randn(2, 5, 8)
    with routing.routed(values):
        found = layer(x)[0]
    expected = plain(x)[0]
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    expected.sum().backward()
    _same_gradients(layer, plain, values)


class Heads(nn.Module):
    """Code that is not torch's, with a number that its forward reads."""

    def __init__(self, width, heads):
        super().__init__()
        self.width, self.sizes = width, {"heads": [heads]}
        self.project = nn.Linear(width, width)
        self.seen = None

    def forward(self, x):
        heads = self.sizes["heads"][0]
        self.seen = (heads, self.width)
        return self.project(x).unflatten(1, (heads, self.width // heads)).softmax(2).flatten(1)


def test_code_that_is_not_torchs_reads_the_numbers_of_the_path():
    model, routing = shared(Heads(W, H))
    plain = child_of(model, Heads(8, 2), {"w": 8, "h": 2})
    x = torch.randn(3, 8)
    with routing.routed({"w": 8, "h": 2}):
        torch.testing.assert_close(model(x), plain(x))
    assert model.seen == (2, 8)
    assert settled(model.width, {"w": 4}) == 4


class Standardised(nn.Conv2d):
    """A refinement of a layer of torch."""

    def forward(self, x):
        flat = self.weight.flatten(1)
        weight = (flat - flat.mean(1, keepdim=True)).view_as(self.weight)
        return self._conv_forward(x, weight, self.bias)


def test_a_refined_layer_keeps_its_forward():
    layer, routing = shared(Standardised(W, V, K, padding=K // 2))
    values = {"w": 8, "v": 6, "k": 3}
    plain = loaded(Standardised(8, 6, 3, padding=1), layer, values)
    x = torch.randn(2, 8, 5, 5)
    with routing.routed(values):
        torch.testing.assert_close(layer(x), plain(x))


def test_swapping_keeps_objects_keys_and_parameters():
    model = nn.Sequential(nn.Linear(W, V), nn.ReLU(), nn.Sequential(nn.Linear(V, 2)))
    before, parameters, parts = model.state_dict(), list(model.parameters()), list(model.modules())
    routing = Routing(LABELS)
    assert swap_elastic(model, routing) is model
    assert swap_elastic(model, routing) is model
    assert all(one is two for one, two in zip(model.modules(), parts, strict=True))
    assert all(one is two for one, two in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == list(before)
    assert type(model[1]) is nn.ReLU
    assert isinstance(model[0], nn.Linear)
    assert type(model[0]) is type(model[2][0])


def test_a_hook_and_a_second_name_see_the_same_layer():
    inner = nn.Linear(W, V)
    model, routing = shared(nn.ModuleDict({"a": inner, "b": inner}))
    calls = []
    inner.register_forward_hook(lambda module, args, output: calls.append(output.shape[1]))
    with routing.routed({"w": 4, "v": 6}):
        model["a"](torch.randn(2, 4))
        model["b"](torch.randn(2, 4))
    assert calls == [6, 6]


def test_copies_and_pickles_run_along_their_own_gates():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.routing = Routing(LABELS)
            self.model = nn.Sequential(nn.Linear(W, V), nn.BatchNorm1d(V), nn.Dropout(P))
            swap_elastic(self.model, self.routing)

    net = Net()
    x = torch.randn(5, 4)
    with net.routing.routed({"w": 4, "v": 6, "p": 0.0}):
        net.model(x)
        again = copy.deepcopy(net)
    assert again.model[0].elastic.routing is again.routing
    pickled = pickle.loads(pickle.dumps((net.routing, net.model)))
    for routing, model in ((again.routing, again.model), pickled):
        with routing.routed({"w": 4, "v": 6, "p": 0.0}), net.routing.routed({}):
            found = model(x)
        with net.routing.routed({"w": 4, "v": 6, "p": 0.0}):
            torch.testing.assert_close(found, net.model(x))


def test_functional_call_and_double_backward():
    model, routing = shared(nn.Sequential(nn.Linear(W, V), nn.Tanh(), nn.Linear(V, 1)))
    x = torch.randn(3, 8)
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    with routing.routed({"w": 8, "v": 6}):
        assert torch.equal(functional_call(model, zeros, (x,)), torch.zeros(3, 1))
        loss = model(x).square().sum()
    (gradient,) = torch.autograd.grad(loss, [model[0].weight], create_graph=True)
    gradient.square().sum().backward()
    assert model[0].weight.grad[:6, :8].abs().min() > 0
    assert model[0].weight.grad[6:].abs().max() == 0


def test_moving_and_casting():
    layer, routing = shared(nn.Linear(W, V))
    layer.double()
    with routing.routed({"w": 4, "v": 6}):
        assert layer(torch.randn(2, 4, dtype=torch.float64)).dtype == torch.float64
    with routing.routed({"w": 4, "v": 6}):
        assert layer.to("meta")(torch.empty(2, 4, device="meta")).shape == (2, 6)


def test_a_value_of_a_shallower_repeat_is_that_of_its_last_body():
    widths = [number(f"layers.{i}.width", [4, 8]) for i in range(3)]
    layer = swap_elastic(
        nn.Linear(widths[-1], 2), Routing(["layers", *(w.expression.label for w in widths)])
    )
    gates = {"layers": 2, "layers.0.width": 8, "layers.1.width": 4}
    with layer.elastic.routing.routed(gates):
        assert layer(torch.randn(3, 4)).shape == (3, 2)
    assert layer.child_state(gates)["weight"].shape == (2, 4)
    with pytest.raises(ConfigError, match=r"nothing about 'layers\.2\.width'"):
        layer.child_state({"layers": 0})


def test_gates_that_cannot_be():
    layer, routing = shared(nn.Linear(W, N))
    x = torch.randn(2, 4)
    with pytest.raises(ConfigError, match="none were given"):
        layer(x)
    with pytest.raises(ConfigError, match="nothing about 'n'"), routing.routed({"w": 4}):
        layer(x)
    with pytest.raises(ConfigError, match="'w' cannot be 5: it must be one of 4, 8, 16"):
        layer.child_state({"w": 5, "n": 5})
    with (
        pytest.raises(ConfigError, match="'n' cannot be 99: it must be an int from 5 to 40"),
        routing.routed({"w": 4, "n": 99}),
    ):
        layer(x)


def test_continuous_values_set_dropout():
    rate = number("rate", uniform(0.0, 0.9))
    layer = swap_elastic(nn.Dropout(rate), Routing(["rate"]))
    for p in (0.0, 0.123, 0.9):
        with layer.elastic.routing.routed({"rate": p}):
            torch.manual_seed(0)
            found = layer(torch.ones(1000))
        torch.manual_seed(0)
        assert torch.equal(found, nn.Dropout(p)(torch.ones(1000)))


PARTIAL = {
    "conv": (nn.Conv2d(8, 16, 3, bias=True), (2, 8, 5, 5)),
    "depthwise": (nn.Conv2d(8, 8, 3, groups=8), (2, 8, 5, 5)),
    "grouped": (nn.Conv2d(8, 16, 3, groups=4), (2, 8, 5, 5)),
    "odd groups": (nn.Conv2d(12, 12, 3, groups=3), (2, 12, 5, 5)),
    "batch norm": (nn.BatchNorm2d(8), (2, 8, 5, 5)),
    "no affine": (nn.BatchNorm2d(8, affine=False), (2, 8, 5, 5)),
    "group norm": (nn.GroupNorm(4, 8), (2, 8, 5, 5)),
    "layer norm": (nn.LayerNorm([8, 5, 5]), (2, 8, 5, 5)),
    "linear": (nn.Linear(8, 12), (2, 8)),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_layers_run_on_one_channel_in_two(name):
    layer, shape = PARTIAL[name]
    layer, routing = shared(layer)
    x = torch.randn(shape)
    whole = layer(x)
    swap_elastic(layer, routing, divisible=True)
    torch.testing.assert_close(layer(x), whole)
    half = x[:, : shape[1] // 2]
    with routing.divided(2):
        found = layer(half)
    assert found.shape[1] == whole.shape[1] // 2
    if name == "conv":
        expected = torch.conv2d(half, layer.weight[:8, :4], layer.bias[:8])
        torch.testing.assert_close(found, expected)
    if name == "grouped":
        torch.testing.assert_close(found, whole[:, :8])


def test_channels_that_cannot_be_divided():
    layer, routing = shared(nn.Conv2d(6, 6, 3))
    swap_elastic(layer, routing, divisible=True)
    with (
        pytest.raises(ConfigError, match="in_channels that can be divided by 4, got 6"),
        routing.divided(4),
    ):
        layer(torch.zeros(1, 1, 5, 5))


def test_elastic_layers_divide_the_channels_of_the_path():
    layer, routing = shared(nn.Conv2d(W, 2 * W, 3, padding=1))
    x = torch.randn(2, 2, 5, 5)
    with routing.routed({"w": 4}), routing.divided(2):
        found = layer(x)
    # The first half of the channels of a path with 4: its rows are 0 to 3 and 16 to 19.
    expected = torch.conv2d(x, layer.weight[:4, :2], layer.bias[:4], padding=1)
    torch.testing.assert_close(found, expected)


def test_what_a_first_run_keeps_serves_in_every_mode():
    """The first run may be one without gradients, or without data."""
    model, routing = shared(nn.Sequential(nn.Linear(W, 3 * V), nn.BatchNorm1d(3 * V)))
    x = torch.randn(4, 8)
    with torch.inference_mode(), routing.routed({"w": 8, "v": 6}):
        expected = model(x)
    with torch.device("meta"), routing.routed({"w": 4, "v": 6}):
        torch.func.functional_call(
            model,
            {n: t.to("meta") for n, t in model.state_dict().items()},
            (torch.empty(4, 4),),
        )
    with routing.routed({"w": 8, "v": 6}):
        found = model(x)
    torch.testing.assert_close(found, expected.clone())
    found.sum().backward()
    with routing.routed({"w": 4, "v": 6}):
        assert model(x[:, :4]).shape == (4, 18)


def test_channels_last_is_kept():
    layer, routing = shared(nn.Conv2d(W, V, K, padding=K // 2))
    layer.to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last)
    with routing.routed({"w": 8, "v": 6, "k": 3}):
        found = layer(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    state = layer.child_state({"w": 8, "v": 6, "k": 3})
    torch.testing.assert_close(found, torch.conv2d(x, state["weight"], state["bias"], padding=1))


def test_lazy_layers_say_that_they_cannot():
    with pytest.raises(SpaceError, match=r"LazyLinear cannot follow 'w'.*nn\.Linear\(\.\.\.\)"):
        swap_elastic(nn.LazyLinear(W), Routing(LABELS))


def test_numbers_of_numpy_are_plain_ones():
    layer, routing = shared(nn.Linear(W, 2))
    with routing.routed({"w": np.int64(8)}):
        assert layer(torch.zeros(1, 8)).shape == (1, 2)
