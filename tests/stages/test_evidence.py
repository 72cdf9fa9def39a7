"""What a test result holds besides its metrics."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional

from archloom.stages import evidence
from archloom.task import Classes, Custom, Labels, Mixed, Numbers


def test_of_labels_the_counts() -> None:
    outputs = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    found = evidence(Labels(("a", "b")), outputs, targets)
    assert found["labels"] == ["a", "b"]
    assert found["counts"] == [[1, 1, 1, 1], [2, 0, 0, 2]]
    assert found["details"]["auc[b]"] == 1.0


def test_of_numbers_pairs_in_natural_units() -> None:
    target = Numbers(("x", "y"), (10.0, 0.0), (2.0, 1.0))
    found = evidence(target, torch.tensor([[1.0, 0.1234567], [0.0, 1.0]]), torch.ones(2, 2))
    assert found["columns"] == ["x", "y"]
    assert found["pairs"] == [[[12.0, 10.0], [1.0, 1.0]], [[0.123457, 1.0], [1.0, 1.0]]]


@pytest.mark.parametrize(("count", "kept"), [(1000, 1000), (1001, 501), (5500, 917)])
def test_a_record_holds_a_thousand_pairs_at_most(count: int, kept: int) -> None:
    column = torch.arange(float(count)).reshape(-1, 1)
    found = evidence(Numbers(("x",)), column, column + 1)
    predicted, true = found["pairs"][0]
    assert len(predicted) == len(true) == kept
    assert [t - p for p, t in zip(predicted, true, strict=True)] == [1.0] * kept


def test_of_a_mixed_target_every_part() -> None:
    target = Mixed({"c": Classes(("a", "b")), "n": Numbers(("x",))})
    outputs = torch.tensor([[2.0, 0.0, 5.0], [0.0, 2.0, 6.0]])
    found = evidence(target, outputs, torch.tensor([[0.0, 5.0], [0.0, 7.0]]))
    assert found["parts"]["c"]["confusion"] == [[1, 1], [0, 0]]
    assert found["parts"]["n"]["pairs"] == [[[5.0, 6.0], [5.0, 7.0]]]
    json.dumps(found)


def test_outputs_of_ones_own_are_not_read() -> None:
    assert evidence(Custom(("a",), functional.mse_loss), torch.zeros(3, 1), torch.zeros(3)) == {}
    assert evidence(Classes(("a", "b")), {"label": torch.zeros(3, 2)}, torch.zeros(3)) == {}
    assert evidence(Classes(("a", "b")), torch.zeros(3, 5), torch.zeros(3).long()) == {}
