"""The lines of the groups `pointwise`, `reductions` and `windows`: one operator a line.

Pointwise operators run over a square (a million elements) in every dtype that they take, and in
float32 also transposed, broadcast and small; reductions over all elements and over each dim;
windows (pooling, padding, resampling, folding) forward and backward. Arguments lie where the
operator is defined.
"""

from __future__ import annotations

import math

SIDE = 1000  # of the square that most lines run over; bench/run.py --side sets it
FLOATS = "float32", "float64", "bfloat16"
REALS = *FLOATS, "int64"
ALL = *REALS, "complex64"
WITH_COMPLEX = *FLOATS, "complex64"

ANY, POSITIVE, UNIT, LARGE, PART = (-3.0, 3.0), (0.1, 5.0), (-0.95, 0.95), (1.1, 9.0), (0.05, 0.95)
WIDE = -20.0, 20.0

# The name of an operator, the interval of its arguments, its dtypes.
UNARY = [
    *((name, ANY, ALL) for name in "abs neg square sgn isnan isinf isfinite positive".split()),
    *((name, ANY, REALS) for name in "floor ceil trunc round signbit relu logical_not".split()),
    *((name, ANY, WITH_COMPLEX) for name in "exp sin cos tan tanh sinh cosh sigmoid".split()),
    *((name, ANY, WITH_COMPLEX) for name in "expm1 reciprocal asinh atan angle sinc".split()),
    *((name, ANY, FLOATS) for name in "exp2 frac erf erfc i0 nan_to_num deg2rad".split()),
    *((name, POSITIVE, WITH_COMPLEX) for name in "log log2 log10 log1p sqrt rsqrt".split()),
    *((name, UNIT, WITH_COMPLEX) for name in "asin acos atanh".split()),
    *((name, LARGE, WITH_COMPLEX) for name in "acosh".split()),
    *((name, WIDE, FLOATS) for name in "lgamma digamma".split()),
    ("sign", ANY, REALS), ("logit", PART, FLOATS), ("erfinv", UNIT, FLOATS),
    ("bitwise_not", ANY, ("int64", "bool")),
]  # fmt: skip
SPECIAL = [
    *((name, WIDE, FLOATS[:2]) for name in "i0e i1 i1e erfcx ndtr log_ndtr entr airy_ai".split()),
    *((f"bessel_{name}", WIDE, FLOATS[:2]) for name in ("j0", "j1")),
    *((f"bessel_{name}", POSITIVE, FLOATS[:2]) for name in ("y0", "y1")),
    *((f"{s}modified_bessel_k{n}", POSITIVE, FLOATS[:2]) for s in ("", "scaled_") for n in "01"),
    ("spherical_bessel_j0", WIDE, FLOATS[:2]), ("ndtri", PART, FLOATS[:2]),
]  # fmt: skip
ACTIVATIONS = (
    "relu relu6 elu selu celu silu mish gelu softplus softsign softshrink hardshrink hardtanh "
    "hardswish hardsigmoid leaky_relu logsigmoid tanhshrink"
).split()
BINARY = [
    *((name, POSITIVE, ALL) for name in "add sub mul div eq ne".split()),
    *((name, LARGE, REALS) for name in "remainder fmod floor_divide maximum minimum".split()),
    *((name, ANY, REALS) for name in "lt ge logical_and logical_xor copysign".split()),
    *((name, POSITIVE, FLOATS) for name in "atan2 hypot fmax fmin logaddexp logaddexp2".split()),
    *((name, POSITIVE, FLOATS) for name in "xlogy heaviside nextafter igamma igammac".split()),
    ("pow", LARGE, ALL), ("ldexp", POSITIVE, FLOATS[:2]),
    *((name, LARGE, ("int64", "bool")) for name in "bitwise_and bitwise_or bitwise_xor".split()),
    *((name, LARGE, ("int64",)) for name in "gcd lcm bitwise_left_shift".split()),
    *((f"special.{name}", LARGE, FLOATS[:2]) for name in ("zeta", "xlog1py")),
]  # fmt: skip
# Written out: what they are called, their dtypes, the interval, the call.
WRITTEN = [
    ("x + 2", ALL, ANY, lambda t, x, y: x + 2), ("x * 2.5", FLOATS, ANY, lambda t, x, y: x * 2.5),
    ("x / 3", ALL, ANY, lambda t, x, y: x / 3), ("x // 3", REALS, LARGE, lambda t, x, y: x // 3),
    ("x % 3", REALS, LARGE, lambda t, x, y: x % 3), ("x ** 2", ALL, ANY, lambda t, x, y: x**2),
    ("x ** 3", REALS, ANY, lambda t, x, y: x**3), ("x > 0", REALS, ANY, lambda t, x, y: x > 0),
    ("x ** 0.5", FLOATS, LARGE, lambda t, x, y: x**0.5),
    ("x ** 1.7", FLOATS, LARGE, lambda t, x, y: x**1.7),
    ("2 ** x", FLOATS, ANY, lambda t, x, y: 2**x), ("1 - x", ALL, ANY, lambda t, x, y: 1 - x),
    ("clamp(-1, 1)", REALS, ANY, lambda t, x, y: x.clamp(-1, 1)),
    ("clamp(min)", REALS, ANY, lambda t, x, y: x.clamp(min=0)),
    ("clamp(tensors)", REALS, ANY, lambda t, x, y: t.clamp(x, y, y)),
    ("where", ALL, ANY, lambda t, x, y: t.where(x == y, x, y)),
    ("masked_fill", ALL, ANY, lambda t, x, y: x.masked_fill(x == y, 1)),
    ("lerp(0.3)", WITH_COMPLEX, ANY, lambda t, x, y: t.lerp(x, y, 0.3)),
    ("lerp(tensor)", FLOATS, ANY, lambda t, x, y: t.lerp(x, y, x)),
    ("addcmul", ALL, ANY, lambda t, x, y: t.addcmul(x, x, y, value=2)),
    ("addcdiv", WITH_COMPLEX, LARGE, lambda t, x, y: t.addcdiv(x, x, y, value=2)),
    ("add(alpha)", ALL, ANY, lambda t, x, y: t.add(x, y, alpha=2)),
    ("add_", ALL, ANY, lambda t, x, y: x.add_(y)), ("mul_(1)", ALL, ANY, lambda t, x, y: x.mul_(1)),
    ("isclose", REALS, ANY, lambda t, x, y: t.isclose(x, y)),
    ("polygamma(2)", FLOATS[:2], POSITIVE, lambda t, x, y: t.polygamma(2, x)),
    ("polygamma(1)", FLOATS[:2], POSITIVE, lambda t, x, y: t.polygamma(1, x)),
    ("mvlgamma(3)", FLOATS[:2], LARGE, lambda t, x, y: t.mvlgamma(x, 3)),
    ("frexp", FLOATS[:2], ANY, lambda t, x, y: t.frexp(x)),
    ("to(float32)", ALL[1:4], ANY, lambda t, x, y: x.to(t.float32)),
    ("to(bfloat16)", FLOATS[:2], ANY, lambda t, x, y: x.to(t.bfloat16)),
    ("to(int64)", FLOATS, ANY, lambda t, x, y: x.to(t.int64)),
    ("_standard_gamma_grad", FLOATS[:2], POSITIVE, lambda t, x, y: t._standard_gamma_grad(x, y)),
    ("chebyshev_polynomial_t(5)", FLOATS[:2], UNIT,
     lambda t, x, y: t.special.chebyshev_polynomial_t(x, 5)),
    ("hermite_polynomial_h(5)", FLOATS[:2], UNIT,
     lambda t, x, y: t.special.hermite_polynomial_h(x, 5)),
    ("prelu", FLOATS, ANY, lambda t, x, y: t.nn.functional.prelu(x, y.ravel()[:1])),
    ("glu", FLOATS, ANY, lambda t, x, y: t.nn.functional.glu(x)),
]  # fmt: skip


def operand(t, dtype, interval, *shape, seed=1):
    """Values spread over the interval; the same for both libraries."""
    t.manual_seed(seed)
    low, high = interval
    if dtype == "int64":
        return t.randint(math.ceil(low), math.ceil(high) + 1, shape)
    if dtype == "bool":
        return t.rand(*shape) > 0.5
    if dtype == "complex64":
        return t.complex(*(t.rand(*shape) * (high - low) + low for _ in range(2)))
    return (t.rand(*shape, dtype=t.float64) * (high - low) + low).to(getattr(t, dtype))


def named(name):
    """The function of that name, of one or two tensors."""
    path = name.split(".")

    def find(t):
        for part in path:
            t = getattr(t, part)
        return t

    return find


def over(call, dtype, interval, *shapes, arrange=None):
    """`call(t, *operands)` without recording, as a function of the library."""

    def make(t):
        given = [operand(t, dtype, interval, *s, seed=i) for i, s in enumerate(shapes)]
        given = arrange(*given) if arrange else given
        act = call(t)
        return lambda: act(*given)

    return make


def layouts(text, call, dtypes, interval, count):
    """An operator in each dtype over a square, then in float32 in other layouts."""
    square = (SIDE, SIDE)
    for dtype in dtypes:
        yield f"{text}, {dtype}", over(call, dtype, interval, *[square] * count)
    plain = dtypes[0]
    yield f"{text}, {SIDE} elements", over(call, plain, interval, *[(SIDE,)] * count)
    half = *dtypes[2:3], plain
    yield f"{text}, {half[0]}, {SIDE} elements", over(call, half[0], interval, *[(SIDE,)] * count)

    def turned(x, *rest):
        return x.t(), *rest

    yield f"{text}, transposed", over(call, plain, interval, *[square] * count, arrange=turned)

    def sparse(*given):
        return [x[:, ::2] for x in given]

    yield (
        f"{text}, every other",
        over(call, plain, interval, *[(SIDE, 2 * SIDE)] * count, arrange=sparse),
    )
    if count == 2:
        yield f"{text}, row", over(call, plain, interval, square, (SIDE,))
        yield f"{text}, column", over(call, plain, interval, square, (SIDE, 1))
        yield f"{text}, 0-d", over(call, plain, interval, square, ())


def pointwise_lines():
    for name, interval, dtypes in UNARY:
        yield from layouts(name, named(name), dtypes, interval, 1)
    for name, interval, dtypes in SPECIAL:
        call = named(f"special.{name}")
        for dtype in dtypes:
            yield f"special.{name}, {dtype}", over(call, dtype, interval, (SIDE, SIDE))
    for name in ACTIVATIONS:
        call = named(f"nn.functional.{name}")
        for dtype in FLOATS:
            for place, interval in ("mixed", ANY), ("positive", POSITIVE), ("negative", (-5, -0.1)):
                text = f"{name}, {dtype}, {place}"
                yield text, over(call, dtype, interval, (SIDE, SIDE))
            yield f"{name}, {dtype}, backward", backward(call, dtype, ANY, (SIDE, SIDE))
    for name, interval, dtypes in BINARY:
        yield from layouts(name, named(name), dtypes, interval, 2)
    for text, dtypes, interval, act in WRITTEN:

        def call(t, act=act):
            return lambda x, y: act(t, x, y)

        for dtype in dtypes:
            yield f"{text}, {dtype}", over(call, dtype, interval, *[(SIDE, SIDE)] * 2)
        yield f"{text}, {SIDE} elements", over(call, dtypes[0], interval, *[(SIDE,)] * 2)


def backward(call, dtype, interval, *shapes):
    """Forward and backward with a gradient for the output, to every operand."""

    def make(t):
        given = [operand(t, dtype, interval, *s).requires_grad_() for s in shapes]
        act = call(t)
        y = act(*given)
        g = t.ones(y.shape, dtype=y.dtype)

        def step():
            act(*given).backward(g)
            for x in given:
                x.grad = None

        return step

    return make


# -- reductions -----------------------------------------------

BY_DIM = [
    *((name, REALS) for name in "sum prod amax amin argmax argmin all any count_nonzero".split()),
    *((name, FLOATS) for name in "mean nansum nanmean var std logsumexp softmax".split()),
    *((name, FLOATS) for name in "log_softmax aminmax".split()),
    *((name, ("float32", "int64")) for name in "cumsum cumprod cummax cummin max min".split()),
    *((name, ("float32",)) for name in "logcumsumexp median nanmedian mode var_mean".split()),
]  # fmt: skip
WHOLE = (
    "sum prod mean amax amin argmax argmin var std aminmax all any count_nonzero max min nansum "
    "median nanmedian norm"
).split()
NORMS = 0, 1, 2, 3, 2.5, -1, math.inf, -math.inf


def cube(x):
    side = round(x.numel() ** (1 / 3))
    side -= side**3 > x.numel()
    return x.view(-1)[: side**3].view(side, side, side)


def sevens(x):
    return x.view(-1)[: x.numel() // 7 * 7].view(-1, 7)


OTHER = [
    ("quantile(0.3)", lambda t, x: x.ravel().quantile(0.3)),
    ("nanquantile, dim 1", lambda t, x: x.nanquantile(t.tensor([0.2, 0.7]), dim=1)),
    ("histc", lambda t, x: x.histc(100, -3, 3)),
    ("histogram", lambda t, x: t.histogram(x, 100)),
    ("bincount", lambda t, x: x.ravel().abs().mul(100).long().bincount()),
    ("searchsorted", lambda t, x: t.searchsorted(t.arange(-3, 3, 0.01), x)),
    ("bucketize", lambda t, x: t.bucketize(x, t.arange(-3, 3, 0.5))),
    ("renorm", lambda t, x: x.renorm(2, 0, 5.0)),
    ("renorm(1)", lambda t, x: x.renorm(1, 0, 5.0)),
    ("normalize", lambda t, x: t.nn.functional.normalize(x)),
    ("cosine_similarity", lambda t, x: t.nn.functional.cosine_similarity(x, x)),
    ("pairwise_distance", lambda t, x: t.nn.functional.pairwise_distance(x, x)),
    ("trapezoid", lambda t, x: t.trapezoid(x)),
    ("diff", lambda t, x: t.diff(x)),
    ("dist", lambda t, x: t.dist(x, x)),
    ("allclose", lambda t, x: t.allclose(x, x)),
    ("equal", lambda t, x: t.equal(x, x)),
    ("cov", lambda t, x: t.cov(x[:100])),
    ("sum(0, 2)", lambda t, x: cube(x).sum((0, 2))),
    ("sum(1)", lambda t, x: cube(x).sum(1)),
    ("var(1)", lambda t, x: cube(x).var(1)),
    ("var(0, 2)", lambda t, x: cube(x).var((0, 2))),
    ("sum, 7 columns", lambda t, x: sevens(x).sum(1)),
    ("prod, 7 columns", lambda t, x: sevens(x).prod(1)),
    ("var, 7 columns", lambda t, x: sevens(x).var(1)),
    ("softmax, 7 columns", lambda t, x: sevens(x).softmax(1)),
    ("softmax, middle", lambda t, x: cube(x).softmax(1)),
    ("argmax, middle", lambda t, x: cube(x).argmax(1)),
    ("amax, 7 columns", lambda t, x: sevens(x).amax(1)),
    ("sum of t()", lambda t, x: x.t().sum(0)),
    ("sum of every other", lambda t, x: x[:, ::2].sum()),
]  # fmt: skip
LOSSES = (
    "mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy_with_logits "
    "soft_margin_loss kl_div poisson_nll_loss"
).split()


def reduction_lines():
    square = SIDE, SIDE
    for name in WHOLE:
        for dtype in REALS if name not in ("mean", "var", "std", "norm") else FLOATS:
            yield f"{name}, {dtype}", over(named(name), dtype, ANY, square)
        yield f"{name}, {SIDE} elements", over(named(name), "float32", ANY, (SIDE,))
    for name, dtypes in BY_DIM:
        for dtype in dtypes:
            for dim in 0, 1:

                def call(t, name=name, dim=dim):
                    reduce = getattr(t, name)
                    return lambda x: reduce(x, dim=dim)

                yield f"{name}, dim {dim}, {dtype}", over(call, dtype, ANY, square)
    for p in NORMS:
        for dim in None, 0, 1:
            for dtype in FLOATS:

                def call(t, p=p, dim=dim):
                    return lambda x: t.linalg.vector_norm(x, p, dim)

                yield f"vector_norm({p}), dim {dim}, {dtype}", over(call, dtype, ANY, square)
    for text, act in OTHER:
        yield text, over(lambda t, act=act: lambda x: act(t, x), "float32", ANY, square)
    for p in 0, 1, 2, 3, math.inf:
        for dtype in FLOATS[:2]:

            def call(t, p=p):
                return lambda x, y: t.cdist(x, y, p, "donot_use_mm_for_euclid_dist")

            yield f"cdist({p}), {dtype}", over(call, dtype, ANY, (300, 64), (300, 64))
    for name in LOSSES:
        call = named(f"nn.functional.{name}")
        yield name, over(call, "float32", PART, square, square)
        yield f"{name}, backward", backward(call, "float32", PART, square, square)
    yield from normalising_lines()


def normalising_lines():
    """Operators over rows or channels whose gradients take several passes."""
    square = 4096, 1024

    def rows(text, act, dtypes=FLOATS):
        for dtype in dtypes:

            def call(t, act=act):
                return lambda x: act(t, t.nn.functional, x)

            yield f"{text}, {dtype}, backward", backward(call, dtype, ANY, square)

    yield from rows("softmax", lambda t, F, x: F.softmax(x, 1))
    yield from rows("log_softmax", lambda t, F, x: F.log_softmax(x, 1))
    yield from rows("logsumexp", lambda t, F, x: x.logsumexp(1))
    yield from rows("layer_norm", lambda t, F, x: F.layer_norm(x, (1024,)))
    yield from rows("rms_norm", lambda t, F, x: F.rms_norm(x, (1024,)))
    yield from rows("group_norm", lambda t, F, x: F.group_norm(x.view(64, 64, 32, 32), 8))
    yield from rows("batch_norm", lambda t, F, x: F.batch_norm(
        x.view(64, 64, 32, 32), None, None, training=True))  # fmt: skip
    yield from rows("instance_norm", lambda t, F, x: F.instance_norm(x.view(64, 64, 32, 32)))
    yield from rows("dropout", lambda t, F, x: F.dropout(x))
    yield from rows(
        "cross_entropy", lambda t, F, x: F.cross_entropy(x, t.arange(4096) % 1024)
    )  # fmt: skip
    yield from rows("cumsum", lambda t, F, x: x.cumsum(1), FLOATS[:1])
    yield from rows("prod", lambda t, F, x: x.prod(1), FLOATS[:1])
    yield from rows("amax", lambda t, F, x: x.amax(1), FLOATS[:1])
    yield from rows("max", lambda t, F, x: x.max(1)[0], FLOATS[:1])
    yield from rows("var", lambda t, F, x: x.var(1), FLOATS[:1])
    yield from rows("vector_norm", lambda t, F, x: t.linalg.vector_norm(x, dim=1), FLOATS[:1])


# -- windows --------------------------------------------------

IMAGE, LINE, VOLUME = (8, 16, 64, 64), (8, 16, 4096), (4, 8, 16, 32, 32)
WINDOWS = [
    ("max_pool1d(3, 2)", LINE, lambda t, F, x: F.max_pool1d(x, 3, 2)),
    ("max_pool2d(2)", IMAGE, lambda t, F, x: F.max_pool2d(x, 2)),
    ("max_pool2d(3, 2, 1)", IMAGE, lambda t, F, x: F.max_pool2d(x, 3, 2, 1)),
    ("max_pool2d(3, 1, 1)", IMAGE, lambda t, F, x: F.max_pool2d(x, 3, 1, 1)),
    ("max_pool2d(2), indices", IMAGE, lambda t, F, x: F.max_pool2d(x, 2, return_indices=True)[0]),
    ("max_pool3d(2)", VOLUME, lambda t, F, x: F.max_pool3d(x, 2)),
    ("max_pool3d(3, 2, 1)", VOLUME, lambda t, F, x: F.max_pool3d(x, 3, 2, 1)),
    ("avg_pool1d(3, 2)", LINE, lambda t, F, x: F.avg_pool1d(x, 3, 2)),
    ("avg_pool2d(2)", IMAGE, lambda t, F, x: F.avg_pool2d(x, 2)),
    ("avg_pool2d(3, 2, 1)", IMAGE, lambda t, F, x: F.avg_pool2d(x, 3, 2, 1)),
    ("avg_pool3d(2)", VOLUME, lambda t, F, x: F.avg_pool3d(x, 2)),
    ("lp_pool1d(2, 3, 2)", LINE, lambda t, F, x: F.lp_pool1d(x, 2, 3, 2)),
    ("lp_pool2d(2, 3, 2)", IMAGE, lambda t, F, x: F.lp_pool2d(x, 2, 3, 2)),
    ("lp_pool3d(2, 2)", VOLUME, lambda t, F, x: F.lp_pool3d(x, 2, 2)),
    ("adaptive_avg_pool1d(50)", LINE, lambda t, F, x: F.adaptive_avg_pool1d(x, 50)),
    ("adaptive_avg_pool2d(1)", IMAGE, lambda t, F, x: F.adaptive_avg_pool2d(x, 1)),
    ("adaptive_avg_pool2d(7)", IMAGE, lambda t, F, x: F.adaptive_avg_pool2d(x, 7)),
    ("adaptive_avg_pool3d(5)", VOLUME, lambda t, F, x: F.adaptive_avg_pool3d(x, 5)),
    ("adaptive_max_pool1d(50)", LINE, lambda t, F, x: F.adaptive_max_pool1d(x, 50)),
    ("adaptive_max_pool2d(7)", IMAGE, lambda t, F, x: F.adaptive_max_pool2d(x, 7)),
    ("adaptive_max_pool3d(5)", VOLUME, lambda t, F, x: F.adaptive_max_pool3d(x, 5)),
    ("fractional_max_pool2d", IMAGE,
     lambda t, F, x: F.fractional_max_pool2d(x, 3, output_ratio=(0.6, 0.6))),
    ("fractional_max_pool3d", VOLUME,
     lambda t, F, x: F.fractional_max_pool3d(x, 2, output_ratio=(0.6,) * 3)),
    ("max_unpool2d", IMAGE,
     lambda t, F, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)),
    *((f"pad {mode}", IMAGE, lambda t, F, x, mode=mode: F.pad(x, (3, 2, 1, 4), mode))
      for mode in ("constant", "reflect", "replicate", "circular")),
    *((f"pad {mode}, 1-d", LINE, lambda t, F, x, mode=mode: F.pad(x, (3, 2), mode))
      for mode in ("constant", "reflect", "replicate", "circular")),
    *((f"pad {mode}, 3-d", VOLUME, lambda t, F, x, mode=mode: F.pad(x, (3, 2, 1, 4, 2, 2), mode))
      for mode in ("constant", "reflect", "replicate", "circular")),
    *((f"interpolate {mode}", IMAGE,
       lambda t, F, x, mode=mode: F.interpolate(x, size=(80, 100), mode=mode))
      for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")),
    *((f"interpolate {mode}, twice", IMAGE,
       lambda t, F, x, mode=mode: F.interpolate(x, scale_factor=2, mode=mode))
      for mode in ("nearest", "bilinear", "bicubic")),
    *((f"interpolate {mode}, half", IMAGE,
       lambda t, F, x, mode=mode: F.interpolate(x, scale_factor=0.5, mode=mode))
      for mode in ("nearest", "bilinear", "bicubic", "area")),
    *((f"interpolate {mode}, antialias", IMAGE,
       lambda t, F, x, mode=mode: F.interpolate(x, (40, 50), mode=mode, antialias=True))
      for mode in ("bilinear", "bicubic")),
    ("interpolate nearest, 1-d", LINE, lambda t, F, x: F.interpolate(x, 5000)),
    ("interpolate linear", LINE, lambda t, F, x: F.interpolate(x, 5000, mode="linear")),
    ("interpolate nearest, 3-d", VOLUME, lambda t, F, x: F.interpolate(x, (20, 40, 40))),
    ("interpolate trilinear", VOLUME,
     lambda t, F, x: F.interpolate(x, (20, 40, 40), mode="trilinear")),
    ("unfold(3)", IMAGE, lambda t, F, x: F.unfold(x, 3, padding=1)),
    ("fold(2)", (8, 64, 1024), lambda t, F, x: F.fold(x, 64, 2, stride=2)),
    ("fold(3)", (8, 144, 4096), lambda t, F, x: F.fold(x, 64, 3, padding=1)),
    ("pixel_shuffle(2)", IMAGE, lambda t, F, x: F.pixel_shuffle(x, 2)),
    ("pixel_unshuffle(2)", IMAGE, lambda t, F, x: F.pixel_unshuffle(x, 2)),
    ("channel_shuffle(4)", IMAGE, lambda t, F, x: F.channel_shuffle(x, 4)),
    ("local_response_norm(5)", IMAGE, lambda t, F, x: F.local_response_norm(x, 5)),
    *((f"grid_sample {mode} {edge}", IMAGE,
       lambda t, F, x, mode=mode, edge=edge: F.grid_sample(
           x, grid(t, x, F), mode, edge, align_corners=False))
      for mode, edge in (("bilinear", "zeros"), ("bilinear", "border"), ("nearest", "zeros"),
                         ("bicubic", "reflection"))),
    ("grid_sample 3-d", VOLUME,
     lambda t, F, x: F.grid_sample(x, grid(t, x, F), align_corners=False)),
]  # fmt: skip


def grid(t, x, F):
    """Where to sample: a turned and shrunk copy of the image."""
    n = x.dim() - 2
    turn = t.eye(n, n + 1) * 0.9
    turn[0, 1] = 0.2
    return F.affine_grid(turn.expand(len(x), n, n + 1), x.shape, align_corners=False).to(x.dtype)


def window_lines():
    for text, shape, act in WINDOWS:

        def call(t, act=act):
            return lambda x: act(t, t.nn.functional, x)

        yield text, over(call, "float32", ANY, shape)
        yield f"{text}, backward", backward(call, "float32", ANY, shape)
        if len(shape) == 4 and "fold" not in text:

            def last(x, t=None):
                return (x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),)

            yield f"{text}, channels_last", over(call, "float32", ANY, shape, arrange=last)
        for dtype in "float64", "bfloat16":
            yield f"{text}, {dtype}", over(call, dtype, ANY, shape)
