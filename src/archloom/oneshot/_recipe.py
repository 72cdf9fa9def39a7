"""SupernetRecipe: how a supernet is trained, as plain settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from archloom.errors import ConfigError
from archloom.oneshot._traits import Traits
from archloom.train import Recipe

# lowest, highest, and whether the ends belong to it
_RANGES: dict[str, tuple[float, float, bool, bool]] = {
    "epochs": (1, math.inf, True, False),
    "batch_size": (1, math.inf, True, False),
    "lr": (0, math.inf, False, False),
    "lr_end": (0, math.inf, True, False),
    "momentum": (0, 1, True, False),
    "weight_decay": (0, math.inf, True, False),
    "clip": (0, math.inf, True, False),
    "arch_lr": (0, math.inf, False, False),
    "arch_weight_decay": (0, math.inf, True, False),
    "warmup": (0, 1, True, False),
    "arch_share": (0, 1, False, False),
}
_WHOLE = ("epochs", "batch_size")
_STEPS = 16  # an epoch at the least, where the batch size is open


@dataclass(frozen=True, kw_only=True)
class SupernetRecipe:
    """How a supernet is trained; None takes what the method's paper says.

    Args:
        epochs: passes over the data that the weights learn from.
        batch_size: samples of a weight step, and of an architecture step.
        lr: of the weights at the start (SGD, along half a cosine).
        lr_end: of the weights at the end.
        momentum: of the weights.
        weight_decay: of the weights.
        clip: largest norm of the weights' gradient; 0 sets no limit.
        arch_lr: of the architecture parameters (Adam).
        arch_weight_decay: of the architecture parameters.
        warmup: share of the epochs, from the first on, without architecture steps.
        arch_share: share of the training data that the architecture learns from, where the
            method is bilevel; the weights learn from the rest. Validation data are left for
            the scores.
        augment: as in `archloom.train.Recipe`; so are the four that follow.
        augment_strength: how far training inputs are changed.
        label_smoothing: share of the target spread over all classes.
        amp: mixed precision. Second-order steps run in full precision.
        channels_last: memory layout of images; `auto` measures which one is faster.

    Raises:
        ConfigError: for a value out of range or a name that is not known.

    >>> SupernetRecipe(lr=0.05).filled(Traits()).lr_end
    0.001
    """

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    lr_end: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    clip: float | None = None
    arch_lr: float | None = None
    arch_weight_decay: float | None = None
    warmup: float | None = None
    arch_share: float = 0.5
    augment: bool | str | tuple[str, ...] = False
    augment_strength: float = 0.5
    label_smoothing: float = 0.0
    amp: Literal["auto", "off", "bf16", "fp16"] = "auto"
    channels_last: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        augment: Any = self.augment
        if isinstance(augment, list):  # as JSON and YAML have it
            object.__setattr__(self, "augment", tuple(augment))
        for name in _RANGES:
            value = getattr(self, name)
            if value is not None or name == "arch_share":
                _check_number(name, value)
        if self.lr is not None and self.lr_end is not None and self.lr_end > self.lr:
            raise ConfigError(
                f"The learning rate falls from lr to lr_end, got lr={self.lr:g} and "
                f"lr_end={self.lr_end:g}: give a smaller lr_end."
            )
        self.shared()  # which checks what both recipes have

    def filled(self, traits: Traits, samples: int | None = None) -> FilledRecipe:
        """Give the recipe with the method's own values where nothing is set.

        Papers name batch sizes for 25,000 samples: of fewer `samples`, a batch that is not set
        takes at most a sixteenth, as a power of two and at least 8. An `lr` below the method's
        `lr_end` ends at a hundredth of itself.
        """
        weights, arch = traits.weights, traits.arch
        lr = weights.lr if self.lr is None else self.lr
        lr_end = weights.lr_end if weights.lr_end <= lr else lr / 100
        return FilledRecipe(
            epochs=self.epochs or traits.epochs,
            batch_size=self.batch_size or _fitting(traits.batch_size, samples),
            lr=lr,
            lr_end=lr_end if self.lr_end is None else self.lr_end,
            momentum=_or(self.momentum, weights.momentum),
            weight_decay=_or(self.weight_decay, weights.weight_decay),
            clip=(weights.clip if self.clip is None else self.clip) or None,
            arch_lr=_or(self.arch_lr, arch.lr),
            arch_weight_decay=_or(self.arch_weight_decay, arch.weight_decay),
            warmup=_or(self.warmup, traits.warmup),
            arch_share=self.arch_share,
            shared=self.shared(),
        )

    def shared(self) -> Recipe:
        """Give what a stand-alone training has as well: batches, augmentation, precision."""
        plain = Recipe() if self.batch_size is None else Recipe(batch_size=self.batch_size)
        return replace(
            plain,
            augment=self.augment,
            augment_strength=self.augment_strength,
            label_smoothing=self.label_smoothing,
            amp=self.amp,
            channels_last=self.channels_last,
        )


@dataclass(frozen=True)
class FilledRecipe:
    """A `SupernetRecipe` with nothing left open."""

    epochs: int
    batch_size: int
    lr: float
    lr_end: float
    momentum: float
    weight_decay: float
    clip: float | None
    arch_lr: float
    arch_weight_decay: float
    warmup: float
    arch_share: float
    shared: Recipe

    @property
    def warmup_epochs(self) -> int:
        """The epochs without architecture steps; the last epoch has some in any case."""
        return min(round(self.warmup * self.epochs), self.epochs - 1)

    def rate(self, share: float) -> float:
        """Give the weights' learning rate when that share of the training is done.

        >>> from archloom.oneshot import SupernetRecipe, Traits
        >>> recipe = SupernetRecipe(lr=1.0, lr_end=0.0).filled(Traits())
        >>> [round(recipe.rate(share), 3) for share in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
        """
        return self.lr_end + (self.lr - self.lr_end) * (1 + math.cos(math.pi * share)) / 2


def _fitting(batch_size: int, samples: int | None) -> int:
    if samples is None:
        return batch_size
    return min(batch_size, 1 << max(3, (max(samples, 1) // _STEPS).bit_length() - 1))


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _check_number(setting: str, value: Any) -> None:
    kind = "a whole number" if setting in _WHOLE else "a number"
    wanted = int if setting in _WHOLE else int | float
    low, high, with_low, with_high = _RANGES[setting]
    ends = f"{'[' if with_low else '('}{low:g}, {high:g}{']' if with_high else ')'}"
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigError(f"{setting} must be {kind} in {ends}, got {value!r}.")
    above = value >= low if with_low else value > low
    below = value <= high if with_high else value < high
    if not (above and below):
        raise ConfigError(f"{setting} must be {kind} in {ends}, got {value!r}.")
