"""Nothing: the 0 that an input gives which is not chosen; adding it to a tensor costs nothing."""

from __future__ import annotations

from typing import Any, Final, final

from archloom.errors import ConfigError

_SUMS: Final = frozenset({"add", "__add__", "__radd__", "__iadd__", "add_"})
_PRODUCTS: Final = frozenset({"mul", "__mul__", "__rmul__"})


@final
class Nothing(int):
    """An int that is 0; torch asks it, instead of adding zeros number by number.

    >>> import torch
    >>> x = torch.ones(2)
    >>> (x + NOTHING) is x, sum([NOTHING, NOTHING, 1]), x * NOTHING
    (True, 1, 0)
    """

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", str(func))
        if len(args) == 2 and not kwargs:
            first, second = args
            if name in _SUMS:
                return second if isinstance(first, Nothing) else first
            if name in _PRODUCTS:
                return NOTHING
        raise ConfigError(
            f"{name} met an input that the gates do not choose. Inputs that are written into a "
            f"graph can be added up and multiplied only: go through the modules of the subset in "
            f"a forward of your own, or pin it."
        )


NOTHING: Final = Nothing()
