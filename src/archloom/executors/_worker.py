"""What runs in a worker process: it takes one job after the other and never sees the record."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch

from archloom.errors import ConfigError, RunError, Stopped
from archloom.estimators import Candidate, checked_metrics
from archloom.executors._executor import Job
from archloom.executors._judge import judged
from archloom.executors._parcel import unpack


@dataclass(frozen=True)
class Order:
    """A job as it travels: what it needs beside its own values lies in parcels."""

    job: Job
    bench: Path
    estimator: Path
    folder: Path
    device: str
    threads: int


def main(connection: Connection) -> None:
    """Take orders until the driver says None; end at once when the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's
    inbox: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    parcels: dict[Path, Any] = {}
    while (order := inbox.get()) is not None:
        _Line(connection, inbox, order).work(parcels)


def _listen(connection: Connection, inbox: SimpleQueue[Any]) -> None:
    """Pass on what the driver says. Its end is noticed here even in the middle of a training."""
    message: Any = True
    while message is not None:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(1)  # a resumed run may be about to train the same trial
        inbox.put(message)


class _Line:
    """A job's line to the driver."""

    def __init__(self, connection: Connection, inbox: SimpleQueue[Any], order: Order) -> None:
        self._send, self._receive = connection.send, inbox.get
        self._order, self._job = order, order.job
        self._began = time.monotonic() - order.job.seconds

    def work(self, parcels: dict[Path, Any]) -> None:
        """Evaluate the job and send how it ended."""
        order = self._order
        torch.set_num_threads(order.threads)
        device = torch.device(order.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)

        def evaluate() -> object:
            for path in parcels.keys() - {order.bench, order.estimator}:
                del parcels[path]  # of an earlier stage
            for path in (order.bench, order.estimator):
                if path not in parcels:
                    parcels[path] = unpack(path)
            space, task = parcels[order.bench]
            candidate = Candidate(
                architecture=self._job.architecture,
                space=space,
                task=task,
                seed=self._job.seed,
                epochs=self._job.epochs,
                budget=self._job.budget,
                parent=self._job.parent,
                files=self._job.files,
                device=device,
                report=self.report,
                remember=self.remember,
            )
            return parcels[order.estimator](candidate)

        try:
            state, metrics, error = judged(evaluate, order.folder)
        except (ConfigError, RunError) as problem:
            self._send(("raised", type(problem).__name__, str(problem)))
        else:
            self._send(("ended", state, dict(metrics), self._seconds(), error))

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self._send(("report", step, checked_metrics(metrics), self._seconds()))
        if self._job.stoppable and self._receive() == "stop":
            raise Stopped(f"Trial {self._job.number} was stopped at step {step}.")

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        """Ask the driver, which lets one job at a time measure a key."""
        self._send(("recall", key))
        known, value = self._receive()
        if known:
            return value
        self._send(("measured", key, measure()))
        return self._receive()[1]

    def _seconds(self) -> float:
        return time.monotonic() - self._began
