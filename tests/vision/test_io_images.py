"""Image files: read, written, decoded, encoded; damaged ones refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import io as images

MODES = images.ImageReadMode


def encoded(mode, format, **options):
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (5, 7, channels) if channels > 1 else (5, 7)
    values = (np.arange(5 * 7 * channels) * 29 % 256).astype(np.uint8).reshape(shape)
    image = Image.fromarray(values, "LA" if mode == "LA" else None)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8), values


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_png_is_what_it_was(mode, channels):
    data, values = encoded(mode, "PNG")
    image = images.decode_image(data)
    assert image.dtype == torch.uint8 and image.shape == (channels, 5, 7)
    assert np.array_equal(image.numpy(), values.reshape(5, 7, channels).transpose(2, 0, 1))
    for wanted, count in ((MODES.GRAY, 1), (MODES.RGB, 3), ("RGB_ALPHA", 4), (MODES.GRAY_ALPHA, 2)):
        assert images.decode_png(data, wanted).shape == (count, 5, 7)


def test_what_is_written_is_read(tmp_path):
    image = torch.randint(0, 256, (3, 9, 11), dtype=torch.uint8)
    images.write_png(image, str(tmp_path / "a.png"))
    assert torch.equal(images.read_image(str(tmp_path / "a.png")), image)
    smooth = torch.arange(99, dtype=torch.uint8).reshape(1, 9, 11).repeat(3, 1, 1)
    images.write_jpeg(smooth, str(tmp_path / "a.jpg"), quality=95)
    back = images.read_image(str(tmp_path / "a.jpg"))
    assert back.shape == smooth.shape and int((back.int() - smooth.int()).abs().max()) < 12
    assert images.decode_jpeg([images.encode_jpeg(smooth)] * 2)[1].shape == smooth.shape
    grey = images.read_image(str(tmp_path / "a.jpg"), MODES.GRAY)
    assert grey.shape == (1, 9, 11)


def test_sixteen_bits_animations_and_webp():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 65535, 300]], np.uint16)).save(buffer, "PNG")
    deep = images.decode_image(torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8))
    assert deep.dtype == torch.uint16 and deep.tolist() == [[[0, 65535, 300]]]
    frames = [Image.new("RGB", (4, 3), color) for color in ("red", "blue", "lime")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    moving = images.decode_gif(torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8))
    assert moving.shape == (3, 3, 3, 4) and moving[1, :, 0, 0].tolist() == [0, 0, 255]
    data, values = encoded("RGB", "WEBP", lossless=True)
    assert np.array_equal(images.decode_webp(data).numpy(), values.transpose(2, 0, 1))


def test_orientation():
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    buffer = io.BytesIO()
    tags = Image.Exif()
    tags[0x0112] = 6  # a quarter turn
    image.save(buffer, "PNG", exif=tags)
    data = torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)
    assert images.decode_image(data).shape == (1, 3, 4)
    assert images.decode_image(data, apply_exif_orientation=True).shape == (1, 4, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: images.read_file("/no/such/file"), RuntimeError, "No such file"),
        (lambda: images.decode_image(torch.zeros(10, dtype=torch.uint8)), RuntimeError, "Unsupp"),
        (lambda: images.decode_png(torch.zeros(10, dtype=torch.uint8)), RuntimeError, "not png"),
        (lambda: images.decode_png(torch.zeros(10)), RuntimeError, "uint8 data type"),
        (lambda: images.decode_png(torch.zeros(0, dtype=torch.uint8)), RuntimeError, "non-empty"),
        (lambda: images.encode_png(torch.zeros(3, 2, 2)), RuntimeError, "dtype should be uint8"),
        (lambda: images.encode_png(torch.zeros(2, 2, 2).byte()), RuntimeError, "channels"),
        (lambda: images.encode_png(torch.zeros(3, 2, 2).byte(), 10), RuntimeError, "Compression"),
        (lambda: images.encode_jpeg(torch.zeros(3, 2, 2).byte(), 0), ValueError, "quality"),
        (lambda: images.write_file("/tmp/x", torch.zeros(2)), RuntimeError, "uint8"),
    ],
)
def test_misuse(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(("mode", "format"), [("RGB", "PNG"), ("RGB", "JPEG"), ("RGB", "WEBP")])
def test_damaged_files(mode, format):
    data, _ = encoded(mode, format)
    with pytest.raises(RuntimeError, match="cannot be decoded"):
        images.decode_image(data[: len(data) // 3])
