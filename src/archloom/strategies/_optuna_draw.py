"""One of Optuna's samplers at work on a space. Imported only where Optuna is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import Trial as OptunaTrial

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError
from archloom.space import Choice, Space
from archloom.strategies._optuna_book import Book, distributions_of, study_of
from archloom.strategies._optuna_climb import climb_instead
from archloom.strategies._optuna_params import Category, Number, Param, Real, Whole, codes_of
from archloom.strategies._optuna_samplers import Recipe, quiet

_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Drawn:
    """What a sampler drew: the architecture, its parameters, and the notes it left."""

    architecture: Architecture
    params: Mapping[str, Number]
    attrs: Mapping[str, Any]
    book: Book


class Draw:
    """A fold over trials that gives, at any time, what the sampler would try next.

    Each drawing takes a fresh sampler and a fork of the book, so that it changes nothing.

    Raises:
        ConfigError: when the sampler can do nothing with the labels of the space.
    """

    def __init__(self, space: Space, recipe: Recipe, entropy: int, objectives: int) -> None:
        self._space, self._recipe, self._entropy = space, recipe, entropy
        self._codes = codes_of(space)
        self._params: dict[str, Param] = {}
        for code in self._codes.values():
            self._params.update(code.params)
        if recipe.kind.numbers and self._codes:
            _require_numbers(recipe, self._params)
        with quiet():
            self._distributions = distributions_of(self._params)
        self._searched = {
            name: self._distributions[name]
            for name, param in sorted(self._params.items())  # Optuna's order
            if not (recipe.kind.numbers and isinstance(param, Category))
        }
        self._book = Book(objectives)
        self._places: dict[int, int] = {}
        self._scored = 0

    @property
    def starting(self) -> bool:
        """Whether the sampler still waits for enough scored trials to go by."""
        return self._scored < self._recipe.startup(len(self._params))

    def draw(self, number: int, wanted: Callable[[Architecture], bool]) -> Drawn:
        """Give the first architecture drawn that is wanted, or the last after some tries."""
        book = self._book.fork(self._recipe.kind.window)
        constant = int(np.random.default_rng([self._entropy, 0, 0, 1]).integers(_SEEDS))
        drawn: Drawn | None = None
        for attempt in range(self._recipe.kind.tries):
            rng = np.random.default_rng([self._entropy, number, attempt + 1])
            sampler = self._sampler(constant, int(rng.integers(_SEEDS)))
            with quiet():
                drawn = self._suggest(book, sampler, rng)
            if wanted(drawn.architecture):
                break
        assert drawn is not None
        return drawn

    def start(self, number: int, architecture: Architecture, drawn: Drawn | None) -> None:
        """Note that a trial runs. `drawn` is what the sampler drew for it, if it needs that."""
        attrs: Mapping[str, Any] = {}
        params: dict[str, Number] = {}
        if drawn is not None:
            params.update(drawn.params)
            attrs = drawn.attrs
            self._book.adopt_attrs(drawn.book)
        elif self._recipe.kind.flat:
            for label, code in self._codes.items():
                params.update(code.encode(self._space.labels[label].domain.default))
        if drawn is None or drawn.architecture != architecture:
            params.update(self._encoded(architecture))
        self._places[number] = self._book.add(params, self._distributions, attrs)

    def started(self, number: int) -> bool:
        """Say whether a trial is on record."""
        return number in self._places

    def end(self, number: int, gains: tuple[float, ...] | None) -> None:
        """Note how a trial ended: the gain in each objective, or None where none counts."""
        self._scored += gains is not None
        self._book.end(self._places[number], gains)

    def _sampler(self, constant: int, fresh: int) -> Any:
        sampler = self._recipe.make(constant, fresh)
        if self._recipe.kind.flat:
            # Every trial has these parameters, which Optuna would find out by comparing all trials.
            sampler.infer_relative_search_space = lambda study, trial: self._searched
        if self._recipe.sampler == "gp":
            climb_instead(sampler, fresh)
        return sampler

    def _suggest(self, book: Book, sampler: Any, rng: np.random.Generator) -> Drawn:
        flat = self._recipe.kind.flat
        trial = study_of(book, sampler).ask(self._distributions if flat else None)
        known: Mapping[str, Number] = trial.params if flat else {}

        def choose(choice: Choice) -> Value:
            code = self._codes.get(choice.label)
            if code is None:
                return choice.domain.default
            if flat:
                return code.decode(known, rng)
            suggested = {name: _suggested(trial, name, p) for name, p in code.params.items()}
            return code.decode(suggested, rng)

        architecture = self._space.complete({}, choose)
        noted = book.get_trial(trial._trial_id)
        params = {**noted.params, **self._encoded(architecture)}  # what decoding mended was tried
        return Drawn(architecture, params, dict(noted.system_attrs), book)

    def _encoded(self, architecture: Architecture) -> dict[str, Number]:
        params: dict[str, Number] = {}
        for label, value in architecture.items():
            if label in self._codes:
                params.update(self._codes[label].encode(value))
        return params


def _suggested(trial: OptunaTrial, name: str, param: Param) -> Number:
    match param:
        case Category(count):
            return trial.suggest_categorical(name, range(count))
        case Whole(low, high, step, log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case Real(low, high, log):
            return trial.suggest_float(name, low, high, log=log)


def _require_numbers(recipe: Recipe, params: Mapping[str, Param]) -> None:
    if all(isinstance(param, Category) for param in params.values()):
        raise ConfigError(
            f"Optuna's {recipe.kind.name} searches numbers (ranges, or options that are rising "
            f"numbers such as widths), and this space has none: {', '.join(params)} are "
            f"categories. Use 'tpe', 'evolution' or 'nsga3' instead."
        )
