"""The samplers of Optuna: what each needs from us, and how one is made."""

from __future__ import annotations

import inspect
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from archloom.errors import ConfigError, MissingExtra, did_you_mean

_OURS = ("seed", "independent_sampler", "warn_independent_sampling", "warn_asynchronous_seeding")
_STARTUP, _POPULATION, _POPSIZE = "n_startup_trials", "population_size", "popsize"


@dataclass(frozen=True)
class Kind:
    """One of Optuna's samplers.

    `flat`: it wants the same parameters in every trial, so that labels that are not active get
    parameters, too. `remembers`: it leaves notes on trials when it samples them and needs them
    later. `several`: it can serve several objectives. `numbers`: it searches numbers only and
    leaves categories to chance. `tries`: how often it is asked anew for an untried architecture.
    `window`: how many scored trials it goes by, the best and the latest, None for all.
    """

    name: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    flat: bool = True
    remembers: bool = True
    several: bool = True
    numbers: bool = False
    tries: int = 8
    window: int | None = None
    needs: str = "optuna"


KINDS: Mapping[str, Kind] = {
    "tpe": Kind(
        "TPESampler",
        {"multivariate": True, "group": True, "constant_liar": True},
        flat=False,
        remembers=False,
    ),
    "gp": Kind("GPSampler", remembers=False, tries=2, window=100),
    "cmaes": Kind("CmaEsSampler", several=False, numbers=True, needs="cmaes"),
    "nsga2": Kind("NSGAIISampler", {_POPULATION: 20}),
    "nsga3": Kind("NSGAIIISampler", {_POPULATION: 20}),
    "qmc": Kind("QMCSampler", {"scramble": True}),
    "random": Kind("RandomSampler", flat=False, remembers=False),
}


@dataclass(frozen=True)
class Recipe:
    """A sampler's name and its options."""

    sampler: str
    options: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        """What the sampler needs."""
        return KINDS[self.sampler]

    def startup(self, dimensions: int) -> int:
        """Give how many scored trials the sampler wants before it goes by them."""
        settings = {**self.kind.defaults, **self.options}
        if self.sampler == "cmaes":
            own = settings.get(_POPSIZE)
            return own if isinstance(own, int) else 4 + math.floor(3 * math.log(max(dimensions, 1)))
        count = settings.get(_POPULATION, settings.get(_STARTUP, 10))
        return count if isinstance(count, int) else 10

    def check(self) -> None:
        """Make sure that Optuna is there and takes the options.

        Raises:
            ConfigError: for an option that the sampler does not have or a value that it refuses.
            MissingExtra: when Optuna, or cmaes for CMA-ES, is not installed.
        """
        for package in ("optuna", self.kind.needs):
            try:
                import_module(package)
            except ImportError as error:
                raise MissingExtra(
                    f"The sampler {self.sampler!r} needs {package}: pip install 'archloom[bayes]'."
                ) from error
        known = [name for name in self._parameters() if name not in (*_OURS, "self")]
        for option in self.options:
            if option not in known:
                raise ConfigError(
                    f"Optuna's {self.kind.name} takes no option {option!r} here: "
                    f"{did_you_mean(option, known)}."
                )
        try:
            self.make(0, 0)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"Optuna's {self.kind.name} refuses the options {dict(self.options)!r}: {error}"
            ) from error

    def make(self, constant: int, fresh: int) -> Any:
        """Give a sampler; `constant` is the search's seed, `fresh` that of the one proposal."""
        samplers = import_module("optuna.samplers")
        parameters = self._parameters()
        settings = {**self.kind.defaults, **self.options}
        for warning in ("warn_independent_sampling", "warn_asynchronous_seeding"):
            # Where TPE's is deprecated (optuna 4.9) its default is what we want.
            if warning in parameters and self.sampler != "tpe":
                settings[warning] = False
        with quiet():
            if self.sampler == "qmc":  # one scrambled sequence for the whole search
                settings["independent_sampler"] = samplers.RandomSampler(seed=fresh)
                return samplers.QMCSampler(seed=constant, **settings)
            return getattr(samplers, self.kind.name)(seed=fresh, **settings)

    def _parameters(self) -> tuple[str, ...]:
        samplers = import_module("optuna.samplers")
        return tuple(inspect.signature(getattr(samplers, self.kind.name).__init__).parameters)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's warnings about the state of its own interfaces to ourselves."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
