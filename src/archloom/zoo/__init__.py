"""The model spaces that ship with archloom, one a file."""

from __future__ import annotations

from archloom.zoo._course_cnn import course_cnn
from archloom.zoo._mlp import mlp
from archloom.zoo._resnet import resnet
from archloom.zoo._small_cnn import small_cnn

__all__ = ["course_cnn", "mlp", "resnet", "small_cnn"]
