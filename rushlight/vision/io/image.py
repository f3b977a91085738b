"""Reading, writing, decoding and encoding of images."""

from __future__ import annotations

import os
from enum import Enum
from io import BytesIO
from typing import Any

import rushlight as torch

from ..._lazy import np
from ..transforms._image import Image, ImageOps
from ._png import in_mode, is_wide, turned, wide_planes

Tensor = torch.Tensor


class ImageReadMode(Enum):
    """The channels that a decoded image gets; UNCHANGED: those of the file."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PIL_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def _mode(mode: Any) -> ImageReadMode:
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else ImageReadMode(mode)


# -- files -----------------------------------------------------------------------------------


def read_file(path: str) -> Tensor:
    """The bytes of a file."""
    try:
        with open(path, "rb") as file:
            content = bytearray(file.read())
    except OSError as error:
        raise RuntimeError(
            f"read_file: [Errno {error.errno}] {error.strerror}: '{os.fspath(path)}'"
        ) from error
    if not content:
        raise RuntimeError(f"read_file: Expected a non empty file: '{os.fspath(path)}'")
    return torch.frombuffer(content, dtype=torch.uint8)


def write_file(filename: str, data: Tensor) -> None:
    """Write bytes to a file."""
    if data.dtype != torch.uint8:
        raise RuntimeError("write_file: Input tensor dtype should be uint8")
    if data.ndim != 1:
        raise RuntimeError("write_file: Input data should be a 1-dimensional tensor")
    with open(filename, "wb") as file:
        file.write(data.cpu().contiguous().numpy().tobytes())


def read_image(
    path: str,
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image (C, H, W) of a file."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def write_png(input: Tensor, filename: str, compression_level: int = 6) -> None:
    """Write an image (C, H, W) of bytes as PNG."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str, quality: int = 75) -> None:
    """Write an image (C, H, W) of bytes as JPEG."""
    write_file(filename, encode_jpeg(input, quality))


# -- decoding --------------------------------------------------------------------------------


def _content(data: Tensor, name: str) -> bytes:
    if data.dtype != torch.uint8:
        kind = str(data.dtype).removeprefix("torch.")
        raise RuntimeError(f"{name}: Input tensor must have uint8 data type, got {kind}")
    if data.ndim != 1 or data.numel() == 0:
        raise RuntimeError(
            f"{name}: Input tensor must be 1-dimensional and non-empty, got {data.ndim} dims and "
            f"{data.numel()} numels. Expected a non empty 1-dimensional tensor"
        )
    return data.cpu().contiguous().numpy().tobytes()


_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)


def _kind(content: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    if content[:4] == b"RIFF" and content[8:15] == b"WEBPVP8":
        return "webp"
    if content[4:8] == b"ftyp":
        return {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic"}.get(
            content[8:12]
        )
    return None


def _opened(content: bytes, name: str) -> Any:
    try:
        image = Image.open(BytesIO(content))
        return image
    except Exception as error:
        raise RuntimeError(f"{name}: the content cannot be decoded: {error}") from error


def _loaded(image: Any, name: str) -> Any:
    try:
        image.load()
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise RuntimeError(f"{name}: the content cannot be decoded: {error}") from error
    return image


def _planes(image: Any) -> Tensor:
    array = np.array(image)
    if array.dtype == bool:
        array = (array.view(np.uint8) != 0).astype(np.uint8) * 255
    if array.ndim == 2:
        return torch.from_numpy(array[None])
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def decode_image(
    input: Tensor | str,
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image (C, H, W) of a file's bytes, or of the file at a path: JPEG, PNG, GIF or WebP.

    Animations give (N, C, H, W).
    """
    if not isinstance(input, Tensor):
        input = read_file(input)
    mode = _mode(mode)
    kind = _kind(_content(input, "decode_image"))
    if kind == "jpeg":
        return decode_jpeg(input, mode, apply_exif_orientation=apply_exif_orientation)
    if kind == "png":
        return decode_png(input, mode, apply_exif_orientation)
    if kind == "gif":
        return decode_gif(input)
    if kind == "webp":
        return decode_webp(input, mode)
    raise RuntimeError(
        "decode_image: Unsupported image file. Only jpeg, png, webp and gif are currently "
        "supported. For avif and heic formats, please rely on `decode_avif` and `decode_heic` "
        "directly."
    )


def decode_jpeg(
    input: Tensor | list[Tensor],
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Tensor | list[Tensor]:
    """The image of the bytes of a JPEG file, or those of several."""
    if isinstance(input, (list, tuple)):
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    content = _content(input, "decode_jpeg")
    if _kind(content) != "jpeg":
        raise RuntimeError(
            f"decode_jpeg: Not a JPEG file: starts with 0x{content[0]:02x} "
            f"0x{content[min(1, len(content) - 1)]:02x}"
        )
    mode = _mode(mode)
    if mode.value % 2 == 0 and mode.value:
        raise RuntimeError("decode_jpeg: The provided mode is not supported for JPEG files")
    image = _opened(content, "decode_jpeg")
    wanted = _PIL_MODES.get(mode.value)
    if wanted == "L" and image.mode != "CMYK":
        image.draft("L", image.size)  # the brightness that the file itself holds
    _loaded(image, "decode_jpeg")
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if wanted and image.mode != wanted:
        if image.mode == "CMYK":  # ink on white paper
            image = _from_inks(image)
        image = image.convert(wanted)
    if image.mode == "CMYK":  # as the file holds it: Pillow has turned it round
        return (255 - _planes(image)).to(device)
    return _planes(image).to(device)


def _from_inks(image: Any) -> Any:
    inks = 255 - np.asarray(image).astype(np.int32)
    values = inks[..., 3:] * inks[..., :3] + 128
    return Image.fromarray(((values + (values >> 8)) >> 8).astype(np.uint8))


def decode_png(
    input: Tensor,
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image of the bytes of a PNG file; uint16 where the file has 16 bits."""
    content = _content(input, "decode_png")
    if _kind(content) != "png":
        raise RuntimeError("decode_png: Content is not png!")
    if is_wide(content):
        return _wide_png(content, _mode(mode).value, apply_exif_orientation)
    image = _loaded(_opened(content, "decode_png"), "decode_png")
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    wanted = _mode(mode).value
    if wanted and image.mode != _PIL_MODES[wanted]:
        if wanted < 3 and image.mode not in ("L", "LA", "1"):
            image = _grey(image, wanted)
        image = image.convert(_PIL_MODES[wanted])
    return _planes(image)


def _grey(image: Any, wanted: int) -> Any:
    """Brightness as PNG's own library finds it: 0.2989, 0.587 and the rest in 15 bits."""
    colours = np.asarray(image.convert("RGBA")).astype(np.int32)
    red, green, blue, alpha = (colours[..., i] for i in range(4))
    level = (9794 * red + 19235 * green + 3739 * blue) >> 15
    if wanted == 1:
        return Image.fromarray(level.astype(np.uint8))
    return Image.fromarray(np.stack((level, alpha), -1).astype(np.uint8), "LA")


def _wide_png(content: bytes, wanted: int, apply_exif_orientation: bool) -> Tensor:
    try:
        planes = in_mode(wide_planes(content), wanted)
    except RuntimeError as error:
        raise RuntimeError(f"decode_png: the content cannot be decoded: {error}") from error
    if apply_exif_orientation:
        held = _opened(content, "decode_png").getexif().get(0x0112, 1)
        planes = turned(planes, held)
    return torch.from_numpy(np.ascontiguousarray(planes))


def decode_gif(input: Tensor) -> Tensor:
    """The frames (N, 3, H, W) of the bytes of a GIF file, or its one image (3, H, W)."""
    content = _content(input, "decode_gif")
    if _kind(content) != "gif":
        raise RuntimeError("decode_gif: DGifOpenFileName() failed - Data is not in GIF format")
    return _frames(_opened(content, "decode_gif"), "RGB", "decode_gif")


def _frames(image: Any, mode: str | None, name: str) -> Tensor:
    frames = []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        _loaded(image, name)
        frames.append(_planes(image.convert(mode) if mode and image.mode != mode else image))
    return torch.stack(frames) if len(frames) > 1 else frames[0]


def decode_webp(input: Tensor, mode: ImageReadMode = ImageReadMode.UNCHANGED) -> Tensor:
    """The image of the bytes of a WebP file; there are no grey ones."""
    content = _content(input, "decode_webp")
    if _kind(content) != "webp":
        raise RuntimeError("decode_webp: the content is no WebP image")
    wanted = _PIL_MODES.get(_mode(mode).value)
    if wanted in ("L", "LA"):
        from ..._warn import warn_once

        warn_once(
            "Webp does not support grayscale conversions. The returned tensor will be in the "
            "colorspace of the original image."
        )
        wanted = None
    return _frames(_opened(content, "decode_webp"), wanted, "decode_webp")


def _by_pillow(name: str, kind: str):
    def decode(input: Tensor, mode: ImageReadMode = ImageReadMode.UNCHANGED) -> Tensor:
        content = _content(input, name)
        if _kind(content) != kind:
            raise RuntimeError(f"{name}: the content is no {kind.upper()} image")
        return _frames(_opened(content, name), _PIL_MODES.get(_mode(mode).value), name)

    decode.__name__ = decode.__qualname__ = name
    decode.__doc__ = f"The image of the bytes of an {kind.upper()} file, where Pillow reads those."
    return decode


decode_avif = _by_pillow("decode_avif", "avif")
decode_heic = _by_pillow("decode_heic", "heic")


# -- encoding --------------------------------------------------------------------------------


def _check_image(image: Tensor, name: str) -> Any:
    """The PIL image of a tensor that may be encoded."""
    if image.dtype != torch.uint8:
        raise RuntimeError(f"{name}: Input tensor dtype should be uint8")
    if image.ndim != 3 or image.numel() == 0:
        raise RuntimeError(f"{name}: Input data should be a 3-dimensional tensor")
    if image.shape[0] not in (1, 3):
        raise RuntimeError(
            f"{name}: The number of channels should be 1 or 3, got: {image.shape[0]}"
        )
    array = image.cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if image.shape[0] == 1 else array)


def _encoded(image: Any, **options: Any) -> Tensor:
    buffer = BytesIO()
    image.save(buffer, **options)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file of an image (C, H, W) of bytes; `compression_level`: 0 to 9."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError("encode_png: Compression level should be between 0 and 9")
    image = _check_image(input, "encode_png")
    return _encoded(image, format="PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor | list[Tensor], quality: int = 75) -> Tensor | list[Tensor]:
    """The bytes of a JPEG file of an image (C, H, W) of bytes, or of several; `quality`: 1-100."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, (list, tuple)):
        if not input:
            raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
        return [encode_jpeg(one, quality) for one in input]
    return _encoded(_check_image(input, "encode_jpeg"), format="JPEG", quality=quality)
