"""`Tensor.to("meta")` of a tensor with history."""

from __future__ import annotations

from .function import Function


class ToCopy(Function):
    """Leave the elements behind; a gradient that comes back has none either."""

    @staticmethod
    def forward(ctx, input, dtype, form):
        return input.detach().to(dtype=dtype, device="meta", memory_format=form)

    @staticmethod
    def backward(ctx, g):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
