"""Stages: what an experiment does in order; each one only has to record trials."""

from archloom.stages._black_box import BlackBox
from archloom.stages._ensemble import Ensemble
from archloom.stages._evidence import evidence
from archloom.stages._finalists import finalists
from archloom.stages._kept import has_weights
from archloom.stages._lab import Lab, Limits
from archloom.stages._one_shot import OneShot
from archloom.stages._rebuild import rebuild
from archloom.stages._retrain import Retrain
from archloom.stages._screen import Screen
from archloom.stages._screened import Features, checked_of, features_of, first_of
from archloom.stages._stage import Stage
from archloom.stages._test import Test, load_trial

__all__ = [
    "BlackBox",
    "Ensemble",
    "Features",
    "Lab",
    "Limits",
    "OneShot",
    "Retrain",
    "Screen",
    "Stage",
    "Test",
    "checked_of",
    "evidence",
    "features_of",
    "finalists",
    "first_of",
    "has_weights",
    "load_trial",
    "rebuild",
]
