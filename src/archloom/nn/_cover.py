"""A few architectures that together take every option of every choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archloom.architecture import Architecture, Value
from archloom.space import Choice, Floats, Integers, OneOf, Option, SomeOf, Space

_MOST: Final = 1000


def cover(space: Space) -> Iterator[Architecture]:
    """Give architectures until each option was in one of them; the default one comes first.

    Of numbers the lowest and the highest are taken, of subsets a small one and large ones that
    together hold every option.
    """
    left = {label: _values(choice) for label, choice in space.labels.items()}

    def choose(choice: Choice) -> Value:
        queue = left[choice.label]
        return queue.pop(0) if queue else _towards(choice, left)

    # The bound only matters for tied labels, where an option may be out of reach in every walk.
    for _ in range(_MOST):
        before = sum(map(len, left.values()))
        yield space.complete({}, choose)
        if sum(map(len, left.values())) in (0, before):
            return


def _values(choice: Choice) -> list[Value]:
    domain = choice.domain
    match domain:
        case OneOf():
            return list(domain.values())
        case SomeOf():
            return list(_subsets(domain))
        case Integers(low=low, step=step):
            return [low, low + step * (domain.count - 1)]
        case Floats(low=low, high=high):
            return [low, high]


def _subsets(domain: SomeOf) -> Iterator[Value]:
    """Give the default subset, then as few as will do to hold every option."""
    yield domain.default
    names = [option.value for option in domain.options]
    for start in range(domain.low, len(names), domain.high):
        chosen = range(start, min(start + domain.high, len(names)))
        spare = [place for place in range(len(names)) if place not in chosen]
        places = sorted([*chosen, *spare[: max(0, domain.low - len(chosen))]])
        yield tuple(names[place] for place in places)


def _towards(choice: Choice, left: dict[str, list[Value]]) -> Value:
    """Give the value that opens something not yet covered, or the default."""
    domain = choice.domain
    if isinstance(domain, Integers | Floats):
        return domain.default
    wanted = [option for option in domain.options if _pending(option, left)]
    if isinstance(domain, OneOf):
        return wanted[0].value if wanted else domain.default
    rest = [option for option in domain.options if option not in wanted]
    number = min(max(domain.low, len(wanted)), domain.high)
    chosen = (wanted + rest)[:number]
    return tuple(option.value for option in domain.options if option in chosen)


def _pending(option: Option, left: dict[str, list[Value]]) -> bool:
    return any(
        left[choice.label]
        or any(_pending(inner, left) for inner in getattr(choice.domain, "options", ()))
        for choice in option.opens
    )
