"""Every built-in stage keeps the contract of stages."""

from __future__ import annotations

from collections.abc import Sequence

from archloom import (
    BlackBox,
    Cost,
    CrossValidate,
    Ensemble,
    Evolution,
    Inherited,
    OneShot,
    Random,
    Repeat,
    Retrain,
    Test,
    Train,
    combine,
)
from archloom.oneshot import Darts, FairNas, Monitor, Perturbation, SkipCount
from archloom.stages import Screen, Stage
from archloom.testing import StageContract

TRAIN = Train(epochs=1, batch_size=16, channels_last=False)


class TestBlackBox(StageContract):
    def make(self) -> Sequence[Stage]:
        return [BlackBox(Evolution(population=2, sample=1), combine(TRAIN, Cost()), trials=3)]


class TestRepeatedSearch(StageContract):
    def make(self) -> Sequence[Stage]:
        return [BlackBox(Random(), Repeat(TRAIN, times=2), trials=2, keep=1)]


class TestRetrainAndTest(StageContract):
    def make(self) -> Sequence[Stage]:
        return [BlackBox(Random(), TRAIN, trials=2), Retrain(top=2, epochs=2), Test()]


class TestEnsembleOfRetrained(StageContract):
    def make(self) -> Sequence[Stage]:
        search = BlackBox(Random(), TRAIN, trials=2)
        return [search, Retrain(epochs=1), Ensemble(tta=True, threshold=0.4), Test()]


class TestDistilledEnsemble(StageContract):
    def make(self) -> Sequence[Stage]:
        search = BlackBox(Random(), CrossValidate(TRAIN, folds=2), trials=2)
        return [search, Ensemble(temperature=True, distill=True), Test()]


class TestOneShotThatDerives(StageContract):
    def make(self) -> Sequence[Stage]:
        darts = OneShot(Darts(), epochs=2, batch_size=8, channels_last=False, guards=[SkipCount()])
        return [darts, Retrain(epochs=1, estimator=TRAIN), Test()]


class TestOneShotThatSamples(StageContract):
    def make(self) -> Sequence[Stage]:
        fair = OneShot(FairNas(), epochs=2, batch_size=8, channels_last=False)
        scored = combine(Inherited(), Cost())
        search = BlackBox(Evolution(population=2, sample=1), scored, trials=3)
        return [fair, search, Retrain(epochs=1, estimator=TRAIN)]


class TestOneShotThatIsMonitored(StageContract):
    def make(self) -> Sequence[Stage]:
        monitor = Monitor(every=1, architectures=2, epochs=1, on_trouble="switch", level=1.0)
        darts = OneShot(
            Darts(),
            epochs=2,
            batch_size=8,
            channels_last=False,
            monitor=monitor,
            train=TRAIN,
            penalty="params:0.1",
        )
        return [darts]


class TestOneShotThatPerturbs(StageContract):
    def make(self) -> Sequence[Stage]:
        perturb = Perturbation(tune_epochs=2)
        darts = OneShot(Darts(), epochs=1, batch_size=8, channels_last=False, perturb=perturb)
        return [darts]


class TestScreenedSearch(StageContract):
    def make(self) -> Sequence[Stage]:
        screen = Screen(pool=6, scores=["naswot"], checks=4, top=1, batch=8)
        return [screen, BlackBox(Evolution(population=2, sample=1), TRAIN, trials=2)]


class TestUncheckedScreen(StageContract):
    def make(self) -> Sequence[Stage]:
        screen = Screen(pool=4, checks=0, top=2, cheap=TRAIN)
        return [screen, BlackBox(Random(), TRAIN, trials=2)]
