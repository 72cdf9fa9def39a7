"""The training loop and its fast path: exact, measured, undone afterwards."""

from __future__ import annotations

from archloom.train._allocator import tune_allocator
from archloom.train._augment import augment
from archloom.train._augmentation import Augmentation
from archloom.train._average import Average
from archloom.train._batch import Batch
from archloom.train._checkpoint import load_tensors, save_tensors, write_atomically
from archloom.train._clock import Clock
from archloom.train._layout import choose_layout, measure_layout
from archloom.train._loop import Fitted, Report, fit
from archloom.train._loss import Teacher
from archloom.train._predict import predict
from archloom.train._progress import CHECKPOINT
from archloom.train._recipe import POLICIES, Recipe
from archloom.train._rewrite import rewritten
from archloom.train._schedule import lr_factor
from archloom.train._training import Layout, Training
from archloom.train._views import allowed_views, mean_outputs

__all__ = [
    "CHECKPOINT",
    "POLICIES",
    "Augmentation",
    "Average",
    "Batch",
    "Clock",
    "Fitted",
    "Layout",
    "Recipe",
    "Report",
    "Teacher",
    "Training",
    "allowed_views",
    "augment",
    "choose_layout",
    "fit",
    "load_tensors",
    "lr_factor",
    "mean_outputs",
    "measure_layout",
    "predict",
    "rewritten",
    "save_tensors",
    "tune_allocator",
    "write_atomically",
]
