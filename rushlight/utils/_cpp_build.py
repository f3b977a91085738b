"""Compiling extensions: one object for each source, made anew when something in it changed."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def run(command: list[str]) -> tuple[int, str]:
    """Run a command: its status and what it said; status 127 where it is not there."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout


def find_compiler(compiler: str) -> list[str]:
    """The command of a compiler; RuntimeError, and how to get one, when it is not there."""
    command = shlex.split(compiler)
    if not command or shutil.which(command[0]) is None:
        raise RuntimeError(
            f"cpp_extension: there is no C++ compiler: looked for {compiler!r}. Install one (apt "
            "install g++, dnf install gcc-c++, xcode-select --install) or name yours in the "
            "environment variable CXX. Without one, write the operator in Python with "
            "torch.library.custom_op or torch.autograd.Function"
        )
    return command


@contextmanager
def _locked(folder: str):
    """One process at a time builds in a folder."""
    path = os.path.join(folder, "lock")
    with open(path, "w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ImportError:  # no such locks here: the last one that builds wins
            pass
        yield


def _contents(paths) -> str:
    total = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                total.update(hashlib.sha256(file.read()).digest())
        except OSError:
            total.update(b"gone")
    return total.hexdigest()


def _included(path: str) -> list[str]:
    """The files that a compilation read, from what -MMD wrote."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        words = file.read().replace("\\\n", " ").split()
    return [word for word in words if not word.endswith(":")]


class _Job:
    """One source on its way to an object."""

    def __init__(self, folder: str, number: int, source: str, command: list[str]):
        stem = os.path.splitext(os.path.basename(source))[0]
        self.source = source
        self.object = os.path.join(folder, f"{stem}{number or ''}.o")
        self.record = self.object + ".json"
        self.depends = self.object + ".d"
        self.command = [*command, "-MMD", "-MF", self.depends, "-c", source, "-o", self.object]

    def state(self) -> dict:
        return {
            "command": self.command,
            "contents": _contents([self.source, *_included(self.depends)]),
        }

    def fresh(self) -> bool:
        """Whether nothing that the object was made of has changed."""
        if not (os.path.exists(self.object) and os.path.exists(self.record)):
            return False
        with open(self.record) as file:
            return json.load(file) == self.state()

    def compile(self) -> tuple[int, str]:
        status, text = run(self.command)
        if status == 0:
            with open(self.record, "w") as file:
                json.dump(self.state(), file)
        return status, text


def _fail(name: str, command: list[str], text: str):
    raise RuntimeError(f"Error building extension '{name}': {shlex.join(command)}\n{text}")


def build(
    name: str,
    sources: list[str],
    compiler: str,
    flags: list[str],
    ldflags: list[str],
    folder: str,
    verbose: bool,
    loaded: dict[str, tuple[str, int]],
    keep: bool,
) -> tuple[str, str]:
    """Build a library: its path and the name of the module in it.

    A module that this process has loaded cannot be replaced in it: when its sources have changed
    the new one is called <name>_v<number>. RuntimeError with the compiler's words.
    """
    compilation = find_compiler(compiler)
    key = _contents(sources) + hashlib.sha256(json.dumps([flags, ldflags]).encode()).hexdigest()
    old, number = loaded.get(os.path.join(folder, name), (key, 0))
    if old != key:
        number += 1
    module = f"{name}_v{number}" if number else name
    command = [*compilation, *flags, f"-DTORCH_EXTENSION_NAME={module}"]
    with _locked(folder):
        jobs = [_Job(folder, i, source, command) for i, source in enumerate(sources)]
        stale = [job for job in jobs if not job.fresh()]
        workers = int(os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
        with ThreadPoolExecutor(max(1, min(workers, len(stale) or 1))) as pool:
            for job, (status, text) in zip(stale, pool.map(_Job.compile, stale), strict=True):
                if verbose:
                    print(shlex.join(job.command), text, sep="\n", file=sys.stderr)
                if status:
                    _fail(name, job.command, text)
        library = os.path.join(folder, f"{module}.so")
        if stale or not os.path.exists(library):
            _link(name, [*compilation, *_shared()], jobs, ldflags, library, verbose)
        if not keep:
            for job in jobs:
                for path in (job.object, job.record, job.depends):
                    if os.path.exists(path):
                        os.unlink(path)
    loaded[os.path.join(folder, name)] = key, number
    return library, module


def _shared() -> list[str]:
    if sys.platform == "darwin":
        return ["-shared", "-undefined", "dynamic_lookup"]
    return ["-shared"]


def _link(name, command, jobs, ldflags, library, verbose) -> None:
    temporary = f"{library}.{os.getpid()}"
    whole = [*command, *(job.object for job in jobs), *ldflags, "-o", temporary]
    status, text = run(whole)
    if verbose:
        print(shlex.join(whole), text, sep="\n", file=sys.stderr)
    if status:
        _fail(name, whole, text)
    os.replace(temporary, library)
