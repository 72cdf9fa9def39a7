"""What takes over from a one-shot search that is told to switch to another method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import combine
from archloom.oneshot import Monitor, rebuild_gates
from archloom.plugins import find, known
from archloom.stages._black_box import BlackBox
from archloom.stages._lab import Lab
from archloom.stages._supernet_book import SupernetBook

if TYPE_CHECKING:
    from archloom.stages._one_shot import OneShot

_SCORED, _TRAINED = 100, 20  # architectures that a search tries with inherited weights, or trains


def successors(stage: OneShot, lab: Lab) -> list[OneShot | BlackBox]:
    """Give the stages that take over, none unless the search was told to switch.

    For a method a supernet is trained anew, since the weights of the old one are fitted to what
    went wrong; one that only samples is searched by evolution.
    """
    from archloom.stages._one_shot import OneShot

    stopped = SupernetBook(lab, stage).stopped
    if stopped is None or stopped["action"] != "switch":
        return []
    name = _switch_to(stage)
    strategy = find("strategies", "evolution" if successor_kind(stage) == "method" else name)()
    if successor_kind(stage) == "strategy":
        trained = combine(stage.short_training, stage.cost(lab))
        return [BlackBox(strategy, trained, trials=_TRAINED, name=f"{stage.name}-{name}")]
    other = OneShot(
        rebuild_gates({"name": name}),
        epochs=stage.planned,
        batch_size=stage.batch_size,
        augment=stage.augment,
        augment_strength=stage.augment_strength,
        label_smoothing=stage.label_smoothing,
        amp=stage.amp,
        channels_last=stage.channels_last,
        monitor=Monitor(architectures=0),
        batches=stage.batches,
        name=f"{stage.name}-{name}",
    )
    if other.derives(lab):
        return [other]
    scored = other.estimator(lab)
    return [other, BlackBox(strategy, scored, trials=_SCORED, name=f"{other.name}-search")]


def successor_kind(stage: OneShot) -> Literal["method", "strategy"]:
    """Say what takes over if need be: another method, or a strategy that trains each candidate.

    Raises:
        ConfigError: for a name that is neither.
    """
    name = _switch_to(stage)
    if name in known("methods"):
        return "method"
    if name in known("strategies"):
        return "strategy"
    names = [*known("methods"), *known("strategies")]
    raise ConfigError(
        f"There is no method or strategy {name!r} to switch to: {did_you_mean(name, names)}."
    )


def _switch_to(stage: OneShot) -> str:
    return Monitor().switch_to if stage.monitor is None else stage.monitor.switch_to
