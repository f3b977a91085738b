"""Every example runs, small, and learns; where PyTorch is installed it learns the same there."""

from __future__ import annotations

import gzip
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

# name, arguments, what is printed, and whether the numbers after "loss" or "error" fall
RUNS = [
    ("line", ["--steps", "300"], r"found: y = 2\.\d\d x \+ -?\d\.\d\d", True),
    ("chargpt", ["--steps", "30", "--sample", "40"], r"step +30 +loss \d\.\d\d", True),
    ("autoencoder", ["--steps", "40"], r"step +40 +error 0\.0\d+", True),
    ("dcgan", ["--epochs", "2", "--width", "8"], r"epoch +2 +generator \d\.\d+ +critic", False),
    ("timeseries", ["--steps", "60", "--ahead", "20"], r"20 values ahead: mean error \d\.\d", True),
    (
        "from_pytorch",
        ["--epochs", "2"],
        r"same weights read 96\.94%\nafter 2 more epochs 9\d",
        False,
    ),
    ("mnist", ["--fake", "200", "--epochs", "2"], r"epoch +2 +loss \d\.\d+ +test", False),
    ("cifar10", ["--fake", "64", "--epochs", "2", "--width", "4"], r"recognised \d+\.\d+%", False),
    (
        "finetune",
        ["--weights", "none", "--limit", "120", "--size", "32", "--epochs", "10"],
        r"120 images of 10 kinds; 5,130 of 11,181,642 parameters learn",
        True,
    ),
    (
        "wordlm",
        ["--epochs", "1", "--width", "16", "--words", "100", "--window", "70"],
        r"epoch +1 +perplexity +\d+\.\d +held out",
        False,
    ),
]


def run(path, *argv, timeout=120):
    found = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", str(path), *argv],
        capture_output=True, text=True, timeout=timeout, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("name, argv, line, falls", RUNS, ids=[r[0] for r in RUNS])
def test_examples_learn(name, argv, line, falls):
    done = run(EXAMPLES / f"{name}.py", *argv)
    assert done.returncode == 0, done.stderr
    assert re.search(line, done.stdout), done.stdout
    if falls:
        losses = [float(v) for v in re.findall(r"(?:loss|error) (\d+\.\d+)", done.stdout)]
        assert len(losses) >= 2 and min(losses[1:]) < 0.8 * losses[0]


def test_pictures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    drawn, curve = tmp_path / "drawn.png", tmp_path / "curve.png"
    argv = ["--epochs", "1", "--width", "4", "--plot", str(drawn), "--curves", str(curve)]
    done = run(EXAMPLES / "dcgan.py", *argv)
    assert done.returncode == 0, done.stderr
    for path in (drawn, curve):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_mnist_reads_the_real_format(tmp_path):
    """Four files of MNIST's kind where the dataset keeps them; nothing is downloaded."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 256), ("t10k", 64)):
        labels = bytes(i % 10 for i in range(count))
        # Each kind is a bright band of its own.
        images = b"".join(
            bytes(255 if y // 2 == label + 1 else 0 for y in range(28) for _ in range(28))
            for label in labels
        )
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(
            struct.pack(">BBBBIII", 0, 0, 8, 3, count, 28, 28) + images
        )
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(
            struct.pack(">BBBBI", 0, 0, 8, 1, count) + labels
        )
        for kind in ("images-idx3", "labels-idx1"):
            path = raw / f"{prefix}-{kind}-ubyte"
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    saved = tmp_path / "weights.pt"
    argv = ["--data", str(tmp_path), "--epochs", "3", "--batch", "32", "--save", str(saved)]
    done = run(EXAMPLES / "mnist.py", *argv)
    assert done.returncode == 0, done.stderr
    shares = [float(v) for v in re.findall(r"([\d.]+)% right", done.stdout)]
    assert shares[-1] > 90, done.stdout
    assert saved.stat().st_size > 4_000_000


def for_torch(code):
    code = code.replace("import rushlight as torch", "import torch")
    code = code.replace("from rushlight import vision", "import torchvision as vision")
    return re.sub(r"^from rushlight\b(?!\.data)", "from torch", code, flags=re.M)


PARITY = [
    ("line", ["--steps", "20"]),
    ("chargpt", ["--steps", "20", "--sample", "1"]),
    ("timeseries", ["--steps", "20", "--ahead", "20"]),
    ("dcgan", ["--epochs", "1", "--width", "4"]),
    ("mnist", ["--fake", "200", "--epochs", "1"]),
    ("cifar10", ["--fake", "64", "--epochs", "2", "--width", "4"]),
    ("finetune", ["--weights", "none", "--limit", "60", "--size", "32", "--epochs", "5"]),
]


@pytest.mark.parametrize("name, argv", PARITY, ids=[p[0] for p in PARITY])
def test_examples_print_the_same_under_torch(name, argv, tmp_path):
    """The losses as printed, but for the last digit: sums round differently on each machine."""
    pytest.importorskip("torch")
    script = EXAMPLES / f"{name}.py"
    if "vision" in script.read_text():
        pytest.importorskip("torchvision")
    for copied in (script, EXAMPLES / "shared.py"):
        (tmp_path / copied.name).write_text(for_torch(copied.read_text()))
    runs = [run(path, *argv) for path in (script, tmp_path / script.name)]
    assert not any(done.returncode for done in runs), runs
    number = r"(?:loss|generator|critic) (\S+)"
    ours, theirs = ([float(v) for v in re.findall(number, done.stdout)] for done in runs)
    assert len(ours) >= 1 and ours == pytest.approx(theirs, abs=0.002)


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        if path.name != "digits.py":
            assert len(path.read_text().splitlines()) < 140, path.name
