"""Does a supernet rank? Inherited scores on NAS-Bench-201 against the published 200-epoch accuracy.

    python benchmarks/supernet_ranking.py                                  # 2 cores, 45 minutes
    python benchmarks/supernet_ranking.py --device cuda --width 16 --cells 5 --batch-size 128

Trains one supernet by a sampling method on a subset of CIFAR-10, of the benchmark's network in
reduced width and depth unless told otherwise. It then scores random architectures of the published
table with the weights that they inherit, batch statistics measured anew, and prints the rank
correlation of the scores with the published accuracy after 200 epochs, beside what others give for
the same architectures: two published supernets of full width, parameters, FLOPs, the published
accuracy after 12 epochs. Started again with the same folder it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archloom import Experiment, OneShot
from archloom.nn.cells import from_nasbench201
from archloom.oneshot import Scorer, find_supernet, load_supernet, rank_correlation
from archloom.plugins import find
from archloom.task import from_npz
from archloom.train import placed
from archloom.zoo import nasbench201

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PUBLISHED = {
    "supernet of the few-shot paper, one-shot": "oneshot_supernet_cifar10",
    "supernets of the few-shot paper, few-shot": "fewshot_supernet_cifar10",
    "parameters": "params_m_cifar10",
    "FLOPs": "flops_m_cifar10",
    "accuracy after 12 epochs": "cifar10_valid_valid_12",
}
TRUTH = "cifar10_test_200"

Scores = dict[int, Mapping[str, float]]


def main() -> None:
    options = _options()
    with np.load(options.table) as file:
        table = {name: file[name] for name in ("arch_str", TRUTH, *PUBLISHED.values())}
    rng = np.random.default_rng(options.seed)
    rows = rng.choice(len(table["arch_str"]), options.architectures, replace=False).tolist()
    task = from_npz(options.data, valid=0.2, seed=options.seed, augment_ops=("shift", "flip"))
    space = nasbench201(width=options.width, cells=options.cells).with_hints(task.hints)
    stage = OneShot(
        find("methods", options.method)(),
        epochs=options.epochs,
        batch_size=options.batch_size,
        lr=options.lr,
        augment=("shift", "flip"),
        monitor=None,
    )
    experiment = Experiment(
        space, task, [stage], options.out, seed=options.seed, device=options.device
    )
    print(f"{options.method}: {space}, {len(task.train)} training images, {experiment.device}")
    began = time.perf_counter()
    experiment.run()
    print(f"supernet trained: {time.perf_counter() - began:.0f} s in this process", flush=True)
    scores: Scores = {}
    for row, metrics in _scored(experiment, rows, table["arch_str"]):
        scores[row] = metrics
        if len(scores) % 50 == 0 or len(scores) == len(rows):
            found = rank_correlation(
                [scores[r]["accuracy"] for r in scores], table[TRUTH][list(scores)].tolist()
            )
            print(f"{len(scores):5d} scored: Spearman {found.spearman:.3f}", flush=True)
    _report(scores, table, options.seed)


def _scored(
    experiment: Experiment, rows: Sequence[int], texts: NDArray[np.str_]
) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Give the inherited scores by row; those of an earlier process come from its file."""
    folder = Path(experiment.folder)
    file = folder / "scores.jsonl"
    known = dict(map(json.loads, file.read_text().splitlines())) if file.exists() else {}
    device = experiment.device
    stored = load_supernet(find_supernet(folder, "supernet"), experiment.space, device)
    task = placed(experiment.task, device)
    scorer = Scorer(task, device=device, layout=stored.layout)
    with file.open("a") as lines:
        for row in rows:
            if row not in known:
                point = from_nasbench201(str(texts[row]))
                known[row] = scorer.child(stored.supernet, point)
                lines.write(json.dumps([row, known[row]]) + "\n")
                lines.flush()
            yield row, known[row]


def _report(scores: Scores, table: Mapping[str, NDArray[np.float64]], seed: int) -> None:
    rows = list(scores)
    truth = table[TRUTH][rows]
    columns = {
        "inherited accuracy": np.array([scores[row]["accuracy"] for row in rows]),
        "inherited loss, negative": np.array([-scores[row]["loss"] for row in rows]),
        **{name: table[column][rows] for name, column in PUBLISHED.items()},
    }
    better = truth >= np.median(truth)
    draws = np.random.default_rng(seed).integers(len(rows), size=(1000, len(rows)))
    print(f"\n| score of {len(rows)} architectures | Spearman | 95 % | Kendall | better half |")
    print("|---|---|---|---|---|")
    for name, column in columns.items():
        found = rank_correlation(column.tolist(), truth.tolist())
        upper = rank_correlation(column[better].tolist(), truth[better].tolist())
        low, high = np.quantile([_spearman(column[draw], truth[draw]) for draw in draws], _ENDS)
        print(
            f"| {name} | {found.spearman:.3f} | {low:.3f} to {high:.3f} | {found.kendall:.3f} | "
            f"{upper.spearman:.3f} |"
        )
    best = rows[int(np.argmax(columns["inherited accuracy"]))]
    print(
        f"\nAfter 200 epochs the one with the highest inherited accuracy has "
        f"{table[TRUTH][best]:.2f} %, the best of all {truth.max():.2f} %, the median one "
        f"{np.median(truth):.2f} %."
    )


_ENDS = (0.025, 0.975)


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Without the p-value of `rank_correlation`, which a thousand draws have no use for."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/supernet-ranking"))
    parser.add_argument("--method", default="spos", help="spos, fairnas")
    parser.add_argument("--width", type=int, default=8, help="16 in the benchmark")
    parser.add_argument("--cells", type=int, default=2, help="a stage; 5 in the benchmark")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=None, help="the method's own by default")
    parser.add_argument("--architectures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA / "cifar10_subset.npz")
    parser.add_argument("--table", type=Path, default=DATA / "nas_bench_201_cifar10.npz")
    return parser.parse_args()


if __name__ == "__main__":
    main()
