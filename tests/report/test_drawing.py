"""The drawing: every layer has a place, no two boxes share one, every text is safe."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archloom.report import Layer, draw, layers
from archloom.report._blocks import BOX, HEAD, blocks, plan

_SVG = "{http://www.w3.org/2000/svg}"


def _chain(*kinds: str) -> list[Layer]:
    return [Layer(str(n), kind, inputs=(n - 1,) if n else ()) for n, kind in enumerate(kinds)]


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{_SVG}text")]


def test_norms_and_activations_share_the_box_of_the_layer_before() -> None:
    found = blocks(_chain("Input", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "MaxPool2d"))
    inside = [[layer.kind for layer in block.layers] for block in found]
    assert inside == [["Input"], ["Conv2d", "BatchNorm2d", "ReLU"], ["Conv2d"], ["MaxPool2d"]]
    before = blocks(_chain("Input", "BatchNorm2d", "ReLU", "Conv2d"))
    assert [[layer.kind for layer in b.layers] for b in before] == [
        ["Input"],
        ["BatchNorm2d", "ReLU", "Conv2d"],
    ]
    assert before[1].main.kind == "Conv2d"


def test_a_layer_that_others_read_too_ends_its_box() -> None:
    found = blocks(
        [
            Layer("a", "Conv2d"),
            Layer("b", "ReLU", inputs=(0,)),
            Layer("c", "add", inputs=(0, 1)),
        ]
    )
    assert [block.inputs for block in found] == [(), (0,), (0, 1)]


@st.composite
def _graphs(draw: st.DrawFn) -> list[Layer]:
    kinds = st.sampled_from(["Conv2d", "ReLU", "add", "BatchNorm2d", "Identity", "Linear"])
    found: list[Layer] = []
    for number in range(draw(st.integers(1, 40))):
        feeds = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        found.append(Layer(str(number), draw(kinds), inputs=tuple(sorted(feeds))))
    return found


@given(_graphs())
def test_boxes_never_overlap_and_edges_join_them(found: list[Layer]) -> None:
    boxed = blocks(found)
    places = plan(boxed)
    assert sum(len(block.layers) for block in boxed) == len(found)
    for place, (x, y) in enumerate(places.boxes):
        assert BOX // 2 <= x <= places.width - BOX // 2
        assert 0 <= y <= places.height - HEAD
        for other_x, other_y in places.boxes[place + 1 :]:
            assert abs(x - other_x) >= BOX or abs(y - other_y) >= HEAD
    pairs = [(source, n) for n, block in enumerate(boxed) for source in block.inputs]
    assert len(places.edges) == len(pairs)
    for points, (source, target) in zip(places.edges, pairs, strict=True):
        above, below = places.boxes[source], places.boxes[target]
        assert points[0] == (above[0], above[1] + HEAD)
        assert points[-1] == below
    ElementTree.fromstring(draw(found))


def test_deep_chains_wrap_into_columns() -> None:
    places = plan(blocks(_chain(*["Conv2d"] * 24)))
    assert len({x for x, _ in places.boxes}) == 3
    assert places.height < 24 * HEAD
    very_deep = plan(blocks(_chain(*["Conv2d"] * 200)))
    assert len({x for x, _ in very_deep.boxes}) == 4


def test_a_box_says_kind_settings_shape_and_parameters() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
    svg = draw(layers(model, torch.zeros(1, 1, 9, 9)), "my model")
    assert _texts(svg) == [
        "Input",
        "1 × 9 × 9",
        "Conv2d 3×3, 8, stride 2",
        "BatchNorm2d · ReLU",
        "8 × 4 × 4 | 96 params",
    ]
    assert ElementTree.fromstring(svg).find(f"{_SVG}title").text == "my model"  # type: ignore[union-attr]


ADVANCES = {
    "C": 698, "L": 557, "S": 635, "U": 732, "a": 613, "d": 635, "e": 615, "g": 635, "h": 634,
    "i": 278, "m": 974, "n": 634, "o": 612, "p": 635, "r": 411, "s": 521, "t": 392, "v": 592,
    "w": 818, "0": 636, "1": 636, "2": 636, "3": 636, "5": 636, "8": 636, ",": 318, " ": 318,
    ".": 318, "×": 838, "·": 318, "|": 337, "N": 748, "B": 686, "R": 695, "I": 295, "T": 611,
    "y": 592, "E": 632, "G": 775, "u": 634, "c": 550,
    "D": 770, "f": 352, "k": 579, "l": 278, "F": 575, "M": 863, "P": 603, "x": 592, "4": 636,
    "6": 636, "7": 636, "9": 636,
}  # fmt: skip
"""Thousandths of the font size that letters of DejaVu Sans take, by the font's own table."""


def test_no_text_is_wider_than_its_box() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 128, 3, stride=2, padding=1),
        *(nn.BatchNorm2d(128), nn.SiLU(), nn.Dropout2d(0.25)),
        nn.Conv2d(128, 128, (3, 5), stride=2, padding=2, groups=128),
        *(nn.InstanceNorm2d(128), nn.GELU(), nn.Identity()),
        nn.Conv2d(128, 1024, 1),
    )
    svg = draw(layers(model, torch.zeros(1, 3, 512, 512)))
    texts = _texts(svg)
    assert "Conv2d 3×5, 128, stride 2," in texts
    assert "depthwise" in texts
    assert "128 × 256 × 256" in texts
    for text in texts:
        assert sum(ADVANCES[letter] for letter in text) * 12 / 1000 < BOX - 14
    places = [
        (float(rect.get("y", "")), float(rect.get("height", "")))
        for rect in ElementTree.fromstring(svg).iter(f"{_SVG}rect")
        if rect.get("class") == "al-box"
    ]
    lines = [float(text.get("y", "")) for text in ElementTree.fromstring(svg).iter(f"{_SVG}text")]
    assert all(any(y + 9 < line < y + head - 4 for y, head in places) for line in lines)


def test_texts_are_escaped_and_cut() -> None:
    nasty = "<script>alert('&')</script>"
    svg = draw([Layer(nasty, nasty, nasty)], nasty)
    assert "<script" not in svg
    assert _texts(svg) == ["<script>alert('&')</scrip…"] * 2
    titles = [e.text or "" for e in ElementTree.fromstring(svg).iter(f"{_SVG}title")]
    assert nasty in titles[1]


def test_nothing_to_draw_is_an_empty_drawing() -> None:
    assert _texts(draw([])) == []


def test_of_very_many_layers_the_first_are_drawn() -> None:
    svg = draw(_chain(*["Conv2d"] * 1000))
    assert len(re.findall("<g>", svg)) == 600
