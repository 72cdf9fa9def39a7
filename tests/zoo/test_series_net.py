"""The space for series, and the published networks in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from members import check_gradients, count, trained
from torch.nn.functional import cross_entropy

from archloom.errors import ConfigError
from archloom.nn import ModelSpace
from archloom.testing import check_model_space
from archloom.zoo import series_net

SHAPES = [(1, 1), (1, 8), (12, 30), (2, 256), (2, 257), (1, 5000)]
BOTH = {"series": (4, 40), "static": (3,)}


def point(space: ModelSpace, **given: Any) -> dict[str, Any]:
    given = {name.replace("__", "."): value for name, value in given.items()}
    return dict(space.space.complete({}, lambda c: given.get(c.label, c.domain.default)))


@pytest.mark.parametrize("shape", [(1, 40), BOTH])
def test_contract(shape: Any) -> None:
    example = torch.zeros(2, 1, 40)
    if shape is BOTH:
        example = {"series": torch.zeros(2, 4, 40), "static": torch.zeros(2, 3)}
    check_model_space(series_net(shape=shape), example, samples=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_lengths(shape: tuple[int, int]) -> None:
    space = series_net(shape=shape, classes=3)
    assert ("stem" in space.space.labels) == (shape[1] > 256)
    rng = np.random.default_rng(0)
    for architecture in (space.space.default(), *(space.space.sample(rng) for _ in range(3))):
        assert space.build(architecture, device="meta")(
            torch.zeros(2, *shape, device="meta")
        ).shape == (2, 3)


@pytest.mark.parametrize("shape", [(8,), (1, 28, 28), {"series": (1, 8)}, {"a": (1, 8), "b": (2,)}])
def test_other_shapes_are_refused(shape: Any) -> None:
    with pytest.raises(ConfigError, match=r"series_net needs series of shape .* got"):
        _ = series_net(shape=shape).space


def test_inception_time_is_in_it() -> None:
    """69,056 + 5 x 77,056 + shortcuts 640 + 256 + head 258, counted by hand from the paper."""
    space = series_net(shape=(3, 51), classes=2)
    inception = {"body": "inception", "body__inception__filters": 32}
    inception |= {"body__inception__longest": 39, "body__inception__blocks": 2}
    inception |= {f"body__inception__blocks__{i}__modules": 3 for i in range(2)}
    settings = {"shrink": False, "pooling": "average", "context": "none"}
    assert count(space.build(point(space, **inception, **settings), device="meta")) == 455_490


def test_the_residual_network_of_wang_is_in_it() -> None:
    """Blocks 34,816 + 197,632 + 246,784 and head 258, counted by hand from the paper."""
    space = series_net(shape=(3, 51), classes=2)
    resnet = {"body": "residual", "body__residual__width": 64, "body__residual__blocks": 3}
    resnet |= {"body__residual__kernels": (7, 5, 3)}
    settings = {"shrink": False, "pooling": "average", "context": "none"}
    assert count(space.build(point(space, **resnet, **settings), device="meta")) == 479_490


def test_dilation_doubles() -> None:
    space = series_net(shape=(1, 100))
    dilated = {"body": "dilated", "body__dilated__blocks": 5, "body__dilated__width": 16}
    model = space.build(point(space, shrink=False, **dilated), device="meta")
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv1d) and m.kernel_size[0] > 1]
    assert [conv.dilation[0] for conv in convs] == [2**i for i in range(5) for _ in range(2)]


@pytest.mark.parametrize("context", ["none", "recurrent", "attention"])
@pytest.mark.parametrize("pooling", ["average", "maximum", "average+maximum", "attention"])
def test_static_numbers_count(context: str, pooling: str) -> None:
    space = series_net(shape=BOTH, classes=2)
    torch.manual_seed(0)
    model = space.build(point(space, context=context, pooling=pooling)).eval()
    series = torch.randn(3, 4, 40)
    with torch.no_grad():
        one, other = (model(series=series, static=torch.full((3, 3), v)) for v in (0.0, 1.0))
    assert one.shape == (3, 2)
    assert not torch.allclose(one, other)


def test_gradients() -> None:
    check_gradients(series_net(shape=(2, 20), classes=3), torch.zeros(2, 2, 20))
    example = {"series": torch.zeros(2, 4, 40), "static": torch.zeros(2, 3)}
    check_gradients(series_net(shape=BOTH), example, samples=2)


@pytest.mark.parametrize("body", ["residual", "inception", "dilated"])
def test_frequencies_are_told_apart(body: str) -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(300) % 3
    phase = 6.28 * torch.rand(300, 1, generator=generator)
    waves = torch.sin(torch.linspace(0, 6.28, 32) * (2 + labels[:, None]) + phase)
    series = (waves + 0.3 * torch.randn(300, 32, generator=generator)).unsqueeze(1)
    space = series_net(shape=(1, 32), classes=3)
    torch.manual_seed(0)
    model = space.build(point(space, body=body, pooling="average"))
    trained(model, series[:200], labels[:200], cross_entropy, 40)
    with torch.no_grad():
        assert (model(series[200:]).argmax(1) == labels[200:]).float().mean() > 0.85
