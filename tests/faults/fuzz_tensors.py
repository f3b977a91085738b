"""Random arguments that can be built alike in two frameworks.

A `Spec` describes a tensor down to its storage: elements, dtype, shape, strides and offset. The
values are chosen to hurt: ties, NaN, infinities, both zeros, the ends of the integers.
"""

from __future__ import annotations

import math

import numpy as np

FLOATS = ("float32", "float64", "float16", "bfloat16")
SIGNED = ("int64", "int32", "int16", "int8")
INTEGERS = (*SIGNED, "uint8")
COMPLEX = ("complex64", "complex128")
EVERY = (*FLOATS, *INTEGERS, "bool", *COMPLEX)
REAL = (*FLOATS, *INTEGERS, "bool")
SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 5, 7)
LARGEST = {"float16": 65504.0, "bfloat16": 3.3895314e38, "float32": 3.4028235e38}


def holder(dtype):
    """The NumPy dtype that carries the values of `dtype`."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


class Named:
    """An attribute of the framework: a dtype, a memory format."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"


class Part:
    """An output that shares memory with argument `at`: all of it, or shifted by one element."""

    def __init__(self, at, shifted):
        self.at, self.shifted = at, shifted

    def __repr__(self):
        return f"<{'part' if self.shifted else 'all'} of argument {self.at}>"


class Spec:
    """A tensor to be built: `flat` storage elements seen through shape, strides and offset."""

    def __init__(self, flat, dtype, shape, strides, offset=0, grad=False):
        self.flat, self.dtype, self.shape = flat, dtype, tuple(shape)
        self.strides, self.offset, self.grad = tuple(strides), offset, grad

    def build(self, framework):
        flat = framework.from_numpy(self.flat.copy())
        if self.dtype == "bfloat16":
            flat = flat.to(framework.bfloat16)
        t = framework.as_strided(flat, self.shape, self.strides, self.offset)
        return t.requires_grad_() if self.grad else t

    def values(self):
        """The elements as an ndarray."""
        return np.lib.stride_tricks.as_strided(
            self.flat[self.offset :] if self.flat.size > self.offset else self.flat,
            self.shape,
            [s * self.flat.itemsize for s in self.strides],
        )

    def packed(self):
        """The same values, contiguous."""
        flat, strides, step = np.ascontiguousarray(self.values()).reshape(-1), [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= max(size, 1)
        return Spec(flat if flat.size else self.flat, self.dtype, self.shape, strides, 0, self.grad)

    def __repr__(self):
        values = self.values()
        text = " ".join(str(values.tolist()).split())
        text = text if len(text) < 200 else text[:200] + "..."
        grad = " grad" if self.grad else ""
        return f"<{self.dtype} {self.shape} strides {self.strides}+{self.offset}{grad}: {text}>"


def shape_of(rng, least=0, most=4, empty=True):
    """A random shape; sizes 0 and 1 are common enough."""
    ndim = rng.randint(least, most)
    shape = [rng.choice(SIZES) for _ in range(ndim)]
    if not empty or rng.random() < 0.7:
        shape = [max(s, 1) for s in shape]
    return tuple(shape)


def values_of(rng, shape, dtype, mode=None):
    """An array of `shape` for `dtype`."""
    random = np.random.default_rng(rng.randrange(1 << 30))
    mode = (
        rng.choice(("tame", "tame", "ties", "ties", "special", "extreme")) if mode is None else mode
    )
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        return integers_of(random, shape, dtype, mode)
    if dtype in COMPLEX:
        part = holder("float32" if dtype == "complex64" else "float64")
        real, imag = (reals_of(random, shape, str(part), mode).astype(part) for _ in range(2))
        made = np.empty(shape, dtype)
        made.real, made.imag = real, imag
        return made
    return reals_of(random, shape, dtype, mode).astype(holder(dtype))


def integers_of(random, shape, dtype, mode):
    info = np.iinfo(dtype)
    low, high = (0, 9) if dtype == "uint8" else (-4, 9)
    if mode == "ties":
        low, high = max(low, -1), 3
    made = np.asarray(random.integers(low, high, shape)).astype(dtype)
    if mode == "extreme":
        odd = np.array([info.min, info.max, info.max - 1, info.min + 1, 0, 1], dtype)
        made = np.where(random.random(shape) < 0.4, random.choice(odd, shape), made)
    return np.asarray(made, dtype)


def reals_of(random, shape, dtype, mode):
    if mode == "ties":
        made = np.asarray(random.integers(-2, 3, shape)).astype(np.float64)
        return np.where(random.random(shape) < 0.1, -0.0, made)
    made = np.asarray(random.uniform(-3, 3, shape))
    if mode == "special":
        odd = np.array([math.nan, math.inf, -math.inf, -0.0, 0.0, 1.0, -1.0, 0.5, 2.0])
        made = np.where(random.random(shape) < 0.4, random.choice(odd, shape), made)
    if mode == "extreme":
        top = LARGEST.get(dtype, 1.7976931348623157e308)
        tiny = {"float16": 6e-8, "bfloat16": 1e-40, "float32": 1e-45}.get(dtype, 5e-324)
        odd = np.array([top, -top, tiny, -tiny, 1e-3, math.inf, math.nan, 1e4, -0.0])
        made = np.where(random.random(shape) < 0.4, random.choice(odd, shape), made)
    return np.asarray(made)


def order_of(rng, ndim, layout):
    """The dims from the outermost in memory to the innermost."""
    if layout == "channels_last" and ndim in (4, 5):
        return [0, *range(2, ndim), 1]
    dims = list(range(ndim))
    if layout == "permuted":
        rng.shuffle(dims)
    return dims


LAYOUTS = ("plain", "plain", "plain", "permuted", "channels_last", "stepped", "expanded", "offset")


def spec_of(rng, values, dtype, layout=None, grad=False):
    """The array `values` as a Spec of some layout; an expanded one repeats its first slice."""
    values = np.asarray(values, holder(dtype))
    layout = rng.choice(LAYOUTS) if layout is None else layout
    shape, strides, step = values.shape, [0] * values.ndim, 1
    expanded = rng.randrange(values.ndim) if layout == "expanded" and values.ndim else None
    steps = [rng.choice((1, 2)) if layout == "stepped" else 1 for _ in shape]
    for dim in reversed(order_of(rng, values.ndim, layout)):
        if dim == expanded:
            continue
        strides[dim] = step * steps[dim]
        step *= max(shape[dim], 1) * steps[dim]
    offset = rng.randint(1, 3) if layout in ("offset", "stepped") else 0
    flat = np.zeros(step + offset, values.dtype)
    if values.size:
        if expanded is not None:
            values = np.repeat(np.take(values, [0], expanded), shape[expanded], expanded)
        seen = np.lib.stride_tricks.as_strided(
            flat[offset:], shape, [s * flat.itemsize for s in strides]
        )
        seen[...] = values
    return Spec(flat, dtype, shape, strides, offset, grad)


def tensor(
    rng, shape=None, dtype=None, dtypes=REAL, mode=None, layout=None, grad=None, values=None
):
    """A random Spec, all unspecified choices drawn."""
    shape = shape_of(rng) if shape is None else tuple(shape)
    dtype = (
        (rng.choice(FLOATS[:2]) if rng.random() < 0.4 else rng.choice(dtypes))
        if dtype is None
        else dtype
    )
    if values is None:
        values = values_of(rng, shape, dtype, mode)
    grad = rng.random() < 0.4 if grad is None else grad
    return spec_of(rng, values, dtype, layout, grad and dtype in (*FLOATS, *COMPLEX))


def indices(rng, shape, high, wild=0.02, dtype=None):
    """Positions below `high`, often repeated, now and then negative or out of range."""
    random = np.random.default_rng(rng.randrange(1 << 30))
    values = np.asarray(random.integers(0, max(high, 1), shape))
    if rng.random() < wild * 5 and values.size:
        values.flat[rng.randrange(values.size)] = rng.choice((-1, high, -high - 1))
    kind = dtype or ("int32" if rng.random() < wild else "int64")
    return spec_of(rng, values, kind, grad=False)


def number(rng):
    """A Python number of any kind."""
    return rng.choice(
        (
            0,
            1,
            -1,
            2,
            3,
            2.5,
            -0.0,
            0.5,
            -1.5,
            True,
            False,
            100,
            300,
            1e10,
            math.inf,
            -math.inf,
            math.nan,
        )
    )


def built(tree, framework):
    """The tree with its Specs and names made real."""
    if isinstance(tree, Spec):
        return tree.build(framework)
    if isinstance(tree, Named):
        return getattr(framework, tree.name)
    if type(tree) in (list, tuple):
        return type(tree)(built(item, framework) for item in tree)
    if type(tree) is dict:
        return {k: built(v, framework) for k, v in tree.items()}
    return tree
