"""Every exception that archloom raises on purpose.

    ArchloomError
    ├── SpaceError            a search space that cannot be used
    │   ├── UnknownChoice     build asked for a label that the trace did not see
    │   ├── UnusedChoice      build did not ask for an active label
    │   ├── LabelConflict     one label, two sets of options
    │   ├── InvalidArchitecture  an architecture that is not a point of the space
    │   └── Infeasible        no architecture meets the constraints
    ├── DataError             data that cannot be trained on
    │   ├── TestSplitGuarded  somebody but the final evaluation reached for the test split
    │   └── InputError        data handed to a door that do not fit; a ValueError, too
    ├── ConfigError           a wrong name, option, number or file in the settings
    │   └── MissingExtra      an optional package is not installed
    ├── RunError              a run folder that cannot be opened or continued
    │   ├── RunInUse          another process writes to it
    │   ├── RunChanged        space, data or settings differ from the recorded ones
    │   └── JournalError      the record cannot be read or written
    ├── TrialError            a candidate's evaluation went wrong
    │   ├── Diverged          the loss became NaN or infinite
    │   ├── Stopped           a stopper ended the trial early (not a failure)
    │   └── WorkerDied        the process that evaluated the trial ended
    └── TooManyFailures       a set number of trials failed in a row

Each message says the rule that was broken, the value that broke it and the mend.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class ArchloomError(Exception):
    """The root of all exceptions that archloom raises on purpose."""


class SpaceError(ArchloomError):
    """A search space that cannot be used as it is written."""


class UnknownChoice(SpaceError):
    """A build asked for a label that the trace did not see."""


class UnusedChoice(SpaceError):
    """A build did not ask for a label that is active in the architecture."""


class LabelConflict(SpaceError):
    """The same label was used with different options."""


class InvalidArchitecture(SpaceError):
    """An architecture that is not a point of the space."""


class Infeasible(SpaceError):
    """No architecture of the space meets the constraints."""


class DataError(ArchloomError):
    """Data that cannot be trained on."""


class TestSplitGuarded(DataError):
    """The test split was reached for outside the final evaluation."""

    __test__ = False  # not a test class, whatever its name tells pytest


class InputError(DataError, ValueError):
    """Data handed to a door that do not fit; a ValueError, as scikit-learn's rules want it."""


class ConfigError(ArchloomError):
    """A wrong name, option, number or file in the settings."""


class MissingExtra(ConfigError):
    """An optional package is not installed."""


class RunError(ArchloomError):
    """A run folder that cannot be opened or continued."""


class RunInUse(RunError):
    """Another process writes to the run folder."""


class RunChanged(RunError):
    """Space, data or settings differ from the recorded ones."""


class JournalError(RunError):
    """The record of a run cannot be read or written."""


class TrialError(ArchloomError):
    """A candidate's evaluation went wrong."""


class Diverged(TrialError):
    """The loss became NaN or infinite."""


class Stopped(TrialError):
    """A stopper ended the trial early; its last report is its result.

    `metrics` are what an estimator knows besides, such as the cost of the model.
    """

    def __init__(self, message: str = "", metrics: Mapping[str, float] | None = None) -> None:
        super().__init__(message)
        self.metrics = dict(metrics or {})


class WorkerDied(TrialError):
    """The process that evaluated the trial ended, killed from outside or by a crash."""


class TooManyFailures(ArchloomError):
    """A set number of trials failed in a row."""


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Give the tail of an error message for a name that is not known.

    >>> did_you_mean("evolutoin", ["evolution", "random"])
    "did you mean 'evolution'? Known: evolution, random"
    """
    names = sorted(known)
    near = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names) or 'none'}"
