"""Text that stays within the boxes of a drawing, whatever font the reader's system has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SIZE: Final = 12  # pixels, as the drawing's style has it
_BOLD: Final = 1.12
_WIDEST: Final = 1000

_GROUPS: Final[Mapping[int, str]] = {
    320: " '|,.IJijl·",
    410: "-/:;\\f!()[]rt",
    520: '"*_`sz–',
    590: "?LcFTYaekovxy",
    640: "$0123456789EKSbdghnpqu{}P",
    700: "ABCRVXZ",
    770: "DGHNU",
    840: "&OQw#+<=>^~×→",
}
"""Thousandths of the font size, of DejaVu Sans: the widest font that stands for system-ui."""

_WIDTHS: Final = {letter: width for width, letters in _GROUPS.items() for letter in letters}


def text_width(text: str, *, bold: bool = False) -> float:
    """Give the pixels that a text takes at most; letters that are not known are wide ones.

    >>> text_width("iii") < text_width("mmm") < text_width("mmm", bold=True)
    True
    """
    total = sum(_WIDTHS.get(letter, _WIDEST) for letter in text)
    return total * _SIZE / 1000 * (_BOLD if bold else 1.0)


def wrapped(text: str, room: float, most: int = 2, *, bold: bool = False) -> list[str]:
    """Break a text between words into lines of `room` pixels; `…` stands for what is too much.

    >>> wrapped("Conv2d 3×3, 128, stride 2, depthwise", 190)
    ['Conv2d 3×3, 128, stride 2,', 'depthwise']
    >>> wrapped("a" * 60, 90, most=1)
    ['aaaaaaaaaaa…']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(lines) < most and text_width(longer, bold=bold) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_cut(line, room, bold) for line in lines if line]


def _cut(line: str, room: float, bold: bool) -> str:
    if text_width(line, bold=bold) <= room:
        return line
    while line and text_width(f"{line}…", bold=bold) > room:
        line = line[:-1]
    return f"{line.rstrip(' ,·|')}…"
