"""Pick: the five verbs that a space function asks its questions with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, final, overload

from torch import nn

from archloom.architecture import as_value
from archloom.errors import ArchloomError, SpaceError
from archloom.nn._meta import CODE_ERRORS
from archloom.nn._reading import Reading, Thunk
from archloom.space import Domain, OneOf, Option, integers

Make: TypeAlias = Callable[..., nn.Module]
M = TypeVar("M", bound=nn.Module)

_MISSING = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@final
class Pick:
    """What a space function gets: ask it, and build with the answers.

    A label is an identity: the same label twice is one decision, taken once. Labels asked inside
    an option or a repeat belong to it and vanish with it.

    >>> from archloom.nn import model_space
    >>> @model_space
    ... def tiny(pick):
    ...     width = pick.value("width", [8, 16])
    ...     op = pick.layer("op", {"relu": nn.ReLU, "skip": nn.Identity})
    ...     return nn.Sequential(nn.Linear(4, width), op)
    >>> list(tiny.space.labels), tiny.space.size
    (['width', 'op'], 4)
    """

    __slots__ = ("_reading", "_scope")

    def __init__(self, reading: Reading, scope: str = "") -> None:
        self._reading = reading
        self._scope = scope

    def __repr__(self) -> str:
        return f"Pick(at {self._scope!r})" if self._scope else "Pick()"

    def at(self, scope: str) -> Pick:
        """Give a pick whose labels all start with `scope.`: spaces compose by calling each other.

        `encoder(pick.at("left"))` and `encoder(pick.at("right"))` decide apart;
        `encoder(pick.at("both"))`, twice, decides once.
        """
        return Pick(self._reading, self._label(scope))

    def value(self, label: str, options: Sequence[Any] | Domain) -> Any:
        """Give one of `options`: a plain number, text, bool, None or tuple of those.

        Args:
            label: the name of the decision.
            options: a list; or `integers(16, 512)`, `uniform(0, 0.5)`, `log_uniform(1e-4, 1e-1)`;
                or a `range`.
        """
        full = self._label(label)
        return self._reading.value(full, as_domain(full, options))

    def layer(
        self, label: str, makes: Mapping[str, Make] | Sequence[Make], *, same_shape: bool = True
    ) -> nn.Module:
        """Give the module of one option. Only the chosen option is built.

        Args:
            label: the name of the decision.
            makes: option name -> what makes the module: a callable that takes nothing, or one
                that takes a pick (its labels then start with `label.name.`). The options of a
                list are called "0", "1", ...
            same_shape: whether all options give outputs of one shape, which `verify` checks and
                weight sharing needs.
        """
        full = self._label(label)
        return self._reading.layer(full, self._thunks(full, _named(full, makes)), same_shape)

    @overload
    def repeat(self, label: str, body: Make, low: int, high: int) -> nn.Sequential: ...

    @overload
    def repeat(
        self, label: str, body: Make, low: int, high: int, *, join: Callable[[list[nn.Module]], M]
    ) -> M: ...

    def repeat(
        self,
        label: str,
        body: Make,
        low: int,
        high: int,
        *,
        join: Callable[[list[nn.Module]], nn.Module] | None = None,
    ) -> nn.Module:
        """Give `low` to `high` modules in a row.

        Args:
            label: the name of the decision.
            body: makes one module: `body(pick)` or `body(pick, index)`, where the labels of that
                pick start with `label.index.`
            low: the smallest number of modules, 0 allowed. Equal to `high`, nothing is decided.
            high: the largest number of modules.
            join: what holds them, made from the list: `nn.ModuleList` for example. An
                `nn.Sequential` by default.
        """
        full = self._label(label)
        _check_bounds(full, "repeat", low, high)
        thunk = self._bodies(full, body)
        hold = join or _in_a_row
        if low == high:
            return hold([thunk(index) for index in range(low)])
        return self._reading.repeat(full, thunk, low, high, hold)

    def subset(
        self,
        label: str,
        options: Sequence[str] | Mapping[str, Make],
        k: int | tuple[int, int],
    ) -> nn.ModuleDict:
        """Give the modules of `k` of the options by name: which inputs, edges or branches to use.

        Args:
            label: the name of the decision.
            options: names (each gives an `nn.Identity`), or name -> what makes the module.
            k: how many, or (fewest, most).
        """
        full = self._label(label)
        low, high = _few_and_many(full, k)
        makes = options if isinstance(options, Mapping) else _bare(full, options)
        _check_bounds(full, "subset", low, high, most=len(makes))
        for name in makes:
            _check_key(full, name)
        return self._reading.subset(full, self._thunks(full, _named(full, makes)), low, high)

    def _label(self, label: str) -> str:
        if not isinstance(label, str) or not label.strip():
            raise SpaceError(f"A label must be a text that is not empty, got {label!r}.")
        return f"{self._scope}.{label}" if self._scope else label

    def _thunks(self, full: str, makes: Mapping[str, Make]) -> dict[str, Thunk]:
        def thunk(name: str) -> Thunk:
            where = f"option {name!r} of {full!r}"
            scoped = Pick(self._reading, f"{full}.{name}")
            return lambda: _made(where, makes[name], scoped)

        return {name: thunk(name) for name in makes}

    def _bodies(self, full: str, body: Make) -> Callable[[int], nn.Module]:
        def make(index: int) -> nn.Module:
            where = f"body {index} of {full!r}"
            return _made(where, body, Pick(self._reading, f"{full}.{index}"), index)

        return make


def _made(where: str, make: Make, pick: Pick, *index: int) -> nn.Module:
    """Call `make` with what it takes; whatever it raises is told with the place it happened."""
    arguments = _arguments(where, make, pick, *index)
    try:
        module = make(*arguments)
    except ArchloomError:
        raise
    except CODE_ERRORS as error:
        raise SpaceError(f"{where} raised {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise SpaceError(f"{where} must give an nn.Module, got {module!r}: is a return missing?")
    return module


def _arguments(where: str, make: Make, pick: Pick, *index: int) -> tuple[Any, ...]:
    """Give what `make` takes: nothing, a pick, or (in a repeat) a pick and an index."""
    if isinstance(make, nn.Module) or not callable(make):
        raise SpaceError(
            f"{where} must be a callable that makes a module, got {make!r}: "
            f"write `lambda: ...` in front of it."
        )
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except ValueError:  # some callables written in C have no signature
        return ()
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = [p for p in positional if p.default is _MISSING]
    wants_pick = any(p.name == "pick" for p in positional[:1])
    is_layer_class = isinstance(make, type) and issubclass(make, nn.Module)
    if len(required) > 1 + len(index) or (is_layer_class and required and not wants_pick):
        names = ", ".join(p.name for p in required)
        raise SpaceError(
            f"{where} must take nothing or a pick{' and an index' if index else ''}, but it needs "
            f"({names}): write `lambda: {getattr(make, '__name__', 'make')}(...)`."
        )
    if not required and not wants_pick:
        return ()
    wants_index = len(required) > 1 or any(p.name == "index" for p in positional[1:2])
    return (pick, *index) if wants_index else (pick,)


def _in_a_row(modules: list[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*modules)


def as_domain(label: str, options: Sequence[Any] | Domain) -> Domain:
    """Turn what `pick.value` takes into a domain. Raises `SpaceError` naming the label."""
    if isinstance(options, Domain):
        return options
    if isinstance(options, range) and len(options) > 1 and options.step > 0:
        return integers(options.start, options[-1], options.step)
    if not isinstance(options, list | tuple | range):
        raise SpaceError(
            f"The options of {label!r} must be a list, a range or a domain such as "
            f"integers(16, 512), got {options!r}."
        )
    try:
        return OneOf(tuple(Option(as_value(option)) for option in options))
    except SpaceError as error:
        raise SpaceError(f"The options of {label!r} cannot be used. {error}") from error


def _named(full: str, makes: Mapping[str, Make] | Sequence[Make]) -> Mapping[str, Make]:
    if isinstance(makes, Mapping):
        wrong = [name for name in makes if not isinstance(name, str) or not name]
        if wrong:
            raise SpaceError(f"The options of {full!r} must be named by text, got {wrong[0]!r}.")
        return makes
    if isinstance(makes, list | tuple):
        return {str(number): make for number, make in enumerate(makes)}
    raise SpaceError(
        f"The options of {full!r} must be a dict (name -> what makes it) or a list, got {makes!r}."
    )


def _bare(full: str, names: Sequence[str]) -> Mapping[str, Make]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise SpaceError(f"The options of {full!r} must be a list of names, got {names!r}.")
    if len(set(names)) < len(names):
        raise SpaceError(f"The options of {full!r} must have different names, got {list(names)}.")
    return dict.fromkeys(names, nn.Identity)


def _few_and_many(full: str, k: int | tuple[int, int]) -> tuple[int, int]:
    low, high = k if isinstance(k, tuple | list) and len(k) == 2 else (k, k)
    if high == 0:
        raise SpaceError(f"subset {full!r} must choose at least one option, got k={k!r}.")
    return low, high


def _check_bounds(full: str, verb: str, low: int, high: int, most: int | None = None) -> None:
    plain = all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high))
    if not plain or not 0 <= low <= high or (most is not None and high > most):
        limit = f"0 <= low <= high{'' if most is None else f' <= {most}'}"
        raise SpaceError(f"{verb} {full!r} needs whole numbers {limit}, got {low!r} and {high!r}.")


def _check_key(full: str, name: str) -> None:
    """Refuse names that an `nn.ModuleDict` cannot hold."""
    if not isinstance(name, str) or not name or "." in name or hasattr(nn.ModuleDict, name):
        raise SpaceError(
            f"{full!r} cannot have an option {name!r}: torch uses that name itself or forbids it "
            f"(no dots). Take another, such as {str(name).replace('.', '_') + '_'!r}."
        )
