"""Train: judge an architecture by training it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from archloom.errors import ConfigError, Stopped, did_you_mean
from archloom.estimators._base import Candidate
from archloom.space import Choice, Floats, Integers, Space
from archloom.train import CHECKPOINT, Recipe, choose_layout, fit, save_tensors

SCOPE = "train."
"""Choices with labels of this scope are training settings, not parts of the model."""

WEIGHTS = "weights.pt"
OUTPUTS = "outputs.pt"


@dataclass(frozen=True)
class Train(Recipe):
    """Train the candidate's model by this recipe; the validation metrics are the result.

    A recipe that can be called: its settings are those of `archloom.train.Recipe`. An
    architecture's values at `train.<setting>` override them, so that learning rates and the like
    can be searched together with the layers; the epochs that a candidate asks for come first.

    Reports every epoch, goes on from its checkpoint after an interruption, and leaves the
    weights as `weights.pt` in the candidate's folder, and beside them `outputs.pt`: a dict whose
    `outputs` are the model's for the validation split, as `archloom.train.predict` gives them.
    Besides the metrics it gives `epochs` (those run) and `params`, and `micro_batch` where memory
    was too small for a batch.

    >>> Train(epochs=3, lr=0.01, augment=True).epochs
    3
    """

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Train and give the validation metrics of the weights kept."""
        recipe = self.recipe_for(candidate)
        model = candidate.build()
        layout = choose_layout(
            model,
            candidate.task,
            recipe,
            candidate.device,
            remember=lambda measure: candidate.remember("layout", measure),
        )
        checkpoint = candidate.files / CHECKPOINT
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
            )
        except Stopped:
            checkpoint.unlink(missing_ok=True)
            raise
        save_tensors(candidate.files / WEIGHTS, model.state_dict())
        save_tensors(candidate.files / OUTPUTS, {"outputs": fitted.outputs})
        checkpoint.unlink(missing_ok=True)
        params = sum(parameter.numel() for parameter in model.parameters())
        found = {**fitted.metrics, "epochs": float(fitted.epochs_run), "params": float(params)}
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
        """Give the recipe with what the candidate's architecture and epochs change."""
        recipe = self._with(candidate.architecture)
        return recipe if candidate.epochs is None else replace(recipe, epochs=candidate.epochs)

    def _with(self, values: Any) -> Recipe:
        changes = {}
        for label, value in values.items():
            if label.startswith(SCOPE):
                _require_setting(label)
                changes[label.removeprefix(SCOPE)] = value
        return replace(self, **changes)


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
