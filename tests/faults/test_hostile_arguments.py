"""Every operator called with hostile arguments: it returns or raises, and the process lives on.

RUSHLIGHT_TEST_SEED changes the calls, RUSHLIGHT_HOSTILE_RUNS how many of them each operator gets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from seeds import seed

CALLS = Path(__file__).with_name("hostile_calls.py")
RUNS = os.environ.get("RUSHLIGHT_HOSTILE_RUNS", "25")
PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_arguments_raise_and_do_no_harm(part, tmp_path):
    log = tmp_path / "call"
    command = [sys.executable, CALLS, seed(), RUNS, part, PARTS, log]
    run = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60 + 20 * int(RUNS)
    )
    last = log.read_text().split()
    again = f"{sys.executable} {CALLS} {seed()} {' '.join(last)}"
    print(f"seed {seed()}: {run.stdout}")
    assert run.returncode in (0, 1), f"crashed in {last}; again: {again}\n{run.stderr[-3000:]}"
    assert run.returncode == 0, run.stderr
