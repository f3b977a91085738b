"""Transforms without chance, and those that choose among others."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch

from . import functional as F
from ._arguments import SIZE, Shown, check_padding, lines, pair
from ._image import InterpolationMode, interpolation_mode

Tensor = torch.Tensor


class Compose:
    """One transform after another."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}({lines(self.transforms, '    ')}\n)"


class ToTensor:
    """A PIL image or array (H, W, C) as a tensor (C, H, W); bytes become floats of 0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of the same values."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ConvertImageDtype(torch.nn.Module):
    """Another dtype, with the values scaled so that white stays white."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """Convert a tensor."""
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage:
    """A tensor (C, H, W) or array (H, W, C) as a PIL image."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        shown = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({shown})"


class Normalize(Shown):
    """(tensor - mean) / std, channel by channel."""

    _shown = ("mean", "std")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        """Normalize a tensor of floating numbers."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(Shown):
    """Another size: (height, width), or a number for the shorter side."""

    _shown = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: Any,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        """Resize an image."""
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Shown):
    """The centre, with a black border where the image is smaller."""

    _shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        """Crop an image."""
        return F.center_crop(img, self.size)


class Pad(Shown):
    """A border around the image."""

    _shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        check_padding(padding, fill, padding_mode)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        """Pad an image."""
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {repr(type(lambd).__name__)}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """A list of transforms, for classes that choose among them."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, *args: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what it does to an image")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({lines(self.transforms, '    ')}\n)"


class RandomApply(torch.nn.Module):
    """All of the transforms with probability `p`, otherwise none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        """Apply them, or not."""
        if self.p < torch.rand(1):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        inner = lines(self.transforms, "    ")
        return f"{type(self).__name__}(\n    p={self.p}{inner}\n)"


class RandomOrder(RandomTransforms):
    """All of the transforms in an order that Python's generator draws."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, drawn with weights `p` by Python's generator."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class FiveCrop(Shown):
    """The four corners and the centre."""

    _shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, SIZE)

    def forward(self, img: Any) -> tuple:
        """Five images of one."""
        return F.five_crop(img, self.size)


class TenCrop(Shown):
    """The four corners and the centre, of the image and of its mirror image."""

    _shown = ("size", "vertical_flip")

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size, SIZE)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple:
        """Ten images of one."""
        return F.ten_crop(img, self.size, self.vertical_flip)


def check_linear(matrix: Tensor, mean: Tensor) -> None:
    """Errors for a matrix and a vector that do not go together."""
    if matrix.size(0) != matrix.size(1):
        raise ValueError(
            "transformation_matrix should be square. Got "
            f"{tuple(matrix.size())} rectangular matrix."
        )
    if mean.size(0) != matrix.size(0):
        raise ValueError(
            f"mean_vector should have the same length {mean.size(0)}"
            f" as any one of the dimensions of the transformation_matrix [{tuple(matrix.size())}]"
        )
    if matrix.device != mean.device:
        raise ValueError(
            f"Input tensors should be on the same device. Got {matrix.device} and {mean.device}"
        )
    if matrix.dtype != mean.dtype:
        raise ValueError(
            f"Input tensors should have the same dtype. Got {matrix.dtype} and {mean.dtype}"
        )


def apply_linear(image: Tensor, matrix: Tensor, mean: Tensor) -> Tensor:
    """(image - mean) times the matrix, with the image as one vector."""
    shape = image.shape
    n = shape[-3] * shape[-2] * shape[-1]
    if n != matrix.shape[0]:
        raise ValueError(
            "Input tensor and transformation matrix have incompatible shape."
            f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != {matrix.shape[0]}"
        )
    if image.device.type != mean.device.type:
        raise ValueError(
            "Input tensor should be on the same device as transformation matrix and mean vector. "
            f"Got {image.device} vs {mean.device}"
        )
    flat = image.reshape(-1, n) - mean
    return torch.mm(flat, matrix).reshape(shape)


class LinearTransformation(torch.nn.Module):
    """The image as a vector, less `mean_vector`, times a matrix: whitening, for example."""

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        """Transform a tensor."""
        return apply_linear(tensor, self.transformation_matrix, self.mean_vector)

    def __repr__(self) -> str:
        matrix, mean = self.transformation_matrix.tolist(), self.mean_vector.tolist()
        return f"{type(self).__name__}(transformation_matrix={matrix}, (mean_vector={mean})"


class Grayscale(Shown):
    """Brightness alone, in one channel or three equal ones."""

    _shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """Take the colours from an image."""
        return F.rgb_to_grayscale(img, self.num_output_channels)
