"""LatencyTable: the latency of any architecture, as a sum over operations measured once."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators._cost import Cost
from archloom.estimators._operations import operations, seconds_of
from archloom.nn import ModelSpace
from archloom.task import Task
from archloom.train import write_atomically

_VERSION: Final = 1


@dataclass(frozen=True)
class LatencyTable:
    """How long each operation takes on one device, so that a model's latency is a sum.

    Every operation of a forward pass (a convolution of these shapes, a sum of two maps, ...) is
    measured alone, once; a member of the space then costs no measuring at all, as in the tables of
    FBNet (arXiv 1812.03443, section 3.3) and ProxylessNAS (arXiv 1812.00332, section 3.3), which
    hold layers. What a model adds to its operations, calls of Python above all, is learned from
    some whole models: `scale` and `offset_ms` of a line fitted to them.

    Attributes:
        device: "cpu", "cuda", ...
        machine: on what it was measured, in words.
        batch: samples a forward pass.
        threads: of torch, on a CPU.
        ms: operation -> milliseconds, the median of its measurements.
        scale: what the sum is multiplied by.
        offset_ms: what every model takes beside.
        error: the mean absolute error, as a share, on models that the line was not fitted to.

    >>> table = LatencyTable("cpu", "a laptop", 1, 1, {"relu": 0.5}, offset_ms=0.25)
    >>> table.sum_ms(["relu", "relu"])
    1.25
    """

    device: str
    machine: str
    batch: int
    threads: int
    ms: Mapping[str, float] = field(repr=False)
    scale: float = 1.0
    offset_ms: float = 0.0
    error: float | None = None

    @classmethod
    def build(
        cls,
        space: ModelSpace,
        task: Task,
        device: torch.device | str = "cpu",
        *,
        batch: int = 1,
        repeats: int = 20,
        members: int = 40,
        check: int = 16,
        seed: int = 0,
    ) -> LatencyTable:
        """Measure the operations of random members of the space, and whole ones as a check.

        Args:
            space: its members; with the task's hints filled in where they are open.
            task: whose samples the models take.
            device: where to measure.
            batch: samples a forward pass.
            repeats: measurements of an operation or a model, of which the median counts.
            members: random architectures whose operations are measured. Others that appear in
                further members are measured when `extended` meets them.
            check: of these, how many are measured as wholes: half of them for the line, the other
                half for `error`. 0 leaves the plain sum.
            seed: of the draws.

        Raises:
            ConfigError: for numbers out of range.
        """
        for name, value, low in (("members", members, 1), ("check", check, 0), ("batch", batch, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(f"{name} must be a whole number from {low}, got {value!r}.")
        space, device = space.with_hints(task.hints), torch.device(device)
        rng = np.random.default_rng(seed)
        drawn = list(dict.fromkeys(space.space.sample(rng) for _ in range(members)))
        empty = cls(device.type, machine(device), batch, torch.get_num_threads(), {})
        table = empty.extended(space, task, drawn, repeats=repeats)
        return table._fitted(space, task, drawn[:check], device, repeats)

    def extended(
        self,
        space: ModelSpace,
        task: Task,
        architectures: Iterable[Architecture],
        *,
        repeats: int = 20,
    ) -> LatencyTable:
        """Give a table that has the operations of these architectures as well.

        Raises:
            ConfigError: when it was measured on another machine than this one.
        """
        missing = {
            text: None
            for architecture in architectures
            for text in self.operations(space, task, architecture)
            if text not in self.ms
        }
        if not missing:
            return self
        return replace(self, ms={**self.ms, **{t: self.measured_ms(t, repeats) for t in missing}})

    def measured_ms(self, operation: str, repeats: int = 20) -> float:
        """Measure an operation, which the table need not have, in milliseconds.

        Raises:
            ConfigError: on another machine than that of the table.
        """
        device = torch.device(self.device)
        here, threads = machine(device), torch.get_num_threads()
        if (here, threads) != (self.machine, self.threads):
            raise ConfigError(
                f"An operation is not in the latency table, {operation}, and it can only be "
                f"measured where the others were, on {self.machine} with {self.threads} threads; "
                f"this is {here} with {threads}."
            )
        return operation_ms(operation, device, repeats)

    def operations(self, space: ModelSpace, task: Task, architecture: Architecture) -> list[str]:
        """Give the operations of a member's forward pass, the keys of `ms`."""
        model = space.build(architecture, device="meta")
        try:
            return operations(model, task.example(self.batch, device="meta"))
        except (RuntimeError, NotImplementedError):  # a forward pass that looks at values
            return operations(space.build(architecture), task.example(self.batch, device="cpu"))

    def latency_ms(self, space: ModelSpace, task: Task, architecture: Architecture) -> float:
        """Give the latency of a member of the space in milliseconds, without measuring anything.

        Raises:
            ConfigError: when it has operations that the table does not have.
        """
        return self.sum_ms(self.operations(space, task, architecture))

    def sum_ms(self, texts: Iterable[str]) -> float:
        """Give the latency of these operations, one after another."""
        counts = Counter(texts)
        missing = [text for text in counts if text not in self.ms]
        if missing:
            raise ConfigError(
                f"The latency table lacks {len(missing)} operations, such as {missing[0]}: "
                f"measure them with `extended`, or build the table with more members."
            )
        plain = sum(self.ms[text] * number for text, number in counts.items())
        return round(self.offset_ms + self.scale * plain, 6)

    def save(self, path: str | Path) -> None:
        """Write the table as JSON."""
        content = {"version": _VERSION, **vars(self), "ms": dict(self.ms)}
        write_atomically(Path(path), json.dumps(content, indent=1).encode())

    @classmethod
    def load(cls, path: str | Path) -> LatencyTable:
        """Read what `save` wrote. Raises `ConfigError` for any other file."""
        try:
            content = json.loads(Path(path).read_bytes())
            if content.pop("version") != _VERSION:
                raise ValueError("another version")
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{str(path)!r} holds no latency table ({error}): make one with "
                f"LatencyTable.build(space, task).save({str(path)!r})."
            ) from error

    def _fitted(
        self,
        space: ModelSpace,
        task: Task,
        members: list[Architecture],
        device: torch.device,
        repeats: int,
    ) -> LatencyTable:
        """Give the table with a line through half of the members, and its error on the others."""
        if len(members) < 4:
            return self
        cost = Cost(flops=False, latency=True, batch=self.batch, repeats=repeats)
        whole = np.array([cost.of(space, a, task, device)["latency_ms"] for a in members])
        sums = np.array([self.latency_ms(space, task, a) for a in members])
        scale, offset = _line(sums[::2], whole[::2])
        off = np.abs(offset + scale * sums[1::2] - whole[1::2]) / whole[1::2]
        return replace(self, scale=scale, offset_ms=offset, error=float(off.mean()))


def operation_ms(operation: str, device: torch.device, repeats: int) -> float:
    """Measure an operation on a device in milliseconds, the median of `repeats`."""
    return round(float(np.median(list(seconds_of(operation, device, repeats)))) * 1e3, 6)


def _line(sums: Any, whole: Any) -> tuple[float, float]:
    """Give slope and offset of the line with the least squares of relative errors."""
    inputs = np.stack([sums, np.ones_like(sums)], 1) / whole[:, None]
    (scale, offset), *_ = np.linalg.lstsq(inputs, np.ones_like(sums), rcond=None)
    if scale <= 0 or len(set(sums.tolist())) < 2:  # too little spread for a line
        return float(np.mean(whole / sums)), 0.0
    return float(scale), float(offset)


def machine(device: torch.device) -> str:
    """Give in words what a device is."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{platform.machine()} {platform.processor() or platform.system()}"
