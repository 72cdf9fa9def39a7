"""plan: from data and wishes to the settings of a search, in the open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch

from archloom.automl._portfolio import first_architectures, joint_settings
from archloom.config import checked_config, make_space
from archloom.estimators import Cost
from archloom.task import Task, leaves

_SPACES: Final = {
    "image": "convnet",
    "volume": "convnet",
    "series": "series_net",
    "table": "table_net",
    "text": "text_net",
    "mixed": "mixed_net",
}

_FEW: Final = 3_000
"""Up to so many samples everything is cross-validated: one split would judge on too few."""

_MANY: Final = 20_000
"""From so many on nothing is: another part of the data to train on adds little."""

_FOLDS: Final = 5

_SMALL_SIDE: Final = 64
_ENOUGH_EPOCHS: Final = 60
"""Of a usual residual network, for each of three that are trained again in half of the time."""

# operations a second in training, about what two cores of 2024 and one GPU do with small networks
_CPU_RATE, _CUDA_RATE = 1.2e11, 3e12
_STEP_SECONDS = 0.005  # what a step takes even if it computes nothing
_SHORT: Final = 300
"""Seconds; with less time two architectures are trained again rather than three, and no worker
process is worth its start."""

_MOST_WORKERS: Final = 4
"""Of processes that a door starts by itself: each holds torch, which takes a quarter of a GB."""


@dataclass(frozen=True)
class Wishes:
    """What a user asks of a door; None and "auto" leave it to `plan`.

    `minutes` is the wall time that is left for everything: search, retraining, ensemble. None
    sets no clock; `trials` then decides how long it takes. `train` and `retrain` are settings of
    the recipe that win over the plan's.
    """

    minutes: float | None = 10
    trials: int | None = None
    epochs: int | None = None
    objective: str | tuple[str, ...] | None = None
    space: str | Mapping[str, Any] | None = None
    strategy: str | Mapping[str, Any] | None = None
    constraints: tuple[str, ...] = ()
    folds: int | str | None = "auto"
    augment: Any = "auto"
    ensemble: bool | str | Mapping[str, Any] = "auto"
    workers: int | str | None = "auto"
    seed: int = 0
    train: Mapping[str, Any] = field(default_factory=dict)
    retrain: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """How the time or the epochs are shared out. Seconds are of one training, all its folds.

    Without a clock, `seconds` and `retrain_seconds` are None and the epochs decide.
    """

    trials: int
    epochs: int
    top: int
    retrain_epochs: int
    minutes: float | None = None
    seconds: float | None = None
    retrain_seconds: float | None = None


def plan(task: Task, wishes: Wishes) -> dict[str, Any]:
    """Give the settings of `SearchConfig` that fit the data, the budget and the wishes.

    Up to 3,000 samples every architecture is judged by five-fold cross-validation, and the five
    models stay together as one; up to 20,000 only the best of the search are; with more, one
    split does. Training settings (augmentation, learning rate) are searched with the
    architecture. From five minutes on every core (up to four) or every GPU has a trial of its
    own, since small networks gain little from a second core. With a clock, about half of the time
    goes to the search, the rest to training the best ones again, longer, of which the ensemble is
    chosen.

    >>> from archloom.task import digits
    >>> settings = plan(digits(), Wishes(minutes=None, trials=3))
    >>> settings["space"], settings["trials"], settings["folds"]
    ('convnet', 3, 5)
    """
    wishes = replace(wishes, workers=_workers(wishes))
    settings: dict[str, Any] = {
        "space": wishes.space or _space_for(task, wishes),
        "objectives": _objectives(task, wishes),
        "constraints": list(wishes.constraints),
        "seed": wishes.seed,
        "workers": wishes.workers,
        "test": False,
    }
    samples = len(task.train) + len(task.valid)
    folds = _folds(wishes.folds, samples, limit=_FEW)
    retrain_folds = _folds(wishes.folds, samples, limit=_MANY)
    own = {**wishes.train}
    settings["joint"] = {} if wishes.trials == 1 else joint_settings(task, wishes.augment, own)
    budget = share_out(task, wishes, folds, retrain_folds, _epoch_seconds(task, settings))
    train = {**_recipe(task, wishes), "epochs": budget.epochs, **_timed(budget.seconds), **own}
    retrain = {**_timed(budget.retrain_seconds), **wishes.retrain}
    return {
        **settings,
        "strategy": wishes.strategy or _strategy(task, settings, budget.trials),
        "trials": budget.trials,
        "minutes": budget.minutes,
        "folds": folds,
        "train": train,
        "retrain": budget.top > 0
        and {
            "top": budget.top,
            "epochs": budget.retrain_epochs,
            "folds": retrain_folds,
            "train": retrain,
        },
        "ensemble": _ensemble(wishes),
        "keep": 10,
    }


def share_out(
    task: Task,
    wishes: Wishes,
    folds: int | None,
    retrain_folds: int | None,
    epoch_seconds: float,
) -> Budget:
    """Share out the time, or without a clock the epochs.

    With a clock a trial gets the time of a few epochs, as many trials as fit in half of it (4 to
    40; a third of it with many samples), and the best ones are trained again in what is left.
    Where four trials would not even get a ninth of that, one architecture gets all the time.
    """
    samples = len(task.train)
    epochs = wishes.epochs or max(3, min(30, round(200_000 / samples)))
    top = 0 if wishes.trials == 1 else 3 if samples > _MANY or folds else 2
    if wishes.minutes is None:
        longest = wishes.epochs or 3 * epochs
        return Budget(wishes.trials or 20, epochs, top, longest)
    cap = wishes.epochs or max(30, min(300, round(2_000_000 / samples)))
    total = 60 * wishes.minutes * 0.95
    workers = _workers(wishes)
    work = epoch_seconds * (folds or 1) / workers
    if total < _SHORT:
        top = min(top, 2)
    top = math.ceil(top / workers) * workers  # the last ones should not leave a worker idle
    many = samples > _MANY
    searching = total * (0.3 if many else 0.5)
    wanted = work * (30 if folds else 3 if many else 8)
    if searching < 4 * wanted / 9 or wishes.trials == 1:
        return Budget(1, cap, 0, cap, total / 60, total)
    trials = wishes.trials or max(4, min(40, round(searching / wanted)))
    again = (total - searching) * workers
    return Budget(
        trials,
        cap,
        top,
        cap,
        searching / 60,
        searching * workers / trials,
        again / max(top, workers),
    )


def _workers(wishes: Wishes) -> int:
    """Give how many trials run side by side, unless that is wished for."""
    if wishes.workers not in ("auto", None):
        return int(wishes.workers)
    if wishes.trials == 1 or wishes.minutes is None or 60 * wishes.minutes < _SHORT:
        return 1
    if torch.cuda.is_available():
        return max(1, torch.cuda.device_count())
    return max(1, min(_MOST_WORKERS, torch.get_num_threads()))


def _space_for(task: Task, wishes: Wishes) -> str:
    """Give the space of the kind of the data, or the one of several inputs."""
    inputs = task.train.inputs
    if _hurried(task, wishes):
        return "small_cnn"
    if isinstance(inputs, torch.Tensor) or task.kind not in _SPACES:
        return _SPACES.get(task.kind, "mlp")
    of_table = isinstance(inputs, Mapping) and set(inputs) <= {"numbers", "categories"}
    return "table_net" if task.kind == "table" and of_table else "mixed_net"


def _hurried(task: Task, wishes: Wishes) -> bool:
    """Say whether the data are many small images that a residual network has too little time for.

    Such a network is the better one after some thirty epochs; with fewer, plain convolutions that
    are wide on the large maps are ahead (benchmarks/RESULTS.md).
    """
    if task.kind != "image" or wishes.minutes is None or len(task.train) <= _MANY:
        return False
    if max(task.hints["shape"][1:]) > _SMALL_SIDE:
        return False
    epoch = _epoch_seconds(task, {"space": "convnet"})
    return 60 * wishes.minutes < _ENOUGH_EPOCHS * 3 * epoch / _workers(wishes)


def _objectives(task: Task, wishes: Wishes) -> list[str]:
    given = wishes.objective or task.main_metric
    return [given] if isinstance(given, str) else list(given)


def _folds(wish: int | str | None, samples: int, limit: int) -> int | None:
    if wish == "auto":
        return _FOLDS if samples <= limit else None
    assert not isinstance(wish, str)
    return wish


def _recipe(task: Task, wishes: Wishes) -> dict[str, Any]:
    """Give what holds for every training of the door, unless the user or the search sets it."""
    few = len(task.train) <= _FEW
    recipe: dict[str, Any] = {"batch_size": 32 if len(task.train) < 1_000 else 64}
    # A few hundred samples tell the best epoch so badly that the last one, annealed, is better.
    recipe["restore_best"] = not few
    if wishes.augment != "auto":
        recipe["augment"] = wishes.augment
    if task.kind == "image" and len(task.train) > _MANY and _has_fast_bf16():
        # A quarter to a half faster on such CPUs, and as accurate; with few data the time
        # is not what is short, and probabilities are a little better in full precision.
        recipe["amp"] = "bf16" if task.device.type == "cpu" else "auto"
    return recipe


def _has_fast_bf16() -> bool:
    """Say whether the CPU computes in bfloat16 itself."""
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(known())


def _timed(seconds: float | None) -> dict[str, Any]:
    return {} if seconds is None else {"seconds": round(seconds, 2)}


def _ensemble(wishes: Wishes) -> bool | dict[str, Any]:
    if wishes.ensemble == "auto":
        return {"top": 10}
    assert not isinstance(wishes.ensemble, str)
    return wishes.ensemble if isinstance(wishes.ensemble, bool) else dict(wishes.ensemble)


def _strategy(task: Task, settings: Mapping[str, Any], trials: int) -> dict[str, Any]:
    """Give evolution that begins with networks known to be good, as far as it has trials."""
    population = max(4, min(20, trials // 3))
    space = make_space(checked_config(settings), task).with_hints(task.hints).space
    first = first_architectures(space, task)[: max(1, trials // 2)]
    return {
        "name": "evolution",
        "population": population,
        "sample": population // 2,
        "first": [architecture.to_json() for architecture in first],
    }


def _epoch_seconds(task: Task, settings: Mapping[str, Any]) -> float:
    """Guess what an epoch of the space's usual member takes; only the order counts."""
    space = make_space(checked_config(settings), task).with_hints(task.hints)
    architecture = first_architectures(space.space, task)[0]
    count = len(task.train)
    flops = 3 * Cost().of(space, architecture, task)["flops"] * count
    cuda = leaves(task.train.inputs)[0][1].device.type == "cuda"
    rate = _CUDA_RATE if cuda else _CPU_RATE
    return flops / rate + math.ceil(count / 64) * _STEP_SECONDS
