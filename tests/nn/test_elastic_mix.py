"""Elastic layers with weights over several values: the weighted sum of the plain layers."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from archloom.errors import ConfigError, SpaceError
from archloom.nn import concat
from archloom.nn._elastic_layers import ElasticLayer, swap_elastic
from archloom.nn._elastic_limits import unweighable
from archloom.nn._elastic_mix import Apart, Masked
from archloom.nn._elastic_value import elastic
from archloom.nn._pick import as_domain
from archloom.nn._routing import Routing, Weighted
from archloom.space import uniform

OPTIONS = {"w": [4, 16, 8], "v": [6, 12], "k": [1, 5, 3], "d": [1, 2], "s": [1, 2], "p": [0.0, 0.5]}
ELASTIC = {label: elastic(label, as_domain(label, options)) for label, options in OPTIONS.items()}


def shared(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    routing = Routing(OPTIONS)
    return swap_elastic(module, routing), routing


def weights(label, seed=0):
    torch.manual_seed(seed)
    return torch.rand(len(OPTIONS[label])).requires_grad_()


LAYERS = {
    "kernels": (lambda k, **_: nn.Conv2d(3, 4, k, padding=k // 2), (2, 3, 7, 7), 1, Masked),
    "unpadded": (
        lambda k, d, **_: nn.Conv2d(3, 4, k, padding=k // 2 * d, dilation=d),
        (2, 3, 9, 9),
        1,
        Apart,
    ),
    "same": (lambda k, **_: nn.Conv1d(3, 4, k, padding="same"), (2, 3, 9), 1, Masked),
    "circular": (
        lambda k, **_: nn.Conv2d(3, 4, k, padding=k // 2, padding_mode="circular"),
        (2, 3, 7, 7),
        1,
        Masked,
    ),
    "channels": (lambda v, **_: nn.Conv2d(3, v, 3), (2, 3, 7, 7), 1, Masked),
    "channels and kernels": (
        lambda v, k, **_: nn.Conv2d(3, 2 * v, k, stride=2, padding=k // 2),
        (2, 3, 7, 7),
        1,
        Masked,
    ),
    "tied": (lambda k, **_: nn.Conv2d(3, 4 * k, k, padding=k // 2), (2, 3, 7, 7), 1, Masked),
    "volumes": (lambda v, k, **_: nn.Conv3d(2, v, k, padding=k // 2), (2, 2, 5, 5, 5), 1, Masked),
    "transposed": (lambda v, **_: nn.ConvTranspose2d(3, v, 3), (2, 3, 7, 7), 1, Apart),
    "linear": (lambda v, **_: nn.Linear(5, v), (2, 3, 5), -1, Masked),
    "no bias": (lambda v, **_: nn.Linear(5, 3 + 3 * v, bias=False), (2, 5), -1, Masked),
    "slope": (lambda p, **_: nn.LeakyReLU(p), (2, 5), -1, Apart),
    "pooling": (lambda k, **_: nn.AvgPool2d(k, 1, k // 2), (2, 3, 7, 7), 1, Apart),
}


@pytest.fixture(autouse=True)
def _exact():
    """Compute in double precision, where only mistakes make a difference."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_sum_the_outputs_of_the_plain_layers(name):
    make, shape, axis, kind = LAYERS[name]
    layer, routing = shared(make(**ELASTIC))
    gates = {label: weights(label) for label in layer.elastic.leaves}
    x = torch.randn(shape, requires_grad=True)
    with routing.routed(gates):
        assert isinstance(layer.elastic.run(layer), kind)
        found = layer(x)
    expected = _summed(layer, make, gates, x, axis)
    torch.testing.assert_close(found, expected)
    wanted = [*layer.parameters(), *gates.values(), x]
    weighing = torch.randn_like(found)
    torch.testing.assert_close(
        torch.autograd.grad((found * weighing).sum(), wanted),
        torch.autograd.grad((expected * weighing).sum(), wanted),
    )


def _summed(layer, make, gates, x, axis):
    """Sum what plain layers with slices give, with zeros for the channels that they lack."""
    size = 0
    outputs = []
    for values in product(*(OPTIONS[label] for label in gates)):
        path = dict(zip(gates, values, strict=True))
        state = layer.child_state(path)
        plain = make(**{**ELASTIC, **path})
        output = torch.func.functional_call(plain, state, (x,))
        weight = torch.stack(
            [gates[label][OPTIONS[label].index(value)] for label, value in path.items()]
        ).prod()
        places = _places(layer, path, output.shape[axis])
        outputs.append((weight, output.movedim(axis, -1), places))
        size = max(size, int(places.max()) + 1)
    total = 0
    for weight, output, places in outputs:
        wide = output.new_zeros(*output.shape[:-1], size)
        total = total + weight * wide.index_copy(-1, places, output)
    return total.movedim(-1, axis)


def _places(layer, path, size):
    """Find which output channels a path has, from what it takes of a weight of running numbers."""
    if "weight" not in layer._parameters:
        return torch.arange(size)
    axis = 1 if layer.plain is nn.ConvTranspose2d else 0
    before = layer.weight.data
    shape = [1] * before.dim()
    shape[axis] = -1
    numbers = torch.arange(float(before.shape[axis])).view(shape).expand_as(before)
    layer.weight.data = numbers.clone()
    found = layer.child_state(path)["weight"].movedim(axis, 0).flatten(1)[:, 0].long()
    layer.weight.data = before
    return found


NORMS = {
    "layer": (lambda w, **_: nn.LayerNorm(w), (3, 5, 16), -1),
    "layer of maps": (lambda w, **_: nn.LayerNorm([w, 4]), (3, 16, 4), 1),
    "rms": (lambda w, **_: nn.RMSNorm(w), (3, 5, 16), -1),
    "group": (lambda w, **_: nn.GroupNorm(4, w), (3, 16, 4), 1),
    "batch": (lambda w, **_: nn.BatchNorm2d(w), (8, 16, 3, 3), 1),
    "no affine": (lambda w, **_: nn.BatchNorm2d(w, affine=False), (8, 16, 3, 3), 1),
    "instance": (lambda w, **_: nn.InstanceNorm1d(w, affine=True), (3, 16, 6), 1),
    "depthwise": (lambda w, **_: nn.Conv1d(w, w, 3, groups=w), (3, 16, 6), 1),
    "grouped": (lambda w, **_: nn.Conv1d(w, w, 3, groups=2), (3, 16, 6), 1),
    "prelu": (lambda w, **_: nn.PReLU(w), (3, 16, 6), 1),
}


@pytest.mark.parametrize("name", NORMS)
def test_layers_that_keep_the_channels(name):
    make, shape, axis = NORMS[name]
    layer, routing = shared(make(**ELASTIC))
    gates = {"w": weights("w")}
    x = torch.randn(shape)
    with routing.routed(gates):
        found = layer(x)
    expected = 0
    for weight, width in zip(gates["w"], OPTIONS["w"], strict=True):
        plain = make(w=width)
        state = layer.child_state({"w": width}).items()
        plain.load_state_dict({name: tensor.detach().clone() for name, tensor in state})
        output = plain(x.narrow(axis, 0, width)).movedim(axis, -1)
        expected = expected + weight * functional.pad(output, (0, 16 - width)).movedim(-1, axis)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found.square().sum(), [gates["w"]])
    assert gradient.abs().min() > 0


def test_embeddings():
    layer, routing = shared(nn.Embedding(10, ELASTIC["w"]))
    gate, x = weights("w"), torch.randint(0, 10, (3, 4))
    with routing.routed({"w": gate}):
        found = layer(x)
    mask = sum(w * (torch.arange(16) < n) for w, n in zip(gate, OPTIONS["w"], strict=True))
    torch.testing.assert_close(found, layer.weight[x] * mask)


def test_batch_norm_tracks_the_largest_width_once():
    layer, routing = shared(nn.BatchNorm1d(ELASTIC["w"]))
    x = torch.randn(20, 16) + 1
    with routing.routed({"w": torch.tensor([0.2, 0.5, 0.3])}):
        layer(x)
    torch.testing.assert_close(layer.running_mean, 0.1 * x.mean(0))
    assert layer.num_batches_tracked == 1


def test_weighted_runs_no_more_than_its_largest_option():
    layer, routing = shared(nn.Conv2d(3, ELASTIC["w"], ELASTIC["k"], padding=ELASTIC["k"] // 2))
    x, scale = torch.randn(2, 3, 6, 6), torch.tensor([0.25, 0.5])
    with routing.routed({"w": Weighted((8, 4), scale), "k": Weighted((3,), torch.ones(1))}):
        found = layer(x)
    wide, narrow = (
        torch.conv2d(x, *layer.child_state({"w": w, "k": 3}).values(), padding=1) for w in (8, 4)
    )
    expected = 0.25 * wide
    expected[:, :4] += 0.5 * narrow
    assert found.shape[1] == 8
    torch.testing.assert_close(found, expected)


def test_dropout_in_training_and_evaluation():
    layer, routing = shared(nn.Dropout(ELASTIC["p"]))
    gate, x = torch.tensor([0.25, 0.75]), torch.ones(40_000)
    with routing.routed({"p": gate}):
        found = layer(x)
        kept = layer.eval()(x)
    values, counts = found.unique(return_counts=True)
    # 0.25 * 1 + 0.75 * 2 where it is kept, which half of it is.
    torch.testing.assert_close(values, torch.tensor([0.25, 1.75]))
    assert abs(int(counts[0]) - 20_000) < 600
    torch.testing.assert_close(kept, x)


def net(w, v, k, p):
    """A net in which channels go through every kind of seam: flat, joined, split."""
    return nn.Sequential(
        nn.Conv2d(3, w, k, padding=k // 2),
        nn.BatchNorm2d(w),
        nn.ReLU(),
        concat(nn.Conv2d(w, v, 1), nn.Conv2d(w, w, 3, padding=1, groups=w)),
        nn.BatchNorm2d(v + w),
        nn.GELU(),
        nn.Conv2d(v + w, 2 * v, 1),
        nn.GroupNorm(2, 2 * v),
        nn.Dropout(p),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * v * 4, 5),
    )


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("place", [0, 1])
def test_a_weight_of_one_is_the_path(whole, place):
    model, routing = shared(net(**{label: ELASTIC[label] for label in "wvkp"}))
    model.eval()
    x = torch.randn(4, 3, 8, 8)
    path = {label: OPTIONS[label][place] for label in "wvkp"}
    with routing.routed(path):
        expected = model(x)
    gates = {}
    for label, value in path.items():
        if whole:
            gates[label] = torch.zeros(len(OPTIONS[label]))
            gates[label][place] = 1.0
        else:
            gates[label] = Weighted((value,), torch.ones(1))
    with routing.routed(gates):
        torch.testing.assert_close(model(x), expected)


def test_every_weight_gets_a_gradient_again_and_again():
    model, routing = shared(net(**{label: ELASTIC[label] for label in "wvkp"}))
    model.train()
    gates = {label: weights(label) for label in "wvkp"}
    torch.manual_seed(0)
    with routing.routed({label: gate.softmax(0) for label, gate in gates.items()}):
        first = model(torch.randn(4, 3, 8, 8)).square().sum()
        second = model(torch.randn(4, 3, 8, 8)).square().sum()
    first.backward(retain_graph=True)
    before = {label: gate.grad.clone() for label, gate in gates.items()}
    second.backward()
    for label, gate in gates.items():
        assert before[label].abs().min() > 0
        assert not torch.equal(before[label], gate.grad)


def test_what_only_comes_in_is_not_weighted_twice():
    layer, routing = shared(nn.Linear(ELASTIC["w"], 3))
    x = torch.randn(2, 16)
    with routing.routed({"w": torch.tensor([0.2, 0.5, 0.3])}):
        torch.testing.assert_close(layer(x), functional.linear(x, layer.weight, layer.bias))
    with routing.routed({"w": Weighted((4, 8), torch.tensor([0.2, 0.5]))}):
        expected = functional.linear(x[:, :8], layer.weight[:, :8], layer.bias)
        torch.testing.assert_close(layer(x[:, :8]), expected)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.MultiheadAttention(ELASTIC["w"], 2),
        lambda: nn.MultiheadAttention(16, ELASTIC["w"]),
        lambda: nn.GRU(3, ELASTIC["w"]),
    ],
)
def test_layers_that_cannot_be_weighted_say_so(layer):
    model, routing = shared(layer())
    with (
        pytest.raises(ConfigError, match=r"'w' sets the size of a .*pinned=\{'w'"),
        routing.routed({"w": torch.ones(3)}),
    ):
        model(torch.zeros(2, 2, 16), torch.zeros(2, 2, 16), torch.zeros(2, 2, 16))


def test_strides_of_unequal_outputs_say_so():
    layer, routing = shared(nn.Conv2d(3, 4, 3, stride=ELASTIC["s"]))
    with (
        pytest.raises(SpaceError, match=r"options of 's' give outputs of shapes .*one shape"),
        routing.routed({"s": torch.ones(2)}),
    ):
        layer(torch.zeros(1, 3, 8, 8))


def test_a_range_without_end_cannot_be_weighted():
    rate = elastic("p", uniform(0.0, 0.5))
    layer = swap_elastic(nn.Dropout(rate), Routing(["p"]))
    with (
        pytest.raises(ConfigError, match="'p' is a range of numbers without end"),
        layer.elastic.routing.routed({"p": torch.ones(3)}),
    ):
        layer(torch.zeros(3))
    with layer.elastic.routing.routed({"p": Weighted((0.0, 0.25), torch.tensor([0.5, 0.5]))}):
        assert layer(torch.ones(1000)).unique().numel() == 2


def test_the_wrong_number_of_weights():
    layer, routing = shared(nn.Linear(3, ELASTIC["w"]))
    with (
        pytest.raises(ConfigError, match="'w' has 3 options and needs as many weights"),
        routing.routed({"w": torch.ones(2)}),
    ):
        layer(torch.zeros(1, 3))


def test_too_many_combinations():
    sizes = [elastic(f"s{i}", as_domain("", list(range(1, 9)))) for i in range(4)]
    layer = swap_elastic(nn.Linear(2, sum(sizes)), Routing([f"s{i}" for i in range(4)]))
    with (
        pytest.raises(ConfigError, match="4096 combinations"),
        layer.elastic.routing.routed({f"s{i}": torch.ones(8) for i in range(4)}),
    ):
        layer(torch.zeros(1, 2))


def test_code_that_is_not_torchs_sees_the_largest_weighted_size():
    class Doubled(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.width = width

        def forward(self, x):
            return x.view(-1, self.width) * 2

    model, routing = shared(Doubled(ELASTIC["w"]))
    assert isinstance(model, ElasticLayer)
    with routing.routed({"w": torch.ones(3)}):
        assert model(torch.zeros(32)).shape == (2, 16)
    with routing.routed({"w": Weighted((4, 8), torch.ones(2))}):
        assert model(torch.zeros(32)).shape == (4, 8)


def test_partial_channels_of_a_weighted_width():
    layer, routing = shared(nn.Conv2d(ELASTIC["w"], ELASTIC["w"], 1, bias=False))
    gate, x = torch.tensor([0.2, 0.5, 0.3]), torch.randn(2, 8, 3, 3)
    with routing.routed({"w": gate}), routing.divided(2):
        found = layer(x)
    mask = sum(w * (torch.arange(8) < n) for w, n in zip(gate, OPTIONS["w"], strict=True))
    expected = torch.conv2d(x, layer.weight[:8, :8]) * mask.view(-1, 1, 1)
    torch.testing.assert_close(found, expected)


def test_what_cannot_be_weighted_is_known_before():
    class Own(nn.Module):
        def __init__(self, number):
            super().__init__()
            self.number = number

    rate = elastic("rate", uniform(0.0, 0.5))
    model = nn.ModuleList(
        [
            nn.Linear(3, ELASTIC["v"]),
            Own(ELASTIC["v"] * ELASTIC["s"]),
            nn.MultiheadAttention(ELASTIC["w"], 2),
            nn.Dropout(rate),
            nn.MaxPool2d(ELASTIC["k"]),
        ]
    )
    assert unweighable(swap_elastic(model, Routing([*OPTIONS, "rate"]))) == {
        "s": "no layer of torch sums over it",
        "w": "a MultiheadAttention cannot run several sizes by weight",
        "rate": "it is a range of numbers without end",
    }
