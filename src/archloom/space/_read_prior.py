"""Reading what an expert says about labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from archloom.architecture import Value, as_value, token
from archloom.errors import ConfigError, InvalidArchitecture, did_you_mean
from archloom.space._belief import Belief, Favoured, Weighted, WeightedSubset, weights_of
from archloom.space._bell import AboutFloat, AboutInteger
from archloom.space._numbers import Floats, Integers
from archloom.space._tree import Choice, Domain, OneOf, Option, SomeOf, spot

CONFIDENCE = 0.5
_VALUE, _CONFIDENCE, _MEAN, _STD = "value", "confidence", "mean", "std"


class Single(NamedTuple):
    """A value that is believed in, and how firmly."""

    value: Value
    confidence: float


def plain(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give a specification as JSON holds it."""
    if spec is None:
        return {}
    if not isinstance(spec, Mapping):
        raise ConfigError(
            f"A prior maps labels to what is believed of them, such as "
            f"{{'op': {{'conv3': 3}}, 'lr': {{'mean': 0.001, 'std': 0.5}}}}, got {spec!r}."
        )
    return {_label(label): _plain_belief(label, said) for label, said in spec.items()}


def beliefs_of(spec: Mapping[str, Any], labels: Mapping[str, Choice]) -> dict[str, Belief]:
    """Give each label's belief.

    Raises:
        ConfigError: for labels and values that the space does not have.
    """
    said = plain(spec)
    patterns: dict[str, Any] = {}
    beliefs: dict[str, Belief] = {}
    for label, belief in said.items():
        if label in labels:
            beliefs[label] = _belief(label, labels[label].domain, belief)
        elif "*" in label:
            patterns[label] = belief
        else:
            raise ConfigError(
                f"The prior speaks of {label!r}, a label that the space does not have: "
                f"{did_you_mean(label, labels)}."
            )
    for pattern, belief in patterns.items():
        for label in _matching(pattern, labels):
            if label not in beliefs:
                beliefs[label] = _belief(label, labels[label].domain, belief)
    return beliefs


def _matching(pattern: str, labels: Mapping[str, Choice]) -> list[str]:
    form = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    found = [label for label in labels if form.fullmatch(label)]
    if not found:
        raise ConfigError(
            f"The prior speaks of {pattern!r}, but no label of the space matches it: "
            f"{did_you_mean(pattern, labels)}."
        )
    return found


def _belief(label: str, domain: Domain, said: Any) -> Belief:
    match domain:
        case OneOf():
            return _about_one(label, domain, said)
        case SomeOf():
            return _about_some(label, domain, said)
        case Integers() | Floats():
            return _about_number(label, domain, said)


def _about_one(label: str, domain: OneOf, said: Any) -> Belief:
    single = _single(label, domain.options, said)
    if single is None:
        weights = _weights(label, domain.options, said)
        if not any(weights):
            raise ConfigError(
                f"The prior rules out every option of {label!r}: give one of them a weight above 0."
            )
        return Weighted(domain, weights)
    return Favoured(domain, _proper(label, domain, single.value), single.confidence)


def _about_some(label: str, domain: SomeOf, said: Any) -> Belief:
    single = _single(label, domain.options, said)
    if single is None:
        belief = WeightedSubset(domain, _weights(label, domain.options, said))
        if not belief.possible:
            raise ConfigError(
                f"The prior rules out every subset of {label!r}, which needs at least "
                f"{domain.low} of its options: give more of them a weight above 0."
            )
        return belief
    return Favoured(domain, _proper(label, domain, single.value), single.confidence)


def _about_number(label: str, domain: Integers | Floats, said: Any) -> Belief:
    single = _single(label, (), said)
    if single is not None:
        return _near(label, domain, single.value, (1 - single.confidence) / 2)
    _only(label, said, (_MEAN, _STD), "a range of numbers takes {'mean': ..., 'std': ...}")
    if _MEAN not in said:
        raise ConfigError(f"The prior of {label!r} needs a 'mean' beside its 'std', got {said!r}.")
    share = (1 - CONFIDENCE) / 2
    if _STD in said:
        share = _positive(label, said[_STD]) / _span(domain)
    return _near(label, domain, said[_MEAN], share)


def _near(label: str, domain: Integers | Floats, mean: Value, std: float) -> Belief:
    if isinstance(domain, Integers):
        value = _proper(label, domain, _nearest(domain, mean))
        assert isinstance(value, int)
        return AboutInteger(domain, value, std)
    whole = isinstance(mean, int) and not isinstance(mean, bool)
    value = _proper(label, domain, float(mean) if whole else mean)  # type: ignore[arg-type]
    assert isinstance(value, float)
    return AboutFloat(domain, value, std)


def _nearest(domain: Integers, mean: Value) -> Value:
    """Give the value nearest to a mean within the range; anything else as it is."""
    if isinstance(mean, bool) or not isinstance(mean, int | float):
        return mean
    if not domain.low <= mean <= domain.high:
        return mean
    place = round((mean - domain.low) / domain.step)
    return domain.low + domain.step * min(place, domain.count - 1)


def _span(domain: Integers | Floats) -> float:
    """Give the width of a range in its own unit, of a log range in factors of ten."""
    high = domain.high + domain.step if isinstance(domain, Integers) else domain.high
    if domain.log:
        return math.log10(high) - math.log10(domain.low)
    return high - domain.low


def _single(label: str, options: tuple[Option, ...], said: Any) -> Single | None:
    """Give the one value that is believed in, None where weights or a mean are given."""
    if not isinstance(said, Mapping):
        return Single(as_value(said), CONFIDENCE)
    named = {option.value for option in options if isinstance(option.value, str)}
    if _VALUE not in said or named & set(said):
        return None
    _only(label, said, (_VALUE, _CONFIDENCE), "a value takes {'value': ..., 'confidence': ...}")
    confidence = said.get(_CONFIDENCE, CONFIDENCE)
    if not _number(confidence) or not 0 <= confidence < 1:
        raise ConfigError(
            f"The confidence in the prior of {label!r} must be a number from 0 to below 1, "
            f"got {confidence!r}."
        )
    return Single(as_value(said[_VALUE]), float(confidence))


def _weights(label: str, options: tuple[Option, ...], said: Mapping[str, Any]) -> tuple[float, ...]:
    places = {str(option.value): place for place, option in enumerate(options)}
    places |= {option.token: place for place, option in enumerate(options)}
    places |= {o.value: place for place, o in enumerate(options) if isinstance(o.value, str)}
    named: list[tuple[int, float]] = []
    for name, weight in said.items():
        if name not in places:
            known = [o.value if isinstance(o.value, str) else o.token for o in options]
            raise ConfigError(
                f"The prior of {label!r} weighs {name!r}, which is no option of it: "
                f"{did_you_mean(name, known)}."
            )
        if not _number(weight) or weight < 0:
            raise ConfigError(
                f"The weight of {name!r} in the prior of {label!r} must be a finite number of at "
                f"least 0, got {weight!r}."
            )
        named.append((places[name], float(weight)))
    return weights_of(named, len(options))


def _proper(label: str, domain: Domain, value: Value) -> Value:
    if isinstance(domain, OneOf) and isinstance(value, str) and spot(value) not in domain.places:
        value = next((o.value for o in domain.options if o.token == value), value)
    fault = domain.fault(value)
    if fault:
        raise ConfigError(f"The prior of {label!r} {fault}; got {value!r}.")
    return value


def _only(label: str, said: Mapping[str, Any], keys: tuple[str, ...], rule: str) -> None:
    for key in said:
        if key not in keys:
            raise ConfigError(
                f"The prior of {label!r} says {key!r}, but {rule}: {did_you_mean(key, keys)}."
            )


def _positive(label: str, std: Any) -> float:
    if not _number(std) or std <= 0:
        raise ConfigError(
            f"The std in the prior of {label!r} must be a finite number above 0, got {std!r}."
        )
    return float(std)


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _label(label: Any) -> str:
    if not isinstance(label, str) or not label:
        raise ConfigError(f"A prior's keys are labels of the space, got {label!r}.")
    return label


def _plain_belief(label: str, said: Any) -> Any:
    try:
        if not isinstance(said, Mapping):
            return _lists(as_value(said))
        made = {_name(key): _lists(as_value(value)) for key, value in said.items()}
    except InvalidArchitecture as error:
        raise ConfigError(f"The prior of {label!r} cannot be read: {error}") from error
    if not made:
        raise ConfigError(
            f"The prior of {label!r} says nothing: leave the label out, or give a value, weights "
            f"of options, or {{'mean': ..., 'std': ...}}."
        )
    return made


def _name(key: Any) -> str:
    return key if isinstance(key, str) else token(as_value(key))


def _lists(value: Value) -> Any:
    return [_lists(part) for part in value] if isinstance(value, tuple) else value
