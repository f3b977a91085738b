"""What the files of this folder share: the type, layouts, and how methods are attached."""

from __future__ import annotations

from .. import _C

Tensor = _C.Tensor
Tensor.__module__ = "torch"

preserve_format = contiguous_format = channels_last = channels_last_3d = None  # set below


class memory_format:  # noqa: N801 (torch.memory_format is spelt so)
    """How the elements of a tensor are ordered in memory."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return _format_by_name, (self.name,)


class layout:  # noqa: N801
    """How a tensor is stored: strided, or one of the sparse layouts."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return _layout_by_name, (self.name,)


for _class in (memory_format, layout):
    _class.__module__ = "torch"
FORMATS = {
    n: memory_format(n)
    for n in ("preserve_format", "contiguous_format", "channels_last", "channels_last_3d")
}
FORMATS["legacy_contiguous_format"] = FORMATS["contiguous_format"]
LAYOUTS = {
    n: layout(n)
    for n in (
        "strided",
        "sparse_coo",
        "sparse_csr",
        "sparse_csc",
        "sparse_bsr",
        "sparse_bsc",
        "jagged",
    )
}
preserve_format, contiguous_format = FORMATS["preserve_format"], FORMATS["contiguous_format"]
channels_last, channels_last_3d = FORMATS["channels_last"], FORMATS["channels_last_3d"]
strided = LAYOUTS["strided"]


def _format_by_name(name):
    return FORMATS[name]


def _layout_by_name(name):
    return LAYOUTS[name]


def method(function):
    """Attach `function` to Tensor under its own name."""
    setattr(Tensor, function.__name__, function)
    return function


def attribute(function):
    """Attach `function` to Tensor as a read-only property."""
    setattr(Tensor, function.__name__, property(function))
    return function
