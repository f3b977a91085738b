"""torch.library: operators of users, with kernels, gradients, vmap rules and schemas."""

import copy
import pickle
from typing import Union

import numpy as np
import pytest

import rushlight as torch
from rushlight import Tensor, library


@pytest.fixture
def ns(request):
    """A namespace of its own for each test."""
    from rushlight.library._ops import registry

    name = "t_" + "".join(c if c.isalnum() else "_" for c in request.node.name)
    yield name
    for key in [k for k in registry if k.startswith(name + "::")]:
        del registry[key]


def sine(ns):
    @library.custom_op(f"{ns}::sine", mutates_args=())
    def sine(x: Tensor) -> Tensor:
        return torch.from_numpy(np.sin(x.detach().numpy()))

    return sine


def test_an_operator_from_numpy_code_gets_a_gradient(ns):
    f = sine(ns)
    x = torch.randn(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        f(x).sum().backward()
    f.register_autograd(
        lambda ctx, g: g * ctx.saved_tensors[0].cos(),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
    )
    f(x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach().cos())
    assert torch.equal(getattr(torch.ops, ns).sine(x), f(x))
    assert str(getattr(torch.ops, ns).sine.default) == f"{ns}.sine.default"
    with pytest.raises(AttributeError, match="has no attribute 'cosine'"):
        _ = getattr(torch.ops, ns).cosine


def test_vmap_runs_lane_by_lane_or_by_a_rule(ns):
    f = sine(ns)
    x = torch.randn(4, 3)
    torch.testing.assert_close(torch.vmap(f)(x), x.sin())
    seen = []

    @f.register_vmap
    def rule(info, in_dims, x):
        seen.append((info.batch_size, in_dims))
        return f(x), in_dims[0]

    torch.testing.assert_close(torch.vmap(f, in_dims=1)(x), x.T.sin())
    assert seen == [(3, (0,))]


def test_lists_and_keywords(ns):
    @library.custom_op(f"{ns}::join", mutates_args=())
    def join(xs: list[Tensor], scale: float = 2.0, *, flip: bool = False) -> Tensor:
        joined = torch.cat(xs) * scale
        return joined.flip(0) if flip else joined

    def setup(ctx, inputs, keyword_only_inputs, output):
        ctx.sizes = [x.shape[0] for x in inputs[0]]
        ctx.scale, ctx.flip = inputs[1], keyword_only_inputs["flip"]

    def backward(ctx, g):
        g = g.flip(0) if ctx.flip else g
        return list((g * ctx.scale).split(ctx.sizes)), None

    join.register_autograd(backward, setup_context=setup)
    a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    (join([a, b], flip=True) * torch.arange(5.0)).sum().backward()
    assert a.grad.tolist() == [8, 6] and b.grad.tolist() == [4, 2, 0]


def test_mutation_bumps_versions_and_aliases_are_refused(ns):
    @library.custom_op(f"{ns}::fill", mutates_args={"x"})
    def fill(x: Tensor, value: float) -> None:
        x.numpy()[:] = value

    x = torch.zeros(2)
    before = x._version
    fill(x, 3.0)
    assert x.tolist() == [3, 3] and x._version > before

    @library.custom_op(f"{ns}::same", mutates_args=())
    def same(x: Tensor) -> Tensor:
        return x

    with pytest.raises(RuntimeError, match="must not also be an input"):
        same(x)


def test_meta_tensors_go_to_what_needs_no_elements(ns):
    f = sine(ns)
    away = torch.empty(2, device="meta")
    with pytest.raises(RuntimeError, match="There was no fake impl registered for <CustomOpDef"):
        f(away)
    f.register_fake(lambda x: x)
    with pytest.raises(RuntimeError, match="must not also be an input"):
        f(away)
    f.register_fake(torch.empty_like)
    assert f(away).is_meta  # another storage, whatever its address is

    @library.custom_op(f"{ns}::fill", mutates_args={"x"})
    def fill(x: Tensor) -> None:
        x.numpy()[:] = 1

    assert fill(away) is None


def test_modes_and_graphs_see_the_operator_itself(ns):
    from rushlight._subclasses.fake_tensor import FakeTensorMode
    from rushlight.fx.experimental.proxy_tensor import make_fx
    from rushlight.utils._python_dispatch import TorchDispatchMode

    f = sine(ns)
    f.register_fake(torch.empty_like)
    x = torch.ones(2)
    seen = []

    class Log(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    with Log():
        torch.testing.assert_close(f(x * 2), (x * 2).sin())
    assert f"{ns}.sine.default" in seen and "aten.mul.Tensor" in seen
    with FakeTensorMode() as mode:
        made = f(mode.from_tensor(x))
    assert type(made).__name__ == "FakeTensor" and made.shape == (2,)
    graph = make_fx(lambda x: f(x) * 2)(x)
    assert f"torch.ops.{ns}.sine.default(x_1)" in graph.code
    torch.testing.assert_close(graph(x * 3), (x * 3).sin() * 2)


def test_packets_and_overloads(ns):
    sine(ns)
    packet = getattr(torch.ops, ns).sine
    assert (str(packet), packet.__name__, packet.overloads()) == (f"{ns}.sine", "sine", ["default"])
    assert packet.default.overloadpacket is packet
    for thing in (packet, packet.default):
        assert pickle.loads(pickle.dumps(thing)) is thing and copy.deepcopy(thing) is thing


def test_arguments_are_checked(ns):
    f = sine(ns)
    with pytest.raises(RuntimeError, match="Expected a value of type 'Tensor' for argument 'x'"):
        f(3)
    with pytest.raises(RuntimeError, match="missing value for argument 'x'"):
        f()
    with pytest.raises(RuntimeError, match="expected at most 1 argument"):
        f(torch.ones(1), 2)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int | float | bool, "Scalar"),
        (Union[int, float, bool, None], "Scalar?"),  # noqa: UP007
        (list[int | float | bool], "Scalar[]"),
        (list[int] | None, "SymInt[]?"),
    ],
)
def test_annotations_become_kinds(annotation, kind):
    def f(x, a):
        return x

    f.__annotations__ = {"x": torch.Tensor, "a": annotation, "return": torch.Tensor}
    assert library.infer_schema(f, mutates_args=()) == f"(Tensor x, {kind} a) -> Tensor"


def test_schemas_from_annotations():
    def f(
        x: Tensor, n: int, s: float = 2.0, o: "Tensor | None" = None, *, k: bool = False
    ) -> tuple[Tensor, Tensor]:
        raise AssertionError

    text = library.infer_schema(f, mutates_args={"x"})
    assert text == (
        "(Tensor(a0!) x, SymInt n, float s=2.0, Tensor? o=None, *, bool k=False) -> "
        "(Tensor, Tensor)"
    )
    with pytest.raises(ValueError, match="must have a type annotation"):
        library.infer_schema(lambda x: x, mutates_args=())
    with pytest.raises(ValueError, match="were not found in the custom op's signature"):
        library.infer_schema(f, mutates_args={"z"})


def test_defaults_that_are_dtypes(ns):
    @library.custom_op(f"{ns}::cast", mutates_args=())
    def cast(x: Tensor, dtype: torch.dtype = torch.float64, *, times: int = 2) -> Tensor:
        return x.to(dtype) * times

    schema = getattr(torch.ops, ns).cast.default._schema
    assert str(schema) == f"{ns}::cast(Tensor x, ScalarType dtype=7, *, SymInt times=2) -> Tensor"
    assert cast(torch.ones(1)).dtype == torch.float64
    assert cast(torch.ones(1), torch.int32, times=3).tolist() == [3]


def test_libraries(ns):
    lib = library.Library(ns, "DEF")
    lib.define("scale(Tensor x, float s=2.0) -> Tensor")
    with pytest.raises(NotImplementedError, match="Could not run"):
        getattr(torch.ops, ns).scale(torch.ones(2))
    lib.impl("scale", lambda x, s: x * s, "CPU")
    assert getattr(torch.ops, ns).scale(torch.ones(2), 3.0).tolist() == [3, 3]
    library.register_autograd(f"{ns}::scale", lambda ctx, g: (g * 7, None))
    x = torch.ones(2, requires_grad=True)
    getattr(torch.ops, ns).scale(x).sum().backward()
    assert x.grad.tolist() == [7, 7]
    lib.define("twice(Tensor x) -> Tensor")
    lib.impl("twice", lambda x: x * 2)  # a composite brings its own gradient
    getattr(torch.ops, ns).twice(x).sum().backward()
    assert x.grad.tolist() == [9, 9]
    with pytest.raises(RuntimeError, match="expected , but found"):
        lib.define("broken(Tensor x -> Tensor")


def test_autocast(ns):
    seen = []

    @library.custom_op(f"{ns}::look", mutates_args=())
    def look(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        return x.clone()

    look.register_autocast("cpu", torch.bfloat16)
    look(torch.ones(1))
    with torch.autocast("cpu"):
        look(torch.ones(1))
    assert seen == [torch.float32, torch.bfloat16]
