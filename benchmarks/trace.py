"""How long a model space takes to trace, build and verify, cold (a new process) and warm.

    python benchmarks/trace.py

Two spaces: the 78-point example of the README (a width, and a body of 1 to 3 blocks with 3 options
each) and a cell of 6 edges with 5 operations each. Warm times are medians of repeated runs in one
process; cold ones medians of first calls in processes of their own, after the imports. `embedding`
is the cold trace of a space with layers that torch initialises by a normal distribution: done on
the meta device the plain way, as in `plain embedding`, it loads torch's compiler.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from archloom.nn import ModelSpace, Pick, model_space

EXAMPLE = torch.empty(2, 1, 28, 28, device="meta")


def conv(width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width), nn.ReLU()
    )


def small_cnn(pick: Pick) -> nn.Module:
    width = pick.value("width", [16, 32])

    def block(pick: Pick) -> nn.Module:
        return pick.layer(
            "op",
            {
                "conv3": lambda: conv(width, 3),
                "conv5": lambda: conv(width, 5),
                "skip": nn.Identity,
            },
        )

    body = pick.repeat("body", block, 1, 3)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), body, head)


def cell(pick: Pick) -> nn.Module:
    ops = {
        "skip": nn.Identity,
        "conv1": lambda: conv(16, 1),
        "conv3": lambda: conv(16, 3),
        "conv5": lambda: conv(16, 5),
        "pool": lambda: nn.AvgPool2d(3, 1, 1),
    }
    edges = (pick.layer(f"edge{number}", ops) for number in range(6))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return nn.Sequential(nn.Conv2d(1, 16, 1), *edges, head)


def embedding(pick: Pick) -> nn.Module:
    return nn.Sequential(nn.Embedding(100, pick.value("width", [8, 16])), nn.LSTM(8, 8))


def plain_embedding() -> None:
    with torch.device("meta"):
        nn.Embedding(100, 8)


def fresh(function: Callable[[Pick], nn.Module]) -> ModelSpace:
    """A space that has not been traced yet."""
    return model_space(function)


TASKS: dict[str, Callable[[], object]] = {
    "trace 78 points": lambda: fresh(small_cnn).space,
    "trace 6 edges x 5": lambda: fresh(cell).space,
    "trace embedding": lambda: fresh(embedding).space,
    "plain embedding": plain_embedding,
    "verify 78 points": lambda: fresh(small_cnn).verify(EXAMPLE, (2, 10)),
    "verify 6 edges x 5": lambda: fresh(cell).verify(EXAMPLE, (2, 10)),
}


def milliseconds(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return (time.perf_counter() - began) * 1e3


def cold(name: str, rounds: int) -> float:
    command = [sys.executable, __file__, "--once", name]
    runs = (subprocess.run(command, capture_output=True, check=True) for _ in range(rounds))
    return statistics.median(float(run.stdout) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="warm runs of each task")
    parser.add_argument("--cold", type=int, default=3, help="processes for each task")
    parser.add_argument("--once", choices=TASKS, help="print the milliseconds of one first call")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    if options.once:
        print(milliseconds(TASKS[options.once]))
        return
    figures = {}
    print(f"{'ms':22}{'cold':>10}{'warm':>10}")
    for name, task in TASKS.items():
        first = cold(name, options.cold)
        warm = statistics.median(milliseconds(task) for _ in range(options.rounds + 1))
        figures[name] = {"cold_ms": round(first, 2), "warm_ms": round(warm, 2)}
        print(f"{name:22}{first:10.1f}{warm:10.1f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
