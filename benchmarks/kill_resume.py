"""Kill a search with SIGKILL at random moments, resume each time, compare with an undisturbed run.

    python benchmarks/kill_resume.py --kills 50 --most 9

Each life of the process ends after a random time, from before the first import is done to deep in
a training epoch. When a run ends before all kills are used up, the next one begins. Every finished
run must hold the very study (architectures, seeds, metrics, learning curves, test results) of the
run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from archloom import Study
from archloom.errors import RunError
from archloom.testing import facts

ARCHLOOM = [sys.executable, "-m", "archloom"]


def search_command(folder: Path, trials: int, epochs: int) -> list[str]:
    # The faster memory layout is measured once a run and recorded. Two runs may measure differently
    # on a busy machine, which changes the last bits; these runs are to be compared, so it is set.
    flags = f"--data digits --trials {trials} --epochs {epochs} --seed 3 --quiet"
    flags += " --set train.channels_last=true"
    return [*ARCHLOOM, "search", *flags.split(), "--out", str(folder)]


def finish(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(command: list[str], seconds: float) -> bool:
    """Run the command for so long, then kill it; False when it ended by itself before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    if code != 0:
        raise SystemExit(f"the search failed by itself (exit {code}): {' '.join(command)}")
    return False


def disturbed(folder: Path, start: list[str], kills: int, rng: random.Random, most: float) -> int:
    """Run to the end with up to `kills` kills on the way; give how many there were."""
    done, command = 0, start
    while done < kills:
        if not killed(command, rng.uniform(0.5, most)):
            return done
        done += 1
        # Killed before the journal was begun: there is nothing to resume, so it starts again.
        begun = has_begun(folder)
        command = [*ARCHLOOM, "resume", str(folder), "--quiet"] if begun else start
    finish(command)
    return done


def has_begun(folder: Path) -> bool:
    try:
        return bool(Study.open(folder).header)
    except RunError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=float, default=12.0, help="longest life in seconds")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        began = time.perf_counter()
        finish(search_command(whole, options.trials, options.epochs))
        print(f"undisturbed run: {time.perf_counter() - began:.0f} s", flush=True)
        expected = facts(Study.open(whole))
        kills = runs = 0
        while kills < options.kills:
            folder = Path(place) / f"run{runs}"
            start = search_command(folder, options.trials, options.epochs)
            kills += disturbed(folder, start, options.kills - kills, rng, options.most)
            runs += 1
            same = facts(Study.open(folder)) == expected
            print(f"run {runs}: {kills} kills so far, equal study: {same}", flush=True)
            if not same:
                raise SystemExit("the disturbed run differs from the undisturbed one")
    trials = len([fact for fact in expected if "number" in fact])
    print(f"{kills} kills in {runs} runs of {trials} trials: all equal to the undisturbed run")


if __name__ == "__main__":
    main()
