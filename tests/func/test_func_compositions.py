"""Transforms of transforms: every way to a derivative gives the one of finite differences.

In-place writes, views and operators with a fused gradient are among the functions: there the two
modes have the most to disagree about.
"""

from __future__ import annotations

import pytest

import rushlight as torch
import rushlight.nn.functional as F  # noqa: N812
from rushlight.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap
from rushlight.testing import assert_close

A = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.3, -0.7], [-0.2, 0.9, 1.1]], dtype=torch.float64)
X = torch.tensor([0.4, -1.3, 1.7], dtype=torch.float64)
V = torch.tensor([1.0, 0.5, -2.0], dtype=torch.float64)
B = torch.stack([X, 0.5 * X + 0.1, V])


def in_place(x):
    y = x.clone()
    y[0] = y[1] * 2
    y.mul_(x)
    y[1:].add_(1.0)
    return y.sin().sum()


def overwritten(x):
    y = x.new_zeros(2, 3)
    y[0] = x * x
    y[1, 1:].copy_(x[:2])
    y.t_()
    return (y @ y.T).sum()


FUNCTIONS = {
    "in place": in_place,
    "overwritten": overwritten,
    "views": lambda x: (x.repeat(2).view(2, 3).t() @ A[:2]).diagonal().prod(),
    "softmax": lambda x: (x.softmax(0) * A[0]).sum() * torch.logsumexp(A @ x, 0),
    "mse": lambda x: F.mse_loss(A @ x, x) + F.smooth_l1_loss(x, A[0]),
    "entropy": lambda x: F.cross_entropy(A * x, torch.tensor([0, 2, 1])),
    "binary": lambda x: F.binary_cross_entropy_with_logits(x, A[0].sigmoid()),
    "layer norm": lambda x: (F.layer_norm(A @ x, (3,)) * x).sum(),
    "linear": lambda x: F.linear(x, A, x).tanh().sum(),
    "convolution": lambda x: (F.conv1d(x.view(1, 1, 3), A[:, None, :2]) ** 2).sum(),
    "pool": lambda x: F.avg_pool1d((A * x)[None], 2).pow(2).sum() * F.max_pool1d(A * x, 2).sum(),
    "determinant": lambda x: torch.linalg.det(A + torch.diag(x)),
    "solve": lambda x: torch.linalg.solve(A, x).pow(2).sum(),
    "gather": lambda x: x.outer(A[0]).gather(1, torch.tensor([[0], [2], [1]])).pow(2).sum(),
    "scatter": lambda x: (
        torch.zeros(4, dtype=x.dtype).scatter_add(0, torch.tensor([1, 1, 3]), x**2).pow(2).sum()
    ),
    "index": lambda x: (x[[0, 2, 2]] * x[torch.tensor([1, 1, 0])]).sum() * x.sort()[0][0],
    "where": lambda x: torch.where(x > 0, x**3, x.exp()).sum() * x.masked_fill(x > 1.5, 0.0).sum(),
    "statistics": lambda x: x.std() * x.var() * (A @ x).norm() * (A @ x).max(),
    "complex": lambda x: (torch.complex(x, 2 * x) ** 2).imag.sum() * torch.fft.fft(x).abs().sum(),
}


def gradient(f, x, step=1e-5):
    """Central differences."""
    out = torch.zeros_like(x)
    for i in range(3):
        move = torch.zeros_like(x)
        move[i] = step
        out[i] = (f(x + move) - f(x - move)) / (2 * step)
    return out


def close(got, expected, tolerance=1e-6):
    scale = expected.abs().max().item() + 1
    assert_close(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_derivatives(name):
    f = FUNCTIONS[name]
    expected = gradient(f, X)
    close(grad(f)(X), expected)
    close(vjp(f, X)[1](torch.tensor(1.0, dtype=X.dtype))[0], expected)
    slope = expected @ V
    close(jvp(f, (X,), (V,))[1], slope)
    close(linearize(f, X)[1](V), slope)
    lanes = torch.stack([gradient(f, b) for b in B])
    close(vmap(grad(f))(B), lanes)
    close(vmap(lambda x: jvp(f, (x,), (V,))[1])(B), lanes @ V)
    close(jvp(vmap(f), (B,), (B,))[1], (lanes * B).sum(1))
    close(grad(lambda b: vmap(f)(b).sum())(B), lanes)


SECOND = {
    "forward over reverse": hessian,
    "reverse twice": lambda f: jacrev(jacrev(f)),
    "forward twice": lambda f: jacfwd(jacfwd(f)),
    "reverse over forward": lambda f: jacrev(jacfwd(f)),
    "rows of products": lambda f: (
        lambda x: vmap(lambda v: vjp(grad(f), x)[1](v)[0])(torch.eye(3, dtype=x.dtype))
    ),
    "columns of products": lambda f: (
        lambda x: vmap(lambda v: jvp(grad(f), (x,), (v,))[1])(torch.eye(3, dtype=x.dtype))
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives(name):
    f = FUNCTIONS[name]

    def second(x, step=1e-4):
        eye = torch.eye(3, dtype=x.dtype) * step
        return torch.stack(
            [(gradient(f, x + e, step) - gradient(f, x - e, step)) / (2 * step) for e in eye]
        )

    expected = second(X)
    for how, transform in SECOND.items():
        got = transform(f)(X)
        assert not got.requires_grad, how
        close(got, expected, 2e-5)
    close(grad(lambda x: jvp(f, (x,), (V,))[1])(X), expected @ V, 2e-5)
    close(jvp(lambda x: jvp(f, (x,), (V,))[1], (X,), (V,))[1], V @ expected @ V, 2e-5)
    close(vmap(hessian(f))(B), torch.stack([second(b) for b in B]), 2e-5)


@pytest.mark.parametrize("name", ["in place", "layer norm", "entropy", "linear", "solve"])
def test_reverse_over_lanes_of_reverse(name):
    f = FUNCTIONS[name]

    def total(x):
        return vmap(grad(lambda y: f(x * y)))(B).pow(2).sum()

    close(grad(total)(X), gradient(total, X), 1e-5)


@pytest.mark.parametrize("name", ["in place", "softmax", "mse", "linear", "where"])
def test_third_derivatives(name):
    f = FUNCTIONS[name]
    close(jacfwd(hessian(f))(X), jacrev(jacrev(jacrev(f)))(X), 1e-9)


def test_lanes_in_lanes():
    got = vmap(vmap(lambda a, b: in_place(a * b), (None, 0)), (0, None))(B, B)
    close(got, torch.stack([torch.stack([in_place(a * b) for b in B]) for a in B]))
