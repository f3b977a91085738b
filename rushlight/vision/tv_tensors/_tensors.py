"""The classes of tensors that say what they hold."""

from __future__ import annotations

from enum import Enum
from typing import Any

import rushlight as torch

from ..transforms._image import is_pil

Tensor = torch.Tensor

# Calls whose result stays what the tensor was, whatever `set_return_type` says.
_KEEP = frozenset(("clone", "detach", "requires_grad_", "_detach"))
_keeps_everything = False


class set_return_type:  # noqa: N801 (torchvision's name)
    """What operators on these tensors return: "Tensor" (as at the start) or "TVTensor".

    As a call it holds from now on; as a context, inside only.
    """

    def __init__(self, return_type: str) -> None:
        global _keeps_everything
        wanted = {"tensor": False, "tvtensor": True}.get(str(return_type).lower())
        if wanted is None:
            raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
        self._before = _keeps_everything
        _keeps_everything = wanted

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        global _keeps_everything
        _keeps_everything = self._before


def _as_tensor(data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> Tensor:
    if requires_grad is None:
        requires_grad = data.requires_grad if isinstance(data, Tensor) else False
    return torch.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)


class TVTensor(Tensor):
    """A tensor of a known kind; operators on it return plain tensors unless told otherwise."""

    _metadata: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """All is done by `__new__`."""

    @classmethod
    def _of(cls, tensor: Tensor, values: dict) -> TVTensor:
        made = tensor.as_subclass(cls)
        for name in cls._metadata:
            setattr(made, name, values[name])
        return made

    def _like(self, tensor: Tensor, changes: dict) -> TVTensor:
        """`tensor` as one of this kind, with this one's metadata but for the changes."""
        values = {name: getattr(self, name) for name in self._metadata} | changes
        if isinstance(values.get("format"), str):
            values["format"] = BoundingBoxFormat[values["format"].upper()]
        return type(self)._of(tensor, values)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if not all(issubclass(cls, kind) or issubclass(kind, TVTensor) for kind in types):
            return NotImplemented
        with torch.overrides.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        first = args[0] if args else None
        name = getattr(func, "__name__", "")
        if not (_keeps_everything or name in _KEEP and isinstance(first, cls)):
            return _plain(result)
        like = first if isinstance(first, cls) else _first_of(cls, args)
        return _rewrapped(result, like)

    @property
    def data(self) -> Tensor:
        """The same memory as a plain tensor, without history."""
        return self.as_subclass(Tensor).data

    @data.setter
    def data(self, value: Tensor) -> None:
        Tensor.data.__set__(self, value)

    def to(self, *args: Any, **kwargs: Any) -> TVTensor:
        """In another dtype or on another device; it stays what it is."""
        return self._like(self.as_subclass(Tensor).to(*args, **kwargs), {})

    def __deepcopy__(self, memo):
        return self._like(
            self.as_subclass(Tensor).detach().clone().requires_grad_(self.requires_grad), {}
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        with torch.overrides.DisableTorchFunctionSubclass():
            text = super().__repr__()
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._metadata)
        return f"{text[:-1]}, {shown})"

    def __reduce_ex__(self, protocol):
        values = {name: getattr(self, name) for name in self._metadata}
        return _rebuild, (type(self), self.as_subclass(Tensor), values)


def _rebuild(cls, tensor, values):
    return cls._of(tensor, values)


def _first_of(cls, args):
    for value in args:
        if isinstance(value, cls):
            return value
        if isinstance(value, (list, tuple)):
            found = _first_of(cls, value)
            if found is not None:
                return found
    return None


def _plain(result):
    if isinstance(result, TVTensor):
        return result.as_subclass(Tensor)
    if isinstance(result, (list, tuple)) and any(isinstance(r, TVTensor) for r in result):
        return type(result)(_plain(r) for r in result)
    return result


def _rewrapped(result, like):
    if like is None:
        return result
    if isinstance(result, Tensor):
        return like._like(_plain(result), {})
    if isinstance(result, (list, tuple)) and not isinstance(result, torch.Size):
        return type(result)(_rewrapped(r, like) for r in result)
    return result


class Image(TVTensor):
    """An image (..., C, H, W); of two dims, it gets one for the channel. PIL images too."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        if is_pil(data):
            from ..transforms._convert import pil_to_tensor

            data = pil_to_tensor(data)
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return cls._of(tensor.unsqueeze(0) if tensor.ndim == 2 else tensor, {})


class Video(TVTensor):
    """Frames (..., T, C, H, W)."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"Video: expected frames (..., T, C, H, W), got {tensor.ndim} dims")
        return cls._of(tensor, {})


class Mask(TVTensor):
    """Masks of segmentation or detection (..., H, W)."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        if is_pil(data):
            from ..transforms._convert import pil_to_tensor

            data = pil_to_tensor(data)
        return cls._of(_as_tensor(data, dtype, device, requires_grad), {})

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        with torch.overrides.DisableTorchFunctionSubclass():
            return Tensor.__repr__(self)


class BoundingBoxFormat(Enum):
    """How numbers say a box: corners, corner and size, or centre and size; R is an angle."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


_ROTATED = ("XYWHR", "CXCYWHR", "XYXYXYXY")


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether boxes of the format may stand at an angle."""
    return (format.value if isinstance(format, BoundingBoxFormat) else format) in _ROTATED


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) in an image of size `canvas_size` (height, width)."""

    _metadata = ("format", "canvas_size", "clamping_mode")
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data,
        *,
        format,
        canvas_size,
        clamping_mode="soft",
        dtype=None,
        device=None,
        requires_grad=None,
    ):
        if clamping_mode is not None and clamping_mode not in ("hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if isinstance(format, str):
            format = BoundingBoxFormat[format.upper()]
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(
                f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}."
            )
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        values = {"format": format, "canvas_size": canvas_size, "clamping_mode": clamping_mode}
        return cls._of(tensor, values)


class KeyPoints(TVTensor):
    """Points (..., 2), x first, in an image of size `canvas_size` (height, width)."""

    _metadata = ("canvas_size",)
    canvas_size: tuple[int, int]

    def __new__(cls, data, *, canvas_size, dtype=None, device=None, requires_grad=None):
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        return cls._of(tensor, {"canvas_size": canvas_size})
