"""ModelSpace: a space function with its settings, and its readings."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast, final, overload

import torch
from torch import nn

from archloom.architecture import Architecture, Value, as_value
from archloom.errors import ConfigError, SpaceError, did_you_mean
from archloom.nn._fixed import TRAIN_SCOPE, fixed
from archloom.nn._meta import without_data
from archloom.nn._names import name_of
from archloom.nn._pick import Pick, as_domain
from archloom.nn._pinned import check_pinned, merged, pinning
from archloom.nn._share_check import shareable
from archloom.nn._supernet import Supernet
from archloom.nn._trace import Trace, trace
from archloom.nn._verify import Example, verify
from archloom.space import Choice, Domain, Space

SpaceFunction: TypeAlias = Callable[..., nn.Module]
Canonical: TypeAlias = Callable[[Architecture], Hashable]

HINTS: Final = (
    *("channels", "classes", "shape", "features"),
    *("outputs", "cardinalities", "vocabulary", "length", "kind", "kinds"),
)
"""The settings that a task can fill in."""


@overload
def model_space(function: SpaceFunction, /) -> ModelSpace: ...


@overload
def model_space(
    *, name: str | None = None, canonical: Canonical | None = None
) -> Callable[[SpaceFunction], ModelSpace]: ...


def model_space(
    function: SpaceFunction | None = None,
    /,
    *,
    name: str | None = None,
    canonical: Canonical | None = None,
) -> ModelSpace | Callable[[SpaceFunction], ModelSpace]:
    """Make a `ModelSpace` of a function `f(pick, **settings) -> nn.Module`.

    A class whose `__init__` takes the pick first will do as well.

    Args:
        function: what is decorated.
        name: where other processes find it, if not where it is defined: "package:name", say, for
            what a package defines in a private module.
        canonical: gives equal values for architectures whose models compute the same, such as two
            cells that are one up to the numbering of their nodes; see `ModelSpace.canonical`.

    >>> @model_space
    ... def tiny(pick, classes=2):
    ...     return nn.Linear(4, pick.value("width", [8, 16]) * classes)
    >>> tiny(classes=3).build({"width": 8}).out_features
    24
    """
    if function is None:
        return lambda function: _decorated(function, name, canonical)
    return function if isinstance(function, ModelSpace) else _decorated(function, name, canonical)


def _decorated(
    function: SpaceFunction, name: str | None, canonical: Canonical | None
) -> ModelSpace:
    if not callable(function) or not _parameters(function):
        raise ConfigError(
            f"A model space is a function whose first parameter is the pick, got {function!r}."
        )
    space = ModelSpace(function, name or name_of(function), canonical=canonical)
    if isinstance(function, type):
        # The module's name for the class now gives the space; pickle must find the class itself.
        function.__qualname__ = f"{function.__qualname__}.function"
    return space


@final
class ModelSpace:
    """A space function with some of its settings bound. Never changes; two equal ones are one.

    Made by `@model_space` or `load_space`. Called with settings it gives a new one; called with
    a pick it builds a part of a larger space.

    Attributes:
        name: where another process finds it: "module:function", "file.py:function" or a YAML file.
        settings: what was set, as JSON can hold it (lists become tuples); defaults do not appear.
        pins: label -> value of the choices that are no longer open; see `pinned`.
        function: the function (or class) itself.
    """

    def __init__(
        self,
        function: SpaceFunction,
        name: str,
        settings: Mapping[str, Any] | None = None,
        extra: Mapping[str, Domain] | None = None,
        pins: Mapping[str, Value] | None = None,
        canonical: Canonical | None = None,
    ) -> None:
        self.function = function
        self.name = name
        self.settings: Mapping[str, Any] = MappingProxyType(dict(settings or {}))
        self.pins: Mapping[str, Value] = MappingProxyType(dict(sorted((pins or {}).items())))
        self._extra = dict(extra or {})
        self._canonical = canonical
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        self.__module__ = function.__module__
        self.__wrapped__ = function

    @overload
    def __call__(self, /, **settings: Any) -> ModelSpace: ...

    @overload
    def __call__(self, pick: Pick, /, **settings: Any) -> nn.Module: ...

    def __call__(self, pick: Pick | None = None, /, **settings: Any) -> ModelSpace | nn.Module:
        for setting in settings:
            if not self.accepts(setting):
                known = [p.name for p in _parameters(self.function)[1:]]
                raise ConfigError(
                    f"{self.__name__} has no setting {setting!r}: {did_you_mean(setting, known)}."
                )
        if pick is not None:
            return self.function(pinning(pick, self.pins), **{**self.settings, **settings})
        plain = {setting: _plain(setting, value) for setting, value in settings.items()}
        return self._with(settings={**self.settings, **plain})

    def _with(self, **changes: Any) -> ModelSpace:
        kept = {"settings": self.settings, "extra": self._extra, "pins": self.pins}
        return ModelSpace(
            self.function, self.name, **{**kept, **changes}, canonical=self._canonical
        )

    @cached_property
    def space(self) -> Space:
        """The choices, found by running the function once without data (see `pick`)."""
        return self._trace.space

    @property
    def canonical(self) -> Canonical | None:
        """Gives equal values for architectures that count as one; None where the space says none.

        Training settings that are searched along (`joint`) count as well: models that compute the
        same but are trained otherwise are two.

        >>> from archloom.nn.cells import from_nasbench201
        >>> from archloom.zoo import nasbench201
        >>> cells = ["|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|",
        ...          "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"]
        >>> len({nasbench201.canonical(from_nasbench201(cell)) for cell in cells})
        1
        """
        return None if self._canonical is None else self._form

    def _form(self, architecture: Architecture) -> Hashable:
        assert self._canonical is not None
        training = {k: v for k, v in architecture.items() if k.startswith(TRAIN_SCOPE)}
        model = {k: v for k, v in architecture.items() if k not in training}
        # The function that says it knows all labels, and pinned ones do not appear any more.
        form = self._canonical(Architecture({**self.pins, **model}))
        return form, Architecture(training)

    def build(
        self, architecture: Architecture | Mapping[str, Any], device: str | torch.device = "cpu"
    ) -> nn.Module:
        """Give the model of one architecture: plain torch, nothing of archloom inside.

        Its weights come from torch's global random state, the same for every device. On "meta"
        it has shapes but no weights, and costs next to nothing.

        Raises:
            InvalidArchitecture: when the architecture is not a point of the space.
            UnknownChoice, UnusedChoice, LabelConflict: when the function's choices hang on each
                other in a way that the trace could not see.
        """
        if not isinstance(architecture, Architecture):
            architecture = Architecture(architecture)
        self.space.check(architecture)
        make = partial(fixed, self._read, self._trace, architecture)
        if torch.device(device).type == "meta":
            return without_data(make).model.to("meta")
        with torch.device("cpu"):
            return make().model.to(device)

    def verify(self, example: Example, output_shape: tuple[int, ...] | None = None) -> None:
        """Try every option of every choice on the meta device, before any training.

        Args:
            example: a batch of at least 2 samples: a tensor `x` for models called as `model(x)`,
                a tuple for `model(*xs)`, a dict for `model(**xs)`. Only shapes and dtypes count.
            output_shape: what the model must give, batch included; not checked when None.

        Raises:
            SpaceError: naming the label and the option that cannot be built or run, whose output
                differs in shape from the other options', or that gives another `output_shape`.
        """
        verify(self._read, self._trace, example, output_shape)

    def accepts(self, setting: str) -> bool:
        """Say whether the function has a parameter of that name."""
        parameters = _parameters(self.function)[1:]
        return any(p.name == setting or p.kind is p.VAR_KEYWORD for p in parameters)

    def with_hints(self, hints: Mapping[str, Any]) -> ModelSpace:
        """Fill in what a task knows, where the function accepts it and it is not set yet.

        Those are `shape`, `channels`, `features`, `classes`, `outputs`, `kind`, for several inputs
        `kinds`, for categories `cardinalities`, for text `vocabulary` and `length`.

        >>> from archloom.zoo import small_cnn
        >>> dict(small_cnn(classes=3).with_hints({"classes": 10, "shape": [1, 8, 8]}).settings)
        {'classes': 3, 'shape': (1, 8, 8)}
        """
        wanted = {
            hint: hints[hint]
            for hint in HINTS
            if hint in hints and hint not in self.settings and self.accepts(hint)
        }
        return self(**wanted) if wanted else self

    def joint(self, **domains: Any) -> ModelSpace:
        """Search training settings together with the architecture.

        Each becomes a choice `train.<name>`, which the `Train` estimator reads and a build ignores.

        >>> from archloom.space import log_uniform
        >>> from archloom.zoo import small_cnn
        >>> small_cnn.joint(lr=log_uniform(1e-4, 1e-1)).space.labels["train.lr"].kind
        'value'
        """
        extra = {f"{TRAIN_SCOPE}{name}": as_domain(name, d) for name, d in domains.items()}
        return self._with(extra={**self._extra, **extra})

    def pinned(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> ModelSpace:
        """Settle some choices: their labels vanish from `space`, and every reading takes `values`.

        Args:
            values: label -> value, as in an `Architecture`.
            more: the same for labels that are plain names.

        Raises:
            ConfigError: for a label or a value that the space does not have; where settings are
                missing that the space needs, when they are there.

        >>> from archloom.zoo import small_cnn
        >>> small = small_cnn.pinned({"stages": 2}, kernel=3)
        >>> "stages" in small.space.labels, small.space.size < small_cnn.space.size
        (False, True)
        """
        pins = merged(self.pins, values or {}, more)
        if pins == self.pins:
            return self
        space = self._with(pins=pins)
        if not _missing(self.function, self.settings):
            space._trace  # noqa: B018  (it checks the pins)
        return space

    @property
    def unpinned(self) -> ModelSpace:
        """The space with every choice open again."""
        return self._with(pins={}) if self.pins else self

    def supernet(
        self,
        pinned: Mapping[str, Any] | Literal["auto"] | None = None,
        *,
        example: Example | None = None,
        **more_pinned: Any,
    ) -> Supernet:
        """Give one model that holds the weights of all architectures.

        Args:
            pinned: choices to settle before, as in `pinned(...)`; or "auto": those that cannot be
                shared, at their defaults (see `unshareable`).
            example: a batch, as in `verify`: each option is tried on the meta device, alone and
                weighted with the others.
            more_pinned: more choices to settle, whose labels are plain names.

        Raises:
            ConfigError: for a pinned label or value that the space does not have.
            SpaceError: naming a choice that cannot be shared, and how to pin it; or options whose
                outputs differ in shape.
        """
        auto = pinned == "auto"
        space = self.pinned(None if auto else cast("Mapping[str, Any]", pinned), **more_pinned)
        with torch.device("cpu"):
            return Supernet(shareable(space, example, pin=auto))

    def to_json(self) -> dict[str, Any]:
        """Give a dict that `json.dumps` takes, and that another process can make the space from."""
        choices = tuple(Choice(label, "value", d) for label, d in self._extra.items())
        data: dict[str, Any] = {"name": self.name, "settings": _listed(dict(self.settings))}
        if self.pins:
            data["pinned"] = _listed(dict(self.pins))
        if choices:
            data["joint"] = Space(choices).to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpace:
        """Load the space that `to_json` described.

        Raises:
            ConfigError: when it is not found, or no longer has those settings.
        """
        from archloom.nn._load import load_space

        found = load_space(data["name"], **data.get("settings", {}))
        extra = Space.from_json(data["joint"]).choices if "joint" in data else ()
        pins = {label: as_value(value) for label, value in data.get("pinned", {}).items()}
        joint = {choice.label: choice.domain for choice in extra}
        return cls(
            found.function, data["name"], found.settings, joint, pins, canonical=found._canonical
        )

    @cached_property
    def _trace(self) -> Trace:
        if self.pins:
            check_pinned(self.unpinned.space, self.pins)
        return trace(self._read, self._extra)

    def _read(self, pick: Pick) -> nn.Module:
        missing = _missing(self.function, self.settings)
        if missing:
            raise ConfigError(
                f"{self.__name__} needs a value for {', '.join(map(repr, missing))}: "
                f"{self.__name__}({missing[0]}=...)."
            )
        model = self.function(pinning(pick, self.pins), **self.settings)
        if not isinstance(model, nn.Module):
            raise SpaceError(
                f"{self.__name__} must return an nn.Module, got {model!r}: is a return missing?"
            )
        return model

    def __repr__(self) -> str:
        bound = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        pinned = f", pinned {dict(self.pins)}" if self.pins else ""
        return f"<ModelSpace {self.name}({bound}){pinned}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ModelSpace):
            return self._text == other._text
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    @property
    def _text(self) -> str:
        return json.dumps(self.to_json(), sort_keys=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return ModelSpace.from_json, (self.to_json(),)

    def __copy__(self) -> ModelSpace:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ModelSpace:
        return self


def _parameters(function: SpaceFunction) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _missing(function: SpaceFunction, settings: Mapping[str, Any]) -> list[str]:
    """Give the names of the settings that the function needs and does not have."""
    return [
        p.name
        for p in _parameters(function)[1:]
        if p.default is p.empty
        and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        and p.name not in settings
    ]


def _plain(setting: str, value: Any) -> Any:
    """Give the setting as JSON holds it, with tuples for lists."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return tuple(_plain(setting, item) for item in value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(setting, item) for key, item in value.items()}
    raise ConfigError(
        f"The setting {setting!r} must be something that JSON can hold, so that other processes "
        f"can build the same model, got {value!r} of type {type(value).__name__}."
    )


def _listed(settings: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(json.dumps(settings)))
