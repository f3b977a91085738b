"""torch.library.opcheck, and the rarer names of torch.library."""

import numpy as np
import pytest

import rushlight as torch
from rushlight import Tensor, library
from rushlight.library import OpCheckError, opcheck

PASSED = dict.fromkeys(
    ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"),
    "SUCCESS",
)


@pytest.fixture
def ns(request):
    """A namespace of its own for each test."""
    from rushlight.library._ops import registry

    name = "c_" + "".join(c if c.isalnum() else "_" for c in request.node.name)
    yield name
    for key in [k for k in registry if k.startswith(name + "::")]:
        del registry[key]


def scaled_sine(x: Tensor, k: float) -> Tensor:
    return torch.from_numpy(np.sin(x.detach().numpy()) * k)


def setup(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])
    ctx.k = inputs[1]


def backward(ctx, g):
    return g * ctx.saved_tensors[0].cos() * ctx.k, None


def make(ns, function=scaled_sine, fake=lambda x, k: torch.empty_like(x), mutates=(), **options):
    op = library.custom_op(f"{ns}::{function.__name__}", function, mutates_args=mutates)
    if fake is not None:
        op.register_fake(fake)
    if options:
        op.register_autograd(options["backward"], setup_context=setup)
    return op


def test_an_operator_that_fits_together(ns):
    op = make(ns, backward=backward)
    x = torch.randn(3)
    assert opcheck(op, (x, 2.0)) == PASSED
    assert opcheck(op._opoverload, (x.requires_grad_(), 2.0)) == PASSED
    assert opcheck(getattr(torch.ops, ns).scaled_sine, (x,), {"k": 2.0}) == PASSED
    assert opcheck(op, (x, 2.0), test_utils="test_schema") == {"test_schema": "SUCCESS"}
    assert opcheck(torch.ops.aten.sin.default, (x,)) == PASSED
    with pytest.raises(ValueError, match="expected test_utils to be subset of"):
        opcheck(op, (x, 2.0), test_utils="nothing")
    with pytest.raises(ValueError, match="op must be instance of torch._ops.OpOverload"):
        opcheck(scaled_sine, (x, 2.0))


@pytest.mark.parametrize(
    ("fake", "words"),
    [
        (None, "test_faketensor failed with There was no fake impl registered"),
        (lambda x, k: x.new_empty(4), r"Shapes torch.Size\(\[3\]\) and torch.Size\(\[4\]\)"),
        (lambda x, k: torch.empty_like(x, dtype=torch.int64), "Dtypes torch.float32 and torch"),
    ],
)
def test_fake_kernels_that_lie(ns, fake, words):
    op = make(ns, fake=fake)
    with pytest.raises(OpCheckError, match=words):
        opcheck(op, (torch.randn(3), 2.0))
    found = opcheck(op, (torch.randn(3), 2.0), raise_exception=False)
    assert found["test_schema"] == "SUCCESS" and isinstance(found["test_faketensor"], RuntimeError)


def test_writing_without_saying_so(ns):
    def written(x: Tensor) -> Tensor:
        return x.add_(1).clone()

    def filled(x: Tensor, into: Tensor) -> None:
        into.copy_(x)

    x = torch.randn(3)
    before = x.clone()
    with pytest.raises(OpCheckError, match="Argument x is not defined as mutable but was mutated"):
        opcheck(make(ns, written, torch.empty_like), (x,))
    assert torch.equal(x, before)  # samples are copied
    assert opcheck(make(ns, filled, None, {"into"}), (x, torch.zeros(3))) == PASSED


def test_gradients_that_are_missing_or_wrong(ns):
    x = torch.randn(3, requires_grad=True)
    with pytest.raises(OpCheckError, match="no autograd formula was registered"):
        opcheck(make(ns), (x, 2.0))
    wrong = make(ns + "_wrong", backward=lambda ctx, g: (g[:1].repeat(5), None))
    with pytest.raises(OpCheckError, match="test_aot_dispatch_dynamic failed with"):
        opcheck(wrong, (x, 2.0))
    lib = library.Library(ns, "FRAGMENT")
    lib.define("twice(Tensor x) -> Tensor")
    lib.impl("twice", lambda x: x * 2, "CPU")
    with pytest.raises(OpCheckError, match="test_autograd_registration failed"):
        opcheck(getattr(torch.ops, ns).twice, (x,))
    lib._destroy()


def test_kernels_are_disabled_for_a_while(ns):
    op = make(ns)
    op.register_kernel("cpu")(lambda x, k: torch.full_like(x, 7.0))
    x = torch.zeros(1)
    assert op(x, 1.0).item() == 7
    with op.set_kernel_enabled("cpu", False):
        assert op(x, 1.0).item() == 0
        with op.set_kernel_enabled("cpu"):
            assert op(x, 1.0).item() == 7
        assert op(x, 1.0).item() == 0
    assert op(x, 1.0).item() == 7


def test_sizes_that_depend_on_elements(ns):
    def positions(x: Tensor) -> Tensor:
        return x.nonzero()

    def fake(x):
        return x.new_empty((library.get_ctx().new_dynamic_size(), x.dim()))

    op = make(ns, positions, fake)
    assert op(torch.ones(2)).tolist() == [[0], [1]] and library.get_ctx() is None
    with pytest.raises(RuntimeError, match="data-dependent shape"):
        op(torch.ones(2, device="meta"))


def test_rarer_names(ns):
    @library.triton_op(f"{ns}::sine", mutates_args={})
    def sine(x: Tensor) -> Tensor:
        return x.sin()

    x = torch.ones(2, requires_grad=True)
    sine(x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach().cos())
    with pytest.raises(NotImplementedError, match="should never be called"):
        library.fallthrough_kernel()
    lib = library.Library(ns, "IMPL")
    lib.impl("sine", library.fallthrough_kernel, "AutogradCPU")
    assert sine(x).requires_grad
    with pytest.warns(DeprecationWarning, match="was renamed to `torch.library.register_fake`"):
        library.impl_abstract(f"{ns}::sine", torch.empty_like)
