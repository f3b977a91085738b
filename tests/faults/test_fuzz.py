"""Random calls compared with PyTorch, and, where that is absent, layouts with each other.

RUSHLIGHT_TEST_SEED changes the calls, RUSHLIGHT_FUZZ_CALLS how many there are, RUSHLIGHT_FUZZ_ONLY
(a regular expression) which names. `fuzz_run.py` says how to repeat one, fuzz_known.py what is let
pass.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from seeds import seed

import rushlight

RUN = Path(__file__).with_name("fuzz_run.py")
CALLS = int(os.environ.get("RUSHLIGHT_FUZZ_CALLS", "4000"))


def run(*words):
    print(f"seed {seed()}")
    command = [sys.executable, RUN, seed(), *words]
    root = str(Path(rushlight.__file__).parent.parent)  # the package that this process tests
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=120 + CALLS // 50,
        env={**os.environ, "PYTHONPATH": root},
    )


def test_random_calls_agree_with_pytorch(tmp_path):
    pytest.importorskip("torch")
    only = os.environ.get("RUSHLIGHT_FUZZ_ONLY", "")
    got = run(CALLS, 60 + CALLS // 100, tmp_path / "journal", only)
    print(got.stdout)
    assert got.returncode == 0, got.stdout[:6000] + got.stderr[-3000:]


def test_layouts_do_not_change_results():
    got = run("--layouts", CALLS // 3)
    assert got.returncode == 0, got.stderr[-6000:]
