"""A drawing of a model as inline SVG: a box a layer, from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from archloom.report._blocks import BOX, HEAD, Block, blocks, plan
from archloom.report._fitting import wrapped
from archloom.report._format import number
from archloom.report._layers import Layer

MAX_LAYERS = 600
_KINDS = (
    ("conv", "Convolution", ("Conv",)),
    ("linear", "Dense", ("Linear", "Bilinear", "Embedding", "matmul")),
    ("pool", "Pooling", ("Pool", "pool", "mean", "amax")),
    ("join", "Sum or concatenation", ("add", "concat", "mul", "sum", "stack")),
    ("state", "Recurrent or attention", ("LSTM", "GRU", "RNN", "ttention", "Transformer")),
)
_INDENT, _LINE, _PADDING = 14, 17, 6
_ROOM = BOX - _INDENT - 8
_NAME = ' class="al-name"'
_STYLE = """
.al-drawing{--ink:#1c2530;--soft:#56606e;--box:#fff;--edge:#8b95a3;font:12px system-ui,sans-serif}
@media (prefers-color-scheme:dark){
.al-drawing{--ink:#e8ecf1;--soft:#a9b3c0;--box:#1d232b;--edge:#77818f}}
.al-drawing text{fill:var(--soft)}.al-drawing .al-name{fill:var(--ink);font-weight:600}
.al-drawing .al-box{fill:var(--box);stroke:var(--edge);stroke-width:1}
.al-drawing .al-edge{fill:none;stroke:var(--edge);stroke-width:1.5}
.al-drawing .al-tip{fill:var(--edge)}
.al-conv{fill:#0072b2}.al-linear{fill:#e69f00}.al-pool{fill:#56b4e9}.al-join{fill:#cc79a7}
.al-state{fill:#009e73}.al-other{fill:#8b95a3}
"""


def draw(layers: Sequence[Layer], title: str = "Architecture") -> str:
    """Give an SVG element with a box for every layer, or for a run such as Conv, BatchNorm, ReLU.

    Branches stand side by side, and deep models wrap into columns. The text of a box: kind and
    settings; what follows within the box; output shape without the batch axis; parameters. Each
    has two lines, and what does not fit there is in the box's tooltip. Of more than 600 layers,
    the first 600 are drawn.

    >>> svg = draw([Layer("0", "Linear", "10", (10,), 650)])
    >>> "Linear 10" in svg, "650 params" in svg
    (True, True)
    """
    found = blocks(layers[:MAX_LAYERS])
    written = [_lines(block) for block in found]
    head = max([HEAD, *(2 * _PADDING + _LINE * len(lines) for lines in written)])
    places = plan(found, head)
    edges = "".join(
        f'<path class="al-edge" marker-end="url(#al-arrow)" d="{_curve(points)}"/>'
        for points in places.edges
    )
    boxes = "".join(
        _box(block, lines, place, head)
        for block, lines, place in zip(found, written, places.boxes, strict=True)
    )
    size = f"{places.width} {places.height}"
    return (
        f'<svg class="al-drawing" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {size}" width="{places.width}" height="{places.height}" '
        f'style="max-width:100%;height:auto;min-width:{places.width * 7 // 10}px">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<defs><marker id="al-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path class="al-tip" d="M0 0L8 4L0 8z"/></marker></defs>'
        f"{edges}{boxes}</svg>"
    )


def colour_key(layers: Sequence[Layer]) -> list[tuple[str, str]]:
    """Give (CSS class, meaning) of every colour that the drawing of these layers uses.

    >>> colour_key([Layer("0", "Conv2d"), Layer("1", "ReLU", inputs=(0,))])
    [('al-conv', 'Convolution')]
    """
    used = {_colour(block.main) for block in blocks(layers[:MAX_LAYERS])}
    return [(f"al-{name}", meaning) for name, meaning, _ in _KINDS if f"al-{name}" in used]


def shape_text(shape: tuple[int, ...] | None) -> str:
    """Write a shape as `32 × 8 × 8`; nothing where it is not known.

    >>> shape_text((32, 8, 8)), shape_text(()), shape_text(None)
    ('32 × 8 × 8', 'scalar', '')
    """
    if shape is None:
        return ""
    return " × ".join(map(str, shape)) or "scalar"


def _lines(block: Block) -> list[tuple[str, bool]]:
    """Give the lines of a box, and whether each is bold."""
    main, last = block.main, block.layers[-1]
    params = sum(layer.params for layer in block.layers)
    name = main.name if main.kind == "Input" and main.name != "input" else ""
    title = " ".join(part for part in (main.kind, name, main.detail) if part)
    around = " · ".join(
        " ".join(part for part in (layer.kind, layer.detail) if part)
        for layer in block.layers
        if layer is not main
    )
    shape = shape_text(last.shape)
    facts = [fact for fact in (shape, f"{number(params)} params" if params else "") if fact]
    below = wrapped("  |  ".join(facts), _ROOM, most=1)
    if len(facts) > 1 and below[0].endswith("…"):
        below = [line for fact in facts for line in wrapped(fact, _ROOM, most=1)]
    lines = [*wrapped(around, _ROOM), *below]
    return [
        *((line, True) for line in wrapped(title, _ROOM, bold=True)),
        *((x, False) for x in lines),
    ]


def _box(block: Block, lines: Sequence[tuple[str, bool]], place: tuple[int, int], head: int) -> str:
    x, y = place
    left = x - BOX // 2
    first = y + (head - _LINE * len(lines)) // 2 + 13
    texts = "".join(
        f'<text{_NAME if bold else ""} x="{left + _INDENT}" y="{first + _LINE * line}">'
        f"{escape(text)}</text>"
        for line, (text, bold) in enumerate(lines)
    )
    return (
        f"<g><title>{escape(_tip(block))}</title>"
        f'<rect class="al-box" x="{left}" y="{y}" width="{BOX}" height="{head}" rx="6"/>'
        f'<rect class="{_colour(block.main)}" x="{left}" y="{y}" width="6" height="{head}" rx="3"/>'
        f"{texts}</g>"
    )


def _tip(block: Block) -> str:
    lines = []
    for layer in block.layers:
        facts = [f"{layer.name}: {layer.kind}", layer.detail, shape_text(layer.shape)]
        facts.append(f"{number(layer.params)} params" if layer.params else "")
        lines.append(", ".join(fact for fact in facts if fact))
    return "\n".join(lines)


def _colour(layer: Layer) -> str:
    for name, _, parts in _KINDS:
        if any(part in layer.kind for part in parts):
            return f"al-{name}"
    return "al-other"


def _curve(points: Sequence[tuple[int, int]]) -> str:
    """Draw a line through the points: straight along an axis, else with vertical ends."""
    (x, y), *rest = points
    path = [f"M{x} {y}"]
    for to_x, to_y in rest:
        if x == to_x or y == to_y:
            path.append(f"L{to_x} {to_y}")
        else:
            middle = (y + to_y) // 2
            path.append(f"C{x} {middle} {to_x} {middle} {to_x} {to_y}")
        x, y = to_x, to_y
    return "".join(path)
