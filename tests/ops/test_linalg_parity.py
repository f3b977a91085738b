"""Linear algebra beside PyTorch: the same calls, values, shapes, dtypes, gradients and errors."""

from __future__ import annotations

import numpy as np
import pytest
from parity import check, oracle

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")

SHAPES = [(3, 3), (2, 3, 3), (0, 3, 3), (0, 0), (2, 0, 0)]
DTYPES = ("float32", "float64", "complex64", "complex128")


def values(*shape, seed=0, dtype="float64"):
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape)
    if "complex" in dtype:
        x = x + 1j * random.standard_normal(shape)
    return x.astype(dtype)


def definite(m, a):
    return a @ a.mH + m.eye(a.shape[-1], dtype=a.dtype)


CALLS = {
    "inv": lambda m, a: tuple(m.linalg.inv_ex(a)),
    "solve": lambda m, a: tuple(m.linalg.solve_ex(a, a.mT)),
    "solve right": lambda m, a: m.linalg.solve(a, a.mT, left=False).resolve_conj(),
    "lu": lambda m, a: tuple(m.linalg.lu(a)),
    "lu_factor": lambda m, a: tuple(m.linalg.lu_factor(a)),
    "lu_factor_ex": lambda m, a: tuple(m.linalg.lu_factor_ex(a)),
    "lu_solve": lambda m, a: m.lu_solve(a, *m.lu(a)),
    "cholesky": lambda m, a: tuple(m.linalg.cholesky_ex(definite(m, a))),
    "cholesky_inverse": lambda m, a: m.cholesky_inverse(m.linalg.cholesky(definite(m, a))),
    "cholesky_solve": lambda m, a: m.cholesky_solve(a, m.linalg.cholesky(definite(m, a))),
    "lstsq": lambda m, a: m.linalg.lstsq(a, a.mT)[:3:2],
    "pinv": lambda m, a: m.linalg.pinv(a),
    "matrix_rank": lambda m, a: m.linalg.matrix_rank(a),
    "matrix_exp": lambda m, a: m.linalg.matrix_exp(a),
    "matrix_power": lambda m, a: m.linalg.matrix_power(a, -2),
    "det": lambda m, a: m.linalg.det(a),
    "slogdet": lambda m, a: tuple(m.linalg.slogdet(a)),
    "logdet": lambda m, a: m.logdet(definite(m, a)),
    "cond": lambda m, a: m.linalg.cond(a, 1),
    "nuclear": lambda m, a: m.linalg.matrix_norm(a, "nuc"),
    "geqrf": lambda m, a: tuple(m.geqrf(a)),
    "householder": lambda m, a: m.linalg.householder_product(*m.geqrf(a)),
    "ormqr": lambda m, a: m.ormqr(*m.geqrf(a), a, True, True),
    "triangular": lambda m, a: m.linalg.solve_triangular(a.mT, a, upper=False, unitriangular=True),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values(name, shape, dtype):
    tolerance = 1e-3 if dtype in ("float32", "complex64") else 1e-9
    check(CALLS[name], values(*shape, dtype=dtype), rtol=tolerance, atol=tolerance)


SMOOTH = set(CALLS) - {"geqrf", "householder", "ormqr", "matrix_rank", "lstsq", "lu"}


@pytest.mark.parametrize("name", sorted(SMOOTH - {"slogdet", "cond"}))
def test_gradients(name):
    check(CALLS[name], values(3, 3), grad=True, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shapes", [((5, 3), (5, 2)), ((3, 5), (3, 2)), ((2, 5, 3), (2, 5)),
                                    ((1, 5, 3), (4, 5, 2)), ((5, 3), (5,)), ((0, 5, 3), (0, 5, 2)),
                                    ((0, 3), (0, 2))])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_least_squares(driver, shapes, dtype):
    check(
        lambda m, a, b: tuple(m.linalg.lstsq(a, b, driver=driver)),
        values(*shapes[0], dtype=dtype), values(*shapes[1], dtype=dtype, seed=1),
        rtol=1e-9, atol=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 2.0, 3.0, float("inf")])
def test_distances(p):
    check(
        lambda m, a, b: m.cdist(a, b, p, compute_mode="donot_use_mm_for_euclid_dist"),
        values(2, 6, 4), values(5, 4, seed=1), rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    theirs, ours = (m.from_numpy(values(40, 4)).requires_grad_() for m in (oracle, torch))
    oracle.cdist(theirs, theirs.detach() * 2, p).sum().backward()
    torch.cdist(ours, ours.detach() * 2, p).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_random_directions_are_those_of_pytorch():
    a = values(30, 12)
    found = []
    for m in (oracle, torch):
        m.manual_seed(3)
        found.append(m.svd_lowrank(m.from_numpy(a.copy()), q=4, niter=1)[1].numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-10)


def bad_calls():
    def one(m, shape, dtype=None):
        return m.ones(shape, dtype=dtype)

    yield lambda m: m.linalg.inv(one(m, (2, 2)))
    yield lambda m: m.linalg.inv(one(m, (2, 3)))
    yield lambda m: m.linalg.inv(one(m, (2,)))
    yield lambda m: m.linalg.inv(one(m, (2, 2), m.int32))
    yield lambda m: m.linalg.solve(one(m, (2, 2)), one(m, (2, 2)))
    yield lambda m: m.linalg.solve(m.eye(2), one(m, (3, 2)))
    yield lambda m: m.linalg.solve(m.eye(2), m.eye(2, dtype=m.float64))
    yield lambda m: m.linalg.cholesky(-m.eye(2))
    yield lambda m: m.linalg.lu_factor(one(m, (2, 2)))
    yield lambda m: m.linalg.lu_solve(m.eye(2), m.tensor([1, 2]), m.eye(2))
    yield lambda m: m.linalg.lu_solve(m.eye(2), m.tensor([1, 9], dtype=m.int32), m.eye(2))
    yield lambda m: m.lu_unpack(m.eye(2), m.tensor([1, 9], dtype=m.int32))
    yield lambda m: m.linalg.lstsq(m.eye(2), one(m, (3, 2)))
    yield lambda m: m.linalg.lstsq(m.eye(2), m.eye(2), driver="x")
    yield lambda m: m.linalg.lstsq(m.eye(2), one(m, (3, 2, 2)))
    yield lambda m: m.linalg.solve(m.eye(2).expand(2, 2, 2), one(m, (3, 2, 1)))
    yield lambda m: m.linalg.solve_triangular(
        m.eye(2).expand(2, 2, 2), one(m, (3, 2, 1)), upper=True
    )
    yield lambda m: m.linalg.solve_triangular(*[m.eye(2, dtype=m.int32)] * 2, upper=True)
    yield lambda m: m.linalg.householder_product(one(m, (2, 3)), one(m, (2,)))
    yield lambda m: m.ormqr(one(m, (3, 2)), one(m, (3,)), one(m, (3, 3)))
    yield lambda m: m.linalg.tensorinv(m.eye(4), ind=0)
    yield lambda m: m.linalg.tensorsolve(m.eye(3), m.eye(3))
    yield lambda m: m.linalg.vander(m.tensor(1.0))
    yield lambda m: m.linalg.matrix_norm(m.eye(2), 3)
    yield lambda m: m.linalg.matrix_norm(one(m, (0, 2)), -2)
    yield lambda m: m.linalg.norm(one(m, (2, 2, 2)), "fro", dim=(0, 5))
    yield lambda m: m.linalg.cond(one(m, (2, 3)), 1)
    yield lambda m: m.linalg.pinv(one(m, (2,)))
    yield lambda m: m.trace(one(m, (2,)))
    yield lambda m: m.trace(one(m, (2, 2), m.bool))
    yield lambda m: m.cov(one(m, (2, 2), m.bool))
    yield lambda m: m.cov(one(m, (2, 2)), fweights=one(m, (2,)))
    yield lambda m: m.cov(one(m, (2, 2)), aweights=one(m, (3,)))
    yield lambda m: m.cdist(m.eye(2), m.eye(2), compute_mode="x")
    yield lambda m: m.cdist(m.eye(2), one(m, (2,)))
    yield lambda m: m.cdist(m.eye(2).half(), m.eye(2).half())
    yield lambda m: m.pca_lowrank(m.eye(3), q=5)
    yield lambda m: m.lobpcg(m.eye(5), k=2)
    yield lambda m: m.lobpcg(one(m, (5, 6)))
    yield lambda m: m.eye(2).symeig()
    for name in ("geqrf", "cholesky_inverse", "lu", "det"):
        yield lambda m, name=name: getattr(m, name)(m.eye(2, dtype=m.bfloat16))
    for name in ("eigh", "eigvalsh", "eig", "svd", "svdvals", "qr", "cholesky", "inv", "slogdet",
                 "pinv", "cond", "matrix_rank", "lu", "matrix_norm"):  # fmt: skip
        for dtype in ("float16", "int64"):
            yield lambda m, name=name, dtype=dtype: getattr(m.linalg, name)(
                m.eye(2, dtype=getattr(m, dtype)), *(("nuc",) if name == "matrix_norm" else ())
            )
    yield lambda m: m.linalg.solve(m.eye(2).half(), m.eye(2).half())
    yield lambda m: m.linalg.solve(one(m, (1, 1, 1)), one(m, (1, 1)), left=False)
    for name in ("cholesky_solve", "triangular_solve"):
        yield lambda m, name=name: getattr(m, name)(*[m.eye(2, dtype=m.int32)] * 2)
    yield lambda m: m.ormqr(m.eye(2).half(), m.ones(2).half(), m.eye(2).half())
    yield lambda m: m.linalg.ldl_factor(m.eye(2, dtype=m.bfloat16))
    yield lambda m: m.linalg.vander(m.ones(3, dtype=m.half))


@pytest.mark.parametrize("call", list(bad_calls()))
def test_errors_are_of_the_same_class(call):
    with pytest.raises(Exception) as theirs:
        call(oracle)
    with pytest.raises(Exception) as ours:
        call(torch)
    names = [
        [c.__name__ for c in e.type.__mro__ if c.__name__ not in ("object", "BaseException")]
        for e in (theirs, ours)
    ]
    assert names[0] == names[1], str(ours.value)
