"""A step of one-shot search: time, memory and numbers, in one run.

DARTS: the plain formulation (`darts_reference.py`: a module for each operation, the default
memory layout) against archloom's training loop on the fused supernet, first order and second
order (the paper's finite difference, and the exact Hessian-vector product). A step moves the
architecture and then the weights. Each variant runs in a process of its own, in turns; the
supernet without fusing is measured, too.

Paths: a weight step of SPOS and a step of GDAS against training the same sampled network alone,
as a stand-alone model, in turns in one process.

Numbers: outputs and gradients of both formulations from the same weights on the same batch.

    python benchmarks/darts_step.py [--cells 8] [--width 16] [--batch 16] [--size 32] [--channels 3]
        [--steps 5] [--rounds 3] [--threads 2] [--device cpu] [--skip paths,second] [--json FILE]

The issue's second setting: --cells 3 --width 8 --size 28 --channels 1.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from darts_reference import OPERATIONS, Network, Search

SEED, CLASSES, WARM_UP = 0, 10, 2
PATHS, REPEATS = 8, 4
PARTS = ("outputs", "gradients of alphas", "gradients of weights")

# variant -> order, kind of second order, whether the supernet is fused
VARIANTS: dict[str, tuple[int, str, bool] | None] = {
    "reference, first order": None,
    "not fused, first order": (1, "finite", False),
    "archloom, first order": (1, "finite", True),
    "reference, second order": None,
    "archloom, second order, finite difference": (2, "finite", True),
    "archloom, second order, exact": (2, "exact", True),
}


def data(options: argparse.Namespace, samples: int) -> tuple[Tensor, Tensor]:
    """Noise, and labels in turn."""
    generator = torch.Generator().manual_seed(SEED)
    shape = (samples, options.channels, options.size, options.size)
    return torch.randn(shape, generator=generator), torch.arange(samples) % CLASSES


def network(options: argparse.Namespace) -> Network:
    """The plain formulation, from the same weights every time."""
    torch.manual_seed(SEED)
    model = Network(options.cells, options.width, options.channels, CLASSES)
    return model.to(options.device)


def space(options: argparse.Namespace) -> Any:
    """The same networks as a model space."""
    from archloom.zoo import darts

    return darts(
        shape=(options.channels, options.size, options.size),
        classes=CLASSES,
        width=options.width,
        cells=options.cells,
        operations=OPERATIONS,
        stem="cifar",
    )


def reference_steps(options: argparse.Namespace, order: int) -> Iterator[None]:
    """Steps of the plain formulation."""
    search = Search(network(options), nn.CrossEntropyLoss())
    images, labels = (part.to(options.device) for part in data(options, 2 * options.batch))
    train, valid = images.split(options.batch), labels.split(options.batch)
    while True:
        search.step((train[0], valid[0]), (train[1], valid[1]), order)
        yield


def loop(options: argparse.Namespace, gates: Any, steps: int, split: bool) -> Any:
    """The training loop of a one-shot search on noise, `steps` an epoch."""
    from archloom.oneshot import Bilevel, SupernetRecipe, halve, whole
    from archloom.task import from_arrays
    from archloom.train import tune_allocator

    tune_allocator()
    samples = options.batch * steps * (2 if split else 1)
    images, labels = data(options, samples)
    few = (images[: options.batch], labels[: options.batch])
    task = from_arrays(images, labels, valid=few, layout="NCHW", classes=CLASSES, name="noise")
    torch.manual_seed(SEED)
    supernet = space(options).supernet()
    gates.setup(supernet.space.space, SEED)
    recipe = SupernetRecipe(epochs=2, batch_size=options.batch, warmup=0.0, amp="off")
    last = options.device == "cpu" or options.channels_last
    return Bilevel(
        supernet,
        gates,
        task,
        recipe.filled(gates.traits),
        halve(task) if split else whole(task),
        seed=SEED,
        device=options.device,
        layout="channels_last" if last else "contiguous",
    )


def epoch_seconds(options: argparse.Namespace, training: Any) -> list[float]:
    """Seconds of each step of an epoch."""
    marks = [now(options)]
    training.epoch(1, watch=lambda *_: marks.append(now(options)))
    return [after - before for before, after in pairwise(marks)]


def darts_seconds(options: argparse.Namespace, variant: str) -> list[float]:
    """Seconds of each step, those that warm up included."""
    settings = VARIANTS[variant]
    steps = WARM_UP + options.steps
    if settings is None:
        run = reference_steps(options, 1 if "first" in variant else 2)
        return [_timed(options, lambda: next(run)) for _ in range(steps)]
    from archloom.oneshot import Darts, fused

    order, hessian, fuse = settings
    training = loop(options, Darts(order=order, hessian=hessian), steps, split=True)  # type: ignore[arg-type]
    with fused(training.supernet) if fuse else nullcontext():
        return epoch_seconds(options, training)


def now(options: argparse.Namespace) -> float:
    """The time when the device has done what it was told."""
    if options.device != "cpu":
        torch.cuda.synchronize(options.device)
    return time.perf_counter()


def _timed(options: argparse.Namespace, run: Callable[[], Any]) -> float:
    began = now(options)
    run()
    return now(options) - began


def peak(options: argparse.Namespace) -> float:
    """Largest memory in MB: of the process, or on the device."""
    if options.device != "cpu":
        return torch.cuda.max_memory_allocated(options.device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- numbers ---------------------------------------------------------------------------------


def pairs(plain: Network, supernet: Any) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Which module of the plain formulation is which of the supernet."""
    model = supernet.model
    yield plain.stem, model.get_submodule("stem")
    yield plain.classifier, model.get_submodule("head")
    for number, cell in enumerate(plain.cells):
        ours = model.get_submodule(f"cells.{number}")
        yield cell.preprocess0, ours.get_submodule("before0")
        yield cell.preprocess1, ours.get_submodule("before1")
        ends = [(node, source) for node in range(2, 6) for source in range(node)]
        for (node, source), edge in zip(ends, cell.edges, strict=True):
            mixed = ours.get_submodule(f"node{node}.{source}").option
            for name, own in zip(OPERATIONS, edge.operations, strict=True):
                yield own, mixed.option(name)


def numbers(options: argparse.Namespace) -> dict[str, float]:
    """The largest differences, relative to the largest number of the tensor.

    In float64 all formulations must agree. In float32 each has rounding errors, which ReLU and
    batch norm enlarge from cell to cell: how far is each from the float64 reference?
    """
    exact = sides(options, torch.float64)
    rough = sides(options, torch.float32)
    apart = {"float64, archloom from reference": (exact[-1], exact[0])}
    for name, side in zip(("reference", "not fused", "archloom"), rough, strict=True):
        apart[f"float32, {name} from float64"] = side, exact[0]
    return {
        f"{name}: {part}": _apart(a, b)
        for name, (found, expected) in apart.items()
        for part, a, b in zip(PARTS, found, expected, strict=True)
    }


def sides(options: argparse.Namespace, dtype: torch.dtype) -> list[list[Tensor]]:
    """Outputs, gradients of the alphas, and of the weights: reference, not fused, fused."""
    from archloom.oneshot import fused

    plain, supernet = network(options), space(options).supernet().to(options.device)
    twins = []
    for theirs, ours in pairs(plain, supernet):
        own = [p for p in ours.parameters() if p.dim() > 1 or theirs is plain.classifier]
        if theirs is plain.stem:
            own = list(ours.parameters())
        twins += list(zip(theirs.parameters(), own, strict=True))
    with torch.no_grad():
        for theirs, ours in twins:
            ours.copy_(theirs.view_as(ours))
    plain.to(dtype)
    supernet.to(dtype, memory_format=torch.channels_last)
    images, labels = (part.to(options.device) for part in data(options, options.batch))
    images = images.to(dtype)
    alphas = {kind: alpha.detach().clone().requires_grad_() for kind, alpha in plain.alphas.items()}
    ours_first = [*alphas.values(), *(ours for _, ours in twins)]
    theirs_first = [*plain.alphas.values(), *(theirs for theirs, _ in twins)]
    found = [_side(plain(images), labels, theirs_first)]
    for fuse in (nullcontext(), fused(supernet)):
        with fuse:
            out = supernet(images, gates=assignment(supernet, alphas))
            found.append(_side(out, labels, ours_first))
    return found


def _side(out: Tensor, labels: Tensor, wanted: Sequence[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(nn.functional.cross_entropy(out, labels), wanted)
    parts = [
        out.detach(),
        *(torch.cat([g.flatten() for g in part]) for part in (found[:2], found[2:])),
    ]
    return [part.double() for part in parts]


def assignment(supernet: Any, alphas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The softmax of the plain formulation's alphas, by label; all inputs are in."""
    rows = {kind: iter(alpha.softmax(-1)) for kind, alpha in alphas.items()}
    found = {}
    for node in range(2, 6):
        for kind in rows:
            if f"{kind}.node{node}" in supernet.space.space.labels:
                device = alphas[kind].device
                found[f"{kind}.node{node}"] = torch.ones(node, device=device)
                for source in range(node):
                    found[f"{kind}.node{node}.{source}.op"] = next(rows[kind])
    return found


def _apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


# -- paths -----------------------------------------------------------------------------------


def paths(options: argparse.Namespace) -> dict[str, float]:
    """Time of steps on sampled paths over that of the same networks alone."""
    import numpy as np

    from archloom.oneshot import Gdas, Uniform, fused

    ratios = {}
    for name, gates in (("SPOS", Uniform()), ("GDAS", Gdas())):
        training = loop(options, gates, 1, split=name == "GDAS")
        drawn = [gates.paths(np.random.default_rng([SEED, n]))[0] for n in range(PATHS)]
        weights, own = _Weights(options, training), []
        with fused(training.supernet):
            for path in drawn:
                alone = _Alone(options, training.supernet, path)
                runs: tuple[Callable[[], None], ...] = (partial(weights, path), alone)
                if name == "GDAS":
                    runs = (*runs, _Arch(training, len(own)))
                own.append(in_turns(options, runs))
        totals = [sum(column) for column in zip(*own, strict=True)]
        ratios[f"{name}, weight step / network alone"] = totals[0] / totals[1]
        if name == "GDAS":
            ratios["GDAS, architecture step / network alone"] = totals[2] / totals[1]
    return ratios


def in_turns(options: argparse.Namespace, runs: Sequence[Callable[[], None]]) -> list[float]:
    """The median seconds of each, measured in turns after one run to warm up."""
    rounds = [[_timed(options, run) for run in runs] for _ in range(1 + REPEATS)]
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


class _Weights:
    """A weight step of the training loop along a path."""

    def __init__(self, options: argparse.Namespace, training: Any) -> None:
        self._training = training
        self._batch = training.feed.batch(torch.arange(options.batch), None)

    def __call__(self, path: Any) -> None:
        from archloom.oneshot import weight_gradients

        training = self._training
        training.optimizer.zero_grad(set_to_none=True)
        weight_gradients(training.passes, self._batch, [path])
        nn.utils.clip_grad_norm_(training.weights, 5.0)
        training.optimizer.step()


class _Arch:
    """The gradient of an architecture step."""

    def __init__(self, training: Any, seed: int) -> None:
        from archloom.oneshot import ArchGradient

        self._gradient = ArchGradient(training.passes, training.gates)
        self._batch = training.feed.batch(torch.arange(training.recipe.batch_size), None)
        self._seed = seed

    def __call__(self) -> None:
        self._gradient.first_order(self._batch, self._seed)


class _Alone:
    """A step of the same network without a supernet around it."""

    def __init__(self, options: argparse.Namespace, supernet: Any, path: Any) -> None:
        self._model = network_of(supernet, path)
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), 0.025, 0.9, weight_decay=3e-4, fused=True
        )
        images, labels = data(options, options.batch)
        last = options.device == "cpu" or options.channels_last
        layout = torch.channels_last if last else torch.contiguous_format
        self._model.to(memory_format=layout)
        self._images = images.to(options.device, memory_format=layout)
        self._labels = labels.to(options.device)

    def __call__(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(self._model(self._images), self._labels).backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), 5.0)
        self._optimizer.step()


def network_of(supernet: Any, path: Any) -> nn.Module:
    """The network of a path as a stand-alone model; GDAS leaves all inputs of a node in."""
    from archloom.architecture import Architecture
    from archloom.nn._mixed import Mixed
    from archloom.nn._mixed_inputs import Edge

    if isinstance(path, Architecture):
        child: nn.Module = supernet.child(path)
        return child
    model = copy.deepcopy(supernet.model)
    for wanted in (Mixed, Edge):
        for name, module in [*model.named_modules()]:
            if isinstance(module, wanted):
                part = module.option(path[module.label]) if wanted is Mixed else module.option
                owner, _, own = name.rpartition(".")
                model.get_submodule(owner)._modules[own] = part
    for module in model.modules():
        module.__dict__.pop("forward", None)
    return model


# -- all of it -------------------------------------------------------------------------------


def worker(options: argparse.Namespace) -> None:
    """Do one part and print what it found as JSON."""
    torch.set_num_threads(options.threads)
    if options.worker == "numbers":
        print(json.dumps(numbers(options)))
    elif options.worker == "paths":
        print(json.dumps(paths(options)))
    else:
        seconds = darts_seconds(options, options.worker)[WARM_UP:]
        print(json.dumps({"seconds": statistics.median(seconds), "peak_mb": peak(options)}))


def call(part: str, flags: Sequence[str]) -> dict[str, float]:
    """Do one part in a process of its own."""
    command = [sys.executable, __file__, *flags, "--worker", part]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> list[dict[str, Any]]:
    """A row for each variant, compared with the reference of the same order."""
    rows = []
    for name, own in runs.items():
        seconds, memory = (statistics.median(r[k] for r in own) for k in ("seconds", "peak_mb"))
        order = "first order" if "first" in name else "second order"
        base = runs.get(f"reference, {order}", own)
        rows.append(
            {
                "step": name,
                "seconds": round(seconds, 3),
                "speed-up": round(statistics.median(r["seconds"] for r in base) / seconds, 2),
                "peak MB": round(memory),
                "memory": round(memory / statistics.median(r["peak_mb"] for r in base), 2),
            }
        )
    return rows


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("cells", 8), ("width", 16), ("batch", 16), ("size", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="steps of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each variant")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels-last", action="store_true", help="on a GPU, too")
    parser.add_argument("--skip", default="", help="of numbers, paths, and words of the variants")
    parser.add_argument("--json", type=Path, help="write the results here as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    skipped = [word for word in options.skip.split(",") if word]
    flags = sys.argv[1:]
    names = [name for name in VARIANTS if not any(word in name for word in skipped)]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            runs[name].append(call(name, flags))
    rows = table(runs)
    more = {part: call(part, flags) for part in ("numbers", "paths") if part not in skipped}
    report(options, rows, more)


def report(
    options: argparse.Namespace, rows: list[dict[str, Any]], more: dict[str, dict[str, float]]
) -> None:
    """Print what was found."""
    print(
        f"{options.cells} cells of {options.width} channels, batch {options.batch}, "
        f"{options.size}x{options.size}x{options.channels}, {options.device}, {options.threads} "
        f"threads of {os.cpu_count()} CPUs, torch {torch.__version__}: medians of "
        f"{options.rounds} runs of {options.steps} steps\n"
    )
    if rows:
        print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    for found in more.values():
        print()
        for name, value in found.items():
            print(f"- {name}: {value:.3g}")
    if options.json:
        result = {"rows": rows, **more}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
