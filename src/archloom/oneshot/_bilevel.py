"""Bilevel: the loop that trains a supernet's weights, and with them the architecture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from archloom.architecture import Value, as_value
from archloom.errors import Diverged, TrialError
from archloom.nn import Assignment, Supernet
from archloom.oneshot._data import Halves, endless_batches, epoch_batches
from archloom.oneshot._drop_operations import SkipDropout
from archloom.oneshot._freeze import freeze_affine
from archloom.oneshot._gates import Gates, Learned
from archloom.oneshot._idle import Idle, idle_options
from archloom.oneshot._passes import Passes
from archloom.oneshot._penalty import Charge
from archloom.oneshot._perturb import narrowed
from archloom.oneshot._recipe import FilledRecipe
from archloom.oneshot._steps import ArchGradient, WeightStep, weight_gradients
from archloom.task import Task, mix
from archloom.train import (
    Batch,
    Feed,
    Layout,
    amp_dtype,
    forget_freed,
    out_of_memory,
    placed,
    seed_everything,
    set_layout,
)

T = TypeVar("T")

_FIRST_CHECK, _CHECK_EVERY = 8, 256  # steps; to look at the loss makes a GPU wait

Watch = Callable[[int, int], None]
"""Called with the steps done and the steps of the epoch, after each of them."""


@dataclass(frozen=True)
class Losses:
    """Mean losses of an epoch; `arch` is None where no architecture step was taken."""

    train: float
    arch: float | None


class Bilevel:
    """A supernet in training by a method, its gates; `epoch` trains one epoch.

    The gates must be set up. The supernet is moved to the device and its convolution weights into
    the layout. `charge` prices options in the architecture steps; `dropout` switches skip
    connections off at random in the weight steps.

    Everything random is fixed by (seed, epoch), so that a training that goes on from `state` ends
    bit for bit where an undisturbed one does.

    Raises:
        TrialError: when the supernet has nothing to train.
    """

    def __init__(
        self,
        supernet: Supernet,
        gates: Gates,
        task: Task,
        recipe: FilledRecipe,
        halves: Halves,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        layout: Layout = "contiguous",
        charge: Charge | None = None,
        dropout: SkipDropout | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.supernet = supernet.to(self.device)
        self.gates = gates
        self.recipe = recipe
        self.halves = halves
        self.seed = seed
        self.layout: Layout = layout
        self.done = 0
        self.losses: Losses | None = None
        self.decided: dict[str, Value] = {}  # choices that are settled: only weights are trained
        self.micro_batch: int | None = None  # samples at a time, once memory ran out
        set_layout(supernet, layout)
        if gates.traits.frozen_affine:
            freeze_affine(supernet)
        self.task = placed(task, self.device)
        shared, last = recipe.shared, layout == "channels_last"
        self.feed = Feed(self.task, shared, self.device, channels_last=last)
        dtype = amp_dtype(shared, self.device)
        self.passes = Passes(supernet, self.task, gates, shared, self.device, dtype)
        self.weights = [p for p in supernet.parameters() if p.requires_grad]
        if not self.weights:
            raise TrialError("The supernet has no trainable parameter: nothing can be learned.")
        self.optimizer = _sgd(self.weights, recipe, gates)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)
        self._arch = _Arch.of(self, gates, charge)
        self._dropout = dropout
        self._idle: Idle = {} if dropout is None else idle_options(supernet.space.space, supernet)
        self._share = 0.0  # of the epochs, that is done

    @property
    def steps_an_epoch(self) -> int:
        """How many weight steps an epoch has."""
        return len(epoch_batches(self.halves.weights, self.recipe.batch_size, self.seed, 0))

    def epoch(
        self,
        number: int,
        *,
        floor: float = 0.0,
        tuned: float | None = None,
        watch: Watch | None = None,
    ) -> Losses:
        """Train one epoch (from 1): give the mean losses of its steps.

        `floor` is a share of the search that counts as done at least: that of the time used, say.
        Annealing and learning rate go by it. `tuned` makes it an epoch after the search, which
        trains weights only: what share of such a training is done before it, to go by instead.

        Raises:
            Diverged: when a loss, a weight or an architecture parameter is NaN or infinite.
            TrialError: when the outputs do not fit the targets, or memory runs out even with one
                sample at a time.
        """
        self.supernet.train()
        last = max(self.recipe.epochs - 1, 1)
        self._share = min(max((number - 1) / last, floor), 1.0)
        self.gates.anneal(self._share)
        steps = self._steps(number, floor) if tuned is None else self._tuning(number, tuned)
        train, arch = _Mean(self.device), _Mean(self.device)
        total = self.steps_an_epoch
        for step, (loss, arch_loss) in enumerate(steps, start=1):
            if loss is not None:
                train.add(loss)
            if arch_loss is not None:
                arch.add(arch_loss)
            if step == _FIRST_CHECK or step % _CHECK_EVERY == 0:
                self._require_finite("training loss", train.value(), number)
            if watch is not None:
                watch(min(step, total), total)
        self._require_finite("training loss", train.value(), number)
        if arch.count:
            self._require_finite("loss of the architecture", arch.value(), number)
        self._require_finite_parameters(number)
        self.done = number
        self.losses = Losses(train.value(), arch.value() if arch.count else None)
        return self.losses

    def _steps(self, epoch: int, floor: float) -> Iterator[tuple[Tensor | None, Tensor | None]]:
        """Take the steps of an epoch one by one, giving the losses of each."""
        generator = seed_everything(self.seed, epoch)
        size, total = self.recipe.batch_size, self.recipe.epochs * self.steps_an_epoch
        batches = epoch_batches(self.halves.weights, size, self.seed, epoch)
        arch = self._arch if epoch > self.recipe.warmup_epochs else None
        others = endless_batches(self.halves.arch, size, mix(self.seed, 23), epoch)
        first = (epoch - 1) * len(batches)
        each = arch is not None and self.gates.traits.every == "batch"
        for number, places in enumerate(batches):
            batch = self.feed.batch(places, generator)
            self._set_rate(max((first + number) / total, floor))
            seed = mix(self.seed, epoch, number, 24)
            arch_loss = None
            if arch is not None and each:
                apart = self.halves.apart
                judged = self.feed.batch(next(others), generator) if apart else batch
                arch_loss = arch.step(judged, batch, seed)
            yield self._weight_step(batch, seed), arch_loss
        if arch is not None and not each:
            for number, places in enumerate(
                epoch_batches(self.halves.arch, size, mix(self.seed, 23), epoch)
            ):
                batch = self.feed.batch(places, generator)
                loss = arch.step(batch, batch, mix(self.seed, epoch, number, 25))
                yield None, loss

    def _tuning(self, epoch: int, share: float) -> Iterator[tuple[Tensor | None, Tensor | None]]:
        """Take the steps of an epoch that trains weights only, the rate falling anew."""
        generator = seed_everything(self.seed, epoch)
        batches = epoch_batches(self.halves.weights, self.recipe.batch_size, self.seed, epoch)
        for number, places in enumerate(batches):
            self._set_rate(share + (1 - share) * number / len(batches))
            batch = self.feed.batch(places, generator)
            yield self._weight_step(batch, mix(self.seed, epoch, number, 24)), None

    def _weight_step(self, batch: Batch, seed: int) -> Tensor:
        def take(size: int | None) -> Tensor:
            self.optimizer.zero_grad(set_to_none=True)
            return weight_gradients(
                self.passes,
                batch,
                self._paths(np.random.default_rng(seed)),
                distill=self.gates.traits.distill,
                micro_batch=size,
                scale=self.scaler.scale,
            )

        loss = self.fitting(take, len(batch))
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        paths, dropout = self.gates.paths(rng), self._dropout
        if self.decided:
            return [narrowed(path, self.decided) for path in paths]
        if dropout is None:
            return paths
        space = self.supernet.space.space
        return [dropout.applied(path, space, self._idle, self._share, rng) for path in paths]

    def fitting(self, take: Callable[[int | None], T], samples: int) -> T:
        """Do something with a batch, with as many samples at a time as memory can hold."""
        while True:
            try:
                return take(self.micro_batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0][:200]
            size = min(self.micro_batch or samples, samples)
            if size == 1:
                raise TrialError(
                    f"A step of the supernet must fit into the memory of {self.device}, and does "
                    f"not even with one sample at a time ({reason}). Take a method that runs "
                    f"single paths ('gdas', 'spos'), partial channels ('pc_darts'), a smaller "
                    f"space, or amp='bf16'."
                )
            self.micro_batch = (size + 1) // 2
            forget_freed(self.device)

    def _set_rate(self, share: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(min(share, 1.0))

    def _require_finite(self, what: str, value: float, epoch: int) -> None:
        if not math.isfinite(value):
            raise Diverged(
                f"The supernet's {what} must be finite, got {value} in epoch {epoch} with lr="
                f"{self.recipe.lr:g}. Lower lr (or arch_lr, where there is one), or set a smaller "
                f"clip."
            )

    def _require_finite_parameters(self, epoch: int) -> None:
        arch = self.gates.parameters() if isinstance(self.gates, Learned) else {}
        named = [*self.supernet.named_parameters(), *arch.items()]
        norms = torch.stack([p.detach().float().norm().cpu() for _, p in named])
        bad = (~norms.isfinite()).nonzero().flatten().tolist()
        if bad:
            raise Diverged(
                f"The supernet's parameters must be finite, and {named[bad[0]][0]!r} is not after "
                f"epoch {epoch} with lr={self.recipe.lr:g}. Lower lr, or arch_lr, or set a smaller "
                f"clip."
            )

    # -- going on later ----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Give all that a training needs to go on, as `torch.load(weights_only=True)` reads it."""
        return {
            "done": self.done,
            "decided": {k: list(v) if isinstance(v, tuple) else v for k, v in self.decided.items()},
            "losses": None if self.losses is None else [self.losses.train, self.losses.arch],
            "supernet": self.supernet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "gates": self.gates.state(),
            "arch": None if self._arch is None else self._arch.state(),
            "micro_batch": self.micro_batch,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.done = int(state["done"])
        self.decided = {label: as_value(value) for label, value in state["decided"].items()}
        losses = state["losses"]
        self.losses = None if losses is None else Losses(*losses)
        self.supernet.load_state_dict(state["supernet"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.gates.restore(state["gates"])
        if self._arch is not None and state["arch"] is not None:
            self._arch.restore(state["arch"])
        self.micro_batch = state["micro_batch"]


class _Arch:
    """The steps of the architecture parameters."""

    def __init__(self, loop: Bilevel, gates: Learned, charge: Charge | None) -> None:
        self._loop = loop
        self._gates = gates
        self._gradient = ArchGradient(loop.passes, gates, charge)
        traits, recipe = gates.traits, loop.recipe
        self._parameters = list(gates.parameters().values())
        self._optimizer = torch.optim.Adam(
            self._parameters,
            lr=recipe.arch_lr,
            betas=(traits.arch.betas[0], traits.arch.betas[1]),
            weight_decay=recipe.arch_weight_decay,
        )
        enabled = loop.scaler.is_enabled() and traits.order == 1
        self._scaler = torch.amp.GradScaler(loop.device.type, enabled=enabled)

    @classmethod
    def of(cls, loop: Bilevel, gates: Gates, charge: Charge | None) -> _Arch | None:
        """Give the steps of a method with parameters, None for one without."""
        return cls(loop, gates, charge) if isinstance(gates, Learned) else None

    def step(self, batch: Batch, train: Batch, seed: int) -> Tensor:
        """Take a step on a batch; a second-order one looks a step on `train` ahead."""
        traits = self._gates.traits
        if traits.order == 2:
            ahead = WeightStep(self._loop.supernet, self._loop.optimizer)
            gradient, loss = self._gradient.second_order(batch, train, seed, ahead, traits.hessian)
        else:
            gradient, loss = self._loop.fitting(
                lambda size: self._gradient.first_order(
                    batch, seed, micro_batch=size, scale=self._scaler.scale
                ),
                len(batch),
            )
        for parameter, slope in zip(self._parameters, gradient, strict=True):
            parameter.grad = slope.to(parameter)
        self._scaler.unscale_(self._optimizer)
        clip = traits.arch.clip
        if clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        self._gates.stepped()
        return loss

    def state(self) -> dict[str, Any]:
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])


class _Mean:
    """A mean that is worked out on the device where the values are."""

    def __init__(self, device: torch.device) -> None:
        self._total = torch.zeros((), device=device)
        self.count = 0

    def add(self, value: Tensor) -> None:
        self._total += value.to(self._total.device)
        self.count += 1

    def value(self) -> float:
        return float(self._total) / max(self.count, 1)


def _sgd(weights: list[nn.Parameter], recipe: FilledRecipe, gates: Gates) -> torch.optim.Optimizer:
    plain = all(w.dtype in (torch.float32, torch.float64) for w in weights)
    fused = weights[0].device.type in ("cpu", "cuda") and plain
    optimizer = torch.optim.SGD(
        weights,
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=gates.traits.weights.nesterov and recipe.momentum > 0,
        fused=fused or None,
    )
    if recipe.momentum:
        # torch's fused step fails where only some weights have met a gradient before
        for weight in weights:
            optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimizer
