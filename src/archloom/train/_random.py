"""All that is random in an epoch, fixed by (seed, epoch); nothing is left changed outside."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from archloom.task import mix


def seed_everything(seed: int, epoch: int) -> torch.Generator:
    """Seed the global states of torch, NumPy and Python; give a generator of its own besides."""
    torch.default_generator.manual_seed(mix(seed, epoch, 4))
    if torch.cuda.is_available():  # without one, torch.manual_seed queues a call for ever
        torch.cuda.manual_seed_all(mix(seed, epoch, 4))
    np.random.seed(mix(seed, epoch, 5) & 0xFFFFFFFF)
    random.seed(mix(seed, epoch, 6))
    return torch.Generator().manual_seed(mix(seed, epoch, 7))


@contextmanager
def kept_random_state(device: torch.device) -> Iterator[None]:
    """Put the global random states back at the end, as if nothing had been drawn."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
