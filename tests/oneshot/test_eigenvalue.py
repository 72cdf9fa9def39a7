"""The largest eigenvalue agrees with that of the full Hessian; the rule is the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from supernet_views import two_ops, view
from torch import Tensor

from archloom import Architecture
from archloom.errors import ConfigError
from archloom.oneshot import Darts, Eigenvalue, Past, Uniform, largest_eigenvalue


def test_it_is_the_largest_eigenvalue_of_the_full_hessian_of_a_supernet() -> None:
    seen = view(two_ops, Darts())
    assert isinstance(seen.gates, Darts)
    alphas = dict(seen.gates.parameters())
    with torch.no_grad():
        for number, alpha in enumerate(alphas.values()):
            alpha.copy_(torch.randn(3, generator=torch.Generator().manual_seed(number)))

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([len(alpha) for alpha in alphas.values()])
        weights = {name: part.softmax(0) for name, part in zip(alphas, parts, strict=True)}
        return seen.judge(weights).loss

    at = torch.cat([alpha.detach() for alpha in alphas.values()])
    hessian = torch.autograd.functional.hessian(loss, at)
    expected = float(torch.linalg.eigvalsh(hessian.double())[-1])
    found = seen.gates.loss(seen.judge, np.random.default_rng(0))
    assert largest_eigenvalue(found, list(alphas.values())) == pytest.approx(expected, rel=1e-5)
    looked = Eigenvalue().look(seen)
    assert looked.figures["eigenvalue"] == pytest.approx(expected, rel=1e-5)


def test_few_lanczos_steps_find_it_among_many_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(200, 200, generator=generator, dtype=torch.float64)
    matrix = root @ root.T / 200 - torch.eye(200, dtype=torch.float64)
    x = torch.randn(200, generator=generator, dtype=torch.float64).requires_grad_()
    found = largest_eigenvalue(x @ matrix @ x / 2, [x], steps=60)
    assert found == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-6)


@pytest.mark.parametrize("scale", [-2.0, 0.0, 3.0])
def test_multiples_of_the_identity_end_after_one_step(scale: float) -> None:
    x = torch.ones(5, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    loss = scale * (x @ x + y @ y) / 2
    assert largest_eigenvalue(loss, [x, y]) == pytest.approx(scale)


def test_a_loss_without_second_derivative_is_an_error() -> None:
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(ConfigError, match="no second derivative"):
        largest_eigenvalue(x.sum(), [x])
    with pytest.raises(ConfigError, match="Uniform has none"):
        Eigenvalue().look(view(two_ops, Uniform()))


def _past(values: list[float]) -> list[Past]:
    return [
        Past(epoch, Architecture({"epoch": epoch}), {"eigenvalue": value})
        for epoch, value in enumerate(values, start=1)
    ]


def _stops(values: list[float], guard: Eigenvalue) -> tuple[int, int] | None:
    """Go through the epochs of a record: where it stops, and the epoch that it goes back to."""
    for epoch in range(1, len(values) + 1):
        verdict = guard._verdict(_past(values)[:epoch])
        if verdict is not None:
            assert verdict.action == "stop"
            assert verdict.architecture is not None
            return epoch, int(str(verdict.architecture["epoch"]))
    return None


def test_the_rule_is_the_ratio_of_averages_around_epochs() -> None:
    values = [1.0] * 14 + [1.0 + 0.2 * n for n in range(1, 20)]
    guard = Eigenvalue(after=0)
    found = _stops(values, guard)

    def average(epoch: int) -> float:  # around an epoch, counted from 1
        return float(np.mean(values[epoch - 3 : epoch + 2]))

    first = next(i for i in range(8, len(values) - 1) if average(i - 5) / average(i) < 0.75)
    assert found == (first + 2, first - 5), "known two epochs later, when the average is"


def test_flat_falling_and_negative_curvature_stops_nothing() -> None:
    assert _stops([1.0] * 40, Eigenvalue()) is None
    assert _stops([40.0 - n for n in range(40)], Eigenvalue()) is None
    assert _stops([-1.0 - n for n in range(40)], Eigenvalue()) is None
    assert _stops([1.0, *([9.0] * 30)], Eigenvalue(after=0, window=1, back=1)) == (2, 1)


def test_nothing_stops_before_the_architecture_to_go_back_to_is_old_enough() -> None:
    values = [1.1**n for n in range(40)]
    found = _stops(values, Eigenvalue(after=10))
    assert found is not None
    assert found[1] == 10


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="odd, got 4: 3 or 5"):
        Eigenvalue(window=4)
    with pytest.raises(ConfigError, match="ratio is between 0 and 1"):
        Eigenvalue(ratio=1.5)
    with pytest.raises(ConfigError, match="back is at least 1"):
        Eigenvalue(back=0)
