"""Between PIL images, arrays and tensors, and between dtypes."""

from __future__ import annotations

import sys

import rushlight as torch

from ... import _C
from ..._lazy import np
from ._image import Image, is_float, is_pil, max_value

# The modes whose pixels are no bytes, and what an image of them becomes.
_WIDE = {
    "I": "int32",
    "I;16" if sys.byteorder == "little" else "I;16B": "int16",
    "F": "float32",
}
# Bytes per pixel of the other modes that hold whole bytes.
_BYTES = {"L": 1, "RGB": 3, "YCbCr": 3, "HSV": 3, "LAB": 3, "RGBA": 4, "CMYK": 4, "RGBX": 4}
# By number of channels: what users may ask for; the first is the default.
_MODES = {
    2: ("LA",),
    3: ("RGB", "YCbCr", "HSV"),
    4: ("RGBA", "CMYK", "RGBX"),
}
_GREY = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def _is_array(value) -> bool:
    return "numpy" in sys.modules and isinstance(value, np.ndarray)


def to_tensor(pic) -> torch.Tensor:
    """The tensor (C, H, W) of a PIL image or array (H, W, C); bytes become floats of 0 to 1."""
    if not (is_pil(pic) or _is_array(pic)):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if is_pil(pic):
        tensor = _planes(pic, _WIDE.get(pic.mode))
        if pic.mode == "1":
            tensor = tensor.to(torch.uint8) * 255
    elif pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    else:
        array = pic[:, :, None] if pic.ndim == 2 else pic
        tensor = torch.from_numpy(array.transpose((2, 0, 1)))
    tensor = tensor.contiguous()
    return tensor.div(255) if tensor.dtype == torch.uint8 else tensor


def pil_to_tensor(pic) -> torch.Tensor:
    """The tensor (C, H, W) of a PIL image, with the values and the dtype that it has."""
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    # A single plane is contiguous already, but its bytes are not ours to write to.
    return _planes(pic, None).clone(memory_format=torch.contiguous_format)


def _planes(pic, dtype: str | None) -> torch.Tensor:
    """A tensor (C, H, W) over a copy of an image's pixels."""
    if pic.mode in _BYTES:  # NumPy would take twice as long
        shape = (pic.height, pic.width, _BYTES[pic.mode])
        if 0 not in shape:
            return _C.from_buffer(pic.tobytes(), torch.uint8, shape, None, 0).permute(2, 0, 1)
    array = np.array(pic, dtype, copy=True)
    if array.dtype == bool:  # Pillow's true is any byte but 0
        array = array.view(np.uint8) != 0
    pixels = torch.from_numpy(array)
    return pixels.unsqueeze(0) if array.ndim == 2 else pixels.permute(2, 0, 1)


def to_pil_image(pic, mode: str | None = None):
    """The PIL image of a tensor (C, H, W) or an array (H, W, C).

    Floats of 0 to 1 become bytes unless `mode` is "F".
    """
    if not (isinstance(pic, torch.Tensor) or _is_array(pic)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, torch.Tensor):
        planes = pic.unsqueeze(0) if pic.ndim == 2 else pic
        channels = planes.shape[0]
        if channels <= 4:
            if is_float(planes) and mode != "F":
                planes = planes.mul(255).to(torch.uint8)
            array = planes.detach().cpu().numpy().transpose((1, 2, 0))
    else:
        array = pic[:, :, None] if pic.ndim == 2 else pic
        channels = array.shape[2]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    mode = _mode_of(array, mode)
    if channels == 1:
        array = array[:, :, 0]
    return _from_array(array, mode)


def _mode_of(array, mode: str | None) -> str:
    """The mode of the image that an array makes; an error where `mode` cannot be."""
    channels, dtype = array.shape[2], str(array.dtype)
    if channels == 1:
        expected = _GREY.get(dtype)
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {np.dtype}. Should be {expected}"
            )
        mode = expected
    else:
        permitted = _MODES[channels]
        if mode is not None and mode not in permitted:
            raise ValueError(f"Only modes {list(permitted)} are supported for {channels}D inputs")
        if mode is None and dtype == "uint8":
            mode = permitted[0]
    if mode is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    return mode


def _from_array(array, mode: str):
    """The image of `mode` whose pixels are the array's bytes."""
    array = np.ascontiguousarray(array)
    return Image.frombuffer(mode, array.shape[1::-1], array.tobytes(), "raw", mode, 0, 1)


def convert_image_dtype(image: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """The image in another dtype, its values scaled so that white stays white."""
    if image.dtype == dtype:
        return image
    if is_float(image):
        if dtype.is_floating_point:
            return image.to(dtype)
        unsafe = (torch.int32, torch.int64) if image.dtype == torch.float32 else (torch.int64,)
        if dtype in unsafe and image.dtype in (torch.float32, torch.float64):
            raise RuntimeError(
                f"The cast from {image.dtype} to {dtype} cannot be performed safely."
            )
        # Each of the values gets an equal share of 0 to 1; 1 itself is the last one's.
        return image.mul(max_value(dtype) + 1.0 - 1e-3).to(dtype)
    white, wanted = max_value(image.dtype), max_value(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / white
    if white > wanted:
        factor = (white + 1) // (wanted + 1)
        return torch.div(image, factor, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((wanted + 1) // (white + 1))
