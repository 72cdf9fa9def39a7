"""The space for text: what fills a text up never counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from members import count, trained
from torch.nn.functional import cross_entropy

from archloom.errors import ConfigError
from archloom.testing import check_model_space
from archloom.zoo import text_net

SPACE = text_net(vocabulary=50, length=10, classes=3)
READERS = ["bag", "convolutions", "recurrent", "attention"]


def point(**given: Any) -> dict[str, Any]:
    given = {name.replace("__", "."): value for name, value in given.items()}
    return dict(SPACE.space.complete({}, lambda c: given.get(c.label, c.domain.default)))


def test_contract() -> None:
    check_model_space(SPACE, torch.zeros(2, 10, dtype=torch.int64), samples=3)


@pytest.mark.parametrize("length", [1, 2, 65, 130])
def test_lengths(length: int) -> None:
    space = text_net(vocabulary=9, length=length, classes=2)
    space.verify(torch.zeros(2, length, dtype=torch.int64), (2, 2))


def test_length_replaces_the_shape() -> None:
    hints = {"shape": [12], "vocabulary": 30, "length": 12, "classes": 4}
    space = text_net.with_hints(hints)
    assert space.settings["vocabulary"] == 30
    space.verify(torch.zeros(2, 12, dtype=torch.int64), (2, 4))


@pytest.mark.parametrize("settings", [{"shape": (2, 3)}, {"length": 0}, {"vocabulary": 1}])
def test_what_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="text_net needs texts of shape"):
        _ = text_net(**settings).space


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("length", [10, 150])
def test_padding_never_counts(reader: str, length: int) -> None:
    space = SPACE(length=length)
    buckets = {"reader__bag__buckets": 5_000}
    torch.manual_seed(0)
    model = space.build(point(reader=reader, **buckets)).eval()
    texts = torch.randint(1, 50, (4, length), generator=torch.Generator().manual_seed(0))
    ends = torch.tensor([1, length // 4, length // 2, length * 3 // 4])
    texts[torch.arange(length) >= ends[:, None]] = 0
    with torch.no_grad():
        whole = model(texts)
        for row, end in enumerate(ends):
            alone = model(texts[row : row + 1, :end])
            assert torch.allclose(alone[0], whole[row], atol=1e-5)
            changed = texts[row : row + 1].clone()
            changed[0, end - 1] = changed[0, end - 1] % 49 + 1
            assert not torch.allclose(model(changed)[0], whole[row], atol=1e-5)


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_text_gives_numbers(reader: str) -> None:
    model = SPACE.build(point(reader=reader))
    out = model(torch.zeros(2, 10, dtype=torch.int64))
    assert torch.isfinite(out).all()
    out.sum().backward()
    assert all(
        torch.isfinite(weight.grad).all()
        for weight in model.parameters()
        if weight.grad is not None
    )


def test_the_cnn_of_kim_is_in_it() -> None:
    """Embedding, 100 filters each of 3, 4 and 5 words, a linear layer."""
    kim = {"reader__convolutions__filters": 100, "reader__convolutions__kernels": (3, 4, 5)}
    model = SPACE.build(point(width=128, reader="convolutions", **kim), device="meta")
    assert count(model) == 50 * 128 + (3 + 4 + 5) * 128 * 100 + 300 + 301 * 3


@pytest.mark.parametrize("reader", READERS)
def test_order_matters_where_it_should(reader: str) -> None:
    torch.manual_seed(0)
    model = SPACE.build(point(reader=reader, reader__bag__buckets=0)).eval()
    texts = torch.arange(1, 11).unsqueeze(0)
    same = torch.allclose(model(texts), model(texts.flip(1)), atol=1e-6)
    assert same == (reader == "bag")


def test_gradients() -> None:
    rng = np.random.default_rng(0)
    texts = torch.tensor(rng.integers(1, 50, (8, 10)))
    for reader in READERS:
        torch.manual_seed(0)
        model = SPACE.build(point(reader=reader, reader__bag__buckets=5_000))
        model(texts).square().sum().backward()
        for name, weight in model.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("reader", READERS)
def test_a_telling_word_is_found(reader: str) -> None:
    rng = np.random.default_rng(0)
    texts = torch.tensor(rng.integers(5, 50, (400, 10)))
    texts[:, 7:][torch.tensor(rng.random((400, 3))) < 0.5] = 0
    labels = torch.arange(400) % 3
    texts[torch.arange(400), torch.tensor(rng.integers(0, 7, 400))] = labels + 1
    torch.manual_seed(0)
    model = SPACE.build(point(reader=reader, reader__bag__buckets=0))
    trained(model, texts[:300], labels[:300], cross_entropy, 60, lr=1e-2)
    with torch.no_grad():
        assert (model(texts[300:]).argmax(1) == labels[300:]).float().mean() > 0.85
