"""Elastic numbers: ints and floats that remember the choice they come from."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from archloom.errors import SpaceError
from archloom.nn._elastic_expression import largest
from archloom.nn._elastic_value import ElasticFloat, ElasticInt, elastic, expressions_in
from archloom.nn._pick import as_domain
from archloom.space import integers, log_uniform, uniform


def number(label, options):
    return elastic(label, as_domain(label, options))


def at(value, **values):
    return value.expression.at(values)


def test_the_own_value_is_the_largest_option():
    width = number("width", [16, 64, 32])
    assert (width, type(width)) == (64, ElasticInt)
    assert number("rate", [0, 0.5, 0.2]) == 0.5
    assert type(number("rate", [1, 0.5])) is ElasticFloat
    assert number("width", integers(16, 512)) == 512
    assert number("width", integers(16, 100, step=30)) == 76
    assert number("rate", uniform(0.0, 0.5)) == 0.5
    assert number("rate", log_uniform(1e-4, 1e-1)) == pytest.approx(0.1)


@pytest.mark.parametrize("options", [[True, False], ["relu", "gelu"], [1, None], [(1, 2), (3, 4)]])
def test_what_is_no_number_cannot_be_elastic(options):
    with pytest.raises(SpaceError, match=r"'act' cannot be shared.*pinned=\{'act'"):
        number("act", options)


ARITHMETIC = {
    "w + 3": lambda w, k: w + 3,
    "3 + w": lambda w, k: 3 + w,
    "w - k": lambda w, k: w - k,
    "64 - w": lambda w, k: 64 - w,
    "w * k": lambda w, k: w * k,
    "3 * w": lambda w, k: 3 * w,
    "w / k": lambda w, k: w / k,
    "7 / w": lambda w, k: 7 / w,
    "w // k": lambda w, k: w // k,
    "99 // w": lambda w, k: 99 // w,
    "w % k": lambda w, k: w % k,
    "99 % w": lambda w, k: 99 % w,
    "divmod": lambda w, k: sum(divmod(w, k)),
    "99 divmod": lambda w, k: sum(divmod(99, w)),
    "k ** 2": lambda w, k: k**2,
    "2 ** k": lambda w, k: 2**k,
    "w ** -0.5": lambda w, k: w**-0.5,
    "w ** -1": lambda w, k: w**-1,
    "-w": lambda w, k: -w,
    "+w": lambda w, k: +w,
    "abs(k - w)": lambda w, k: abs(k - w),
    "-(-w // k)": lambda w, k: -(-w // k),
    "w << 1": lambda w, k: w << 1,
    "w >> 1": lambda w, k: w >> 1,
    "round(w / k)": lambda w, k: round(w / k),
    "round(w / k, 1)": lambda w, k: round(w / k, 1),
    "floor": lambda w, k: math.floor(w * 0.3),
    "ceil": lambda w, k: math.ceil(w * 0.3),
    "trunc": lambda w, k: math.trunc(w * 0.3),
    "prod": lambda w, k: math.prod((w, 7, k)),
    "sum": lambda w, k: sum([w, k, w]),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_that_of_plain_numbers_for_every_option(name):
    compute = ARITHMETIC[name]
    options = {"w": [16, 20, 64], "k": [3, 5]}
    found = compute(number("w", options["w"]), number("k", options["k"]))
    plain = {(w, k): compute(w, k) for w in options["w"] for k in options["k"]}
    for (w, k), expected in plain.items():
        assert at(found, w=w, k=k) == expected
        assert type(at(found, w=w, k=k)) is type(expected)
    assert found == max(plain.values())
    assert isinstance(found, int) == all(isinstance(value, int) for value in plain.values())


def test_a_size_that_falls_with_its_choice_is_as_large_as_it_can_be():
    width, heads = number("width", [32, 64]), number("heads", [2, 4, 8])
    assert width // heads == 32
    assert (width // heads) * heads == 64
    assert largest((width // heads).expression, {"width": (64,), "heads": (4, 8)}) == 16


def test_many_choices_are_tried_at_their_ends():
    parts = [number(f"growth{i}", integers(4, 40)) for i in range(15)]
    assert sum(parts) == 15 * 40
    assert 1000 - sum(parts) == 1000 - 15 * 4


def test_it_is_a_plain_int_to_all_others():
    width = number("width", [8, 16])
    assert hash(width) == hash(16)
    assert width == 16
    assert {16: "a"}[width] == "a"
    assert f"{width} {width!r} {width:04d} %d" % width == "16 16 0016 16"
    assert json.dumps({"width": width, "half": width / 2}) == '{"width": 16, "half": 8.0}'
    assert list(range(width))[-1] == 15
    assert type(int(width)) is int
    assert max(width, 3) is width
    assert (1,) * width == (1,) * 16
    assert "ab" * number("two", [1, 2]) == "abab"
    assert torch.zeros(width, width * 2).view(width // 2, -1).shape == (8, 64)
    assert torch.equal(torch.ones(2) * width, torch.full((2,), 16.0))
    assert np.zeros(width).shape == (16,)
    with pytest.raises(TypeError):
        width + "a"


def test_copies_and_pickles_remember():
    half = number("width", [8, 16]) // 2
    for again in (copy.copy(half), copy.deepcopy([half])[0], pickle.loads(pickle.dumps(half))):
        assert (again, type(again), at(again, width=8)) == (8, ElasticInt, 4)
    rate = pickle.loads(pickle.dumps(number("rate", uniform(0.1, 0.5)) * 2))
    assert (rate, type(rate), at(rate, rate=0.1)) == (1.0, ElasticFloat, 0.2)


def test_torch_layers_keep_it():
    width, kernel = number("width", [8, 16]), number("kernel", [3, 5])
    conv = nn.Conv2d(width, 2 * width, kernel, padding=kernel // 2, groups=width)
    assert conv.weight.shape == (32, 1, 5, 5)
    assert {label for e in expressions_in(vars(conv)) for label in e.leaves()} == {
        "width",
        "kernel",
    }
    norm = nn.LayerNorm(width)
    assert [e.at({"width": 8}) for e in expressions_in(norm.normalized_shape)] == [8]
    with torch.device("meta"):
        attention = nn.MultiheadAttention(width, number("heads", [2, 4]))
    assert at(attention.head_dim, width=8, heads=4) == 2
