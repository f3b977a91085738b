"""What hostile calls once found: sizes, counts and numbers at the ends of their ranges."""

from __future__ import annotations

import math

import pytest

import rushlight as torch
from rushlight.op import operators

LARGEST = 2**63 - 1


def test_sizes_whose_bytes_overflow_are_refused():
    for make in (
        lambda: torch.eye(2**31),
        lambda: torch.empty(2**62),
        lambda: torch.empty_strided((2,), (2**62,)),
        lambda: torch.zeros(1).expand(2**62).clone(),
    ):
        with pytest.raises(RuntimeError):
            make()


def test_shapes_whose_count_overflows_are_refused():
    with pytest.raises(RuntimeError, match="overflow"):
        torch.zeros(1).expand(2**62, 4)


def test_the_largest_integers_are_kept():
    x = torch.zeros(2, dtype=torch.int64)
    assert torch.full((2,), LARGEST).tolist() == [LARGEST] * 2
    assert x.masked_fill(x == 0, LARGEST).tolist() == [LARGEST] * 2
    assert torch.full((1,), -(2**63)).item() == -(2**63)
    for number in (2**63, -(2**63) - 1):
        with pytest.raises((RuntimeError, OverflowError)):
            torch.full((2,), number, dtype=torch.int64)
    assert torch.zeros(1, dtype=torch.float64).fill_(2**63).item() == 2.0**63


def test_polynomials_of_enormous_degree_take_no_time():
    x = torch.tensor([-1.0, -0.3, 0.2, 1.0], dtype=torch.float64)
    n = 2**20 + 11
    angle = x.acos()
    want = {
        "chebyshev_polynomial_t": (n * angle).cos(),
        "chebyshev_polynomial_u": ((n + 1) * angle).sin() / angle.sin(),
        "chebyshev_polynomial_v": ((n + 0.5) * angle).cos() / (angle / 2).cos(),
        "chebyshev_polynomial_w": ((n + 0.5) * angle).sin() / (angle / 2).sin(),
    }
    for name, values in want.items():
        got = getattr(torch.special, name)(x, n)
        torch.testing.assert_close(got[1:3], values[1:3], rtol=0, atol=1e-8)
        assert getattr(torch.special, name)(x, 2.0**62).isfinite().all()
    below, above = (torch.special.legendre_polynomial_p(x, 2**20 + i) for i in (0, 1))
    after = torch.special.legendre_polynomial_p(x, 2**20 + 2)
    k = 2**20 + 1
    torch.testing.assert_close(
        after, ((2 * k + 1) * x * above - k * below) / (k + 1), atol=1e-8, rtol=0
    )
    assert torch.special.laguerre_polynomial_l(x, 2.0**62).isfinite()[2:].all()


def test_multivariate_gamma_of_enormous_order_is_refused():
    with pytest.raises(RuntimeError):
        torch.mvlgamma(torch.ones(2), 2**60)
    x = torch.tensor([3.0, 5.5], dtype=torch.float64)
    want = [
        sum(math.lgamma(v - i / 2) for i in range(4)) + 3 * math.log(math.pi) for v in x.tolist()
    ]
    torch.testing.assert_close(torch.mvlgamma(x, 4), torch.tensor(want, dtype=torch.float64))


def test_an_empty_tensor_with_a_graph_can_be_iterated():
    x = torch.zeros(0, 3, requires_grad=True)
    assert x.unbind(0) == () and list(x) == [] and (x * 2).unbind(0) == ()


def test_zeta_of_an_enormous_order_takes_no_time():
    x = torch.tensor([1.0, 2.0, 3.0, -0.5, math.nan], dtype=torch.float64)
    order = torch.tensor(1e18, dtype=torch.float64)
    assert torch.special.zeta(order, x[:3]).tolist() == [1.0, 0.0, 0.0]
    assert torch.special.polygamma(2**40, x).shape == (5,)


def test_windows_of_enormous_extent_are_refused():
    x, w = torch.ones(1, 1, 6), torch.ones(1, 1, 2)
    plane = torch.ones(1, 1, 6, 6)
    for huge in (2**40, 2**62, LARGEST):
        for call in (
            lambda n: torch.nn.functional.conv1d(x, w, dilation=n),
            lambda n: torch.nn.functional.conv1d(x, w, padding=n),
            lambda n: torch.nn.functional.conv_transpose1d(x, w, stride=n),
            lambda n: torch.nn.functional.max_pool2d(plane, 2, dilation=n),
            lambda n: torch.nn.functional.avg_pool2d(plane, n, padding=n // 2),
            lambda n: torch.nn.functional.max_pool3d(plane, 2, n),
        ):
            with pytest.raises((RuntimeError, ValueError)):
                call(huge)


def test_a_diagonal_needs_two_dims():
    x = torch.ones(3, 4)
    with pytest.raises(RuntimeError, match="identical"):
        x.diagonal(0, 1, 1)
    with pytest.raises(RuntimeError, match="identical"):
        operators["diagonal_backward"](torch.ones(3), [3, 4], 0, 0, 0)


def test_out_may_lie_over_the_operand():
    x = torch.arange(9.0)
    operators["alias"](x[:-1], out=x[1:])
    assert x.tolist() == [0.0, *range(8)]


def test_gradients_of_another_rank_are_refused():
    for name in ("adaptive_avg_pool2d_backward", "adaptive_avg_pool3d_backward"):
        with pytest.raises(RuntimeError):
            operators[name](torch.ones(()), (1, 4, 4, 4))


def test_embeddings_need_a_matrix():
    ids = torch.tensor([0, 1])
    with pytest.raises(RuntimeError):
        operators["embedding_renorm"](torch.ones(6), ids, 0.5, 2.0)
    empty = operators["embedding_dense_backward"](torch.ones(2, 0), ids, 2**40, None, True)
    assert empty.shape == (2**40, 0)
