"""Threads: how many, where they come from, and where they must not be."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

import rushlight as torch


@pytest.fixture(autouse=True)
def number_of_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def printed(program, **environment):
    """What a fresh interpreter prints under the given variables."""
    variables = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", "import rushlight as torch\n" + program],
        capture_output=True, text=True, check=True, timeout=60, env=variables | environment,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.parametrize("wrong", [0, -1])
def test_numbers_of_threads_are_positive(wrong):
    with pytest.raises(RuntimeError, match="set_num_threads expects a positive integer"):
        torch.set_num_threads(wrong)
    with pytest.raises(RuntimeError, match="set_num_interop_threads expects a positive integer"):
        torch.set_num_interop_threads(wrong)


@pytest.mark.parametrize("wrong", [1.5, "2", True, None])
def test_numbers_of_threads_are_integers(wrong):
    kind = type(wrong).__name__
    with pytest.raises(RuntimeError, match=f"set_num_threads expects an int, but got {kind}"):
        torch.set_num_threads(wrong)
    with pytest.raises(RuntimeError, match=f"interop_threads expects an int, but got {kind}"):
        torch.set_num_interop_threads(wrong)


def test_interop_threads_are_set_once():
    program = (
        "print(torch.get_num_interop_threads())\n"
        "torch.set_num_interop_threads(3)\n"
        "print(torch.get_num_interop_threads())\n"
        "try: torch.set_num_interop_threads(4)\n"
        "except RuntimeError as e: print('cannot set number of interop threads' in str(e))\n"
        "print(torch.get_num_interop_threads())\n"
    )
    assert printed(program) == [str(os.cpu_count()), "3", "True", "3"]


def test_environment_says_how_many():
    program = "print(torch.get_num_threads())"
    assert printed(program, OMP_NUM_THREADS="1") == ["1"]
    assert printed(program, MKL_NUM_THREADS="1") == ["1"]
    assert printed(program, OMP_NUM_THREADS="1", MKL_NUM_THREADS="0") == ["1"]
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    assert int(printed(program, OMP_NUM_THREADS="1000")[0]) <= max(processors, os.cpu_count())


def every_kind(x):
    return (x + 1).sum(), x @ x.t(), x.sort(1)[0], x.t().contiguous(), x.cumsum(0), x.softmax(1)


def test_numbers_do_not_depend_on_the_threads():
    x = torch.rand(500, 500)
    torch.set_num_threads(1)
    alone = every_kind(x)
    torch.set_num_threads(3)
    for a, b in zip(alone, every_kind(x), strict=True):
        torch.testing.assert_close(a, b)


def test_python_threads_compute_side_by_side():
    torch.set_num_threads(2)
    x = torch.rand(400, 400)
    wanted, wrong = every_kind(x), []

    def work():
        for _ in range(10):
            for a, b in zip(every_kind(x), wanted, strict=True):
                if not torch.allclose(a, b):
                    wrong.append((a, b))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_after_threads_compute_alone():
    program = (
        "import os\n"
        "torch.set_num_threads(2)\n"
        "x = torch.rand(600, 600)\n"
        "wanted = (x @ x).sum(), x.sort()[0]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    ok = torch.get_num_threads() == 1\n"
        "    torch.set_num_threads(2)\n"
        "    got = (x @ x).sum(), x.sort()[0]\n"
        "    ok = ok and all(torch.allclose(a, b) for a, b in zip(got, wanted))\n"
        "    os._exit(0 if ok else 1)\n"
        "print(os.waitpid(child, 0)[1], torch.get_num_threads())\n"
    )
    assert printed(program) == ["0", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_of_a_loader_take_one_thread_each():
    program = (
        "class Ask:\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, i): return torch.get_num_threads()\n"
        "torch.set_num_threads(2)\n"
        "(torch.rand(1000, 1000) + 1).sum()\n"
        "loader = torch.utils.data.DataLoader(Ask(), num_workers=2, batch_size=2)\n"
        "print(*[int(n) for batch in loader for n in batch])\n"
    )
    assert printed(program) == ["1"] * 4


def test_a_busy_machine_makes_no_call_wait_for_time_slices():
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(os.cpu_count())]
    try:
        x = torch.ones(100_000)

        def seconds_per_call(threads):
            torch.set_num_threads(threads)
            started, count = time.perf_counter(), 0
            while time.perf_counter() - started < 0.5:
                x + x
                count += 1
            return (time.perf_counter() - started) / count

        alone = min(seconds_per_call(1) for _ in range(3))
        together = min(seconds_per_call(max(2, os.cpu_count())) for _ in range(3))
    finally:
        for process in others:
            process.kill()
            process.wait()
    assert together < 20 * alone  # two hundred times as long, when every call waits for a slice
