"""Operators on sparse tensors against the same operators on dense ones."""

from __future__ import annotations

import pytest
from layouts import LAYOUTS, close, matrix, scattered

import rushlight as torch

UNARY = (
    "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan log1p neg "
    "rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc nan_to_num"
).split()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UNARY)
def test_zero_preserving_functions(name, layout):
    dense = matrix() / 4
    dense = dense.abs() if name in ("sqrt", "log1p") else dense
    got = getattr(torch, name)(dense.to_sparse(**LAYOUTS[layout]))
    assert got.layout is LAYOUTS[layout]["layout"]
    assert close(got, getattr(torch, name)(dense))


BINARY = {
    "scale": lambda s, d: s * 2.5,
    "scale by a tensor": lambda s, d: s * torch.tensor(3.0, dtype=torch.float64),
    "number first": lambda s, d: -2 * s,
    "divide": lambda s, d: s / 4,
    "floor": lambda s, d: s // 2,
    "truncate": lambda s, d: torch.div(s, 2, rounding_mode="trunc"),
    "power": lambda s, d: s**2,
    "add": lambda s, d: s.add(as_layout(s, d), alpha=3),
    "subtract": lambda s, d: s - as_layout(s, d),
    "multiply": lambda s, d: s * as_layout(s, d),
    "multiply by dense": lambda s, d: s * d,
    "dense first": lambda s, d: d * s,
    "onto dense": lambda s, d: d + s,
    "from dense": lambda s, d: d - s,
    "twice": lambda s, d: s + s,
}


def as_layout(like, dense):
    if like.layout is torch.strided:
        return dense
    block = tuple(like.values().shape[1:3]) if "bs" in str(like.layout) else None
    return dense.to_sparse(layout=like.layout, blocksize=block)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", BINARY)
def test_arithmetic(case, layout):
    one, two = matrix(), matrix(seed=1)
    got = BINARY[case](one.to_sparse(**LAYOUTS[layout]), two)
    assert close(got, BINARY[case](one, two))


PRODUCTS = {
    "matmul": lambda s, d, e: s @ d,
    "matmul reversed": lambda s, d, e: e @ s,
    "vector": lambda s, d, e: s @ d[:, 0],
    "sparse": lambda s, d, e: s @ s.t(),
    "sparse.mm": lambda s, d, e: torch.sparse.mm(s, d),
    "addmm": lambda s, d, e: torch.addmm(torch.ones(4, 3, dtype=s.dtype), s, d, beta=2, alpha=3),
    "sparse.addmm": lambda s, d, e: torch.sparse.addmm(torch.ones(4, 3, dtype=s.dtype), s, d),
    "linear": lambda s, d, e: torch.nn.functional.linear(d.t(), s),
    "transposed": lambda s, d, e: s.t() @ e.t(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "bfloat16"])
@pytest.mark.parametrize("case", PRODUCTS)
def test_products(case, layout, dtype):
    s = matrix(dtype=dtype)
    d, e = matrix(6, 3, 1.0, dtype, seed=2), matrix(5, 4, 1.0, dtype, seed=3)
    tolerance = {"bfloat16": 0.05, "float32": 1e-5}.get(dtype, 1e-12)
    got = PRODUCTS[case](s.to_sparse(**LAYOUTS[layout]), d, e)
    assert close(got, PRODUCTS[case](s, d, e), tolerance)


def test_products_with_duplicates_and_batches():
    s = scattered()
    d = matrix(3, 2, 1.0)
    assert close(s @ d, s.to_dense() @ d)
    batch = torch.stack([matrix(), matrix(seed=1)])
    other = torch.stack([matrix(6, 2, 1.0), matrix(6, 2, 1.0, seed=1)])
    assert close(torch.bmm(batch.to_sparse(), other), torch.bmm(batch, other))
    assert close(torch.smm(s, d), s.to_dense() @ d)
    assert close(torch.hspmm(s, d), s.to_dense() @ d)
    assert close(
        torch.sspaddmm(s, s, matrix(3, 3, 1.0)), s.to_dense() + s.to_dense() @ matrix(3, 3, 1.0)
    )


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin"])
def test_reduced_products(reduce):
    s, d = matrix(), matrix(6, 3, 1.0, seed=2)
    s[1] = 0
    got = torch.sparse.mm(s.to_sparse_csr(), d, reduce)
    for row in range(4):
        kept = s[row].nonzero().reshape(-1)
        terms = s[row][kept].unsqueeze(1) * d[kept]
        combine = {"amax": lambda t: t.amax(0), "amin": lambda t: t.amin(0)}.get(reduce)
        expected = (combine or (lambda t: getattr(t, reduce)(0)))(terms) if len(kept) else 0 * d[0]
        assert close(got[row], expected)


def test_sampled_addmm():
    s, a, b = matrix(), matrix(4, 3, 1.0, seed=1), matrix(3, 6, 1.0, seed=2)
    got = torch.sparse.sampled_addmm(s.to_sparse_csr(), a, b, beta=0.5, alpha=2)
    assert close(got, (2 * (a @ b) + 0.5 * s) * (s != 0))


SHAPES = {
    "t": lambda x: x.t(),
    "transpose": lambda x: x.transpose(0, 1),
    "T": lambda x: x.T,
    "permute": lambda x: x.permute(1, 0),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "select": lambda x: x[1],
    "select column": lambda x: x[:, 2],
    "element": lambda x: x[0, 1],
    "index_select": lambda x: x.index_select(1, torch.tensor([3, 3, 0])),
    "narrow": lambda x: x.narrow(1, 2, 3),
    "cat": lambda x: torch.cat([x, x], 1),
    "stack": lambda x: torch.stack([x, x], 1),
    "sum": lambda x: x.sum(),
    "sum rows": lambda x: x.sum(0),
    "sum kept": lambda x: x.sum(1, keepdim=True),
    "clone": lambda x: x.clone(),
    "detach": lambda x: x.detach(),
    "cast": lambda x: x.to(torch.float32),
    "rows": lambda x: list(x)[2],
    "norm": lambda x: x.norm(),
    "any": lambda x: x.any(),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_and_reductions(case):
    for s in (matrix().to_sparse(), scattered().sparse_resize_((4, 6), 2, 0)):
        assert close(SHAPES[case](s), SHAPES[case](s.to_dense()), 1e-6)


def test_hybrid_shapes():
    dense = matrix().unsqueeze(-1) * torch.tensor([1.0, 2.0], dtype=torch.float64)
    s = dense.to_sparse(2)
    assert close(s.sum(2), dense.sum(2))
    assert close(s.sum((0, 2)), dense.sum((0, 2)))
    assert close(s.sum((0, 1)), dense.sum((0, 1)))
    assert close(s.select(2, 1), dense.select(2, 1))
    assert close(torch.cat([s, s], 2), torch.cat([dense, dense], 2))
    assert close(s.unsqueeze(3), dense.unsqueeze(3))
    assert close(s * s, dense * dense)


def test_softmax_is_over_stored_values():
    dense = matrix()
    expected = dense.masked_fill(dense == 0, -torch.inf)
    for dim in (0, 1):
        got = torch.sparse.softmax(dense.to_sparse(), dim).to_dense()
        assert close(got, expected.softmax(dim).nan_to_num(0))
        logs = torch.sparse.log_softmax(dense.to_sparse(), dim).coalesce()
        assert close(logs.values().exp(), got[tuple(logs.indices())])


def test_sparse_mask():
    mask, x = matrix().to_sparse(), matrix(seed=1)
    expected = x * (mask.to_dense() != 0)
    for given in (x, x.to_sparse()):
        assert close(given.sparse_mask(mask), expected)
        assert close(given.sparse_mask(mask.to_sparse_csr()), expected)


def test_in_place():
    dense, other = matrix(), matrix(seed=1)
    s = dense.to_sparse()
    version = s._version
    assert s.mul_(2) is s
    assert s._version > version
    s.add_(other.to_sparse()).neg_().sub_(other.to_sparse(), alpha=2).div_(4)
    assert close(s, (-(dense * 2 + other) - 2 * other) / 4)
    target = other.clone()
    target.add_(dense.to_sparse(), alpha=3).sub_(dense.to_sparse_csr())
    assert close(target, other + 2 * dense)
    view = torch.zeros(6, 4, dtype=torch.float64).t()
    assert close(view.add_(dense.to_sparse()), dense)
    assert s.zero_()._nnz() == 0
    assert close(s.copy_(dense.to_sparse()), dense)
    with pytest.raises(RuntimeError, match="requires coalesced input"):
        scattered().sqrt_()
    with pytest.raises(RuntimeError, match="can't be cast"):
        dense.to_sparse().int().mul_(1.5)


def test_out():
    dense = matrix()
    s, out = dense.to_sparse(), torch.zeros(1, dtype=torch.float64)
    torch.mm(s, dense.t(), out=out.resize_(0))
    assert close(out, dense @ dense.t())
    target = torch.sparse_coo_tensor((4, 6), dtype=torch.float64)
    torch.add(s, s, out=target)
    assert close(target, 2 * dense)
    with pytest.raises(RuntimeError):
        torch.add(s, s, out=out)
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.add(dense, dense, out=target)
    assert close(target, 2 * dense)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.exp(),
        lambda s: s == s,
        lambda s: s[torch.tensor([0])],
        lambda s: s.view(3, 2),
        lambda s: s.max(),
        lambda s: torch.fft.fft(s),
        lambda s: s.softmax(1),
        lambda s: torch.nn.functional.conv1d(s.unsqueeze(0), torch.ones(1, 2, 2)),
    ],
)
def test_operators_without_a_rule_say_so(call):
    with pytest.raises(NotImplementedError, match="Could not run 'aten::.*SparseCPU"):
        call(matrix(2, 3).to_sparse())


def test_known_refusals():
    s, d = matrix().to_sparse(), matrix()
    for call in (lambda: s + 1, lambda: s + d, lambda: s - d):
        with pytest.raises(RuntimeError, match="add\\(sparse, dense\\) is not supported"):
            call()
    with pytest.raises(RuntimeError, match="Sparse division requires"):
        s / s
    with pytest.raises(RuntimeError, match="zeroth power"):
        s**0
    with pytest.raises(RuntimeError, match="reshape is not implemented for sparse"):
        s.reshape(-1)
    with pytest.raises(RuntimeError, match="copy_\\(\\) between dense and sparse"):
        d.copy_(s)
    with pytest.raises(RuntimeError, match="dense tensor was found at position 1"):
        torch.cat([s, d])
    with pytest.raises(RuntimeError, match="must have the same shape"):
        torch.cat([s, matrix(3, 3).to_sparse()], 1)
    with pytest.raises(RuntimeError, match="Only CUDA tensors"):
        torch.sparse.to_sparse_semi_structured(d)


def test_broadcasting_repeats_what_is_stored():
    s, d = matrix(1, 6), matrix(4, 6, 1.0, seed=1)
    assert close(s.to_sparse() * d, s * d)
    assert close(d[:1] * d.to_sparse(), d[:1] * d)
    wide = torch.stack([d, d + 1])
    assert close(s.to_sparse() * wide, s * wide)
    with pytest.raises(RuntimeError):
        s.to_sparse() * torch.ones(5, dtype=torch.float64)


def test_contents_of_another_dtype_through_data():
    s = matrix().to_sparse()
    s.data = matrix().float().to_sparse()
    assert s.dtype is torch.float32
    layer = torch.nn.Module()
    layer.graph = torch.nn.Parameter(matrix().to_sparse())
    layer.float()
    assert layer.graph.dtype is torch.float32
    assert close(layer.graph, matrix(), 1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_assert_close(layout):
    one = matrix().to_sparse(**LAYOUTS[layout])
    torch.testing.assert_close(one, one.clone())
    name = f"[Ss]parse {layout.upper()}"
    with pytest.raises(AssertionError, match=f"{name} values are not close"):
        torch.testing.assert_close(one, one * 2)
    corner = torch.zeros(4, 6)
    corner[0, 0] = 1
    corners = [c.to_sparse(**LAYOUTS[layout]) for c in (corner, corner.flip(0, 1))]
    with pytest.raises(AssertionError, match=f"{name} .*indices are not equal"):
        torch.testing.assert_close(*corners)
    with pytest.raises(AssertionError, match="number of specified values"):
        torch.testing.assert_close(one, torch.zeros_like(one))
    with pytest.raises(AssertionError, match="'layout' do not match"):
        torch.testing.assert_close(one, matrix())
    torch.testing.assert_close(one, matrix(), check_layout=False)


def test_batches_of_sparse_tensors_are_refused():
    with pytest.raises(RuntimeError, match="Batches of sparse tensors"):
        torch.utils.data.default_collate([matrix().to_sparse()] * 2)


@pytest.mark.parametrize("share", [0.005, 0.3])
def test_wide_products(share):
    """Rows with few and with many columns are put in order in different ways."""
    a, b = matrix(30, 40, share * 3), matrix(40, 700, share, seed=1)
    got = a.to_sparse_csr() @ b.to_sparse_csr()
    assert close(got, a @ b)
    with torch.sparse.check_sparse_tensor_invariants():
        parts = got.crow_indices(), got.col_indices(), got.values()
        torch.sparse_csr_tensor(*parts, got.shape)
    left, right = matrix(30, 5, 1.0), matrix(5, 700, 1.0, seed=2)
    sampled = torch.sparse.sampled_addmm(got, left, right, beta=0)
    assert close(sampled.to_sparse_coo().values(), (left @ right)[tuple(got.to_sparse().indices())])
