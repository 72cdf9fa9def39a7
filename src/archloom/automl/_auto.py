"""AutoModel: several inputs of different kinds, several targets of different kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if

from archloom.automl._answers import Answers, MixedAnswers
from archloom.automl._build import Prepared
from archloom.automl._door import Door
from archloom.automl._several import Several, SeveralEncoder, encoder_for, kind_of_input, named
from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources import encoded_task


def _has_chances(door: Any) -> bool:
    if not hasattr(door, "_answers"):
        return True
    if door._answers.kind == "numbers":
        raise AttributeError("Numbers have no probabilities: use predict.")
    return True


@dataclass(eq=False, repr=False)
class AutoModel(Door):
    """Learn from several inputs of any kinds, and predict one target or several of any kinds.

    `X` is a dict (or a tuple) of inputs: images, volumes, series, tables, texts; a lone input will
    do. `y` is one target, or a dict of them: classes, columns of 0 and 1, numbers. `predict` and
    `predict_proba` give a dict then; `score` is the mean over the targets of the accuracy, for
    numbers R2.

    Args:
        kinds: what the inputs are, by name: image, volume, series, table or text. Without it,
            strings are text, two axes and frames are a table, three or four an image, five a
            volume.
        targets: what the targets are, by name: classes, labels or numbers. Without it, floats
            that are not few whole values are numbers, several columns of 0 and 1 labels, all
            else classes.

    >>> rng = np.random.default_rng(0)
    >>> X = {"picture": rng.random((40, 6, 8)), "facts": rng.random((40, 3))}
    >>> y = {"kind": ["cat", "dog"] * 20, "age": rng.random(40)}
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = AutoModel(**settings).fit(X, y)
    >>> {name: part.shape for name, part in door.predict(X).items()}
    {'kind': (40,), 'age': (40,)}
    """

    _kind = "mixed"

    _: KW_ONLY
    kinds: Mapping[str, str] | None = None
    targets: Mapping[str, str] | str | None = None

    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Prepared:
        answers = self._read_targets(y)
        kinds = self._input_kinds(X)
        encoder: Any = SeveralEncoder(
            {name: encoder_for(kind, self.layout) for name, kind in kinds.items()}
        )
        samples = next(iter(y.values())) if isinstance(y, Mapping) else y
        task = encoded_task(
            _several(X),
            answers.encode(y),
            encoder,
            kind=kinds,
            target=answers.target(),
            **self._settings(answers, samples, validation_data, groups, _several),
        )
        return Prepared(task, answers)

    def _read_targets(self, y: Any) -> Any:
        if isinstance(y, Mapping):
            if not y:
                raise DataError("There must be at least one target, y is empty.")
            wanted = self.targets if isinstance(self.targets, Mapping) else {}
            for name in wanted:
                if name not in y:
                    raise ConfigError(f"targets names {name!r}: {did_you_mean(name, map(str, y))}.")
            return MixedAnswers({str(n): Answers.of(v, wanted.get(n)) for n, v in y.items()})
        if isinstance(self.targets, Mapping):
            raise ConfigError("targets is a mapping, and y is one target: give its kind alone.")
        return Answers.of(y, self.targets)

    def _input_kinds(self, X: Any) -> dict[str, str]:
        parts, wanted = named(X), dict(self.kinds or {})
        for name in wanted:
            if name not in parts:
                raise ConfigError(f"kinds names {name!r}: {did_you_mean(str(name), parts)}.")
        return {name: wanted.get(name) or kind_of_input(part) for name, part in parts.items()}

    def _encoded(self, X: Any) -> Any:
        of_file = not isinstance(self.encoder_, SeveralEncoder)
        return self.encoder_.transform(X if of_file else _several(X))

    @available_if(_has_chances)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """Give probabilities of classes and labels; of several targets a dict without numbers."""
        return self._answers.chances(self._finished(X))

    def score(self, X: Any, y: Any) -> float:
        """Give the accuracy, of numbers R2; of several targets the mean."""
        answers, found = self._answers, self.predict(X)
        if not isinstance(answers, MixedAnswers):
            return _score(answers, y, found)
        if not isinstance(y, Mapping) or set(map(str, y)) != set(answers.parts):
            raise DataError(f"y must be a dict of the targets {', '.join(answers.parts)}.")
        scores = [_score(part, y[name], found[name]) for name, part in answers.parts.items()]
        return float(np.mean(scores))


def _several(X: Any) -> Several:
    return Several(named(X))


def _score(answers: Answers, y: Any, found: np.ndarray) -> float:
    judge = r2_score if answers.kind == "numbers" else accuracy_score
    return float(judge(np.asarray(y), found))
