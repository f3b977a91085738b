"""Datasets: readers of the real formats, and downloads from a server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight import _download
from rushlight.vision import datasets
from rushlight.vision.datasets import utils
from rushlight.vision.transforms import ToTensor


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files`, with ranges; breaks the connection after `cut` bytes of a reply."""

    files: dict = {}
    cut: list = []
    asked: list = []

    def do_GET(self):  # noqa: N802 (the library's name)
        content = self.files.get(self.path)
        self.asked.append((self.path, self.headers.get("Range")))
        if content is None:
            self.send_error(404)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", hashlib.md5(content).hexdigest())
        self.end_headers()
        part = content[start:]
        self.wfile.write(part[: self.cut.pop()] if self.cut else part)

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(Handler, "files", {})
    monkeypatch.setattr(Handler, "cut", [])
    monkeypatch.setattr(Handler, "asked", [])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def idx(array):
    kind = {"uint8": 8, "int32": 12}[str(array.dtype)]
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def md5(content):
    return hashlib.md5(content).hexdigest()


# -- downloads -------------------------------------------------------------------------------


def test_a_file_is_downloaded_once_and_checked(site, tmp_path):
    content = Handler.files["/a.bin"] = os.urandom(200_000)
    for _ in range(2):
        utils.download_url(f"{site}/a.bin", tmp_path, md5=md5(content))
    assert (tmp_path / "a.bin").read_bytes() == content and len(Handler.asked) == 1
    assert utils.check_integrity(tmp_path / "a.bin", md5(content))
    assert not utils.check_integrity(tmp_path / "a.bin", "0" * 32)
    with pytest.raises(RuntimeError, match="invalid hash value"):
        utils.download_url(f"{site}/a.bin", tmp_path, "b.bin", md5="0" * 32)
    with pytest.raises(HTTPError):
        utils.download_url(f"{site}/none", tmp_path)
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_broken_connection_is_taken_up_where_it_broke(site, tmp_path):
    content = Handler.files["/a"] = os.urandom(300_000)
    Handler.cut[:] = [1000, 150_000]
    _download.fetch(f"{site}/a", str(tmp_path / "a"), progress=False)
    assert (tmp_path / "a").read_bytes() == content
    assert [asked[1] for asked in Handler.asked] == [None, "bytes=150000-", "bytes=151000-"]


def test_the_next_call_goes_on_where_the_last_one_stopped(site, tmp_path):
    content = Handler.files["/a"] = os.urandom(300_000)
    Handler.cut[:] = [10, 10, 100_000]
    options = {"md5": md5(content), "progress": False}
    with pytest.raises(RuntimeError, match="stopped at 100020 of 300000 bytes"):
        _download.fetch(f"{site}/a", str(tmp_path / "a"), **options)
    assert os.listdir(tmp_path) == ["a.partial"]
    _download.fetch(f"{site}/a", str(tmp_path / "a"), **options)
    assert Handler.asked[-1][1] == "bytes=100020-"
    assert (tmp_path / "a").read_bytes() == content and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("size", [50, 400_000])
def test_what_is_left_of_another_file_is_thrown_away(site, tmp_path, size):
    content = Handler.files["/a"] = os.urandom(300_000)
    (tmp_path / "a.partial").write_bytes(os.urandom(size))
    _download.fetch(f"{site}/a", str(tmp_path / "a"), md5=md5(content), progress=False)
    assert (tmp_path / "a").read_bytes() == content and os.listdir(tmp_path) == ["a"]


DOWNLOAD = """
import sys
from rushlight._download import fetch
fetch(sys.argv[1], sys.argv[2], md5=sys.argv[3], progress=False)
"""


def test_two_processes_download_at_once(site, tmp_path):
    content = Handler.files["/a"] = os.urandom(5_000_000)
    target = str(tmp_path / "a")
    command = [sys.executable, "-c", DOWNLOAD, f"{site}/a", target, md5(content)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert (tmp_path / "a").read_bytes() == content and os.listdir(tmp_path) == ["a"]


def test_a_full_disk_leaves_nothing_behind(site, tmp_path, monkeypatch):
    content = Handler.files["/a"] = os.urandom(300_000)

    def full(source, target, *rest):
        target.write(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_download, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        _download.fetch(f"{site}/a", str(tmp_path / "a"), md5=md5(content), progress=False)
    assert os.listdir(tmp_path) == []


def test_offline_says_what_to_do(tmp_path):
    with pytest.raises(URLError, match=r"cannot be reached; .*put the file at .*/a yourself"):
        _download.fetch("http://127.0.0.1:9/a", str(tmp_path / "a"), progress=False)
    assert os.listdir(tmp_path) == []


# -- archives --------------------------------------------------------------------------------


def tarred(names, kind="gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as archive:
        for name, content in names.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar", "a.tar.xz", "a.tar.bz2", "a.zip"])
def test_archives(tmp_path, name):
    files = {"x/one.txt": b"1", "two.txt": b"2"}
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for key, content in files.items():
                archive.writestr(key, content)
    else:
        kind = {"gz": "gz", "tgz": "gz", "xz": "xz", "bz2": "bz2"}.get(name.split(".")[-1], "")
        (tmp_path / name).write_bytes(tarred(files, kind))
    utils.extract_archive(tmp_path / name, tmp_path / "out", remove_finished=True)
    assert (tmp_path / "out/x/one.txt").read_bytes() == b"1"
    assert not (tmp_path / name).exists()


def test_compressed_files(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"text"))
    utils.extract_archive(tmp_path / "a.txt.gz")
    assert (tmp_path / "a.txt").read_bytes() == b"text"
    for name in ("b", "b.foo"):
        with pytest.raises(RuntimeError, match="no suffixes|Unknown compression"):
            utils.extract_archive(tmp_path / name)


def test_names_that_lead_out_of_an_archive(tmp_path):
    (tmp_path / "evil.tar.gz").write_bytes(tarred({"../out.txt": b"x"}))
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../out.txt", "x")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        archive.addfile(link)
    (tmp_path / "link.tar").write_bytes(buffer.getvalue())
    for name in ("evil.tar.gz", "evil.zip", "link.tar"):
        with pytest.raises(RuntimeError, match="leads out of the archive"):
            utils.extract_archive(tmp_path / name, tmp_path / "inner")
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.gz", "a.xz", "a.tar"])
def test_damaged_archives(tmp_path, name):
    whole = gzip.compress(os.urandom(5000)) if name == "a.gz" else b"no archive at all" * 50
    (tmp_path / name).write_bytes(whole[:-200])
    with pytest.raises(RuntimeError, match="the archive is damaged"):
        utils.extract_archive(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_half_an_archive_leaves_nothing(tmp_path, name):
    files = {"set/one.txt": os.urandom(9000), "set/two.txt": os.urandom(9000)}
    if name == "a.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for key, content in files.items():
                archive.writestr(key, content)
        whole = (tmp_path / name).read_bytes()
        broken = whole[:12000] + bytes(100) + whole[12100:]  # in the second file
    else:
        whole = tarred(files, "")
        broken = whole[: len(whole) // 2 + 4000]
    out = tmp_path / "out"
    (out / "set").mkdir(parents=True)
    (out / "set" / "mine.txt").write_text("mine")
    (tmp_path / name).write_bytes(broken)
    with pytest.raises(RuntimeError, match="the archive is damaged"):
        utils.extract_archive(tmp_path / name, out)
    assert os.listdir(out) == ["set"] and os.listdir(out / "set") == ["mine.txt"]
    (tmp_path / name).write_bytes(whole)
    utils.extract_archive(tmp_path / name, out)
    assert sorted(os.listdir(out / "set")) == ["mine.txt", "one.txt", "two.txt"]


# -- readers ---------------------------------------------------------------------------------


def mnist_files(count=5):
    images = np.arange(count * 784).reshape(count, 28, 28).astype(np.uint8)
    return images, np.arange(count).astype(np.uint8)


def test_mnist_downloads_from_the_second_mirror(site, tmp_path, monkeypatch):
    images, labels = mnist_files()
    resources = []
    for half in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            name = f"{half}-{kind}-ubyte.gz"
            Handler.files[f"/good/{name}"] = packed = gzip.compress(idx(array))
            resources.append((name, md5(packed)))
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{site}/bad/", f"{site}/good/"])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.MNIST(tmp_path)
    data = datasets.MNIST(tmp_path, download=True, transform=ToTensor())
    assert len(data) == 5 and data.data.dtype == torch.uint8 and data.targets.dtype == torch.int64
    image, target = data[3]
    assert image.shape == (1, 28, 28) and target == 3 and isinstance(target, int)
    assert np.array_equal(data.data.numpy(), images)
    assert repr(data) == (
        f"Dataset MNIST\n    Number of datapoints: 5\n    Root location: {tmp_path}\n"
        "    Split: Train\n    StandardTransform\nTransform: ToTensor()"
    )
    test = datasets.MNIST(str(tmp_path), train=False, target_transform=lambda t: -t)
    assert test[2][1] == -2 and test[2][0].mode == "L"
    with pytest.warns(UserWarning, match="renamed targets"):
        assert len(test.test_labels) == 5
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{site}/bad/"])
    with pytest.raises(RuntimeError, match="(?s)Error downloading.*404"):
        datasets.MNIST(tmp_path / "other", download=True)


def test_damaged_idx_files(tmp_path):
    from rushlight.vision.datasets.mnist import read_image_file, read_sn3_pascalvincent_tensor

    whole = idx(np.zeros((2, 3, 4), np.uint8))
    for content in (b"", whole[:10], whole[:-1], b"\1" + whole[1:]):
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(ValueError, match="idx file|header"):
            read_image_file(str(tmp_path / "f"))
    (tmp_path / "f").write_bytes(idx(np.array([[1, -2]], np.int32)))
    assert read_sn3_pascalvincent_tensor(str(tmp_path / "f")).tolist() == [[1, -2]]


def test_emnist_and_qmnist(site, tmp_path, monkeypatch):
    images, labels = mnist_files()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for half in ("train", "test"):
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                name = f"gzip/emnist-letters-{half}-{kind}-ubyte.gz"
                archive.writestr(name, gzip.compress(idx(array)))
    Handler.files["/gzip.zip"] = buffer.getvalue()
    monkeypatch.setattr(datasets.EMNIST, "url", f"{site}/gzip.zip")
    monkeypatch.setattr(datasets.EMNIST, "md5", md5(buffer.getvalue()))
    data = datasets.EMNIST(tmp_path, "letters", download=True)
    assert data[4][1] == 4 and data.classes[1] == "a"
    raw = tmp_path / "QMNIST" / "raw"
    os.makedirs(raw)
    (raw / "qmnist-test-images-idx3-ubyte").write_bytes(idx(images))
    table = np.stack([labels.astype(np.int32)] * 8, 1)
    (raw / "qmnist-test-labels-idx2-int").write_bytes(idx(table))
    data = datasets.QMNIST(tmp_path, train=False, compat=False)
    assert data[3][1].tolist() == [3] * 8
    assert datasets.QMNIST(tmp_path, "test10k")[2][1] == 2


def cifar(root, monkeypatch, batch):
    folder = root / "cifar-10-batches-py"
    os.makedirs(folder)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abc")}, protocol=2))
    sums = {p.name: md5(p.read_bytes()) for p in folder.iterdir()}
    for half in ("train_list", "test_list"):
        listed = [[name, sums[name]] for name, _ in getattr(datasets.CIFAR10, half)]
        monkeypatch.setattr(datasets.CIFAR10, half, listed)
    meta = {**datasets.CIFAR10.meta, "md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)


def test_cifar(tmp_path, monkeypatch):
    pixels = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    cifar(tmp_path, monkeypatch, {"data": pixels, "labels": [2, 1]})
    data = datasets.CIFAR10(tmp_path)
    assert len(data) == 10 and data.data.shape == (10, 32, 32, 3)
    image, target = data[1]
    assert target == 1 and image.size == (32, 32)
    assert np.array_equal(np.asarray(image), pixels[1].reshape(3, 32, 32).transpose(1, 2, 0))
    assert data.classes == ["a", "b", "c"] and data.class_to_idx["c"] == 2
    assert len(datasets.CIFAR10(tmp_path, train=False)) == 2
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.CIFAR10(tmp_path)


class Dangerous:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_batches_run_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cifar(tmp_path, monkeypatch, {"data": Dangerous(), "labels": []})
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        datasets.CIFAR10(tmp_path)
    assert not os.path.exists("made-by-a-pickle")


def test_svhn_stl10_usps_and_semeion(tmp_path, monkeypatch):
    from scipy.io import savemat

    pixels = np.arange(32 * 32 * 3 * 2).reshape(32, 32, 3, 2).astype(np.uint8)
    savemat(tmp_path / "test_32x32.mat", {"X": pixels, "y": np.array([[10], [4]])})
    entry = ["", "test_32x32.mat", utils.calculate_md5(tmp_path / "test_32x32.mat")]
    monkeypatch.setitem(datasets.SVHN.split_list, "test", entry)
    data = datasets.SVHN(tmp_path, "test")
    assert [data[i][1] for i in range(2)] == [0, 4]
    assert np.array_equal(np.asarray(data[1][0]), pixels[..., 1])

    folder = tmp_path / "stl10_binary"
    os.makedirs(folder)
    image = np.arange(3 * 96 * 96).reshape(1, 3, 96, 96).astype(np.uint8)
    for half in ("train_X", "test_X", "unlabeled_X"):
        (folder / f"{half}.bin").write_bytes(image.tobytes())
    for half in ("train_y", "test_y"):
        (folder / f"{half}.bin").write_bytes(b"\x03")
    for name in ("train_list", "test_list"):
        listed = [[f, utils.calculate_md5(folder / f)] for f, _ in getattr(datasets.STL10, name)]
        monkeypatch.setattr(datasets.STL10, name, listed)
    data = datasets.STL10(tmp_path, "train+unlabeled")
    assert [data[i][1] for i in range(2)] == [2, -1]
    assert np.array_equal(np.asarray(data[0][0]), image[0].transpose(2, 1, 0))

    import bz2

    line = "3 " + " ".join(f"{i + 1}:{-1 + 2 * (i % 2)}" for i in range(256)) + "\n"
    (tmp_path / "usps.t.bz2").write_bytes(bz2.compress(line.encode()))
    image, target = datasets.USPS(tmp_path, train=False)[0]
    assert target == 2 and np.asarray(image)[0, :3].tolist() == [0, 255, 0]

    line = " ".join(["1.0"] * 256 + ["0"] * 4 + ["1"] + ["0"] * 5)
    (tmp_path / "semeion.data").write_text(line + "\n" + line + "\n")
    found = utils.calculate_md5(tmp_path / "semeion.data")
    monkeypatch.setattr(datasets.SEMEION, "md5_checksum", found)
    assert datasets.SEMEION(tmp_path, download=False)[1][1] == 4


def test_folders_of_images(tmp_path):
    for name, count in (("cat", 2), ("dog", 1)):
        os.makedirs(tmp_path / name / "deep")
        for i in range(count):
            Image.new("L", (3, 2), 50 * i).save(tmp_path / name / "deep" / f"{i}.PNG")
        (tmp_path / name / "notes.txt").write_text("x")
    data = datasets.ImageFolder(tmp_path)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert data.targets == [0, 0, 1] and data.imgs == data.samples
    image, target = data[1]
    assert image.mode == "RGB" and image.size == (3, 2) and target == 0
    texts = datasets.DatasetFolder(tmp_path, lambda path: Path(path).read_text(), (".txt",))
    assert [texts[i] for i in range(2)] == [("x", 0), ("x", 1)]
    os.makedirs(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="no valid file for the classes empty"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True).classes) == 3


def test_made_up_images_are_always_the_same():
    data = datasets.FakeData(10, (3, 4, 4), 3)
    before = torch.get_rng_state()
    assert data[4][0].tobytes() == data[4][0].tobytes() and 0 <= data[4][1] < 3
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(IndexError):
        data[10]


def test_the_digits_that_come_along():
    train, test = datasets.Digits(transform=ToTensor()), datasets.Digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    image, target = train[0]
    assert image.shape == (1, 8, 8) and 0.9 < float(image.max()) <= 1.0 and target == 0


def test_coco(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    notes = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 7, "bbox": [0, 0, 1, 1], "caption": "black"}],
    }
    (tmp_path / "notes.json").write_text(json.dumps(notes))
    data = datasets.CocoDetection(tmp_path, str(tmp_path / "notes.json"))
    assert len(data) == 1 and data[0][1][0]["bbox"] == [0, 0, 1, 1]
    captions = datasets.CocoCaptions(tmp_path, str(tmp_path / "notes.json"))
    assert captions[0][1] == ["black"]


def test_pascal_voc(tmp_path):
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("ImageSets/Main", "ImageSets/Segmentation", "JPEGImages", "Annotations",
                 "SegmentationClass"):  # fmt: skip
        os.makedirs(folder / name)
    for kind in ("Main", "Segmentation"):
        (folder / "ImageSets" / kind / "train.txt").write_text("a\n")
    Image.new("RGB", (4, 4)).save(folder / "JPEGImages" / "a.jpg")
    Image.new("P", (4, 4)).save(folder / "SegmentationClass" / "a.png")
    (folder / "Annotations" / "a.xml").write_text(
        "<annotation><size><width>4</width></size><object><name>cat</name></object></annotation>"
    )
    _, target = datasets.VOCDetection(tmp_path)[0]
    assert target == {"annotation": {"size": {"width": "4"}, "object": [{"name": "cat"}]}}
    _, outline = datasets.VOCSegmentation(tmp_path)[0]
    outline.load()
    assert outline.mode == "P"


def test_arguments():
    with pytest.raises(ValueError, match="Unknown value 'x' for argument split"):
        utils.verify_str_arg("x", "split", ("a", "b"))
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        datasets.VisionDataset(".", transforms=len, transform=len)
