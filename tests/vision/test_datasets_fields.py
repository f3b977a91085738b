"""Files that hold a number or a vector for each pixel, and databases of images."""

from __future__ import annotations

import zlib
from io import BytesIO
from struct import pack

import dataset_trees as trees
import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import datasets
from rushlight.vision.datasets import _fields
from rushlight.vision.io import ImageReadMode, decode_png

PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def nearest(a, b, c):
    """The neighbour that PNG's fourth filter predicts from."""
    return min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]


def filtered(pixels):
    """The lines of an image, each by another of the five filters."""
    rows = [row.tobytes() for row in np.ascontiguousarray(pixels)]
    step, above, out = 2 * pixels.shape[2], bytes(len(rows[0])), bytearray()
    for r, row in enumerate(rows):
        out.append(r % 5)
        for i, value in enumerate(row):
            a, b, c = (
                row[i - step] if i >= step else 0,
                above[i],
                above[i - step] if i >= step else 0,
            )
            out.append((value - (0, a, b, (a + b) // 2, nearest(a, b, c))[r % 5]) % 256)
        above = row
    return bytes(out)


def wide(channels, interlaced=False, more=b""):
    random = np.random.default_rng(channels)
    pixels = random.integers(0, 65536, (13, 9, channels)).astype(">u2")
    parts = [pixels[top::down, left::across] for top, left, down, across in PASSES]
    parts = parts if interlaced else [pixels]
    data = zlib.compress(b"".join(filtered(part) for part in parts if part.size))
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    content = trees.png(9, 13, kind, data, int(interlaced), more)
    return pixels.transpose(2, 0, 1), torch.tensor(list(content), dtype=torch.uint8)


@pytest.mark.parametrize("interlaced", (False, True))
@pytest.mark.parametrize("channels", (1, 2, 3, 4))
def test_sixteen_bits(channels, interlaced):
    pixels, content = wide(channels, interlaced)
    assert np.array_equal(decode_png(content).numpy(), pixels)
    colours = decode_png(content, ImageReadMode.RGB_ALPHA).numpy()
    assert np.array_equal(
        colours[:3], np.broadcast_to(pixels[: 3 if channels > 2 else 1], (3, 13, 9))
    )
    assert np.array_equal(colours[3], pixels[-1] if channels in (2, 4) else np.full((13, 9), 65535))
    grey = decode_png(content, ImageReadMode.GRAY).numpy()[0].astype(float)
    weights = (0.2989, 0.587, 0.1141) if channels > 2 else (1.0,)
    expected = sum(w * plane for w, plane in zip(weights, pixels.astype(float)))
    assert np.abs(grey - expected).max() < 8


def test_sixteen_bits_like_torchvision():
    io = pytest.importorskip("torchvision.io")
    import torch as oracle

    for channels in (1, 2, 3, 4):
        _, content = wide(channels, interlaced=channels % 2 == 0)
        for mode in ImageReadMode:
            theirs = io.decode_png(oracle.from_numpy(content.numpy()), io.ImageReadMode[mode.name])
            ours = decode_png(content, mode).numpy().astype(int)
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs.numpy()).max() <= 2  # brightness is rounded elsewhere


def test_turned():
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    chunk = pack(">I", len(exif)) + b"eXIf" + exif + pack(">I", zlib.crc32(b"eXIf" + exif))
    pixels, content = wide(3, more=chunk)
    turned = decode_png(content, apply_exif_orientation=True)
    assert np.array_equal(turned.numpy(), np.rot90(pixels, -1, (1, 2)))


@pytest.mark.parametrize("cut", (20, 40, 200, 700))
def test_damaged(cut):
    _, content = wide(3)
    with pytest.raises(RuntimeError, match="decode_png"):
        decode_png(content[:cut])
    content = content.clone()
    content[60:80] = 7
    with pytest.raises(RuntimeError, match="decode_png"):
        decode_png(content)


def test_fields(tmp_path):
    values = np.arange(24, dtype="<f4").reshape(3, 4, 2)
    path = tmp_path / "x.flo"
    path.write_bytes(b"PIEH" + pack("<ii", 4, 3) + values.tobytes())
    assert np.array_equal(_fields.read_flo(path), values.transpose(2, 0, 1))
    path.write_bytes(b"PIEX" + pack("<ii", 4, 3))
    with pytest.raises(ValueError, match="Magic number incorrect"):
        _fields.read_flo(path)
    for order, scale in (("<", b"-1.0"), (">", b"1.0")):
        path.write_bytes(b"Pf\n4 6\n" + scale + b"\n" + values.astype(order + "f4").tobytes())
        read = _fields.read_pfm(path, 1)
        assert read.dtype == np.float32 and np.array_equal(read[0, -1], [0, 1, 2, 3])
    path.write_bytes(b"P6\n4 6\n")
    with pytest.raises(ValueError, match="Invalid PFM"):
        _fields.read_pfm(path, 1)


def test_lsun(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    for name, count in (("bedroom_train", 2), ("tower_val", 1)):
        with lmdb.open(str(tmp_path / f"{name}_lmdb"), map_size=1 << 20) as base:
            with base.begin(write=True) as writing:
                for i in range(count):
                    file = BytesIO()
                    Image.new("RGB", (6, 5), (i, 0, 0)).save(file, "PNG")
                    writing.put(f"k{i}".encode(), file.getvalue())
    data = datasets.LSUN(tmp_path, ["bedroom_train", "tower_val"])
    assert [data[i][1] for i in range(len(data))] == [0, 0, 1]
    assert data[1][0].getpixel((0, 0)) == (1, 0, 0) and "bedroom_train" in repr(data)
    with pytest.raises(ValueError, match="for LSUN class"):
        datasets.LSUN(tmp_path, ["garden_train"])


def test_pcam(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "pcam").mkdir()
    values = {"x": np.full((3, 4, 4, 3), 7, np.uint8), "y": np.array([0, 1, 1]).reshape(3, 1, 1, 1)}
    for name, value in values.items():
        path = tmp_path / "pcam" / f"camelyonpatch_level_2_split_valid_{name}.h5"
        with h5py.File(path, "w") as file:
            file[name] = value
    data = datasets.PCAM(tmp_path, "val")
    assert [data[i][1] for i in range(len(data))] == [0, 1, 1]
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.PCAM(tmp_path)
