"""Probe: an untrained model and one minibatch, and the passes that several scores share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archloom.architecture import Architecture
from archloom.errors import DataError
from archloom.nn import ModelSpace
from archloom.task import Inputs, Loss, Task, call_model, leaves, map_tensors, stratified_subset

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
"""The layers that have weights and channels."""


@dataclass(frozen=True, eq=False)
class LossPass:
    """Gradients of the loss on the minibatch.

    `gradients` holds one for each of the probe's `weights`, zeros where a weight has no part in
    the output. `channels` has for each layer (convolution or fully connected) that ran, and each
    sample and channel of its output, the sum over positions of activation times gradient.
    """

    gradients: tuple[Tensor, ...]
    channels: tuple[tuple[nn.Module, Tensor], ...]


@dataclass(eq=False)
class Probe:
    """What a zero-cost score looks at: a model as it was initialised, and one minibatch.

    `model` is in training mode, so that batch normalisation uses the minibatch. `inputs` are
    prepared as the model gets them. `loss` takes outputs and targets. Scores leave the model as it
    was; whatever is random in one is fixed by `seed` (see `call`).

    >>> from archloom.task import digits
    >>> from archloom.zoo import small_cnn
    >>> space = small_cnn.with_hints(digits().hints)
    >>> probe = Probe.of(space, space.space.default(), digits(), batch=16)
    >>> len(probe.targets), sum(w.numel() for w in probe.weights) > 0
    (16, True)
    """

    model: nn.Module
    inputs: Inputs
    targets: Tensor
    loss: Loss
    seed: int = 0

    @classmethod
    def of(
        cls,
        space: ModelSpace,
        architecture: Architecture,
        task: Task,
        *,
        batch: int = 64,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> Probe:
        """Build the architecture's model and draw a minibatch of training samples.

        The minibatch is the same for all architectures; classes have their share in it. Seeds
        torch's global generators.

        Raises:
            DataError: when there are fewer than two training samples.
        """
        inputs, targets = minibatch(task, batch, seed, device)
        torch.manual_seed(seed)
        model = space.build(architecture, device=torch.device(device)).train()
        return cls(model, inputs, targets, task.loss, seed)

    @property
    def weights(self) -> list[nn.Parameter]:
        """The parameters with two axes or more: no biases, no scales of a normalisation."""
        return [p for p in self.model.parameters() if p.ndim > 1 and p.requires_grad]

    def call(self, inputs: Inputs, state: Mapping[str, Tensor] | None = None) -> Any:
        """Run the model, with dropout and the like by the seed.

        Parameters and buffers of `state`, by name, take the place of the model's own.
        """
        torch.manual_seed(self.seed)
        if state is None:
            return call_model(self.model, inputs)
        given = dict(state)
        return call_model(lambda *a, **k: functional_call(self.model, given, a, k), inputs)

    @cached_property
    def loss_pass(self) -> LossPass:
        """The gradients of the loss."""
        return _loss_pass(self)

    @cached_property
    def jacobian(self) -> Tensor:
        """The gradient of the sum of all outputs by the inputs, a row a sample, on the CPU.

        Tokens have no gradient: in their place stand the outputs of the embeddings.
        """
        return _jacobian(self)


def minibatch(
    task: Task, batch: int, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[Inputs, Tensor]:
    """Draw about `batch` training samples, at least one a class, prepared for a model.

    Raises:
        DataError: when there are fewer than two training samples.

    >>> from archloom.task import digits
    >>> inputs, targets = minibatch(digits(), 32)
    >>> sorted(set(targets.tolist())) == list(range(10))
    True
    """
    split = task.train
    if len(split) < 2:
        raise DataError(
            f"A zero-cost score looks at a minibatch of at least 2 samples, got {len(split)} "
            f"training samples."
        )
    share = min(1.0, max(batch, 2) / len(split))
    picked = split.take(stratified_subset(split.targets.cpu(), share, seed)).to(device)
    inputs = task.to(device).prepare(picked.inputs)
    return map_tensors(lambda tensor: tensor.contiguous(), inputs), picked.targets


def _loss_pass(probe: Probe) -> LossPass:
    taps: list[tuple[nn.Module, list[Tensor]]] = []

    def tap(layer: nn.Module, _: Any, output: Tensor) -> None:
        kept: list[Tensor] = []
        taps.append((layer, kept))
        activation = output.detach().clone()  # what follows may change it in place

        def meet(gradient: Tensor) -> None:
            kept.append(_by_channel(layer, activation * gradient))

        if output.requires_grad:
            output.register_hook(meet)  # type: ignore[no-untyped-call]

    layers = [module for module in probe.model.modules() if isinstance(module, LAYERS)]
    with hooked(layers, tap):
        loss = probe.loss(probe.call(probe.inputs), probe.targets)
    weights = probe.weights
    found = _gradients(loss, weights)
    channels = tuple((layer, kept[0]) for layer, kept in taps if kept)
    return LossPass(found, channels)


def _by_channel(layer: nn.Module, product: Tensor) -> Tensor:
    """Sum over positions: (samples, channels). The channels of `Linear` are its last axis."""
    if isinstance(layer, nn.Linear):
        product = product.movedim(-1, 1) if product.ndim > 1 else product[None]
    return product.flatten(2).sum(2) if product.ndim > 2 else product


def _gradients(value: Tensor, weights: list[nn.Parameter]) -> tuple[Tensor, ...]:
    if not value.requires_grad or not weights:
        return tuple(torch.zeros_like(weight) for weight in weights)
    found = torch.autograd.grad(value, weights, allow_unused=True)
    pairs = zip(found, weights, strict=True)
    return tuple(torch.zeros_like(weight) if g is None else g for g, weight in pairs)


def _jacobian(probe: Probe) -> Tensor:
    sources: list[Tensor] = []

    def source(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        sources.append(tensor.detach().clone().requires_grad_())
        return sources[-1]

    inputs = map_tensors(source, probe.inputs)
    embeddings = [m for m in probe.model.modules() if isinstance(m, nn.Embedding)]
    with hooked(embeddings, lambda _, __, output: sources.append(output)):
        outputs = probe.call(inputs)
    total = sum((leaf.float().sum() for _, leaf in leaves(outputs)), torch.zeros(()))
    rows = len(probe.targets)
    if not total.requires_grad or not sources:
        return torch.zeros(rows, 1)
    found = torch.autograd.grad(total, sources, allow_unused=True)
    parts = [
        (torch.zeros_like(source) if g is None else g).reshape(rows, -1)
        for g, source in zip(found, sources, strict=True)
        if source.shape[0] == rows
    ]
    return torch.cat(parts, dim=1).cpu() if parts else torch.zeros(rows, 1)


@contextmanager
def hooked(
    modules: Sequence[nn.Module], hook: Callable[[nn.Module, Any, Any], Any]
) -> Iterator[None]:
    """Call a forward hook on each of the modules while the context lasts."""
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
