"""Architectures: frozen, hashable, JSON-able, and different where their models would be."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import Architecture
from archloom.architecture import as_value, token
from archloom.errors import InvalidArchitecture

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=5), _VALUES, max_size=6))
def test_json_brings_back_an_equal_architecture(values: dict[str, object]) -> None:
    architecture = Architecture(values)
    back = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    assert back == architecture
    assert dict(back) == dict(architecture) == values
    assert (hash(back), back.key, repr(back)) == (hash(architecture), architecture.key, repr(back))
    assert pickle.loads(pickle.dumps(architecture)) == architecture


def test_the_order_of_writing_does_not_matter() -> None:
    first, second = Architecture({"a": 1, "b": 2}), Architecture({"b": 2, "a": 1})
    assert first == second
    assert list(second) == ["a", "b"]
    assert len({first, second}) == 1


def test_one_and_true_and_one_point_zero_are_three_values() -> None:
    assert len({Architecture({"a": value}) for value in (1, True, 1.0, "1", (1,))}) == 5
    assert len({token(value) for value in (0, False, 0.0, "", None, ())}) == 6


def test_it_is_no_plain_dict() -> None:
    architecture = Architecture({"a": 1})
    assert architecture != {"a": 1}
    with pytest.raises(TypeError):
        architecture["a"] = 2  # type: ignore[index]
    with pytest.raises(KeyError):
        architecture["b"]


def test_what_was_handed_in_can_change_without_harm() -> None:
    values = {"a": [1, 2]}
    architecture = Architecture(values)
    values["a"].append(3)
    assert architecture["a"] == (1, 2)
    architecture.to_json()["a"].append(4)
    assert architecture["a"] == (1, 2)


def test_numpy_values_become_plain() -> None:
    architecture = Architecture(
        {"i": np.int64(3), "f": np.float64(0.5), "g": np.float32(0.25), "b": np.bool_(True)}
    )
    assert [type(value) for value in architecture.values()] == [bool, float, float, int]
    assert architecture == Architecture({"i": 3, "f": 0.5, "g": 0.25, "b": True})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan"), (1, math.inf)])
def test_numbers_must_be_finite(value: object) -> None:
    with pytest.raises(InvalidArchitecture, match="finite"):
        as_value(value)


@pytest.mark.parametrize("value", [object(), {"a": 1}, {1}, b"x", len, np.zeros(2), 1j])
def test_objects_are_refused_with_advice(value: object) -> None:
    with pytest.raises(InvalidArchitecture, match=r"pick\.layer"):
        Architecture({"a": value})


def test_the_key_is_the_same_in_every_process() -> None:
    """Hashing of texts is salted by process; the key must not be."""
    code = "from archloom import Architecture; print(Architecture({'b': (1, 'x'), 'a': 0.1}).key)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )
    key = Architecture({"a": 0.1, "b": [1, "x"]}).key
    assert done.stdout.strip() == key
    assert len(key) == 16
