"""The one-call doors on real data: test accuracy after the time a user would give them.

    python benchmarks/doors.py breastmnist pneumoniamnist --seeds 3 --data ../shared/data
    python benchmarks/doors.py fashion digits spcc-ia spcc-types diabetes breast-cancer wine

Every door runs with its defaults and the minutes of the table below. Training and validation
samples go to the door together, which cuts them as it likes; the test samples are looked at once,
after `fit`. Where the table says so a reference is trained on the very same samples in the same
run: gradient boosting of scikit-learn, its settings chosen by cross-validation; for light curves
it gets the hand-made features (and the redshift) that the door gets as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets, metrics
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import GridSearchCV, train_test_split

from archloom import ImageClassifier, SeriesClassifier, TableClassifier, TableRegressor
from archloom.sources import from_light_curves
from archloom.task import Split, Task, accuracy, auc, balanced_accuracy, call_model, read_idx

Data = tuple[Any, Any, Any, Any]  # X, y to learn from; X, y to be tested on


@dataclass(frozen=True)
class Case:
    """One row: the door, its minutes, its data and what it is measured against."""

    door: Any
    minutes: float
    load: Callable[[Path, int], Any]
    reference: Callable[[Path, int], dict[str, float]] | None = None
    published: str = ""


def medmnist(name: str) -> Callable[[Path, int], Data]:
    def read(folder: Path, seed: int) -> Data:
        with np.load(folder / f"{name}.npz") as file:
            X = np.concatenate([file["train_images"], file["val_images"]])
            y = np.concatenate([file["train_labels"], file["val_labels"]]).ravel()
            return X, y, file["test_images"], file["test_labels"].ravel()

    return read


def fashion(folder: Path, seed: int) -> Data:
    root = Path("/usr/share/datasets/fashion-mnist")
    parts = [
        read_idx(next(root.glob(f"{split}-{kind}-idx*")))
        for split in ("train", "t10k")
        for kind in ("images", "labels")
    ]
    return parts[0], parts[1], parts[2], parts[3]


def digits(folder: Path, seed: int) -> Data:
    data = datasets.load_digits()
    X = data.images.astype(np.float32)
    return _cut(X, data.target, seed, stratify=data.target)


def table(load: Callable[[], Any], stratify: bool) -> Callable[[Path, int], Data]:
    def read(folder: Path, seed: int) -> Data:
        data = load()
        return _cut(data.data, data.target, seed, stratify=data.target if stratify else None)

    return read


def _cut(X: Any, y: Any, seed: int, stratify: Any) -> Data:
    X, Xt, y, yt = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=stratify)
    return X, y, Xt, yt


GRID = {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [7, 31], "max_iter": [100, 300]}


def boosted(load: Callable[[Path, int], Data]) -> Callable[[Path, int], dict[str, float]]:
    def run(folder: Path, seed: int) -> dict[str, float]:
        X, y, Xt, yt = load(folder, seed)
        regression = np.asarray(y).dtype.kind == "f"
        made = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        return judged(GridSearchCV(made(random_state=seed), GRID, cv=5).fit(X, y), Xt, yt)

    return run


def judged(model: Any, X: Any, y: Any) -> dict[str, float]:
    """Score predictions of anything that follows scikit-learn."""
    predicted = model.predict(X)
    if np.asarray(y).dtype.kind == "f":
        return {
            "rmse": float(metrics.root_mean_squared_error(y, predicted)),
            "mae": float(metrics.mean_absolute_error(y, predicted)),
            "r2": float(metrics.r2_score(y, predicted)),
        }
    chances = model.predict_proba(X)
    if chances.shape[1] == 2:
        area = metrics.roc_auc_score(y, chances[:, 1])
    else:
        area = metrics.roc_auc_score(y, chances, multi_class="ovr")
    return {
        "accuracy": float(metrics.accuracy_score(y, predicted)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(y, predicted)),
        "auc": float(area),
    }


def supernovae(target: str) -> Callable[[Path, int], Task]:
    def read(folder: Path, seed: int) -> Task:
        return from_light_curves(folder / "spcc_subset.npz", target=target, test=0.2, seed=seed)

    return read


def boosted_features(load: Callable[[Path, int], Task]) -> Callable[[Path, int], dict[str, float]]:
    def run(folder: Path, seed: int) -> dict[str, float]:
        task = load(folder, seed)
        known, test = task.pooled(), task.open_test(lambda: None)
        trees = GridSearchCV(HistGradientBoostingClassifier(random_state=seed), GRID, cv=5)
        trees.fit(_features(known), known.targets.numpy())
        return judged(trees, _features(test), test.targets.numpy())

    return run


def _features(split: Split) -> np.ndarray:
    assert isinstance(split.inputs, dict)
    return split.inputs["static"].numpy()


def judged_on_test(door: Any, task: Task) -> dict[str, float]:
    """Score the model of a door that was given a task."""
    test = task.open_test(lambda: None)
    with torch.inference_mode():
        outputs = call_model(door.model_.eval(), test.inputs)
    scores = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "auc": auc}
    return {name: float(score(outputs, test.targets) or 0) for name, score in scores.items()}


_IA, _TYPES = supernovae("Ia"), supernovae("all")
_DIABETES = table(datasets.load_diabetes, stratify=False)
_CANCER = table(datasets.load_breast_cancer, stratify=True)
_WINE = table(datasets.load_wine, stratify=True)

CASES = {
    "breastmnist": Case(
        ImageClassifier, 10, medmnist("breastmnist"), published="ResNet-18 0.863 / AUC 0.901"
    ),
    "pneumoniamnist": Case(
        ImageClassifier, 15, medmnist("pneumoniamnist"), published="ResNet-18 0.854 / AUC 0.944"
    ),
    "fashion": Case(ImageClassifier, 30, fashion, published="NNI, 6 trials: 0.9134"),
    "digits": Case(ImageClassifier, 2, digits),
    "spcc-ia": Case(SeriesClassifier, 5, _IA, boosted_features(_IA)),
    "spcc-types": Case(SeriesClassifier, 5, _TYPES, boosted_features(_TYPES)),
    "diabetes": Case(TableRegressor, 2, _DIABETES, boosted(_DIABETES)),
    "breast-cancer": Case(TableClassifier, 2, _CANCER, boosted(_CANCER)),
    "wine": Case(TableClassifier, 2, _WINE, boosted(_WINE)),
}


def run(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    case = CASES[name]
    data = case.load(options.data, seed)
    minutes = options.minutes or case.minutes
    door = case.door(minutes, seed=seed, progress=options.progress, **options.set)
    began = time.perf_counter()
    if isinstance(data, Task):
        door.fit(data)
    else:
        door.fit(*data[:2])
    seconds = time.perf_counter() - began
    row = {
        "data": name,
        "seed": seed,
        "minutes": minutes,
        "seconds": round(seconds, 1),
        "trials": sum(trial.state.scored for trial in door.study_.trials()),
        "winner": dict(door.study_[door.study_.note("best")["trial"]].metrics),
        "notices": list(door.notices_),
        "test": judged_on_test(door, data) if isinstance(data, Task) else judged(door, *data[2:]),
    }
    if case.reference is not None:
        row["reference"] = case.reference(options.data, seed)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", choices=sorted(CASES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="instead of those of the case")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, help="append each run as a line of JSON")
    parser.add_argument("--progress", action="store_const", const="auto", default=False)
    parser.add_argument("--set", type=json.loads, default={}, help="settings of the door, as JSON")
    options = parser.parse_args()
    for name in options.names:
        rows = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            rows.append(run(name, seed, options))
            print(json.dumps(rows[-1], default=str), flush=True)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(rows[-1], default=str) + "\n")
        print(summary(name, rows), flush=True)


def summary(name: str, rows: list[dict[str, Any]]) -> str:
    """Give one row of the table of results: mean and deviation over the seeds."""
    parts = [f"{key} {_spread([row['test'][key] for row in rows])}" for key in rows[0]["test"]]
    text = f"{name}: {', '.join(parts)} in {_spread([row['seconds'] for row in rows])} s"
    if "reference" in rows[0]:
        known = [
            f"{key} {_spread([row['reference'][key] for row in rows])}"
            for key in rows[0]["reference"]
        ]
        text += f"; reference: {', '.join(known)}"
    return text + (f"; published: {CASES[name].published}" if CASES[name].published else "")


def _spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.4g}"
    return f"{mean} ± {statistics.stdev(values):.2g}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
