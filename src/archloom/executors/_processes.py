"""Processes: several jobs at once, each in a process of its own."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from multiprocessing import connection as connections
from pathlib import Path
from typing import Any

import torch

from archloom import errors
from archloom.errors import ConfigError, RunError, Stopped, WorkerDied
from archloom.estimators import Estimator
from archloom.executors._executor import Bench, Desk, Job, Outcome
from archloom.executors._parcel import pack, require_portable
from archloom.executors._process import Process
from archloom.executors._worker import Order
from archloom.trial import State

_FOLDER = ".workers"


class Processes:
    """Evaluates jobs in `workers` processes, which stay from one job to the next.

    Space, data and estimators are written once into the run's folder and mapped by the workers;
    orders, reports and results go through a pipe to each. A worker that dies fails its own job
    only, and another takes its place. Workers end when this process does, in whatever way.

    No pool of `concurrent.futures` (loky's or the standard library's) is behind this: there one
    dead worker breaks the pool and takes the trials of all others along, without a word whose
    it was; reports would need a further process to carry them; and workers outlive a driver
    that was killed, to write into a run that is being resumed.
    """

    def __init__(self, bench: Bench, workers: int) -> None:
        self._bench, self._workers = bench, workers
        self._cores = torch.get_num_threads()
        self._folder = bench.folder / _FOLDER
        self._slots: list[Process | None] = [None] * workers
        self._running: dict[int, tuple[Job, float]] = {}
        self._parcels: dict[int, tuple[object, Path]] = {}  # with the object, to keep its id taken
        self._measuring: dict[str, int] = {}
        self._waiting: dict[str, list[int]] = defaultdict(list)

    @property
    def slots(self) -> int:
        """How many processes there are."""
        return self._workers

    def check(self, estimator: Estimator) -> None:
        """Raise `ConfigError` if space, data or estimator cannot be sent to a process."""
        require_portable(self._bench.space, "The space")
        require_portable(self._bench.task, "The data")
        require_portable(estimator, "The estimator")

    def start(self, job: Job, estimator: Estimator) -> None:
        """Give the job to an idle worker; a new one where there is none yet."""
        idle = [slot for slot in range(self._workers) if slot not in self._running]
        if not idle:
            raise RunError(f"All {self._workers} workers are at work: wait for one of them first.")
        slot = min(idle, key=lambda slot: self._slots[slot] is None)
        threads = max(1, self._cores // max(job.at_once, 1))
        if not self._parcels:
            shutil.rmtree(self._folder, ignore_errors=True)  # of a driver that was killed
        shared = (self._bench.space, self._bench.task)
        order = Order(
            job=job,
            bench=self._parcel(self._bench, shared, "The space or its data"),
            estimator=self._parcel(estimator, estimator, "The estimator"),
            folder=self._bench.folder,
            device=str(device_of(self._bench.device, slot, _gpus())),
            threads=threads,
        )
        worker = self._slots[slot]
        if worker is None or not worker.alive:
            self._dismiss(slot)
            worker = self._slots[slot] = Process(threads)
        self._running[slot] = (job, time.monotonic())
        worker.send(order)

    def wait(self, desk: Desk) -> Outcome:
        """Pass on what the workers say until one of them ends its job.

        Raises:
            RunError: when no job runs.
        """
        if not self._running:
            raise RunError("There is no job to wait for: start one first.")
        while True:
            pipes = {self._worker(slot).connection: slot for slot in self._running}
            for pipe in connections.wait(list(pipes)):
                slot = pipes[pipe]  # type: ignore[index]
                message = self._worker(slot).receive()
                outcome = self._serve(slot, message, desk) if message else self._bury(slot)
                if outcome is not None:
                    return outcome

    def close(self) -> None:
        """End all workers, at once where they are at work, and remove their files."""
        for slot in range(self._workers):
            self._dismiss(slot)
        self._running.clear()
        self._measuring.clear()
        self._waiting.clear()
        self._parcels.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self, slot: int, message: tuple[Any, ...], desk: Desk) -> Outcome | None:
        job, _ = self._running[slot]
        match message:
            case "report", step, metrics, seconds:
                self._take_report(slot, job, desk, (step, metrics, seconds))
            case "recall", key:
                self._recall(slot, key, desk)
            case "measured", key, value:
                self._worker(slot).send((True, desk.remember(key, lambda: value)))
                del self._measuring[key]
                for other in self._waiting.pop(key, []):
                    self._recall(other, key, desk)
            case "ended", state, metrics, seconds, error:
                self._free(slot)
                return Outcome(job.number, state, metrics, seconds, error)
            case "raised", name, text:
                self._free(slot)
                raise getattr(errors, name, ConfigError)(text)
        return None

    def _take_report(self, slot: int, job: Job, desk: Desk, report: tuple[Any, ...]) -> None:
        answer = "go on"
        try:
            desk.report(job.number, *report)
        except Stopped:
            if not job.stoppable:
                raise
            answer = "stop"
        if job.stoppable:
            self._worker(slot).send(answer)

    def _recall(self, slot: int, key: str, desk: Desk) -> None:
        """Answer with what is known; without that one worker measures, and the others wait."""
        try:
            self._worker(slot).send((True, desk.recall(key)))
        except KeyError:
            if self._measuring.setdefault(key, slot) == slot:
                self._worker(slot).send((False, None))
            else:
                self._waiting[key].append(slot)

    def _bury(self, slot: int) -> Outcome:
        """Put the death of a worker down to its job."""
        job, began = self._running[slot]
        how = self._worker(slot).kill()
        self._slots[slot] = None
        self._free(slot)
        error = WorkerDied(
            f"The worker process of trial {job.number} {how}. Most often memory ran out: try "
            f"smaller models or batches, or fewer workers."
        )
        seconds = job.seconds + time.monotonic() - began
        return Outcome(job.number, State.FAILED, {}, seconds, f"WorkerDied: {error}")

    def _free(self, slot: int) -> None:
        """Note that a worker is idle; what it did not come to measure, the next one will."""
        del self._running[slot]
        for key in [key for key, who in self._measuring.items() if who == slot]:
            del self._measuring[key]
            for place, other in enumerate(self._waiting.pop(key, [])):
                if place == 0:
                    self._measuring[key] = other
                    self._worker(other).send((False, None))
                else:
                    self._waiting[key].append(other)
        for waiting in self._waiting.values():
            if slot in waiting:
                waiting.remove(slot)

    def _dismiss(self, slot: int) -> None:
        worker = self._slots[slot]
        if worker is not None and slot in self._running:
            worker.kill()
        elif worker is not None:
            worker.end()
        self._slots[slot] = None

    def _worker(self, slot: int) -> Process:
        worker = self._slots[slot]
        assert worker is not None  # a job runs on it
        return worker

    def _parcel(self, key: object, content: object, what: str) -> Path:
        """Give the file of an object that all workers need, written the first time."""
        if id(key) not in self._parcels:
            path = self._folder / f"{len(self._parcels)}.pickle"
            pack(content, path, what)
            self._parcels[id(key)] = (key, path)
        return self._parcels[id(key)][1]


def device_of(device: torch.device, worker: int, gpus: int) -> torch.device:
    """Give the device of a worker: where none of several GPUs is named, each gets its own.

    >>> [str(device_of(torch.device("cuda"), worker, gpus=2)) for worker in range(3)]
    ['cuda:0', 'cuda:1', 'cuda:0']
    >>> str(device_of(torch.device("cuda:1"), 0, gpus=2))
    'cuda:1'
    """
    open_which = str(device) == "cuda"
    return torch.device("cuda", worker % gpus) if open_which and gpus > 1 else device


def _gpus() -> int:
    return torch.cuda.device_count()
