"""Train: judge an architecture by training it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from torch import nn

from archloom.errors import ConfigError, Stopped, did_you_mean
from archloom.estimators._base import Candidate
from archloom.estimators._budgets import WHOLE
from archloom.estimators._from_parent import from_parent
from archloom.space import Choice, Floats, Integers, Space
from archloom.train import (
    CHECKPOINT,
    How,
    Recipe,
    choose_layout,
    fit,
    save_tensors,
    write_atomically,
)

SCOPE = "train."
"""Choices with labels of this scope are training settings, not parts of the model."""

WEIGHTS = "weights.pt"
OUTPUTS = "outputs.pt"

FIDELITIES = ("epochs", "data")

_DATA_STEPS = 100
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Train(Recipe):
    """Train the candidate's model by this recipe; the validation metrics are the result.

    A recipe that can be called: its settings are those of `archloom.train.Recipe`. An
    architecture's values at `train.<setting>` override them, so that learning rates and the like
    can be searched together with the layers; the epochs that a candidate asks for come first.

    `fidelity` says what a candidate's budget is a share of: `"epochs"` trains the first of the
    epochs of the full schedule and keeps a checkpoint, from which a promoted trial goes on to the
    very weights of an uninterrupted training; `"data"` trains the whole schedule, from scratch, on
    a share of the training samples (of `fraction`, every class keeping its share).

    With `inherit` the training begins with the weights of the trial that the candidate was mutated
    from, where the two models correspond, and with "net2net" it is made to compute what that one
    computes where the change allows it (see `archloom.train.inherit`); `inherited` is then the
    share of the parameters that came from there, and `preserved` 1 where the function was kept. A
    training of few epochs is then one more stretch of all its ancestors', so that later trials
    start better than early ones.

    Reports every epoch, goes on from its checkpoint after an interruption, and leaves the
    weights as `weights.pt` in the candidate's folder, and beside them `outputs.pt`: a dict whose
    `outputs` are the model's for the validation split, as `archloom.train.predict` gives them.
    Besides the metrics it gives `epochs` (those run) and `params`, and `micro_batch` where memory
    was too small for a batch.

    >>> Train(epochs=3, lr=0.01, augment=True).epochs
    3
    """

    fidelity: Literal["epochs", "data"] = "epochs"
    inherit: bool | Literal["net2net"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fidelity not in FIDELITIES:
            raise ConfigError(
                f"There is no fidelity {self.fidelity!r}: "
                f"{did_you_mean(str(self.fidelity), FIDELITIES)}."
            )
        if not isinstance(self.inherit, bool) and self.inherit != "net2net":
            raise ConfigError(f"inherit must be true, false or 'net2net', got {self.inherit!r}.")

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Train and give the validation metrics of the weights kept.

        Raises:
            ConfigError: for a budget of a training with `seconds`.
            Stopped: at the word of a stopper, with what is known besides its reports.
        """
        recipe = self.recipe_for(candidate)
        until = self._until(candidate, recipe)
        model = candidate.build()
        params = float(sum(parameter.numel() for parameter in model.parameters()))
        layout = choose_layout(
            model,
            candidate.task,
            recipe,
            candidate.device,
            remember=lambda measure: candidate.remember("layout", measure),
        )
        inherited = self._inherited(candidate, model)
        checkpoint = candidate.files / CHECKPOINT
        if self.continues:
            take_checkpoint(candidate)
        try:
            fitted = fit(
                model,
                candidate.task,
                recipe,
                seed=candidate.seed,
                device=candidate.device,
                files=candidate.files,
                report=candidate.report,
                layout=layout,
                until=until,
            )
        except Stopped as stopped:
            if until is None:
                checkpoint.unlink(missing_ok=True)
            raise Stopped(str(stopped), {"params": params, **stopped.metrics}) from stopped
        save_tensors(candidate.files / WEIGHTS, model.state_dict())
        save_tensors(candidate.files / OUTPUTS, {"outputs": fitted.outputs})
        if until is None:
            checkpoint.unlink(missing_ok=True)
        found = {**fitted.metrics, "epochs": float(fitted.epochs_run), "params": params}
        found |= inherited
        micro_batch = fitted.fast_path.get("micro_batch")
        return found if micro_batch is None else {**found, "micro_batch": float(micro_batch)}

    def check(self, space: Space) -> None:
        """Raise unless every `train.*` choice of the space is a setting with values that fit.

        Raises:
            ConfigError: naming the label and the nearest setting, or the value.
        """
        for label, choice in space.labels.items():
            if label.startswith(SCOPE):
                _require_setting(label)
                for value in _probes(choice):
                    self._with({label: value})

    def recipe_for(self, candidate: Candidate) -> Recipe:
        """Give the recipe with what the candidate's architecture, epochs and share of data change.

        Raises:
            ConfigError: for a budget of a training with `seconds`.
        """
        recipe = self._with(candidate.architecture)
        if candidate.epochs is not None:
            recipe = replace(recipe, epochs=candidate.epochs)
        if candidate.budget is not None and recipe.seconds is not None:
            raise ConfigError(
                f"A budget is a share of the epochs or the data, and seconds={recipe.seconds:g} "
                f"limits the training already: set train.seconds to None, or search with a "
                f"strategy that spends the full effort on every trial."
            )
        if candidate.budget is None or self.fidelity == "epochs":
            return recipe
        return replace(recipe, fraction=recipe.fraction * candidate.budget)

    def budgets(self) -> tuple[float, ...]:
        """Give the shares of the epochs, or of the data in hundredths; 1 alone with `seconds`."""
        if self.seconds is not None:
            return WHOLE
        steps = self.epochs if self.fidelity == "epochs" else _DATA_STEPS
        return tuple(step / steps for step in range(1, steps + 1))

    @property
    def continues(self) -> bool:
        """Whether a promoted training goes on from the one before."""
        return self.fidelity == "epochs"

    def _inherited(self, candidate: Candidate, model: nn.Module) -> dict[str, float]:
        if not self.inherit or is_promoted(candidate):
            return {}  # the checkpoint of a promoted one has all
        how: How = "net2net" if self.inherit == "net2net" else "overlap"
        return from_parent(candidate, model, how, WEIGHTS)

    def _until(self, candidate: Candidate, recipe: Recipe) -> int | None:
        """Give the last epoch of a candidate that has a part of the epochs, None for all."""
        if candidate.budget is None or not self.continues:
            return None
        until = math.ceil(candidate.budget * recipe.epochs - _ROUNDING)
        return until if until < recipe.epochs else None

    def _with(self, values: Any) -> Recipe:
        changes = {}
        for label, value in values.items():
            if label.startswith(SCOPE):
                _require_setting(label)
                changes[label.removeprefix(SCOPE)] = value
        return replace(self, **changes)


def take_checkpoint(candidate: Candidate) -> None:
    """Begin with the checkpoint of the trial that the candidate was promoted from, if it is there.

    Without one the training begins anew, and ends with the same weights.
    """
    parent = candidate.parent
    if parent is None or not is_promoted(candidate):
        return
    theirs, own = parent.files / CHECKPOINT, candidate.files / CHECKPOINT
    if theirs.is_file() and not own.is_file():
        write_atomically(own, theirs.read_bytes())


def is_promoted(candidate: Candidate) -> bool:
    """Whether the candidate goes on from its parent: the same architecture, at a lower budget."""
    parent = candidate.parent
    if parent is None or parent.budget is None or parent.architecture != candidate.architecture:
        return False
    return candidate.budget is None or parent.budget < candidate.budget


def _require_setting(label: str) -> None:
    known = [field.name for field in fields(Recipe)]
    if label.removeprefix(SCOPE) not in known:
        raise ConfigError(
            f"The choice {label!r} names no training setting: "
            f"{did_you_mean(label.removeprefix(SCOPE), known)}."
        )


def _probes(choice: Choice) -> Iterator[Any]:
    """Give the values of a choice that are worth trying: all, or the ends of a range."""
    match choice.domain:
        case Integers() | Floats() as domain:
            yield from (domain.low, domain.high)
        case domain:
            yield from domain.values()
