"""Every executor keeps the contract."""

from __future__ import annotations

from archloom.executors import Bench, Executor, Inline, Processes
from archloom.testing import ExecutorContract


class TestInline(ExecutorContract):
    @classmethod
    def make(cls, bench: Bench) -> Executor:
        return Inline(bench)


class TestProcesses(ExecutorContract):
    @classmethod
    def make(cls, bench: Bench) -> Executor:
        return Processes(bench, workers=2)
