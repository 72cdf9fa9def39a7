"""What share of its effort an estimator can spend, and whether it goes on from a smaller one."""

from __future__ import annotations

import math
from collections.abc import Iterable

WHOLE = (1.0,)
"""The budgets of an estimator that always spends all of its effort."""


def budgets_of(estimator: object) -> tuple[float, ...]:
    """Give the budgets that an estimator offers, shares of its full effort, ascending, 1 the last.

    An estimator that has smaller ones says so with a method `budgets()`, and spends
    `candidate.budget` of its effort.

    >>> from archloom.estimators import Cost, Train
    >>> budgets_of(Train(epochs=4))
    (0.25, 0.5, 0.75, 1.0)
    >>> budgets_of(Cost())
    (1.0,)
    """
    budgets = getattr(estimator, "budgets", None)
    return tuple(budgets()) if callable(budgets) else WHOLE


def continues(estimator: object) -> bool:
    """Whether a promoted trial costs only what it does beyond the trial that it goes on from.

    So it is unless the estimator has an attribute `continues` that says otherwise.

    >>> from archloom.estimators import Train
    >>> continues(Train()), continues(Train(fidelity="data"))
    (True, False)
    """
    return bool(getattr(estimator, "continues", True))


def inherits_weights(estimator: object) -> bool:
    """Whether a trial may begin with the weights of the trial that it was mutated from."""
    return bool(getattr(estimator, "inherit", False)) or any(
        inherits_weights(part) for part in _parts(estimator)
    )


def common_budgets(estimators: Iterable[object]) -> tuple[float, ...]:
    """Give the budgets that all of these offer, leaving out those that know none but 1."""
    offers = [budgets for e in estimators if len(budgets := budgets_of(e)) > 1]
    if not offers:
        return WHOLE
    first, *others = offers
    return tuple(b for b in first if all(any(same(b, o) for o in other) for other in others))


def same(first: float, second: float) -> bool:
    """Whether two budgets are one, rounding aside."""
    return math.isclose(first, second, rel_tol=1e-6)


def _parts(estimator: object) -> tuple[object, ...]:
    inside = (getattr(estimator, name, None) for name in ("estimator", "train"))
    return (*getattr(estimator, "estimators", ()), *(part for part in inside if part is not None))
