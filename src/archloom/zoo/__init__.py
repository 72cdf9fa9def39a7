"""The model spaces that ship with archloom, one a file, and baselines designed by people."""

from __future__ import annotations

from archloom.zoo._baselines import fcn, lenet5, mlp_resnet, resnet18, wide_resnet
from archloom.zoo._convnet import convnet
from archloom.zoo._course_cnn import course_cnn
from archloom.zoo._darts import darts
from archloom.zoo._mixed_net import mixed_net
from archloom.zoo._mlp import mlp
from archloom.zoo._nasbench101 import nasbench101
from archloom.zoo._nasbench201 import nasbench201
from archloom.zoo._resnet import resnet
from archloom.zoo._series_net import series_net
from archloom.zoo._small_cnn import small_cnn
from archloom.zoo._table_net import table_net
from archloom.zoo._text_net import text_net

__all__ = [
    "convnet",
    "course_cnn",
    "darts",
    "fcn",
    "lenet5",
    "mixed_net",
    "mlp",
    "mlp_resnet",
    "nasbench101",
    "nasbench201",
    "resnet",
    "resnet18",
    "series_net",
    "small_cnn",
    "table_net",
    "text_net",
    "wide_resnet",
]
