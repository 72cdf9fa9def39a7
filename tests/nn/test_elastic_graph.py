"""Elastic numbers that are written into the graph of a graph module."""

from __future__ import annotations

import copy
import pickle

import torch
from torch import nn
from torch.nn import functional

from archloom.nn._elastic_layers import ElasticLayer, swap_elastic
from archloom.nn._elastic_value import elastic
from archloom.nn._pick import as_domain
from archloom.nn._routing import Routing
from archloom.nn._wired import wired

WIDTH, HEADS = (
    elastic(label, as_domain(label, options))
    for label, options in {"width": [8, 16], "heads": [1, 2, 4]}.items()
)


def attention(width, heads):
    def forward(self, x):
        three = self.three(x).unflatten(2, (3, heads, width // heads))
        queries, keys, values = (three[:, :, part].transpose(1, 2) for part in range(3))
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        return self.out(seen.transpose(1, 2).flatten(2)) * width**-0.5

    return wired(forward, {"three": nn.Linear(width, 3 * width), "out": nn.Linear(width, width)})


def loaded(model, width, heads):
    plain = attention(width, heads)
    for name, part in plain.named_children():
        large = model.get_submodule(name)
        assert isinstance(large, ElasticLayer)
        part.load_state_dict(large.child_state({"width": width, "heads": heads}))
    return plain


def test_a_graph_asks_for_its_numbers_in_every_forward():
    routing = Routing(["width", "heads"])
    model = swap_elastic(attention(WIDTH, HEADS), routing)
    assert sorted(model.state_dict()) == ["out.bias", "out.weight", "three.bias", "three.weight"]
    for width, heads in ((16, 4), (8, 2), (8, 1), (16, 2)):
        x = torch.randn(2, 5, width)
        with routing.routed({"width": width, "heads": heads}):
            torch.testing.assert_close(model(x), loaded(model, width, heads)(x))


def test_copies_and_pickles_of_graphs():
    routing = Routing(["width", "heads"])
    model = swap_elastic(attention(WIDTH, HEADS), routing)
    path, x = {"width": 8, "heads": 2}, torch.randn(2, 5, 8)
    with routing.routed(path):
        expected = model(x)
    copied = copy.deepcopy({"routing": routing, "model": model})
    pickled = pickle.loads(pickle.dumps({"routing": routing, "model": model}))
    for again in (copied, pickled):
        with again["routing"].routed(path):
            torch.testing.assert_close(again["model"](x), expected)


def test_the_same_number_is_asked_once():
    model = swap_elastic(
        wired(lambda self, x: self.a(x) * WIDTH + WIDTH, {"a": nn.Linear(2, WIDTH)}),
        Routing(["width"]),
    )
    assert [name for name, _ in model.named_children()] == ["a", "elastic_number_0"]
    with model.a.elastic.routing.routed({"width": 8}):
        torch.testing.assert_close(model(torch.zeros(1, 2)), model.a.bias[None, :8] * 8 + 8)
