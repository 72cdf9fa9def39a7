"""The contract of a model space."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from archloom.architecture import Architecture
from archloom.nn import ModelSpace
from archloom.nn._cover import cover


def check_model_space(space: ModelSpace, example: Any, *, samples: int = 10, seed: int = 0) -> None:
    """Raise `AssertionError`, or what the space raises, unless a search can rely on `space`.

    Checked are: the trace repeats and leaves torch's random state alone; the space and its
    architectures survive JSON; every option builds and runs (`verify`); drawn, mutated and crossed
    architectures build, asking for exactly their labels; a seed settles the weights; models can be
    copied and pickled; and one supernet, with what cannot be shared pinned, serves architectures
    that cover every option: each child has the keys and shapes of a build, and gives the
    supernet's output on that path to 1e-5 in eval mode.

    Args:
        space: of the code under test, with the settings that it needs.
        example: a batch of at least two inputs, as in `ModelSpace.verify`.
        samples: how many architectures to build.
        seed: of the drawn architectures.

    >>> from archloom.zoo import mlp
    >>> check_model_space(mlp(shape=(4,), classes=3), torch.zeros(2, 4), samples=2)
    """
    _check_trace(space)
    space.verify(example)
    rng = np.random.default_rng(seed)
    before = space.space.sample(rng)
    for _ in range(samples):
        drawn = space.space.sample(rng)
        for architecture in (drawn, space.space.cross(before, drawn, rng), *_mutant(space, drawn)):
            _check_model(space, architecture, example)
        before = drawn
    _check_children(space, example, seed)


def _mutant(space: ModelSpace, architecture: Architecture) -> list[Architecture]:
    if space.space.size == 1:
        return []
    return [space.space.mutate(architecture, np.random.default_rng(0))]


def _check_trace(space: ModelSpace) -> None:
    text = json.dumps(space.to_json())
    again = ModelSpace.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text, "the space does not survive JSON"
    state = torch.get_rng_state()
    assert again.space == space.space, "tracing a second time gives another space"
    assert torch.equal(state, torch.get_rng_state()), "tracing changes torch's random state"
    assert pickle.loads(pickle.dumps(space)) == space, "the space does not survive pickle"


def _check_model(space: ModelSpace, architecture: Architecture, example: Any) -> None:
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture
    torch.manual_seed(0)
    model = space.build(architecture)
    torch.manual_seed(0)
    twin = space.build(architecture)
    _same_state(model, twin, f"one seed gives two sets of weights for {architecture}")
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    empty = space.build(architecture, device="meta").state_dict()
    assert {name: tensor.shape for name, tensor in empty.items()} == shapes
    assert all(tensor.is_meta for tensor in empty.values())
    loaded = pickle.loads(pickle.dumps(model))
    _same_state(model, loaded, f"the model of {architecture} does not survive pickle")
    wanted = _run(model, _zeros(example))
    for other in (loaded, copy.deepcopy(model)):
        for first, second in zip(wanted, _run(other, _zeros(example)), strict=True):
            assert torch.equal(first, second), f"a copy of {architecture} gives other outputs"


def _check_children(space: ModelSpace, example: Any, seed: int) -> None:
    torch.manual_seed(seed)
    supernet = space.supernet("auto", example=example).eval()
    with torch.no_grad():
        # Norms that begin as the identity, and branches that begin at zero, would hide much.
        for parameter in supernet.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        for buffer in supernet.buffers():
            if buffer.is_floating_point():
                buffer.add_(torch.rand_like(buffer), alpha=0.1)
    inputs = _random(example, seed)
    for architecture in cover(supernet.space.space):
        child = supernet.child(architecture)
        shapes = {name: tensor.shape for name, tensor in child.state_dict().items()}
        built = supernet.space.build(architecture, device="meta").state_dict()
        assert shapes == {name: tensor.shape for name, tensor in built.items()}, (
            f"the child of {architecture} has other keys or shapes than its build"
        )
        with supernet.routed(architecture):
            wanted = _run(supernet, inputs)
        for one, two in zip(wanted, _run(child, inputs), strict=True):
            assert torch.allclose(one, two, rtol=1e-5, atol=1e-5), (
                f"the child of {architecture} gives other outputs than the supernet"
            )


def _random(example: Any, seed: int) -> Any:
    """Give an example of random numbers; whole ones are 0, as they may be places in a table."""
    generator = torch.Generator().manual_seed(seed)

    def draw(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if leaf.is_floating_point():
            return torch.randn(leaf.shape, dtype=leaf.dtype, generator=generator)
        return torch.zeros(leaf.shape, dtype=leaf.dtype)

    return pytree.tree_map(draw, dict(example) if hasattr(example, "keys") else example)


def _same_state(first: nn.Module, second: nn.Module, complaint: str) -> None:
    one, two = first.state_dict(), second.state_dict()
    assert one.keys() == two.keys(), complaint
    assert all(torch.equal(one[name], two[name]) for name in one), complaint


def _zeros(example: Any) -> Any:
    return pytree.tree_map(
        lambda x: torch.zeros(x.shape, dtype=x.dtype) if isinstance(x, torch.Tensor) else x,
        dict(example) if hasattr(example, "keys") else example,
    )


def _run(model: nn.Module, inputs: Any) -> list[torch.Tensor]:
    """Give the outputs in eval mode."""
    model.eval()
    with torch.no_grad():
        if isinstance(inputs, dict):
            output = model(**inputs)
        else:
            output = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    return [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor)]
