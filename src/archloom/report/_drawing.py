"""A drawing of a model as inline SVG: a box a layer, from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from archloom.report._blocks import BOX, HEAD, Block, blocks, plan
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
    settings; what follows within the box; output shape without the batch axis; parameters.
    Of more than 600 layers, the first 600 are drawn.

    >>> svg = draw([Layer("0", "Linear", "10", (10,), 650)])
    >>> "Linear 10" in svg, "650 params" in svg
    (True, True)
    """
    found = blocks(layers[:MAX_LAYERS])
    places = plan(found)
    edges = "".join(
        f'<path class="al-edge" marker-end="url(#al-arrow)" d="{_curve(points)}"/>'
        for points in places.edges
    )
    boxes = "".join(_box(block, x, y) for block, (x, y) in zip(found, places.boxes, strict=True))
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


def _box(block: Block, x: int, y: int) -> str:
    main, last = block.main, block.layers[-1]
    params = sum(layer.params for layer in block.layers)
    name = main.name if main.kind == "Input" and main.name != "input" else ""
    title = " ".join(part for part in (main.kind, name, main.detail) if part)
    around = " · ".join(
        " ".join(part for part in (layer.kind, layer.detail) if part)
        for layer in block.layers
        if layer is not main
    )
    facts = [shape_text(last.shape), f"{number(params)} params" if params else ""]
    below = "  |  ".join(fact for fact in facts if fact)
    left = x - BOX // 2
    lines = [line for line in (around, below) if line]
    first = y + (HEAD - 17 * (1 + len(lines))) // 2 + 13
    texts = [f'<text class="al-name" x="{left + 14}" y="{first}">{_cut(title, 28)}</text>']
    texts += [
        f'<text x="{left + 14}" y="{first + 17 * place}">{_cut(line)}</text>'
        for place, line in enumerate(lines, start=1)
    ]
    return (
        f"<g><title>{escape(_tip(block))}</title>"
        f'<rect class="al-box" x="{left}" y="{y}" width="{BOX}" height="{HEAD}" rx="6"/>'
        f'<rect class="{_colour(main)}" x="{left}" y="{y}" width="6" height="{HEAD}" rx="3"/>'
        f"{''.join(texts)}</g>"
    )


def _tip(block: Block) -> str:
    lines = []
    for layer in block.layers:
        facts = [f"{layer.name}: {layer.kind}", layer.detail, shape_text(layer.shape)]
        facts.append(f"{number(layer.params)} params" if layer.params else "")
        lines.append(", ".join(fact for fact in facts if fact))
    return "\n".join(lines)


def _cut(text: str, most: int = 30) -> str:
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


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
