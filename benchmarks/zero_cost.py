"""Zero-cost scores on NAS-Bench-201: beside published values, and against trained accuracy.

    python benchmarks/zero_cost.py --out scores                        # one core, an hour
    python benchmarks/zero_cost.py --out scores --minutes 2.5          # in pieces, the same command
    python benchmarks/zero_cost.py --out scores --report               # what there is, once more

Computes all scores of `archloom.zerocost` for the 725 architectures whose scores
NAS-Bench-Suite-Zero (arXiv 2210.03230) publishes, from a minibatch of CIFAR-10 images of that
work's size, and prints for each score: Spearman and Pearson correlation with the published score,
Spearman of it and of the published one with the test accuracy after 200 epochs, and seconds per 100
architectures.
`--seed` draws another minibatch and other initial weights: what the correlation of two seeds is
among themselves tells how much of a score is noise (`--against`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.nn.cells import from_nasbench201
from archloom.oneshot import rank_correlation
from archloom.plugins import BUILT_IN
from archloom.task import Task, from_npz
from archloom.zerocost import NO_SCORE, Probe, rate
from archloom.zoo import nasbench201

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TRUTH = "cifar10_test_200"
PUBLISHED = {"jacob_cov": "jacov", "naswot": "nwot"}  # under another name than ours
SCORES = tuple(BUILT_IN["scores"])
TIMED = 20  # architectures on which each score is timed alone

Rows = dict[int, Mapping[str, float]]


def main() -> None:
    options = _options()
    with np.load(options.table) as file:
        table = {name: file[name] for name in file.files}
    task = from_npz(options.images, valid=0.2, seed=options.seed)
    rows = [int(row) for row in table["zc_arch_index"]][: options.architectures]
    path = options.out / f"batch{options.batch}-seed{options.seed}.jsonl"
    if not options.report:
        options.out.mkdir(parents=True, exist_ok=True)
        score_all(path, rows, table["arch_str"], task, options)
    found = read(path)
    report(found, table, None if options.against is None else read(options.against))


def score_all(path: Path, rows: Sequence[int], texts: Any, task: Task, options: Any) -> None:
    """Score what is not in the file yet, a line an architecture, until the minutes are over."""
    done = read(path)
    space = nasbench201.with_hints(task.hints)
    until = time.monotonic() + 60 * options.minutes
    with path.open("a") as file:
        for number, row in enumerate(rows):
            if row in done or time.monotonic() > until:
                continue
            found: dict[str, float] = {}
            began = time.perf_counter()
            probe = _probe(space, texts[row], task, options)
            found |= {"seconds build": time.perf_counter() - began}
            for name in SCORES:
                if number < TIMED:
                    probe = _probe(space, texts[row], task, options)
                began = time.perf_counter()
                found |= rate(probe, [name])
                if number < TIMED:
                    found |= {f"seconds {name}": time.perf_counter() - began}
            file.write(json.dumps({"row": row, **found}) + "\n")
            file.flush()


def _probe(space: Any, text: str, task: Task, options: Any) -> Probe:
    architecture = from_nasbench201(str(text))
    return Probe.of(space, architecture, task, batch=options.batch, seed=options.seed)


def read(path: Path) -> Rows:
    """Give the scores of a file by row of the table; lines that were cut off are left out."""
    found: Rows = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.endswith("}"):
            data = json.loads(line)
            found[data.pop("row")] = data
    return found


def report(found: Rows, table: Mapping[str, Any], other: Rows | None) -> None:
    """Print the table."""
    columns = [str(name) for name in table["zc_proxy"]]
    place = {int(row): number for number, row in enumerate(table["zc_arch_index"])}
    rows = sorted(found)
    truth = [float(table[TRUTH][row]) for row in rows]
    print(f"{len(rows)} architectures of {len(place)}\n")
    print("| score | with published | Pearson | seeds | accuracy, ours | published | s per 100 |")
    print("|---|---|---|---|---|---|---|")
    for name in SCORES:
        ours = [found[row][name] for row in rows]
        column = PUBLISHED.get(name, name)
        theirs: list[float] | None = None
        if name == "zen":
            theirs = [float(table["zen_cifar10"][row]) for row in rows]
        elif column in columns:
            at = columns.index(column)
            theirs = [float(table["zc_cifar10"][place[row], at]) for row in rows]
        cells = [
            name,
            "" if theirs is None else _rho(ours, theirs),
            "" if theirs is None else _pearson(ours, theirs),
            "" if other is None else _rho(*_both(found, other, name)),
            _rho(ours, truth),
            "" if theirs is None else _rho(theirs, truth),
            _seconds(found, name),
        ]
        print("| " + " | ".join(cells) + " |")
    build = [float(row["seconds build"]) for row in found.values()]
    print(f"\nto build a model and draw the minibatch: {100 * float(np.mean(build)):.1f} s per 100")


def _rho(first: Sequence[float], second: Sequence[float]) -> str:
    """Give Spearman's correlation; what is not defined counts as worst."""
    a, b = (np.nan_to_num(np.maximum(x, NO_SCORE), nan=NO_SCORE) for x in (first, second))
    return f"{rank_correlation(a.tolist(), b.tolist()).spearman:.3f}"


def _pearson(first: Sequence[float], second: Sequence[float]) -> str:
    """Give Pearson's correlation of the pairs that are defined: ties and near ties do no harm."""
    a, b = np.array(first, dtype=np.float64), np.array(second, dtype=np.float64)
    there = np.isfinite(a) & np.isfinite(b) & (a > NO_SCORE) & (b > NO_SCORE)
    return f"{np.corrcoef(a[there], b[there])[0, 1]:.3f}"


def _both(found: Rows, other: Rows, name: str) -> tuple[list[float], list[float]]:
    rows = sorted(found.keys() & other.keys())
    return [found[row][name] for row in rows], [other[row][name] for row in rows]


def _seconds(found: Rows, name: str) -> str:
    timed = [row[f"seconds {name}"] for row in found.values() if f"seconds {name}" in row]
    return f"{100 * float(np.mean(timed)):.1f}" if timed else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=DATA / "nas_bench_201_cifar10.npz")
    parser.add_argument("--images", type=Path, default=DATA / "cifar10_subset.npz")
    parser.add_argument("--batch", type=int, default=32, help="the published scores took 32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--architectures", type=int, default=None, help="[default: all]")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=Path("zero-cost-scores"))
    parser.add_argument("--report", action="store_true", help="only print")
    parser.add_argument("--against", type=Path, help="a file of another seed, to compare")
    return parser.parse_args()


if __name__ == "__main__":
    main()
