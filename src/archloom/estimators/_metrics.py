"""Which metrics an estimator will give, known before it runs."""

from __future__ import annotations

from archloom.estimators._base import Estimator
from archloom.estimators._combine import Combined
from archloom.estimators._cost import Cost
from archloom.estimators._cross_validate import CrossValidate
from archloom.estimators._extrapolated import Extrapolated
from archloom.estimators._inherited import Inherited
from archloom.estimators._look_up import LookUp
from archloom.estimators._repeat import Repeat
from archloom.estimators._table_latency import TableLatency
from archloom.estimators._train import Train
from archloom.estimators._zero_cost import ZeroCost
from archloom.task import Task


def metrics_of(estimator: Estimator, task: Task) -> frozenset[str] | None:
    """Give the names of the metrics on this task, None where only a call can tell.

    >>> from archloom.task import digits
    >>> sorted(metrics_of(Cost(latency=True), digits()))
    ['flops', 'latency_ms', 'latency_ms_p90', 'params']
    """
    match estimator:
        case Train():
            optional = {
                "inherited": bool(estimator.inherit),
                "preserved": estimator.inherit == "net2net",
            }
            names = (name for name, given in optional.items() if given)
            return frozenset({*task.metric_names, "train_loss", "epochs", "params", *names})
        case Extrapolated():
            metric = estimator.metric or task.main_metric
            beside = {"epochs", "params", f"{metric}_std", f"{metric}_seen"}
            return frozenset({*task.metric_names, "train_loss", *beside})
        case CrossValidate():
            beside = {"epochs", "params", "folds", f"{task.main_metric}_se"}
            return frozenset({*task.metric_names, *beside})
        case Inherited():
            return frozenset({*task.metric_names, "inherited"})
        case Cost():
            return frozenset(estimator.metrics)
        case TableLatency():
            return frozenset({"latency_ms"})
        case LookUp():
            return estimator.names
        case ZeroCost():
            return frozenset(estimator.scores)
        case Repeat():
            plain = metrics_of(estimator.estimator, task)
            return plain and plain | {f"{name}_std" for name in plain}
        case Combined():
            parts = [metrics_of(part, task) for part in estimator.estimators]
            if all(part is not None for part in parts):
                return frozenset().union(*(part for part in parts if part is not None))
    return None


def reported_metrics(estimator: Estimator, task: Task) -> frozenset[str] | None:
    """Give the names of what a trial reports while it runs, None where only a call can tell.

    >>> from archloom.task import digits
    >>> reported_metrics(Train(), digits()) >= {"accuracy", "loss", "train_loss"}
    True
    >>> reported_metrics(Cost(), digits())
    frozenset()
    """
    match estimator:
        case Train() | Extrapolated():
            return frozenset({*task.metric_names, "train_loss"})
        case CrossValidate():
            return frozenset({*task.metric_names, "train_loss", "epochs", "params"})
        case Inherited() | Cost() | ZeroCost():
            return frozenset()
        case Repeat():
            return reported_metrics(estimator.estimator, task)
        case Combined():
            parts = [reported_metrics(part, task) for part in estimator.estimators]
            if all(part is not None for part in parts):
                return frozenset().union(*(part for part in parts if part is not None))
    return None
