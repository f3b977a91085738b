"""Numerical checks of gradients, forward mode, functional derivatives, checkpointing."""

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.gradcheck import GradcheckError


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_gradcheck_accepts_right_gradients():
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    y = torch.randn(3, dtype=torch.float64, requires_grad=True)
    for fast in (False, True):
        assert gradcheck(lambda a, b: (a * b).sin().sum(1), (x, y), fast_mode=fast)
        assert gradgradcheck(lambda a, b: (a * b).sin().sum(1), (x, y), fast_mode=fast)


def test_gradcheck_of_complex_functions():
    z = torch.randn(3, dtype=torch.complex128, requires_grad=True)
    w = torch.randn(3, dtype=torch.complex128, requires_grad=True)
    for fast in (False, True):
        assert gradcheck(lambda a, b: a * b, (z, w), fast_mode=fast)
        assert gradcheck(lambda a: a.abs(), (z,), fast_mode=fast)
        assert gradgradcheck(lambda a, b: a * b, (z, w), fast_mode=fast)


class WrongCube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        return ctx.saved_tensors[0] * g


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck_refuses_wrong_gradients(fast):
    x = leaf(1.0, 2.0)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradcheck(WrongCube.apply, (x,), fast_mode=fast)
    assert gradcheck(WrongCube.apply, (x,), fast_mode=fast, raise_exception=False) is False
    assert x.tolist() == [1.0, 2.0]


def test_gradcheck_refuses_unusable_inputs():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x * 2, (torch.ones(2),))
    with pytest.warns(UserWarning, match="double precision"):
        gradcheck(lambda x: x * 2, (torch.ones(2, requires_grad=True),), eps=1e-2, atol=1e-2)


# Jacobians and Hessians


def test_jacobian_and_hessian():
    from rushlight.autograd import functional

    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    y = torch.tensor([3.0], dtype=torch.float64)
    assert functional.jacobian(lambda a: a * a, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    pair = functional.jacobian(lambda a, b: a * b, (x, y))
    assert pair[0].tolist() == [[3.0, 0.0], [0.0, 3.0]] and pair[1].tolist() == [[1.0], [2.0]]
    assert functional.hessian(lambda a: (a**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    blocks = functional.hessian(lambda a, b: (a * a * b).sum(), (x, y))
    assert blocks[0][1].tolist() == [[2.0], [4.0]] and blocks[1][1].tolist() == [[0.0]]


def test_products_with_vectors():
    from rushlight.autograd import functional

    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    v = torch.tensor([1.0, -1.0], dtype=torch.float64)
    out, product = functional.vjp(lambda a: a * a.sum(), x, v)
    assert out.tolist() == [3.0, 6.0] and product.tolist() == [2.0, -4.0]
    assert functional.jvp(lambda a: a * a.sum(), x, v)[1].tolist() == [3.0, -3.0]
    assert functional.vhp(lambda a: (a**3).sum(), x, v)[1].tolist() == [6.0, -12.0]
    assert functional.hvp(lambda a: (a**3).sum(), x, v)[1].tolist() == [6.0, -12.0]
    with pytest.raises(RuntimeError, match="v can only be None"):
        functional.vjp(lambda a: a * 2, x)


# Forward mode


def test_tangents_follow_operators():
    from rushlight.autograd import forward_ad as forward

    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    v = torch.tensor([1.0, 10.0], dtype=torch.float64)

    def tangent(function):
        return forward.unpack_dual(function(forward.make_dual(x, v))).tangent.tolist()

    with forward.dual_level():
        assert tangent(lambda d: d * d) == [2.0, 40.0]
        assert tangent(lambda d: d.sum()) == 11.0
        assert tangent(lambda d: torch.cat([d, x, 2 * d])) == [1.0, 10.0, 0.0, 0.0, 2.0, 20.0]
        assert tangent(lambda d: d.view(2, 1)[1]) == [10.0]
        assert tangent(lambda d: d.clone().mul_(d)) == [2.0, 40.0]
        with torch.no_grad():
            assert tangent(lambda d: d**3) == [3.0, 120.0]
        assert forward.unpack_dual(x).tangent is None
        dual = forward.make_dual(x, v)
        assert "tangent=tensor([ 1., 10.], dtype=torch.float64)" in repr(dual)
        assert not (dual > 1).requires_grad and not (dual * 2).requires_grad
    assert forward.unpack_dual(dual).tangent is None and "tangent" not in repr(dual)


def test_forward_over_reverse():
    from rushlight.autograd import forward_ad as forward

    x = leaf(2.0)
    with forward.dual_level():
        y = forward.make_dual(x, torch.ones_like(x)) ** 3
        tangent = forward.unpack_dual(y).tangent
        assert tangent.tolist() == [12.0]
        assert torch.autograd.grad(tangent, x)[0].tolist() == [12.0]


def test_wrong_calls_of_forward_mode():
    from rushlight.autograd import forward_ad as forward

    x = torch.ones(2)
    with pytest.raises(RuntimeError, match="no level exists"):
        forward.make_dual(x, x)
    with forward.dual_level():
        with pytest.raises(RuntimeError, match="Nested forward mode"):
            forward.enter_dual_level()
        with pytest.raises(RuntimeError, match="different size"):
            forward.make_dual(x, torch.ones(3))
        with pytest.raises(ValueError, match="floating point or complex"):
            forward.make_dual(x.long(), x)
    with pytest.raises(RuntimeError, match="exit"):
        forward.exit_dual_level()


def test_gradcheck_looks_at_forward_mode():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    z = torch.randn(3, dtype=torch.complex128, requires_grad=True)
    assert gradcheck(lambda a: (a.sin(), a.cumsum(0)), (x,), check_forward_ad=True)
    only_forward = {"check_forward_ad": True, "check_backward_ad": False}
    assert gradcheck(lambda a: a * a.conj() * a, (z,), **only_forward)


# Copies


def test_deepcopy_and_pickle_of_tensors():
    import copy
    import pickle

    x = leaf(1.0, 2.0)
    x.grad = torch.ones(2, dtype=torch.float64)
    x.note = "kept"
    y = copy.deepcopy(x)
    assert y.requires_grad and y.grad.tolist() == [1.0, 1.0] and y.note == "kept"
    assert y.data_ptr() != x.data_ptr()
    with pytest.raises(RuntimeError, match="graph leaves. support the deepcopy protocol"):
        copy.deepcopy(x * 2)
    base = torch.arange(4.0)
    for make in (copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        a, b, again = make([base, base[1:], base])
        assert a is again and b.data_ptr() == a.data_ptr() + 4
    parameter = torch.nn.Parameter(torch.ones(2))
    assert type(pickle.loads(pickle.dumps(parameter))) is torch.nn.Parameter


def test_sparse_inputs_move_everywhere_unless_masked():
    s = torch.tensor([[0.0, 1.0], [2.0, 0.0]], dtype=torch.float64).to_sparse().requires_grad_()
    d = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    for fast in (False, True):
        assert gradcheck(lambda x: x.to_dense(), (s,), masked=True, fast_mode=fast)
        assert gradcheck(lambda x: (x * 2).to_dense(), (s,), masked=True, fast_mode=fast)
        assert gradcheck(lambda x: x.to_dense(masked_grad=False), (s,), fast_mode=fast)
        assert gradcheck(torch.sparse.mm, (s, d), masked=True, fast_mode=fast)
        # What is not held has no gradient, and yet a slope.
        with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
            gradcheck(lambda x: x.to_dense(), (s,), fast_mode=fast)
        with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
            gradcheck(torch.sparse.mm, (s, d), fast_mode=fast)
    c = s.detach().to_sparse_csr().requires_grad_()
    assert gradcheck(lambda x: x.to_dense(), (c,), masked=True)
    assert gradcheck(lambda x: x.to_dense(masked_grad=False), (c,))
    assert gradcheck(lambda x: x.to_dense(), (c,), raise_exception=False) is False


def test_what_the_checks_draw_from_the_callers_random_numbers():
    x, w = leaf(3.0), torch.rand(3, 2, dtype=torch.float64, requires_grad=True)

    def next_after(check, *inputs, **options):
        torch.manual_seed(0)
        assert check(lambda *a: a[0].sin(), inputs, **options)
        return round(torch.rand(1).item(), 6)

    untouched = 0.496257
    assert next_after(gradcheck, w) == untouched
    assert next_after(gradcheck, w, fast_mode=True, check_forward_ad=True) == untouched
    # gradgradcheck draws its vectors as testing.make_tensor does.
    assert next_after(gradgradcheck, x) == 0.088477
    assert next_after(gradgradcheck, w) == next_after(gradgradcheck, w, fast_mode=True) == 0.022326
    assert next_after(gradgradcheck, w, gen_non_contig_grad_outputs=True) == 0.419408


@pytest.mark.parametrize("fast", (False, True))
def test_what_is_checked_may_ask_for_gradients_itself(fast):
    def slope(x):
        (found,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        return x * found

    assert gradcheck(slope, (torch.rand(3, dtype=torch.float64).requires_grad_(),), fast_mode=fast)
