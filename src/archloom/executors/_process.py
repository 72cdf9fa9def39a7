"""A worker process and the pipe to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Pipe
from typing import Any

# A fresh interpreter that imports nothing of the user's script: no `__main__` guard is needed.
_BOOT = """\
import sys
from multiprocessing.connection import {connection} as Connection
connection = Connection(int(sys.argv[2]))
sys.path[:] = connection.recv()
from archloom.executors._worker import main
main(connection)
"""
_PATIENCE = 5.0  # seconds for an idle worker to end by itself
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Process:
    """A worker, started; `threads` is what torch and its libraries begin with there."""

    def __init__(self, threads: int) -> None:
        self.connection, theirs = Pipe()
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
        try:
            self._process = _launch(theirs.fileno(), environment)
        finally:
            theirs.close()
        self.send(sys.path)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def send(self, message: object) -> None:
        """Send a message; to one that is dead, which the next `receive` finds out, nothing."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def receive(self) -> Any:
        """Give the next message, None when the process is dead."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Let an idle worker end."""
        self.send(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self.kill()

    def kill(self) -> str:
        """End the process and those that it started, and say how it ended if it was dead."""
        if self._process.returncode is None:  # not reaped: the number is still its own
            _kill(self._process)
        code = self._process.wait()
        self.connection.close()
        if code >= 0:
            return f"ended by itself with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"


def _command(connection: str, handle: int) -> list[str]:
    boot = _BOOT.format(connection=connection)
    return [sys.executable, "-c", boot, "archloom-worker", str(handle)]


if sys.platform == "win32":

    def _launch(handle: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                _BOOT.format(connection="PipeConnection"),
                "worker",
                str(handle),
            ],
            stdin=subprocess.DEVNULL,
            env=environment,
            startupinfo=startup,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )

    def _kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()

else:

    def _launch(handle: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            _command("Connection", handle),
            stdin=subprocess.DEVNULL,
            env=environment,
            pass_fds=(handle,),
            start_new_session=True,  # Ctrl-C of the terminal is for the driver alone
        )

    def _kill(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: of a dead one
            os.killpg(process.pid, signal.SIGKILL)
