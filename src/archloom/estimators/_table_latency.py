"""TableLatency: latency as a sum, as an estimator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from archloom.errors import ConfigError
from archloom.estimators._base import Candidate
from archloom.estimators._latency_table import LatencyTable, operation_ms


@dataclass(frozen=True)
class TableLatency:
    """Give `latency_ms` of the candidate's model as a sum over a `LatencyTable`.

    Without a file the table is built when the first candidate comes, on its device, and kept in
    the run's record; with one, operations that it lacks are measured if this is the machine that it
    was made on.

    Args:
        path: a file that `LatencyTable.save` wrote; None builds a table for the run.
        batch: samples a forward pass, where a table is built.
        repeats: measurements of an operation.
        members: as in `LatencyTable.build`.

    >>> TableLatency(batch=8).path is None
    True
    """

    path: str | None = None
    batch: int = 1
    repeats: int = 20
    members: int = 40

    def __post_init__(self) -> None:
        for name in ("batch", "repeats", "members"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"{name} of TableLatency must be a whole number from 1, got {value!r}."
                )
        if self.path is not None:
            _loaded(self.path)

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the latency of the candidate's model."""
        space, task, architecture = candidate.space, candidate.task, candidate.architecture
        table = self._table(candidate)
        texts = table.operations(space, task, architecture)
        # A table of the run's own goes on wherever the run goes on.
        measure = (
            partial(operation_ms, device=candidate.device, repeats=self.repeats)
            if self.path is None
            else partial(table.measured_ms, repeats=self.repeats)
        )
        more = {
            text: candidate.remember(f"latency of {text}", partial(measure, text))
            for text in dict.fromkeys(texts)
            if text not in table.ms
        }
        return {"latency_ms": replace(table, ms={**table.ms, **more}).sum_ms(texts)}

    def _table(self, candidate: Candidate) -> LatencyTable:
        if self.path is not None:
            return _loaded(self.path)
        built = candidate.remember(
            f"latency table batch {self.batch}",
            lambda: _plain(
                LatencyTable.build(
                    candidate.space,
                    candidate.task,
                    candidate.device,
                    batch=self.batch,
                    repeats=self.repeats,
                    members=self.members,
                )
            ),
        )
        return LatencyTable(**built)


@lru_cache(maxsize=4)
def _loaded(path: str) -> LatencyTable:
    return LatencyTable.load(path)


def _plain(table: LatencyTable) -> dict[str, Any]:
    return {**vars(table), "ms": dict(table.ms)}
