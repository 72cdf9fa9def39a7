"""The format of YAML spaces: which blocks there are, which keys they take, which values those."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from archloom.architecture import Value, as_value
from archloom.errors import ConfigError, SpaceError, did_you_mean
from archloom.nn._layers import ACTIVATIONS, NORMS, POOLS
from archloom.space import Domain, Floats, Integers, OneOf, Option

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LISTED: Final = 1000  # values of a range that are checked one by one
_DOMAINS: Final = ("one_of", "integers", "uniform", "log_uniform")


@dataclass(frozen=True)
class Asked:
    """A value that is searched. Without a label of its own it goes by the block's name and key."""

    domain: Domain
    label: str | None = None


@dataclass(frozen=True)
class Rule:
    """What a key's value must be: `holds` says so of a value, `said` tells it in an error."""

    said: str
    holds: Callable[[Any], bool]

    @classmethod
    def among(cls, names: Any) -> Rule:
        """Give the rule that a value is one of `names`."""
        known = sorted(names)
        return cls(f"one of {', '.join(known)}", lambda value: value in known)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


COUNT: Final = Rule("a whole number of at least 1", lambda v: _is_int(v) and v >= 1)
DEPTH: Final = Rule("a whole number of at least 0", lambda v: _is_int(v) and v >= 0)
ODD: Final = Rule(
    "an odd whole number (so that the map keeps its size)",
    lambda v: _is_int(v) and v >= 1 and v % 2 == 1,
)
RATE: Final = Rule("a number from 0 to below 1", lambda v: _is_number(v) and 0 <= v < 1)
FLAG: Final = Rule("true or false", lambda v: isinstance(v, bool))
TEXT: Final = Rule("a text", lambda v: isinstance(v, str) and bool(v))
ANY: Final = Rule("a number, a text, true or false", lambda v: True)

_ACTIVATION: Final = Rule.among(ACTIVATIONS)
_NORM: Final = Rule.among(NORMS)
_POOL: Final = Rule.among(POOLS)
_POOL_KIND: Final = Rule.among(name for name in POOLS if name != "none")

REQUIRED: Final = object()


@dataclass(frozen=True)
class Kind:
    """A kind of block: its keys with rule and default, and which key a bare value goes to."""

    keys: Mapping[str, tuple[Rule, Any]]
    main: str | None = None
    inner: tuple[str, ...] = ()


_CONV: Final[Mapping[str, tuple[Rule, Any]]] = {
    "channels": (COUNT, REQUIRED),
    "kernel": (ODD, 3),
    "stride": (COUNT, 1),
    "norm": (_NORM, "none"),
    "activation": (_ACTIVATION, "relu"),
    "pool": (_POOL, "none"),
    "pool_size": (COUNT, 2),
    "dropout": (RATE, 0.0),
}

KINDS: Final[Mapping[str, Kind]] = {
    "activation": Kind({"kind": (_ACTIVATION, REQUIRED)}, main="kind"),
    "choice": Kind({"same_shape": (FLAG, True)}, inner=("options",)),
    "conv": Kind(_CONV, main="channels"),
    "dense": Kind(
        {
            "width": (COUNT, REQUIRED),
            "norm": (_NORM, "none"),
            "activation": (_ACTIVATION, "relu"),
            "dropout": (RATE, 0.0),
        },
        main="width",
    ),
    "dropout": Kind({"rate": (RATE, REQUIRED)}, main="rate"),
    "flatten": Kind({}),
    "global_pool": Kind({"kind": (_POOL_KIND, "avg")}, main="kind"),
    "identity": Kind({}),
    "norm": Kind({"kind": (_NORM, REQUIRED)}, main="kind"),
    "pool": Kind({"kind": (_POOL, REQUIRED), "size": (COUNT, 2)}, main="kind"),
    "repeat": Kind({"times": (DEPTH, REQUIRED)}, inner=("blocks",)),
    "residual": Kind({"activation": (_ACTIVATION, "none")}, inner=("blocks",)),
    "separable": Kind(_CONV, main="channels"),
}


@dataclass(frozen=True)
class Block:
    """One block of the file, checked. `where` is its key path, for errors."""

    kind: str
    name: str
    where: str
    values: Mapping[str, Value | Asked] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    options: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)
    label: str | None = None


def blocks_of(raw: Any, where: str) -> tuple[Block, ...]:
    """Check a list of blocks. Raises `ConfigError` with the key path of what is wrong."""
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{where} must be a list of blocks, got {raw!r}.")
    taken: dict[str, int] = {}
    return tuple(_block(item, f"{where}[{number}]", taken) for number, item in enumerate(raw))


def _block(raw: Any, where: str, taken: dict[str, int]) -> Block:
    if isinstance(raw, str):
        raw = {raw: None}
    if not isinstance(raw, Mapping) or len(raw) != 1:
        raise ConfigError(
            f"{where} must be one block such as 'conv: {{channels: 32}}', got {raw!r}."
        )
    ((kind, body),) = raw.items()
    if kind not in KINDS:
        raise ConfigError(f"{where}: there is no block {kind!r}: {did_you_mean(str(kind), KINDS)}.")
    where = f"{where}.{kind}"
    rules = KINDS[kind]
    body = _body(rules, body, where)
    known = {"name", *rules.keys, *rules.inner, *(["label"] if kind == "choice" else [])}
    check_keys(body, known, where)
    missing = [
        key
        for key in (*rules.keys, *rules.inner)
        if key not in body and rules.keys.get(key, (None, REQUIRED))[1] is REQUIRED
    ]
    if missing:
        raise ConfigError(f"{where} needs {missing[0]!r}.")
    values = {
        key: value_of(body.get(key, default), rule, f"{where}.{key}")
        for key, (rule, default) in rules.keys.items()
    }
    if kind == "repeat":
        _check_times(values["times"], f"{where}.times")
    return Block(
        kind,
        _name(body.get("name"), kind, where, taken),
        where,
        values,
        blocks_of(body["blocks"], f"{where}.blocks") if "blocks" in rules.inner else (),
        _options(body["options"], f"{where}.options") if "options" in rules.inner else {},
        plain(body["label"], TEXT, f"{where}.label") if "label" in body else None,
    )


def _body(rules: Kind, body: Any, where: str) -> Mapping[str, Any]:
    if body is None:
        return {}
    if isinstance(body, Mapping) and not set(body) & set(_DOMAINS):
        return body
    if rules.main is None:
        raise ConfigError(
            f"{where} must hold keys ({', '.join(rules.keys) or 'none'}), got {body!r}."
        )
    return {rules.main: body}


def _name(raw: Any, kind: str, where: str, taken: dict[str, int]) -> str:
    """Give the block's own name, or its kind, numbered from the second on."""
    if raw is not None:
        name = str(plain(raw, TEXT, f"{where}.name"))
        if name in taken:
            raise ConfigError(f"{where}.name: {name!r} is taken by a block beside it.")
        taken[name] = 1
        return name
    while True:
        taken[kind] = taken.get(kind, 0) + 1
        name = kind if taken[kind] == 1 else f"{kind}_{taken[kind]}"
        if name == kind or name not in taken:
            return name


def _options(raw: Any, where: str) -> Mapping[str, tuple[Block, ...]]:
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError(
            f"{where} must map names to blocks, such as 'conv3: {{conv: 32}}', got {raw!r}."
        )
    options = {}
    for name, inner in raw.items():
        key = plain(name, TEXT, where)
        blocks = inner if isinstance(inner, list) else [inner]
        options[key] = blocks_of(blocks, f"{where}.{key}")
    return options


def _check_times(times: Value | Asked, where: str) -> None:
    """A repeat takes every depth from a lowest to a highest one."""
    if isinstance(times, Asked):
        depths = cast("list[int]", list(times.domain.values(_LISTED)))
        if depths != list(range(depths[0], depths[0] + len(depths))):
            raise ConfigError(
                f"{where} must be a number, or {{integers: [low, high]}} without a step, "
                f"got {depths}."
            )


def value_of(raw: Any, rule: Rule, where: str) -> Value | Asked:
    """Check a key's value: a plain one, a list to choose from, or a range."""
    if isinstance(raw, list):
        return Asked(_one_of(raw, rule, where))
    if not isinstance(raw, Mapping):
        value: Value = plain(raw, rule, where)
        return value
    check_keys(raw, {*_DOMAINS, "label"}, where)
    given = [key for key in _DOMAINS if key in raw]
    if len(given) != 1:
        raise ConfigError(f"{where} needs one of {', '.join(_DOMAINS)}, got {sorted(raw)}.")
    domain = _domain(given[0], raw[given[0]], rule, f"{where}.{given[0]}")
    label = plain(raw["label"], TEXT, f"{where}.label") if "label" in raw else None
    return Asked(domain, label)


def _domain(kind: str, raw: Any, rule: Rule, where: str) -> Domain:
    if kind == "one_of":
        if not isinstance(raw, list):
            raise ConfigError(f"{where} must be a list, got {raw!r}.")
        return _one_of(raw, rule, where)
    numbers = [number(item) for item in raw] if isinstance(raw, list) else []
    wanted = (2, 3) if kind == "integers" else (2,)
    if len(numbers) not in wanted or not all(map(_is_number, numbers)):
        step = " or [low, high, step]" if kind == "integers" else ""
        raise ConfigError(f"{where} must be [low, high]{step}, got {raw!r}.")
    low, high, *step_given = numbers
    try:
        if kind == "integers":
            whole = Integers(low, high, *step_given)
            _check_all(list(whole.values(_LISTED)), rule, where)
            return whole
        _check_all([float(low), float(high)], rule, where)
        return Floats(low, high, kind == "log_uniform")
    except SpaceError as error:
        raise ConfigError(f"{where}: {error}") from error


def _one_of(raw: list[Any], rule: Rule, where: str) -> OneOf:
    values = [number(item) for item in raw]
    _check_all(values, rule, where)
    try:
        return OneOf(tuple(Option(as_value(value)) for value in values))
    except SpaceError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_all(values: list[Any], rule: Rule, where: str) -> None:
    for value in values:
        plain(value, rule, where)


def plain(raw: Any, rule: Rule, where: str) -> Any:
    """Check a value that is not searched."""
    value = number(raw)
    if rule.holds(value):
        return value
    hint = ""
    if value is None or (isinstance(value, bool) and rule.said.startswith("one of")):
        hint = " Put quotes around a word that YAML takes for something else, such as no or null."
    raise ConfigError(f"{where} must be {rule.said}, got {raw!r}.{hint}")


def number(raw: Any) -> Any:
    """Read what YAML takes for text although it is a number: 1e-4 has no dot."""
    if isinstance(raw, str) and _NUMBER.fullmatch(raw) and math.isfinite(float(raw)):
        return float(raw)
    return raw


def check_keys(raw: Mapping[Any, Any], known: set[str], where: str) -> None:
    """Raise `ConfigError` for a key that is not known."""
    for key in raw:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}: {did_you_mean(str(key), known)}.")
