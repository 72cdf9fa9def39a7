"""Trained models as files that other programs read: PyTorch, torch.export, ONNX."""

from __future__ import annotations

from archloom.export._contained import self_contained
from archloom.export._export import FORMATS, export_model
from archloom.export._normalise import normalised
from archloom.export._outputs import output_columns

__all__ = ["FORMATS", "export_model", "normalised", "output_columns", "self_contained"]
