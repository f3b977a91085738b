"""Linear algebra through its public functions: identities, errors, results, gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matrices import near, random

import rushlight as torch
from rushlight import linalg
from rushlight.autograd import gradcheck, gradgradcheck

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")

REAL_AND_COMPLEX = (torch.float64, torch.complex128)
ZERO = torch.zeros(2, 2)
SINGULAR = torch.stack([torch.eye(2), ZERO])


# -- identities -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REAL_AND_COMPLEX)
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 3), (2, 3, 5), (0, 3, 3), (2, 0, 0), (0, 3)])
def test_lu_multiplies_to_the_matrix(dtype, shape):
    a = random(*shape, dtype=dtype)
    p, lower, upper = linalg.lu(a)
    near(p @ lower @ upper, a)
    packed, pivots = linalg.lu_factor(a)
    for got, want in zip(torch.lu_unpack(packed, pivots), (p, lower, upper), strict=True):
        near(got, want)


@pytest.mark.parametrize("dtype", REAL_AND_COMPLEX)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve_solves_each_form(dtype, left, adjoint):
    a, b = random(2, 3, 3, dtype=dtype), random(3, 3, dtype=dtype, seed=1)
    x = linalg.lu_solve(*linalg.lu_factor(a), b, left=left, adjoint=adjoint)
    m = a.mH if adjoint else a
    near(m @ x if left else x @ m, b.expand(2, 3, 3))


@pytest.mark.parametrize("dtype", REAL_AND_COMPLEX)
@pytest.mark.parametrize("hermitian", [True, False])
def test_ldl_solve_solves(dtype, hermitian):
    a = random(2, 4, 4, dtype=dtype)
    a = a + (a.mH if hermitian else a.mT)
    b = random(2, 4, 3, dtype=dtype, seed=1)
    near(
        a @ linalg.ldl_solve(*linalg.ldl_factor(a, hermitian=hermitian), b, hermitian=hermitian), b
    )


@pytest.mark.parametrize("upper", [True, False])
def test_cholesky_solve_and_inverse(upper):
    a = random(3, 3, dtype=torch.complex128)
    a = a @ a.mH + torch.eye(3)
    factor, info = linalg.cholesky_ex(a, upper=upper)
    assert info.item() == 0 and info.dtype == torch.int32
    b = random(3, 2, dtype=torch.complex128, seed=1)
    near(torch.cholesky_solve(b, factor, upper), linalg.solve(a, b))
    near(torch.cholesky_inverse(factor, upper), linalg.inv(a))


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
def test_least_squares_satisfy_the_normal_equations(driver):
    a, b = random(2, 5, 3), random(2, 5, 2, seed=1)
    x, residuals, rank, values = linalg.lstsq(a, b, driver=driver)
    near(a.mT @ (a @ x - b), torch.zeros(2, 3, 2))
    if driver == "gelsy":
        assert residuals.shape == (0,)
    else:
        near(residuals, ((a @ x - b) ** 2).sum(-2))
    assert rank.shape == ((0,) if driver == "gels" else (2,)) and rank.dtype == torch.int64
    assert values.shape == ((2, 3) if driver in ("gelsd", "gelss") else (0,))


def test_least_squares_of_low_rank_take_the_shortest_solution():
    a = torch.ones(4, 3, dtype=torch.float64)
    x, residuals, rank, values = linalg.lstsq(a, torch.arange(4.0, dtype=torch.float64),
                                              driver="gelsd")  # fmt: skip
    near(x, torch.full((3,), 0.5))
    assert rank.item() == 1 and residuals.numel() == 0
    near(values[0], torch.tensor(12.0).sqrt(), 1e-6)
    cut = linalg.lstsq(torch.diag(torch.tensor([2.0, 0.5])), torch.ones(2), rcond=0.5)
    assert cut.solution.tolist() == [0.5, 0] and cut.rank.item() == 1


def test_orthogonal_products():
    a = random(2, 4, 3, dtype=torch.complex128)
    packed, tau = torch.geqrf(a)
    q = linalg.householder_product(packed, tau)
    near(q @ packed.triu()[..., :3, :], a)
    near(q.mH @ q, torch.eye(3).expand(2, 3, 3))
    c = random(2, 4, 3, dtype=torch.complex128, seed=1)
    near(torch.ormqr(packed, tau, c, True, True)[..., :3, :], q.mH @ c)
    near(torch.ormqr(packed, tau, c.mH, False)[..., :3], c.mH @ q)


def test_tensors_as_matrices():
    a = random(2, 3, 6)
    near(torch.tensordot(linalg.tensorinv(a, 2), a, 2), torch.eye(6), 1e-8)
    b = random(2, 3, seed=1)
    near(torch.tensordot(a, linalg.tensorsolve(a, b), 1), b)
    moved = a.permute(2, 0, 1)
    near(torch.tensordot(a, linalg.tensorsolve(moved, b, dims=(0,)), 1), b)
    assert linalg.vander(torch.tensor([1, 2, 3]), N=4)[1].tolist() == [1, 2, 4, 8]


def test_matrix_exp_of_large_and_special_matrices():
    near(linalg.matrix_exp(torch.tensor([[0.0, 1], [0, 0]])), torch.tensor([[1.0, 1], [0, 1]]))
    turn = torch.tensor([[0.0, -100], [100, 0]], dtype=torch.float64)
    c, s = np.cos(100), np.sin(100)
    near(turn.matrix_exp(), torch.tensor([[c, -s], [s, c]], dtype=torch.float64), 1e-11)
    both = torch.stack([turn, torch.zeros(2, 2, dtype=torch.float64)])
    near(both.matrix_exp()[1], torch.eye(2))
    assert linalg.matrix_exp(torch.full((2, 2), float("inf"))).isnan().all()


def test_norms_of_nothing_and_of_singular_matrices():
    assert linalg.matrix_norm(torch.zeros(0, 3), 2) == 0
    assert linalg.norm(torch.zeros(0, 3), 1) == 0
    with pytest.raises(IndexError):
        linalg.matrix_norm(torch.zeros(0, 3), -2)
    assert linalg.cond(ZERO, 1) == float("inf")
    assert linalg.cond(torch.zeros(2, 0, 0), "fro").tolist() == [0, 0]
    assert linalg.matrix_norm(torch.ones(2, 3, 4), 1, (0, 2), True).shape == (1, 3, 1)


def test_covariances_agree_with_numpy():
    x, weights = random(3, 8), torch.rand(8, dtype=torch.float64)
    counts = torch.tensor([1, 2, 3, 1, 1, 2, 1, 4])
    near(x.cov(), torch.from_numpy(np.cov(x.numpy())))
    got = torch.cov(x, correction=2, fweights=counts, aweights=weights)
    want = np.cov(x.numpy(), ddof=2, fweights=counts.numpy(), aweights=weights.numpy())
    near(got, torch.from_numpy(want))
    near(torch.corrcoef(x), torch.from_numpy(np.corrcoef(x.numpy())))
    assert torch.cov(torch.tensor([1, 2, 3])) == 1 and torch.corrcoef(torch.tensor([1.0, 2])) == 1


def test_low_rank_decompositions_find_low_rank_matrices():
    a = random(20, 3) @ random(3, 12, seed=1)
    for matrix in (a, a.mT, a.expand(2, 20, 12)):
        u, s, v = torch.svd_lowrank(matrix, q=3)
        near((u * s.unsqueeze(-2)) @ v.mT, matrix)
    u, s, v = torch.pca_lowrank(a, q=3)
    near((u * s) @ v.mT, a - a.mean(0))
    mean = a.mean(0, keepdim=True)
    u, s, v = torch.svd_lowrank(a, q=3, M=mean)
    near((u * s) @ v.mT, a - mean)


@pytest.mark.parametrize("largest", [True, False])
def test_lobpcg_finds_the_outer_eigenpairs(largest):
    torch.manual_seed(0)
    a = random(40, 40)
    a = a @ a.mT
    b = torch.diag(torch.linspace(1, 3, 40, dtype=torch.float64))
    values, x = torch.lobpcg(a, k=3, largest=largest, tol=1e-9)
    every = linalg.eigvalsh(a)
    near(values, every.flip(0)[:3] if largest else every[:3], 1e-6)
    near(a @ x, x * values, 1e-3)
    values, x = torch.lobpcg(a, k=2, B=b, largest=largest, tol=1e-10)
    near(a @ x, b @ x * values, 1e-3)
    near(x.mT @ b @ x, torch.eye(2), 1e-6)
    assert torch.lobpcg(torch.stack([a, a + torch.eye(40)]), k=2)[1].shape == (2, 40, 2)


# -- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call,name,fields",
    [
        (lambda a: linalg.lu(a), "linalg_lu", "P L U"),
        (lambda a: linalg.lu_factor(a), "linalg_lu_factor", "LU pivots"),
        (lambda a: linalg.lu_factor_ex(a), "linalg_lu_factor_ex", "LU pivots info"),
        (lambda a: linalg.ldl_factor(a), "linalg_ldl_factor", "LD pivots"),
        (lambda a: linalg.ldl_factor_ex(a), "linalg_ldl_factor_ex", "LD pivots info"),
        (lambda a: linalg.inv_ex(a), "linalg_inv_ex", "inverse info"),
        (lambda a: linalg.solve_ex(a, a), "linalg_solve_ex", "result info"),
        (lambda a: linalg.cholesky_ex(a), "linalg_cholesky_ex", "L info"),
        (lambda a: linalg.lstsq(a, a), "linalg_lstsq", "solution residuals rank singular_values"),
        (lambda a: linalg.svd(a), "linalg_svd", "U S Vh"),
        (lambda a: linalg.eigh(a), "linalg_eigh", "eigenvalues eigenvectors"),
        (lambda a: linalg.eig(a), "linalg_eig", "eigenvalues eigenvectors"),
        (lambda a: linalg.qr(a), "linalg_qr", "Q R"),
        (lambda a: linalg.slogdet(a), "linalg_slogdet", "sign logabsdet"),
        (lambda a: a.slogdet(), "slogdet", "sign logabsdet"),
        (lambda a: a.svd(), "svd", "U S V"),
        (lambda a: a.qr(), "qr", "Q R"),
        (lambda a: a.geqrf(), "geqrf", "a tau"),
        (lambda a: torch.lu(a, get_infos=True), "_lu_with_info", "LU pivots info"),
        (lambda a: torch.lu_unpack(*a.lu()), "lu_unpack", "P L U"),
    ],
)
def test_named_results(call, name, fields):
    result = call(torch.eye(3))
    assert type(result).__name__ == name and type(result).__module__ == "torch.return_types"
    assert type(result)._fields == tuple(fields.split())


def test_out_receives_results_and_checks_its_dtype():
    a = random(3, 3, dtype=torch.float32)
    out = torch.empty(0)
    assert linalg.inv(a, out=out) is out
    near(out, linalg.inv(a))
    outs = (torch.empty(0), torch.empty(0), torch.empty(0))
    got = linalg.lu(a, out=outs)
    assert got[1] is outs[1]
    near(outs[0] @ outs[1] @ outs[2], a, 1e-5)
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype"):
        linalg.inv(a, out=torch.empty(0, dtype=torch.int32))
    assert linalg.pinv(a, out=torch.empty(0, dtype=torch.float64)).dtype == torch.float64
    kept = torch.zeros(2)
    with pytest.raises(RuntimeError):  # and nothing is written, though the first would fit
        linalg.lu(a, out=(kept, torch.empty(0), torch.empty(0, dtype=torch.float64)))
    assert kept.shape == (2,)
    for wrong in ((out, out), out):
        with pytest.raises(TypeError):
            linalg.lu(a, out=wrong)
    with pytest.raises(TypeError):
        linalg.inv(a, out=(out,))
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        linalg.inv(a.requires_grad_(), out=out)


def test_older_names_say_once_what_replaces_them(monkeypatch):
    from rushlight.ops import _linalg

    monkeypatch.setattr(_linalg, "_warned", set())
    a = torch.eye(2)
    for call in (torch.lu, torch.qr, torch.cholesky, lambda x: x.triangular_solve(x)):
        with pytest.warns(UserWarning, match="deprecated in favor of torch.linalg"):
            call(a)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call(a)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call,text",
    [
        (lambda: linalg.inv(ZERO), r"linalg.inv: The diagonal element 1 is zero"),
        (lambda: linalg.inv(SINGULAR), r"linalg.inv: \(Batch element 1\): The diagonal element 1"),
        (lambda: linalg.inv_ex(ZERO, check_errors=True), "linalg.inv_ex: The diagonal"),
        (lambda: linalg.solve(ZERO, ZERO), "solver failed because the input matrix is singular"),
        (lambda: linalg.solve_ex(SINGULAR, ZERO, check_errors=True), r"\(Batch element 1\)"),
        (lambda: linalg.cholesky(-torch.eye(2)), "leading minor of order 1 is not positive-def"),
        (lambda: linalg.cholesky_ex(SINGULAR, check_errors=True), r"\(Batch element 1\)"),
        (lambda: torch.cholesky_inverse(ZERO), "cholesky_inverse: The diagonal element 1 is zero"),
        (lambda: linalg.svd(ZERO * float("nan")), "non-finite values"),
        (lambda: linalg.lstsq(ZERO * float("nan"), ZERO), "finite"),
        (lambda: linalg.lstsq(torch.tensor([[1.0, 1], [0, 0]]), ZERO, driver="gels"), "full rank"),
    ],
)
def test_singular_matrices_raise_linalg_error(call, text):
    with pytest.raises(linalg.LinAlgError, match=text):
        call()


def test_info_instead_of_errors():
    inverse, info = linalg.inv_ex(SINGULAR)
    assert info.tolist() == [0, 1] and info.dtype == torch.int32
    near(inverse[0], torch.eye(2))
    result, info = linalg.solve_ex(SINGULAR, torch.ones(2))
    assert info.tolist() == [0, 1] and result[1].isnan().all()
    assert linalg.lu_factor_ex(SINGULAR)[2].tolist() == [0, 1]
    assert linalg.ldl_factor_ex(SINGULAR)[2].tolist() == [0, 1]
    assert linalg.cholesky_ex(SINGULAR)[1].tolist() == [0, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: linalg.lu_factor(ZERO),
        lambda: linalg.lu(ZERO, pivot=False),
        lambda: linalg.ldl_factor(ZERO),
        lambda: linalg.lu_solve(ZERO, torch.tensor([1, 2]), ZERO),
        lambda: linalg.lu_solve(ZERO, torch.tensor([1, 5], dtype=torch.int32), ZERO),
        lambda: linalg.lu_solve(ZERO, torch.tensor([1], dtype=torch.int32), ZERO),
        lambda: torch.lu_unpack(ZERO, torch.tensor([1, 5], dtype=torch.int32)),
        lambda: torch.lu_unpack(ZERO, torch.tensor([1, 2])),
        lambda: linalg.ldl_solve(ZERO, torch.tensor([1, -2], dtype=torch.int32), ZERO),
        lambda: torch.cholesky_solve(ZERO, torch.eye(3)),
        lambda: torch.cholesky_solve(ZERO.double(), ZERO),
        lambda: linalg.solve_triangular(ZERO, torch.ones(3, 2), upper=True),
        lambda: torch.triangular_solve(torch.ones(2), ZERO),
        lambda: linalg.householder_product(torch.ones(2, 3), torch.ones(2)),
        lambda: linalg.householder_product(ZERO, torch.ones(3)),
        lambda: torch.ormqr(ZERO, torch.ones(3), ZERO),
        lambda: torch.ormqr(ZERO, torch.ones(2), torch.ones(3, 2)),
        lambda: linalg.lstsq(ZERO, torch.ones(3, 2)),
        lambda: linalg.lstsq(ZERO, ZERO, driver="best"),
        lambda: linalg.tensorinv(torch.ones(2, 3, 4)),
        lambda: linalg.tensorsolve(ZERO, torch.ones(2)[:1].expand(2, 1)),
        lambda: linalg.vander(torch.ones(3), N=1),
        lambda: linalg.inv(torch.eye(2, dtype=torch.int32)),
        lambda: linalg.inv(torch.eye(2, dtype=torch.half)),
        lambda: linalg.matrix_norm(ZERO, 3),
        lambda: linalg.matrix_norm(ZERO, dim=(0, 0)),
        lambda: linalg.pinv(torch.ones(2, 3), hermitian=True),
        lambda: torch.trace(torch.ones(2)),
        lambda: torch.cov(torch.ones(2, 2, 2)),
        lambda: torch.cov(ZERO, fweights=torch.tensor([1, -1])),
        lambda: torch.cdist(torch.ones(2, 3), torch.ones(2, 2)),
        lambda: torch.cdist(ZERO, ZERO, -1.0),
        lambda: torch.cdist(ZERO.int(), ZERO.int()),
        lambda: torch.solve(ZERO, ZERO),
        lambda: ZERO.lstsq(ZERO),
        lambda: ZERO.eig(),
        lambda: ZERO.symeig(),
    ],
)
def test_bad_input_raises_runtime_error(call):
    with pytest.raises(RuntimeError):
        call()


# -- gradients ------------------------------------------------------------------------------------


def lower(a):
    return a.tril(-1) + 2 * torch.eye(a.shape[-1], dtype=a.dtype)


def hermitian(a):
    return a + a.mH


# The factors of complex symmetric matrices, whose inverse is no conjugate of itself.
LDL = {
    t: linalg.ldl_factor(random(3, 3, dtype=t) + random(3, 3, dtype=t).mT) for t in REAL_AND_COMPLEX
}
FUNCTIONS = {
    "lu": (lambda a: linalg.lu(a)[1:], (3, 3)),
    "lu wide": (lambda a: linalg.lu(a)[1:], (2, 3, 5)),
    "lu tall": (lambda a: linalg.lu(a)[1:], (5, 3)),
    "lu_solve": (lambda a: linalg.lu_solve(*linalg.lu_factor(a), a[..., :2]), (2, 3, 3)),
    "lu_solve adjoint": (lambda a: linalg.lu_solve(*linalg.lu_factor(a), a, adjoint=True), (3, 3)),
    "inv_ex": (lambda a: linalg.inv_ex(a)[0], (2, 3, 3)),
    "solve": (lambda a: linalg.solve(a, a[..., 0]), (2, 3, 3)),
    "solve right": (lambda a: linalg.solve(a, a[..., :2, :] ** 2, left=False), (3, 3)),
    "cholesky_solve": (lambda a: torch.cholesky_solve(a[:, :2], lower(a)), (3, 3)),
    "cholesky_inverse": (lambda a: torch.cholesky_inverse(lower(a)), (3, 3)),
    "cholesky_inverse upper": (lambda a: torch.cholesky_inverse(lower(a).mH, True), (3, 3)),
    "lstsq": (lambda a: linalg.lstsq(a, a[..., :2] ** 2)[0], (2, 4, 3)),
    "lstsq wide": (lambda a: linalg.lstsq(a, a[..., :2] ** 2, driver="gelsd")[0], (3, 5)),
    "residuals": (lambda a: linalg.lstsq(a[:, :2], a, driver="gels")[1], (5, 3)),
    "pinv": (lambda a: linalg.pinv(a), (4, 3)),
    "pinv hermitian": (lambda a: linalg.pinv(hermitian(a), hermitian=True), (3, 3)),
    "householder": (lambda a: linalg.householder_product(a, a[0, :2]), (4, 3)),
    "ormqr": (lambda a: torch.ormqr(a, a[0], a), (4, 3)),
    "ormqr right": (lambda a: torch.ormqr(a, a[0], a.mT, False, True), (4, 3)),
    "qr": (lambda a: tuple(linalg.qr(a)), (4, 3)),
    "qr wide": (lambda a: tuple(linalg.qr(a)), (3, 4)),
    "slogdet": (lambda a: tuple(linalg.slogdet(a)), (2, 3, 3)),
    "svd": (lambda a: (lambda u, s, vh: (u @ vh, s))(*linalg.svd(a, False)), (4, 3)),
    "svd size": (lambda a: linalg.svd(a, False)[0].abs(), (3, 4)),
    "eigh": (lambda a: linalg.eigh(hermitian(a))[1].abs(), (3, 3)),
    "eig": (lambda a: linalg.eig(a)[1].abs(), (3, 3)),
    "matrix_exp": (lambda a: linalg.matrix_exp(a), (2, 3, 3)),
    "matrix_power": (lambda a: linalg.matrix_power(a, -3), (3, 3)),
    "ldl_solve": (lambda a: linalg.ldl_solve(*LDL[a.dtype], a), (3, 3)),
    "det": (lambda a: linalg.det(a), (2, 3, 3)),
    "cond": (lambda a: linalg.cond(a, "fro"), (3, 3)),
    "tensorinv": (lambda a: linalg.tensorinv(a.reshape(2, 2, 4)), (4, 4)),
    "vander": (lambda a: linalg.vander(a), (2, 4)),
    "trace": (lambda a: a.trace(), (3, 4)),
    "cov": (lambda a: torch.cov(a), (3, 5)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", REAL_AND_COMPLEX)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_gradients(name, dtype):
    function, shape = FUNCTIONS[name]
    if name in ("lu", "lu wide", "lu tall", "qr", "qr wide") and dtype.is_complex:
        function = (lambda f: lambda a: tuple(x * x.conj() for x in f(a)))(function)
    a = random(*shape, dtype=dtype, seed=3, grad=True)
    assert gradcheck(function, (a,))
    assert gradgradcheck(function, (a,), atol=1e-3)


def test_a_loss_that_depends_on_an_arbitrary_phase_raises():
    a = random(3, 3, dtype=torch.complex128, grad=True)
    for vectors in (linalg.svd(a)[0], linalg.eigh(hermitian(a))[1], linalg.eig(a)[1]):
        with pytest.raises(RuntimeError, match="up to multiplication by"):
            (vectors.imag * torch.arange(9.0, dtype=torch.float64).view(3, 3)).sum().backward()


def test_gradients_of_lobpcg_are_those_of_eigh():
    a = random(12, 12, seed=5)
    a = (a @ a.mT).requires_grad_()
    weight = torch.arange(24.0, dtype=torch.float64).reshape(12, 2)
    values, x = torch.lobpcg(a, k=2, tol=1e-12)
    (got,) = torch.autograd.grad((x**2 * weight).sum() + values.square().sum(), a)
    every, basis = linalg.eigh(a)
    top, x = every.flip(-1)[:2], basis.flip(-1)[:, :2]
    (want,) = torch.autograd.grad((x**2 * weight).sum() + top.square().sum(), a)
    near(got + got.mT, want + want.mT, 1e-4)


def test_degenerate_cases_stay_in_the_graph():
    a = random(3, 3, grad=True)
    for result in (
        linalg.matrix_power(a, 0),
        linalg.householder_product(a, a[0, :0]),
        linalg.lstsq(a, a)[1],
    ):
        (got,) = torch.autograd.grad(result.sum(), a)
        assert not got.any()
    assert a.logdet().requires_grad
    for make in (lambda: a.geqrf()[0], lambda: linalg.ldl_factor(a)[0]):
        with pytest.raises(NotImplementedError, match="derivative"):
            make().sum().backward()


def test_cross_is_one_node_and_wants_one_dtype():
    a = torch.tensor([[1.0, 2, 3], [0, 1, 0]], requires_grad=True)
    b = torch.tensor([[4.0, 5, 6]])
    y = torch.linalg.cross(a, b)
    assert y.tolist() == [[-3, 6, -3], [6, 0, -4]]
    assert y.grad_fn.name() == "LinalgCrossBackward0"
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Double"):
        torch.linalg.cross(a, b.double())
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        torch.linalg.cross(a.bool(), a.bool())


def test_addr_counts_no_input_where_beta_is_zero():
    nan = torch.full((2, 3), np.nan)
    u, v = torch.tensor([1.0, 2]), torch.tensor([3.0, 4, 5])
    assert torch.addr(nan, u, v, beta=0, alpha=2).tolist() == [[6, 8, 10], [12, 16, 20]]
    assert torch.addr(torch.tensor(True), u > 1, v > 3).tolist() == [[True] * 3] * 2


@pytest.mark.parametrize("shape", [(1, 2, 2), (9, 3, 5), (20, 5, 3), (7, 16, 16), (2, 16, 16)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_singular_values_of_few_rows_and_columns(shape, dtype):
    a = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    a[0, :, 0] = 0
    a[-1, 1] = a[-1, 0] * 3
    a[-1] *= 1e30 if dtype == "float32" else 1e200
    got = torch.linalg.svdvals(torch.tensor(a)).numpy()
    expected = np.linalg.svd(a.astype("float64"), compute_uv=False)
    tolerance = (1e-6 if dtype == "float32" else 1e-14) * expected[:, :1]
    assert (np.abs(got - expected) <= tolerance).all()


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_qr_of_few_rows_and_columns(size, scale):
    a = np.random.default_rng(0).standard_normal((4, size, size))
    a[1] = 0
    a[2] = np.triu(a[2])
    q, r = (x.numpy() for x in torch.linalg.qr(torch.tensor(a * scale)))
    assert (np.tril(r, -1) == 0).all()
    np.testing.assert_allclose(q @ (r / scale), a, atol=1e-14)
    np.testing.assert_allclose(q.swapaxes(1, 2) @ q, np.tile(np.eye(size), (4, 1, 1)), atol=1e-14)
    np.testing.assert_array_equal(r[1], 0)
    np.testing.assert_array_equal(r[2], a[2] * scale)  # no reflection where nothing is below
