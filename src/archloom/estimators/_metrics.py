"""Which metrics an estimator will give, known before it runs."""

from __future__ import annotations

from archloom.estimators._base import Estimator
from archloom.estimators._combine import Combined
from archloom.estimators._cost import Cost
from archloom.estimators._cross_validate import CrossValidate
from archloom.estimators._inherited import Inherited
from archloom.estimators._repeat import Repeat
from archloom.estimators._train import Train
from archloom.task import Task


def metrics_of(estimator: Estimator, task: Task) -> frozenset[str] | None:
    """Give the names of the metrics on this task, None where only a call can tell.

    >>> from archloom.task import digits
    >>> sorted(metrics_of(Cost(latency=True), digits()))
    ['flops', 'latency_ms', 'params']
    """
    match estimator:
        case Train():
            return frozenset({*task.metric_names, "train_loss", "epochs", "params"})
        case CrossValidate():
            beside = {"epochs", "params", "folds", f"{task.main_metric}_se"}
            return frozenset({*task.metric_names, *beside})
        case Inherited():
            return frozenset({*task.metric_names, "inherited"})
        case Cost():
            optional = {"flops": estimator.flops, "latency_ms": estimator.latency}
            return frozenset({"params", *(name for name, given in optional.items() if given)})
        case Repeat():
            plain = metrics_of(estimator.estimator, task)
            return plain and plain | {f"{name}_std" for name in plain}
        case Combined():
            parts = [metrics_of(part, task) for part in estimator.estimators]
            if all(part is not None for part in parts):
                return frozenset().union(*(part for part in parts if part is not None))
    return None
