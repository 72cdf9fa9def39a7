"""Screening: which scores earn trust, what the search begins with, and what is on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom import BlackBox, Cost, Evolution, Experiment, LocalSearch, Random, Train, combine
from archloom.config import checked_config, make_experiment
from archloom.errors import ConfigError, TooManyFailures
from archloom.estimators import Candidate, ZeroCost
from archloom.report import write_report
from archloom.stages import Screen, Stage, checked_of, first_of, rebuild
from archloom.stages._trust import panel, ranked, weigh
from archloom.study import Study
from archloom.testing import tiny_space, tiny_task
from archloom.zoo import mlp

TRAIN = Train(epochs=1, batch_size=16, channels_last=False)


def by_width(candidate: Candidate) -> dict[str, float]:
    """A training whose result is known: the wider the better, relu before tanh."""
    architecture = candidate.architecture
    return {"accuracy": 0.1 * architecture["width"] + 0.01 * (architecture["act"] == "relu")}


def against_width(candidate: Candidate) -> dict[str, float]:
    return {"accuracy": 1.0 - by_width(candidate)["accuracy"]}


def equal_for_all(candidate: Candidate) -> dict[str, float]:
    return {"accuracy": 0.5}


def run(folder: Path, screen: Screen, estimator: Any = by_width, trials: int = 2) -> Study:
    stages: Sequence[Stage] = [screen, BlackBox(Random(), estimator, trials=trials)]
    return Experiment(tiny_space, tiny_task(), stages, folder, seed=1, progress=False).run()


def verdicts(study: Study) -> Mapping[str, Mapping[str, Any]]:
    note = study.note("screened")
    assert note is not None
    return {trust["score"]: trust for trust in note["trust"]}


def test_a_score_that_ranks_is_kept_and_its_best_are_searched_first(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, scores=["l2_norm"], checks=4, top=1))
    assert verdicts(study)["params"]["spearman"] > 0.7
    assert verdicts(study)["params"]["weight"] > 0
    [first] = first_of(study)
    checked = {trial.architecture for trial in study.trials("screen")}
    assert len(checked) == 4
    assert first not in checked
    assert study.trials("search")[0].architecture == first


def test_where_training_ranks_the_other_way_nothing_is_handed_on(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, checks=4), against_width)
    assert first_of(study) == ()
    assert all(trust["weight"] == 0 for trust in verdicts(study).values())
    assert "none is handed on" in study.notes("stage-end")[0].data["reason"]
    assert len(study.trials("search")) == 2


def test_where_all_train_alike_no_score_is_trusted(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, checks=5), equal_for_all)
    assert {trust["spearman"] for trust in verdicts(study).values()} == {0.0}
    assert first_of(study) == ()


def test_unchecked_scores_share_the_weight_and_nothing_is_trained(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, scores=["params", "l2_norm"], checks=0, top=2))
    assert {trust["weight"] for trust in verdicts(study).values()} == {0.5}
    assert study.count("screen") == 0
    best = [architecture["width"] for architecture in first_of(study)]
    assert best == [8, 8]
    assert [t.architecture for t in study.trials("search")] == list(first_of(study))


def test_a_cheap_estimator_goes_by_the_objective(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, checks=0, top=3, cheap=by_width))
    order = [(a["width"], a["act"]) for a in first_of(study)]
    assert order == [(8, "relu"), (8, "tanh"), (4, "relu")]


def test_a_cheap_estimator_of_a_loss_knows_that_less_is_better(tmp_path: Path) -> None:
    def loss(candidate: Candidate) -> dict[str, float]:
        return {"loss": by_width(candidate)["accuracy"]}

    stages = [Screen(pool=6, checks=0, top=1, cheap=loss), BlackBox(Random(), loss, trials=1)]
    experiment = Experiment(
        tiny_space, tiny_task(), stages, tmp_path, objectives=["min loss"], progress=False
    )
    [first] = first_of(experiment.run())
    assert (first["width"], first["act"]) == (2, "tanh")


def test_the_strategy_is_told_of_the_checked_ones(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, checks=4, top=1), trials=6)
    assert [trial.number for trial in checked_of(study) if trial.state.ended] == [0, 1, 2, 3]
    tried = [trial.architecture for trial in study.trials()]
    assert len(tried) == len(set(tried)) == 6


@pytest.mark.parametrize("strategy", [Evolution(population=2, sample=1), LocalSearch()])
def test_strategies_go_on_from_the_checked_ones(tmp_path: Path, strategy: Any) -> None:
    stages = [Screen(pool=6, checks=4), BlackBox(strategy, by_width, trials=2)]
    study = Experiment(tiny_space, tiny_task(), stages, tmp_path, progress=False).run()
    assert len(study.trials("search")) == 2


def test_a_pool_that_the_search_can_train_whole_is_left_to_it(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, checks=8), trials=6)
    assert study.count("screen") == 0
    assert len(study.trials("search")) == 6
    assert "few enough" in study.notes("stage-end")[0].data["reason"]


def test_an_estimator_of_its_own_is_not_told_on(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, checks=4, estimator=against_width))
    assert checked_of(study) == []
    assert first_of(study) == ()


def test_constraints_keep_architectures_out_of_the_pool(tmp_path: Path) -> None:
    stages = [Screen(pool=6, checks=4), BlackBox(Random(), combine(by_width, Cost()), trials=1)]
    study = Experiment(
        tiny_space,
        tiny_task(),
        stages,
        tmp_path,
        constraints=["params <= 100"],
        progress=False,
    ).run()
    widths = {noted.data["architecture"]["width"] for noted in study.notes("rated")}
    assert widths == {2, 4}


def test_features_are_the_recorded_scores_that_were_kept(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Looking(Random):
        def accept(self, offer: Any) -> None:
            super().accept(offer)
            seen.append(offer)

    screen = Screen(pool=6, scores=["naswot"], checks=4)
    stages = [screen, BlackBox(Looking(), by_width, trials=1)]
    study = Experiment(tiny_space, tiny_task(), stages, tmp_path, progress=False).run()
    features = seen[-1].features
    kept = {name for name, trust in verdicts(study).items() if trust["weight"]}
    noted = study.notes("rated")[0].data
    architecture = next(iter(tiny_space.space.enumerate()))
    assert set(features(architecture)) == kept
    assert architecture in features
    assert features(architecture)["params"] == noted["scores"]["params"]
    assert seen[-1].first == first_of(study)
    assert seen[0].features is None


def test_what_cannot_be_rated_is_left_out_and_all_failing_ends_the_run(tmp_path: Path) -> None:
    def sometimes(candidate: Candidate) -> dict[str, float]:
        if candidate.architecture["width"] == 8:
            raise ValueError("too wide")
        return by_width(candidate)

    def never(candidate: Candidate) -> dict[str, float]:
        raise ValueError("nothing fits")

    study = run(tmp_path / "some", Screen(pool=6, checks=0, cheap=sometimes))
    note = study.note("screened")
    assert note is not None
    assert note["pool"] == 4
    errors = [noted.data["error"] for noted in study.notes("rated") if noted.data["error"]]
    assert len(errors) == 2
    assert "too wide" in errors[0]
    with pytest.raises(TooManyFailures, match="could not be rated"):
        run(tmp_path / "none", Screen(pool=6, checks=0, cheap=never))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": 1}, "pool of a screening must be a whole number from 2, got 1"),
        ({"checks": 3}, "at least 4 architectures are trained, got checks=3"),
        ({"scores": ["nasswot"]}, "did you mean 'naswot'"),
        ({"top": True}, "top of a screening must be a whole number"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Screen(**settings)


def test_no_search_after_it_is_an_error_at_start(tmp_path: Path) -> None:
    stages = [BlackBox(Random(), TRAIN, trials=1), Screen(pool=6)]
    with pytest.raises(ConfigError, match=r"put BlackBox\(\.\.\.\) behind it"):
        Experiment(tiny_space, tiny_task(), stages, tmp_path, progress=False).check()


def test_a_score_that_the_cheap_estimator_does_not_give_is_an_error(tmp_path: Path) -> None:
    screen = Screen(pool=6, checks=0, cheap=ZeroCost(["naswot"]), scores=["naswott"])
    stages = [screen, BlackBox(Random(), TRAIN, trials=1)]
    with pytest.raises(ConfigError, match="did you mean 'naswot'"):
        Experiment(tiny_space, tiny_task(), stages, tmp_path, progress=False).check()


def test_it_is_made_again_from_its_description() -> None:
    for screen in (Screen(), Screen(pool=9, checks=0, cheap=TRAIN, estimator=TRAIN)):
        assert rebuild(screen.describe()) == screen


def test_a_file_describes_it() -> None:
    settings = {
        "data": "digits",
        "screen": {"pool": 30, "scores": ["naswot"], "check": 4, "cheap": None},
        "train": {"epochs": 1},
    }
    experiment = make_experiment(checked_config(settings), tiny_task())
    screen = experiment.stages[0]
    assert isinstance(screen, Screen)
    assert (screen.pool, screen.scores, screen.checks) == (30, ("naswot",), 4)
    cheap = {**settings, "screen": {"check": 0, "cheap": {"name": "train", "epochs": 1}}}
    first = make_experiment(checked_config(cheap), tiny_task()).stages[0]
    assert isinstance(first, Screen)
    assert isinstance(first.cheap, Train)
    with pytest.raises(ConfigError, match="has no setting 'pol': did you mean 'pool'"):
        make_experiment(checked_config({**settings, "screen": {"pol": 3}}), tiny_task())
    with pytest.raises(ConfigError, match="nothing for `screen` to do"):
        make_experiment(checked_config({**settings, "strategy": "spos"}), tiny_task())


def test_the_report_tells_which_scores_earned_trust(tmp_path: Path) -> None:
    study = run(tmp_path, Screen(pool=6, scores=["naswot"], checks=4, top=2))
    page = write_report(study, tmp_path).read_text()
    section = page[page.index('id="screening"') :].split("</section>")[0]
    for name in ("naswot", "params", "flops", "Spearman", "Handed on"):
        assert name in section
    plain = run(tmp_path / "plain", Screen(pool=6, checks=0, scores=["params"]))
    assert "trusted unchecked" in write_report(plain, tmp_path / "plain").read_text()
    assert 'id="screening"' not in write_report(Study(), tmp_path / "none").read_text()


# -- trust --------------------------------------------------------------------------------------


def test_a_score_worse_than_the_parameters_is_dropped() -> None:
    gains = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    scores = {"naswot": [2, 1, 3, 4, 6, 5], "params": gains, "flops": [6, 5, 4, 3, 2, 1]}
    found = {trust.score: trust for trust in weigh(scores, gains)}
    assert found["naswot"].reason == "parameters or FLOPs rank better"
    assert found["params"].weight == 1.0
    assert found["flops"].reason == "does not rank as training does"


def test_a_score_that_chance_explains_is_dropped() -> None:
    [found] = weigh({"naswot": [1, 4, 2, 3]}, [1.0, 2.0, 3.0, 4.0])
    assert found.spearman is not None
    assert found.spearman > 0
    assert found.chance is not None
    assert found.chance >= 0.2
    assert found.weight == 0
    assert "chance does as well" in found.reason


def test_no_noise_is_trusted_more_often_than_chance_allows() -> None:
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(300):
        [trust] = weigh({"noise": rng.standard_normal(6).tolist()}, rng.standard_normal(6).tolist())
        kept += trust.weight > 0
    assert kept / 300 < 0.25


def test_ties_share_their_rank() -> None:
    assert ranked({"a": [1.0, 1.0, 2.0]}, {"a": 1.0}).tolist() == [0.25, 0.25, 1.0]


def test_a_panel_spreads_over_the_ranking() -> None:
    order = np.arange(100.0)
    chosen = panel(order, 5, np.random.default_rng(0))
    assert chosen[0] == 99
    assert len(set(chosen)) == 5
    for place, (low, high) in zip(chosen[1:], [(74, 98), (49, 74), (24, 49), (0, 24)], strict=True):
        assert low <= place <= high
    assert sorted(panel(order[:3], 5, np.random.default_rng(0))) == [0, 1, 2]


def test_the_default_search_of_digits_can_be_screened(tmp_path: Path) -> None:
    from archloom.task import digits

    task = digits()
    stages = [
        Screen(pool=8, checks=4, top=2, batch=32),
        BlackBox(Random(), Train(epochs=1, fraction=0.2), trials=2),
    ]
    study = Experiment(mlp, task, stages, tmp_path, progress=False).run()
    assert len(study.notes("rated")) == 8
    assert study.count("screen") == 4
