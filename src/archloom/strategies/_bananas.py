"""BANANAS: search led by an ensemble of predictors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from archloom.errors import ConfigError
from archloom.space import Space
from archloom.strategies._candidates import Candidates
from archloom.strategies._encoding import GraphBlock, Matrix, Rows
from archloom.strategies._ensemble import Model, answers
from archloom.strategies._guided import Guided
from archloom.strategies._predictor import log_improvement
from archloom.strategies._strategy import check_whole

Acquisition = Literal["its", "ucb", "ei"]
Inputs = Literal["paths", "tree"]


@dataclass
class Bananas(Guided):
    """An ensemble of neural networks predicts; the best of many mutations of the best is tried.

    White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural Architectures for
    Neural Architecture Search" (AAAI 2021, arXiv 1910.11858). The first `start` scored trials are
    random. Then `members` networks are trained on all trials, and of mutations of the best trials
    and some random architectures the one with the highest acquisition is next.

    - `acquisition`: `"its"`, independent Thompson sampling, draws a number from the normal
      distribution of the members' mean and spread for each candidate and takes the highest;
      `"ucb"` takes mean plus half a spread; `"ei"` the expected improvement.
    - `inputs`: `"paths"`, which operations a cell has on its ways from input to output, where the
      space has one of `archloom.nn.cells`; it has the `"tree"`, a slot an option, otherwise.
    - `model`: `"networks"`, or a `"forest"` of randomized trees from scikit-learn.

    What differs from the paper: gains count by their rank, as normal scores, with the squared
    error as loss (the paper: absolute percentage error of the validation error); networks of two
    layers of 32, 150 steps of 32 trials (10 layers of 20), trained before each proposal and not
    before every tenth; the paths count beside the tree, and a cell's paths of more operations than
    fit in 128 columns (there, too, the longest ones are) are left out.

    What a search offers and a `prior` are used as in `GaussianProcess`, which see; the prior's
    say is added to the acquisition.

    Raises:
        ConfigError: for fewer than one start, fewer than two members, an unknown model, input or
            acquisition, a bad seed, or a prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = Bananas(start=3, acquisition="ucb")
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).parent is None
    True
    """

    members: int = 5
    model: Model = "networks"
    inputs: Inputs = "paths"
    acquisition: Acquisition = "its"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("members", self.members, 2)
        for name, kind in (("model", Model), ("inputs", Inputs), ("acquisition", Acquisition)):
            if getattr(self, name) not in get_args(kind):
                raise ConfigError(
                    f"{name} must be one of {', '.join(get_args(kind))}, "
                    f"got {getattr(self, name)!r}."
                )

    def _made_candidates(self, space: Space) -> Candidates:
        graph: tuple[GraphBlock, ...] = ("paths",) if self.inputs == "paths" else ()
        return Candidates(space, self._untried, self._believed, listed=False, graph=graph)

    def _rate(
        self, told: Rows, values: Matrix, running: Rows, rows: Rows, rng: np.random.Generator
    ) -> Matrix:
        inputs, asked = self._inputs(told, rows)
        said = answers(self.model, self.members, inputs, values, asked, rng)
        mean, spread = said.mean(0), np.maximum(said.std(0, ddof=1), 1e-6)
        match self.acquisition:
            case "its":
                return np.asarray(mean + spread * rng.standard_normal(len(mean)))
            case "ucb":
                return np.asarray(mean + 0.5 * spread)
            case "ei":
                return log_improvement(mean, spread, float(values.max()))

    def _inputs(self, told: Rows, rows: Rows) -> tuple[Matrix, Matrix]:
        """Give the columns in which the told trials differ: of others nothing can be learned."""
        blocks = [name for name in ("paths", "tree", "features") if name in told]
        known = np.hstack([told[name] for name in blocks])
        asked = np.hstack([rows[name] for name in blocks])
        varies = np.ptp(known, axis=0) > 0
        if not varies.any():
            return known, asked
        return known[:, varies], asked[:, varies]
