"""The largest eigenvalue of the Hessian with respect to the architecture parameters, as a guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError
from archloom.oneshot._collapse import Finding, Past, Verdict, View
from archloom.oneshot._gates import Gates, Learned

EIGENVALUE: Final = "eigenvalue"


@dataclass(frozen=True)
class Eigenvalue:
    """Stop when the loss surface around the architecture parameters turns sharp.

    Understanding and Robustifying Differentiable Architecture Search (arXiv 1909.09656), section
    5.1: the largest eigenvalue of the Hessian of the validation loss with respect to the
    architecture parameters is averaged over `window` epochs around each; when the average of
    `back` epochs ago falls below `ratio` times the latest one, the search stops with the
    architecture of that earlier epoch. As in the authors' code no search is stopped before that
    epoch has reached `after`.

    Deviations: the Hessian is never formed, its largest eigenvalue comes from Lanczos steps with
    exact Hessian-vector products; and a latest average that is not positive stops nothing.

    Raises (when looking):
        ConfigError: for a method without architecture parameters, or whose loss has no second
            derivative with respect to them.

    >>> Eigenvalue().ratio
    0.75
    """

    ratio: float = 0.75
    window: int = 5
    back: int = 5
    after: int = 10
    steps: int = 30

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ConfigError(f"ratio is between 0 and 1, got {self.ratio!r}.")
        for name, least in (("window", 1), ("back", 1), ("after", 0), ("steps", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is at least {least}, got {getattr(self, name)!r}.")
        if self.window % 2 == 0:
            raise ConfigError(
                f"window is centred on an epoch, so it is odd, got {self.window}: "
                f"{self.window - 1} or {self.window + 1}."
            )

    def check(self, gates: Gates, loss: Tensor | None) -> None:
        """Raise `ConfigError` unless the method's loss has second derivatives."""
        parameters = list(_learned(gates).parameters().values())
        if loss is not None and loss.requires_grad:
            _hessian(loss, parameters)

    def look(self, view: View) -> Finding:
        """Measure the eigenvalue; stop when it has risen too far."""
        gates = _learned(view.gates)
        loss = gates.loss(view.judge, np.random.default_rng([view.seed, 0xE16]))
        parameters = list(gates.parameters().values())
        value = largest_eigenvalue(loss, parameters, steps=self.steps, seed=view.seed)
        now = Past(view.epoch, view.derived, {EIGENVALUE: value})
        return Finding(now.figures, self._verdict([*view.past, now]))

    def _verdict(self, past: Sequence[Past]) -> Verdict | None:
        known = [one for one in past if EIGENVALUE in one.figures]
        if len(known) < self.window + self.back:
            return None
        values = [one.figures[EIGENVALUE] for one in known]
        latest = _mean(values[-self.window :])
        before = _mean(values[-self.window - self.back : -self.back])
        to = known[-1 - self.window // 2 - self.back]
        if latest <= 0 or before >= self.ratio * latest or to.epoch < self.after:
            return None
        return Verdict("stop", _reason(before, latest, to), to.architecture, kind=EIGENVALUE)


def _learned(gates: Gates) -> Learned:
    if not isinstance(gates, Learned):
        raise ConfigError(
            f"Eigenvalue watches architecture parameters, and {type(gates).__name__} has none: "
            f"leave the guard out, or take a method such as 'darts'."
        )
    return gates


def largest_eigenvalue(
    loss: Tensor, parameters: Sequence[Tensor], *, steps: int = 30, seed: int = 0
) -> float:
    """Give the largest eigenvalue of the loss's Hessian with respect to the parameters.

    Lanczos with full reorthogonalisation, at most `steps` of them (exact where there are no more
    numbers than that); each takes one Hessian-vector product by double backward.

    Raises:
        ConfigError: when the loss does not depend on the parameters, or has no second derivative.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> round(largest_eigenvalue(3 * x[0] ** 2 + x[1] ** 2, [x]), 5)
    6.0
    """
    product, size = _hessian(loss, parameters)
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(size, dtype=torch.float64, generator=generator)
    basis = [vector / vector.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, size)):
        image = product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        for _twice in range(2):  # once leaves rounding errors that grow
            for one in basis:
                image = image - (image @ one) * one
        length = float(image.norm())
        if length <= 1e-8 * max(map(abs, diagonal)):
            break
        beside.append(length)
        basis.append(image / length)
    matrix = np.diag(diagonal)
    for place, value in enumerate(beside[: len(diagonal) - 1]):
        matrix[place, place + 1] = matrix[place + 1, place] = value
    return float(np.linalg.eigvalsh(matrix)[-1])


def _hessian(loss: Tensor, parameters: Sequence[Tensor]) -> tuple[Callable[[Tensor], Tensor], int]:
    """Give the product of the Hessian with a vector, and the vector's length."""
    found = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    used = [(p, g) for p, g in zip(parameters, found, strict=True) if g is not None]
    if not any(g.requires_grad for _, g in used):
        raise ConfigError(
            "The loss has no second derivative with respect to the architecture parameters, so "
            "its Hessian says nothing: use Eigenvalue with a method that weighs all options, such "
            "as 'darts' or 'pc_darts'."
        )
    inputs = [p for p, _ in used]
    flat = torch.cat([g.reshape(-1) for _, g in used])

    def product(vector: Tensor) -> Tensor:
        along = vector.to(flat)
        parts = torch.autograd.grad(flat, inputs, along, retain_graph=True, allow_unused=True)
        full = [
            torch.zeros_like(p) if part is None else part
            for p, part in zip(inputs, parts, strict=True)
        ]
        return torch.cat([part.reshape(-1) for part in full]).detach().cpu().double()

    return product, flat.numel()


def _reason(before: float, latest: float, to: Past) -> str:
    falls_back = (
        "" if to.architecture is None else f" and takes the architecture of epoch {to.epoch}"
    )
    return (
        f"The largest eigenvalue of the validation loss's Hessian rose from {before:.3g} to "
        f"{latest:.3g} (averages over epochs): what is derived from here on tends to be worse, so "
        f"the search stops{falls_back}."
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
