"""Searches whose strategy spends a share of the effort and promotes what looks good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archloom import BlackBox, Cost, Experiment, Random, Retrain, State, Study, Train, combine
from archloom.errors import ConfigError
from archloom.estimators import Candidate, Estimator
from archloom.stages import Stage
from archloom.strategies import Offer, Strategy
from archloom.testing import StageContract, tiny_space, tiny_task
from archloom.train import CHECKPOINT
from archloom.trial import Proposal, Trial

TRAIN = Train(epochs=4, batch_size=16, channels_last=False)


@dataclass
class Rungs(Strategy):
    """Begins with a quarter of the effort; of each two the better one gets twice as much."""

    seed: int | None = None

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        if len(offer.budgets) == 1:
            raise ConfigError("Rungs needs an estimator with budgets.")

    def setup(self, *about: Any) -> None:
        super().setup(*about)
        self.started: dict[int, Trial] = {}
        self.done: dict[int, Trial] = {}

    def ask(self, number: int) -> Proposal | None:
        promoted = {trial.parent for trial in self.started.values()}
        for budget in (0.5, 0.25):
            rung = [t for t in self.done.values() if t.budget == budget]
            better = sorted(rung, key=lambda t: -(self._gain(t) or 0.0))[: len(rung) // 2]
            for trial in better:
                if trial.number not in promoted:
                    return Proposal(trial.architecture, parent=trial.number, budget=2 * budget)
        tried = {trial.architecture for trial in self.started.values()}
        fresh = [a for a in self._space.enumerate() if a not in tried]
        return Proposal(fresh[0], budget=0.25) if fresh else None

    def tell(self, trial: Trial) -> None:
        self.started.setdefault(trial.number, trial)
        if trial.state.ended:
            self.done[trial.number] = trial


def search(
    folder: Path,
    estimator: Estimator = TRAIN,
    trials: int = 2,
    more: Sequence[Stage] = (),
    **settings: Any,
) -> Study:
    stage = BlackBox(settings.pop("strategy", Rungs()), estimator, trials=trials, keep=1)
    stages = [stage, *more]
    return Experiment(
        tiny_space, tiny_task(), stages, folder, progress=False, device="cpu", **settings
    ).run()


def promotions(study: Study) -> list[Trial]:
    return [trial for trial in study.trials("search") if study.promoted_from(trial)]


def test_trials_count_the_work_in_full_trainings(tmp_path: Path) -> None:
    study = search(tmp_path, trials=2)
    work = 0.0
    for trial in study.trials():
        before = study.promoted_from(trial)
        assert work < 2, "no trial begins once the work is done"
        work += trial.effort - (before.effort if before else 0.0)
    assert 2 <= work < 2 + 0.5
    assert len(study) > 2
    note = study.note("stage-end")
    assert note is not None
    assert note["reason"] == f"{len(study)} trials did the work of {work:.3g} full ones"


def test_work_is_summed_without_rounding_errors(tmp_path: Path) -> None:
    tenths = Train(epochs=10, batch_size=64, channels_last=False)

    @dataclass
    class Tenths(Strategy):
        def ask(self, number: int) -> Proposal | None:
            return Proposal(self._space.default(), budget=0.1)

        def tell(self, trial: Trial) -> None:
            pass

    assert len(search(tmp_path, tenths, trials=1, strategy=Tenths())) == 10


def test_a_promoted_trial_has_its_parents_seed_and_whole_curve(tmp_path: Path) -> None:
    study = search(tmp_path)
    promoted = promotions(study)
    assert promoted
    for trial in promoted:
        parent = study.promoted_from(trial)
        assert parent is not None
        assert trial.seed == parent.seed
        assert trial.curve[: len(parent.curve)] == parent.curve
        assert [step for step, _ in trial.curve] == list(range(1, round(4 * trial.effort) + 1))
    fresh = [trial for trial in study.trials() if trial not in promoted]
    assert len({trial.seed for trial in fresh}) == len(fresh)


def test_a_promoted_trial_is_the_training_that_a_full_trial_makes(tmp_path: Path) -> None:
    study = search(tmp_path / "parts", trials=4)
    full = [trial for trial in promotions(study) if trial.effort == 1.0]
    assert full

    @dataclass
    class Whole(Strategy):
        def ask(self, number: int) -> Proposal | None:
            return Proposal(full[0].architecture)

        def tell(self, trial: Trial) -> None:
            pass

    @dataclass(frozen=True)
    class Seeded:
        def __call__(self, candidate: Candidate) -> dict[str, float]:
            candidate.seed = full[0].seed
            return TRAIN(candidate)

    [alone] = search(tmp_path / "whole", Seeded(), trials=1, strategy=Whole()).trials()
    assert alone.metrics == full[0].metrics
    assert alone.curve == full[0].curve


def test_files_stay_while_a_trial_may_be_promoted_and_not_longer(tmp_path: Path) -> None:
    present: list[set[str]] = []
    checkpoints: list[int] = []

    def watch(event: Any, study: Study) -> None:
        stored = tmp_path / "trials"
        present.append({path.name for path in stored.glob("*") if any(path.iterdir())})
        checkpoints.append(len(list(stored.rglob(CHECKPOINT))))

    stage = BlackBox(Rungs(), TRAIN, trials=2, keep=1)
    study = Experiment(tiny_space, tiny_task(), [stage], tmp_path, progress=watch).run()
    assert max(checkpoints) > 1
    assert max(map(len, present)) > 1
    kept = list((tmp_path / "trials").iterdir())
    best = study.best()
    assert [path.name for path in kept] == [f"{best.number:05d}"]
    assert not list(tmp_path.rglob(CHECKPOINT))
    assert (kept[0] / "weights.pt").is_file()


def test_the_best_is_of_the_highest_budget_and_is_retrained_from_scratch(tmp_path: Path) -> None:
    study = search(tmp_path, more=[Retrain(epochs=4)])
    [again] = study.trials("retrain")
    parent = study[again.parent or 0]
    assert parent.effort == max(trial.effort for trial in study.trials("search"))
    assert study.promoted_from(again) is None
    assert again.budget is None
    assert again.seed != parent.seed


def test_costs_are_combined_and_workers_go_on_from_each_others_checkpoints(tmp_path: Path) -> None:
    study = search(tmp_path, combine(TRAIN, Cost()), workers=2)
    assert not study.trials(None, State.FAILED)
    for trial in promotions(study):
        parent = study.promoted_from(trial)
        assert parent is not None
        assert trial.curve[: len(parent.curve)] == parent.curve
        assert trial.metrics["flops"] == parent.metrics["flops"]


def test_from_scratch_on_shares_of_the_data_the_whole_budget_counts(tmp_path: Path) -> None:
    data = Train(epochs=1, fidelity="data", batch_size=16, channels_last=False)
    study = search(tmp_path, data, trials=2)
    assert promotions(study)
    assert 2 <= sum(trial.effort for trial in study.trials()) < 3


def test_a_strategy_that_needs_budgets_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match="needs an estimator with budgets"):
        search(folder, Train(epochs=1))
    with pytest.raises(ConfigError, match="needs an estimator with budgets"):
        search(folder, Train(seconds=1.0))
    assert not folder.exists()


def test_a_budget_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"got 0.25; offered are 0.3333, 0.6667, 1"):
        search(tmp_path, Train(epochs=3))


@pytest.mark.parametrize("budgets", [(), (0.5,), (0.5, 0.5, 1.0), (0.0, 1.0), (1.0, 0.5)])
def test_budgets_that_do_not_ascend_to_one_are_refused(
    tmp_path: Path, budgets: tuple[float, ...]
) -> None:
    @dataclass(frozen=True)
    class Odd:
        def budgets(self) -> tuple[float, ...]:
            return budgets

        def __call__(self, candidate: Candidate) -> dict[str, float]:
            return {"accuracy": 0.5}

    with pytest.raises(ConfigError, match="ascending to 1"):
        search(tmp_path, Odd())


def test_the_offer_is_what_the_run_has(tmp_path: Path) -> None:
    offers: list[Offer] = []

    @dataclass
    class Curious(Random):
        def accept(self, offer: Offer) -> None:
            offers.append(offer)
            super().accept(offer)

    search(
        tmp_path,
        combine(TRAIN, Cost()),
        trials=1,
        strategy=Curious(),
        objectives=["accuracy", "min params"],
        constraints=["params <= 100"],
    )
    assert [str(objective) for objective in offers[-1].objectives] == [
        "max accuracy",
        "min params",
    ]
    assert offers[-1].budgets == (0.25, 0.5, 0.75, 1.0)
    feasible = offers[-1].feasible
    assert feasible is not None
    fits = {a["width"]: feasible(a) for a in tiny_space.space.enumerate()}
    # a hidden layer of width w: 16 w + w weights and biases, then 2 w + 2
    assert fits == {width: 19 * width + 2 <= 100 for width in (2, 4, 8)}


class TestPromotions(StageContract):
    def make(self) -> Sequence[Stage]:
        train = Train(epochs=4, batch_size=32, channels_last=False)
        return [BlackBox(Rungs(), combine(train, Cost()), trials=1, keep=1)]
