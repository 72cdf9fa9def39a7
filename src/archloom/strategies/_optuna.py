"""Optuna's samplers as strategies."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archloom.architecture import Architecture
from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.space import Prior, Space
from archloom.strategies._optuna_samplers import KINDS, Recipe
from archloom.strategies._strategy import Offer, Strategy, check_flag, check_whole, checked_seed
from archloom.strategies._untried import Untried
from archloom.strategies._waiting import Waiting
from archloom.trial import Proposal, State, Trial

if TYPE_CHECKING:
    from archloom.strategies._optuna_draw import Draw, Drawn

_STEPS = 50  # mutations away from what the sampler drew, until a random architecture takes over


@dataclass(kw_only=True)
class Sampled(Strategy, ABC):
    """What all strategies on Optuna's samplers share."""

    deduplicate: bool = True
    prior: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        check_flag("deduplicate", self.deduplicate)
        self.prior = Prior.plain(self.prior)
        if self.seed is not None:
            checked_seed(self.seed)

    @abstractmethod
    def recipe(self) -> Recipe:
        """Give the sampler and its options."""

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        self.recipe().check()

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        recipe = self.recipe()
        recipe.check()
        self._prior = Prior.read(self.prior, space) if self.prior else None
        self._untried = Untried(space, self._prior)
        first = list(self._offer.first)
        if self._prior is not None:
            first.append(self._prior.mode(self._rng(0)))
        self._waiting = Waiting(space, first)
        self._objectives: tuple[Objective, ...] = (objective,)
        if recipe.kind.several and len(self._offer.objectives) > 1:
            self._objectives = self._offer.objectives
        from archloom.strategies._optuna_draw import Draw

        self._draw: Draw = Draw(space, recipe, self._entropy, len(self._objectives))
        self._last: tuple[int, Drawn] | None = None

    def ask(self, number: int) -> Proposal | None:
        architecture = self._waiting.next or self._next(number)
        return Proposal(architecture) if architecture is not None else None

    def tell(self, trial: Trial) -> None:
        if not self._draw.started(trial.number):
            drawn = self._drawn(trial.number) if self._remembers else None
            self._draw.start(trial.number, trial.architecture, drawn)
            self._untried.discard(trial.architecture)
            self._waiting.discard(trial.architecture)
        if trial.state.ended:
            self._draw.end(trial.number, self._gains(trial))
        self._last = None

    @property
    def _remembers(self) -> bool:
        return self.recipe().kind.remembers and self._space.size > 1

    def _next(self, number: int) -> Architecture | None:
        """Give what the sampler draws, or where that was tried something untried nearby."""
        if self._space.size == 1 or (self._prior is not None and self._draw.starting):
            return self._fresh(number)
        rng = self._rng(number)
        there = self._drawn(number).architecture
        for _ in range(_STEPS):
            if self._wanted(there):
                return there
            there = self._space.mutate(there, rng)
        return self._untried.draw(rng)

    def _fresh(self, number: int) -> Architecture | None:
        """Give a random architecture, from the prior where there is one."""
        rng = self._rng(number)
        source = self._prior or self._space
        return self._untried.draw(rng) if self.deduplicate else source.sample(rng)

    def _wanted(self, architecture: Architecture) -> bool:
        return not self.deduplicate or architecture in self._untried

    def _drawn(self, number: int) -> Drawn:
        """Give what the sampler draws; kept until the next trial is told, which changes it."""
        if self._last is None or self._last[0] != number:
            self._last = (number, self._draw.draw(number, self._wanted))
        return self._last[1]

    def _gains(self, trial: Trial) -> tuple[float, ...] | None:
        """Give the gain in each objective, None unless all of them are finite."""
        if trial.state is State.REJECTED:
            return None
        gains = [self._gain(trial, objective) for objective in self._objectives]
        finite = tuple(gain for gain in gains if gain is not None and math.isfinite(gain))
        return finite if len(finite) == len(gains) else None


@dataclass
class Optuna(Sampled):
    """Any of Optuna's samplers, with its own options: tpe, gp, cmaes, nsga2, nsga3, qmc, random.

    Akiba, Sano, Yanase, Ohta and Koyama, "Optuna: A Next-generation Hyperparameter Optimization
    Framework" (KDD 2019, arXiv 1907.10902). `options` are keyword arguments of the sampler, such as
    `{"n_startup_trials": 5}`. Optuna's study is a helper in memory, made anew from the told trials:
    the record of a run stays the journal.

    How a space is told: one of several options is a category, or a whole number where the options
    are rising or falling numbers (widths, depths); ranges keep their scale; a subset is a category
    of all subsets up to 16 of those, otherwise a parameter for each option. "tpe" and "random"
    see only active labels. The others want the same parameters in every trial, so labels that are
    not active get some, too, which have no effect. "cmaes" leaves categories to chance.

    Several objectives are all searched for, except by "cmaes", which takes the first. Failed and
    rejected trials and scores that are not finite teach a sampler nothing. What was tried is
    not tried again: the sampler is asked anew, and then what it drew is mutated until it is new
    (`deduplicate=False`: architectures may repeat).

    With a `prior` (see `archloom.space.Prior`) its likeliest architecture comes first, and the
    sampler's random start-up trials are drawn from it. Architectures that a screening offers come
    before those.

    Raises:
        ConfigError: for an unknown sampler; from `setup`, for options that it does not take and
            spaces that it cannot search.
        MissingExtra (from `setup`): without the bayes extra.

    >>> from archloom.space import log_uniform
    >>> strategy = Optuna("tpe", {"n_startup_trials": 5})
    >>> strategy.setup(Space(()).joint(lr=log_uniform(1e-4, 1e-1)), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    sampler: str = "tpe"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampler not in KINDS:
            raise ConfigError(
                f"There is no sampler {self.sampler!r}: {did_you_mean(str(self.sampler), KINDS)}."
            )
        if not isinstance(self.options, Mapping):
            raise ConfigError(
                f"A sampler's options map names to values, such as {{'n_startup_trials': 5}}, "
                f"got {self.options!r}."
            )
        self.options = dict(self.options)

    def recipe(self) -> Recipe:
        return Recipe(self.sampler, self.options)


@dataclass
class Tpe(Sampled):
    """Optuna's tree-structured Parzen estimator: densities of the good trials and of the others.

    Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization" (NIPS 2011);
    details in Watanabe, arXiv 2304.11127. The first `startup` scored trials are random. Then the
    best of `candidates` draws from the density of good trials is proposed, by the ratio of the two
    densities. `joint` looks at labels together, in groups that are always active together
    (multivariate and grouped); without it, at each label alone.

    All else, `prior` and `deduplicate` included, is as in `Optuna`.

    Raises:
        ConfigError: unless startup >= 0 and candidates >= 1.
        MissingExtra (from `setup`): without the bayes extra.

    >>> Tpe(startup=5).recipe().options["n_startup_trials"]
    5
    """

    startup: int = 10
    candidates: int = 24
    joint: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("startup", self.startup, 0)
        check_whole("candidates", self.candidates)
        check_flag("joint", self.joint)

    def recipe(self) -> Recipe:
        return Recipe(
            "tpe",
            {
                "n_startup_trials": self.startup,
                "n_ei_candidates": self.candidates,
                "multivariate": self.joint,
                "group": self.joint,
            },
        )


@dataclass
class Gp(Sampled):
    """Optuna's Gaussian process: Matérn kernel, expected improvement of the log.

    The first `startup` scored trials are random. Labels that are not active count with their
    default value. Several objectives are searched by the expected improvement of the hypervolume.
    So that a proposal takes a tenth of a second however long the search, the process is fitted
    to 100 trials, the best 50 and the latest, and its expectation is climbed by looking at all
    neighbours of a few points at once, not by Optuna's own search. All else, `prior` and
    `deduplicate` included, is as in `Optuna`.

    Raises:
        ConfigError: unless startup >= 1.
        MissingExtra (from `setup`): without the bayes extra.

    >>> Gp(startup=5).recipe().sampler
    'gp'
    """

    startup: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("startup", self.startup)

    def recipe(self) -> Recipe:
        return Recipe("gp", {"n_startup_trials": self.startup})


@dataclass
class CmaEs(Sampled):
    """CMA-ES through Optuna: a normal distribution that moves towards the better half.

    Hansen and Ostermeier, "Completely Derandomized Self-Adaptation in Evolution Strategies" (2001).
    For spaces of numbers: categories are drawn at random. `population` is the size of a generation,
    None for 4 + 3 ln(number of dimensions). Searches the first objective only.
    All else, `prior` and `deduplicate` included, is as in `Optuna`.

    Raises:
        ConfigError: unless population >= 2; from `setup`, for a space without numbers.
        MissingExtra (from `setup`): without the bayes extra.

    >>> CmaEs(population=6).recipe().options
    {'popsize': 6}
    """

    population: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population is not None:
            check_whole("population", self.population, 2)

    def recipe(self) -> Recipe:
        return Recipe("cmaes", {} if self.population is None else {"popsize": self.population})


@dataclass
class Nsga3(Sampled):
    """Optuna's NSGA-III: an evolution of many objectives, spread by reference points.

    Deb and Jain, "An Evolutionary Many-Objective Optimization Algorithm Using
    Reference-Point-Based Nondominated Sorting Approach" (2014). `population` is the size of a
    generation, the first of which is random. All else, `prior` and `deduplicate` included, is
    as in `Optuna`.

    Raises:
        ConfigError: unless population >= 2.
        MissingExtra (from `setup`): without the bayes extra.

    >>> Nsga3(population=8).recipe().options
    {'population_size': 8}
    """

    population: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("population", self.population, 2)

    def recipe(self) -> Recipe:
        return Recipe("nsga3", {"population_size": self.population})


@dataclass
class Qmc(Sampled):
    """Low-discrepancy points through Optuna: random search that covers the space more evenly.

    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization" (JMLR 2012), compare such
    sequences. `sequence` is "sobol" or "halton", scrambled by the seed. All else, `prior` and
    `deduplicate` included, is as in `Optuna`.

    Raises:
        ConfigError: for another sequence.
        MissingExtra (from `setup`): without the bayes extra.

    >>> Qmc("halton").recipe().options
    {'qmc_type': 'halton'}
    """

    sequence: str = "sobol"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sequence not in ("sobol", "halton"):
            raise ConfigError(f"sequence must be 'sobol' or 'halton', got {self.sequence!r}.")

    def recipe(self) -> Recipe:
        return Recipe("qmc", {"qmc_type": self.sequence})
