"""Several readers' findings to one label each, and how far the readers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._read_table import read_table

_RULES = ("majority", "any", "all")


@dataclass(frozen=True)
class Agreement:
    """How far readers agree on one finding.

    `percent` is the share of pairs of readers that gave the same answer, `fleiss` their kappa
    (Fleiss 1971); `pairs` gives each two readers their percent and Cohen's kappa (Cohen 1960).
    A kappa is None where every answer is the same, for which it is not defined.
    """

    finding: str
    percent: float
    fleiss: float | None
    pairs: Mapping[tuple[str, str], tuple[float, float | None]]

    def __str__(self) -> str:
        kappa = "undefined" if self.fleiss is None else f"{self.fleiss:.3f}"
        return f"{self.finding}: {self.percent:.1%} of pairs agree, Fleiss' kappa {kappa}"


@dataclass(frozen=True, eq=False)
class Votes:
    """What several readers found in each scan: 1, 0, or -1 where a reader gave no answer.

    `answers` has the axes scans, findings and readers.

    >>> answers = np.array([[[1, 1, 0]], [[0, 0, 0]]])
    >>> votes = Votes(("scan 1", "scan 2"), ("ICH",), ("R1", "R2", "R3"), answers)
    >>> votes.labels().tolist()
    [[1], [0]]
    >>> print(votes.agreement()["ICH"])
    ICH: 66.7% of pairs agree, Fleiss' kappa 0.250
    """

    scans: tuple[str, ...]
    findings: tuple[str, ...]
    readers: tuple[str, ...]
    answers: np.ndarray

    def labels(self, rule: str = "majority") -> np.ndarray:
        """Give 0 or 1 for each scan and finding, int64 (scans, findings).

        `majority` needs more than half of the answers given, `any` one, `all` each of them.
        """
        if rule not in _RULES:
            raise ConfigError(f"rule is one of {', '.join(_RULES)}, got {rule!r}.")
        given, yes = (self.answers >= 0).sum(2), (self.answers == 1).sum(2)
        positive = {"any": yes > 0, "all": yes == given, "majority": 2 * yes > given}[rule]
        labels: np.ndarray = positive.astype(np.int64)
        return labels

    def agreement(self) -> dict[str, Agreement]:
        """Give how far the readers agree on each finding."""
        return {
            finding: _agreement(finding, self.readers, self.answers[:, column])
            for column, finding in enumerate(self.findings)
        }


def read_votes(
    path: str | Path,
    *,
    findings: Sequence[str] | None = None,
    readers: Sequence[str] | None = None,
    scan: str | None = None,
) -> Votes:
    """Read a table with a row for each scan and a column `READER:FINDING` for each answer.

    `scan` is the column of the scans' names, the first without a colon unless given. Answers are
    0 and 1, empty where a reader gave none. All findings and readers are taken unless named.

    Raises:
        DataError: for other answers, scans named twice, and scans that no reader answered for.
        ConfigError: for findings and readers that are not in the table.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "reads.csv"
    ...     _ = path.write_text("name,R1:ICH,R2:ICH\\nscan-1,1,1\\nscan-2,0,1\\n")
    ...     read_votes(path).answers.tolist()
    [[[1, 1]], [[0, 1]]]
    """
    table = read_table(path, header=True)
    split = {name: name.split(":", 1) for name in table.values if ":" in name}
    if not split:
        raise DataError(
            f"A table of votes has columns named READER:FINDING, {path} has "
            f"{', '.join(table.values)}."
        )
    plain = [name for name in table.values if name not in split]
    if scan is None and not plain:
        raise DataError(f"{path} has no column that names the scans: give it with scan=.")
    known_readers = list(dict.fromkeys(reader for reader, _ in split.values()))
    known_findings = list(dict.fromkeys(finding for _, finding in split.values()))
    chosen = _chosen(findings, known_findings, "finding")
    asked = _chosen(readers, known_readers, "reader")
    names = _scans(table.values, scan or plain[0], path)
    answers = np.full((len(names), len(chosen), len(asked)), -1, dtype=np.int64)
    for row, finding in enumerate(chosen):
        for place, reader in enumerate(asked):
            column = f"{reader}:{finding}"
            if column in table.values:
                answers[:, row, place] = _answers(table.values[column], column, path)
    silent = np.argwhere((answers < 0).all(2))
    if len(silent):
        at, finding = silent[0]
        raise DataError(
            f"No reader answered for {chosen[finding]} of {names[at]} in {path} ({len(silent)} "
            f"such): leave that scan or that finding out."
        )
    return Votes(tuple(names), tuple(chosen), tuple(asked), answers)


def _chosen(asked: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    for name in asked or ():
        if name not in known:
            raise ConfigError(f"There is no {what} {name!r}: {did_you_mean(name, known)}.")
    return list(known if asked is None else asked)


def _scans(columns: Mapping[str, Any], name: str, path: Any) -> list[str]:
    if name not in columns:
        raise ConfigError(f"{path} has no column {name!r}: {did_you_mean(name, columns)}.")
    column = columns[name]
    whole = column.dtype.kind == "f" and bool((column == np.round(column)).all())
    scans = [str(int(value)) if whole else str(value) for value in column.tolist()]
    double = sorted({scan for scan in scans if scans.count(scan) > 1}) if _double(scans) else []
    if double:
        raise DataError(f"Each scan has one row, {double[0]!r} is more than once in {path}.")
    return scans


def _double(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def _answers(column: np.ndarray, name: str, path: Any) -> np.ndarray:
    values = np.array([np.nan if value is None else value for value in column.tolist()], object)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Answers are 0, 1 or empty, column {name!r} of {path}: {error}."
        ) from error
    bad = np.flatnonzero(~(np.isnan(numbers) | (numbers == 0) | (numbers == 1)))
    if len(bad):
        raise DataError(
            f"Answers are 0, 1 or empty, column {name!r} of {path} has {numbers[bad[0]]:g} in row "
            f"{bad[0] + 1}."
        )
    return np.where(np.isnan(numbers), -1, numbers).astype(np.int64)


def _agreement(finding: str, readers: Sequence[str], answers: np.ndarray) -> Agreement:
    pairs = {
        (readers[i], readers[j]): _cohen(answers[:, i], answers[:, j])
        for i, j in combinations(range(len(readers)), 2)
        if ((answers[:, i] >= 0) & (answers[:, j] >= 0)).any()
    }
    counts = np.stack([(answers == value).sum(1) for value in (0, 1)], axis=1).astype(float)
    total = counts.sum(1)
    counts, total = counts[total > 1], total[total > 1]  # one answer agrees with nobody
    if not len(total):
        return Agreement(finding, 1.0, None, {})
    same = (counts * (counts - 1)).sum(1) / (total * (total - 1))
    percent = float((same * total * (total - 1)).sum() / (total * (total - 1)).sum())
    share = counts.sum(0) / total.sum()
    chance = float((share**2).sum())
    fleiss = None if chance == 1.0 else (float(same.mean()) - chance) / (1 - chance)
    return Agreement(finding, percent, fleiss, pairs)


def _cohen(one: np.ndarray, other: np.ndarray) -> tuple[float, float | None]:
    both = (one >= 0) & (other >= 0)
    one, other = one[both], other[both]
    same = float((one == other).mean())
    chance = sum(float((one == value).mean() * (other == value).mean()) for value in (0, 1))
    return same, None if chance == 1.0 else (same - chance) / (1 - chance)
