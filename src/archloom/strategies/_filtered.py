"""Filtered: leave out what breaks a constraint or a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError, Infeasible
from archloom.objective import Objective
from archloom.plugins import load
from archloom.space import Space
from archloom.strategies._bypass import Bypass, Stuck
from archloom.strategies._describe import Spec, described, made
from archloom.strategies._strategy import Offer, Strategy, checked_seed
from archloom.trial import Proposal, State, Trial

_DRAWS: Final = 1000
_LISTED: Final = 100_000


@dataclass
class Filtered(Strategy):
    """Another strategy, less the proposals that break a constraint of the search or a rule.

    The inner strategy is told at once that such a proposal was rejected. Unlike the rejections of
    the search itself, these leave no trial in the record. Where it proposes nothing else 100
    times in a row, a random architecture that keeps the rule is tried.

    Args:
        strategy: the inner one, its name, or `{"name": ..., SETTING: ...}`.
        rule: "module:function" of a function that takes an architecture and says whether it may
            be tried; None for the constraints alone.
        seed: of the inner strategy, unless it has one of its own.

    Raises:
        ConfigError: for a rule that cannot be imported or called, or that does not give a bool.
        Infeasible (from `setup`): when no architecture is found that keeps the rule.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> from archloom.strategies import Offer
    >>> strategy = Filtered("random")
    >>> strategy.accept(Offer(feasible=lambda architecture: architecture["width"] < 32))
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).architecture
    Architecture({'width': 16})
    """

    strategy: Spec = "evolution"
    rule: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        self._inner = made(self.strategy)
        self.strategy = described(self._inner)
        self._keeps = None if self.rule is None else _loaded(self.rule)
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        self._inner.accept(offer)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._known: dict[str, bool] = {}
        self._inner.setup(space, objective, self._entropy)
        self._bypass = Bypass(self._inner, self._rejection)
        self._tried: set[str] = set()
        if self._random(0) is None:
            raise Infeasible(
                f"No architecture was found that keeps {self._said()}, among {_DRAWS} random ones: "
                f"loosen it or narrow the space."
            )
        self._bypass.foresee()

    def ask(self, number: int) -> Proposal | None:
        try:
            return self._bypass.ask(number)
        except Stuck:
            return self._random(number)

    def tell(self, trial: Trial) -> None:
        self._tried.add(trial.architecture.key)
        self._bypass.tell(trial)

    def _rejection(self, proposal: Proposal) -> Trial | None:
        """Give a rejected trial for what breaks the rule; what ended in the record stays so."""
        architecture = proposal.architecture
        if self._may(architecture):
            return None
        return Trial(0, "", architecture, seed=0, state=State.REJECTED)

    def _may(self, architecture: Architecture) -> bool:
        key = architecture.key
        if key not in self._known:
            feasible = self._offer.feasible
            kept = self._keeps is None or self._verdict(architecture)
            self._known[key] = kept and (feasible is None or feasible(architecture))
        return self._known[key]

    def _verdict(self, architecture: Architecture) -> bool:
        assert self._keeps is not None
        verdict = self._keeps(architecture)
        if not isinstance(verdict, bool | np.bool_):
            raise ConfigError(
                f"The rule {self.rule!r} must give True or False for an architecture, got "
                f"{verdict!r} for {architecture!r}."
            )
        return bool(verdict)

    def _random(self, number: int) -> Proposal | None:
        rng = self._rng(number)
        drawn = (self._space.sample(rng) for _ in range(_DRAWS))
        rest = self._space.enumerate() if self._space.size <= _LISTED else ()
        for architecture in chain(drawn, rest):
            if architecture.key not in self._tried and self._may(architecture):
                return Proposal(architecture)
        return None

    def _said(self) -> str:
        constraints = "the constraints of the search"
        if self.rule is None:
            return constraints
        rule = f"the rule {self.rule!r}"
        return rule if self._offer.feasible is None else f"{rule} and {constraints}"


def _loaded(rule: str) -> Callable[[Architecture], Any]:
    if not isinstance(rule, str):
        raise ConfigError(
            f"A rule is named by where it lives, 'module:function', so that the search can be "
            f"resumed, got {rule!r}."
        )
    found = load(rule)
    if not callable(found):
        raise ConfigError(
            f"A rule is called with an architecture and says whether it may be tried, but "
            f"{rule!r} is {found!r}."
        )
    keeps: Callable[[Architecture], Any] = found
    return keeps
