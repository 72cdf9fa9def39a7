"""Recipe: how to train, as plain settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from archloom.errors import ConfigError, did_you_mean
from archloom.task import AUGMENT_OPS

_NAMES: dict[str, tuple[str, ...]] = {
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("constant", "cosine", "onecycle", "step"),
    "amp": ("auto", "bf16", "fp16", "off"),
}

POLICIES = ("none", "light", "medium", "strong", "trivial", "rand")
"""The names of augmentation policies."""

# lowest, highest, and whether the ends belong to it
_RANGES: dict[str, tuple[float, float, bool, bool]] = {
    "epochs": (1, math.inf, True, False),
    "fraction": (0, 1, False, True),
    "lr": (0, math.inf, False, False),
    "weight_decay": (0, math.inf, True, False),
    "momentum": (0, 1, True, False),
    "warmup": (0, 1, True, False),
    "batch_size": (1, math.inf, True, False),
    "label_smoothing": (0, 1, True, False),
    "patience": (1, math.inf, True, False),
    "clip": (0, math.inf, False, False),
    "seconds": (0, math.inf, False, False),
    "augment_strength": (0, 1, True, True),
    "ema": (0, 1, False, False),
    "swa": (0, 1, False, False),
}

_WHOLE = ("epochs", "batch_size", "patience")
_MAY_BE_NONE = (
    *("lr", "weight_decay", "warmup", "patience", "clip", "monitor"),
    *("seconds", "ema", "swa"),
)

_LR = {"adamw": 3e-3, "adam": 1e-3, "sgd": 0.05}
_WEIGHT_DECAY = {"adamw": 0.1, "adam": 0.0, "sgd": 5e-4}
_WARMUP = {"onecycle": 0.3}


@dataclass(frozen=True)
class Recipe:
    """How to train a model.

    Args:
        epochs: passes over the training data.
        fraction: share of the training data used, every class keeping its share, in (0, 1].
        optimizer: `adamw`, `adam` or `sgd` (Nesterov, where there is momentum).
        lr: peak learning rate; None takes 0.003, 0.001 and 0.05 for the three optimizers.
        weight_decay: None takes 0.1, 0 and 0.0005. Biases and norms are not decayed.
        momentum: of `sgd`.
        schedule: learning rate over the steps: `onecycle` (Smith 2018), `cosine`, `constant`,
            or `step` (a tenth after half and again after three quarters).
        warmup: share of the steps in which the rate rises; None takes 0.3 for `onecycle`, else 0.
        batch_size: samples a step.
        augment: change the training inputs at random, as far as the task allows it: True for the
            policy `medium`, or the name of a policy, or a list of operations; `medium-flip` is
            the policy without flips.
        augment_strength: how far they are changed, in [0, 1]; 0.5 is moderate.
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        patience: stop after so many epochs without a better `monitor`; None never does.
        amp: mixed precision: `auto` on CUDA only (bf16, else fp16), `off`, `bf16`, `fp16`.
        channels_last: memory layout of images; `auto` measures which one is faster.
        clip: largest norm of the gradient.
        restore_best: end with the weights of the best epoch rather than of the last.
        monitor: validation metric that tells the best epoch; None takes the accuracy where there
            is one, else the loss.
        seconds: time budget; the learning rate falls with the larger of the shares of steps and
            of time, and training ends, validated, when one is used up, in mid-epoch too.
        ema: validate and keep an exponential moving average of the weights with this decay a
            step, 0.999 for instance.
        swa: average the weights from this share of the training on, 0.75 for instance; the
            learning rate stays as it is there (Izmailov et al. 2018).

    Raises:
        ConfigError: for a value out of range or a name that is not known.

    >>> Recipe(epochs=3, optimizer="sgd").learning_rate
    0.05
    """

    epochs: int = 5
    fraction: float = 1.0
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float | None = None
    weight_decay: float | None = None
    momentum: float = 0.9
    schedule: Literal["onecycle", "cosine", "constant", "step"] = "onecycle"
    warmup: float | None = None
    batch_size: int = 64
    augment: bool | str | tuple[str, ...] = False
    augment_strength: float = 0.5
    label_smoothing: float = 0.0
    patience: int | None = None
    amp: Literal["auto", "off", "bf16", "fp16"] = "auto"
    channels_last: bool | Literal["auto"] = "auto"
    clip: float | None = None
    restore_best: bool = True
    monitor: str | None = None
    seconds: float | None = None
    ema: float | None = None
    swa: float | None = None

    def __post_init__(self) -> None:
        for name, known in _NAMES.items():
            _check_name(name, getattr(self, name), known)
        for name in _RANGES:
            _check_number(name, getattr(self, name))
        _check_truth("restore_best", self.restore_best)
        _check_augment(self.augment)
        if not isinstance(self.augment, bool | str):
            object.__setattr__(self, "augment", tuple(self.augment))
        if self.channels_last != "auto":
            _check_truth("channels_last", self.channels_last)
        if self.monitor is not None and not isinstance(self.monitor, str):
            raise ConfigError(f"monitor is the name of a metric or None, got {self.monitor!r}.")
        if self.ema is not None and self.swa is not None:
            raise ConfigError(
                f"Weights are averaged in one way, got ema={self.ema} and swa={self.swa}: set one "
                f"of them to None."
            )

    @property
    def learning_rate(self) -> float:
        """The peak learning rate, with the optimizer's own default."""
        return _LR[self.optimizer] if self.lr is None else self.lr

    @property
    def decay(self) -> float:
        """The weight decay, with the optimizer's own default."""
        return _WEIGHT_DECAY[self.optimizer] if self.weight_decay is None else self.weight_decay

    @property
    def rise(self) -> float:
        """The share of the steps that warm up, with the schedule's own default."""
        return _WARMUP.get(self.schedule, 0.0) if self.warmup is None else self.warmup


def _check_name(setting: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else f"Known: {known}"
        raise ConfigError(f"There is no {setting} {value!r}: {hint}.")


def _check_number(setting: str, value: Any) -> None:
    if value is None and setting in _MAY_BE_NONE:
        return
    kind = "a whole number" if setting in _WHOLE else "a number"
    wanted = int if setting in _WHOLE else int | float
    if isinstance(value, bool) or not isinstance(value, wanted):
        hint = " (YAML takes 1e-3 for text: write 1.0e-3 or 0.001)" if _is_number(value) else ""
        raise ConfigError(f"{setting} must be {kind}, got {value!r}{hint}.")
    low, high, with_low, with_high = _RANGES[setting]
    above = value >= low if with_low else value > low
    below = value <= high if with_high else value < high
    if not (above and below):
        ends = f"{'[' if with_low else '('}{low:g}, {high:g}{']' if with_high else ')'}"
        raise ConfigError(f"{setting} must be {kind} in {ends}, got {value!r}.")


def _check_truth(setting: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{setting} must be True or False, got {value!r}.")


def _check_augment(value: Any) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, str):
        policy, *without = value.split("-")
        for name, known in ((policy, POLICIES), *((op, AUGMENT_OPS) for op in without)):
            if name not in known:
                raise ConfigError(
                    f"augment is a policy (less some operations: 'medium-flip'), a list of "
                    f"operations, True or False, got {value!r}: {did_you_mean(name, known)}."
                )
        return
    if not isinstance(value, list | tuple):
        raise ConfigError(
            f"augment is True, False, the name of a policy or a list of operations, got {value!r}."
        )
    for op in value:
        if op not in AUGMENT_OPS:
            hint = did_you_mean(op, AUGMENT_OPS) if isinstance(op, str) else f"Known: {AUGMENT_OPS}"
            raise ConfigError(f"There is no augmentation {op!r}: {hint}.")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)
