"""What the monitor concludes from scores: worthless rankings, collapse, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from supernet_views import two_ops, view

from archloom import Architecture, zoo
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.oneshot import (
    Assessment,
    Darts,
    Monitor,
    Seen,
    Uniform,
    Verdict,
    View,
    assess,
    collapse,
    likelihood,
    mixture,
    supernet_score,
)
from archloom.space import Choice, OneOf, Option, Space

DENSE = Architecture({"cell.0": "dense", "cell.1": "dense"})
SKIPS = Architecture({"cell.0": "skip", "cell.1": "skip"})


def _panel(inherited: Sequence[float], alone: Sequence[float], **more: Any) -> list[Seen]:
    columns = {"inherited": inherited, "alone": alone, **more}
    rows = zip(*columns.values(), strict=True)
    return [Seen(DENSE, **dict(zip(columns, row, strict=True))) for row in rows]


def _assess(panel: Sequence[Seen], derived: Seen | None = None, **more: Any) -> Assessment:
    seen = view(two_ops, Darts(), epoch=8, epochs=10, **more)
    return assess(Monitor(), seen, 0.9, derived, panel, 2)


def _kinds(found: Assessment) -> list[str]:
    return [verdict.kind for verdict in found.verdicts]


RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def test_a_supernet_that_orders_the_panel_is_in_order() -> None:
    found = _assess(_panel(RISING, RISING), Seen(DENSE, 0.8, 0.9))
    assert found.verdicts == ()
    assert found.rankings["inherited"].spearman == 1.0
    assert set(found.rankings) == {"inherited"}
    assert found.share == 0.0
    assert any("a gap of 0.1" in remark for remark in found.remarks)
    assert any("inherited scores with 8 short trainings: 1.00" in r for r in found.remarks)


def test_a_reversed_order_is_worthless() -> None:
    found = _assess(_panel(RISING, RISING[::-1]))
    assert _kinds(found) == ["ranking"]
    assert "rank correlation of its inherited scores is -1.00" in found.verdicts[0].reason
    assert "no better than drawing lots" in found.verdicts[0].reason


def test_inherited_scores_that_are_all_alike_are_worthless() -> None:
    assert _kinds(_assess(_panel([0.1] * 8, RISING))) == ["ranking"]


def test_a_method_that_derives_may_rank_by_its_probabilities_instead() -> None:
    poor = _panel(RISING[::-1], RISING, likely=[-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0])
    assert _kinds(_assess(poor)) == []
    assert _kinds(_assess(_panel(RISING[::-1], RISING, likely=[-1.0] * 8))) == ["ranking"]


def test_a_weak_order_is_a_remark_unless_counting_parameters_does_better() -> None:
    weak = [0.2, 0.6, 0.5, 0.7, 0.1, 0.3, 0.8, 0.4]
    found = _assess(_panel(weak, RISING))
    assert 0 < found.rankings["inherited"].spearman < 0.6
    assert found.verdicts == ()
    assert any("not told from chance" in remark for remark in found.remarks)
    beaten = _assess(_panel(weak, RISING, params=[float(n) for n in range(8)]))
    assert _kinds(beaten) == ["ranking"]
    assert "that of the number of parameters is 1.00" in beaten.verdicts[0].reason
    also_weak = _assess(_panel(weak, RISING, flops=weak))
    assert also_weak.verdicts == ()


def test_a_ranking_of_losses_is_read_the_other_way_round() -> None:
    seen = replace(view(two_ops), objective=Objective.parse("min loss"))
    panel = _panel(RISING, RISING, params=RISING)
    found = assess(Monitor(), seen, 0.9, Seen(DENSE, 0.1, 0.05), panel, 2)
    assert found.rankings["inherited"].spearman == 1.0
    assert found.rankings["params"].spearman == -1.0
    assert found.verdicts == ()
    worse = assess(Monitor(), seen, 0.9, Seen(DENSE, 0.1, 0.75), panel, 2)
    assert _kinds(worse) == ["random"]


def test_a_derived_architecture_no_better_than_the_mean_of_random_ones_is_reported() -> None:
    panel = _panel(RISING, RISING)  # mean 0.45
    assert _kinds(_assess(panel, Seen(DENSE, 0.9, 0.46))) == []
    found = _assess(panel, Seen(DENSE, 0.9, 0.44))
    assert _kinds(found) == ["random"]
    assert "accuracy 0.44, and 8 drawn at random have 0.45 on average" in found.verdicts[0].reason
    assert _kinds(_assess(panel, Seen(DENSE, 0.9))) == [], "not trained: nothing to compare"


def test_an_architecture_of_skips_only_is_always_reported() -> None:
    found = _assess(_panel(RISING, RISING), Seen(SKIPS, 0.9, 0.9))
    assert _kinds(found) == ["skips"]
    assert "all 2 operations of cell 'cell' are skip connections (2)" in found.verdicts[0].reason
    assert found.share == 1.0
    assert found.idle == {"cell": 1.0}


def _nasbench(*operations: str) -> Architecture:
    return Architecture(dict(zip(zoo.nasbench201.space.labels, operations, strict=True)))


CONV, SKIP, NONE = "nor_conv_3x3", "skip_connect", "none"


@pytest.mark.parametrize(
    ("operations", "collapsed"),
    [
        ((SKIP,) * 6, True),  # what DARTS finds on CIFAR-10: 54.30 %
        ((NONE,) * 6, True),
        ((SKIP,) * 5 + (CONV,), True),
        ((SKIP,) * 4 + (CONV, CONV), False),  # 18 % of random ones have as many
        ((CONV, CONV, CONV, SKIP, CONV, CONV), False),
    ],
)
def test_collapse_on_nas_bench_201(operations: tuple[str, ...], collapsed: bool) -> None:
    found = collapse(_nasbench(*operations), zoo.nasbench201.space)
    assert (found is not None) == collapsed


def test_a_space_of_many_skips_is_no_collapse_and_one_cell_is_enough() -> None:
    ops = OneOf(tuple(Option(name) for name in ("conv", "skip", "none", "identity")))
    labels = [f"{cell}.{n}" for cell in ("normal", "reduce") for n in range(4)]
    space = Space(tuple(Choice(label, "layer", ops) for label in labels))
    usual = dict.fromkeys(labels, "skip") | {"normal.0": "conv", "reduce.0": "conv"}
    assert collapse(Architecture(usual), space) is None
    one_cell = dict.fromkeys(labels, "conv") | {f"reduce.{n}": "skip" for n in range(4)}
    found = collapse(Architecture(one_cell), space)
    assert found is not None
    assert "cell 'reduce'" in found


def test_trouble_has_consequences_once_the_search_is_settled() -> None:
    bad = Seen(SKIPS, 0.9, 0.1)
    panel = [replace(one, architecture=DENSE) for one in _panel(RISING, RISING)]
    for epoch, action in ((4, "warn"), (5, "stop")):
        seen = view(two_ops, Darts(), epoch=epoch, epochs=10)
        found = assess(Monitor(on_trouble="stop"), seen, 0.9, bad, panel, 2)
        assert {verdict.action for verdict in found.verdicts} == {action}
        assert _kinds(found) == ["skips", "random"]
    assert found.verdicts[0].architecture == DENSE, "the best of the short trainings"


def test_an_assessment_and_its_verdicts_are_plain_data() -> None:
    seen = view(two_ops, Darts(), epoch=9, epochs=10)
    found = assess(
        Monitor(on_trouble="stop"), seen, math.nan, Seen(SKIPS), _panel(RISING, RISING), 2
    )
    data = json.loads(json.dumps(found.to_json()))
    assert data["supernet"] is None
    assert data["derived"]["alone"] is None
    assert Verdict.from_json(data["verdicts"][0]) == found.verdicts[0]


def test_few_architectures_have_no_order() -> None:
    assert _assess(_panel([0.1, 0.2], [0.2, 0.1])).verdicts == ()
    assert _assess([]).verdicts == ()


def test_the_likelihood_is_the_sum_of_the_gates_logarithms() -> None:
    seen = view(two_ops, Darts())
    probabilities = seen.gates.probabilities()
    expected = sum(float(probabilities[label].detach()[0].log()) for label in DENSE)
    assert likelihood(seen, DENSE) == pytest.approx(expected, abs=1e-6)
    total = sum(math.exp(likelihood(seen, one)) for one in two_ops.space.enumerate())
    assert total == pytest.approx(1.0, abs=1e-5)


def test_the_supernets_score_is_that_of_its_mixture_or_the_mean_of_paths() -> None:
    seen = view(two_ops, Darts())
    weights = {label: p.detach() for label, p in seen.gates.probabilities().items()}
    assert supernet_score(seen) == seen.score(weights)
    paths: list[Any] = []
    sampling = view(two_ops, Uniform())

    def score(assignment: Any) -> float:
        paths.append(assignment)
        return float(len(paths))

    assert supernet_score(View(**{**vars(sampling), "score": score}), draws=50) == 25.5
    assert len(paths) == 50
    expected = mixture(sampling.gates)
    assert all(torch.allclose(weights, torch.full((3,), 1 / 3)) for weights in expected.values())


def test_checks_are_evenly_spread_and_end_with_the_last_epoch() -> None:
    assert Monitor(every=3).checks(9) == (3, 6, 9)
    assert Monitor(every=3).checks(10) == (3, 6, 9, 10)
    assert Monitor(every=30).checks(10) == (10,)
    assert Monitor().checks(1) == (1,)
    assert Monitor().checks(5) == (3, 5)
    assert Monitor(epochs=7).short(100) == 7
    assert Monitor().short(100) == 5


def test_the_panel_is_distinct_repeatable_and_admitted() -> None:
    space = zoo.nasbench201.space
    panel = Monitor().panel(space, seed=1)
    assert len({one.key for one in panel}) == 8
    assert list(panel) == list(Monitor().panel(space, seed=1))
    assert list(panel) != list(Monitor().panel(space, seed=2))
    small = Monitor(architectures=100).panel(two_ops.space, seed=0)
    assert len(small) == 9, "all there are"
    wanted = Monitor().panel(two_ops.space, 0, lambda one: one["cell.0"] == "dense")
    assert {one["cell.0"] for one in wanted} == {"dense"}
    assert len(wanted) == 3
    assert Monitor(architectures=0).panel(space, 0) == []


def test_settings_come_back_from_their_description_and_are_checked() -> None:
    monitor = Monitor(every=4, on_trouble="switch", switch_to="evolution")
    assert Monitor(**json.loads(json.dumps(monitor.describe()))) == monitor
    with pytest.raises(ConfigError, match="did you mean 'switch'"):
        Monitor(on_trouble="swich")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="every is a whole number from 1, got 0"):
        Monitor(every=0)
    with pytest.raises(ConfigError, match="share is a share from 0 to 1"):
        Monitor(share=2.0)


def test_a_panel_ranked_by_noise_is_seldom_called_worthless_when_it_is_not() -> None:
    """Of sound supernets (true correlation about 0.8) few are reported."""
    rng = np.random.default_rng(0)
    reported = 0
    for _ in range(200):
        alone = rng.normal(size=8)
        inherited = 0.8 * alone + 0.6 * rng.normal(size=8)
        params = 0.5 * alone + 0.85 * rng.normal(size=8)
        found = _order_of(list(inherited), list(alone), list(params))
        reported += "ranking" in found
    assert reported <= 6


def _order_of(
    inherited: Sequence[float], alone: Sequence[float], params: Sequence[float]
) -> list[str]:
    return _kinds(assess(Monitor(), _SEEN, 0.5, None, _panel(inherited, alone, params=params), 2))


_SEEN = view(two_ops, Darts(), epoch=8)
