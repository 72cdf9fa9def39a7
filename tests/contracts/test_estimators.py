"""Every built-in estimator keeps the contract of estimators."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archloom.estimators import (
    Candidate,
    Combined,
    Cost,
    CrossValidate,
    Estimator,
    Extrapolated,
    Inherited,
    LookUp,
    Repeat,
    TableLatency,
    Train,
    ZeroCost,
    combine,
)
from archloom.oneshot import save_supernet, supernet_path
from archloom.plugins import BUILT_IN, find
from archloom.testing import EstimatorContract


class TestTrain(EstimatorContract):
    reports_an_epoch = 1

    def make(self) -> Estimator:
        return Train(epochs=2, batch_size=16)


class TestTrainWithAllItHas(EstimatorContract):
    reports_an_epoch = 1

    def make(self) -> Estimator:
        return Train(
            optimizer="sgd",
            schedule="cosine",
            warmup=0.1,
            batch_size=8,
            augment=True,
            label_smoothing=0.1,
            fraction=0.5,
            clip=1.0,
            monitor="auc",
        )


class TestCost(EstimatorContract):
    def make(self) -> Estimator:
        return Cost(latency=True, batch=2, repeats=3)


class TestCombined(EstimatorContract):
    reports_an_epoch = 1

    def make(self) -> Estimator:
        return combine(Train(batch_size=16), Cost())


class TestRepeat(EstimatorContract):
    reports_an_epoch = 3

    def make(self) -> Estimator:
        return Repeat(Train(batch_size=16), times=3)


class TestRepeatOfCombined(EstimatorContract):
    reports_an_epoch = 2

    def make(self) -> Estimator:
        return Repeat(combine(Train(batch_size=16), Cost()), times=2)


class TestCrossValidate(EstimatorContract):
    reports_besides = 6

    def make(self) -> Estimator:
        return CrossValidate(Train(batch_size=16), folds=3, repeats=2)


class TestCrossValidateOfCombined(EstimatorContract):
    reports_besides = 2

    def make(self) -> Estimator:
        return combine(CrossValidate(Train(batch_size=16), folds=2), Cost())


class TestInherited(EstimatorContract):
    @pytest.fixture(autouse=True)
    def _supernet(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        content = {"supernet": self.space().supernet().state_dict()}
        path = supernet_path(tmp_path, "supernet")
        save_supernet(path, {**content, "layout": "contiguous", "done": 1})

    def make(self) -> Estimator:
        return Inherited()


class TestLookUp(EstimatorContract):
    path = Path("table.csv")

    @pytest.fixture(autouse=True)
    def _table(self, tmp_path: Path) -> None:
        self.path = tmp_path / "table.csv"
        self.path.write_text("width,valid\n2,0.5\n4,0.75\n")

    def make(self) -> Estimator:
        return LookUp(str(self.path), {"accuracy": "valid"}, "width")


def layers(candidate: Candidate) -> dict[str, float]:
    """A user's own estimator."""
    return {"layers": len(list(candidate.build().children()))}


class TestLatencyTable(EstimatorContract):
    def make(self) -> Estimator:
        return TableLatency(batch=2, repeats=2, members=2)


class TestTrainThatInherits(EstimatorContract):
    reports_an_epoch = 1

    def make(self) -> Estimator:
        return Train(epochs=2, batch_size=16, inherit="net2net")


class TestZeroCost(EstimatorContract):
    def make(self) -> Estimator:
        return ZeroCost(["naswot", "synflow", "grasp", "zen", "params"], batch=8, repeats=2)


class TestExtrapolated(EstimatorContract):
    reports_an_epoch = 1

    def make(self) -> Estimator:
        return Extrapolated(Train(epochs=4, batch_size=16), share=0.5)


class TestTrainOnSharesOfTheData(EstimatorContract):
    reports_an_epoch = 1

    def make(self) -> Estimator:
        return Train(epochs=2, batch_size=16, fidelity="data")


class TestFunction(EstimatorContract):
    def make(self) -> Estimator:
        return layers


def test_every_built_in_estimator_is_listed() -> None:
    tested = {
        type(contract().make())
        for contract in EstimatorContract.__subclasses__()
        if contract.__module__ == __name__
    }
    assert tested >= {find("estimators", name) for name in BUILT_IN["estimators"]}
    assert Combined in tested
