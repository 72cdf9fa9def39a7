"""Whether a door ends in time: from 100 to 100,000 images, with the same few minutes.

    python benchmarks/deadline.py [--minutes 0.5] [--sizes 100 1000 10000 100000]

The images are noise of 28x28 pixels with a bright half that tells the class, so that a model which
learnt nothing shows. Prints the wall time as a ratio to the minutes asked for (limit 1.1), the
memory that `fit` added at its peak over what the images take, and the accuracy on new images.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from archloom import ImageClassifier


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 200, (count, 28, 28), dtype=np.uint8)
    y = rng.integers(0, 2, count)
    X[y == 1, :14] += 20
    return X, y


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    options = parser.parse_args()
    Xt, yt = images(1_000, seed=1)
    for size in sorted(options.sizes):
        X, y = images(size, seed=0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        door = ImageClassifier(options.minutes, progress=False).fit(X, y)
        seconds = time.perf_counter() - began
        added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(
            f"{size} images: {seconds:.1f} s, {seconds / (60 * options.minutes):.2f} of the time, "
            f"peak +{added / 1024:.0f} MB over {X.nbytes / 2**20:.0f} MB of images, accuracy "
            f"{door.score(Xt, yt):.3f}, {len(door.study_.trials())} trials; "
            f"{' '.join(door.notices_) or 'no notices'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
