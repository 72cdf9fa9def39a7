"""The whole way on Fashion-MNIST: 6 trials of 3 epochs, the best retrained, one look at the test.

    python benchmarks/fashion_mnist.py [--out runs/fashion]

Runs `archloom search --data fashion-mnist --trials 6 --epochs 3` with all other settings at their
defaults, and prints the test accuracy and the wall time. The reference is a published course
project, which did the same with NNI: 91.34 % after 11,940 s.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from archloom import Study

REFERENCE_ACCURACY, REFERENCE_SECONDS = 0.9134, 11_940


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/fashion"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    flags = f"--data fashion-mnist --trials 6 --epochs 3 --seed {options.seed} --overwrite"
    command = [sys.executable, "-m", "archloom", "search", *flags.split()]
    began = time.perf_counter()
    subprocess.run([*command, "--out", str(options.out)], check=True)
    seconds = time.perf_counter() - began
    study = Study.open(options.out)
    best = (study.note("best") or {})["trial"]
    tested = {note.data["trial"]: note.data["metrics"] for note in study.notes("test")}
    accuracy = tested[best]["accuracy"]
    print(f"validation accuracy of the winner: {study[best].metrics['accuracy']:.4f}")
    print(f"test accuracy of the winner: {accuracy:.4f} (reference {REFERENCE_ACCURACY:.4f})")
    ratio = REFERENCE_SECONDS / seconds
    print(f"wall time: {seconds:.0f} s (reference {REFERENCE_SECONDS} s, ratio {ratio:.1f})")


if __name__ == "__main__":
    main()
