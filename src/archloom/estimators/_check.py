"""Check an estimator before a search starts."""

from __future__ import annotations

from archloom.errors import ConfigError
from archloom.space import Space


def check_estimator(estimator: object, space: Space) -> None:
    """Raise `ConfigError` unless the estimator can be called and fits the space.

    Estimators that depend on the space have a method `check(space)` of their own.

    >>> from archloom.estimators import Train
    >>> from archloom.space import Space
    >>> check_estimator(Train(), Space(()))
    """
    if not callable(estimator):
        raise ConfigError(
            f"An estimator is called with a candidate and gives its metrics, got {estimator!r} "
            f"of type {type(estimator).__name__}."
        )
    if isinstance(estimator, type):
        raise ConfigError(
            f"An estimator must be ready to call, got the class {estimator.__name__}: write "
            f"{estimator.__name__}()."
        )
    check = getattr(estimator, "check", None)
    if check is not None:
        check(space)
