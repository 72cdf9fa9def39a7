"""The training loop against the usual hand-written one: time, memory and losses.

The course-project CNN (two 3x3 convolutions of 32 channels with 2x2 max pooling, 128 hidden
units, batch 64) on Fashion-MNIST, or on noise of the same shape where that is not installed.
Every variant runs in a process of its own, in turns, from the same weights over the same batches.

Losses are compared with those of the usual loop, as the largest relative difference:

- with Adam in float32 over 15 and over 50 steps. Training with Adam enlarges rounding errors from
  step to step, whatever the loop: the control, the usual loop with another number of threads,
  shows by how much;
- with SGD (learning rate 0.01) in float32, where they stay small;
- with Adam in float64, where only a real difference between the loops would show.

    python benchmarks/training_loop.py [--steps 150] [--rounds 3] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SEED, BATCH, LR, SGD_LR = 0, 64, 1e-3, 1e-2
WARM_UP, COMPARED, EARLY = 20, 50, 15
CHECKS = ("sgd", "float64")

# variant -> what of the fast path it uses; None: everything, chosen as `fit` does
VARIANTS: dict[str, set[str] | None] = {
    "usual loop, sliced tensors": set(),
    "usual loop, DataLoader": set(),
    "usual loop, other threads (control)": set(),
    "archloom": None,
    "archloom, nothing of the fast path": set(),
    "only channels_last": {"channels_last"},
    "only malloc": {"malloc"},
    "only rewrites": {"rewrites"},
    "channels_last + malloc": {"channels_last", "malloc"},
}
CONTROL = "usual loop, other threads (control)"
REFERENCE = "usual loop, sliced tensors"


class ToDouble(nn.Module):
    """The first layer of the model in float64, for inputs in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the same values in float64."""
        return inputs.double()


def course_cnn() -> nn.Sequential:
    """The model, as a user would write it."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def usual_sliced(data: dict[str, Any], model: nn.Module, sgd: bool) -> Iterator[Tensor]:
    """Tensors in memory, cut by index, normalised by the batch."""
    optimizer = _usual_optimizer(model, sgd)
    for start in range(0, len(data["order"]), BATCH):
        index = data["order"][start : start + BATCH]
        inputs = (data["images"][index].float() - data["mean"]) / data["std"]
        yield _usual_step(model, optimizer, inputs, data["labels"][index])


def usual_loader(data: dict[str, Any], model: nn.Module, sgd: bool) -> Iterator[Tensor]:
    """A TensorDataset behind a DataLoader, all images normalised beforehand."""
    images = (data["images"].float() - data["mean"]) / data["std"]
    dataset = torch.utils.data.TensorDataset(images, data["labels"])
    loader = torch.utils.data.DataLoader(dataset, BATCH, sampler=data["order"].tolist())
    optimizer = _usual_optimizer(model, sgd)
    for inputs, targets in loader:
        yield _usual_step(model, optimizer, inputs, targets)


def _usual_optimizer(model: nn.Module, sgd: bool) -> torch.optim.Optimizer:
    if sgd:
        return torch.optim.SGD(model.parameters(), lr=SGD_LR)
    return torch.optim.Adam(model.parameters(), lr=LR)


def _usual_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor
) -> Tensor:
    optimizer.zero_grad()
    loss = functional.cross_entropy(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.detach()


def ours(
    data: dict[str, Any], model: nn.Module, sgd: bool, parts: set[str] | None
) -> Iterator[Tensor]:
    """The steps of `archloom.train.fit`, with all or some of the fast path."""
    from archloom.task import from_arrays
    from archloom.train import Recipe, Training, choose_layout, rewritten, tune_allocator

    few = (data["images"][:64], data["labels"][:64])
    task = from_arrays(
        data["images"], data["labels"], valid=few, layout="NCHW", classes=10, name="benchmark"
    )
    recipe = Recipe(epochs=1, optimizer="adam", lr=LR, schedule="constant", batch_size=BATCH)
    if sgd:
        recipe = replace(recipe, optimizer="sgd", lr=SGD_LR, momentum=0.0, weight_decay=0.0)
    if parts is None or "malloc" in parts:
        tune_allocator()
    if parts is None:
        layout = choose_layout(model, task, recipe)
    else:
        layout = "channels_last" if "channels_last" in parts else "contiguous"
    training = Training(model, task, recipe, seed=SEED, layout=layout)
    apply = parts is None or "rewrites" in parts
    with rewritten(model, training.example()) if apply else nullcontext():
        for loss, _ in training.steps(1):
            yield loss


def work(variant: str, folder: Path, steps: int, threads: int, check: str | None) -> None:
    """Run one variant and print times, losses and peak memory as JSON."""
    if variant == CONTROL:
        threads = 1 if threads > 1 else 2
    torch.set_num_threads(threads)
    data = torch.load(folder / "data.pt", weights_only=True)
    model: nn.Module = course_cnn()
    model.load_state_dict(data["weights"])
    if check == "float64":
        model = nn.Sequential(ToDouble(), model.double())
    sgd = check == "sgd"
    run: dict[str, Callable[[], Iterator[Tensor]]] = {
        REFERENCE: lambda: usual_sliced(data, model, sgd),
        CONTROL: lambda: usual_sliced(data, model, sgd),
        "usual loop, DataLoader": lambda: usual_loader(data, model, sgd),
    }
    losses = run.get(variant, lambda: ours(data, model, sgd, VARIANTS[variant]))()
    seconds, values = [], []
    for _ in range(steps):
        began = time.perf_counter()
        values.append(next(losses))
        seconds.append(time.perf_counter() - began)
    result = {
        "ms": statistics.median(seconds[WARM_UP:]) * 1e3,
        "losses": [float(value) for value in values[:COMPARED]],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


def prepare(folder: Path, steps: int) -> str:
    """Write images, order and first weights for all variants; say which data they are."""
    from archloom.errors import DataError
    from archloom.task import epoch_order, fashion_mnist, from_arrays

    try:
        task = fashion_mnist(seed=SEED)
    except DataError:
        generator = torch.Generator().manual_seed(SEED)
        noise = torch.randint(0, 256, (54_000, 28, 28), generator=generator, dtype=torch.uint8)
        labels = torch.arange(54_000) % 10
        task = from_arrays(noise, labels, valid=0.01, name="noise in the shape of Fashion-MNIST")
    torch.manual_seed(SEED)
    order = epoch_order(len(task.train), SEED, 1)
    if len(order) < steps * BATCH:
        raise SystemExit(f"At most {len(order) // BATCH} steps, got {steps}.")
    content = {
        "images": task.train.inputs,
        "labels": task.train.targets,
        "mean": task.normalisation.mean,
        "std": task.normalisation.std,
        "order": order,
        "weights": course_cnn().state_dict(),
    }
    torch.save(content, folder / "data.pt")
    return task.name


Runs = dict[str, list[dict[str, Any]]]


def measure(folder: Path, options: argparse.Namespace) -> tuple[Runs, dict[str, Runs]]:
    """Run all variants in turns, so that a busy moment of the machine meets each.

    Gives the timed runs, and for each check one run of every variant.
    """
    timed: Runs = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name in VARIANTS:
            timed[name].append(_worker(name, folder, options.steps, options.threads))
    checks = {
        check: {
            name: [_worker(name, folder, COMPARED, options.threads, "--check", check)]
            for name in VARIANTS
        }
        for check in CHECKS
    }
    return timed, checks


def _worker(name: str, folder: Path, steps: int, threads: int, *flags: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--worker", name, "--folder", str(folder), *flags]
    command += ["--steps", str(steps), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def summary(timed: Runs, checks: dict[str, Runs]) -> list[dict[str, Any]]:
    """Give a row for each variant, compared with the usual loop."""
    base_ms, base_mb = (_median(timed[REFERENCE], key) for key in ("ms", "peak_mb"))
    rows = []
    for name, runs in timed.items():
        ms, mb = _median(runs, "ms"), _median(runs, "peak_mb")
        rows.append(
            {
                "variant": name,
                "ms": round(ms, 2),
                "speed-up": round(base_ms / ms, 2),
                "peak MB": round(mb),
                "memory": round(mb / base_mb, 3),
                f"Adam, {EARLY} steps": _apart(runs, timed[REFERENCE], EARLY),
                f"Adam, {COMPARED} steps": _apart(runs, timed[REFERENCE], COMPARED),
                f"SGD, {COMPARED} steps": _apart_in(checks["sgd"], name),
                f"Adam in float64, {COMPARED} steps": _apart_in(checks["float64"], name),
            }
        )
    return rows


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _apart_in(check: Runs, name: str) -> str:
    return _apart(check[name], check[REFERENCE], COMPARED)


def _apart(runs: list[dict[str, Any]], usual: list[dict[str, Any]], steps: int) -> str:
    """The largest relative difference of the first losses."""
    pairs = [
        (mine, theirs)
        for run in runs
        for mine, theirs in zip(run["losses"][:steps], usual[0]["losses"][:steps], strict=True)
    ]
    return f"{max(abs(mine - theirs) / abs(theirs) for mine, theirs in pairs):.1e}"


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150, help="steps of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each variant")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--check", choices=CHECKS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.folder, options.steps, options.threads, options.check)
        return
    with tempfile.TemporaryDirectory() as folder:
        name = prepare(Path(folder), options.steps)
        rows = summary(*measure(Path(folder), options))
    print(
        f"{name}, batch {BATCH}, {options.threads} threads of {os.cpu_count()} CPUs, torch "
        f"{torch.__version__}: median ms a step of {options.rounds} runs of {options.steps} "
        f"steps; largest relative difference of the losses\n"
    )
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    if options.json:
        options.json.write_text(json.dumps({"data": name, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
