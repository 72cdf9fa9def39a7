"""Data in memory, cut into training, validation and guarded test; loss and metrics."""

from __future__ import annotations

from archloom.task._arrays import from_arrays
from archloom.task._batches import batch_count, batches, epoch_order
from archloom.task._cache import cached_rows
from archloom.task._classes import Classes
from archloom.task._custom import Custom
from archloom.task._data import Inputs, Outputs, Split, call_model, leaves, map_tensors
from archloom.task._digits import digits
from archloom.task._encode import encode_targets, fitted_target
from archloom.task._files import existing, json_source
from archloom.task._idx import from_idx, read_idx
from archloom.task._inspect import Finding, inspect_data, sample_hashes
from archloom.task._kinds import KINDS
from archloom.task._label_metrics import (
    label_accuracy,
    label_auc,
    label_average_precision,
    label_f1,
)
from archloom.task._labels import encode_labels
from archloom.task._layout import to_inputs
from archloom.task._load import load, rebuild
from archloom.task._mapped import Room, row_slices
from archloom.task._metrics import (
    accuracy,
    auc,
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    f1,
    log_loss,
    quadratic_kappa,
)
from archloom.task._mixed import Mixed, target_from_json
from archloom.task._mnist import fashion_mnist, mnist
from archloom.task._multilabel import Labels
from archloom.task._normalise import Normalisation, measure_normalisation
from archloom.task._npz import from_npz, read_npz
from archloom.task._number_metrics import mae, r2, rmse
from archloom.task._numbers import Numbers
from archloom.task._recognise import source_of_path
from archloom.task._seeds import mix
from archloom.task._sniff import kind_of, refuse_other
from archloom.task._split import grouped_split, time_split
from archloom.task._strata import strata
from archloom.task._stratify import stratified_split, stratified_subset
from archloom.task._target import Loss, Metric, Target
from archloom.task._task import AUGMENT_OPS, Task

__all__ = [
    "AUGMENT_OPS",
    "KINDS",
    "Classes",
    "Custom",
    "Finding",
    "Inputs",
    "Labels",
    "Loss",
    "Metric",
    "Mixed",
    "Normalisation",
    "Numbers",
    "Outputs",
    "Room",
    "Split",
    "Target",
    "Task",
    "accuracy",
    "auc",
    "balanced_accuracy",
    "batch_count",
    "batches",
    "cached_rows",
    "calibration_error",
    "call_model",
    "confusion_matrix",
    "digits",
    "encode_labels",
    "encode_targets",
    "epoch_order",
    "existing",
    "f1",
    "fashion_mnist",
    "fitted_target",
    "from_arrays",
    "from_idx",
    "from_npz",
    "grouped_split",
    "inspect_data",
    "json_source",
    "kind_of",
    "label_accuracy",
    "label_auc",
    "label_average_precision",
    "label_f1",
    "leaves",
    "load",
    "log_loss",
    "mae",
    "map_tensors",
    "measure_normalisation",
    "mix",
    "mnist",
    "quadratic_kappa",
    "r2",
    "read_idx",
    "read_npz",
    "rebuild",
    "refuse_other",
    "rmse",
    "row_slices",
    "sample_hashes",
    "source_of_path",
    "strata",
    "stratified_split",
    "stratified_subset",
    "target_from_json",
    "time_split",
    "to_inputs",
]
