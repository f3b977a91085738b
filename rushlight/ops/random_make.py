"""Tensors of random numbers: rand, randn, randint, randperm, normal and the `_like` forms."""

from __future__ import annotations

from operator import index

from .._C import Tensor, int64
from ..op import public
from ._integers import whole
from ._lanes import to_draw
from .creation import _full, empty, empty_like
from .random import _fit, normal_sample, permutation, random_inplace


def _sizes(name, args, size):
    """The shape out of rand(2, 3), rand((2, 3)) or rand(size=(2, 3))."""
    if size is None:
        if not args:
            raise TypeError(f"{name}() received an invalid combination of arguments - got ()")
        size = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    elif args:
        raise TypeError(f"{name}(): got size both by position and by name")
    try:
        return tuple(index(s) for s in size)
    except TypeError:
        raise TypeError(
            f"{name}(): argument 'size' (position 1) must be tuple of ints, not "
            f"{type(args[0] if args else size).__name__}"
        ) from None


def _blank(name, args, size, out, dtype, device):
    """Memory to fill: `out` in that shape, or a new tensor."""
    if out is None and device is None and size is None and args:
        return to_draw(_full(args, None, dtype, False))
    shape = _sizes(name, args, size)
    if out is None:
        return to_draw(empty(shape, dtype=dtype, device=device))
    if dtype is not None and out.dtype != dtype:
        raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    _fit(out, shape)
    return out


def _blank_like(input, dtype, device, memory_format):
    like = input.detach()
    return to_draw(empty_like(like, dtype=dtype, device=device, memory_format=memory_format))


def _finish(tensor, requires_grad):
    return tensor.requires_grad_() if requires_grad else tensor


@public("torch.rand")
def rand(*size_args, size=None, generator=None, out=None, dtype=None, layout=None, device=None,
         requires_grad=False, pin_memory=False):  # fmt: skip
    """Numbers spread evenly over [0, 1)."""
    blank = _blank("rand", size_args, size, out, dtype, device)
    return _finish(blank.uniform_(generator=generator), requires_grad)


@public("torch.randn")
def randn(*size_args, size=None, generator=None, out=None, dtype=None, layout=None, device=None,
          requires_grad=False, pin_memory=False):  # fmt: skip
    """Numbers of the standard normal distribution."""
    blank = _blank("randn", size_args, size, out, dtype, device)
    return _finish(blank.normal_(generator=generator), requires_grad)


@public("torch.randint")
def randint(low=None, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None,
            device=None, requires_grad=False, pin_memory=False):  # fmt: skip
    """Whole numbers of [low, high): randint(high, size) or randint(low, high, size)."""
    if size is None and isinstance(high, (tuple, list)):
        high, size = None, high
    if high is None:
        low, high = 0, low
    if high is None or not isinstance(size, (tuple, list)):
        raise TypeError(
            "randint(): argument 'size' must be tuple of ints, "
            f"not {type(high if size is None else size).__name__}"
        )
    low, high = whole("randint", "low", low or 0), whole("randint", "high", high)
    dtype = (int64 if out is None else out.dtype) if dtype is None else dtype
    blank = _blank("randint", (size,), None, out, dtype, device)
    return _finish(random_inplace(blank, low, high, generator=generator), requires_grad)


@public("torch.randperm")
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False):  # fmt: skip
    """The numbers 0 .. n-1 in random order, int64 unless `dtype` says otherwise."""
    n = whole("randperm", "n", n)
    if dtype is None and out is not None:
        dtype = out.dtype
    if out is None:
        return _finish(permutation(n, dtype, generator=generator), requires_grad)
    blank = _blank("randperm", ((max(n, 0),),), None, out, dtype, device)
    return _finish(permutation(n, dtype, generator=generator, out=blank), requires_grad)


@public("torch.rand_like")
def rand_like(input, *, generator=None, dtype=None, layout=None, device=None,
              requires_grad=False, memory_format=None, pin_memory=False):  # fmt: skip
    """Numbers spread evenly over [0, 1), in the shape and memory order of `input`."""
    blank = _blank_like(input, dtype, device, memory_format)
    return _finish(blank.uniform_(generator=generator), requires_grad)


@public("torch.randn_like")
def randn_like(input, *, generator=None, dtype=None, layout=None, device=None,
               requires_grad=False, memory_format=None, pin_memory=False):  # fmt: skip
    """Numbers of the standard normal distribution, in the shape and memory order of `input`."""
    blank = _blank_like(input, dtype, device, memory_format)
    return _finish(blank.normal_(generator=generator), requires_grad)


@public("torch.randint_like")
def randint_like(input, low=None, high=None, *, generator=None, dtype=None, layout=None,
                 device=None, requires_grad=False, memory_format=None,
                 pin_memory=False):  # fmt: skip
    """Whole numbers of [low, high) in the shape of `input`; randint_like(x, high) is from 0."""
    if high is None:
        low, high = 0, low
    low, high = whole("randint_like", "low", low or 0), whole("randint_like", "high", high)
    blank = _blank_like(input, dtype, device, memory_format)
    return _finish(random_inplace(blank, low, high, generator=generator), requires_grad)


@public("torch.normal")
def normal(mean, std=1.0, size=None, *, generator=None, out=None, dtype=None, layout=None,
           device=None, requires_grad=False, pin_memory=False):  # fmt: skip
    """Normal numbers: one mean and deviation with a size, or one of each an element."""
    if size is not None:
        blank = _blank("normal", (size,), None, out, dtype, device)
        return _finish(blank.normal_(mean, std, generator=generator), requires_grad)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError(
            "normal() received an invalid combination of arguments - got "
            f"({type(mean).__name__}, {type(std).__name__}), expected a tensor or a size"
        )
    if out is None:
        return normal_sample(mean, std, generator=generator)
    return _normal_out(mean, std, generator, out)


def _normal_out(mean, std, generator, out):
    # Written into directly, since the memory order of `out` decides the draws.
    from .. import broadcast_shapes

    shapes = [x.shape for x in (mean, std) if isinstance(x, Tensor)]
    if isinstance(std, Tensor) and not bool((std >= 0).all()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    _fit(out, broadcast_shapes(*shapes))
    out.normal_(0.0, 1.0 if isinstance(std, Tensor) else std, generator=generator)
    return (out.mul_(std) if isinstance(std, Tensor) else out).add_(mean)
