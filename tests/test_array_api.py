"""The Python array API standard 2024.12: every name, and each function against NumPy's."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import rushlight as torch
from rushlight import array_api as xp

# All functions of the standard, by its sections.
NAMES = {
    "creation": """arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid
        ones ones_like tril triu zeros zeros_like""",
    "dtypes": "astype can_cast finfo iinfo isdtype result_type",
    "elementwise": """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift
        bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh
        divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf
        isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or
        logical_xor maximum minimum multiply negative nextafter not_equal positive pow real
        reciprocal remainder round sign signbit sin sinh square sqrt subtract tan tanh trunc""",
    "linear": "matmul matrix_transpose tensordot vecdot",
    "manipulation": """broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims
        repeat reshape roll squeeze stack tile unstack""",
    "indexing": "take take_along_axis",
    "searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "sets": "unique_all unique_counts unique_inverse unique_values",
    "sorting": "argsort sort",
    "statistics": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "utility": "all any diff",
}
CONSTANTS = "e inf nan newaxis pi"
DTYPES = """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64
    complex128"""
LINALG = """cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power
    matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace
    vecdot vector_norm"""
FFT = """fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift
    ifftshift"""


def test_every_name_of_the_standard_is_there():
    assert xp.__array_api_version__ == "2024.12"
    names = [n for section in NAMES.values() for n in section.split()]
    names += CONSTANTS.split() + DTYPES.split() + ["linalg", "fft", "__array_namespace_info__"]
    assert [n for n in names if not hasattr(xp, n)] == []
    assert [n for n in LINALG.split() if not hasattr(xp.linalg, n)] == []
    assert [n for n in FFT.split() if not hasattr(xp.fft, n)] == []
    assert xp.newaxis is None and math.isnan(xp.nan) and xp.inf == math.inf


def test_tensors_lead_to_the_namespace():
    x = torch.ones(2)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ValueError, match="2024.12"):
        x.__array_namespace__(api_version="2019.01")
    assert torch.equal(x.to_device("cpu"), x)
    assert x.device == torch.device("cpu") and x.ndim == 1 and x[None].mT.shape == (2, 1)


def arrays(*shapes, kind="real", seed=0):
    made = np.random.default_rng(seed)
    if kind == "int":
        return [made.integers(1, 6, s) for s in shapes]
    if kind == "bool":
        return [made.random(s) < 0.5 for s in shapes]
    if kind == "complex":
        return [made.random(s) + 1j * made.random(s) for s in shapes]
    return [made.random(s) * 0.9 for s in shapes]


def check(name, call, *operands, rtol=1e-6):
    """`call` of both namespaces on the same arrays: values, shapes and dtypes."""
    got = call(xp, *(torch.tensor(o) if isinstance(o, np.ndarray) else o for o in operands))
    want = call(np, *operands)
    if not isinstance(want, (tuple, list)):
        got, want = [got], [want]
    assert len(got) == len(want), name
    for g, w in zip(got, want, strict=True):
        w = np.asarray(w)
        assert tuple(g.shape) == w.shape, name
        assert str(g.dtype) == f"torch.{w.dtype}", name
        np.testing.assert_allclose(g.numpy(), w, rtol=rtol, atol=1e-12, err_msg=name)


REAL_UNARY = """abs acos asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan
    log log1p log2 log10 negative positive reciprocal round sign signbit sin sinh square sqrt tan
    tanh trunc conj logical_not"""
INTEGER_UNARY = "abs bitwise_invert ceil floor negative positive round sign square trunc"
COMPLEX_UNARY = "abs acos asin atan conj cos exp imag log negative real sin sqrt square tan tanh"


@pytest.mark.parametrize("name", REAL_UNARY.split())
def test_functions_of_a_real_array(name):
    check(name, lambda ns, x: getattr(ns, name)(x), *arrays((3, 4)))


@pytest.mark.parametrize("name", INTEGER_UNARY.split())
def test_functions_of_an_integer_array(name):
    check(name, lambda ns, x: getattr(ns, name)(x), *arrays((3, 4), kind="int"))


@pytest.mark.parametrize("name", COMPLEX_UNARY.split())
def test_functions_of_a_complex_array(name):
    check(name, lambda ns, x: getattr(ns, name)(x), *arrays((3, 4), kind="complex"))


def test_acosh_and_parts_of_real_numbers():
    check("acosh", lambda ns, x: ns.acosh(x + 1), *arrays((3,)))
    check("real", lambda ns, x: ns.real(x), *arrays((3,)))
    check("imag", lambda ns, x: ns.imag(x), *arrays((3,)))


REAL_BINARY = """add atan2 copysign divide equal floor_divide greater greater_equal hypot less
    less_equal logaddexp maximum minimum multiply nextafter not_equal pow remainder subtract"""
INTEGER_BINARY = """add bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift
    equal floor_divide greater less maximum minimum multiply pow remainder subtract"""


@pytest.mark.parametrize("name", REAL_BINARY.split())
def test_functions_of_two_real_arrays(name):
    a, b = arrays((3, 4), (4,))
    call = lambda ns, x, y: getattr(ns, name)(x, y)  # noqa: E731
    check(name, call, a, b + 0.1)
    check(name, call, a, 0.5)
    check(name, call, 0.5, a + 0.1)
    check(name, call, a.astype(np.float32), np.array(0.25))  # a 0-d array is not weak


@pytest.mark.parametrize("name", INTEGER_BINARY.split())
def test_functions_of_two_integer_arrays(name):
    a, b = arrays((3, 4), (4,), kind="int")
    call = lambda ns, x, y: getattr(ns, name)(x, y)  # noqa: E731
    check(name, call, a, b)
    check(name, call, a.astype(np.int16), 2)
    check(name, call, a.astype(np.uint8), b.astype(np.int16))


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor", "equal"])
def test_functions_of_two_bool_arrays(name):
    check(name, lambda ns, x, y: getattr(ns, name)(x, y), *arrays((3, 4), (4,), kind="bool"))


def test_clip_keeps_the_dtype():
    (a,) = arrays((3, 4), kind="int")
    check("clip", lambda ns, x: ns.clip(x, 2, 4), a)
    check("clip", lambda ns, x: ns.clip(x, min=2), a.astype(np.int8))
    check("clip", lambda ns, x, low: ns.clip(x, low, None), a, a[0])


CREATION = [
    lambda ns: ns.arange(5),
    lambda ns: ns.arange(1, 7, 2),
    lambda ns: ns.arange(5, 1, -2),
    lambda ns: ns.arange(5, 1),
    lambda ns: ns.asarray([[1, 2], [3, 4]]),
    lambda ns: ns.asarray([True, False]),
    lambda ns: ns.eye(3, 4, k=1, dtype=ns.float64),
    lambda ns: ns.eye(2, 2, k=5, dtype=ns.int32),
    lambda ns: ns.full((2, 2), 7),
    lambda ns: ns.full(3, True),
    lambda ns: ns.zeros((2, 3), dtype=ns.int16),
    lambda ns: ns.ones(3, dtype=ns.complex64),
    lambda ns: ns.linspace(0, 1, 5, dtype=ns.float64),
    lambda ns: ns.linspace(0, 1, 5, endpoint=False, dtype=ns.float64),
    lambda ns: ns.meshgrid(ns.arange(3), ns.arange(2)),
    lambda ns: ns.meshgrid(ns.arange(3), ns.arange(2), indexing="ij"),
    lambda ns: ns.tril(ns.ones((3, 3), dtype=ns.int32), k=-1),
    lambda ns: ns.triu(ns.ones((3, 3), dtype=ns.int32), k=1),
    lambda ns: ns.full_like(ns.arange(3), 2),
    lambda ns: ns.ones_like(ns.arange(3), dtype=ns.float32),
    lambda ns: ns.zeros_like(ns.arange(3)),
]


@pytest.mark.parametrize("make", CREATION)
def test_creation(make):
    check(inspect.getsource(make).strip(), make)


def test_creation_without_values_and_defaults():
    assert xp.empty((2, 3)).shape == xp.empty_like(xp.ones((2, 3))).shape == (2, 3)
    assert xp.ones(2).dtype is torch.float32 and xp.full(2, 1j).dtype is torch.complex64
    x = xp.ones(2)
    assert xp.from_dlpack(x).data_ptr() == x.data_ptr()
    assert xp.asarray(x).data_ptr() == x.data_ptr() != xp.asarray(x, copy=True).data_ptr()
    with pytest.raises(ValueError):
        xp.asarray(x, dtype=xp.int64, copy=False)


MANIPULATION = [
    lambda ns, x: ns.concat([x, x], axis=1),
    lambda ns, x: ns.concat([x, x[0]], axis=None),
    lambda ns, x: ns.stack([x, x], axis=-1),
    lambda ns, x: ns.expand_dims(x, axis=1),
    lambda ns, x: ns.squeeze(x[None, :, None], (0, 2)),
    lambda ns, x: ns.flip(x),
    lambda ns, x: ns.flip(x, axis=(0, 2)),
    lambda ns, x: ns.moveaxis(x, 0, -1),
    lambda ns, x: ns.moveaxis(x, (0, 1), (1, 0)),
    lambda ns, x: ns.permute_dims(x, (2, 0, 1)),
    lambda ns, x: ns.repeat(x, 2, axis=1),
    lambda ns, x: ns.repeat(x, 2),
    lambda ns, x: ns.reshape(x, (4, -1)),
    lambda ns, x: ns.roll(x, 1),
    lambda ns, x: ns.roll(x, (1, 2), axis=(0, 2)),
    lambda ns, x: ns.tile(x, (2, 1, 1, 2)),
    lambda ns, x: ns.unstack(x, axis=1),
    lambda ns, x: ns.broadcast_to(x, (2, 2, 3, 4)),
    lambda ns, x: ns.broadcast_arrays(x, x[0], x[:, :1]),
    lambda ns, x: ns.take(x, ns.asarray([2, 0, -1]), axis=1),
    lambda ns, x: ns.take_along_axis(x, ns.argsort(x, axis=1), axis=1),
    lambda ns, x: ns.matrix_transpose(x),
    lambda ns, x: ns.diff(x),
    lambda ns, x: ns.diff(x, axis=0, n=1, prepend=x, append=x),
    lambda ns, x: ns.astype(x, ns.float32),
]


@pytest.mark.parametrize("call", MANIPULATION)
def test_manipulation(call):
    check(inspect.getsource(call).strip(), call, *arrays((2, 3, 4)))


def test_manipulation_refuses():
    x = xp.ones((2, 3))
    for call in (
        lambda: xp.squeeze(x, 0),
        lambda: xp.take(x, xp.asarray([0])),
        lambda: xp.nonzero(xp.asarray(1)),
        lambda: xp.cumulative_sum(x),
        lambda: xp.matrix_transpose(x[0]),
        lambda: xp.searchsorted(x[0], x[0], side="middle"),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(RuntimeError):
        xp.reshape(x.mT, (6,), copy=False)
    assert xp.reshape(x, (6,), copy=True).data_ptr() != x.data_ptr()


SEARCHING = [
    lambda ns, x: ns.argmax(x),
    lambda ns, x: ns.argmax(x, axis=1, keepdims=True),
    lambda ns, x: ns.argmin(x, axis=0),
    lambda ns, x: ns.count_nonzero(x > 3),
    lambda ns, x: ns.count_nonzero(x > 3, axis=(0, 1), keepdims=True),
    lambda ns, x: ns.nonzero(x > 3),
    lambda ns, x: ns.where(x > 3, x, 0),
    lambda ns, x: ns.searchsorted(ns.asarray([1, 3, 5]), x, side="right"),
    lambda ns, x: ns.searchsorted(ns.asarray([5, 1, 3]), x, sorter=ns.asarray([1, 2, 0])),
    lambda ns, x: ns.sort(x, axis=0),
    lambda ns, x: ns.argsort(x, axis=0, stable=True),
    lambda ns, x: ns.unique_all(x),
    lambda ns, x: ns.unique_counts(x),
    lambda ns, x: ns.unique_inverse(x),
    lambda ns, x: ns.unique_values(x),
]


@pytest.mark.parametrize("call", SEARCHING)
def test_searching(call):
    check(inspect.getsource(call).strip(), call, *arrays((4, 5), kind="int"))


def test_order_can_descend_and_fields_have_names():
    x = xp.asarray([2, 3, 1, 3])
    assert xp.sort(x, descending=True).tolist() == [3, 3, 2, 1]
    assert xp.argsort(x, descending=True).tolist() == [1, 3, 0, 2]
    found = xp.unique_all(x)
    assert found._fields == ("values", "indices", "inverse_indices", "counts")
    assert found.indices.tolist() == [2, 0, 1] and found.counts.tolist() == [1, 1, 2]


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "all", "any"])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_statistics(name, axis):
    for keepdims in (False, True):
        call = lambda ns, x: getattr(ns, name)(x, axis=axis, keepdims=keepdims)  # noqa: B023, E731
        check(name, call, *arrays((2, 3, 4)))
    if name in ("sum", "prod", "max", "min", "all", "any"):
        small = arrays((2, 3, 4), kind="int")[0]
        for dtype in ("int8", "uint8", "int32", "uint16"):
            check(name, lambda ns, x: getattr(ns, name)(x, axis=axis), small.astype(dtype))


def test_statistics_of_one_number_and_corrections():
    (a,) = arrays((3, 4))
    check("var", lambda ns, x: ns.var(x, axis=1, correction=1), a)
    check("std", lambda ns, x: ns.std(x, correction=0.5), a)
    check("sum", lambda ns, x: ns.sum(x), np.array(2.0))
    check("mean", lambda ns, x: ns.mean(x), np.array(2.0))
    check("sum", lambda ns, x: ns.sum(x, dtype=ns.float64), a.astype(np.float32))
    check("sum", lambda ns, x: ns.sum(x), np.array([True, True]))


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_sums(name):
    (a,) = arrays((3, 4))
    for initial in (False, True):
        check(
            name,
            lambda ns, x: getattr(ns, name)(x, axis=1, include_initial=initial),  # noqa: B023
            a,
        )
    check(name, lambda ns, x: getattr(ns, name)(x), np.arange(4, dtype=np.uint8))


LINEAR = [
    lambda ns, x, y: ns.matmul(x, y),
    lambda ns, x, y: ns.tensordot(x, y, axes=1),
    lambda ns, x, y: ns.tensordot(x, y, axes=([0, 1], [1, 0])),
    lambda ns, x, y: ns.vecdot(x, y, axis=0),
    lambda ns, x, y: ns.linalg.outer(x[0], y[0]),
    lambda ns, x, y: ns.linalg.cross(x, y),
    lambda ns, x, y: ns.linalg.det(x),
    lambda ns, x, y: ns.linalg.inv(x),
    lambda ns, x, y: ns.linalg.solve(x, y),
    lambda ns, x, y: ns.linalg.solve(x, y[0]),
    lambda ns, x, y: ns.linalg.cholesky(ns.matmul(x, ns.matrix_transpose(x)) + ns.eye(3)),
    lambda ns, x, y: ns.linalg.slogdet(x),
    lambda ns, x, y: ns.linalg.svdvals(x),
    lambda ns, x, y: ns.linalg.eigvalsh(x + ns.matrix_transpose(x)),
    lambda ns, x, y: ns.linalg.eigh(x + ns.matrix_transpose(x))[0],
    lambda ns, x, y: ns.linalg.svd(x, full_matrices=False)[1],
    lambda ns, x, y: ns.linalg.matrix_norm(x),
    lambda ns, x, y: ns.linalg.matrix_norm(x, ord=1, keepdims=True),
    lambda ns, x, y: ns.linalg.vector_norm(x),
    lambda ns, x, y: ns.linalg.vector_norm(x, axis=1, ord=3, keepdims=True),
    lambda ns, x, y: ns.linalg.matrix_power(x, 3),
    lambda ns, x, y: ns.linalg.pinv(x[:2]),
    lambda ns, x, y: ns.linalg.diagonal(x, offset=1),
    lambda ns, x, y: ns.linalg.trace(x),
    lambda ns, x, y: ns.linalg.matmul(x, y),
    lambda ns, x, y: ns.linalg.matrix_transpose(x),
    lambda ns, x, y: ns.linalg.tensordot(x, y),
    lambda ns, x, y: ns.linalg.vecdot(x, y),
]


@pytest.mark.parametrize("call", LINEAR)
def test_linear_algebra(call):
    check(inspect.getsource(call).strip(), call, *arrays((3, 3), (3, 3)), rtol=1e-9)


def test_factors_multiply_to_the_matrix():
    x = torch.tensor(arrays((4, 3))[0])
    q, r = xp.linalg.qr(x)
    np.testing.assert_allclose(xp.matmul(q, r).numpy(), x.numpy(), atol=1e-12)
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(xp.matmul(u * s, vh).numpy(), x.numpy(), atol=1e-12)
    assert int(xp.linalg.matrix_rank(x)) == 3
    many = torch.tensor(arrays((2, 3, 3))[0])
    assert xp.linalg.trace(many).shape == (2,)
    assert xp.linalg.solve(many, many[0, :, 0]).shape == (2, 3)


FOURIER = [
    lambda ns, x: ns.fft.fft(x),
    lambda ns, x: ns.fft.fft(x, n=6, axis=0, norm="ortho"),
    lambda ns, x: ns.fft.ifft(x),
    lambda ns, x: ns.fft.fftn(x),
    lambda ns, x: ns.fft.fftn(x, s=(4, 6), axes=(0, 1)),
    lambda ns, x: ns.fft.ifftn(x),
    lambda ns, x: ns.fft.rfft(x),
    lambda ns, x: ns.fft.irfft(x, n=7),
    lambda ns, x: ns.fft.rfftn(x),
    lambda ns, x: ns.fft.irfftn(x, s=(4, 6), axes=(0, 1)),
    lambda ns, x: ns.fft.hfft(x),
    lambda ns, x: ns.fft.ihfft(x),
    lambda ns, x: ns.fft.fftshift(x),
    lambda ns, x: ns.fft.ifftshift(x, axes=(1,)),
]


@pytest.mark.parametrize("call", FOURIER)
def test_fourier(call):
    check(inspect.getsource(call).strip(), call, *arrays((4, 5)), rtol=1e-9)


def test_frequencies():
    for name in ("fftfreq", "rfftfreq"):
        got = getattr(xp.fft, name)(7, d=0.5, dtype=xp.float64)
        np.testing.assert_allclose(got.numpy(), getattr(np.fft, name)(7, d=0.5))


KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating"]
KINDS += ["complex floating", "numeric"]


@pytest.mark.parametrize("name", DTYPES.split())
def test_dtypes_by_kind_and_promotion(name):
    mine, theirs = getattr(xp, name), np.dtype(name)
    for kind in (*KINDS, ("bool", "real floating")):
        assert xp.isdtype(mine, kind) == np.isdtype(theirs, kind)
    assert xp.isdtype(mine, mine)
    for other in DTYPES.split():
        kinds = {"i" if np.dtype(n).kind in "iu" else np.dtype(n).kind for n in (name, other)}
        if len(kinds) > 1 and kinds != {"f", "c"}:
            continue  # not defined by the standard
        if "uint64" in (name, other) and "i" in (np.dtype(name).kind, np.dtype(other).kind):
            continue
        want = np.result_type(theirs, np.dtype(other))
        assert str(xp.result_type(mine, getattr(xp, other))) == f"torch.{want}"


def test_dtypes_refuse_and_describe():
    with pytest.raises(ValueError):
        xp.isdtype(xp.int8, "real")
    with pytest.raises(TypeError):
        xp.result_type(xp.uint64, xp.int64)
    assert xp.result_type(xp.ones(2), 1) is torch.float32
    assert xp.can_cast(xp.int8, xp.int16) and not xp.can_cast(xp.int64, xp.int8)
    assert xp.finfo(xp.float32).dtype is torch.float32 and xp.finfo(xp.ones(2)).bits == 32
    assert xp.finfo(xp.complex128).eps == np.finfo(np.float64).eps
    assert xp.iinfo(xp.uint32).max == 2**32 - 1 and xp.iinfo(xp.int8).min == -128


def test_the_namespace_describes_itself():
    info = xp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"]
    assert info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] is torch.float32
    assert set(info.dtypes()) == set(DTYPES.split())
    assert list(info.dtypes(kind=("bool", "complex floating"))) == [
        "bool",
        "complex64",
        "complex128",
    ]
    with pytest.raises(ValueError):
        info.dtypes(kind="all")


def test_parameters_have_the_standards_names():
    for line in """
        sum axis dtype keepdims
        std axis correction keepdims
        sort axis descending stable
        concat axis
        squeeze axis
        cumulative_sum axis dtype include_initial
        take axis
        clip min max
        searchsorted side sorter
        astype copy device
        linspace num dtype device endpoint
        reshape shape copy
        diff axis n prepend append
        arange stop step dtype device
        meshgrid indexing
        tril k
        isdtype dtype kind
    """.strip().splitlines():
        name, *keywords = line.split()
        parameters = inspect.signature(getattr(xp, name)).parameters.values()
        named = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
        assert named == keywords, name
