"""A save that fails leaves what was there before."""

import errno
import os
import stat

import pytest

import rushlight as torch
from rushlight.serialization import _save


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
    with pytest.raises(OSError, match="Input/output"):
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
