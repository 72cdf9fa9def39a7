"""Experiment: a space, a task and stages over one run folder that any crash leaves usable."""

from archloom.experiment._experiment import Experiment

__all__ = ["Experiment"]
