"""How much sooner a search ends with several workers on the same cores.

    python benchmarks/workers.py --trials 12 --workers 2

The same search of digits, with the same seed: once in one process with all cores, once with
`--workers` processes that share them. Each run is a process of its own and the two take turns. The
times are wall times of the whole run, starting the workers included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from archloom import BlackBox, Experiment, Random, Train
from archloom.task import digits
from archloom.zoo import small_cnn


def work(workers: int, trials: int, epochs: int) -> None:
    """Search once and print how long it took, as JSON."""
    estimator = Train(epochs=epochs, channels_last=True)
    task = digits()
    with tempfile.TemporaryDirectory() as folder:
        search = BlackBox(Random(), estimator, trials=trials)
        experiment = Experiment(small_cnn, task, [search], folder, workers=workers, progress=False)
        experiment.check()
        began = time.perf_counter()
        study = experiment.run()
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "trial_seconds": study.seconds, "trials": len(study)}))


def measured(workers: int, options: argparse.Namespace) -> dict[str, float]:
    """Run one search in a process of its own."""
    command = [sys.executable, __file__, "--worker", str(workers)]
    command += ["--trials", str(options.trials), "--epochs", str(options.epochs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.trials, options.epochs)
        return
    runs: dict[int, list[dict[str, float]]] = {1: [], options.workers: []}
    for _ in range(options.rounds):
        for workers, found in runs.items():
            found.append(measured(workers, options))
    medians = {
        workers: statistics.median(run["seconds"] for run in found)
        for workers, found in runs.items()
    }
    print(
        f"digits, small_cnn, {options.trials} trials of {options.epochs} epochs, "
        f"{torch.get_num_threads()} threads in all, torch {torch.__version__}: median of "
        f"{options.rounds} runs\n"
    )
    print("| workers | seconds | speed-up |\n|---|---|---|")
    for workers, seconds in medians.items():
        print(f"| {workers} | {seconds:.1f} | {medians[1] / seconds:.2f} |")
    if options.json:
        options.json.write_text(json.dumps(runs, indent=2) + "\n")


if __name__ == "__main__":
    main()
