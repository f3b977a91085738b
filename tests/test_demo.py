"""The digit demo as a user runs it: it learns, resumes, stops and complains as it should."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.data import DataError, digits, read_idx, read_images

SCRIPT = Path(__file__).parent.parent / "examples" / "digits.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("digits_demo", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def idx(values, *shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(values)


def write_folder(folder, images=60, compress=False):
    """Small files in MNIST's format: each class is a bright row of its own."""
    for prefix, n in (("train", images), ("t10k", 20)):
        labels = [i % 10 for i in range(n)]
        pixels = [
            255 if row == label else 0 for label in labels for row in range(12) for _ in range(12)
        ]
        parts = {"images-idx3-ubyte": idx(pixels, n, 12, 12), "labels-idx1-ubyte": idx(labels, n)}
        for name, raw in parts.items():
            if compress:
                (folder / f"{prefix}-{name}.gz").write_bytes(gzip.compress(raw))
            else:
                (folder / f"{prefix}-{name}").write_bytes(raw)
    return folder


def run(demo, capsys, *argv):
    code = demo.main([str(a) for a in argv])
    return code, capsys.readouterr()


def environment():
    """Child processes find the packages that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def history_of(out):
    return json.loads((out / "history.json").read_text())["history"]


def test_the_digits_are_all_there():
    shape, pixels, labels = digits()
    assert shape == (1797, 8, 8)
    assert (max(pixels), len(labels), set(labels)) == (16, 1797, set(range(10)))
    assert sum(pixels) == 561718  # scikit-learn's load_digits().data.sum()


def test_the_network_reads_at_least_98_of_100_held_out_digits(demo, tmp_path, capsys):
    started = time.perf_counter()
    code, said = run(demo, capsys, "--out", tmp_path, "--no-plots")
    seconds = time.perf_counter() - started
    assert code == 0
    assert json.loads((tmp_path / "history.json").read_text())["test_accuracy"] >= 0.98
    assert "is \\ read" in said.out
    assert "held-out images: 359" in said.out
    assert len(history_of(tmp_path)) == demo.arguments([]).epochs
    assert seconds < 600, "far beyond the minute it takes on a quiet machine"


def test_a_run_that_was_stopped_resumes_to_the_same_losses(demo, tmp_path, capsys, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    options = ("--epochs", 4, "--no-plots", "--batch-size", 64)
    assert run(demo, capsys, "--out", whole, *options)[0] == 0

    original = demo.train_epoch

    def stop_in_the_third(model, loader, optimizer, shift, label):
        if label.startswith("epoch 3"):
            next(iter(loader))
            raise KeyboardInterrupt
        return original(model, loader, optimizer, shift, label)

    monkeypatch.setattr(demo, "train_epoch", stop_in_the_third)
    code, said = run(demo, capsys, "--out", parted, *options)
    assert code == 130
    assert "--resume continues" in said.err
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever happened in between must not matter
    assert run(demo, capsys, "--out", parted, *options, "--resume")[0] == 0
    assert history_of(parted) == history_of(whole)


def test_ctrl_c_ends_with_130_and_a_checkpoint(tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--out", str(out), "--no-plots", "--epochs", "500"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    try:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert first.startswith("epoch   1/500"), said
    assert process.returncode == 130, said
    assert "checkpoint.pt" in said
    state = torch.load(out / "checkpoint.pt")
    assert state["epoch"] >= 1
    assert not list(out.glob("*.part"))


@pytest.mark.parametrize("compress", [False, True])
def test_mnist_files_are_read_plain_and_compressed(demo, tmp_path, capsys, compress):
    folder = write_folder(tmp_path, compress=compress)
    code, said = run(demo, capsys, "--data", folder, "--out", tmp_path / "out", "--epochs", 2)
    assert code == 0, said.err
    assert "held-out images: 20" in said.out


def test_plots_are_images(demo, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    code, said = run(demo, capsys, "--out", tmp_path, "--epochs", 1)
    assert code == 0, said.err
    for name in ("history.png", "predictions.png"):
        assert (tmp_path / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def broken_folders():
    def missing(folder):
        (folder / "t10k-labels-idx1-ubyte").unlink()

    def truncated(folder):
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-7])

    def cut_archive(folder):
        path = folder / "train-images-idx3-ubyte"
        raw = gzip.compress(path.read_bytes())
        path.unlink()
        path.with_name(path.name + ".gz").write_bytes(raw[:-20])

    def other_format(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(b"\x89PNG\r\n\x1a\n")

    def header_only(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")

    def label_count(folder):
        (folder / "train-labels-idx1-ubyte").write_bytes(idx([1, 2], 2))

    def strange_label(folder):
        (folder / "t10k-labels-idx1-ubyte").write_bytes(idx([77] * 20, 20))

    def folder_for_file(folder):
        (folder / "train-images-idx3-ubyte").unlink()
        (folder / "train-images-idx3-ubyte").mkdir()

    return [missing, truncated, cut_archive, other_format, header_only, label_count, strange_label,
            folder_for_file]  # fmt: skip


@pytest.mark.parametrize("spoil", broken_folders(), ids=lambda f: f.__name__)
def test_bad_data_is_named_and_nothing_is_written(demo, tmp_path, capsys, spoil):
    folder = tmp_path / "data"
    folder.mkdir()
    spoil(write_folder(folder))
    out = tmp_path / "out"
    code, said = run(demo, capsys, "--data", folder, "--out", out)
    assert code == 2
    assert said.err.startswith("digits: ") and str(folder) in said.err
    assert not out.exists()


def test_resume_needs_a_checkpoint_of_the_same_settings(demo, tmp_path, capsys):
    out = tmp_path / "out"
    code, said = run(demo, capsys, "--out", out, "--resume")
    assert (code, out.exists()) == (2, False)
    assert "no checkpoint" in said.err
    assert run(demo, capsys, "--out", out, "--epochs", 1, "--no-plots")[0] == 0
    code, said = run(demo, capsys, "--out", out, "--epochs", 2, "--resume")
    assert code == 2 and "was made with" in said.err
    (out / "checkpoint.pt").write_bytes(b"no checkpoint at all")
    code, said = run(demo, capsys, "--out", out, "--epochs", 1, "--resume")
    assert code == 2 and "not a checkpoint" in said.err


def test_a_failed_write_keeps_the_old_file(demo, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(name):
        Path(name).write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        demo.write_whole(str(path), fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("bad", [["--epochs", "0"], ["--lr", "-1"], ["--threads", "0"]])
def test_impossible_options_are_refused(demo, bad):
    with pytest.raises(SystemExit) as stop:
        demo.arguments(bad)
    assert stop.value.code == 2


def test_read_idx_wants_bytes_of_at_most_four_dims(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(struct.pack(">BBBBI", 0, 0, 0x0D, 1, 0))
    with pytest.raises(DataError, match="not an idx file"):
        read_idx(str(path))
    path.write_bytes(idx([1, 2, 3], 3))
    assert read_idx(str(path)) == ((3,), b"\1\2\3")
    with pytest.raises(DataError, match="no such file"):
        read_images(str(tmp_path / "absent"))


def test_the_same_script_runs_under_torch(tmp_path):
    pytest.importorskip("torch")
    text = SCRIPT.read_text()
    assert text.count("import rushlight as torch\n") == 1
    script = tmp_path / "digits_torch.py"
    script.write_text(text.replace("import rushlight as torch\n", "import torch\n"))
    done = subprocess.run(
        [sys.executable, str(script), "--epochs", "1", "--no-plots", "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=300,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "held-out images: 359" in done.stdout
