"""Strategies: which architecture to try next, learned from the trials so far."""

from __future__ import annotations

from archloom.strategies._bananas import Bananas
from archloom.strategies._bohb import Bohb
from archloom.strategies._dehb import Dehb
from archloom.strategies._describe import described, made
from archloom.strategies._distinct import Distinct
from archloom.strategies._evolution import Evolution
from archloom.strategies._filtered import Filtered
from archloom.strategies._grid import Grid
from archloom.strategies._halving import Asha, SuccessiveHalving
from archloom.strategies._hyperband import Hyperband
from archloom.strategies._lexicographic import Lexicographic
from archloom.strategies._local_search import LocalSearch
from archloom.strategies._nsga2 import Nsga2
from archloom.strategies._optuna import CmaEs, Gp, Nsga3, Optuna, Qmc, Tpe
from archloom.strategies._portfolio import Portfolio
from archloom.strategies._ppo import Ppo
from archloom.strategies._predictor import GaussianProcess, Predictor
from archloom.strategies._q_learning import QLearning
from archloom.strategies._random import Random
from archloom.strategies._reinforce import Reinforce
from archloom.strategies._scalarized import Scalarized
from archloom.strategies._strategy import Offer, Strategy
from archloom.strategies._warm_start import WarmStart, best_of

__all__ = [
    "Asha",
    "Bananas",
    "Bohb",
    "CmaEs",
    "Dehb",
    "Distinct",
    "Evolution",
    "Filtered",
    "GaussianProcess",
    "Gp",
    "Grid",
    "Hyperband",
    "Lexicographic",
    "LocalSearch",
    "Nsga2",
    "Nsga3",
    "Offer",
    "Optuna",
    "Portfolio",
    "Ppo",
    "Predictor",
    "QLearning",
    "Qmc",
    "Random",
    "Reinforce",
    "Scalarized",
    "Strategy",
    "SuccessiveHalving",
    "Tpe",
    "WarmStart",
    "best_of",
    "described",
    "made",
]
