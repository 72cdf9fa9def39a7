"""Never: every trial is finished."""

from __future__ import annotations

from dataclasses import dataclass

from archloom.study import Study
from archloom.trial import Trial


@dataclass(frozen=True)
class Never:
    """Stop nothing: what a search without a stopper does.

    >>> from archloom.study import Study
    >>> Never()(Study(), None)
    False
    """

    def __call__(self, study: Study, trial: Trial) -> bool:
        """Say no."""
        return False
