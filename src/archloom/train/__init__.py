"""The training loop and its fast path: exact, measured, undone afterwards."""

from __future__ import annotations

from archloom.train._allocator import tune_allocator
from archloom.train._augment import augment
from archloom.train._augmentation import Augmentation
from archloom.train._average import Average, has_statistics, measuring_statistics
from archloom.train._batch import Batch
from archloom.train._checkpoint import load_tensors, save_tensors, write_atomically
from archloom.train._clock import Clock
from archloom.train._feed import Feed
from archloom.train._inherit import How, Inheritance, inherit
from archloom.train._layout import choose_layout, measure_layout
from archloom.train._loop import Fitted, Report, fit
from archloom.train._loss import Teacher, distilled, soft_outputs, training_loss
from archloom.train._memory import forget_freed, out_of_memory, placed
from archloom.train._predict import predict
from archloom.train._progress import CHECKPOINT
from archloom.train._random import kept_random_state, seed_everything
from archloom.train._recipe import POLICIES, Recipe
from archloom.train._rewrite import rewritten
from archloom.train._schedule import lr_factor
from archloom.train._training import Layout, Training, amp_dtype, set_layout, wait_for
from archloom.train._views import allowed_views, mean_outputs

__all__ = [
    "CHECKPOINT",
    "POLICIES",
    "Augmentation",
    "Average",
    "Batch",
    "Clock",
    "Feed",
    "Fitted",
    "How",
    "Inheritance",
    "Layout",
    "Recipe",
    "Report",
    "Teacher",
    "Training",
    "allowed_views",
    "amp_dtype",
    "augment",
    "choose_layout",
    "distilled",
    "fit",
    "forget_freed",
    "has_statistics",
    "inherit",
    "kept_random_state",
    "load_tensors",
    "lr_factor",
    "mean_outputs",
    "measure_layout",
    "measuring_statistics",
    "out_of_memory",
    "placed",
    "predict",
    "rewritten",
    "save_tensors",
    "seed_everything",
    "set_layout",
    "soft_outputs",
    "training_loss",
    "tune_allocator",
    "wait_for",
    "write_atomically",
]
