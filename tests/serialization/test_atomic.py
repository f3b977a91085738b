"""A save that fails leaves what was there before."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.serialization import _save, safetensors
from rushlight.utils.serialization import config

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(torch.__file__).parents[1])}


class Unpicklable:
    def __reduce__(self):
        raise ValueError("cannot be pickled")


def only_file(folder):
    return [name.name for name in folder.iterdir()]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.arange(3), path)
    return path


def test_unpicklable_object_leaves_the_old_file(saved):
    with pytest.raises(ValueError, match="cannot be pickled"):
        torch.save([torch.zeros(100), Unpicklable()], saved)
    assert torch.load(saved).tolist() == [0, 1, 2]
    assert only_file(saved.parent) == ["model.pt"]


@pytest.mark.parametrize("fails_after", [0, 1, 100_000])
def test_full_disk_leaves_the_old_file(saved, monkeypatch, fails_after):
    class FullDisk:
        def __init__(self, file):
            self.file = file
            self.left = fails_after

        def write(self, data):
            if self.left < len(data):
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= len(data)
            return self.file.write(data)

    whole = _save.WholeWrites
    monkeypatch.setattr(_save, "WholeWrites", lambda file: whole(FullDisk(file)))
    with pytest.raises(OSError, match="No space"):
        torch.save([torch.zeros(50_000), torch.ones(50_000)], saved)
    assert torch.load(saved).tolist() == [0, 1, 2]
    assert only_file(saved.parent) == ["model.pt"]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    class Slow:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            return self.file.write(data[: max(1, min(len(data), 30_000))])

    whole = _save.WholeWrites
    monkeypatch.setattr(_save, "WholeWrites", lambda file: whole(Slow(file)))
    path = tmp_path / "x.pt"
    torch.save(torch.arange(100_000), path)
    assert torch.load(path).sum().item() == 4999950000


def test_failed_sync_leaves_the_old_file(saved, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with config.patch("save.sync", True), pytest.raises(OSError, match="Input/output"):
        torch.save(torch.zeros(3), saved)
    assert torch.load(saved).tolist() == [0, 1, 2]
    assert only_file(saved.parent) == ["model.pt"]


def test_mode_of_the_file_is_kept(saved):
    os.chmod(saved, 0o640)
    torch.save(torch.zeros(1), saved)
    assert stat.S_IMODE(os.stat(saved).st_mode) == 0o640


def test_link_keeps_pointing(saved, tmp_path):
    link = tmp_path / "link.pt"
    link.symlink_to(saved)
    torch.save(torch.ones(1), link)
    assert link.is_symlink() and torch.load(saved).tolist() == [1.0]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(torch.ones(1), tmp_path / "nowhere" / "x.pt")


def test_object_without_write_is_refused():
    with pytest.raises(AttributeError, match="write"):
        torch.save(torch.ones(1), 5)


def test_device_file_is_written_directly():
    torch.save(torch.ones(1), os.devnull)
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


def test_systems_without_nameless_files(saved, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    torch.save(torch.ones(2), saved)
    assert torch.load(saved).tolist() == [1, 1] and only_file(saved.parent) == ["model.pt"]
    with pytest.raises(ValueError, match="cannot be pickled"):
        torch.save([torch.zeros(100), Unpicklable()], saved)
    assert only_file(saved.parent) == ["model.pt"]


def test_new_files_have_the_usual_mode(tmp_path):
    torch.save(torch.ones(1), tmp_path / "a.pt")
    (tmp_path / "b").write_bytes(b"")
    assert os.stat(tmp_path / "a.pt").st_mode == os.stat(tmp_path / "b").st_mode


SAVES = """
import sys
import rushlight as torch
values = [torch.full((1_000_000,), float(i)) for i in range(5)]
print("ready", flush=True)
for step in range(10_000):
    torch.save({"step": step, "x": values[step % 5]}, sys.argv[1])
    if step == 2:
        print("saved", flush=True)
"""


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.pt"
    rng = random.Random(0)
    for _ in range(6):
        command = [sys.executable, "-c", SAVES, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
            assert process.stdout.readline() == b"ready\n"
            assert process.stdout.readline() == b"saved\n"
            time.sleep(rng.random() * 0.05)
            process.send_signal(signal.SIGKILL)
        loaded = torch.load(path)
        assert (loaded["x"] == loaded["step"] % 5).all()
    if hasattr(os, "O_TMPFILE"):
        # A name is given to whole files only; between that and the replacement is hardly any time.
        for left in tmp_path.iterdir():
            assert torch.load(left)["x"].shape == (1_000_000,)


LIMITED = """
import resource, sys
import rushlight as torch
from rushlight.serialization import safetensors
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for name, save in (("model.pt", torch.save), ("x.safetensors", safetensors.save_file)):
    try:
        save({"x": torch.zeros(100_000)}, sys.argv[1] + "/" + name)
    except OSError as error:
        print(error.errno)
"""


def test_a_file_that_cannot_grow_leaves_the_old_one(saved):
    safetensors.save_file({"x": torch.arange(3)}, saved.parent / "x.safetensors")
    command = [sys.executable, "-c", LIMITED, str(saved.parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert done.stdout.split() == [str(errno.EFBIG)] * 2, done.stderr
    assert torch.load(saved).tolist() == [0, 1, 2]
    assert safetensors.load_file(saved.parent / "x.safetensors")["x"].tolist() == [0, 1, 2]
    assert sorted(only_file(saved.parent)) == ["model.pt", "x.safetensors"]
