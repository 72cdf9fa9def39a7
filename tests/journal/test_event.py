"""Events as rows: what is written can be read, and what cannot be read says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from archloom import Architecture
from archloom.errors import JournalError
from archloom.journal import MemoryJournal, Noted, Reported, Started
from archloom.journal._event import from_row, to_row


def test_a_row_is_plain_json_without_empty_fields() -> None:
    event = Started(7, "search", Architecture({"width": 16, "ops": ("a", 1)}), seed=3, time=5.0)
    time, kind, text = to_row(event)
    assert (time, kind) == (5.0, "started")
    assert json.loads(text) == {
        "number": 7,
        "stage": "search",
        "architecture": {"ops": ["a", 1], "width": 16},
        "seed": 3,
    }


def test_numpy_numbers_of_python_kind_are_taken() -> None:
    _, _, text = to_row(Reported(0, 1, {"accuracy": np.float64(0.5)}))
    assert json.loads(text)["metrics"] == {"accuracy": 0.5}


@pytest.mark.parametrize("thing", [object(), {1, 2}, np.float32(1), np.zeros(2), b"bytes"])
def test_what_json_cannot_hold_is_refused(thing: object) -> None:
    with pytest.raises(JournalError, match="plain data"):
        to_row(Noted("x", {"thing": thing}))


def test_a_note_that_holds_itself_is_refused() -> None:
    data: dict[str, object] = {}
    data["self"] = data
    with pytest.raises(JournalError, match="Circular"):
        MemoryJournal().append(Noted("x", data))


def test_an_event_of_a_later_version_is_named() -> None:
    with pytest.raises(JournalError, match=r"'pruned'.*newer"):
        from_row(0.0, "pruned", "{}")
    with pytest.raises(JournalError, match=r"'reported'.*newer.*"):
        from_row(0.0, "reported", '{"number":1,"step":1,"metrics":{},"worker":3}')


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("reported", '{"number":1,"step":'),
        ("reported", '{"number":1}'),
        ("finished", '{"number":1,"state":"lost"}'),
        ("started", '{"number":1,"stage":"search","seed":1}'),
        ("started", '{"number":1,"stage":"search","seed":1,"architecture":null}'),
        ("noted", '["kind"]'),
        ("noted", ""),
    ],
)
def test_damaged_rows_are_journal_errors(kind: str, text: str) -> None:
    with pytest.raises(JournalError, match=f"event of kind '{kind}' cannot be read"):
        from_row(0.0, kind, text)
