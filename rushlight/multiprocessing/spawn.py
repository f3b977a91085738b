"""Starting several processes that run one function, and waiting for them together."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from signal import SIGKILL, Signals
from time import monotonic
from typing import Any


class ProcessException(Exception):
    """A process ended in a way that it should not."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """A process ended by an exception; the message has its traceback."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg, error_index, error_pid)


class ProcessExitedException(ProcessException):
    """A process ended by a signal, or with an exit code that is not 0."""

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self):
        facts = self.msg, self.error_index, self.pid, self.exit_code, self.signal_name
        return type(self), facts


def _wrap(fn, i, args, error_path):
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # interrupted together with the parent, which tells
    except Exception:  # whatever it is goes to the parent
        with open(error_path, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        sys.exit(1)


class ProcessContext:
    """Processes started together."""

    def __init__(self, processes: list, error_files: list[str]) -> None:
        self.processes = processes
        self.error_files = error_files
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for some process to end; True when all have.

        When one fails, the others are terminated (and killed after `grace_period` seconds,
        by default 30) and its failure is raised.
        """
        if not self.sentinels:
            return True
        failed = None
        for sentinel in wait(list(self.sentinels), timeout):
            i = self.sentinels.pop(sentinel)
            self.processes[i].join()
            if self.processes[i].exitcode != 0:
                failed = i
                break
        if failed is None:
            return not self.sentinels
        self._stop_others(30.0 if grace_period is None else grace_period)
        self._raise(failed)

    def _stop_others(self, patience):
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        end = monotonic() + patience
        for process in self.processes:
            process.join(max(0.0, end - monotonic()))
            if process.is_alive():
                os.kill(process.pid, SIGKILL)
                process.join()

    def _raise(self, i):
        process, path = self.processes[i], self.error_files[i]
        try:
            with open(path, "rb") as file:
                report = pickle.load(file)
        except (OSError, EOFError):
            report = None
        self._remove_files()
        if report is not None:
            raise ProcessRaisedException(
                f"\n\n-- Process {i} terminated with the following error:\n{report}",
                error_index=i,
                error_pid=process.pid,
            )
        code, name = process.exitcode, None
        how = f"exit code {code}"
        if code < 0:
            with suppress(ValueError):
                name = Signals(-code).name
            how = f"signal {name or -code}"
        raise ProcessExitedException(
            f"process {i} terminated with {how}",
            error_index=i,
            error_pid=process.pid,
            exit_code=code,
            signal_name=name,
        )

    def _remove_files(self):
        for path in self.error_files:
            with suppress(OSError):
                os.remove(path)

    def __del__(self):
        self._remove_files()


class SpawnContext(ProcessContext):
    """Processes started by `spawn`, under the name of old versions."""


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run `fn(i, *args)` in processes i = 0 to nprocs - 1."""
    context = multiprocessing.get_context(start_method)
    processes, paths = [], []
    for i in range(nprocs):
        # Only a process that fails makes the file, so that success leaves nothing.
        path = os.path.join(tempfile.gettempdir(), f"rushlight-{os.getpid()}-{os.urandom(8).hex()}")
        process = context.Process(target=_wrap, args=(fn, i, args, path), daemon=daemon)
        process.start()
        processes.append(process)
        paths.append(path)
    started = ProcessContext(processes, paths)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> Any:
    """Run `fn(i, *args)` in fresh processes; by default wait for them and raise what fails."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
