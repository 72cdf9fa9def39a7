"""Assessment: what a check of the monitor found, as numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import Any, Final

import torch

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.oneshot._collapse import Verdict, View
from archloom.oneshot._idle import Idle, count_idle, idle_options, idle_share, usual_share
from archloom.oneshot._monitor import Monitor
from archloom.oneshot._ranking import Ranking, rank_correlation
from archloom.oneshot._slots import slots_of
from archloom.space import Space

_FEWEST: Final = 3  # architectures; fewer have no order to speak of

_UNPROVEN: Final = 4  # times the level; where p is higher, a rival's proof counts for more

OWN: Final = {"inherited": "inherited scores", "likely": "probabilities"}
"""What a method ranks by, and its name in words."""

TRIVIAL: Final = {"params": "parameters", "flops": "FLOPs"}
"""What ranks without any supernet."""


@dataclass(frozen=True)
class Seen:
    """An architecture that was trained alone for a short time, and what else is known of it.

    `inherited` and `alone` are its scores with the supernet's weights and with its own; `likely`
    is the logarithm of its probability, None for a method that gives none. A number that could
    not be had is NaN.
    """

    architecture: Architecture
    inherited: float = math.nan
    alone: float = math.nan
    likely: float | None = None
    params: float = math.nan
    flops: float = math.nan
    trial: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give plain data; NaN becomes None."""
        numbers = ("inherited", "alone", "likely", "params", "flops")
        return {
            "architecture": self.architecture.to_json(),
            "trial": self.trial,
            **{name: _finite(getattr(self, name)) for name in numbers},
        }


@dataclass(frozen=True)
class Assessment:
    """What a check found.

    Attributes:
        epoch: after which it was made.
        supernet: the score of the mixture, or the mean of drawn paths.
        derived: the derived architecture; None for methods that derive none.
        panel: the random architectures.
        rankings: how well each score orders the panel: "inherited", "likely", "params", "flops".
        idle: for each cell of the derived architecture, the share of skips and "none".
        share: the same of the whole architecture; None without a derived one.
        usual: the share that few random architectures exceed.
        verdicts: what is wrong.
        remarks: what is worth knowing and no trouble.
    """

    epoch: int
    supernet: float
    derived: Seen | None
    panel: tuple[Seen, ...]
    rankings: Mapping[str, Ranking] = field(default_factory=dict)
    idle: Mapping[str, float] = field(default_factory=dict)
    share: float | None = None
    usual: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give plain data for the record."""
        return {
            "epoch": self.epoch,
            "supernet": _finite(self.supernet),
            "derived": None if self.derived is None else self.derived.to_json(),
            "panel": [one.to_json() for one in self.panel],
            "rankings": {name: asdict(found) for name, found in self.rankings.items()},
            "idle": dict(self.idle),
            "share": self.share,
            "usual": self.usual,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "remarks": list(self.remarks),
        }


def assess(
    monitor: Monitor,
    view: View,
    supernet: float,
    derived: Seen | None,
    panel: Sequence[Seen],
    epochs: int,
) -> Assessment:
    """Draw the conclusions of a check; `epochs` is what the short trainings had."""
    space = view.supernet.space.space
    alone = [view.objective.gain(one.alone) for one in panel]
    columns = _columns(panel, view.objective)
    rankings = {name: rank_correlation(column, alone) for name, column in columns.items()}
    reasons: list[tuple[str, str]] = []
    cells: dict[str, float] = {}
    share = usual = None
    if derived is not None:
        idle = idle_options(space, view.supernet)
        counts = count_idle(derived.architecture, idle)
        cells = {cell: count.share for cell, count in counts.items()}
        share = idle_share(derived.architecture, idle)
        usual = usual_share(space, idle, monitor.level, view.seed)
        reasons += _skips(derived.architecture, space, idle, view.seed, monitor)
        reasons += _random(derived, panel, view.objective, epochs)
    lifts = [_lift(columns[name], alone) for name in OWN if name in columns]
    reasons += _order(rankings, any(lift > 0 for lift in lifts), monitor.level, epochs)
    trained = [*panel, *([] if derived is None else [derived])]
    action = monitor.action(view.epoch, view.epochs)
    back = _best(trained, view.objective) if action == "stop" else None
    return Assessment(
        epoch=view.epoch,
        supernet=supernet,
        derived=derived,
        panel=tuple(panel),
        rankings=rankings,
        idle=cells,
        share=share,
        usual=usual,
        verdicts=tuple(Verdict(action, said, back, kind) for kind, said in reasons),
        remarks=tuple(_remarks(supernet, derived, rankings, monitor.level, view.objective)),
    )


def collapse(
    architecture: Architecture,
    space: Space,
    idle: Idle | None = None,
    *,
    share: float = 0.5,
    level: float = 0.05,
    seed: int = 0,
) -> str | None:
    """Say why an architecture looks like the outcome of a collapse, None where it does not.

    All operations of a cell are idle, or more than `share` of all and than `level` of random
    architectures have. `idle` says which options are; without it their names do.

    >>> from archloom.space import Choice, OneOf, Option
    >>> ops = OneOf((Option("conv"), Option("skip")))
    >>> space = Space((Choice("cell.0", "layer", ops), Choice("cell.1", "layer", ops)))
    >>> collapse(Architecture({"cell.0": "conv", "cell.1": "skip"}), space) is None
    True
    >>> collapse(Architecture({"cell.0": "skip", "cell.1": "skip"}), space)
    "all 2 operations of cell 'cell' are skip connections (2) or nothing (0)"
    """
    idle = idle_options(space) if idle is None else idle
    counts = count_idle(architecture, idle)
    for cell, count in counts.items():
        if count.share == 1:
            where = f"of cell {cell!r}" if cell else "of the architecture"
            return (
                f"all {count.total} operations {where} are skip connections ({count.skips}) or "
                f"nothing ({count.nones})"
            )
    found = idle_share(architecture, idle)
    if found <= share:
        return None
    usual = usual_share(space, idle, level, seed)
    if found <= usual:
        return None
    return (
        f"{found:.0%} of its operations are skip connections or nothing, more than "
        f"{1 - level:.0%} of random architectures have (at most {usual:.0%})"
    )


def likelihood(view: View, architecture: Architecture) -> float:
    """Give the logarithm of how likely the gates hold an architecture: the sum over its labels.

    For a subset that is the sum over its inputs, as if they were chosen one by one.
    """
    space = view.supernet.space.space
    slots = slots_of(space, type(view.gates).__name__)
    with torch.no_grad():
        chances = view.gates.probabilities()
    total = 0.0
    for label, slot in slots.open.items():
        if label not in architecture or label not in chances:
            continue
        value = architecture[label]
        taken = value if slot.how != "one" and isinstance(value, tuple) else (value,)
        for one in taken:
            chance = float(chances[label][slot.options.index(one)])
            total += math.log(max(chance, 1e-30))
    return total


def _skips(
    architecture: Architecture, space: Space, idle: Idle, seed: int, monitor: Monitor
) -> Iterator[tuple[str, str]]:
    found = collapse(architecture, space, idle, share=monitor.share, level=monitor.level, seed=seed)
    if found is not None:
        yield "skips", f"The derived architecture has collapsed: {found}."


def _random(
    derived: Seen, panel: Sequence[Seen], objective: Objective, epochs: int
) -> Iterator[tuple[str, str]]:
    scores = [one.alone for one in panel if math.isfinite(one.alone)]
    if not math.isfinite(derived.alone) or len(scores) < _FEWEST:
        return
    mean = sum(scores) / len(scores)
    if objective.gain(derived.alone) <= objective.gain(mean):
        yield (
            "random",
            f"The derived architecture is no better than chance: trained alone for "
            f"{_epochs(epochs)} it has {objective.metric} {derived.alone:.4g}, and {len(scores)} "
            f"drawn at random have {mean:.4g} on average.",
        )


def _order(
    rankings: Mapping[str, Ranking], lifts: bool, level: float, epochs: int
) -> Iterator[tuple[str, str]]:
    own = {name: rankings[name] for name in OWN if name in rankings}
    if not own or max(one.number for one in own.values()) < _FEWEST:
        return
    best = max(own.values(), key=lambda one: one.spearman)
    rivals = {name: rankings[name] for name in TRIVIAL if name in rankings}
    rival = max(rivals, key=lambda name: rivals[name].spearman, default=None)
    told = " and ".join(f"of its {OWN[name]} {_words(one)}" for name, one in own.items())
    said = (
        f"The supernet does not rank: with {best.number} architectures trained alone for "
        f"{_epochs(epochs)} the rank correlation {told}"
    )
    if best.spearman <= 0 and not lifts:
        yield "ranking", f"{said}, no better than drawing lots."
    elif rival is not None and best.p > _UNPROVEN * level and rivals[rival].p <= level:
        better = f"that of the number of {TRIVIAL[rival]} {_words(rivals[rival])}"
        if rivals[rival].spearman > best.spearman:
            yield "ranking", f"{said}, while {better}."


def _remarks(
    supernet: float,
    derived: Seen | None,
    rankings: Mapping[str, Ranking],
    level: float,
    objective: Objective,
) -> Iterator[str]:
    if derived is not None and math.isfinite(supernet - derived.inherited):
        yield (
            f"The supernet has {objective.metric} {supernet:.4g}, the derived architecture with "
            f"its weights {derived.inherited:.4g}: a gap of {supernet - derived.inherited:.4g}."
        )
    for name in OWN:
        found = rankings.get(name)
        if found is None or found.number < _FEWEST:
            continue
        proof = "above chance" if found.p <= level else "not told from chance"
        yield (
            f"Rank correlation of {OWN[name]} with {found.number} short trainings: "
            f"{found.spearman:.2f} (p = {found.p:.2g}), {proof}."
        )


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number} epochs"


def _words(found: Ranking) -> str:
    return f"is {found.spearman:.2f} (p = {found.p:.2g})"


def _columns(panel: Sequence[Seen], objective: Objective) -> dict[str, list[float]]:
    """Give each score of the panel, larger being better; what nobody has is left out."""
    columns = {
        "inherited": [objective.gain(one.inherited) for one in panel],
        "likely": [math.nan if one.likely is None else one.likely for one in panel],
        "params": [one.params for one in panel],
        "flops": [one.flops for one in panel],
    }
    return {name: c for name, c in columns.items() if any(map(math.isfinite, c))}


def _lift(column: Sequence[float], alone: Sequence[float]) -> float:
    """Give how much better the half that a score prefers is than the other one."""
    pairs = [(x, y) for x, y in zip(column, alone, strict=True) if math.isfinite(x + y)]
    middle = median([x for x, _ in pairs]) if pairs else 0.0
    better = [y for x, y in pairs if x > middle]
    worse = [y for x, y in pairs if x < middle]
    return fmean(better) - fmean(worse) if better and worse else 0.0


def _best(seen: Sequence[Seen], objective: Objective) -> Architecture | None:
    trained = [one for one in seen if math.isfinite(one.alone)]
    best = max(trained, key=lambda one: objective.gain(one.alone), default=None)
    return None if best is None else best.architecture


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
