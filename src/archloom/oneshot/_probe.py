"""Probing a supernet: which parts its models have, under which choices, and what each costs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, final

import numpy as np
from torch import nn

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError
from archloom.oneshot._work import NO_WORK, Work, milliseconds, work_of
from archloom.space import Choice, Floats, Integers, SomeOf, Space

if TYPE_CHECKING:
    import torch

    from archloom.nn import Supernet
    from archloom.task import Inputs

_CHECKS: Final = 6  # random architectures, at the end, that must agree with what was found
_MOST: Final = 3000
_LONGEST: Final = 256  # values of a choice that a table holds
_NUMBERS: Final = 9  # values of a range that are looked at without need

Key: TypeAlias = "tuple[Value, ...]"


@dataclass
class Part:
    """A module of the supernet, and what it costs under the choices that it hangs on.

    Attributes:
        labels: the choices that say whether it is there, and how large, in the space's order.
        allowed: of labels around it, the options under which it is there.
        inputs: of subsets around it, the input that it belongs to.
        costs: by the labels' values: None for a label that is not active; of `inputs`, whether
            the input is chosen.
    """

    labels: list[str] = field(default_factory=list)
    allowed: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    inputs: dict[str, Value] = field(default_factory=dict)
    costs: dict[Key, float] = field(default_factory=dict)

    def key(self, architecture: Mapping[str, Value]) -> Key:
        """Give the values that matter to this part."""
        return tuple(
            _holds(architecture.get(label), self.inputs[label])
            if label in self.inputs
            else architecture.get(label)
            for label in self.labels
        )


def probe(
    supernet: Supernet, example: Inputs, metric: str, device: torch.device | str
) -> list[Part]:
    """Give every part that costs something.

    Raises:
        ConfigError: when a part hangs on how many or which inputs are chosen together.
    """
    found = _Probe(supernet, example, metric)
    found.explore()
    if metric == "latency_ms":
        return found.timed(device)
    return found.counted(metric)


@dataclass
class _Seen:
    """What is known of a part: its work by key, each with an architecture that showed it."""

    part: Part
    works: dict[Key, tuple[Work, Architecture]] = field(default_factory=dict)
    noted: int = 0
    tried: set[Key] = field(default_factory=set)


@final
class _Probe:
    """Looks at architectures until the work of each part is a function of a few choices.

    The first guess is that a part hangs on the choices around it. Where two architectures that
    agree in those differ in the part's work, the label that makes the difference is searched for
    and added; so sizes are found that follow from values, whatever the way.
    """

    def __init__(self, supernet: Supernet, example: Inputs, metric: str) -> None:
        self._supernet = supernet
        self._space: Space = supernet.space.space
        self._order = {label: place for place, label in enumerate(self._space.labels)}
        self._example = example
        self._metric = metric
        self._around = _conditions(supernet)
        self._runs: dict[Architecture, dict[int, Work]] = {}
        self._seen: dict[int, _Seen] = {}
        self._uses: Counter[tuple[str, Value]] = Counter()

    def explore(self) -> None:
        """Look until nothing is missing and random architectures bring nothing new."""
        rng = np.random.default_rng(0)
        self._look(self._space.complete({}, self._rare))
        checks = 0
        while True:
            missing = self._missing()
            if missing is None:
                if checks == _CHECKS:
                    return
                checks += 1
                missing = self._space.sample(rng)
            self._look(missing)

    def counted(self, metric: str) -> list[Part]:
        """Give the parts with their numbers of parameters or operations."""
        for seen in self._seen.values():
            costs = {key: float(getattr(work, metric)) for key, (work, _) in seen.works.items()}
            seen.part.costs = {key: cost for key, cost in costs.items() if cost}
        return [seen.part for seen in self._seen.values() if seen.part.costs]

    def timed(self, device: torch.device | str) -> list[Part]:
        """Give the parts with their milliseconds, the mean where several runs tell."""
        times: dict[int, dict[Key, list[float]]] = {name: {} for name in self._seen}
        for architecture, works in self._runs.items():
            taken = milliseconds(self._supernet, architecture, self._example, device)
            for name in works.keys() & self._seen.keys():
                key = self._seen[name].part.key(architecture)
                times[name].setdefault(key, []).append(taken.get(name, 0.0))
        for name, seen in self._seen.items():
            seen.part.costs = {key: sum(all_) / len(all_) for key, all_ in times[name].items()}
        return [seen.part for seen in self._seen.values()]

    def _look(self, architecture: Architecture) -> None:
        self._work(architecture)
        while any(seen.noted < len(self._runs) for seen in self._seen.values()):
            for name in list(self._seen):
                self._catch_up(name, self._seen[name])

    def _work(self, architecture: Architecture) -> dict[int, Work]:
        if architecture in self._runs:
            return self._runs[architecture]
        if len(self._runs) == _MOST:
            raise ConfigError(
                f"The costs of this space hang on its choices in too many ways: {_MOST} models "
                f"were not enough to tell. Pin some values, or limit the cost of paths instead "
                f"(a method that samples: spos)."
            )
        for label, value in architecture.items():
            chosen = value if isinstance(value, tuple) else (value,)
            self._uses.update((label, option) for option in chosen)
        works = work_of(self._supernet, architecture, self._example, self._metric)
        for name in works.keys() - self._seen.keys():
            self._seen[name] = _Seen(self._part(name))
        self._runs[architecture] = works
        return works

    def _part(self, name: int) -> Part:
        part = self._around.get(name, Part())
        part.labels.sort(key=self._order.__getitem__)
        return part

    def _catch_up(self, name: int, seen: _Seen) -> None:
        """Take note of the runs since the last time; settle contradictions."""
        runs = list(self._runs.items())
        while seen.noted < len(runs):
            architecture, works = runs[seen.noted]
            work = works.get(name, NO_WORK)
            known = seen.works.setdefault(seen.part.key(architecture), (work, architecture))
            if known[0] == work:
                seen.noted += 1
                continue
            seen.part.labels.append(self._culprit(name, known[1], architecture))
            seen.part.labels.sort(key=self._order.__getitem__)
            seen.works, seen.noted, runs = {}, 0, list(self._runs.items())

    def _culprit(self, name: int, first: Architecture, second: Architecture) -> str:
        """Find the label that makes the difference, going from one to the other label by label."""
        turned: set[str] = set()
        before = self._work(first).get(name, NO_WORK)

        def choose(choice: Choice) -> Value:
            label = choice.label
            sources = (second, first) if label in turned else (first, second)
            return next((s[label] for s in sources if label in s), choice.domain.default)

        known = set(self._seen[name].part.labels)
        for label in self._space.labels:
            if first.get(label) == second.get(label):
                continue
            turned.add(label)
            work = self._work(self._space.complete({}, choose)).get(name, NO_WORK)
            if work == before:
                continue
            if isinstance(self._space.labels[label].domain, SomeOf) or label in known:
                break
            return label
        raise ConfigError(
            f"The cost of a {type(self._module(name)).__name__} hangs on {label!r} in a way that "
            f"no mean over single choices gives: on several inputs at once. Pin that choice, or "
            f"limit the cost of paths instead (a method that samples: spos)."
        )

    def _module(self, name: int) -> nn.Module | None:
        return next((m for m in self._supernet.modules() if id(m) == name), None)

    def _missing(self) -> Architecture | None:
        """Give an architecture that shows a part as it was not seen yet, None where all were."""
        for seen in self._seen.values():
            for key in self._possible(seen):
                seen.tried.add(key)
                architecture = self._showing(seen.part, key)
                if seen.part.key(architecture) not in seen.works:
                    return architecture
        return None

    def _possible(self, seen: _Seen) -> Iterator[Key]:
        part = seen.part
        options = [
            (True,) if label in part.inputs else part.allowed.get(label) or self._all(label)
            for label in part.labels
        ]
        for key in itertools.product(*options):
            if key not in seen.works and key not in seen.tried:
                yield key

    def _showing(self, part: Part, key: Key) -> Architecture:
        wanted = dict(zip(part.labels, key, strict=True))

        def choose(choice: Choice) -> Value:
            label = choice.label
            if label in part.inputs:
                return self._rare(choice, part.inputs[label])
            return wanted[label] if label in wanted else self._rare(choice)

        return self._space.complete({}, choose)

    def _rare(self, choice: Choice, *inputs: Value) -> Value:
        """Give the option, or the inputs beside the given ones, that were used least so far."""
        domain = choice.domain

        def uses(option: Value) -> int:
            return self._uses[choice.label, option]

        if not isinstance(domain, SomeOf):
            return min(self._values(choice.label), key=uses)
        options = [option.value for option in domain.options]
        rest = sorted((o for o in options if o not in inputs), key=uses)
        chosen = {*inputs, *rest[: domain.high - len(inputs)]}
        return tuple(option for option in options if option in chosen)

    def _all(self, label: str) -> tuple[Value, ...]:
        domain = self._space.labels[label].domain
        if isinstance(domain, Floats) or domain.count > _LONGEST:
            raise ConfigError(
                f"The cost hangs on {label!r}, which has more than {_LONGEST} values, so that no "
                f"table can hold it. List fewer, or pin it: "
                f"pinned={{{label!r}: {domain.default!r}}}."
            )
        return tuple(domain.values())

    def _values(self, label: str) -> tuple[Value, ...]:
        domain = self._space.labels[label].domain
        numbers = isinstance(domain, Floats | Integers)
        return tuple(domain.values(_NUMBERS if numbers else None))


def _conditions(supernet: Supernet) -> dict[int, Part]:
    """Give, for each module that was made for an option, the choices around it."""
    space: Space = supernet.space.space
    parts: dict[int, Part] = {}
    for place, made in supernet.places.items():
        for module in made.modules():
            part = parts.setdefault(id(module), Part())
            for label, option, _ in place:
                if option is not None and label in space.labels:
                    _require(part, space.labels[label], option)
    return parts


def _require(part: Part, choice: Choice, option: str | int) -> None:
    label, domain = choice.label, choice.domain
    if domain.count == 1:
        return
    if label not in part.labels:
        part.labels.append(label)
    if isinstance(domain, SomeOf):
        part.inputs[label] = option
        return
    values = part.allowed.get(label, tuple(domain.values()))
    part.allowed[label] = tuple(value for value in values if _runs(value, option))


def _runs(value: Value, option: str | int) -> bool:
    """Say whether an option runs: a layer of that name, or a body within the depth."""
    if isinstance(option, int):
        return isinstance(value, int) and value > option
    return value == option


def _holds(chosen: Value, option: Value) -> bool:
    return isinstance(chosen, tuple) and option in chosen
