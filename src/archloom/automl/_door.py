"""Door: hand data over, get a trained model; the scikit-learn estimator that all kinds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _num_samples, check_is_fitted

from archloom.automl._advice import advice
from archloom.automl._after import export_door, leaderboard_rows, settings_text
from archloom.automl._answers import Answers
from archloom.automl._build import (
    Prepared,
    as_input_errors,
    encoder_of,
    from_path,
    from_task,
    refuse_sparse,
    settings_of,
)
from archloom.automl._check import check_against, check_settings, ensemble_wish
from archloom.automl._notices import found_in_data, not_done
from archloom.automl._outputs import finished, outputs_of
from archloom.automl._plan import Wishes, plan
from archloom.automl._run import Clock, TemporaryFolder, asked, begin, best_model, further, run
from archloom.automl._threshold import chosen_threshold, device_of
from archloom.errors import ConfigError, RunError
from archloom.task import Task


# fields give the __init__ that scikit-learn asks for: one that names each setting and stores it
@dataclass(eq=False, repr=False)
class Door(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """What all doors share: a scikit-learn estimator around one run of an experiment.

    Args:
        minutes: wall time that `fit` may take in all; None sets no clock, so that `trials` alone
            decides.
        trials: how many architectures to try at most.
        objective: the metric to choose by, or several, the first one leading; None takes the
            task's own: accuracy, mean AUC of several labels, RMSE.
        space: the model space: a name, a file, or a dict of a name and settings.
        strategy: the search strategy, likewise.
        constraints: limits such as `"params <= 100_000"`.
        epochs: the longest training; None leaves it to the data and the time.
        folds: cross-validation instead of one split: "auto" where data are few, a number, None.
        augment: "auto", False, or a policy of the recipe.
        ensemble: "auto", False, or settings of the stage that combines the best models.
        train: any further settings of the recipe, which win over all others.
        class_weights: None, "balanced", or a mapping of classes to weights.
        threshold: from which probability a binary classifier says yes: "auto" where the ensemble
            stage found one that helps, a number, or the metric to tune it for.
        layout: the axes of arrays, such as "NHWC", where their order cannot be told.
        device: "auto", "cpu", "cuda", ...
        workers: trials that run side by side; "auto" takes one for each core (up to four) or
            GPU where there are five minutes or more.
        seed: makes a run without a clock repeatable.
        folder: where the run is recorded; None takes a temporary folder.
        resume: go on with the run that `folder` holds.
        progress: "auto", "lines", False, or a function of events.
        distill: teach one network what the ensemble knows, for a single small file.
    """

    _kind: ClassVar[str]

    minutes: float | None = 10
    _: KW_ONLY
    trials: int | None = None
    objective: str | Sequence[str] | None = None
    space: Any = None
    strategy: Any = None
    constraints: Sequence[str] = ()
    epochs: int | None = None
    folds: int | str | None = "auto"
    augment: Any = "auto"
    ensemble: Any = "auto"
    train: Mapping[str, Any] | None = None
    class_weights: Any = None
    threshold: float | str | None = "auto"
    layout: str = "auto"
    device: str = "auto"
    workers: int | str = "auto"
    seed: int = 0
    folder: str | Path | None = None
    resume: bool = False
    progress: Any = "auto"
    distill: bool = False

    # -- what the kinds differ in ------------------------------------------------------------

    @abstractmethod
    def _read_targets(self, y: Any) -> Answers:
        """Learn the form of the targets."""

    @abstractmethod
    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Prepared:
        """Make the task of data in memory."""

    def _settings(
        self, answers: Any, y: Any, validation_data: Any, groups: Any, read: Any
    ) -> dict[str, Any]:
        return settings_of(
            answers,
            _num_samples(y),
            validation_data,
            read,
            groups=groups,
            class_weights=self.class_weights,
            seed=self.seed,
        )

    def _encoded(self, X: Any) -> Any:
        return self.encoder_.transform(X)

    # -- fit ---------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
    ) -> Self:
        """Search, train, and keep the best model.

        Args:
            X: the inputs; or a path, with `y` the name of its target where the format needs one;
                or a `Task`, without y. A test split of file or task is not looked at.
            y: the targets.
            validation_data: a pair (X, y) to choose by; without it a part of the data is cut off.
            groups: one value a sample; samples of one group stay on one side of every cut.

        Raises:
            InputError: for data that cannot be learnt from; it is a ValueError, too.
            ConfigError: for settings that do not fit.
            RunError: when `folder` holds a run and `resume` is not set.
        """
        clock = Clock.start(self.minutes)
        check_settings(self)
        refuse_sparse(X)
        with as_input_errors():
            if isinstance(X, Task):
                prepared = from_task(X, self._kind)
            elif isinstance(X, str | Path):
                prepared = from_path(X, y, self._kind, self._options(validation_data, groups))
            else:
                prepared = self._prepare(X, y, validation_data, groups)
            notices = found_in_data(prepared)
            encoder = encoder_of(prepared.task)
        self._temporary = TemporaryFolder() if self.folder is None else None
        folder = Path(self.folder or "") if self._temporary is None else self._temporary.path
        wishes = self._wishes(clock.left())
        if validation_data is not None and self.folds == "auto":
            wishes = replace(wishes, folds=None)  # given to choose by: not to be trained on
        check_against(self, prepared.task, wishes.folds)
        settings = plan(prepared.task, wishes)
        notices += settings.pop("notices", [])
        settings = {**settings, "device": self.device}
        self.settings_, experiment, changed = begin(
            settings,
            prepared.task,
            folder,
            asked=asked(self),
            resume=self.resume,
            progress=self.progress,
        )
        notices += changed
        self._answers, self.encoder_ = prepared.answers, encoder
        given = {"validation": validation_data is not None, "groups": groups is not None}
        self._advice = advice(self, X, y, prepared, **given)
        self._keep(experiment, notices, clock.deadline())
        return self

    def _wishes(self, minutes: float | None) -> Wishes:
        objective = self.objective
        if objective is not None and not isinstance(objective, str):
            objective = tuple(objective)
        return Wishes(
            minutes=minutes,
            trials=self.trials,
            epochs=self.epochs,
            objective=objective,
            space=self.space,
            strategy=self.strategy,
            constraints=tuple(self.constraints),
            folds=self.folds,
            augment=self.augment,
            ensemble=ensemble_wish(self.ensemble, self.threshold, self.distill),
            workers=self.workers,
            seed=self.seed,
            train=dict(self.train or {}),
        )

    def _keep(self, experiment: Any, notices: list[str], deadline: float | None) -> None:
        """Run, and take the winner over."""
        self.study_, interrupted = run(experiment, deadline)
        self.experiment_ = experiment
        timed = deadline is not None
        found = not_done(experiment, self.study_, interrupted, timed=timed)
        self.notices_ = [*notices, *found]
        task = experiment.task
        self.target_, self.source_ = task.target, task.source
        self._task_kind, self._example = task.kind, task.example(2, device="cpu")
        self.model_ = best_model(experiment, self.study_, interrupted)
        self.__dict__.pop("classes_", None)  # of an earlier fit
        if self._answers.classes is not None:
            self.classes_ = self._answers.classes
        self.threshold_ = chosen_threshold(self.threshold, self.model_, experiment, self.study_)

    def _options(self, validation_data: Any, groups: Any) -> dict[str, Any]:
        """Settings for the source of a path."""
        if validation_data is not None:
            raise ConfigError("validation_data go with X and y in memory, X is a path.")
        given = {"groups": groups, "class_weights": self.class_weights}
        return {"seed": self.seed, **{k: v for k, v in given.items() if v is not None}}

    def refine(self, minutes: float | None = None, trials: int | None = None) -> Self:
        """Go on with the same run, for so many more minutes or trials.

        Raises:
            RunError: when the door was loaded from a file without the run's folder.
        """
        check_is_fitted(self, "model_")
        if (minutes is None) == (trials is None):
            raise ConfigError("refine takes minutes=... or trials=..., one of them.")
        self._require_run("refine goes on with a run")
        clock = Clock.start(minutes)
        more = further(
            self.experiment_, self.study_, minutes=minutes, trials=trials, progress=self.progress
        )
        self._keep(more, [], clock.deadline())
        return self

    def _require_run(self, what: str) -> None:
        if not hasattr(self, "experiment_"):
            raise RunError(
                f"{what}, and this model was loaded from a file: fit it with folder=... and give "
                f"the same folder with resume=True."
            )

    # -- predict -----------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Give predictions in the form of the training targets: classes as they were given.

        Raises:
            InputError: for data of another form than at fit.
        """
        finished = self._finished(X)
        said: np.ndarray = self._answers.decode(finished, self.threshold_)
        return said

    def _finished(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "model_")
        refuse_sparse(X)
        with as_input_errors():
            inputs = self._encoded(X)
        return finished(outputs_of(self.model_, inputs, device_of(self.device)), self.target_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.two_d_array = self._kind in ("table", "series")
        tags.non_deterministic = self.minutes is not None
        return tags

    # -- what came out -----------------------------------------------------------------------

    def leaderboard(self) -> Any:
        """Give all scored trials, best first: a pandas frame where pandas is there, else rows."""
        check_is_fitted(self, "model_")
        return leaderboard_rows(self.study_)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the HTML report of the run and give its path, `report.html` by default."""
        check_is_fitted(self, "model_")
        self._require_run("report shows a run")
        place = Path("report.html") if path is None and self._temporary else path
        return Path(self.experiment_.report(place))

    def export(self, path: str | Path, format: str | None = None) -> Path:
        """Write the model to a file that needs no archloom: pt, pt2 or onnx, by its ending.

        A `.pt` file carries what `archloom predict` needs to know besides.
        """
        check_is_fitted(self, "model_")
        return export_door(self, Path(path), format)

    def to_yaml(self) -> str:
        """Give the settings that `fit` used, as `archloom search FILE` takes them."""
        check_is_fitted(self, "model_")
        return settings_text(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the run and its data behind: a pickled door predicts without them."""
        state: dict[str, Any] = super().__getstate__()
        return {k: v for k, v in state.items() if k not in ("experiment_", "_temporary")}
