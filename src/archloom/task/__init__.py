"""Data in memory, cut into training, validation and guarded test; loss and metrics."""

from __future__ import annotations

from archloom.task._arrays import from_arrays
from archloom.task._batches import batch_count, batches, epoch_order
from archloom.task._data import Inputs, Outputs, Split, call_model, leaves, map_tensors
from archloom.task._digits import digits
from archloom.task._idx import from_idx, read_idx
from archloom.task._labels import encode_labels
from archloom.task._load import load, rebuild
from archloom.task._metrics import accuracy, auc, balanced_accuracy, confusion_matrix
from archloom.task._mnist import fashion_mnist, mnist
from archloom.task._normalise import Normalisation, measure_normalisation
from archloom.task._npz import from_npz
from archloom.task._seeds import mix
from archloom.task._stratify import stratified_split, stratified_subset
from archloom.task._task import AUGMENT_OPS, Loss, Metric, Task

__all__ = [
    "AUGMENT_OPS",
    "Inputs",
    "Loss",
    "Metric",
    "Normalisation",
    "Outputs",
    "Split",
    "Task",
    "accuracy",
    "auc",
    "balanced_accuracy",
    "batch_count",
    "batches",
    "call_model",
    "confusion_matrix",
    "digits",
    "encode_labels",
    "epoch_order",
    "fashion_mnist",
    "from_arrays",
    "from_idx",
    "from_npz",
    "leaves",
    "load",
    "map_tensors",
    "measure_normalisation",
    "mix",
    "mnist",
    "read_idx",
    "rebuild",
    "stratified_split",
    "stratified_subset",
]
