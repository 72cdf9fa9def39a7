"""How near the sum of a latency table comes to the measured latency of whole models.

    python benchmarks/latency_table.py --space nasbench201 --shape 3 16 16 --members 30

builds a table from random members of a space, draws others, and prints for these the error of the
plain sum and of the sum on the line that the table fits, each against the measured whole.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from archloom.estimators import Cost, LatencyTable
from archloom.nn import load_space
from archloom.task import from_arrays


def main() -> None:
    """Build the table, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--shape", type=int, nargs="+", default=[3, 16, 16])
    parser.add_argument("--members", type=int, default=30, help="whole models to compare with")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    samples = np.random.default_rng(0).normal(size=(40, *options.shape))
    task = from_arrays(samples, np.arange(40) % 10)
    space = load_space(options.space).with_hints(task.hints)
    began = time.perf_counter()
    table = LatencyTable.build(
        space,
        task,
        options.device,
        batch=options.batch,
        repeats=options.repeats,
        seed=options.seed,
    )
    built = time.perf_counter() - began
    rng = np.random.default_rng(options.seed + 1)
    members = list(dict.fromkeys(space.space.sample(rng) for _ in range(options.members)))
    full = table.extended(space, task, members, repeats=options.repeats)
    sums = np.array([full.latency_ms(space, task, member) for member in members])
    plain = (sums - full.offset_ms) / full.scale
    cost = Cost(flops=False, latency=True, batch=options.batch, repeats=options.repeats)
    device = torch.device(options.device)
    whole = np.array([cost.of(space, m, task, device)["latency_ms"] for m in members])
    ranks = np.corrcoef(sums.argsort().argsort(), whole.argsort().argsort())[0, 1]
    said = "  ".join(
        [
            f"{options.space} {options.shape} batch {options.batch} on {options.device}:",
            f"{len(table.ms)} operations in {built:.1f} s, {len(full.ms) - len(table.ms)} more,",
            f"whole {whole.min():.2f} to {whole.max():.2f} ms,",
            f"error of the plain sum {_error(plain, whole):.1%},",
            f"of the table {_error(sums, whole):.1%} (its own estimate {table.error or 0:.1%}),",
            f"rank correlation {ranks:.3f}",
        ]
    )
    print(said)


def _error(found: np.ndarray, whole: np.ndarray) -> float:
    return float(np.mean(np.abs(found - whole) / whole))


if __name__ == "__main__":
    main()
