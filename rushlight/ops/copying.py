"""Copies and writes of a whole tensor: clone, contiguous, conversion, copy_, fill_, zero_."""

from __future__ import annotations

from .._lazy import np
from ..op import op


@op("", node="Clone")
class contiguous:
    """The tensor itself when it is row-major, else a row-major copy."""

    def forward(input):
        return np.ascontiguousarray(input).reshape(input.shape)

    def grad_input(g):
        return g

    def samples(make):
        yield (make(2, 3),)


@op("")
class clone:
    """A copy, in the same memory order or (`packed`) row-major."""

    def forward(input, packed=False):
        return np.array(input, order="C" if packed else "K")

    def grad_input(g):
        return g

    def samples(make):
        yield (make(2, 3),)
        yield make(2, 3), True


@op("")
class to_copy:
    """A copy with another dtype, in the same memory order."""

    def forward(input, dtype):
        from ..op import numpy_dtype

        wanted = numpy_dtype(dtype)
        if input.dtype.kind == "c" and wanted.kind not in "cb":
            input = input.real  # what NumPy warns about
        return input.astype(wanted)

    def grad_input(g):
        return g  # the engine casts

    def samples(make):
        from .. import float64

        yield make(2, 3), float64


@op("", node="ToCopy")
class to_device:
    """A copy elsewhere, of another dtype unless that is None; only tensors that wrap others ask."""

    def forward(input, dtype, device):
        from ..op import numpy_dtype

        return input.astype(input.dtype if dtype is None else numpy_dtype(dtype))

    def meta(input, dtype, device):
        return input.clone() if dtype is None else to_copy(input, dtype)

    def grad_input(g):
        return g  # the engine casts

    def samples(make):
        from .. import float64

        yield make(2, 3), float64, "cpu"


@op("Tensor.copy_", node="CopyBackwards0")
class copy:
    """Write `src`, broadcast and converted, over the tensor."""

    def forward(input, src, non_blocking=False):
        return np.broadcast_to(src, input.shape).astype(input.dtype)

    def grad_input(g):
        return g.new_zeros(()).expand(g.shape)

    def grad_src(g):
        return g

    def samples(make):
        yield make(2, 3), make(3)


@op("torch.fill Tensor.fill_ torch.fill_", node="Fill")
class fill:
    """Write one number over the tensor."""

    def forward(input, value):
        return np.full_like(input, value)

    def grad_input(g):
        return g.new_zeros(()).expand(g.shape)

    def grad_value(g):
        return g

    def samples(make):
        yield make(2, 3), 2.5
        yield make(2, 3), make()


@op("Tensor.zero_ torch.zero_", node="Zero")
class zero:
    """Write zeros over the tensor."""

    def forward(input):
        return np.zeros_like(input)

    def grad_input(g):
        return g.new_zeros(()).expand(g.shape)

    def samples(make):
        yield (make(2, 3),)
