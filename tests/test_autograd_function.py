"""Functions with gradients of their own, and what surrounds them: modes, grad, hooks, checks."""

import gc
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.function import once_differentiable


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
