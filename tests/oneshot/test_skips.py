"""Idle options are found and counted; a search stops when a cell gathers skip connections."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from supernet_views import two_ops, view
from torch import nn

from archloom import Architecture, zoo
from archloom.errors import ConfigError
from archloom.nn import Pick, Weighted, model_space
from archloom.oneshot import (
    Count,
    Darts,
    Past,
    SkipCount,
    SkipDropout,
    Uniform,
    count_idle,
    idle_options,
    idle_share,
)
from archloom.oneshot._idle import usual_share
from archloom.space import Choice, OneOf, Option, Space


def test_names_tell_in_the_spaces_of_the_benchmarks() -> None:
    idle = idle_options(zoo.nasbench201.space)
    assert set(idle) == set(zoo.nasbench201.space.labels)
    assert idle["cell.edge0to1"] == {"none": "none", "skip_connect": "skip"}


def test_modules_tell_whatever_they_are_called() -> None:
    @model_space
    def odd_names(pick: Pick) -> nn.Module:
        makes = {"dense": lambda: nn.Linear(3, 3), "straight": nn.Identity}
        return pick.layer("op", makes)

    assert idle_options(odd_names.space) == {}
    assert idle_options(odd_names.space, odd_names.supernet()) == {"op": {"straight": "skip"}}
    found = idle_options(two_ops.space, two_ops.supernet())
    assert found["cell.0"] == {"skip": "skip", "none": "none"}


def test_choices_without_a_real_operation_are_not_counted() -> None:
    only = OneOf((Option("skip"), Option("none")))
    assert idle_options(Space((Choice("op", "layer", only),))) == {}


def test_counts_are_by_cell_and_of_active_labels_only() -> None:
    idle = {f"{cell}.{n}": {"skip": "skip", "none": "none"} for cell in "ab" for n in range(3)}
    architecture = {"a.0": "skip", "a.1": "none", "a.2": "conv", "b.0": "skip", "width": 4}
    assert count_idle(architecture, idle) == {"a": Count(1, 1, 3), "b": Count(1, 0, 1)}
    assert idle_share(architecture, idle) == 3 / 4
    assert idle_share({"width": 4}, idle) == 0.0


def test_the_usual_share_is_a_quantile_of_the_binomial() -> None:
    space = zoo.nasbench201.space  # 6 edges, 2 of 5 operations are idle
    idle = idle_options(space)
    # P(more than 4 of 6) = 6 * 0.4^5 * 0.6 + 0.4^6 = 0.041, P(more than 3) = 0.179
    assert usual_share(space, idle, 0.1) == pytest.approx(4 / 6)
    assert usual_share(space, idle, 0.3) == pytest.approx(3 / 6)


def _past(*cells: tuple[str, str]) -> list[Past]:
    return [
        Past(epoch, Architecture({"cell.0": first, "cell.1": second}))
        for epoch, (first, second) in enumerate(cells, start=1)
    ]


SKIPS = Architecture({"cell.0": "skip", "cell.1": "skip"})


def test_two_skips_in_a_cell_stop_the_search_with_the_last_healthy_architecture() -> None:
    past = _past(("dense", "dense"), ("dense", "skip"), ("skip", "skip"))
    finding = SkipCount().look(view(two_ops, epoch=4, past=past, derived=SKIPS))
    assert finding.figures == {"skips": 2.0}
    assert finding.verdict is not None
    assert finding.verdict.action == "stop"
    assert finding.verdict.architecture == past[1].architecture
    assert "cell 'cell' have 2 skip connections" in finding.verdict.reason
    assert "epoch 2" in finding.verdict.reason


def test_without_a_healthy_epoch_it_only_warns() -> None:
    finding = SkipCount().look(view(two_ops, epoch=2, past=_past(("skip", "skip")), derived=SKIPS))
    assert finding.verdict is not None
    assert finding.verdict.action == "warn"
    assert finding.verdict.architecture is None


def test_none_is_no_skip_and_limits_apply() -> None:
    nothing = Architecture({"cell.0": "none", "cell.1": "skip"})
    assert SkipCount().look(view(two_ops, derived=nothing)).verdict is None
    assert SkipCount(limit=3).look(view(two_ops, derived=SKIPS)).verdict is None
    assert SkipCount(cells=("other",)).look(view(two_ops, derived=SKIPS)).verdict is None
    assert SkipCount(after=5).look(view(two_ops, derived=SKIPS, epoch=5)).verdict is None
    assert SkipCount(after=5).look(view(two_ops, derived=SKIPS, epoch=6)).verdict is not None


def test_a_method_that_derives_nothing_cannot_be_watched_for_skips() -> None:
    with pytest.raises(ConfigError, match="Uniform derives none"):
        SkipCount().look(view(two_ops, Uniform()))
    with pytest.raises(ConfigError, match="from 1, got 0"):
        SkipCount(limit=0)


def _dropped(share: float, draws: int, **settings: float) -> torch.Tensor:
    gates = Darts()
    gates.setup(two_ops.space, 0)
    rng = np.random.default_rng(0)
    path = gates.paths(rng)[0]
    idle = idle_options(two_ops.space)
    drawn = [
        SkipDropout(**settings).applied(path, two_ops.space, idle, share, rng)["cell.0"]
        for _ in range(draws)
    ]
    weights = path["cell.0"]
    assert isinstance(weights, torch.Tensor)
    return torch.stack([one / weights for one in drawn if isinstance(one, torch.Tensor)])


def test_skips_are_dropped_as_often_as_the_rate_says_and_keep_their_mean() -> None:
    factors = _dropped(0.0, 4000, rate=0.4, last=0.1)
    dense, skip, none = factors.unbind(1)
    assert torch.equal(dense, torch.ones(4000))
    assert torch.equal(none, torch.ones(4000))
    assert skip.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert float((skip == 0).float().mean()) == pytest.approx(0.4, abs=0.03)
    assert float(skip.mean()) == pytest.approx(1.0, abs=0.05)
    late = _dropped(1.0, 4000, rate=0.4, last=0.1)[:, 1]
    assert float((late == 0).float().mean()) == pytest.approx(0.1, abs=0.02)


def test_gradients_pass_through_the_kept_weights() -> None:
    weights = torch.tensor([0.5, 0.3, 0.2], requires_grad=True)
    idle = {"cell.0": {"skip": "skip", "none": "none"}}
    space, dropout = two_ops.space, SkipDropout(rate=0.5)
    seen = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        given = {"cell.0": Weighted(("skip", "dense"), weights[:2])}
        gate = dropout.applied(given, space, idle, 0.0, rng)["cell.0"]
        assert isinstance(gate, Weighted)
        [slope] = torch.autograd.grad(gate.weights.sum(), weights)
        assert slope[1] == 1
        seen.add(float(slope[0]))
    assert seen == {0.0, 2.0}


def test_single_paths_have_nothing_to_drop() -> None:
    idle = idle_options(two_ops.space)
    rng = np.random.default_rng(0)
    for path in (
        {"cell.0": "skip", "cell.1": "skip"},
        {"cell.0": Weighted(("skip",), torch.ones(1)), "cell.1": "dense"},
    ):
        for _ in range(20):
            applied = SkipDropout(rate=0.9).applied(path, two_ops.space, idle, 0.0, rng)
            assert applied == path
    with pytest.raises(ConfigError, match="rate is a share"):
        SkipDropout(rate=1.0)
