"""Custom autograd Functions under the transforms."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd import Function, forward_ad
from rushlight.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from rushlight.testing import assert_close

M = torch.arange(6.0).reshape(3, 2) + 1
Y = torch.tensor([2.0, 3.0])


class Old(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a**2

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


class Square(Function):
    @staticmethod
    def forward(a):
        return a**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent


class MappedSquare(Square):
    generate_vmap_rule = True


class Products(Function):
    """Several inputs and outputs, one of them saved, a number, an attribute that is a tensor."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a, b, k):
        return a * b * k, a + b

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, b, ctx.k = inputs
        ctx.save_for_backward(a, output[0])
        ctx.save_for_forward(a, b)
        ctx.b = b

    @staticmethod
    def backward(ctx, g, h):
        a, product = ctx.saved_tensors
        return product / a * g + h, g * a * ctx.k + h, None

    @staticmethod
    def jvp(ctx, ta, tb, _):
        a, b = ctx.saved_tensors
        return (ta * b + a * tb) * ctx.k, ta + tb


class Ruled(Function):
    seen: list = []

    @staticmethod
    def forward(a, b):
        return a * b

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return Ruled.apply(g, b), Ruled.apply(g, a)

    @staticmethod
    def vmap(info, in_dims, a, b):
        Ruled.seen.append((info.batch_size, info.randomness, in_dims))
        moved = [
            x.movedim(d, 0) if d is not None else x[None]
            for x, d in zip((a, b), in_dims, strict=True)
        ]
        return Ruled.apply(*moved), 0


def test_derivatives():
    assert_close(grad(lambda a: Square.apply(a).sum())(M), 2 * M)
    assert_close(grad(lambda b: grad(lambda a: Square.apply(a).sum())(b).sum())(M), M * 0 + 2)
    assert_close(jvp(Square.apply, (M,), (M,)), (M**2, 2 * M**2))
    assert_close(jvp(grad(lambda a: Square.apply(a).sum()), (M,), (M,))[1], 2 * M)
    assert_close(grad(lambda b: jvp(Square.apply, (b,), (b,))[1].sum())(M), 4 * M)
    assert not grad(lambda a: Square.apply(a).sum())(M).requires_grad


def test_a_made_rule():
    f = MappedSquare.apply
    assert_close(vmap(f)(M), M**2)
    assert_close(vmap(vmap(f))(M), M**2)
    assert_close(vmap(grad(lambda a: f(a).sum()))(M), 2 * M)
    assert_close(grad(lambda a: vmap(f)(a).sum())(M), 2 * M)
    assert_close(jacrev(f)(Y), torch.diag(2 * Y))
    assert_close(jacfwd(f)(Y), torch.diag(2 * Y))
    assert_close(hessian(lambda a: f(a).sum())(Y), torch.eye(2) * 2)
    assert_close(jvp(vmap(f), (M,), (M,))[1], 2 * M**2)
    assert_close(vmap(lambda a: jvp(f, (a,), (a,))[1])(M), 2 * M**2)


def test_a_made_rule_sums_over_the_lanes_of_a_shared_input():
    def total(a, b):
        product, added = Products.apply(a, b, 3.0)
        return product.sum() + added.sum()

    assert_close(vmap(lambda a: Products.apply(a, Y, 3.0))(M), (M * Y * 3, M + Y))
    assert_close(vmap(lambda a: Products.apply(a, Y[:1], 3.0), in_dims=1)(M)[0], (M * 6).T)
    both = vmap(grad(total, argnums=(0, 1)), in_dims=(0, None))(M, Y)
    assert_close(both, ((3 * Y + 1).expand(3, 2), 3 * M + 1))
    shared = grad(lambda b: vmap(lambda a: total(a, b))(M).sum())(Y)
    assert_close(shared, (3 * M + 1).sum(0))
    own = grad(lambda m: vmap(lambda a: total(a, Y))(m).sum())(M)
    assert_close(own, (3 * Y + 1).expand(3, 2))
    assert_close(jvp(lambda a: Products.apply(a, Y, 3.0), (Y,), (Y,))[1], (3 * Y * Y, Y))


def test_a_rule_of_its_own():
    Ruled.seen.clear()
    assert_close(vmap(Ruled.apply, in_dims=(0, None))(M, Y), M * Y)
    assert Ruled.seen == [(3, "error", (0, None))]
    f = grad(lambda a, b: Ruled.apply(a, b).sum(), argnums=(0, 1))
    assert_close(vmap(f, in_dims=(0, None))(M, Y), (Y.expand(3, 2), M))
    assert_close(grad(lambda b: vmap(lambda a: Ruled.apply(a, b).sum())(M).sum())(Y), M.sum(0))
    Ruled.seen.clear()
    assert_close(vmap(lambda a: Ruled.apply(Y, Y) + a)(M), Y * Y + M)
    assert not Ruled.seen
    assert_close(jacrev(lambda a: Ruled.apply(a, Y))(Y), torch.diag(Y))


class NoTwo(Ruled):
    @staticmethod
    def vmap(info, in_dims, a, b):
        return a


class BadDims(Ruled):
    @staticmethod
    def vmap(info, in_dims, a, b):
        return a, (0, 0)


class Both(Ruled):
    generate_vmap_rule = True


class NoJvp(MappedSquare):
    jvp = Function.jvp


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: grad(lambda a: Old.apply(a).sum())(M), RuntimeError, "override the setup_context"),
        (lambda: vmap(Old.apply)(M), RuntimeError, "override the setup_context"),
        (lambda: jvp(Old.apply, (M,), (M,)), RuntimeError, "override the setup_context"),
        (lambda: vmap(Square.apply)(M), RuntimeError, "does not have vmap support"),
        (lambda: vmap(Both.apply)(M, M), RuntimeError, "has both generate_vmap_rule=True"),
        (lambda: vmap(NoTwo.apply)(M, M), RuntimeError, "to have two returns"),
        (lambda: vmap(BadDims.apply)(M, M), RuntimeError, "returned an incompatible"),
        (lambda: jvp(NoJvp.apply, (M,), (M,)), NotImplementedError, "implement the jvp function"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
    assert torch._C.transforms() == 0


class Marked(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a):
        return a * 2, a.argmax()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, g, h):
        assert h is None
        return 2 * g


def test_marks():
    assert_close(vmap(Marked.apply)(M), (2 * M, torch.tensor([1, 1, 1])))
    assert_close(vmap(grad(lambda a: Marked.apply(a)[0].sum()))(M), M * 0 + 2)
    assert_close(grad(lambda a: vmap(Marked.apply)(a)[0].sum())(M), M * 0 + 2)


class Doubled(Function):
    @staticmethod
    def forward(a):
        return a.mul_(2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_dirty(inputs[0])

    @staticmethod
    def backward(ctx, g):
        return 2 * g

    @staticmethod
    def jvp(ctx, tangent):
        return tangent.mul_(2)


def test_dirty_inputs():
    assert_close(grad(lambda a: Doubled.apply(a.clone()).sum())(M), M * 0 + 2)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(M.clone(), M.clone())
        assert Doubled.apply(dual) is dual
        assert_close(tuple(forward_ad.unpack_dual(dual)), (2 * M, 2 * M))


class Exponential(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return torch.exp(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.result = output

    @staticmethod
    def jvp(ctx, tangent):
        moved = tangent * ctx.result
        del ctx.result  # as the forward-mode tutorial frees it
        return moved


def test_jvp_removes_what_forward_left_on_the_context():
    x = torch.tensor([0.5, 1.0])
    with forward_ad.dual_level():
        moved = forward_ad.unpack_dual(Exponential.apply(forward_ad.make_dual(x, x))).tangent
    assert_close(moved, x * x.exp())
    moved = vmap(lambda a: torch.func.jvp(Exponential.apply, (a,), (a,))[1])(x)
    assert_close(moved, x * x.exp())


def test_forward_mode_without_a_separate_context():
    class Sum(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_forward(a, b)
            return a * b, a + b

        @staticmethod
        def jvp(ctx, ta, tb):
            a, b = ctx.saved_tensors
            return ta * b + a * tb, ta + tb

    with forward_ad.dual_level():
        results = Sum.apply(forward_ad.make_dual(M, M), 2 * M)
        tangents = [forward_ad.unpack_dual(r).tangent for r in results]
    assert_close(tangents, [2 * M * M, M])
