"""Recipes: for each public function, how a call of it is drawn. Most calls are valid, not all."""

from __future__ import annotations

import math

from fuzz_tensors import (
    COMPLEX,
    EVERY,
    FLOATS,
    INTEGERS,
    REAL,
    Named,
    number,
    shape_of,
    tensor,
)

RECIPES: dict = {}


def recipe(names, *paths):
    """Register a recipe for names: `draw(rng)` gives (args, kwargs)."""

    def register(draw):
        for name in names.split():
            RECIPES[name] = lambda rng, name=name: (name, *draw(rng))
        return draw

    return register


def broadcast_pair(rng, dtypes=EVERY):
    """Two shapes that (mostly) broadcast."""
    shape = shape_of(rng)
    other = tuple(1 if rng.random() < 0.2 else n for n in shape)
    other = other[rng.randint(0, len(other)) :] if rng.random() < 0.4 else other
    if rng.random() < 0.03:
        other = shape_of(rng)
    return (shape, other) if rng.random() < 0.7 else (other, shape)


def operand(rng, shape, dtypes, dtype=None):
    """A tensor, sometimes 0-d, sometimes a Python number."""
    kind = rng.random()
    if kind < 0.12:
        return number(rng)
    if kind < 0.22:
        return tensor(rng, (), dtype, dtypes)
    return tensor(rng, shape, dtype, dtypes)


def dim_of(rng, ndim, wild=0.04):
    if rng.random() < wild:
        return rng.choice((ndim, -ndim - 1, 7))
    return rng.randint(-max(ndim, 1), max(ndim, 1) - 1)


def dims_of(rng, ndim):
    kind = rng.random()
    if kind < 0.1:
        return None
    if kind < 0.45 or not ndim:
        return dim_of(rng, ndim)
    many = rng.sample(range(ndim), rng.randint(0, ndim))
    return tuple(d - ndim if rng.random() < 0.3 else d for d in many)


def options(rng, **choices):
    """A dict of some of the options, each drawn."""
    return {k: rng.choice(v) for k, v in choices.items() if rng.random() < 0.5}


DTYPES = tuple(Named(d) for d in EVERY)
FLAG = (True, False)

# -- element by element -----------------------------------------------------------------------


@recipe("""abs neg sign sgn sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos
    atan sinh cosh tanh asinh acosh atanh floor ceil trunc frac reciprocal square sigmoid erf erfc
    erfinv
    isnan isinf isfinite isposinf isneginf isreal signbit logical_not bitwise_not positive
    nan_to_num deg2rad rad2deg angle real conj conj_physical logit sinc relu
    nn.functional.relu nn.functional.relu6 nn.functional.gelu nn.functional.silu nn.functional.mish
    nn.functional.elu nn.functional.celu nn.functional.selu nn.functional.leaky_relu
    nn.functional.hardtanh nn.functional.hardswish nn.functional.hardsigmoid nn.functional.softplus
    nn.functional.softsign nn.functional.tanhshrink nn.functional.hardshrink
    nn.functional.softshrink
    nn.functional.logsigmoid nn.functional.sigmoid nn.functional.tanh
    Tensor.abs_ Tensor.neg_ Tensor.sqrt_ Tensor.exp_ Tensor.floor_ Tensor.relu_ Tensor.sign_
    Tensor.logical_not_ Tensor.zero_ Tensor.reciprocal_ Tensor.square_ Tensor.nan_to_num_
    special.round""")
def unary(rng):
    return [tensor(rng, dtypes=EVERY)], {}


@recipe("""add sub mul div true_divide eq ne lt le gt ge maximum minimum fmin fmax fmod remainder
    floor_divide pow atan2 hypot copysign nextafter logaddexp logaddexp2 xlogy float_power
    logical_and logical_or logical_xor isclose special.xlog1py rsub
    Tensor.__add__ Tensor.__sub__ Tensor.__mul__ Tensor.__truediv__ Tensor.__floordiv__
    Tensor.__mod__ Tensor.__pow__ Tensor.__eq__ Tensor.__lt__
    Tensor.add_ Tensor.sub_ Tensor.mul_ Tensor.div_ Tensor.pow_ Tensor.fmod_ Tensor.remainder_
    Tensor.floor_divide_ Tensor.copysign_ Tensor.eq_ Tensor.lt_ Tensor.xlogy_ Tensor.logical_and_
    Tensor.__iadd__ Tensor.__imul__ Tensor.__itruediv__ Tensor.__ifloordiv__ Tensor.__imod__""")
def binary(rng):
    shape, other = broadcast_pair(rng)
    dtypes = REAL if rng.random() < 0.6 else EVERY
    same = rng.choice(dtypes) if rng.random() < 0.4 else None
    return [tensor(rng, shape, same, dtypes), operand(rng, other, dtypes, same)], {}


@recipe("""Tensor.__radd__ Tensor.__rsub__ Tensor.__rtruediv__ Tensor.__rfloordiv__ Tensor.__rmod__
    Tensor.__rpow__""")
def reflected(rng):
    return [tensor(rng, dtypes=REAL if rng.random() < 0.6 else EVERY), number(rng)], {}


@recipe("div Tensor.div_")
def rounded_division(rng):
    args, _ = binary(rng)
    return args, {"rounding_mode": rng.choice((None, "floor", "trunc"))}


@recipe("add sub Tensor.add_ Tensor.sub_ rsub")
def scaled_sum(rng):
    args, _ = binary(rng)
    return args, options(rng, alpha=(1, 2, -1, 2.5, True, 300))


for _name, _draw in (("div", rounded_division), ("add", scaled_sum), ("sub", scaled_sum)):
    RECIPES[_name] = lambda rng, n=_name, d=_draw: (n, *(d if rng.random() < 0.5 else binary)(rng))


@recipe("""bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift gcd lcm
    Tensor.__and__ Tensor.__or__ Tensor.__xor__ Tensor.__lshift__ Tensor.__rshift__
    Tensor.bitwise_and_ Tensor.__ilshift__ Tensor.gcd_""")
def bits(rng):
    shape, other = broadcast_pair(rng)
    dtypes = (*INTEGERS, "bool") if rng.random() < 0.95 else EVERY
    pick = lambda: rng.choice(dtypes)  # noqa: E731
    first = pick()
    second = first if rng.random() < 0.5 else pick()
    if rng.random() < 0.3:
        return [
            tensor(rng, shape, first),
            rng.choice((0, 1, 2, 7, 8, 31, 32, 33, 63, 64, -1, 200)),
        ], {}
    return [tensor(rng, shape, first), tensor(rng, other, second)], {}


@recipe("heaviside ldexp outer inner kron")
def paired(rng):
    shape, other = broadcast_pair(rng)
    dtype = rng.choice(REAL)
    return [tensor(rng, shape, dtype), tensor(rng, other, dtype)], {}


@recipe("where")
def where(rng):
    shape, other = broadcast_pair(rng)
    return [
        tensor(rng, shape, "bool" if rng.random() < 0.95 else "uint8"),
        operand(rng, other, EVERY),
        operand(rng, shape, EVERY),
    ], {}


@recipe("clamp clip Tensor.clamp_")
def clamp(rng):
    shape, other = broadcast_pair(rng)
    x = tensor(rng, shape, dtypes=EVERY if rng.random() < 0.1 else REAL)
    if rng.random() < 0.5:
        return [x, rng.choice((None, number(rng))), rng.choice((None, number(rng)))], {}
    bound = lambda: None if rng.random() < 0.2 else tensor(rng, other, dtypes=REAL)  # noqa: E731
    return [x, bound(), bound()], {}


@recipe("clamp_min clamp_max Tensor.clamp_min_")
def clamp_one(rng):
    shape, other = broadcast_pair(rng)
    return [tensor(rng, shape), operand(rng, other, REAL)], {}


@recipe("lerp Tensor.lerp_")
def lerp(rng):
    shape, other = broadcast_pair(rng)
    dtype = rng.choice((*FLOATS, *COMPLEX, "int64"))
    return [
        tensor(rng, shape, dtype),
        tensor(rng, other, dtype),
        operand(rng, other, (dtype,), dtype),
    ], {}


@recipe("addcmul addcdiv Tensor.addcmul_ Tensor.addcdiv_")
def addcmul(rng):
    shape, other = broadcast_pair(rng)
    same = rng.choice((*FLOATS, *INTEGERS)) if rng.random() < 0.8 else None
    return [tensor(rng, s, same) for s in (shape, other, shape)], options(
        rng, value=(1, 2, -0.5, 0)
    )


@recipe("round Tensor.round_")
def rounded(rng):
    return [tensor(rng, dtypes=EVERY)], options(rng, decimals=(0, 1, 2, -1, 3, -2))


# -- reductions -------------------------------------------------------------------------------


@recipe("sum mean nansum nanmean prod")
def total(rng):
    x = tensor(rng, dtypes=EVERY)
    if rng.random() < 0.3:
        return [x], options(rng, dtype=DTYPES)
    return [x, dims_of(rng, len(x.shape))], options(
        rng, keepdim=FLAG, dtype=DTYPES
    ) if rng.random() < 0.4 else options(rng, keepdim=FLAG)


@recipe("amax amin all any count_nonzero logsumexp aminmax")
def extreme(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, dims_of(rng, len(x.shape))], options(rng, keepdim=FLAG)


RECIPES["aminmax"] = lambda rng: (
    "aminmax",
    [x := tensor(rng)],
    {"dim": rng.choice((None, dim_of(rng, len(x.shape))))},
)
RECIPES["count_nonzero"] = lambda rng: (
    "count_nonzero",
    [x := tensor(rng, dtypes=EVERY), dims_of(rng, len(x.shape))],
    {},
)


@recipe("max min argmax argmin all any")
def picked(rng):
    return picked_from(rng, tensor(rng, dtypes=EVERY if rng.random() < 0.1 else REAL))


@recipe("median nanmedian mode")
def ranked(rng):
    return picked_from(rng, distinct(rng))


def picked_from(rng, x):
    if rng.random() < 0.3:
        return [x], {}
    if rng.random() < 0.1:
        return [x, tensor(rng, x.shape)], {}
    return [x, dim_of(rng, len(x.shape))], options(rng, keepdim=FLAG)


@recipe("cumsum cumprod cummax cummin logcumsumexp")
def scan(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x, dim_of(rng, len(x.shape))], options(rng, dtype=DTYPES) if rng.random() < 0.2 else {}


@recipe("sort argsort Tensor.sort")
def sort(rng):
    x = tensor(rng)
    if rng.random() < 0.5:
        return [x], options(rng, dim=(dim_of(rng, len(x.shape)),), descending=FLAG, stable=(True,))
    return [x, dim_of(rng, len(x.shape))], options(rng, descending=FLAG)


def distinct(rng):
    """A tensor whose values along any dim have no ties, so that the order of indices is one."""
    import numpy as np

    shape = shape_of(rng)
    random = np.random.default_rng(rng.randrange(1 << 30))
    values = random.permutation(math.prod(shape)).reshape(shape) - 3.0
    dtype = rng.choice(("float32", "float64", "int64", "int32", "float16"))
    if values.size and rng.random() < 0.5 and dtype in FLOATS:
        values.flat[rng.randrange(values.size)] = rng.choice((math.nan, math.inf, -math.inf))
    layout = rng.choice(("plain", "permuted", "channels_last", "stepped", "offset"))
    return tensor(rng, shape, dtype, values=values, layout=layout)


@recipe("topk")
def topk(rng):
    x = distinct(rng)
    return [x, rng.choice((0, 1, 1, 2, 3, 9))], options(
        rng, dim=(dim_of(rng, len(x.shape)),), largest=FLAG
    )


@recipe("kthvalue")
def kthvalue(rng):
    x = distinct(rng)
    return [x, rng.choice((1, 1, 2, 3, 0)), dim_of(rng, len(x.shape))], options(rng, keepdim=FLAG)


@recipe("msort fliplr flipud isreal trace tril triu diag diagflat nonzero argwhere flatten ravel")
def alone(rng):
    return [tensor(rng, dtypes=EVERY)], {}


@recipe("std var std_mean var_mean")
def spread(rng):
    x = tensor(rng, dtypes=EVERY if rng.random() < 0.2 else FLOATS)
    kind = rng.random()
    if kind < 0.3:
        return [x], options(rng, correction=(0, 1, 2, 0.5))
    if kind < 0.5:
        return [x, rng.random() < 0.5], {}
    return [x, dims_of(rng, len(x.shape))], options(
        rng, keepdim=FLAG, unbiased=FLAG
    ) if rng.random() < 0.5 else options(rng, keepdim=FLAG, correction=(0, 1, 2, 9))


@recipe("norm linalg.vector_norm")
def norm(rng):
    x = tensor(rng, dtypes=(*FLOATS, *COMPLEX))
    order = rng.choice((0, 1, 2, 2, 3, 0.5, -1, math.inf, -math.inf))
    return [x, order, dims_of(rng, len(x.shape))], options(rng, keepdim=FLAG)


@recipe("quantile nanquantile")
def quantile(rng):
    x = tensor(rng, dtypes=FLOATS[:2])
    q = (
        rng.choice((0.0, 0.5, 1.0, 0.3))
        if rng.random() < 0.6
        else tensor(rng, (3,), x.dtype, mode="tame", grad=False, values=[0.0, 0.25, 1.0])
    )
    return [x, q], options(
        rng,
        dim=(dim_of(rng, len(x.shape)), None),
        keepdim=FLAG,
        interpolation=("linear", "lower", "higher", "nearest", "midpoint"),
    )


@recipe("unique unique_consecutive")
def unique(rng):
    x = tensor(rng)
    return [x], options(
        rng, return_inverse=FLAG, return_counts=FLAG, dim=(None, dim_of(rng, len(x.shape)))
    )


@recipe("searchsorted")
def searchsorted(rng):
    import numpy as np

    dtype = rng.choice(("float32", "int64", "float64", "int32", "float16"))
    n = rng.choice((0, 1, 4, 6))
    lead = rng.choice(((), (), (2,), (1,)))
    values = np.sort(np.random.default_rng(rng.randrange(99)).integers(-3, 4, (*lead, n)), -1)
    other = dtype if rng.random() < 0.9 else rng.choice(REAL)
    return [
        tensor(rng, (*lead, n), dtype, values=values, grad=False),
        tensor(rng, (*lead, rng.choice((0, 1, 3))), other, grad=False),
    ], options(rng, right=FLAG, out_int32=FLAG)


@recipe("bucketize")
def bucketize(rng):
    values = tensor(rng, (4,), "float32", values=[-1.0, 0.0, 0.5, 2.0], grad=False)
    return [operand(rng, shape_of(rng), REAL), values], options(rng, right=FLAG, out_int32=FLAG)


@recipe("isin")
def isin(rng):
    return [tensor(rng, grad=False), tensor(rng, grad=False)], options(rng, invert=FLAG)


@recipe("bincount")
def bincount(rng):
    n = rng.choice((0, 1, 5))
    return [tensor(rng, (n,), rng.choice(INTEGERS), mode="ties", grad=False)], options(
        rng, minlength=(0, 5, -1), weights=(tensor(rng, (n,), grad=False),)
    )


@recipe("diff")
def diff(rng):
    x = tensor(rng, dtypes=EVERY)
    return [x], options(rng, n=(0, 1, 2, 5), dim=(dim_of(rng, len(x.shape)),))


@recipe("trapezoid cumulative_trapezoid")
def trapezoid(rng):
    x = tensor(rng)
    return [x], options(rng, dx=(1, 2, 0.5), dim=(dim_of(rng, len(x.shape)),))


@recipe("softmax log_softmax nn.functional.softmin nn.functional.softmax nn.functional.log_softmax")
def softmax(rng):
    x = tensor(rng, dtypes=(*FLOATS, "int64"))
    return [x, dim_of(rng, len(x.shape))], options(
        rng, dtype=DTYPES[:4]
    ) if rng.random() < 0.3 else {}


@recipe("renorm")
def renorm(rng):
    x = tensor(rng, dtypes=FLOATS)
    return [
        x,
        rng.choice((1, 2, 0.5, math.inf)),
        dim_of(rng, len(x.shape)),
        rng.choice((1.0, 0.5, 0)),
    ], {}
