"""Readers that turn files and objects of other libraries into tasks."""

from __future__ import annotations

from archloom.sources._cifar import from_cifar
from archloom.sources._columns import Columns, check_names, columns_of, text_of
from archloom.sources._curves import LIGHT_CURVE_INPUTS, LightCurves, read_light_curves
from archloom.sources._dataset import from_dataset
from archloom.sources._decode import ImageEncoder, image_size
from archloom.sources._dicom import from_dicom
from archloom.sources._encode_light_curves import LightCurveEncoder
from archloom.sources._encode_series import SeriesEncoder
from archloom.sources._encode_table import TableEncoder
from archloom.sources._encode_text import TextEncoder
from archloom.sources._encoded import check_rows, encoded_task, take_samples
from archloom.sources._encoders import encoder_from_json
from archloom.sources._folder import from_images
from archloom.sources._hub import from_hub
from archloom.sources._light_curve_features import light_curve_features
from archloom.sources._light_curves import from_light_curves
from archloom.sources._medmnist import MEDMNIST, MedMNIST, from_medmnist
from archloom.sources._netcdf import from_netcdf
from archloom.sources._npy import from_npy
from archloom.sources._read_table import read_table
from archloom.sources._scan import ScanEncoder
from archloom.sources._series import from_series
from archloom.sources._table import from_table
from archloom.sources._text import from_text
from archloom.sources._value_range import ValueRange
from archloom.sources._votes import Agreement, Votes, read_votes

__all__ = [
    "LIGHT_CURVE_INPUTS",
    "MEDMNIST",
    "Agreement",
    "Columns",
    "ImageEncoder",
    "LightCurveEncoder",
    "LightCurves",
    "MedMNIST",
    "ScanEncoder",
    "SeriesEncoder",
    "TableEncoder",
    "TextEncoder",
    "ValueRange",
    "Votes",
    "check_names",
    "check_rows",
    "columns_of",
    "encoded_task",
    "encoder_from_json",
    "from_cifar",
    "from_dataset",
    "from_dicom",
    "from_hub",
    "from_images",
    "from_light_curves",
    "from_medmnist",
    "from_netcdf",
    "from_npy",
    "from_series",
    "from_table",
    "from_text",
    "image_size",
    "light_curve_features",
    "read_light_curves",
    "read_table",
    "read_votes",
    "take_samples",
    "text_of",
]
