"""What is chosen on validation data: only what helps by more than noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torch import Tensor

from archloom.ensemble import (
    Choice,
    Judge,
    Library,
    Part,
    choose_members,
    choose_temperature,
    choose_threshold,
    choose_views,
    fit_temperature,
    fit_threshold,
    log_losses,
    paired_difference,
)
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.task import Classes, Labels, Numbers, accuracy


def judge(target: Classes | Labels | Numbers, metric: str = "accuracy") -> Judge:
    measure = target.loss if metric == "loss" else target.metrics[metric]
    return Judge(Objective.parse(metric), measure, target.loss)


TWO = Classes(("no", "yes"))


def noisy(targets: Tensor, spread: float, seed: int) -> Tensor:
    """Logits of a model that is right more often the smaller the spread is."""
    generator = torch.Generator().manual_seed(seed)
    sure = 2.0 * targets - 1.0 + spread * torch.randn(len(targets), generator=generator)
    return torch.stack([-sure, sure], 1)


def library(outputs: list[Tensor], targets: Tensor, metric: str = "accuracy") -> Library:
    return Library(
        list(range(10, 10 + len(outputs))),
        outputs,
        targets,
        (Part("classes", 2),),
        judge(TWO, metric),
    )


TARGETS = torch.arange(600) % 2


def test_models_with_errors_of_their_own_are_combined() -> None:
    choice = choose_members(library([noisy(TARGETS, 1.5, seed) for seed in range(6)], TARGETS))
    assert len(choice.members) > 2
    assert set(choice.members) <= set(range(10, 16))
    assert choice.scores["ensemble accuracy"] > choice.scores["single accuracy"]
    assert choice.scores["checked ensemble accuracy"] > choice.scores["checked single accuracy"]


def test_copies_of_one_model_are_not_combined() -> None:
    outputs = noisy(TARGETS, 1.0, 0)
    choice = choose_members(library([outputs, outputs.clone(), outputs.clone()], TARGETS))
    assert (choice.members, choice.weights, choice.plain) == ((10,), (1.0,), True)
    assert "+0.0000 ± 0.0000" in choice.remarks["ensemble"]


def test_poor_models_do_not_spoil_a_good_one() -> None:
    outputs = [noisy(TARGETS, 0.2, 0), *(noisy(TARGETS, 30.0, seed) for seed in range(1, 5))]
    choice = choose_members(library(outputs, TARGETS))
    assert choice.members == (10,)


def test_few_samples_get_equal_weights() -> None:
    few = TARGETS[:80]
    choice = choose_members(library([noisy(few, 1.5, seed) for seed in range(6)], few))
    assert len(set(choice.weights)) == 1
    assert "fewer than 100" in choice.remarks["weights"]


def test_two_samples_are_too_few() -> None:
    few = TARGETS[:2]
    choice = choose_members(library([noisy(few, 1.0, seed) for seed in range(2)], few))
    assert choice.members in ((10,), (11,))
    assert "too few" in choice.remarks["ensemble"]


def test_a_single_candidate() -> None:
    choice = choose_members(library([noisy(TARGETS, 1.0, 0)], TARGETS))
    assert choice.plain
    assert choice.remarks == {"ensemble": "not used; there is a single candidate"}


def test_numbers_are_combined_by_their_error() -> None:
    generator = torch.Generator().manual_seed(0)
    target = Numbers(("a",), (2.0,), (3.0,))
    truth = torch.randn(300, 1, generator=generator)
    outputs = [truth + 0.5 * torch.randn(300, 1, generator=generator) for _ in range(4)]
    choice = choose_members(
        Library(range(4), outputs, truth * 3 + 2, (Part("numbers", 1),), judge(target, "rmse"))
    )
    assert len(choice.members) == 4
    # four independent errors of one size: half of it (in natural units, 0.5 * 3 / 2)
    assert choice.scores["ensemble rmse"] == pytest.approx(0.75, rel=0.15)


def test_whole_groups_are_drawn() -> None:
    """A hundred copies of a sample say no more than the sample itself."""
    targets = (torch.arange(8) % 2).repeat_interleave(100)
    groups = torch.arange(8).repeat_interleave(100)
    better = noisy(targets, 0.0, 0)
    worse = better.clone()
    worse[groups == 0] *= -1
    alone = paired_difference(accuracy, worse, better, targets)
    grouped = paired_difference(accuracy, worse, better, targets, groups=groups)
    assert alone.gain == grouped.gain == pytest.approx(1 / 8)
    assert grouped.error == pytest.approx(math.sqrt(7 / 64 / 8), rel=0.25)
    assert alone.error < grouped.error / 5


def test_the_bootstrap_error_of_a_mean_is_the_known_one() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.zeros(400), torch.randn(400, generator=generator)
    found = paired_difference(lambda o, t: float(o.mean()), first, second, torch.zeros(400))
    assert found.error == pytest.approx(float(second.std()) / 20, rel=0.15)


def test_a_metric_that_is_not_defined_gives_no_difference() -> None:
    found = paired_difference(lambda o, t: None, torch.ones(4), torch.ones(4), torch.ones(4))
    assert (found.gain, found.clear) == (0.0, 0)


VIEWED = {
    "plain": noisy(TARGETS, 1.5, 0),
    "flip": noisy(TARGETS, 1.5, 1),
    "up": noisy(TARGETS, 1.5, 3),
    "flip up": noisy(TARGETS, 1.5, 4),
    "left": noisy(TARGETS, 40.0, 2),
}


def seen(number: int, views: tuple[str, ...]) -> dict[str, Tensor]:
    return {view: VIEWED[view] for view in views}


def test_views_only_where_they_help() -> None:
    base = VIEWED["plain"]
    choice = Choice((10,), (1.0,))
    options = {"flip": ("plain", "flip"), "shift": ("plain", "left")}
    chosen, outputs = choose_views(choice, library([base], TARGETS), options, seen)
    assert chosen.views == ("plain", "flip")
    assert accuracy(outputs, TARGETS) == chosen.scores["with test-time augmentation accuracy"]
    shift = {"shift": options["shift"]}
    kept, outputs = choose_views(choice, library([base], TARGETS), shift, seen)
    assert kept.views == ("plain",)
    assert accuracy(outputs, TARGETS) == accuracy(base, TARGETS)
    forced, _ = choose_views(choice, library([base], TARGETS), shift, seen, force=True)
    assert forced.views == ("plain", "left")


@pytest.mark.parametrize("second", ["up", "left"])
def test_views_are_joined_where_each_helps(second: str) -> None:
    asked: list[str] = []

    def noted(number: int, views: tuple[str, ...]) -> dict[str, Tensor]:
        asked.extend(views)
        return seen(number, views)

    both = ("plain", "flip", "up", "flip up")
    options = {"flip": ("plain", "flip"), "shift": ("plain", second), "flip and shift": both}
    whole = library([VIEWED["plain"]], TARGETS)
    chosen, _ = choose_views(Choice((10,), (1.0,)), whole, options, noted)
    assert chosen.views == (both if second == "up" else ("plain", "flip"))
    assert len(set(asked)) == len(asked), "no view is computed twice"


def test_temperature_is_the_minimum_of_the_log_loss() -> None:
    outputs = 4 * noisy(TARGETS, 1.5, 0)
    found = fit_temperature(outputs, TARGETS)
    truth = minimize_scalar(
        lambda t: float(log_losses(outputs.double() / math.exp(t), TARGETS, "classes").mean()),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found == pytest.approx(math.exp(truth.x), rel=1e-4)


def test_temperature_is_used_where_it_helps() -> None:
    sure = 6 * noisy(TARGETS, 1.5, 0)
    whole = library([sure], TARGETS)
    choice = choose_temperature(Choice((10,), (1.0,)), sure, whole)
    assert choice.temperature > 2
    calm = sure / choice.temperature
    again = choose_temperature(Choice((10,), (1.0,)), calm, library([calm], TARGETS))
    assert again.temperature == 1.0
    assert again.remarks["temperature"].startswith("not used")


def test_no_temperature_where_all_samples_are_told_apart() -> None:
    outputs = 0.1 * torch.eye(2)[TARGETS]  # hotter is better without end
    choice = choose_temperature(Choice((10,), (1.0,)), outputs, library([outputs], TARGETS))
    assert choice.temperature == 1.0
    assert choice.remarks["temperature"].startswith("not used")


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("accuracy", accuracy_score),
        ("balanced_accuracy", balanced_accuracy_score),
        ("f1", f1_score),
    ],
)
def test_the_threshold_is_the_best_of_all_cuts(metric: str, reference) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    for _ in range(5):
        truth = rng.random(60) < 0.2
        chances = np.clip(0.3 * truth + rng.random(60) * 0.6, 0, 1).round(2)
        found = fit_threshold(torch.tensor(chances), torch.tensor(truth), metric)
        cuts = np.arange(0.005, 1, 0.01)
        inside = [cut for cut in cuts if (chances > cut).any() and (chances <= cut).any()]
        best = max(reference(truth, chances > cut) for cut in inside)
        assert reference(truth, chances > found) == pytest.approx(best)


def test_a_threshold_needs_both_answers() -> None:
    assert fit_threshold(torch.rand(5), torch.ones(5), "f1") == 0.5
    assert fit_threshold(torch.full((4,), 0.3), torch.tensor([0, 1, 0, 1]), "f1") == 0.5
    with pytest.raises(ConfigError, match="tuned for accuracy, balanced_accuracy, f1, got 'auc'"):
        fit_threshold(torch.rand(5), torch.ones(5), "auc")


def rare(count: int) -> tuple[Tensor, Tensor]:
    """A rare class whose probability a model underrates: a lower threshold is better."""
    targets = (torch.arange(count) % 10 == 0).long()
    shifted = noisy(targets, 0.8, 5) - torch.tensor([0.0, 3.0])
    return targets, shifted


def test_a_threshold_where_it_helps() -> None:
    targets, outputs = rare(1000)
    whole = library([outputs], targets, "balanced_accuracy")
    choice = choose_threshold(Choice((10,), (1.0,)), outputs, whole)
    assert choice.threshold is not None
    assert choice.threshold[0] < 0.3
    before = whole.judge.score(outputs, targets)
    after = whole.judge.score(choice.finished(outputs), targets)
    assert before is not None
    assert after is not None
    assert after > before + 0.1
    assert choice.scores["with threshold balanced_accuracy"] == after


def test_no_threshold_without_evidence() -> None:
    outputs = noisy(TARGETS, 1.0, 0)
    choice = choose_threshold(Choice((10,), (1.0,)), outputs, library([outputs], TARGETS))
    assert choice.threshold is None
    assert choice.remarks["threshold"].startswith("not used")
    auc = choose_threshold(Choice((10,), (1.0,)), outputs, library([outputs], TARGETS, "auc"))
    assert auc.remarks["threshold"] == "not used; auc does not depend on a threshold"


def test_a_threshold_that_is_set() -> None:
    outputs = noisy(TARGETS, 1.0, 0)
    choice = choose_threshold(Choice((10,), (1.0,)), outputs, library([outputs], TARGETS), 0.8)
    assert choice.threshold == (0.8,)
    said = choice.finished(outputs).argmax(1) == 1
    assert torch.equal(said, outputs.softmax(1)[:, 1] > 0.8)


def test_each_label_has_its_own_threshold() -> None:
    rare_targets, rare_outputs = rare(1000)
    even = torch.arange(1000) % 2
    outputs = torch.stack([2 * rare_outputs[:, 1], 4 * noisy(even, 0.5, 1)[:, 1]], 1)
    targets = torch.stack([rare_targets, even], 1).float()
    target = Labels(("rare", "even"))
    whole = Library([1], [outputs], targets, (Part("labels", 2),), judge(target, "f1"))
    choice = choose_threshold(Choice((1,), (1.0,)), outputs, whole)
    assert choice.threshold is not None
    assert choice.threshold[0] < 0.3
    assert choice.threshold[1] == 0.5
    assert choice.bias is not None
    assert choice.bias[1] == 0.0


def test_three_classes_have_no_threshold_and_numbers_no_temperature() -> None:
    outputs = torch.randn(20, 3)
    whole = Library(
        [1], [outputs], torch.arange(20) % 3, (Part("classes", 3),), judge(Classes(("a", "b", "c")))
    )
    assert choose_threshold(Choice((1,), (1.0,)), outputs, whole).threshold is None
    numbers = Library([1], [outputs], outputs, (Part("numbers", 3),), whole.judge)
    assert choose_temperature(Choice((1,), (1.0,)), outputs, numbers).temperature == 1.0


def test_a_choice_survives_json() -> None:
    choice = Choice((1, 2), (0.5, 0.5), ("plain", "flip"), 2.0, (0.3,), (0.0, 0.8), {"a": 1.0}, {})
    assert Choice.from_json(choice.to_json()) == choice
