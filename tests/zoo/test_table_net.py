"""The space for tables: embeddings, bodies, and an ensemble that shares its weights."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from members import check_gradients, count, trained
from sklearn.datasets import load_diabetes, load_wine
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from archloom.errors import ConfigError
from archloom.nn import ModelSpace
from archloom.testing import check_model_space
from archloom.zoo import table_net
from archloom.zoo._table_parts import categories, heads, periodic, pieces, shared_linear

BOTH = table_net(shape={"numbers": (5,), "categories": (2,)}, cardinalities=(3, 7))
EXAMPLE = {"numbers": torch.zeros(2, 5), "categories": torch.zeros(2, 2, dtype=torch.int64)}


def point(space: ModelSpace, **given: Any) -> dict[str, Any]:
    given = {name.replace("__", "."): value for name, value in given.items()}
    return dict(space.space.complete({}, lambda c: given.get(c.label, c.domain.default)))


def test_contract() -> None:
    check_model_space(table_net, torch.zeros(2, 8), samples=3)
    check_model_space(BOTH, EXAMPLE, samples=3)


def test_one_kind_of_columns_alone() -> None:
    only = table_net(shape={"categories": (2,)}, cardinalities=(3, 7), classes=4)
    only.verify({"categories": EXAMPLE["categories"]}, (2, 4))
    only = table_net(shape={"numbers": (5,)}, classes=4)
    only.verify({"numbers": EXAMPLE["numbers"]}, (2, 4))


def test_many_numbers_are_not_embedded() -> None:
    space = table_net(shape=(129,))
    assert "numbers" not in space.space.labels
    space.verify(torch.zeros(2, 129), (2, 2))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shape": (3, 4)}, "needs rows of shape"),
        ({"shape": {"numbers": (3,), "text": (4,)}}, "needs rows of shape"),
        ({"shape": {}}, "needs rows of shape"),
        ({"shape": {"categories": (2,)}}, "number of categories of each of the 2 columns"),
        ({"shape": {"categories": (2,)}, "cardinalities": (3, 0)}, "at least 1, got"),
        ({"shape": (3,), "cardinalities": (3,)}, "each of the 0 columns"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _ = table_net(**settings).space


def test_the_resnet_of_gorishniy_is_in_it() -> None:
    """Width d, hidden h, n blocks: d(f+1) + n(2d + dh + h + hd + d) + 2d + o(d+1)."""
    space = table_net(shape=(8,), classes=3)
    resnet = {"numbers": "plain", "body": "resnet", "body__resnet__width": 128}
    resnet |= {"body__resnet__expansion": 2, "body__resnet__blocks": 3}
    d, h = 128, 256
    published = d * 9 + 3 * (2 * d + 2 * d * h + h + d) + 2 * d + 3 * (d + 1)
    assert count(space.build(point(space, **resnet), device="meta")) == published


def test_an_ensemble_shares_its_weights() -> None:
    """TabM: a member adds to each layer only its scales and its bias, and a head of its own."""
    space = table_net(shape=(8,), classes=3)
    ensemble = {"numbers": "plain", "body": "ensemble", "body__ensemble__width": 64}
    ensemble |= {"body__ensemble__layers": 2, "body__ensemble__members": 16}
    shared = 8 * 64 + 64 * 64
    each = (8 + 2 * 64) + (64 + 2 * 64) + (64 + 1) * 3
    assert count(space.build(point(space, **ensemble), device="meta")) == shared + 16 * each


def test_a_member_of_an_ensemble_is_a_perceptron() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(shared_linear(4, 6, 3, first=True), nn.ReLU(), heads(6, 2, 3))
    layer, _, head = model
    x = torch.randn(5, 4)
    members = []
    for k in range(3):
        scale_in, scale_out = layer.scale_in.view(3, 4)[k], layer.scale_out.view(3, 6)[k]
        hidden = (x * scale_in) @ layer.linear.weight.T * scale_out + layer.bias.view(3, 6)[k]
        members.append(hidden.relu() @ head.weight[k] + head.bias.view(3, 2)[k])
    assert set(layer.scale_in.tolist()) == {-1.0, 1.0}
    assert torch.allclose(model(x), torch.stack(members).mean(0), atol=1e-6)


def test_one_taught_member_at_a_time_gives_one_of_their_outputs() -> None:
    torch.manual_seed(0)
    head = heads(6, 2, 4, taught="one")
    x = torch.randn(50, 4, 6)
    members = x.transpose(0, 1) @ head.weight + head.bias.view(4, 1, 2)
    taught = [(head.train()(x) - one).abs().amax(1) < 1e-6 for one in members]
    assert all(0 < one.sum() < 50 for one in taught)
    chosen = head(x)
    found = torch.stack([(chosen - one).abs().amax(1) < 1e-6 for one in members])
    assert found.sum(0).tolist() == [1] * 50
    assert torch.allclose(head.eval()(x), members.mean(0), atol=1e-6)


def test_half_of_the_members_taught() -> None:
    torch.manual_seed(0)
    head = heads(6, 1, 2, taught="half")
    x = torch.randn(400, 2, 6)
    members = (x.transpose(0, 1) @ head.weight + head.bias.view(2, 1, 1)).squeeze(2)
    out = head.train()(x).squeeze(1)
    either = [*members, members.mean(0), torch.zeros(400)]
    shares = [((out - one).abs() < 1e-6).float().mean().item() for one in either]
    assert shares == pytest.approx([0.25] * 4, abs=0.06)
    assert torch.allclose(head.eval()(x).squeeze(1), members.mean(0), atol=1e-6)


def test_periodic_embedding_by_hand() -> None:
    torch.manual_seed(0)
    model, x = periodic(2, 3, 0.5, 4), torch.randn(5, 2)
    angles = 2 * torch.pi * x[:, :, None] * model.frequency.view(2, 3)
    waves = torch.cat([angles.cos(), angles.sin()], 2)
    linear = model.linear
    by_hand = [waves[:, i] @ linear.weight[i] + linear.bias.view(2, 4)[i] for i in range(2)]
    assert torch.allclose(model(x), torch.cat(by_hand, 1).relu(), atol=1e-5)


def test_pieces_are_linear_between_edges_and_even_in_number() -> None:
    model = pieces(1, 8, 4)
    starts, slopes = model.start, model.slope
    assert torch.allclose(starts[1:], (starts + 1 / slopes)[:-1], atol=1e-5)
    normal = torch.distributions.Normal(0.0, 1.0)
    shares = normal.cdf(starts + 1 / slopes) - normal.cdf(starts)
    assert torch.allclose(shares, torch.full((8,), 0.98 / 8), atol=1e-4)


def test_categories_have_rows_of_their_own() -> None:
    model = categories((3, 7), 4)
    assert model.table.weight.shape == (10, 4)
    out = model(torch.tensor([[2, 0], [0, 6]]))
    rows = model.table.weight
    assert torch.equal(out, torch.stack([rows[[2, 3]].flatten(), rows[[0, 9]].flatten()]))


def test_weight_decay_finds_only_matrices() -> None:
    """Scales, frequencies and edges would be pulled to zero, so they are kept as vectors."""
    for body in (periodic(3, 4, 1.0, 2), pieces(3, 8, 2), shared_linear(3, 4, 2)):
        matrices = {n.rpartition(".")[2] for n, p in body.named_parameters() if p.ndim > 1}
        assert matrices == {"weight"}


def test_a_loaded_model_uses_its_own_weights() -> None:
    model = BOTH.build(point(BOTH, numbers="periodic", body="ensemble")).eval()
    loaded = pickle.loads(pickle.dumps(model))
    batch = {"numbers": torch.randn(3, 5), "categories": torch.ones(3, 2, dtype=torch.int64)}
    before = loaded(**batch)
    assert torch.equal(before, model(**batch))
    with torch.no_grad():
        for name, weight in loaded.named_parameters():
            changed = copy.deepcopy(loaded)
            dict(changed.named_parameters())[name].add_(1.0 + weight.abs())
            assert not torch.equal(changed(**batch), before), name


def test_gradients() -> None:
    check_gradients(table_net(shape=(5,), classes=3), torch.zeros(2, 5), samples=6)


@pytest.mark.parametrize("body", ["mlp", "resnet", "ensemble"])
@pytest.mark.parametrize("numbers", ["plain", "periodic", "pieces"])
def test_wines_are_told_apart(body: str, numbers: str) -> None:
    X, y = load_wine(return_X_y=True)
    x = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
    labels, train = torch.tensor(y), torch.arange(len(y)) % 3 > 0
    space = table_net(shape=(13,), classes=3)
    torch.manual_seed(0)
    model = space.build(point(space, numbers=numbers, body=body))
    trained(model, x[train], labels[train], cross_entropy, 30)
    with torch.no_grad():
        assert (model(x[~train]).argmax(1) == labels[~train]).float().mean() > 0.9


def test_regression() -> None:
    X, y = load_diabetes(return_X_y=True)
    x = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
    target = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    space = table_net(shape=(10,), classes=1)
    torch.manual_seed(0)
    ensemble = {"body__ensemble__taught": "half", "body__ensemble__width": 64}
    model = space.build(point(space, numbers="plain", body="ensemble", **ensemble))
    trained(model, x[:300], target[:300], mse_loss, 60, lr=1e-3)
    with torch.no_grad():
        assert mse_loss(model(x[300:]), target[300:]) < 0.7
