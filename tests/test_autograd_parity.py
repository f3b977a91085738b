"""Small programs around autograd that PyTorch runs too: equal values, histories and errors."""

from __future__ import annotations

import textwrap
import warnings

import pytest

import rushlight

# Each ends in calls of `show(...)`; `fails(f)` shows the class of the error that f() raises.
PROGRAMS = {
    "function: keywords and defaults": """
        class F(Function):
            @staticmethod
            def forward(ctx, x, k=2, m=1):
                show(k, m, ctx.needs_input_grad)
                return x * k
            @staticmethod
            def backward(ctx, g):
                return g * 5, *[None] * (len(ctx.needs_input_grad) - 1)
        x = leaf()
        show(F.apply(x), F.apply(x, k=3), F.apply(x, m=4, k=3), F.apply(k=4, x=x))
        fails(lambda: F.apply(x, z=1))
        fails(lambda: F.apply(x, 1, k=2))
        F.apply(x, k=3).sum().backward()
        show(x.grad)
    """,
    "function: setup_context sees defaults": """
        class F(Function):
            @staticmethod
            def forward(x, k=2):
                return x * k, x.sum(), "note"
            @staticmethod
            def setup_context(ctx, inputs, output):
                show(inputs, output)
                ctx.save_for_backward(inputs[0])
            @staticmethod
            def backward(ctx, g, h, note):
                show(g, h, note, ctx.saved_tensors)
                return g, None
        out = F.apply(leaf())
        show(out)
        out[0].sum().backward()
        fails(lambda: out[0].sum().backward())
    """,
    "function: numbers of gradients": """
        def results(make):
            class F(Function):
                @staticmethod
                def forward(ctx, a, b):
                    return a * b
                @staticmethod
                def backward(ctx, g):
                    return make(g)
            x, w = leaf(), leaf()
            fails(lambda: torch.autograd.grad(F.apply(x, w).sum(), [x, w], allow_unused=True))
        for make in (
            lambda g: g, lambda g: (g, g, None), lambda g: (g, g, g), lambda g: [g, g],
            lambda g: None, lambda g: (None, g), lambda g: (), lambda g: (5, g),
            lambda g: (torch.ones(3), g), lambda g: (g.double(), g), lambda g: (g.sum(), g),
        ):
            results(make)
    """,
    "function: dirty inputs": """
        class F(Function):
            @staticmethod
            def forward(ctx, x, w):
                x.mul_(2)
                ctx.mark_dirty(x)
                return x, w * 3
            @staticmethod
            def backward(ctx, g, h):
                return g * 2, h * 3
        x, w = leaf(), leaf()
        y = x * 1
        a, b = F.apply(y, w)
        show(a is y, a, b, y._version)
        (a * b).sum().backward()
        show(x.grad, w.grad)
        fails(lambda: F.apply(leaf(), w))
        plain = torch.ones(2)
        show(F.apply(plain, torch.ones(2))[0] is plain, plain)
        base = torch.zeros(4)
        view = base[:2]
        fails(lambda: F.apply(view, w))
    """,
    "function: inputs and views returned": """
        class Same(Function):
            @staticmethod
            def forward(ctx, x):
                return x
            @staticmethod
            def backward(ctx, g):
                return g * 5
        class Part(Same):
            @staticmethod
            def forward(ctx, x):
                return x[:1]
            @staticmethod
            def backward(ctx, g):
                return torch.cat([g, g * 0])
        for F in (Same, Part):
            x = leaf()
            y = F.apply(x)
            show(y is x, y, y._is_view())
            fails(lambda: y.mul_(2))
            y.sum().backward()
            show(x.grad)
    """,
    "function: outputs of all kinds": """
        class F(Function):
            @staticmethod
            def forward(ctx, x):
                index = x.argsort()
                fixed = x * 3
                ctx.mark_non_differentiable(index, fixed)
                ctx.set_materialize_grads(False)
                return x * 2, index, fixed, None, [x], {"k": 1}
            @staticmethod
            def backward(ctx, *g):
                show(g)
                return g[0]
        out = F.apply(leaf())
        show(out)
        out[0].sum().backward()
        class G(F):
            @staticmethod
            def forward(ctx, x):
                return [x * 1, x * 2]
        show(type(G.apply(leaf())), G.apply(leaf())[0].requires_grad)
    """,
    "function: what is saved": """
        class F(Function):
            @staticmethod
            def forward(ctx, x):
                y = x.exp()
                ctx.save_for_backward(x, None, y, x * 2)
                return y
            @staticmethod
            def backward(ctx, g):
                x, none, y, inner = ctx.saved_tensors
                show(x.requires_grad, none, y.requires_grad, inner.requires_grad)
                return g * y
        x = leaf()
        y = F.apply(x)
        show(y.grad_fn.saved_tensors[2])
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        show(torch.autograd.grad(g.sum(), x))
        y = F.apply(x)
        y.add_(1)
        fails(lambda: y.sum().backward())
        y = F.apply(x)
        y.sum().backward()
        fails(lambda: y.grad_fn.saved_tensors)
        class Bad(F):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x, 5)
                return x * 1
        fails(lambda: Bad.apply(x))
    """,
    "function: differentiable once": """
        class F(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x ** 2
            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx, g):
                show(torch.is_grad_enabled())
                return 2 * ctx.saved_tensors[0] * g
        x = leaf()
        (g,) = torch.autograd.grad((F.apply(x) ** 2).sum(), x, create_graph=True)
        show(g.requires_grad, g.grad_fn.name())
        fails(lambda: g.sum().backward())
    """,
    "function: methods left out or not static": """
        class Nothing(Function):
            pass
        class NoBackward(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1
        class Both(NoBackward):
            @staticmethod
            def backward(ctx, g):
                return g
            @staticmethod
            def vjp(ctx, g):
                return g
        class Old(Function):
            def forward(self, x):
                return x
        fails(lambda: Nothing.apply(leaf()))
        fails(lambda: NoBackward.apply(leaf()).sum().backward())
        fails(lambda: Both.apply(leaf()).sum().backward())
        fails(lambda: Old()(leaf()))
    """,
    "function: twice without saved tensors": """
        class F(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1
            @staticmethod
            def backward(ctx, g):
                return g * 2
        x = leaf()
        y = F.apply(x).sum()
        y.backward()
        fails(lambda: y.backward())
        show(x.grad)
    """,
    "in place: histories of bases and views": """
        x = leaf()
        y = x * 2
        view = y[:1]
        view.mul_(3)
        show(y, view, type(view.grad_fn).__name__)
        (y * y).sum().backward()
        show(x.grad)
        base = torch.zeros(4)
        part = base[:2]
        base.copy_(torch.cat([x, x]))
        show(part.requires_grad, part)
        for pick in (lambda t: t.chunk(2)[0], lambda t: t.unbind()[0], lambda t: t.expand(2, 2)):
            fails(lambda: pick(x * 2).mul_(2))
        fails(lambda: x.mul_(2))
        fails(lambda: x[:1].mul_(2))
        fails(lambda: x.view(2).zero_())
    """,
    "in place: what is needed later": """
        x = leaf()
        for keep in (lambda y: y * y, lambda y: y.exp(), lambda y: y + 1, lambda y: y.sin()):
            y = x * 2
            z = keep(y)
            y.add_(1)
            fails(lambda: z.sum().backward())
            y = x * 2
            z = keep(y)
            z.add_(1)
            fails(lambda: z.sum().backward())
        show(x.grad)
    """,
    "backward: arguments": """
        x = leaf()
        y = x * 2
        fails(lambda: y.backward())
        fails(lambda: y.backward(torch.ones(3)))
        fails(lambda: y.backward(1.0))
        fails(lambda: torch.autograd.grad([y, y], x, torch.ones(2)))
        fails(lambda: torch.autograd.grad(y.sum(), [x, leaf()]))
        both = {"allow_unused": False, "materialize_grads": True}
        fails(lambda: torch.autograd.grad(y.sum(), leaf(), **both))
        fails(lambda: torch.ones(2).sum().backward())
        fails(lambda: torch.autograd.backward([y.sum(), y], [None, torch.ones(2)]))
        show(x.grad)
        y = x * 2
        show(torch.autograd.grad(y, [x, y], torch.ones(2), retain_graph=True))
        show(torch.autograd.grad(y, y, torch.ones(2)))
        fails(lambda: torch.autograd.grad((x * 1j).sum(), x))
    """,
    "backward: what is freed": """
        x = leaf()
        for f in (lambda x: x * x, lambda x: x + 1, lambda x: x.exp(), lambda x: x.sum(0)):
            y = f(x).sum()
            y.backward()
            fails(lambda: y.backward())
            y = f(x).sum()
            y.backward(retain_graph=True)
            y.backward()
        show(x.grad)
    """,
    "leaves: grad is shared, replaced, assigned": """
        x = leaf()
        x.sum().backward()
        first = x.grad
        x.sum().backward()
        show(first is x.grad, first)
        given = torch.ones(2)
        x.grad = None
        torch.autograd.backward(x, given)
        show(x.grad is given, x.grad.data_ptr() == given.data_ptr())
        for value in (5, torch.ones(3), torch.ones(2, dtype=torch.float64), None, torch.ones(2)):
            fails(lambda: setattr(x, "grad", value))
        x.data = torch.full((2,), 7.0)
        show(x, x.is_leaf)
        fails(lambda: setattr(x * 1, "requires_grad", False))
    """,
    "dtypes: gradients take those of their inputs": """
        half = torch.ones(2, dtype=torch.float16, requires_grad=True)
        double = torch.ones(2, dtype=torch.float64, requires_grad=True)
        (half * double).sum().backward()
        show(half.grad, double.grad)
        real = leaf()
        (real * (1 + 2j)).abs().sum().backward()
        show(real.grad)
        show(torch.autograd.grad(real * 2, real, torch.ones(2, dtype=torch.float64)))
    """,
    "generators under no_grad": """
        @torch.no_grad()
        def numbers():
            try:
                got = yield torch.is_grad_enabled()
                yield got, torch.is_grad_enabled()
            except ValueError:
                yield "error", torch.is_grad_enabled()
            return 5
        g = numbers()
        show(next(g), torch.is_grad_enabled(), g.send("s"), g.throw(ValueError()))
        try:
            next(g)
        except StopIteration as stop:
            show(stop.value)
        show(torch.is_grad_enabled())
    """,
}


def rounded(numbers):
    """Nested lists of numbers with six digits, as text."""
    if isinstance(numbers, list):
        return [rounded(n) for n in numbers]
    return f"{numbers:.6g}" if isinstance(numbers, float) else str(numbers)


class Record:
    """Runs a program with one library and notes what it shows."""

    def __init__(self, lib):
        self.lib = lib
        self.lines: list = []

    def plain(self, value):
        """A value as both libraries would have it."""
        if isinstance(value, self.lib.Tensor):
            numbers = rounded(value.detach().tolist())
            node = type(value.grad_fn).__name__ if value.grad_fn is not None else None
            dtype = str(value.dtype).rpartition(".")[2]
            return dtype, numbers, value.requires_grad, node
        if isinstance(value, dict):
            return {k: self.plain(v) for k, v in value.items()}
        if isinstance(value, (tuple, list)):
            return type(value).__name__, [self.plain(v) for v in value]
        return repr(value)

    def show(self, *values):
        """Note values."""
        self.lines.append([self.plain(v) for v in values])

    def fails(self, call):
        """Note the error of a call, or its result."""
        try:
            self.show(call())
        except Exception as error:
            self.lines.append(type(error).__name__)

    def run(self, text):
        """Everything that the program shows."""
        names = {
            "torch": self.lib,
            "Function": self.lib.autograd.Function,
            "leaf": lambda: self.lib.tensor([1.0, 2.0], requires_grad=True),
            "show": self.show,
            "fails": self.fails,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(textwrap.dedent(text), names)
        return self.lines


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree_with_pytorch(name):
    torch = pytest.importorskip("torch")
    expected, found = Record(torch).run(PROGRAMS[name]), Record(rushlight).run(PROGRAMS[name])
    assert found == expected
    assert expected
