"""What a search has to offer to its strategy."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators import Estimator, budgets_of
from archloom.stages._constraints import cost_of
from archloom.stages._lab import Lab
from archloom.stages._screened import features_of, first_of
from archloom.strategies import Offer
from archloom.trial import Proposal


def offer_of(lab: Lab, estimator: Estimator, trials: int | None = None) -> Offer:
    """Give all that the run knows and a strategy may use.

    Raises:
        ConfigError: when the estimator's budgets are not ascending shares that end at 1.
    """
    return Offer(
        objectives=lab.objectives,
        budgets=checked_budgets(estimator),
        first=first_of(lab.study),
        features=features_of(lab),
        canonical=getattr(lab.space, "canonical", None),
        feasible=_feasible(lab) if lab.constraints else None,
        constraints=lab.constraints,
        trials=trials,
    )


def checked_budgets(estimator: Estimator) -> tuple[float, ...]:
    """Give an estimator's budgets. Raises `ConfigError` unless they ascend within (0, 1] to 1."""
    budgets = budgets_of(estimator)
    ascending = all(low < high for low, high in pairwise(budgets))
    if not budgets or not ascending or budgets[0] <= 0 or budgets[-1] != 1.0:
        raise ConfigError(
            f"The budgets of an estimator are shares of its full effort, above 0 and ascending to "
            f"1, got {budgets} from {estimator!r}."
        )
    return budgets


def _feasible(lab: Lab) -> Callable[[Architecture], bool]:
    known: dict[str, bool] = {}

    def feasible(architecture: Architecture) -> bool:
        key = architecture.key
        if key not in known:
            cost = cost_of(lab, architecture)
            known[key] = all(constraint.holds(cost) for constraint in lab.constraints)
        return known[key]

    return feasible


def require_offered(proposal: Proposal, estimator: Estimator) -> None:
    """Raise `ConfigError` if the estimator cannot spend the budget that a strategy asks for."""
    if proposal.budget is None:
        return
    budgets = budgets_of(estimator)
    if not any(math.isclose(proposal.budget, offered, rel_tol=1e-6) for offered in budgets):
        raise ConfigError(
            f"A strategy must ask for a budget that the estimator offers, got {proposal.budget!r}; "
            f"offered are {', '.join(f'{budget:.4g}' for budget in budgets)}."
        )
