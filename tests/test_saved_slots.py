"""`_raw_saved_*` of nodes: hooks on one saved tensor."""

from __future__ import annotations

import pytest

import rushlight as torch


def test_hooks_on_one_value():
    a = torch.randn(3, requires_grad=True)
    y = a * a
    seen = []

    def pack(x):
        seen.append(x)
        return 2 * x.detach()

    y.grad_fn._raw_saved_self.register_hooks(pack, lambda x: x / 2)
    assert seen[0] is a and torch.equal(y.grad_fn._saved_self, a)
    assert "_raw_saved_other" in dir(y.grad_fn)
    with pytest.raises(RuntimeError, match="hooks have already been set"):
        y.grad_fn._raw_saved_self.register_hooks(pack, pack)
    with pytest.raises(TypeError):
        y.grad_fn._raw_saved_other.register_hooks(1, 2)
    with pytest.raises(RuntimeError, match="modifying its input in place"):
        y.grad_fn._raw_saved_other.register_hooks(lambda x: x.detach().mul_(2), pack)
    kept = (a * a).grad_fn._raw_saved_self
    assert kept is not None
    y = a * a
    y.grad_fn._raw_saved_self.register_hooks(lambda x: x.tolist(), torch.tensor)
    y.sum().backward()
    torch.testing.assert_close(a.grad, 2 * a.detach())
    with pytest.raises(RuntimeError, match="after it has been freed"):
        y.grad_fn._raw_saved_self.register_hooks(pack, pack)


def test_second_derivatives_keep_their_history():
    a = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    y = a.exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda x: x.detach().clone(), lambda x: x)
    z = (y * a).sin()
    z.grad_fn._raw_saved_self.register_hooks(lambda x: x, lambda x: x)
    (first,) = torch.autograd.grad(z.sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), a)
    b = a.detach().requires_grad_()
    (plain,) = torch.autograd.grad((b.exp() * b).sin().sum(), b, create_graph=True)
    torch.testing.assert_close(first, plain)
    torch.testing.assert_close(second, torch.autograd.grad(plain.sum(), b)[0])


def test_what_functions_saved():
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 3

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    a = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Scale.apply(a)
    (saved,) = y.grad_fn._raw_saved_tensors
    saved.register_hooks(lambda x: x.detach() * 10, lambda x: x)
    y.sum().backward()
    assert a.grad.tolist() == [10.0, 20.0]


def test_numbers_are_not_hooked():
    node = (torch.ones(2, requires_grad=True) * 2).grad_fn
    assert not hasattr(node, "_raw_saved_missing")
    with pytest.raises((RuntimeError, AttributeError)):
        node._raw_saved_self.register_hooks(lambda x: x, lambda x: x)


def test_an_input_that_is_also_an_output_is_not_saved():
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="returned as-is as output is being saved"):
        Same.apply(torch.ones(2, requires_grad=True))
