"""Images: datasets, transforms, models, operators, files and drawing, as torchvision has them."""

from __future__ import annotations

import warnings
from importlib import import_module

from .version import __version__

_LAZY = frozenset(
    ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils", "version")
)

_image_backend = "PIL"


def set_image_backend(backend: str) -> None:
    """Choose what image datasets read files with: "PIL" or "accimage"."""
    global _image_backend
    if backend not in ("PIL", "accimage"):
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")
    _image_backend = backend


def get_image_backend() -> str:
    """The package that image datasets read files with."""
    return _image_backend


def set_video_backend(backend: str) -> None:
    """Choose what video files are read with: "pyav" is the only one."""
    if backend != "pyav":
        warnings.warn(f"set_video_backend: expected 'pyav', got {backend!r}", stacklevel=2)


def get_video_backend() -> str:
    """The package that video files are read with."""
    return "pyav"


def disable_beta_transforms_warning() -> None:
    """Kept for old programs: transforms.v2 gives no such warning any more."""


def _is_tracing() -> bool:
    from .. import jit

    return jit.is_tracing()


def __getattr__(name: str):
    if name in _LAZY:
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _LAZY)
