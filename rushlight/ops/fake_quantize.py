"""Rounding to the numbers that few bits can hold, with a gradient that passes straight through."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public


@op("", node="FakeQuantizePerTensorAffineCachemask")
class fake_quantize:
    """(q - zero_point) scale, q = input / scale + zero_point rounded and clamped."""

    def forward(input, scale, zero_point, quant_min, quant_max):
        if input.dtype.kind != "f":
            raise NotImplementedError(f"fake_quantize: expected a real input, got {input.dtype}")
        q = np.rint(input * (1.0 / scale)) + zero_point
        return ((np.clip(q, quant_min, quant_max) - zero_point) * scale).astype(input.dtype)

    def meta(input, scale, zero_point, quant_min, quant_max):
        if not input.is_floating_point():
            raise NotImplementedError(f"fake_quantize: expected a real input, got {input.dtype}")
        return input.clone()

    def grad_input(g, input, scale, zero_point, quant_min, quant_max):
        # Inside the range the rounding counts as the identity; outside nothing passes.
        q = (input * (1.0 / scale)).round() + zero_point
        return g * ((q >= quant_min) & (q <= quant_max))

    # The gradient is not the derivative of what is computed: finite differences do not apply.
    underivable = True

    def samples(make):
        yield (
            make(3, 5, low=-1, high=3),
            make(1, low=0.1, high=0.2, grad=False),
            make(1, low=2, high=3, grad=False),
            0,
            15,
        )


def _check(name, input, zero_point, quant_min, quant_max):
    if not input.is_floating_point():
        raise NotImplementedError(f"\"{name}\" not implemented for '{input.dtype}'")
    if quant_min > quant_max:
        raise RuntimeError("`quant_min` should be less than or equal to `quant_max`.")
    if zero_point.numel() and not bool(
        ((zero_point >= quant_min) & (zero_point <= quant_max)).all()
    ):
        raise RuntimeError("`zero_point` must be between `quant_min` and `quant_max`.")


@public("torch.fake_quantize_per_tensor_affine")
def fake_quantize_per_tensor_affine(input, scale, zero_point, quant_min, quant_max):
    """Round to scale (q - zero_point) for whole q in [quant_min, quant_max]."""
    from .. import as_tensor

    if not isinstance(scale, _C.Tensor):
        scale = as_tensor(scale, dtype=_C.float64)
    scale, zero_point = scale.detach(), as_tensor(zero_point).detach()
    _check("fake_quantize_per_tensor_affine", input, zero_point, quant_min, quant_max)
    return fake_quantize(
        input, scale.to(input.dtype), zero_point.to(input.dtype), quant_min, quant_max
    )


@public("torch.fake_quantize_per_channel_affine")
def fake_quantize_per_channel_affine(input, scale, zero_point, axis, quant_min, quant_max):
    """`fake_quantize_per_tensor_affine` with a scale and zero point for every slice of `axis`."""
    if zero_point.dtype not in (_C.int32, _C.float32, _C.float16):
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {zero_point.dtype}")
    if scale.dim() != 1 or zero_point.dim() != 1:
        raise RuntimeError("scale and zero point should be 1-D tensors")
    if not 0 <= axis < input.dim():
        raise RuntimeError("`axis` must be between 0 and number of dimensions of input")
    if not len(scale) == len(zero_point) == input.shape[axis]:
        raise RuntimeError(
            "dimensions of scale and zero-point are not consistent with input tensor"
        )
    if not zero_point.is_floating_point():
        _check("fake_quantize_per_channel_affine", input, zero_point, quant_min, quant_max)
    shape = [-1 if d == axis else 1 for d in range(input.dim())]
    scale, zero_point = (p.detach().to(input.dtype).reshape(shape) for p in (scale, zero_point))
    return fake_quantize(input, scale, zero_point, quant_min, quant_max)


@public("torch.dequantize Tensor.dequantize")
def dequantize(input):
    """The tensor in floating point: none is quantised here, so itself (tensor or list of them)."""
    if isinstance(input, (list, tuple)):
        return tuple(dequantize(t) for t in input)
    return input if input.is_floating_point() else input.to(_C.float32)
