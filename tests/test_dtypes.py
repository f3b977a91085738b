"""The rarer dtypes: wide unsigned integers, complex32, 8-bit floats, and mere bytes."""

from __future__ import annotations

import copy
import io
import math
import pickle

import numpy as np
import pytest
from matrix import cases, leaves, sample_of
from number_formats import (
    COMMON,
    FLOAT8,
    NUMBERS,
    OPAQUE,
    SMALL,
    UNSIGNED,
    decoded,
    dtype,
)

import rushlight as torch
from rushlight.op import operators


@pytest.mark.parametrize("name", UNSIGNED)
def test_unsigned_integers_convert_as_numpy_does(name):
    kind = np.dtype(name)
    top = 2 ** (8 * kind.itemsize) - 1
    values = np.array([0, 1, 7, 255, 256, 65535, top // 2, top // 2 + 1, top - 1, top], kind)
    x = torch.from_numpy(values)
    assert x.dtype is dtype(name) and x.numpy().dtype == kind and x.tolist() == values.tolist()
    for other in "bool uint8 int8 int16 int32 int64 float32 float64 uint16 uint32 uint64".split():
        assert np.array_equal(x.to(dtype(other)).numpy(), values.astype(other)), other
    with np.errstate(over="ignore"):
        assert np.array_equal(x.half().numpy(), values.astype(np.float32).astype(np.float16))
    for other in ("int8", "int64", "uint8"):
        signed = np.array([-1, -7, 3, 100]).astype(other)
        assert np.array_equal(torch.from_numpy(signed).to(dtype(name)).numpy(), signed.astype(kind))
    floats = np.array([0.0, 0.9, 1.5, 254.99, 65535.0])
    for source in (floats, floats.astype(np.float32), floats.astype(np.complex64)):
        with np.errstate(all="ignore"):
            whole = torch.from_numpy(source).to(dtype(name)).tolist()
        assert whole == [0, 0, 1, 254, 65535]
    assert x.sum().dtype is torch.int64 and x[-1].item() == top and int(x[-1]) == top


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64])
def test_wide_unsigned_numbers_in_runs_and_blocks(dtype):
    x = torch.tensor([3, 1, 3, 3], dtype=dtype)
    assert torch.unique(x).tolist() == [1, 3] and torch.unique(x).dtype == dtype
    assert torch.unique_consecutive(x).tolist() == [3, 1, 3]
    blocks = torch.block_diag(x, x[:1])
    assert blocks.dtype == dtype and blocks.tolist() == [[3, 1, 3, 3, 0], [0, 0, 0, 0, 3]]


@pytest.mark.parametrize("name", UNSIGNED)
def test_the_commonest_of_wide_unsigned_numbers_is_not_counted(name):
    with pytest.raises(NotImplementedError, match='"mode.*" not implemented for .UInt'):
        torch.mode(torch.tensor([1, 2, 2]).to(dtype(name)))


def test_uint64_holds_what_int64_does_not():
    top = 2**64 - 1
    x = torch.tensor([top, 2**63, 3], dtype=torch.uint64)
    assert x.tolist() == [top, 2**63, 3]
    assert torch.full((2,), top, dtype=torch.uint64).tolist() == [top, top]
    assert x.sort().values.tolist() == [3, 2**63, top] and x.sort().indices.tolist() == [2, 1, 0]
    assert (
        x.max().item() == top
        and x.argmin().item() == 2
        and x.unique().tolist() == sorted(x.tolist())
    )
    assert (x * 2).tolist() == [2**64 - 2, 0, 6] and (x == top).tolist() == [True, False, False]
    assert x.to(torch.float64).to(torch.uint64).tolist()[1:] == [2**63, 3]
    assert torch.tensor([1.8e19], dtype=torch.float64).to(torch.uint64).item() == 18 * 10**18
    assert (x / 2)[1].item() == 2.0**62
    assert torch.signbit(x).tolist() == [False] * 3 and torch.isfinite(x).all()
    with pytest.raises(NotImplementedError, match="'UInt64'"):
        x // 2
    with pytest.raises(OverflowError):
        torch.tensor([-1], dtype=torch.uint64)
    with pytest.raises(TypeError, match="an integer is required"):
        torch.tensor([1.5], dtype=torch.uint64)
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        torch.tensor([2**63])


@pytest.mark.parametrize("name", ["uint16", "uint32"])
def test_unsigned_arithmetic_wraps_and_orders_as_numpys(name):
    kind = np.dtype(name)
    top = 2 ** (8 * kind.itemsize) - 1
    a = np.array([0, 1, 5, top, top // 2 + 1, 77], kind)
    b = np.array([1, top, 3, top, 2, 9], kind)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    for f in (np.add, np.subtract, np.multiply, np.floor_divide, np.bitwise_and, np.bitwise_xor):
        got = getattr(torch, f.__name__)(x, y)
        assert got.dtype is dtype(name) and np.array_equal(got.numpy(), f(a, b)), f
    for f in (np.less, np.greater_equal, np.not_equal):
        assert np.array_equal(getattr(torch, f.__name__)(x, y).numpy(), f(a, b)), f
    assert np.array_equal(torch.maximum(x, y).numpy(), np.maximum(a, b))
    assert np.array_equal((x / y).numpy(), (a / b).astype(np.float32))
    assert (x + 1).tolist() == (a + kind.type(1)).tolist() and (x * -1)[1].item() == top
    assert (x + 1.5).dtype is torch.float32 and (x * 2j).dtype is torch.complex64
    assert torch.cumsum(x, 0).tolist() == np.cumsum(a.astype(np.int64)).tolist()
    for number in (top + 1, -(2**40), 1.5e30, math.nan):
        with pytest.raises(RuntimeError, match=rf"converted to type {name}_t without overflow"):
            torch.full((2,), number, dtype=dtype(name))
    with pytest.raises(RuntimeError, match="Promotion for uint16, uint32, uint64 types"):
        x + torch.ones(6, dtype=torch.int64)


def test_complex32_computes_in_complex64():
    rng = np.random.default_rng(0)
    a = (rng.standard_normal(40) + 1j * rng.standard_normal(40)).astype(np.complex64)
    x = torch.from_numpy(a).chalf()
    a = x.to(torch.complex64).numpy()
    half = torch.from_numpy(a * a).chalf()
    assert torch.view_as_real(x * x).equal(torch.view_as_real(half))
    assert (x + 1j).dtype is torch.complex32 and torch.abs(x).dtype is torch.float16
    assert np.allclose(x.abs().float().numpy(), np.abs(a), rtol=1e-3)
    assert (torch.ones(2, dtype=torch.float16) * 1j).dtype is torch.complex32
    assert x.sum().dtype is torch.complex32 and float(x[0].real) == a[0].real
    w = x[:4].clone().requires_grad_()
    (w * w.conj()).real.float().sum().backward()
    assert w.grad.dtype is torch.complex32
    assert np.allclose(w.grad.to(torch.complex64).numpy(), 2 * a[:4], rtol=1e-2)


@pytest.mark.parametrize("name", [*FLOAT8, "float8_e8m0fnu"])
def test_float8_operators(name):
    x = torch.tensor([[1.0, 2.0], [4.0, 8.0]]).to(dtype(name))
    assert x.dtype.is_floating_point and x.is_floating_point() and x.element_size() == 1
    assert (x == x).all() and (x != x.t()).tolist() == [[False, True], [True, False]]
    assert (x * x).float().tolist() == [[1, 4], [16, 64]] and (x @ x).dtype is x.dtype
    assert torch.cat([x, x])[2:].float().equal(x.float()) and x[torch.tensor([1])].tolist() == [
        [4, 8]
    ]
    assert x.sum(dtype=torch.float32).item() == 15 and bool(x.any()) and not torch.isnan(x).any()
    assert torch.where(x.float() > 2, x, x.t()).dtype is x.dtype
    y = x.clone()
    y[0] = 4
    y[:, 1].fill_(2.0)
    assert y.tolist() == [[4, 2], [4, 2]]
    for refused in (lambda: x + x, lambda: x.sum(), lambda: x.exp(), lambda: x < x, lambda: x / 2):
        with pytest.raises(NotImplementedError, match="not implemented for 'Float8_"):
            refused()
    with pytest.raises(RuntimeError, match="Promotion for Float8 Types is not supported"):
        x * torch.ones(2)
    w = x.float().requires_grad_()
    w.to(dtype(name)).to(torch.float32).sum().backward()
    assert w.grad.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("name", OPAQUE)
def test_types_that_are_only_bytes_can_be_made_viewed_and_moved(name):
    size = dtype(name).itemsize
    raw = torch.arange(6 * size).to(torch.uint8).reshape(6, size)
    x = raw.view(dtype(name)).reshape(2, 3)
    assert x.dtype is dtype(name) and x.view(torch.uint8).equal(raw.reshape(2, 3 * size))
    turned = x.t().contiguous().view(torch.uint8).reshape(3, 2, size)
    assert turned.equal(raw.reshape(2, 3, size).transpose(0, 1))
    assert torch.stack([x, x]).shape == (2, 2, 3) and x.flip(0).flip(0).clone().dtype is x.dtype
    assert torch.zeros(3, dtype=dtype(name)).view(torch.uint8).sum() == 0
    assert repr(torch.empty(0, dtype=dtype(name))) == f"tensor([], dtype=torch.{name})"
    for refused in (
        lambda: x + x,
        lambda: x[0, 0].item(),
        lambda: x.float(),
        lambda: torch.ones(2, dtype=dtype(name)),
        lambda: x.sum(),
    ):
        with pytest.raises(NotImplementedError, match="not implemented for"):
            refused()
    with pytest.raises(RuntimeError, match="invalid type"):
        x.tolist()


def test_quantized_types_are_names():
    for name, size in {"qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1}.items():
        d = dtype(name)
        assert d.itemsize == size and not d.is_floating_point and repr(d) == f"torch.{name}"
        assert pickle.loads(pickle.dumps(d)) is d
        for refused in (
            lambda d=d: d.is_signed,
            lambda d=d: torch.promote_types(d, torch.int8),
            lambda d=d: torch.ones(2).to(d),
            lambda d=d: torch.tensor([1], dtype=d),
        ):
            with pytest.raises(RuntimeError):
                refused()


def test_invert_refuses_what_has_no_bits():
    for x in (torch.ones(2), torch.ones(2).chalf(), torch.ones(2).to(torch.float8_e5m2)):
        with pytest.raises(TypeError, match="only implemented on integer and Boolean-type"):
            _ = ~x
        with pytest.raises(NotImplementedError):
            torch.bitwise_not(x)
    assert (~torch.tensor([1, 65535], dtype=torch.uint16)).tolist() == [65534, 0]


def test_facts_about_dtypes():
    for name in UNSIGNED:
        d = dtype(name)
        assert not (d.is_signed or d.is_floating_point or d.is_complex)
        info = torch.iinfo(d)
        assert (info.min, info.max, info.bits) == (0, 2**info.bits - 1, 8 * d.itemsize)
    assert torch.chalf is torch.complex32 and torch.complex32.to_real() is torch.float16
    assert torch.float16.to_complex() is torch.complex32 and torch.complex32.is_complex
    assert not torch.float8_e8m0fnu.is_signed and torch.float8_e5m2.is_signed
    with pytest.raises(RuntimeError, match="Unknown Complex ScalarType for Float8_e5m2"):
        torch.float8_e5m2.to_complex()
    with pytest.raises(RuntimeError, match="Bits types are undefined"):
        _ = torch.bits8.is_signed
    for name, (bits, bias, most, _, _) in FLOAT8.items():
        info = torch.finfo(dtype(name))
        assert info.max == decoded(name, most) == -info.min
        assert info.tiny == 2.0 ** (1 - bias) and info.bits == 8
        assert info.eps == (0.125 if "fnuz" in name else 2.0**-bits)
    assert torch.finfo(torch.float8_e8m0fnu).max == 2.0**127
    assert torch.finfo(torch.complex32) == torch.finfo(torch.float16)
    for name in ("bits8", "uint4", "int3"):
        with pytest.raises(TypeError):
            torch.iinfo(dtype(name))


def promoted(a, b):
    """What PyTorch 2.13 documents and does: spelled out by kinds."""
    if a == b:
        return a
    pair = {a, b}
    if any(p.startswith("bits") for p in pair) or any(p.startswith("float8") for p in pair):
        return None
    if any(p in UNSIGNED or (p in SMALL and p[0] == "u") for p in pair):
        floating = [p for p in (a, b) if p.startswith(("float", "bfloat"))]
        return floating[0] if floating else None
    if pair & (set(SMALL) | {"float4_e2m1fn_x2"}):
        return None
    other = (pair - {"complex32"}).pop()
    return {
        "float64": "complex128", "complex128": "complex128", "float32": "complex64",
        "bfloat16": "complex64", "complex64": "complex64",
    }.get(other, "complex32")  # fmt: skip


def test_promotion_of_every_pair():
    for a in [*NUMBERS, *OPAQUE]:
        for b in [*COMMON, *NUMBERS, *OPAQUE]:
            for first, second in ((a, b), (b, a)):
                want = promoted(first, second)
                if want is None:
                    with pytest.raises(RuntimeError, match="Promotion"):
                        torch.promote_types(dtype(first), dtype(second))
                else:
                    assert torch.promote_types(dtype(first), dtype(second)) is dtype(want)


@pytest.mark.parametrize("name", NUMBERS)
def test_copies_pickles_files_and_capsules_keep_the_bytes(name):
    x = torch.tensor([1.0, 2.0, 4.0, 0.5]).to(dtype(name))
    raw = x.view(torch.uint8)
    file = io.BytesIO()
    torch.save({"x": x, "dtype": x.dtype}, file)
    file.seek(0)
    loaded = torch.load(file)
    assert loaded["dtype"] is x.dtype
    for y in (
        loaded["x"],
        pickle.loads(pickle.dumps(x)),
        copy.deepcopy(x),
        torch.from_dlpack(x),
        x.untyped_storage()._tensor(x.dtype, 0, (4,), (1,)),
    ):
        assert y.dtype is x.dtype and y.view(torch.uint8).equal(raw)
    assert pickle.loads(pickle.dumps(x.dtype)) is x.dtype


def test_printing():
    assert repr(torch.tensor([1, 65535], dtype=torch.uint16)) == (
        "tensor([    1, 65535], dtype=torch.uint16)"
    )
    x = torch.tensor([1.5, 448.0, math.nan]).to(torch.float8_e4m3fn)
    assert repr(x) == "tensor([  1.5000, 448.0000,      nan], dtype=torch.float8_e4m3fn)"
    y = torch.tensor([1 + 1j, 2.5j], dtype=torch.complex32)
    assert repr(y) == "tensor([1.+1.0000j, 0.+2.5000j], dtype=torch.complex32)"
    assert x.type() == "torch.Float8_e4m3fnTensor" and y.type() == "torch.ComplexHalfTensor"


def test_random_integers_of_unsigned_types_are_those_of_int64():
    for name, high in (("uint16", 50000), ("uint32", 2**32), ("uint64", 2**40)):
        torch.manual_seed(3)
        want = torch.randint(0, high, (50,))
        torch.manual_seed(3)
        got = torch.randint(0, high, (50,), dtype=dtype(name))
        assert got.dtype is dtype(name) and got.tolist() == want.tolist()
    with pytest.raises(RuntimeError, match="out of bounds"):
        torch.randint(0, 2**16 + 1, (3,), dtype=torch.uint16)
    torch.manual_seed(0)
    pairs = torch.rand(6, dtype=torch.float16)
    torch.manual_seed(0)
    assert torch.view_as_real(torch.rand(3, dtype=torch.complex32)).flatten().equal(pairs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*NUMBERS, "float4_e2m1fn_x2", "bits8", "uint4"])
def test_every_operator_takes_the_type_as_its_wider_one_or_refuses(name):
    """On the samples of the matrix: no operator crashes, and none gives numbers of its own."""
    d, wide = dtype(name), _WIDER.get(name)
    source = torch.int64 if wide is None or name in UNSIGNED else torch.float32
    ran = 0
    for operator, index in cases():
        if getattr(operators[operator].declaration, "random", False):
            continue
        try:
            op, args, kwargs = sample_of(operator, index, dtype=str(source)[6:])
        except RuntimeError:
            continue  # a sample that needs another dtype
        args, kwargs = mapped((args, kwargs), lambda t: _stored(t, source, d))
        if not any(t.dtype is d for t in leaves([args, kwargs])):
            continue
        try:
            got = op(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError, LookupError):
            continue
        ran += 1
        if wide is None:
            continue
        want = op(*mapped(args, lambda t: t.to(dtype(wide)) if t.dtype is d else t), **kwargs)
        for x, y in zip(leaves(got), leaves(want), strict=True):
            _assert_near(x, y.to(x.dtype), 2e-2 if name == "complex32" else 1e-6, operator)
    assert ran > (20 if wide is None else 60)


_WIDER = {
    "uint16": "int32", "uint32": "int64", "uint64": "int64", "complex32": "complex64",
    **dict.fromkeys((*FLOAT8, "float8_e8m0fnu"), "float32"),
}  # fmt: skip


def mapped(tree, f):
    """A tree of tuples, lists and dicts with f applied to its tensors."""
    if isinstance(tree, torch.Tensor):
        return f(tree)
    if type(tree) in (tuple, list):
        return type(tree)(mapped(item, f) for item in tree)
    return {k: mapped(v, f) for k, v in tree.items()} if isinstance(tree, dict) else tree


def _stored(t, source, d):
    if t.dtype is not source:
        return t
    if not d._is_number:
        return torch.zeros(t.shape, dtype=d)
    return t.detach().abs().to(d)


def _assert_near(x, y, tolerance, operator):
    a, b = (t.detach().to(torch.complex128).numpy() for t in (x, y))
    assert np.allclose(a, b, tolerance, tolerance, equal_nan=True), operator


def test_halves_make_complex_halves():
    x = torch.complex(torch.ones(2).half(), torch.tensor([2.0, 3.0]).half())
    assert x.dtype is torch.complex32 and x.tolist() == [1 + 2j, 1 + 3j]
    w = torch.ones(2, dtype=torch.float16).requires_grad_()
    torch.complex(w, w).abs().sum().backward()
    assert w.grad.dtype is torch.float16 and abs(w.grad[0].item() - 2**0.5) < 1e-2


def test_only_types_that_are_computed_with_can_be_the_default():
    for name in ("float8_e5m2", "complex32", "uint16", "bits8"):
        with pytest.raises(TypeError, match="only floating-point types"):
            torch.set_default_dtype(dtype(name))


def test_numpy_takes_only_what_it_has():
    for name in ("complex32", "float8_e4m3fn", "bits8", "uint4"):
        with pytest.raises(TypeError, match="Got unsupported ScalarType"):
            torch.zeros(2, dtype=dtype(name)).numpy()
    assert torch.tensor(np.uint16(3)).dtype is torch.uint16
