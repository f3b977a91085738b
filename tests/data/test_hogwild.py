"""The example that trains one network in several processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "hogwild.py"


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_train_one_network(processes):
    argv = [str(EXAMPLE), "--processes", str(processes), "--epochs", "4"]
    found = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-W", "error", *argv], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    losses = []
    for rank in range(processes):
        own = [float(x) for x in re.findall(rf"process {rank} .*loss ([\d.]+)", done.stdout)]
        assert len(own) == 4 and own[-1] < own[0]
        losses += own
    # A process that starts later finds a network that has learned already.
    assert min(losses) < max(losses) / 3
    assert float(re.search(r"trained on: ([\d.]+) %", done.stdout)[1]) > 85
