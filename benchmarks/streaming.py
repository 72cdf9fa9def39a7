"""Training on data that do not fit into memory, against the same data in memory.

Writes noise images (3x64x64, uint8) with labels that can be learnt to an `.npy` file, then loads
and trains on them in a process of its own for each variant:

- `in memory`: the arrays are read, and everything after that is as usual;
- `mapped`: `load(..., memory=LIMIT)` maps the file; the cut into training and validation data,
  and everything else that would be larger than LIMIT, goes to files.

Reported are the seconds to load, the seconds of each epoch, by how much the process's own memory
(anonymous pages, which the system cannot take back) grew at most, and the largest resident memory
in all: mapped pages count there as long as nobody else needs the memory. Fingerprint and
validation accuracy must agree.

    python benchmarks/streaming.py [--gigabytes 2] [--limit "256 MB"] [--epochs 2]
        [--folder FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SHAPE = (3, 64, 64)
VARIANTS = ("in memory", "mapped")


def write(folder: Path, gigabytes: float) -> int:
    """Write inputs and targets; a class is a brighter or a darker left half."""
    count = int(gigabytes * 1e9 / np.prod(SHAPE))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    images = np.lib.format.open_memmap(folder / "X.npy", "w+", np.uint8, (count, *SHAPE))
    for start in range(0, count, 1000):
        part = labels[start : start + 1000]
        noise = rng.integers(0, 200, (len(part), *SHAPE), dtype=np.uint8)
        noise[:, :, :, :32] += (part * 40).astype(np.uint8)[:, None, None, None]
        images[start : start + 1000] = noise
    images.flush()
    np.save(folder / "y.npy", labels)
    return count


def model() -> nn.Sequential:
    """A small network, so that reading the data counts."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 2)),
    )


class Memory:
    """The largest memory of this process so far, looked at every 5 ms."""

    def __init__(self) -> None:
        self.own = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.own = max(self.own, status("RssAnon"))


def status(name: str) -> int:
    """Give a field of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def run(variant: str, folder: Path, limit: str, epochs: int) -> dict[str, Any]:
    """Load and train in this process."""
    from archloom.task import from_arrays, load
    from archloom.train import Recipe, fit

    base = status("RssAnon")
    seconds: list[float] = []
    with Memory() as memory:
        start = time.perf_counter()
        if variant == "mapped":
            task = load(folder, memory=limit, cache=folder / "cache", layout="NCHW")
        else:
            X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
            task = from_arrays(X, y, layout="NCHW", memory="1 TB")
            del X
        loaded = time.perf_counter() - start
        fingerprint = task.fingerprint
        start = time.perf_counter()

        def report(epoch: int, metrics: Any) -> None:
            nonlocal start
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()

        torch.manual_seed(0)
        recipe = Recipe(epochs=epochs, batch_size=256, augment=False)
        fitted = fit(model(), task, recipe, seed=0, report=report)
    return {
        "load": loaded,
        "epochs": seconds,
        "own": memory.own - base,
        "resident": status("VmHWM"),
        "fingerprint": fingerprint,
        "accuracy": fitted.metrics["accuracy"],
    }


def main() -> None:
    """Write the data, run each variant in its own process, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--limit", default="256 MB")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--variant", choices=VARIANTS, default=None)
    asked = parser.parse_args()
    if asked.variant is not None:
        print(json.dumps(run(asked.variant, asked.folder, asked.limit, asked.epochs)))
        return
    folder = Path(tempfile.mkdtemp(prefix="streaming-", dir=asked.folder))
    try:
        count = write(folder, asked.gigabytes)
        print(f"{count:,} images, {asked.gigabytes:g} GB, limit {asked.limit}")
        results = {name: measured(name, folder, asked) for name in VARIANTS}
    finally:
        shutil.rmtree(folder)
    for name, one in results.items():
        epochs = ", ".join(f"{second:.1f}" for second in one["epochs"])
        print(
            f"{name:10} load {one['load']:6.1f} s  epochs {epochs} s  own memory +"
            f"{one['own'] / 1e6:7.0f} MB  resident {one['resident'] / 1e6:7.0f} MB  accuracy "
            f"{one['accuracy']:.4f}"
        )
    prints = {one["fingerprint"] for one in results.values()}
    print("the same data" if len(prints) == 1 else "THE DATA DIFFER")
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))


def measured(name: str, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Run one variant in a process of its own."""
    command = [sys.executable, __file__, "--variant", name, "--folder", str(folder)]
    command += ["--limit", asked.limit, "--epochs", str(asked.epochs)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
