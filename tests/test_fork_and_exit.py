"""Other threads compute while the process forks or ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, threading, time
import rushlight as torch

torch.set_num_threads(1)
leaf = torch.ones(1_000_000, requires_grad=True)

def draw():
    torch.randn(2_000_000)

def accumulate():
    leaf.backward(torch.ones(1_000_000))

def compute():
    while True:
        work()

work = {"draw": draw, "accumulate": accumulate}[sys.argv[1]]
threading.Thread(target=compute, daemon=True).start()
time.sleep(0.1)
"""

FORKS = """
for _ in range(6):
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    for _ in range(500):
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        print("the child waits for a lock that nobody will open")
print("done", flush=True)
"""


def run(program, work):
    return subprocess.run(
        [sys.executable, "-c", program, work], capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("work", ["draw", "accumulate"])
def test_a_child_computes_whatever_another_thread_did_at_the_fork(work):
    assert run(PROGRAM + FORKS, work).stdout == "done\n"


@pytest.mark.parametrize("work", ["draw", "accumulate"])
def test_a_daemon_thread_does_not_disturb_the_end(work):
    done = run(PROGRAM, work)
    assert done.returncode == 0, done.stderr
