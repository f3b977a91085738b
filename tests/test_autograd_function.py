"""Functions with gradients of their own, and what surrounds them: modes, grad, hooks, checks."""

import gc
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.function import once_differentiable
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


def test_gradient_and_name():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x)
    assert type(y.grad_fn).__name__ == "CubeBackward" and "grad_fn=<CubeBackward>" in repr(y)
    assert y.grad_fn.name() == "CubeBackward" and y.grad_fn._forward_cls is Cube
    assert y.grad_fn.saved_tensors[0] is x
    assert type(y.grad_fn.next_functions[0][0]).__name__ == "AccumulateGrad"
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]


def test_second_and_third_derivatives():
    x = leaf(2.0)
    (first,) = torch.autograd.grad(Cube.apply(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, create_graph=True)
    (third,) = torch.autograd.grad(second, x)
    assert [t.item() for t in (first, second, third)] == [12.0, 12.0, 6.0]
    assert gradcheck(Cube.apply, (x,)) and gradgradcheck(Cube.apply, (x,))


def test_nothing_is_recorded_without_need():
    x = torch.ones(2)
    assert Cube.apply(x).grad_fn is None
    with torch.no_grad():
        assert Cube.apply(leaf(1.0)).grad_fn is None


def test_forward_runs_without_recording():
    class Look(Function):
        @staticmethod
        def forward(ctx, x):
            assert not torch.is_grad_enabled()
            assert ctx.needs_input_grad == (True,)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            assert not torch.is_grad_enabled()
            return g

    Look.apply(leaf(1.0)).sum().backward()
    assert torch.is_grad_enabled()


def test_several_inputs_and_outputs():
    class Mix(Function):
        @staticmethod
        def forward(ctx, a, factor, b, label=None):
            ctx.factor = factor
            return a * factor, b + 1, "text", None

        @staticmethod
        def backward(ctx, ga, gb, text, nothing):
            assert text is None and nothing is None
            return ga * ctx.factor, None, gb

    a, b = leaf(1.0), leaf(2.0)
    y, z, text, nothing = Mix.apply(a, 3.0, b)
    assert text == "text" and nothing is None
    (y * z).sum().backward()
    assert a.grad.tolist() == [9.0] and b.grad.tolist() == [3.0]


def test_absent_gradients_are_zeros_unless_refused():
    seen = []

    def make(materialize):
        class Two(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(materialize)
                return x * 1, x * 2

            @staticmethod
            def backward(ctx, first, second):
                seen.append(second)
                return first

        return Two

    for materialize in (True, False):
        make(materialize).apply(leaf(1.0))[0].sum().backward()
    assert seen[0].tolist() == [0.0] and seen[1] is None


def test_non_differentiable_outputs():
    class Split(Function):
        @staticmethod
        def forward(ctx, x):
            sign = x.sign()
            ctx.mark_non_differentiable(sign)
            return x * 2, sign, x > 0

        @staticmethod
        def backward(ctx, g, gsign, gmask):
            return g * 2

    x = leaf(1.0, -1.0)
    y, sign, mask = Split.apply(x)
    assert y.requires_grad and not sign.requires_grad and not mask.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_in_place_function():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.add_(1)

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf(1.0)
    y = x * 1
    z = AddOne.apply(y)
    assert z is y and z.tolist() == [2.0]
    z.sum().backward()
    assert x.grad.tolist() == [5.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        AddOne.apply(leaf(1.0))
    base = leaf(1.0, 2.0) * 1
    part = base[:1]
    AddOne.apply(part)
    assert base.tolist() == [2.0, 2.0] and type(base.grad_fn).__name__ == "CopySlices"


def test_dirty_tensor_must_be_returned():
    class Forgets(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.add_(1)
            return x * 1

    with pytest.raises(RuntimeError, match="marked as dirty"):
        Forgets.apply(leaf(1.0) * 1)


def test_input_returned_as_it_is():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf(1.0)
    y = Scale.apply(x)
    assert y is not x and y.data_ptr() == x.data_ptr()
    y.sum().backward()
    assert x.grad.tolist() == [3.0] and x.is_leaf


def test_saved_output_makes_no_cycle():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y, None)
            return y

        @staticmethod
        def backward(ctx, g):
            y, nothing = ctx.saved_tensors
            assert nothing is None
            return g * y

    x = leaf(0.5)
    assert gradcheck(Exp.apply, (x,)) and gradgradcheck(Exp.apply, (x,))
    gc.disable()
    try:
        y = Exp.apply(x)
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_setup_context_and_vjp():
    class Power(Function):
        @staticmethod
        def forward(x, n=2):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.n = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def vjp(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.n * x ** (ctx.n - 1), None

    x = leaf(3.0)
    Power.apply(x).sum().backward()
    assert x.grad.tolist() == [6.0]
    x.grad = None
    Power.apply(x, 3).sum().backward()
    assert x.grad.tolist() == [27.0]


def returning(*results):
    class Odd(Function):
        @staticmethod
        def forward(ctx, x, n=None):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return results if len(results) != 1 else results[0]

    return Odd


@pytest.mark.parametrize(
    ("results", "arguments", "match"),
    [
        ((torch.ones(1),) * 3, (1,), "incorrect number of gradients .expected 2, got 3"),
        ((torch.ones(1),), (1,), "incorrect number of gradients .expected 2, got 1"),
        ((torch.ones(1), torch.ones(1)), (1,), "different than None at position 2"),
        ((torch.ones(3),), (), "got .3. but expected shape compatible with .2."),
    ],
)
def test_wrong_results_of_backward(results, arguments, match):
    with pytest.raises(RuntimeError, match=match):
        returning(*results).apply(leaf(1.0, 2.0), *arguments).sum().backward()


def test_missing_methods_are_named():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty.apply(leaf(1.0))

    class OneWay(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="backward or vjp"):
        OneWay.apply(leaf(1.0)).sum().backward()
    with pytest.raises(RuntimeError, match="Legacy autograd function"), pytest.warns(Warning):
        OneWay()(leaf(1.0))


def test_only_tensors_are_saved():
    class SavesNumber(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, 5)
            return x * 1

    with pytest.raises(TypeError, match="argument 1 is of type int"):
        SavesNumber.apply(leaf(1.0))


def test_saved_tensors_are_freed_after_backward():
    y = Cube.apply(leaf(1.0))
    y.sum().backward()
    for attempt in (lambda: y.grad_fn.saved_tensors, lambda: y.sum().backward()):
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            attempt()
    z = Cube.apply(leaf(1.0))
    z.sum().backward(retain_graph=True)
    z.sum().backward()


@pytest.mark.parametrize(
    ("function", "again"),
    [
        (lambda x: x * 2, False),
        (lambda x: x / 2, False),
        (lambda x: x.exp(), False),
        (lambda x: x + 1, True),
        (lambda x: x.sum(), True),
        (lambda x: x.view(-1), True),
    ],
)
def test_second_backward_needs_what_was_saved(function, again):
    y = function(leaf(1.0, 2.0)).sum()
    y.backward()
    if again:
        y.backward()
    else:
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            y.backward()


def test_saved_tensor_changed_since():
    x = leaf(1.0) * 1
    y = Cube.apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_once_differentiable_refuses_the_second_time():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not torch.is_grad_enabled()
            return g * 2

    x = leaf(3.0)
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0]
    y = Once.apply(x)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    assert g.tolist() == [12.0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_exception_in_forward_restores_recording():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        Fails.apply(leaf(1.0))
    assert torch.is_grad_enabled()


def test_many_nodes_come_and_go():
    for _ in range(300):
        x = leaf(1.0)
        y = x
        for _ in range(5):
            y = Cube.apply(y) * 0.5
        y.sum().backward()
    chain = leaf(1.0)
    y = chain
    for _ in range(20_000):
        y = returning(torch.ones(1, dtype=torch.float64)).apply(y) if y is chain else y * 1
    del y
    gc.collect()


def test_nested_inputs_and_outputs():
    class Nested(torch.autograd.NestedIOFunction):
        @staticmethod
        def forward(ctx, pair, z):
            a, (b,) = pair
            return a * 2, [b * 3, z * 4]

        @staticmethod
        def backward(ctx, ga, rest):
            return (ga * 2, (rest[0] * 3,)), rest[1] * 4

    a, b, z = leaf(1.0), leaf(1.0), leaf(1.0)
    x, (y, w) = Nested.apply((a, (b,)), z)
    (x + y + w).sum().backward()
    assert (a.grad.item(), b.grad.item(), z.grad.item()) == (2.0, 3.0, 4.0)


# Modes


def test_modes_nest_and_survive_exceptions():
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError, match="x"), torch.no_grad():
        raise ValueError("x")
    assert torch.is_grad_enabled()


def test_modes_as_decorators():
    @torch.no_grad()
    def with_call(x):
        """Doc."""
        return x * 2

    @torch.no_grad
    def without_call(x):
        return x * 2

    @torch.inference_mode()
    def inferring(x):
        return x * 2

    @torch.set_grad_enabled(False)
    def switched(x):
        return x * 2

    assert torch.is_grad_enabled() and with_call.__doc__ == "Doc."
    for function in (with_call, without_call, inferring, switched):
        assert not function(leaf(1.0)).requires_grad
        assert torch.is_grad_enabled()


def test_generator_functions_run_within_the_mode():
    @torch.no_grad()
    def generator(x):
        received = yield torch.is_grad_enabled()
        try:
            yield received, torch.is_grad_enabled()
        except KeyError:
            yield "caught"
        return x

    g = generator(7)
    assert next(g) is False and torch.is_grad_enabled()
    assert g.send("sent") == ("sent", False)
    assert g.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == 7 and torch.is_grad_enabled()


def test_set_grad_enabled_as_call_and_context():
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_inference_mode():
    with torch.inference_mode():
        x = torch.ones(2)
        assert torch.is_inference_mode_enabled() and x.is_inference()
        with torch.inference_mode(False):
            assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    with pytest.raises(RuntimeError, match="[Ii]nference"):
        x * leaf(1.0, 2.0).float()


# grad and backward


def test_grad_leaves_dot_grad_alone():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = torch.autograd.grad((x * y).sum(), (x, y))
    assert gx.tolist() == [3.0] and gy.tolist() == [2.0] and x.grad is None


def test_grad_of_several_outputs():
    x = leaf(1.0, 2.0)
    (g,) = torch.autograd.grad((x * 2, x * 3), x, (torch.ones(2), torch.tensor([1.0, 0.0])))
    assert g.tolist() == [5.0, 2.0]


def test_unused_inputs():
    x, other = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        torch.autograd.grad((x * 2).sum(), (x, other))
    assert torch.autograd.grad((x * 2).sum(), (x, other), allow_unused=True)[1] is None
    zero = torch.autograd.grad((x * 2).sum(), (x, other), materialize_grads=True)[1]
    assert zero.tolist() == [0.0]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: torch.autograd.grad(x * 2, x), "implicitly created only for scalar"),
        (lambda x: torch.autograd.grad(x.sum(), x, torch.ones(3)), "Mismatch in shape"),
        (lambda x: torch.autograd.grad(x.sum(), torch.ones(2)), "does not require grad"),
        (lambda x: torch.autograd.grad(torch.ones(1), x), "does not require grad and does not"),
        (lambda x: torch.autograd.grad(x.sum(), []), "cannot be empty"),
        (lambda x: torch.autograd.backward(x.sum(), inputs=[]), "cannot be empty"),
    ],
)
def test_wrong_calls_of_grad(call, match):
    with pytest.raises(RuntimeError, match=match):
        call(leaf(1.0, 2.0))


def test_backward_into_chosen_inputs():
    x, y = leaf(1.0), leaf(2.0)
    torch.autograd.backward((x * y).sum(), inputs=[x])
    assert x.grad.tolist() == [2.0] and y.grad is None


def test_batched_gradients():
    x = leaf(1.0, 2.0)
    (rows,) = torch.autograd.grad(x * x, x, torch.eye(2, dtype=x.dtype), is_grads_batched=True)
    assert rows.tolist() == [[2.0, 0.0], [0.0, 4.0]]


# The graph


def test_gradient_edges_stand_for_tensors():
    x = leaf(2.0)
    y = x * 3
    edge = torch.autograd.graph.get_gradient_edge(y)
    (g,) = torch.autograd.grad((y * y).sum(), edge)
    assert g.tolist() == [12.0]
    node = torch.autograd.graph.get_gradient_edge(x).node
    assert type(node).__name__ == "AccumulateGrad" and node.variable is x
    with pytest.raises(RuntimeError, match="gradient edge"):
        torch.autograd.graph.get_gradient_edge(torch.ones(1))


def test_saved_tensors_hooks():
    packed = []

    def pack(tensor):
        packed.append(tensor)
        return tensor.tolist()

    def unpack(values):
        return torch.tensor(values, dtype=torch.float64)

    x = leaf(2.0)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp() * x
        z = Cube.apply(x)
    count = len(packed)
    assert count >= 3
    (y + z).sum().backward()
    assert len(packed) == count
    assert x.grad.item() == pytest.approx(3 * 2.718281828459045**2 + 12)


def test_saved_tensors_hooks_keep_second_derivatives():
    x = leaf(2.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: t):
        y = x * x * x
        z = Cube.apply(x)
    for out in (y, z):
        (g,) = torch.autograd.grad(out, x, create_graph=True)
        (h,) = torch.autograd.grad(g, x)
        assert g.item() == 12.0 and h.item() == 12.0


def test_saved_tensors_hooks_can_be_refused():
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"):
            with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                raise AssertionError("must not be entered")
    with torch.autograd.graph.save_on_cpu():
        y = Cube.apply(leaf(1.0))
    y.sum().backward()


def test_incremented_version_is_noticed():
    x = leaf(1.0) * 1
    y = Cube.apply(x)
    torch.autograd.graph.increment_version(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_multi_grad_hooks():
    x, y, unused = leaf(1.0), leaf(2.0), leaf(3.0)
    calls = []
    handle = torch.autograd.graph.register_multi_grad_hook(
        (x, y, unused), lambda grads: calls.append([g and g.item() for g in grads])
    )
    (x * y).sum().backward()
    (x * y).sum().backward()
    assert calls == [[2.0, 1.0, None]] * 2
    handle.remove()
    (x * y).sum().backward()
    assert len(calls) == 2
    with torch.autograd.graph.register_multi_grad_hook(
        (x, y), lambda g: calls.append(g.item()), mode="any"
    ):
        (x * y).sum().backward()
    assert len(calls) == 3


def test_anomaly_mode_names_the_operation():
    x = leaf(0.0)
    with pytest.warns(UserWarning), torch.autograd.detect_anomaly():
        y = (x * 0) / x
        with pytest.raises(RuntimeError, match="returned nan values"):
            y.backward(torch.ones(1, dtype=torch.float64))
    with torch.autograd.set_detect_anomaly(True):
        assert torch.autograd.anomaly.is_anomaly_enabled()
    assert not torch.autograd.anomaly.is_anomaly_enabled()


# Checking gradients


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


# Checkpointing


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_gives_the_same_gradients(reentrant):
    from rushlight.utils.checkpoint import checkpoint, checkpoint_sequential

    runs = []

    def block(x):
        runs.append(1)
        return (x * x).sin().exp()

    x = leaf(0.5, 1.5)
    block(x).sum().backward()
    expected, x.grad = x.grad.tolist(), None
    runs.clear()
    checkpoint(block, x, use_reentrant=reentrant).sum().backward()
    assert x.grad.tolist() == expected and len(runs) == 2
    x.grad = None
    out = checkpoint_sequential([torch.sin, torch.exp, torch.tanh], 2, x, use_reentrant=reentrant)
    out.sum().backward()
    checked, x.grad = x.grad.tolist(), None
    torch.tanh(torch.exp(torch.sin(x))).sum().backward()
    assert x.grad.tolist() == checked


def test_checkpoint_repeats_random_numbers():
    from rushlight.utils.checkpoint import checkpoint

    x = torch.ones(100, requires_grad=True)
    masks = []

    def noisy(v):
        mask = torch.rand(100)
        masks.append(mask.tolist())
        return (v * mask).sin()

    for reentrant in (False, True):
        masks.clear()
        checkpoint(noisy, x, use_reentrant=reentrant).sum().backward()
        assert len(masks) == 2 and masks[0] == masks[1]


def test_checkpoint_notices_a_different_second_run():
    from rushlight.utils.checkpoint import CheckpointError, checkpoint

    runs = []

    def shrinking(x):
        runs.append(1)
        return (x if len(runs) == 1 else x[:1]).sin().exp()

    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(shrinking, leaf(1.0, 2.0), use_reentrant=False).sum().backward()
    runs.clear()

    def shorter(x):
        runs.append(1)
        return x.sin().exp() if len(runs) == 1 else x.sin()

    with pytest.raises(CheckpointError, match="different number of tensors"):
        checkpoint(shorter, leaf(1.0), use_reentrant=False).sum().backward()


def test_checkpoint_supports_grad_and_keywords():
    from rushlight.utils.checkpoint import checkpoint

    x = leaf(2.0)
    out = checkpoint(lambda v, power: v**power, x, power=3, use_reentrant=False)
    assert torch.autograd.grad(out.sum(), x)[0].tolist() == [12.0]


def test_selective_checkpoint_keeps_chosen_results():
    from functools import partial

    from rushlight.utils.checkpoint import (
        CheckpointPolicy,
        checkpoint,
        create_selective_checkpoint_contexts,
    )

    class Counted(Function):
        @staticmethod
        def forward(ctx, x):
            runs.append(1)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    runs = []
    seen = []

    def block(x, w):
        y = Counted.apply((x @ w).sin())
        return (y @ w).exp()

    def policy(context, op, *args, **kwargs):
        seen.append(op.__name__)
        save = op.__name__ in ("mm", "matmul")
        return CheckpointPolicy.MUST_SAVE if save else CheckpointPolicy.PREFER_RECOMPUTE

    x = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(block(x, w).sum(), (x, w))
    runs.clear()
    contexts = partial(create_selective_checkpoint_contexts, policy)
    out = checkpoint(block, x, w, use_reentrant=False, context_fn=contexts)
    first = seen.copy()
    found = torch.autograd.grad(out.sum(), (x, w))
    assert seen == first, "the policy is asked in the first run only"
    assert len(runs) == 2 and {"sin", "exp"} <= set(seen)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b)


def test_checkpoint_debugging_lists_operators():
    from rushlight.utils.checkpoint import CheckpointError, checkpoint

    runs = []

    def shorter(x):
        runs.append(1)
        return x.sin().exp() if len(runs) == 1 else x.sin()

    out = checkpoint(shorter, leaf(1.0), use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError, match="Operators of the forward: sin, exp"):
        out.sum().backward()
