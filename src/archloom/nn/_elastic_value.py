"""Elastic numbers: what `pick.value` gives where several architectures share one model.

An elastic number is an `int` or a `float` that remembers which choice it comes from and what was
computed of it. Torch's layers keep the object in `in_channels`, `out_features` and the like, so
that the finished model tells how each layer's sizes follow from the choices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, final

from archloom.errors import SpaceError
from archloom.nn._elastic_expression import Applied, Expression, Leaf, Number
from archloom.space import Domain


class _Arithmetic:
    """The operators: each gives an elastic number again."""

    expression: Leaf | Applied

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return number_of, (self.expression,)

    def __add__(self, other: Any) -> Any:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary("truediv", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary("truediv", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _binary("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _binary("floordiv", other, self)

    def __mod__(self, other: Any) -> Any:
        return _binary("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _binary("mod", other, self)

    def __divmod__(self, other: Any) -> Any:
        return _pair(self // other, self % other)

    def __rdivmod__(self, other: Any) -> Any:
        return _pair(other // self, other % self)

    def __pow__(self, other: Any, modulo: None = None) -> Any:
        return NotImplemented if modulo is not None else _binary("pow", self, other)

    def __rpow__(self, other: Any, modulo: None = None) -> Any:
        return NotImplemented if modulo is not None else _binary("pow", other, self)

    def __lshift__(self, other: Any) -> Any:
        return _binary("lshift", self, other)

    def __rshift__(self, other: Any) -> Any:
        return _binary("rshift", self, other)

    def __neg__(self) -> Any:
        return _applied("neg", self.expression)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _applied("abs", self.expression)

    def __round__(self, digits: int | None = None) -> Any:
        places = () if digits is None else (digits,)
        return _applied("round", self.expression, *places)

    def __floor__(self) -> Any:
        return _applied("floor", self.expression)

    def __ceil__(self) -> Any:
        return _applied("ceil", self.expression)

    def __trunc__(self) -> Any:
        return _applied("trunc", self.expression)


@final
class ElasticInt(_Arithmetic, int):  # type: ignore[misc]
    """An int that depends on choices; as a plain int it is the largest that they may give.

    It compares, hashes, prints and pickles as the int. Arithmetic (`+ - * / // % **`, `<<`, `>>`,
    `round`, `math.floor`, `math.ceil`) gives elastic numbers; `int(...)`, `max`, `min` and `if`
    only see the plain number.

    >>> from archloom.space import OneOf, Option
    >>> width = elastic("width", OneOf((Option(8), Option(16))))
    >>> half = width // 2
    >>> half, half.expression.at({"width": 8})
    (8, 4)
    """

    expression: Leaf | Applied

    def __new__(cls, expression: Leaf | Applied) -> ElasticInt:
        self = int.__new__(cls, expression.own)
        self.expression = expression
        return self


@final
class ElasticFloat(_Arithmetic, float):  # type: ignore[misc]
    """A float that depends on choices; see `ElasticInt`."""

    expression: Leaf | Applied

    def __new__(cls, expression: Leaf | Applied) -> ElasticFloat:
        self = float.__new__(cls, expression.own)
        self.expression = expression
        return self


def elastic(label: str, domain: Domain) -> ElasticInt | ElasticFloat:
    """Give the number of a choice, for all its options at once.

    Raises:
        SpaceError: when an option is no number.
    """
    for value in domain.values(2):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpaceError(
                f"The value choice {label!r} cannot be shared: only numbers can, and its option "
                f"{value!r} is none. Pin it, pinned={{{label!r}: {domain.default!r}}}, or make it "
                f"a pick.layer, whose options are modules."
            )
    return number_of(Leaf(label, domain))


def number_of(expression: Leaf | Applied) -> ElasticInt | ElasticFloat:
    """Give the elastic number of an expression."""
    if expression.whole and isinstance(expression.own, int):
        return ElasticInt(expression)
    return ElasticFloat(expression)


def at_most(number: ElasticInt | ElasticFloat, limit: Number) -> ElasticInt | ElasticFloat:
    """Give the smaller of an elastic number and a plain one, as an elastic number.

    `min` would compare the largest number and give one of the two.
    """
    return _applied("min", number.expression, limit)


def expression_of(number: Any) -> Expression:
    """Give what an elastic number was computed from; a plain number is its own expression."""
    return number.expression if isinstance(number, _Arithmetic) else number


def resolved(structure: Any, find: Callable[[Expression], Any]) -> Any:
    """Replace the elastic numbers in tuples, lists and dicts by what `find` gives for them."""
    if isinstance(structure, _Arithmetic):
        return find(structure.expression)
    if isinstance(structure, tuple) and type(structure) is tuple:
        return tuple(resolved(item, find) for item in structure)
    if isinstance(structure, list):
        return [resolved(item, find) for item in structure]
    if isinstance(structure, dict):
        return {key: resolved(item, find) for key, item in structure.items()}
    return structure


def expressions_in(structure: Any) -> Iterator[Leaf | Applied]:
    """Give the expressions of the elastic numbers in tuples, lists and dicts."""
    if isinstance(structure, _Arithmetic):
        yield structure.expression
    elif isinstance(structure, tuple | list):
        for item in structure:
            yield from expressions_in(item)
    elif isinstance(structure, dict):
        for item in structure.values():
            yield from expressions_in(item)


def _binary(verb: str, left: Any, right: Any) -> Any:
    for side in (left, right):
        if isinstance(side, bool) or not isinstance(side, int | float):
            return NotImplemented
    if (verb, right) in _NEUTRAL and type(right) is int and isinstance(left, int):
        return left
    if (verb, left) in _NEUTRAL_BEFORE and type(left) is int and isinstance(right, int):
        return right
    return _applied(verb, expression_of(left), expression_of(right))


def _applied(verb: str, *parts: Expression) -> ElasticInt | ElasticFloat:
    return number_of(Applied(verb, parts))


def _pair(left: Any, right: Any) -> Any:
    return NotImplemented if NotImplemented in (left, right) else (left, right)


_NEUTRAL: Final = frozenset({("add", 0), ("sub", 0), ("mul", 1), ("floordiv", 1)})
_NEUTRAL_BEFORE: Final = frozenset({("add", 0), ("mul", 1)})
