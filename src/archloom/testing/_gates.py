"""The contract of a one-shot method."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError
from archloom.nn import Assignment, Gate, Weighted
from archloom.oneshot import Gates, Judge, Judged, Learned
from archloom.space import Choice, OneOf, Option, SomeOf, Space, integers, uniform

_DRAWS = 60
_MANY = 1000


def shared_spaces() -> dict[str, Space]:
    """Give small spaces with every kind of choice that a supernet can leave open.

    `flat`: choices side by side; `tree`: a repeat whose bodies ask; `cell`: inputs of a node, each
    with an operation; `inputs`: a subset that opens nothing; `numbers`: values and a range.

    >>> shared_spaces()["cell"].size
    27
    """
    ops = ("none", "conv3", "conv5")
    depth = [Option(n, tuple(_layer(f"body.{i}.op", *ops) for i in range(n))) for n in (1, 2, 3)]
    inputs = [Option(name, (_layer(f"{name}.op", *ops),)) for name in ("a", "b", "c")]
    plain = tuple(map(Option, ("a", "b", "c", "d")))
    width = Choice("width", "value", OneOf((Option(8), Option(16), Option(32))))
    return {
        "flat": Space((_layer("first", "x", "y", "z"), _layer("second", "x", "y"))),
        "tree": Space((Choice("body", "repeat", OneOf(tuple(depth))), _layer("head", "x", "y"))),
        "cell": Space((Choice("node", "subset", SomeOf(tuple(inputs), 2, 2)),)),
        "inputs": Space((Choice("join", "subset", SomeOf(plain, 2, 2)),)),
        "between": Space((Choice("join", "subset", SomeOf(plain, 1, 3)),)),
        "numbers": Space((width, Choice("kernel", "value", integers(3, 7, 2)))),
        "single": Space((_layer("only", "x"), _layer("op", "x", "y"))),
    }


class GatesContract(ABC):
    """What the training of a supernet relies on in every method, as a test class for pytest.

    Subclass it with a name that pytest collects, and say how to make the method:

        class TestMine(GatesContract):
            def make(self) -> Gates:
                return Mine(temperature=2.0)

    A learned method has to find the best of a few options within `steps` architecture steps at
    the learning rate `rate`; set them where it needs more.

    >>> from archloom.oneshot import Uniform
    >>> class TestUniform(GatesContract):
    ...     def make(self):
    ...         return Uniform()
    >>> TestUniform().test_paths_fit_the_space()
    """

    steps: int = 150
    rate: float = 0.1

    @abstractmethod
    def make(self) -> Gates:
        """Give a new method, the same settings each time."""

    def test_settings_are_plain_data(self) -> None:
        gates: Any = self.make()
        plain = is_dataclass(gates)
        assert plain, "a method is a dataclass whose fields are its settings"
        settings = json.loads(json.dumps(asdict(gates)))
        assert type(gates)(**settings) == gates, "settings survive JSON"
        self._ready(shared_spaces()["flat"], gates)
        assert json.loads(json.dumps(asdict(gates))) == settings, "setup adds no settings"

    def test_paths_fit_the_space(self) -> None:
        for name, space in shared_spaces().items():
            gates = self._ready(space)
            for number in range(_DRAWS):
                paths = gates.paths(np.random.default_rng(number))
                assert paths, f"{name}: a weight step trains at least one path"
                for path in paths:
                    _check_assignment(space, path)
                    assert not any(t.requires_grad for t in _tensors(path)), "paths have no graph"

    def test_the_same_random_numbers_give_the_same_paths(self) -> None:
        for space in shared_spaces().values():
            first, second = (_run(self._ready(space), 5) for _ in range(2))
            assert first == second

    def test_paths_cover_all_options(self) -> None:
        for name, space in shared_spaces().items():
            gates = self._ready(space)
            rng = np.random.default_rng(0)
            seen: dict[str, set[Any]] = {label: set() for label in space.labels}
            for _ in range(4 * _DRAWS):
                for path in gates.paths(rng):
                    for label, gate in path.items():
                        seen[label].update(_running(space.labels[label], gate))
            for label, choice in space.labels.items():
                missing = set(_options(choice)) - seen[label]
                assert not missing, f"{name}: {label} never trains {missing}"

    def test_drawn_and_derived_architectures_are_points_of_the_space(self) -> None:
        for space in shared_spaces().values():
            gates = self._ready(space)
            for number in range(_DRAWS):
                space.check(gates.draw(np.random.default_rng(number)))
            derived = gates.derive()
            if derived is not None:
                space.check(derived)
                assert gates.derive() == derived, "deriving changes nothing"

    def test_probabilities_have_the_form_of_their_choice(self) -> None:
        for name, space in shared_spaces().items():
            gates = self._ready(space)
            found = gates.probabilities()
            several = {label for label, choice in space.labels.items() if choice.domain.count > 1}
            assert set(found) == several, f"{name}: one tensor for each label with a decision"
            for label, chances in found.items():
                choice = space.labels[label]
                assert chances.shape == (len(_options(choice)),)
                assert bool((chances >= 0).all())
                assert bool((chances <= 1 + 1e-6).all())
                low, high = _sizes(choice)
                assert low - 1e-4 <= float(chances.detach().sum()) <= high + 1e-4

    def test_draws_follow_the_probabilities(self) -> None:
        """Count the draws of a space whose choices are all active."""
        for name in ("flat", "inputs", "between"):
            space = shared_spaces()[name]
            gates = self._ready(space)
            rng = np.random.default_rng(0)
            counts: dict[str, Counter[Any]] = {label: Counter() for label in space.labels}
            for _ in range(_MANY):
                for label, value in gates.draw(rng).items():
                    counts[label].update(value if isinstance(value, tuple) else (value,))
            for label, chances in gates.probabilities().items():
                for option, chance in zip(
                    _options(space.labels[label]), chances.tolist(), strict=True
                ):
                    # Four standard deviations of so many draws.
                    assert abs(counts[label][option] / _MANY - chance) < 4 * 0.5 / _MANY**0.5

    def test_state_carries_on_where_it_was(self) -> None:
        for space in shared_spaces().values():
            gates = self._ready(space)
            gates.anneal(0.5)
            _run(gates, 3)
            stored = io.BytesIO()
            torch.save(gates.state(), stored)
            stored.seek(0)
            resumed = self._ready(space)
            resumed.anneal(0.5)
            resumed.restore(torch.load(stored, weights_only=True))
            assert _run(resumed, 3, first=3) == _run(gates, 3, first=3)
            assert resumed.derive() == gates.derive()

    def test_setup_starts_anew(self) -> None:
        space = shared_spaces()["tree"]
        gates = self._ready(space)
        fresh = _run(gates, 3)
        gates.anneal(1.0)
        gates.setup(space, 0)
        gates.anneal(0.0)
        assert _run(gates, 3) == fresh

    def test_architecture_parameters_receive_gradients(self) -> None:
        for name, space in shared_spaces().items():
            gates = self._ready(space)
            if not isinstance(gates, Learned):
                return
            moved = {key: torch.zeros_like(p) for key, p in gates.parameters().items()}
            for number in range(_DRAWS):
                # The derivative of a step's loss alone; a regulariser may add to it.
                loss = gates.loss(_judge(space), np.random.default_rng(number))
                assert loss.shape == ()
                parameters = list(gates.parameters().items())
                grads = torch.autograd.grad(loss, [p for _, p in parameters], allow_unused=True)
                for (key, _), grad in zip(parameters, grads, strict=True):
                    if grad is not None:
                        moved[key] += grad.abs()
            still = [key for key, total in moved.items() if float(total.sum()) == 0]
            # A controller with one decision to take has nothing to remember.
            allowed = 0 if len(gates.probabilities()) > 1 else len(moved) - 1
            assert len(still) <= allowed, f"{name}: no gradient reaches {still}"

    def test_learning_finds_the_best_options(self) -> None:
        for name in ("flat", "tree", "inputs", "numbers"):
            space = shared_spaces()[name]
            gates = self._ready(space)
            if not isinstance(gates, Learned):
                return
            parameters = gates.parameters().values()
            optimizer = torch.optim.Adam(parameters, lr=self.rate, betas=(0.0, 0.999))
            rng = np.random.default_rng(0)
            for step in range(self.steps):
                gates.anneal(step / (self.steps - 1))
                optimizer.zero_grad()
                gates.loss(_judge(space), rng).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                gates.stepped()
            derived = gates.derive()
            assert derived is not None, "a learned method derives an architecture"
            # Deeper is better only once the operations are, which a reward finds out slowly.
            allowed = 1 if name == "tree" else 0
            assert _badness(space, derived) <= allowed, f"{name}: {derived!r} is not the best"

    def test_what_cannot_be_learnt_is_refused_by_name(self) -> None:
        gates = self.make()
        if not isinstance(gates, Learned):
            return
        for space, said in (
            (Space((_layer("only", "x"),)), "at least two"),
            (Space((Choice("rate", "value", uniform(0, 1)),)), "'rate'"),
        ):
            assert said in _refusal(gates, space)

    def _ready(self, space: Space, gates: Gates | None = None) -> Gates:
        made = gates or self.make()
        made.setup(space, 0)
        made.anneal(0.0)
        return made


def _refusal(gates: Gates, space: Space) -> str:
    try:
        gates.setup(space, 0)
    except ConfigError as error:
        return str(error)
    raise AssertionError(f"setup must refuse {space!r}")


def _layer(label: str, *names: str) -> Choice:
    return Choice(label, "layer", OneOf(tuple(map(Option, names))))


def _options(choice: Choice) -> tuple[Any, ...]:
    domain = choice.domain
    if isinstance(domain, SomeOf):
        return tuple(option.value for option in domain.options)
    return tuple(domain.values())


def _sizes(choice: Choice) -> tuple[int, int]:
    domain = choice.domain
    return (domain.low, domain.high) if isinstance(domain, SomeOf) else (1, 1)


def _check_assignment(space: Space, assignment: Assignment) -> None:
    for label, gate in assignment.items():
        assert label in space.labels, f"{label!r} is no label of the space"
        options = _options(space.labels[label])
        if isinstance(gate, Tensor):
            assert gate.shape == (len(options),)
        assert set(_running(space.labels[label], gate)) <= set(options)


def _running(choice: Choice, gate: Gate) -> tuple[Any, ...]:
    """Give the options that a gate lets run."""
    if isinstance(gate, Tensor):
        return tuple(o for o, w in zip(_options(choice), gate.tolist(), strict=True) if w)
    if isinstance(gate, Weighted):
        return gate.options
    return gate if isinstance(choice.domain, SomeOf) and isinstance(gate, tuple) else (gate,)


def _tensors(assignment: Assignment) -> list[Tensor]:
    gates = [g.weights if isinstance(g, Weighted) else g for g in assignment.values()]
    return [gate for gate in gates if isinstance(gate, Tensor)]


def _plain(assignment: Assignment) -> dict[str, Any]:
    return {label: _plain_gate(gate) for label, gate in assignment.items()}


def _plain_gate(gate: Gate) -> Any:
    if isinstance(gate, Weighted):
        return gate.options, tuple(gate.weights.tolist())
    return tuple(gate.tolist()) if isinstance(gate, Tensor) else gate


def _run(gates: Gates, steps: int, first: int = 0) -> list[Any]:
    """Take steps of weights and architecture; give all that came out, as plain values."""
    out: list[Any] = []
    for step in range(first, first + steps):
        rng = np.random.default_rng(step)
        out.append([_plain(path) for path in gates.paths(rng)])
        if isinstance(gates, Learned):
            out.append(_descend(gates, rng))
    out.append({label: p.tolist() for label, p in gates.probabilities().items()})
    return out


def _descend(gates: Learned, rng: np.random.Generator) -> float:
    loss = gates.loss(_flat_judge, rng)
    parameters = list(gates.parameters().values())
    grads = torch.autograd.grad(loss, parameters, allow_unused=True)
    with torch.no_grad():
        for parameter, grad in zip(parameters, grads, strict=True):
            if grad is not None:
                parameter.sub_(0.1 * grad)
    gates.stepped()
    return float(loss.detach())


def _flat_judge(assignment: Assignment) -> Judged:
    loss = torch.zeros(())
    for weights in _tensors(assignment):
        loss = loss + (weights * torch.linspace(0, 1, len(weights))).sum()
    return Judged(loss, -float(len(str(_plain(assignment)))) / 100)


def _judge(space: Space) -> Judge:
    """Judge by what the options cost: the last one of each choice nothing, those before it more."""

    def judge(assignment: Assignment) -> Judged:
        loss = torch.zeros(())
        for label, gate in assignment.items():
            bad = _bad(space.labels[label])
            if isinstance(gate, Tensor):
                loss = loss + sum(w * b for w, b in zip(gate, bad.values(), strict=True))
            elif isinstance(gate, Weighted):
                loss = loss + sum(
                    w * bad[o] for w, o in zip(gate.weights, gate.options, strict=True)
                )
            else:
                loss = loss + sum(bad[o] for o in _running(space.labels[label], gate))
        return Judged(loss, -float(loss.detach()))

    return judge


def _bad(choice: Choice) -> Mapping[Any, float]:
    options = _options(choice)
    _, high = _sizes(choice)
    return {o: float(max(0, len(options) - high - place)) for place, o in enumerate(options)}


def _badness(space: Space, assignment: Assignment) -> float:
    return float(_judge(space)(assignment).loss)
