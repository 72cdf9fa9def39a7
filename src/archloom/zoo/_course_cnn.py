"""The space of a course project, read from the YAML file beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from archloom.nn import ModelSpace, yaml_space

course_cnn: Final[ModelSpace] = yaml_space(
    Path(__file__).with_name("course_cnn.yaml"), name="archloom.zoo:course_cnn"
)
