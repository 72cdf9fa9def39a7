"""Votes of several readers: the published figures of CQ500, and tables that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archloom.errors import ConfigError, DataError
from archloom.sources import Votes, read_votes


def test_the_majority_in_cq500(shared: Path) -> None:
    votes = read_votes(shared / "cq500_reads.csv")
    assert (len(votes.scans), votes.readers) == (491, ("R1", "R2", "R3"))
    counts = dict(zip(votes.findings, votes.labels().sum(0).tolist(), strict=True))
    published = {"ICH": 205, "IPH": 134, "IVH": 28, "SDH": 53, "EDH": 13, "SAH": 60}
    published |= {"MidlineShift": 65, "MassEffect": 127}
    assert {name: counts[name] for name in published} == published


def test_the_agreement_in_cq500(shared: Path) -> None:
    # As this table gives them; the formula itself is tested on the closed-form case below
    votes = read_votes(shared / "cq500_reads.csv", findings=["ICH", "IPH", "SDH"])
    found = votes.agreement()
    kappas = {name: round(one.fleiss or 0, 4) for name, one in found.items()}
    assert kappas == {"ICH": 0.7827, "IPH": 0.7746, "SDH": 0.5418}
    percent, kappa = found["ICH"].pairs["R1", "R2"]
    assert (round(percent, 4), round(kappa or 0, 4)) == (0.8900, 0.7772)


def test_fleiss_own_example() -> None:
    # Fleiss 1971 reduces to this for two answers: agreement no better than chance is 0
    answers = np.array([[[1, 0]], [[0, 1]], [[1, 1]], [[0, 0]]])
    one = Votes(tuple("abcd"), ("f",), ("R1", "R2"), answers).agreement()["f"]
    assert one.percent == 0.5
    assert one.fleiss == pytest.approx(0.0)
    assert one.pairs["R1", "R2"] == (0.5, 0.0)
    same = Votes(("a",), ("f",), ("R1", "R2"), np.array([[[1, 1]]])).agreement()["f"]
    assert (same.percent, same.fleiss) == (1.0, None)
    assert str(same) == "f: 100.0% of pairs agree, Fleiss' kappa undefined"


def test_missing_answers_and_rules(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text("scan,A:x,B:x,C:x\n1,1,,\n2,1,0,\n3,1,1,0\n4,0,0,1\n")
    votes = read_votes(path)
    assert votes.scans == ("1", "2", "3", "4")
    assert votes.answers[0, 0].tolist() == [1, -1, -1]
    assert votes.labels().flatten().tolist() == [1, 0, 1, 0]  # a tie is no majority
    assert votes.labels("any").flatten().tolist() == [1, 1, 1, 1]
    assert votes.labels("all").flatten().tolist() == [1, 0, 0, 0]
    assert 0 < votes.agreement()["x"].percent < 1
    with pytest.raises(ConfigError, match="majority, any, all"):
        votes.labels("most")
    assert read_votes(path, readers=["A", "C"]).readers == ("A", "C")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scan,x\n1,1\n", "columns named READER:FINDING"),
        ("scan,A:x\n1,2\n", r"0, 1 or empty, column 'A:x' .* has 2 in row 1"),
        ("scan,A:x\n1,maybe\n", "0, 1 or empty"),
        ("scan,A:x\n1,1\n1,0\n", "'1' is more than once"),
        ("scan,A:x,A:y\n1,1,\n2,1,0\n", "No reader answered for y of 1"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "reads.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_votes(tmp_path / "reads.csv")


def test_unknown_names(tmp_path: Path) -> None:
    (tmp_path / "reads.csv").write_text("scan,A:ICH\n1,1\n2,0\n")
    with pytest.raises(ConfigError, match="did you mean 'ICH'"):
        read_votes(tmp_path / "reads.csv", findings=["ICHH"])
    with pytest.raises(ConfigError, match="no reader 'B'"):
        read_votes(tmp_path / "reads.csv", readers=["B"])
    with pytest.raises(ConfigError, match="no column 'name'"):
        read_votes(tmp_path / "reads.csv", scan="name")
