"""Draws: the random numbers of an augmented batch, all from one generator on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Draws:
    """Random numbers for `count` samples, and which operations each of them gets.

    With `choose`, each sample gets so many of the operations `among`, drawn at random, in place
    of all; `fixed` then lets every magnitude be the full strength, of either sign.

    >>> draws = Draws(("shift", "rotate"), 4, torch.Generator(), strength=0.5)
    >>> bool((draws.signed("rotate").abs() <= 0.5).all())
    True
    """

    def __init__(
        self,
        ops: Sequence[str],
        count: int,
        generator: torch.Generator,
        strength: float,
        *,
        choose: int = 0,
        among: Sequence[str] = (),
        fixed: bool = False,
    ) -> None:
        self.ops = tuple(ops)
        self.count = count
        self.strength = strength
        self.generator = generator
        self.fixed = fixed
        self.chosen: dict[str, Tensor] = {}
        if choose:
            # one more than the operations: that one is to leave the sample as it is
            keys = torch.rand(count, len(among) + 1, generator=generator)
            drawn = keys.argsort(1).argsort(1) < choose
            self.chosen = {op: drawn[:, place] for place, op in enumerate(among)}

    def uniform(self) -> Tensor:
        """Give numbers in [0, 1)."""
        return torch.rand(self.count, generator=self.generator)

    def normal(self, *shape: int) -> Tensor:
        """Give normally distributed numbers, one set a sample."""
        return torch.randn(self.count, *shape, generator=self.generator)

    def half(self) -> Tensor:
        """Give True with a chance of a half."""
        return self.uniform() < 0.5

    def whole(self, below: int) -> Tensor:
        """Give whole numbers from 0."""
        return torch.randint(below, (self.count,), generator=self.generator)

    def on(self, op: str) -> Tensor | None:
        """Say which samples get the operation; None where all do."""
        return self.chosen.get(op)

    def signed(self, op: str) -> Tensor:
        """Give magnitudes in [-strength, strength], 0 for samples without the operation."""
        drawn = 2 * self.uniform() - 1
        return self._limited(op, drawn.sign() if self.fixed else drawn)

    def positive(self, op: str) -> Tensor:
        """Give magnitudes in [0, strength], 0 for samples without the operation."""
        drawn = self.uniform()
        return self._limited(op, torch.ones_like(drawn) if self.fixed else drawn)

    def steps(self, op: str, most: int) -> Tensor:
        """Give whole numbers in [-most, most], 0 for samples without the operation."""
        drawn = torch.randint(-most, most + 1, (self.count,), generator=self.generator)
        which = self.on(op)
        return drawn if which is None else drawn * which

    def _limited(self, op: str, drawn: Tensor) -> Tensor:
        which = self.on(op)
        return drawn * self.strength if which is None else drawn * self.strength * which
