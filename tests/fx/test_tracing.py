"""Tracers: leaves, wrapped functions, fixed arguments, what cannot be traced."""

from __future__ import annotations

import math

import pytest

import rushlight as torch
from rushlight import fx, nn


def helper(x, times):
    return x * times if times else x  # a branch that a proxy cannot decide


def tripled(x):
    return x * 3


fx.wrap("helper")
fx.wrap("len")


def targets(module):
    return [n.target for n in module.graph.nodes if n.op == "call_function"]


def test_wrapped_functions_stay_calls():
    module = fx.symbolic_trace(lambda x: helper(x, x.size(0)) + len(x))
    assert targets(module)[:2] == [helper, len]
    assert 'torch.fx._symbolic_trace.wrap("' in module.code
    assert module(torch.ones(2)).tolist() == [4.0, 4.0]
    assert helper.__name__ == "helper" and helper(2, 3) == 6


def test_autowrap():
    tracer = fx.Tracer(autowrap_modules=(), autowrap_functions=(tripled,))
    graph = tracer.trace(lambda x: tripled(x) + 1)
    assert [n.target for n in graph.nodes][1] is tripled
    assert targets(fx.symbolic_trace(lambda x: math.sqrt(x)))[0] is math.sqrt
    assert math.sqrt(4.0) == 2.0


def test_leaf_modules_and_names():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Tanh())

        def forward(self, x):
            return self.b(self.a(x))

    class Whole(fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return module_qualified_name == "0"

    model = nn.Sequential(Block(), Block())
    names = [n.target for n in fx.symbolic_trace(model).graph.nodes if n.op == "call_module"]
    assert names == ["0.a", "0.b.0", "0.b.1", "1.a", "1.b.0", "1.b.1"]
    tracer = Whole()
    graph = tracer.trace(model)
    assert [n.target for n in graph.nodes][1] == "0"
    assert tracer.node_name_to_scope["_0"] == ("0", Block)
    with pytest.raises(NameError, match="module is not installed as a submodule"):
        fx.symbolic_trace(lambda x: nn.ReLU()(x))


def test_fixed_arguments_are_checked():
    def f(x, flag, n):
        return x * n if flag else x

    module = fx.symbolic_trace(f, concrete_args={"flag": True, "n": 3})
    assert module(torch.ones(1), True, 3).tolist() == [3.0]
    with pytest.raises(AssertionError, match="flag has been specialized to have value True"):
        module(torch.ones(1), False, 3)
    with pytest.warns(UserWarning, match="Was not able to add assertion"):
        fx.symbolic_trace(f, concrete_args={"flag": torch.ones(1)})


def test_parameters_with_known_shapes():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2, 3))
            self.register_buffer("b", torch.ones(3))

        def forward(self, x):
            return x @ self.w.view(self.w.shape[1], -1) + self.w.numel() + self.b

    plain = str(fx.Tracer().trace(Model()))
    assert "call_method[target=numel]" in plain and "get_attr[target=b]" in plain
    known = str(fx.Tracer(param_shapes_constant=True).trace(Model()))
    assert "numel" not in known and "args = (%w, 3, -1)" in known

    class Buffers(fx.Tracer):
        proxy_buffer_attributes = True

    assert "get_attr[target=b]" in str(Buffers().trace(Model()))


def test_asserts_become_steps():
    class Asserting(fx.Tracer):
        trace_asserts = True

    names = {}  # not as pytest would write it
    exec("def f(x):\n    assert x.shape[0] == 2\n    return x + 1", names)
    f = names["f"]
    module = fx.GraphModule(nn.Module(), Asserting().trace(f))
    assert module(torch.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(AssertionError):
        module(torch.ones(3))
    from rushlight.fx.experimental.rewriter import RewritingTracer

    def g(x):
        assert x.shape[0] == 2
        return x + 1

    module = fx.GraphModule(nn.Module(), RewritingTracer().trace(g))
    assert "_assert" in module.code and module(torch.ones(2)).tolist() == [2.0, 2.0]


def test_tensors_beside_proxies():
    t = torch.arange(6.0).view(2, 3)
    module = fx.symbolic_trace(lambda x, i: (t + x, t[i], t[0, i], t.expand(2, 3) * x, t < x))
    x, i = torch.ones(3), torch.tensor([1])
    found = module(x, i)
    wanted = (t + x, t[i], t[0, i], t * x, t < x)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert module._tensor_constant0 is t


def test_classes_of_values():
    class Pair(metaclass=fx.ProxyableClassMeta):
        def __init__(self, left, right):
            self.left, self.right = left, right

        def sum(self):
            return self.left + self.right

    module = fx.symbolic_trace(lambda x: Pair(x, x).sum())
    assert module(torch.ones(1)).tolist() == [2.0]


def test_interpreter_and_transformer():
    module = fx.symbolic_trace(lambda x: torch.neg(x).sigmoid() + 1)

    class Relu(fx.Transformer):
        def call_function(self, target, args, kwargs):
            return (
                torch.relu(*args)
                if target is torch.neg
                else super().call_function(target, args, kwargs)
            )

    changed = Relu(module).transform()
    x = torch.tensor([-1.0, 1.0])
    assert torch.equal(changed(x), torch.relu(x).sigmoid() + 1)
    interpreter = fx.Interpreter(module, garbage_collect_values=False)
    assert torch.equal(interpreter.run(x), module(x)) and len(interpreter.env) == 5
    with pytest.raises(RuntimeError, match="Expected positional argument for parameter x"):
        interpreter.run()
    broken = fx.symbolic_trace(lambda x: x.nothing())
    with pytest.raises(AttributeError, match=r"While executing %nothing : \[num_users=1\]"):
        fx.Interpreter(broken).run(x)


def test_annotate_and_types():
    from rushlight.fx.annotate import annotate
    from rushlight.fx.tensor_type import Dyn, TensorType, is_consistent, is_more_precise

    module = fx.symbolic_trace(lambda x: annotate(x + 1, TensorType((1, Dyn))))
    assert [n.type for n in module.graph.nodes][1] == TensorType((1, Dyn))
    assert is_consistent(TensorType((1, Dyn)), TensorType((1, 2)))
    assert not is_consistent(TensorType((1,)), TensorType((2,)))
    assert is_more_precise(TensorType((1, 2)), TensorType((1, Dyn)))


def test_normalised_arguments():
    module = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3)))
    extra = fx.symbolic_trace(lambda x: torch.nn.functional.leaky_relu(x, 0.2))
    node = next(n for n in module.graph.nodes if n.op == "call_module")
    found = node.normalized_arguments(module, normalize_to_only_use_kwargs=True)
    assert list(found.kwargs) == ["input"] and found.args == ()
    node = next(n for n in extra.graph.nodes if n.op == "call_function")
    assert dict(node.normalized_arguments(extra).kwargs) == {
        "negative_slope": 0.2,
        "inplace": False,
    }
    from rushlight.fx.experimental.normalize import NormalizeArgs

    made = NormalizeArgs(extra).transform()
    assert "leaky_relu(input = x, negative_slope = 0.2, inplace = False)" in made.code


def test_functions_are_found_under_pytorchs_names():
    from rushlight.fx import _names

    F = torch.nn.functional
    known = {
        torch.relu: "torch.relu",
        F.relu: "torch.nn.functional.relu",
        F.linear: "torch._C._nn.linear",
        F.conv2d: "torch.conv2d",
        torch.split: "torch.functional.split",
        torch.linalg.inv: "torch._C._linalg.linalg_inv",
        torch.is_complex: "torch.is_complex",
        torch.Tensor.view: "torch.Tensor.view",
        len: "len",
        math.sqrt: "math.sqrt",
    }
    assert {f: _names.qualified_name(f) for f in known} == known
    module = fx.symbolic_trace(lambda x: F.linear(torch.linalg.inv(x), x).logsigmoid_is_no_method)
    assert "torch._C._nn.linear" in module.code
    x = torch.eye(2)
    module = fx.symbolic_trace(lambda x: F.logsigmoid(F.linear(torch.linalg.inv(x), x)))
    assert torch.equal(module(x), F.logsigmoid(x))


def test_shapes_known_while_tracing():
    from rushlight.fx.experimental.meta_tracer import symbolic_trace

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin, self.w = nn.Linear(3, 4), nn.Parameter(torch.ones(4))

        def forward(self, x):
            y = self.lin(x) * self.w
            for i in range(y.shape[1]):
                y = y + i
            return y.view(y.size(0) * y.size(1)) if y.dim() == 2 else y

    model, x = Model(), torch.randn(2, 3)
    traced = symbolic_trace(model, {"x": x})
    assert torch.equal(traced(x), model(x)) and "y.view" not in traced.code
    assert "view(8)" in traced.code and traced.code.count(" + ") == 4
    with pytest.raises(AssertionError, match="Expected dict for meta_args"):
        symbolic_trace(model)


def test_tracers_of_other_libraries_patch_by_themselves():
    from rushlight.fx import _symbolic_trace as st

    class Own(fx.Tracer):
        def trace(self, root, concrete_args=None):
            self.root, self.graph, self.tensor_attrs = root, fx.Graph(tracer_cls=Own), {}
            self.submodule_paths = {m: n for n, m in root.named_modules()}
            fn, args = self.create_args_for_root(type(root).forward, True, concrete_args)

            def call(module, *args, **kwargs):
                return self.call_module(
                    module, lambda *a, **k: st._orig_module_call(module, *a, **k), args, kwargs
                )

            with st._Patcher() as patcher:
                patcher.patch_method(nn.Module, "__call__", call, deduplicate=False)
                st._patch_wrapped_functions(patcher)
                st._autowrap_check(patcher, fn.__globals__, self._autowrap_function_ids)
                self.create_node("output", "output", (self.create_arg(fn(*args)),), {})
            return self.graph

    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    module, x = fx.GraphModule(model, Own().trace(model)), torch.ones(1, 2)
    assert torch.equal(module(x), model(x)) and "__call__" not in vars(nn.Module)
    assert st._orig_module_getattr is nn.Module.__getattr__ and st.ScriptObject is not None
