"""Products beyond the matrix: sizes that take other kernels, layouts, ranks, names, messages."""

from __future__ import annotations

import numpy as np
import pytest
from parity import EVERY, as_numpy, both_raise, check, numbers, oracle, pair, same

import rushlight as torch

# One for each way through the product: tiny, tiles with tails, few rows, one row or column,
# panels of several blocks, threads.
SIZES = [
    (1, 1, 1), (3, 4, 5), (7, 300, 2), (8, 64, 40), (12, 32, 33), (13, 70, 16), (1, 100, 70),
    (70, 100, 1), (97, 260, 65), (200, 513, 48), (0, 3, 4), (3, 0, 4),
]  # fmt: skip
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "bfloat16": 3e-2, "float16": 3e-3,
             "complex64": 3e-5, "complex128": 1e-12}  # fmt: skip


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("m,k,n", SIZES)
@pytest.mark.parametrize("left,right", ((0, 0), (1, 0), (0, 1), (1, 1)))
def test_every_size_in_every_layout_is_the_product(dtype, m, k, n, left, right):
    a, b = normal(m, k).astype(dtype), normal(k, n, seed=1).astype(dtype)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    x = x.t().contiguous().t() if left else x
    y = y.t().contiguous().t() if right else y
    exact = a.astype("float64") @ b.astype("float64")
    bound = 1e-6 if dtype == "float32" else 1e-14
    error = np.abs((x @ y).numpy() - exact)
    assert (error <= bound * (np.abs(a) @ np.abs(b) + 1e-30) * 8).all()


@pytest.mark.parametrize("dtype", ("float32", "float64", "complex64", "complex128", "bfloat16"))
@pytest.mark.parametrize("m,k,n", [(1, 1, 1), (2, 2, 2), (3, 3, 1), (3, 3, 3), (8, 5, 4), (4, 9, 4),
                                   (70, 300, 5), (40, 33, 8), (530, 20, 3)])  # fmt: skip
def test_batches_of_small_and_narrow_products(dtype, m, k, n):
    """A batch, a batch read through strides, and a broadcast one without one stride for all."""
    kind = getattr(torch, dtype)
    torch.manual_seed(m + k + n)
    a, b = torch.randn(5, m, k, dtype=kind), torch.randn(5, k, n, dtype=kind)
    turned = b.mT.contiguous().mT
    for x, y in ((a, b), (a[::2], turned[::2]), (a[:, None], b), (a[0], b)):
        exact = np.matmul(*(t.to(torch.complex128).numpy() for t in (x, y)))
        got = (x @ y).to(torch.complex128).numpy()
        scale = np.matmul(*(np.abs(t.to(torch.complex128).numpy()) for t in (x, y)))
        assert (np.abs(got - exact) <= TOLERANCE[dtype] / 3 * scale).all()


@pytest.mark.parametrize("dtype", [d for d in EVERY if d != "bool"])
def test_every_dtype_multiplies(dtype):
    for shape in ((3, 4, 5), (40, 70, 50)):
        m, k, n = shape
        (a, x), (b, y) = pair(numbers(m, k, high=4), dtype), pair(numbers(k, n, high=4), dtype)
        same(a @ b, x @ y)  # small integers: exact in every type but the half ones
    assert (x @ y).dtype is getattr(torch, dtype)


def test_integers_wrap_around():
    (a, x), (b, y) = (pair(np.full((3, 30), 100), "int8") for _ in range(2))
    same(a @ b.t(), x @ y.t())
    (a, x), (b, y) = (pair(np.full((3, 3), 2**40), "int64") for _ in range(2))
    same(a @ b, x @ y)


def test_expanded_and_negative_offset_operands():
    x = torch.from_numpy(normal(1, 5)).expand(4, 5)
    y = torch.from_numpy(normal(12, 6))[2:7]
    np.testing.assert_allclose((x @ y).numpy(), x.numpy() @ y.numpy(), rtol=1e-12)


def test_nan_and_infinity_come_through():
    a = np.zeros((20, 30), np.float32)
    a[3, 4], a[5, 6] = np.nan, np.inf
    b = np.ones((30, 40), np.float32)
    same(oracle.from_numpy(a) @ oracle.from_numpy(b), torch.from_numpy(a) @ torch.from_numpy(b))


def test_a_zero_beta_ignores_even_nan():
    bad = torch.full((3, 5), float("nan"))
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert torch.addmm(bad, a, b, beta=0).tolist() == [[4.0] * 5] * 3
    assert torch.addmv(bad[:, 0], a, a[0], beta=0).tolist() == [4.0] * 3
    assert torch.baddbmm(bad[None], a[None], b[None], beta=0).isnan().sum() == 0


RANKS = [
    ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((2, 3, 4), (4,)), ((4,), (2, 4, 5)),
    ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((1, 3, 4), (5, 4, 2)),
    ((5, 1, 2, 3, 4), (6, 1, 4, 2)), ((0, 3, 4), (4, 5)), ((2, 3, 0), (0, 5)),
]  # fmt: skip


@pytest.mark.parametrize("a,b", RANKS)
def test_ranks_broadcast_with_two_derivatives(a, b):
    check(lambda m, x, y: m.matmul(x, y), normal(*a), normal(*b, seed=1), grad=True, rtol=1e-12)
    (p, x), (q, y) = pair(normal(*a), grad=True), pair(normal(*b), grad=True)
    ours, theirs = (x @ y).grad_fn.name(), (p @ q).grad_fn.name()
    assert ours == theirs or {ours, theirs} == {"UnsafeViewBackward0", "CloneBackward0"}


@pytest.mark.parametrize("kwargs", ({}, {"beta": 2, "alpha": 3}, {"beta": 0, "alpha": 2}))
@pytest.mark.parametrize("name,shapes", (
    ("addmm", ((3, 5), (3, 4), (4, 5))), ("addmm", ((5,), (3, 4), (4, 5))),
    ("addmm", ((3, 1), (3, 4), (4, 5))), ("addmv", ((3,), (3, 4), (4,))),
    ("baddbmm", ((2, 3, 5), (2, 3, 4), (2, 4, 5))), ("addbmm", ((3, 5), (2, 3, 4), (2, 4, 5))),
    ("addr", ((3, 5), (3,), (5,))),
))  # fmt: skip
def test_sums_of_a_product_and_an_input(name, shapes, kwargs):
    arrays = [normal(*s, seed=i) for i, s in enumerate(shapes)]
    check(lambda m, *t: getattr(m, name)(*t, **kwargs), *arrays, grad=True, rtol=1e-11)


@pytest.mark.parametrize("shape", ((4,), (3, 4), (2, 3, 4), (0, 4), (2, 2, 3, 4)))
@pytest.mark.parametrize("bias", ((5,), (1,), None))
def test_linear_in_all_forms(shape, bias):
    arrays = [normal(*shape), normal(5, 4, seed=1)] + ([normal(*bias)] if bias else [])
    check(lambda m, *t: m.nn.functional.linear(*t), *arrays, grad=True, rtol=1e-12)
    theirs = oracle.nn.functional.linear(*[pair(a, grad=True)[0] for a in arrays])
    ours = torch.nn.functional.linear(*[pair(a, grad=True)[1] for a in arrays])
    assert ours.grad_fn.name() == theirs.grad_fn.name()


def test_linear_takes_transposed_and_half_inputs():
    x, w, b = normal(6, 40).astype("float32"), normal(33, 40, seed=1), normal(33, seed=2)
    for dtype in ("float32", "bfloat16", "float16"):
        pairs = [pair(v, dtype) for v in (x.T.copy(), w, b)]
        theirs, ours = (
            m.nn.functional.linear(p[0].t(), *p[1:])
            for m, p in zip((oracle, torch), zip(*pairs, strict=True), strict=True)
        )
        same(theirs, ours, rtol=4 * TOLERANCE[dtype], atol=4 * TOLERANCE[dtype])


def test_linear_gradients_of_complex_tensors():
    arrays = [normal(*s) + 1j * normal(*s, seed=9) for s in ((3, 4), (5, 4), (5,))]
    grads = []
    for i, m in ((0, oracle), (1, torch)):
        leaves = [pair(a, grad=True)[i] for a in arrays]
        m.nn.functional.linear(*leaves).abs().pow(3).sum().backward()
        grads.append([x.grad for x in leaves])
    same(*grads, rtol=1e-10)


EQUATIONS = [
    ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ii->i", (3, 3)),
    ("ii", (3, 3)), ("ij->ji", (2, 3)), ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("i,j->ij", (3,), (4,)), ("bhld,bhsd->bhls", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ijk->", (2, 3, 4)), ("a...b->b...a", (2, 3, 4)),
    ("i...,i...->...", (3, 4, 5), (3, 1, 5)), ("bn,anm,bm->ba", (2, 5), (3, 5, 4), (2, 4)),
    ("i,i->", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)), ("ij,kj->", (2, 3), (4, 3)),
    ("b i j , b j k -> b i k", (2, 3, 4), (2, 4, 5)), ("iij,jk->ik", (3, 3, 4), (4, 2)),
    ("ij,i->ij", (1, 3), (4,)), ("ij,j->i", (2, 1), (5,)), ("...ij,...jk->ik", (5, 2, 3), (3, 4)),
]  # fmt: skip


@pytest.mark.parametrize("equation,shapes", [(e, s) for e, *s in EQUATIONS])
def test_einsum_with_two_derivatives(equation, shapes):
    arrays = [normal(*s, seed=i) for i, s in enumerate(shapes)]
    check(lambda m, *t: m.einsum(equation, *t), *arrays, grad=True, rtol=1e-11)


def test_einsum_takes_sublists():
    a, b = normal(2, 3, 4), normal(2, 4, 5)
    check(lambda m, x, y: m.einsum(x, [0, 1, 2], y, [0, 2, 3], [0, 1, 3]), a, b, rtol=1e-12)
    check(lambda m, x, y: m.einsum(x, [..., 1, 2], y, [..., 2, 3], [..., 1, 3]), a, b, rtol=1e-12)


def test_compositions_of_products():
    a, b = normal(2, 3, 4), normal(3, 4, 5)
    check(lambda m, x, y: m.tensordot(x, y), a, b, rtol=1e-12)
    check(lambda m, x, y: m.tensordot(x, y, dims=([1], [0])), a, b, rtol=1e-12)
    check(lambda m, x, y: m.kron(x, y), normal(2, 3), normal(3, 2, 2), grad=True, rtol=1e-12)
    check(lambda m, x, y: m.inner(x, y), normal(2, 4), normal(3, 5, 4), grad=True, rtol=1e-12)
    check(lambda m, x, y: m.outer(x, y), normal(3), normal(4), grad=True, rtol=1e-12)
    chain = [normal(*s) for s in ((10, 30), (30, 5), (5, 60), (60, 2))]
    check(lambda m, *t: m.linalg.multi_dot(t), *chain, grad=True, rtol=1e-11)
    check(lambda m, *t: m.linalg.multi_dot(t), normal(3), normal(3, 4), normal(4), rtol=1e-12)


def test_products_write_into_out():
    (a, x), (b, y) = pair(normal(3, 4)), pair(normal(4, 5))
    out = torch.empty(3, 5, dtype=torch.float64).t().contiguous().t()
    assert torch.mm(x, y, out=out) is out
    same(a @ b, out, rtol=1e-13)
    assert torch.matmul(x, y, out=out) is out
    out = torch.empty(0, dtype=torch.float64)
    torch.matmul(x[None], y, out=out)
    assert out.shape == (1, 3, 5)


def test_in_place_addmm_has_history():
    (a, x), (b, y), (c, z) = (pair(normal(*s), grad=True) for s in ((3, 5), (3, 4), (4, 5)))
    p, q = a * 2, x * 2
    p.addmm_(b, c, beta=0.5)
    q.addmm_(y, z, beta=0.5)
    p.pow(2).sum().backward()
    q.pow(2).sum().backward()
    same((a.grad, b.grad, c.grad), (x.grad, y.grad, z.grad), rtol=1e-11)


MESSAGES = [
    (lambda m: m.ones(2, 3) @ m.ones(4, 5),
     "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
    (lambda m: m.mm(m.ones(2, 3), m.ones(3, 2).double()),
     "expected m1 and m2 to have the same dtype, but got: float != double"),
    (lambda m: m.mm(m.ones(2), m.ones(3, 2)), "self must be a matrix"),
    (lambda m: m.bmm(m.ones(2, 3, 4), m.ones(2, 5, 6)),
     "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [2, 5]."),
    (lambda m: m.mv(m.ones(2, 3), m.ones(4)), "size mismatch, got input (2), mat (2x3), vec (4)"),
    (lambda m: m.dot(m.ones(2, 1), m.ones(2)), "1D tensors expected, but got 2D and 1D tensors"),
    (lambda m: m.nn.functional.linear(m.ones(2, 3), m.ones(4, 5)),
     "mat1 and mat2 shapes cannot be multiplied (2x3 and 5x4)"),
    (lambda m: m.einsum("ij,jk", m.ones(2, 3), m.ones(4, 5)),
     "einsum(): subscript j has size 4 for operand 1 which does not broadcast with previously seen "
     "size 3"),
    (lambda m: m.tensordot(m.ones(2, 3), m.ones(4, 4), dims=1),
     "contracted dimensions need to match, but first has size 3 in dim -1 and second has size 4 in "
     "dim 0"),
]  # fmt: skip


@pytest.mark.parametrize("f,words", MESSAGES)
def test_messages_are_pytorchs(f, words):
    both_raise(RuntimeError, f)
    for m in (oracle, torch):
        with pytest.raises(RuntimeError) as caught:
            f(m)
        assert str(caught.value).splitlines()[0] == words


def test_bool_has_no_product():
    def run(m):
        return m.ones(2, 2, dtype=m.bool) @ m.ones(2, 2, dtype=m.bool)

    both_raise(NotImplementedError, run)


def test_long_sums_stay_accurate():
    x = torch.from_numpy(np.full((1, 1 << 20), 0.1, np.float32))
    exact = np.float64(np.float32(0.1)) * (1 << 20)
    for got in (x @ torch.ones(1 << 20, 3), torch.dot(x[0], torch.ones(1 << 20))):
        assert abs(as_numpy(got).ravel()[0] / exact - 1) < 3e-5  # one running sum: 4e-2


@pytest.mark.parametrize(
    "equation, shapes, strides",
    [
        ("i,j->ji", [(3,), (4,)], (3, 1)),
        ("bn,bm->bmn", [(2, 3), (2, 4)], (12, 3, 1)),
        ("...ct,...et->...tce", [(2, 3, 5), (2, 3, 5)], (45, 1, 15, 5)),
    ],
)
def test_einsum_without_a_sum_multiplies_elements_in_their_order(equation, shapes, strides):
    a, b = (torch.from_numpy(normal(*s)) for s in shapes)
    got = torch.einsum(equation, a, b)
    wanted = torch.from_numpy(np.einsum(equation, a.numpy(), b.numpy()))
    assert torch.equal(got, wanted) and got.stride() == strides
