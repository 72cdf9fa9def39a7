"""Worker processes: they die alone, know their place, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from archloom import Study
from archloom.errors import ConfigError, RunError
from archloom.estimators import Candidate
from archloom.executors import Bench, Job, Processes, device_of
from archloom.testing import tiny_space, tiny_task
from archloom.testing._executor import Book
from archloom.trial import State


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tiny_space, tiny_task().without_test(), tmp_path, torch.device("cpu"))


def job(bench: Bench, number: int, at_once: int = 2) -> Job:
    architecture = tiny_space.space.default()
    return Job(number, architecture, number, bench.folder / str(number), at_once=at_once)


def test_a_worker_that_dies_fails_its_own_trial_only(bench: Bench) -> None:
    def estimate(candidate: Candidate) -> dict[str, float]:
        if candidate.seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if candidate.seed == 2:
            os._exit(3)
        return {"pid": os.getpid(), "threads": torch.get_num_threads()}

    with contextlib.closing(Processes(bench, workers=1)) as executor:
        outcomes = []
        for number in range(4):
            executor.start(job(bench, number, at_once=1), estimate)
            outcomes.append(executor.wait(Book()))
        with pytest.raises(RunError, match="no job to wait for"):
            executor.wait(Book())
    first, killed, left, last = outcomes
    assert [o.state for o in outcomes] == [State.DONE, State.FAILED, State.FAILED, State.DONE]
    text = "WorkerDied: The worker process of trial 1 was ended by SIGKILL. Most often memory"
    assert (killed.error or "").startswith(text)
    assert "trial 2 ended by itself with exit code 3" in (left.error or "")
    assert first.metrics["pid"] != last.metrics["pid"]
    assert first.metrics["threads"] == torch.get_num_threads()
    assert not list(bench.folder.glob(".*"))
    for outcome in (first, last):
        with pytest.raises(ProcessLookupError):
            os.kill(int(outcome.metrics["pid"]), 0)


def test_a_worker_killed_while_idle_is_replaced(bench: Bench) -> None:
    def estimate(candidate: Candidate) -> dict[str, float]:
        return {"pid": os.getpid()}

    with contextlib.closing(Processes(bench, workers=1)) as executor:
        executor.start(job(bench, 0), estimate)
        pid = int(executor.wait(Book()).metrics["pid"])
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([handle], [], [], 60)[0]
        os.close(handle)
        executor.start(job(bench, 1), estimate)
        assert executor.wait(Book()).state is State.DONE
        executor.start(job(bench, 2), estimate)
        with pytest.raises(RunError, match="All 1 workers are at work"):
            executor.start(job(bench, 3), estimate)


def test_what_cannot_be_sent_is_refused_before_anything_starts(bench: Bench) -> None:
    stream = (n for n in range(3))
    with pytest.raises(ConfigError, match="The estimator must be sent"):
        Processes(bench, workers=2).check(lambda candidate: {"accuracy": next(stream)})


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [
        ("cpu", 4, ["cpu", "cpu", "cpu"]),
        ("cuda", 1, ["cuda", "cuda", "cuda"]),
        ("cuda", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda:1", 2, ["cuda:1", "cuda:1", "cuda:1"]),
        ("mps", 1, ["mps", "mps", "mps"]),
    ],
)
def test_gpus_are_dealt_out_in_turn(device: str, gpus: int, expected: list[str]) -> None:
    found = [str(device_of(torch.device(device), worker, gpus)) for worker in range(3)]
    assert found == expected


SCRIPT = """
import os, sys, threading
from pathlib import Path
from torch import nn
from archloom import BlackBox, Experiment, Grid, model_space
from archloom.testing import tiny_task

folder, hang = Path(sys.argv[1]), sys.argv[2] == "hang"
print("top of the script", flush=True)

@model_space
def net(pick, features=16):
    width = pick.value("width", [2, 4, 8])
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.Linear(width, 2))

def judge(candidate):
    candidate.report(1, {"accuracy": 0.25})
    if hang:
        (folder / f"{os.getpid()}.pid").touch()
        print("hangs", flush=True)
        threading.Event().wait()
    return {"accuracy": candidate.architecture["width"] / 10}

stages = [BlackBox(Grid(), judge, trials=3)]
study = Experiment(net, tiny_task(), stages, folder / "run", workers=2, progress=False).run()
print("best", study.best().architecture["width"])
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "unguarded.py"
    path.write_text(SCRIPT)
    return path


@contextlib.contextmanager
def hanging(script: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Run the script until both of its workers hang; give it and handles of the workers."""
    for stale in script.parent.glob("*.pid"):
        stale.unlink()
    command = [sys.executable, str(script), str(script.parent), "hang"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            assert p.stdout is not None
            lines = [p.stdout.readline().strip() for _ in range(3)]
            assert lines == ["top of the script", "hangs", "hangs"]
            pids = [int(path.stem) for path in script.parent.glob("*.pid")]
            yield p, [os.pidfd_open(pid) for pid in pids]
        finally:
            p.kill()


def gone(handles: list[int]) -> bool:
    """Whether these processes end."""
    ended = [select.select([handle], [], [], 60)[0] for handle in handles]
    for handle in handles:
        os.close(handle)
    return all(ended)


@pytest.mark.slow
def test_a_script_needs_no_guard_and_no_end_of_it_leaves_workers_behind(script: Path) -> None:
    with hanging(script) as (process, workers):
        process.kill()  # no clean-up can run
        assert gone(workers)
    run = script.parent / "run"
    assert [t.state for t in Study.open(run).trials()] == [State.RUNNING] * 2
    with hanging(script) as (process, workers):
        process.send_signal(signal.SIGINT)
        assert gone(workers)
        said = process.communicate()[1]
    assert "KeyboardInterrupt" in said
    assert "archloom resume" in said
    assert "leaked" not in said
    assert [t.state for t in Study.open(run).trials()] == [State.RUNNING] * 2
    command = [sys.executable, str(script), str(script.parent), "go"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["top of the script", "best 8"]
    assert done.stderr == ""
    assert sorted(path.name for path in run.iterdir()) == ["journal.sqlite", "lock", "owner"]
