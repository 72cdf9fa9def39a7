"""Zero-cost scores: what an untrained model and one minibatch tell of an architecture.

Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (arXiv 2101.08134); White et al.,
"Neural Architecture Search: Insights from 1000 Papers" (arXiv 2301.08727, section 5.1.2), lists
them. None of them is good everywhere, and parameters or FLOPs are hard to beat: measure on the task
at hand, as the stage `Screen` does, before you rely on one.
"""

from __future__ import annotations

from archloom.zerocost._epe_nas import epe_nas
from archloom.zerocost._fisher import fisher
from archloom.zerocost._flops import flops
from archloom.zerocost._grad_norm import grad_norm
from archloom.zerocost._grasp import grasp
from archloom.zerocost._jacob_cov import jacob_cov
from archloom.zerocost._l2_norm import l2_norm
from archloom.zerocost._naswot import naswot
from archloom.zerocost._params import params
from archloom.zerocost._plain import plain
from archloom.zerocost._probe import LAYERS, LossPass, Probe, hooked, minibatch
from archloom.zerocost._score import NO_SCORE, Score, checked_scores, rate
from archloom.zerocost._snip import snip
from archloom.zerocost._synflow import synflow
from archloom.zerocost._zen import zen

__all__ = [
    "LAYERS",
    "NO_SCORE",
    "LossPass",
    "Probe",
    "Score",
    "checked_scores",
    "epe_nas",
    "fisher",
    "flops",
    "grad_norm",
    "grasp",
    "hooked",
    "jacob_cov",
    "l2_norm",
    "minibatch",
    "naswot",
    "params",
    "plain",
    "rate",
    "snip",
    "synflow",
    "zen",
]
