"""Passes over graphs."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import fx, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
        self.drop, self.last = nn.Dropout(), nn.Conv2d(3, 2, 1)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.last(self.drop(self.norm(self.conv(x)).relu())) * (self.scale * 2 + 1)


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = Net()
    made(torch.randn(4, 2, 5, 5))
    return made.eval()


def test_fusing_and_dropout(net):
    from rushlight.fx.experimental.optimization import fuse, optimize_for_inference, remove_dropout

    x = torch.randn(2, 2, 5, 5)
    assert torch.allclose(fuse(net)(x), net(x), atol=1e-6) and "norm" not in fuse(net).code
    assert "drop" not in remove_dropout(net).code
    quick = optimize_for_inference(net)
    assert torch.allclose(quick(x), net(x), atol=1e-6) and "norm" not in quick.code


def test_constants_are_folded(net):
    from rushlight.fx.experimental.const_fold import split_const_subgraphs

    x = torch.randn(1, 2, 5, 5)
    folded = split_const_subgraphs(net)
    assert "_FX_CONST_FOLDED_ATTRS" in folded.code and "scale" not in folded.code
    assert torch.allclose(folded(x), net(x)) and folded.has_folding_been_run


def test_splitting(net):
    from rushlight.fx.passes.split_module import split_module
    from rushlight.fx.passes.split_utils import split_by_tags

    module, x = fx.symbolic_trace(net), torch.randn(1, 2, 5, 5)
    paths = {}
    place = {n: i // 3 for i, n in enumerate(module.graph.nodes)}
    parts = split_module(module, module, place.__getitem__, paths)
    assert torch.equal(parts(x), net(x)) and paths["submod_0.conv"] == "conv"
    for node, i in place.items():
        node.tag = "ab"[i > 0]
    tagged = split_by_tags(module, ["a", "b"])
    assert torch.equal(tagged(x), net(x)) and {n for n, _ in tagged.named_children()} == {"a", "b"}


def test_partitions():
    from rushlight.fx.passes.infra.partitioner import CapabilityBasedPartitioner
    from rushlight.fx.passes.operator_support import OperatorSupport

    def f(x, y):
        return torch.sin(torch.sigmoid(torch.relu(x))) + torch.relu(torch.sigmoid(y))

    module = fx.symbolic_trace(f)
    support = OperatorSupport({"torch.relu": None, "torch.sigmoid": None})
    found = CapabilityBasedPartitioner(module, support).propose_partitions()
    assert [sorted(n.name for n in p.nodes) for p in found] == [
        ["relu", "relu_1", "sigmoid", "sigmoid_1"]
    ]
    x, y = torch.randn(3), torch.randn(3)
    fused = CapabilityBasedPartitioner(module, support).fuse_partitions(found)
    assert torch.equal(fused(x, y), f(x, y)) and "relu" not in fused.code

    def looped(x):
        a = torch.relu(x)
        return torch.sigmoid(a + torch.sin(a))

    module = fx.symbolic_trace(looped)  # together they would need sin of themselves
    found = CapabilityBasedPartitioner(module, support, True).propose_partitions()
    assert sorted(p.size() for p in found) == [1, 1]


def test_rewriting():
    def f(x, w):
        return torch.neg(torch.relu(x)) + torch.relu(w)

    module = fx.symbolic_trace(f)
    found = fx.replace_pattern(module, lambda x: torch.relu(x), lambda x: torch.abs(x) + x)
    x, w = torch.randn(3), torch.randn(3)
    assert len(found) == 2 and torch.equal(module(x, w), -(x.abs() + x) + (w.abs() + w))
    from rushlight.fx.subgraph_rewriter import replace_pattern_with_filters

    module = fx.symbolic_trace(lambda x: torch.add(x, 3) * torch.add(x, 4))
    done = replace_pattern_with_filters(
        module,
        lambda x, y: torch.add(x, y),
        lambda x, y: torch.sub(x, y),
        [lambda match, graph, pattern: 4 in match.placeholder_nodes],
    )
    assert [r.name for r in done[0].replacements] == ["sub"]
    assert module(torch.tensor(1.0)).item() == (1 + 3) * (1 - 4)

    class New(nn.Module):
        def __init__(self):
            super().__init__()
            self.fresh = nn.Linear(2, 2)

        def forward(self, x):
            return self.fresh(x)

    module = fx.symbolic_trace(lambda x: torch.relu(x))
    fx.replace_pattern(module, lambda x: torch.relu(x), New())
    assert module.fresh.weight.shape == (2, 2)


def test_a_pattern_used_outside_does_not_match():
    def f(x):
        a = torch.neg(x)
        return torch.relu(a), a

    module = fx.symbolic_trace(f)
    assert not fx.replace_pattern(module, lambda x: torch.relu(torch.neg(x)), lambda x: x)


def test_pass_managers():
    from rushlight.fx.passes.infra.pass_base import PassBase, PassResult
    from rushlight.fx.passes.infra.pass_manager import PassManager
    from rushlight.fx.passes.infra.pass_manager import this_before_that_pass_constraint as before

    class AddToMul(PassBase):
        def call(self, graph_module):
            found = graph_module.graph.find_nodes(op="call_function", target=torch.add)
            for node in found:
                node.target = torch.mul
            graph_module.recompile()
            return PassResult(graph_module, bool(found))

    ran = []

    def noted(gm):
        ran.append("noted")
        return PassResult(gm, False)

    change = AddToMul()
    manager = PassManager([noted, change], [before(change, noted)], steps=3)
    result = manager(fx.symbolic_trace(lambda x: torch.add(x, 4)))
    assert result.modified and result.graph_module(torch.ones(1)).item() == 4
    assert manager.passes == [change, noted] and len(ran) == 2
    circular = PassManager([noted, change], [before(change, noted), before(noted, change)])
    with pytest.raises(RuntimeError, match="Circular dependency"):
        circular.solve_constraints()
    broken = PassManager([lambda gm: gm])
    with pytest.raises(Exception, match="An error occurred when running"):
        broken(nn.Module())


def test_equal_steps_are_done_once():
    from rushlight.fx.experimental.proxy_tensor import make_fx
    from rushlight.fx.passes.dialect.common.cse_pass import CSEPass, get_CSE_banned_ops

    module = make_fx(lambda x: x.cos() + x.cos() + torch.rand(2) + torch.rand(2))(torch.ones(2))
    result = CSEPass(get_CSE_banned_ops())(module)
    code = result.graph_module.code
    assert result.modified and code.count("aten.cos") == 1 and code.count("aten.rand") == 2


def test_sorting_and_sizes(net):
    from rushlight.fx.passes.graph_manipulation import get_size_of_all_nodes
    from rushlight.fx.passes.tools_common import get_node_target, legalize_graph

    module = fx.symbolic_trace(net)
    get_size_of_all_nodes(module, [torch.ones(1, 2, 5, 5)])
    conv = next(n for n in module.graph.nodes if n.name == "conv")
    assert conv.size_bytes == (3 * 9 * 4, (3 * 9 + 54 + 3) * 4)
    modules = dict(module.named_modules())
    assert get_node_target(modules, conv) == "torch.nn.modules.conv.Conv2d"
    first = next(iter(module.graph.nodes))
    module.graph.output_node().prepend(first)
    with pytest.raises(RuntimeError):
        module.graph.lint()
    legalize_graph(module).graph.lint()


def test_shapes_without_elements(net):
    from rushlight.fx.passes.fake_tensor_prop import FakeTensorProp

    module = fx.symbolic_trace(net)
    FakeTensorProp(module).propagate(torch.ones(4, 2, 9, 9))
    shapes = {n.name: tuple(n.meta["val"].shape) for n in module.graph.nodes if n.op != "output"}
    assert shapes["conv"] == (4, 3, 7, 7) and shapes["last"] == (4, 2, 7, 7)
    assert type(module.graph.output_node().meta["val"]).__name__ == "FakeTensor"


def test_make_fx():
    from rushlight.fx.experimental.proxy_tensor import get_proxy_mode, make_fx

    weight = nn.Parameter(torch.randn(3, 2))

    def loss(x, y):
        return ((x @ weight - y) ** 2).mean()

    x, y = torch.randn(4, 3), torch.randn(4, 2)
    module = make_fx(torch.func.grad(loss))(x, y)
    assert torch.allclose(module(x, y), torch.func.grad(loss)(x, y))
    other = torch.randn(4, 3)
    assert torch.allclose(module(other, y), torch.func.grad(loss)(other, y))
    table = {torch.ops.aten.relu.default: lambda x: torch.maximum(x, torch.zeros_like(x))}
    code = make_fx(lambda x: x.relu(), decomposition_table=table)(x).code
    assert "aten.maximum" in code and "aten.relu" not in code
    assert "aten.mm" in make_fx(lambda x: x @ x.t(), tracing_mode="fake")(x).code
    assert get_proxy_mode() is None
    with pytest.raises(RuntimeError, match="trying to get value out of a tracing tensor"):
        make_fx(lambda x: x if x.sum() > 0 else -x)(x)
    with pytest.raises(ValueError, match="Unexpected tracing type"):
        make_fx(loss, tracing_mode="other")


def test_pictures(net):
    pytest.importorskip("pydot")
    from rushlight.fx.passes.graph_drawer import FxGraphDrawer

    text = FxGraphDrawer(fx.symbolic_trace(net), "net").get_dot_graph().to_string()
    assert "conv -> norm" in text and '"conv.weight" -> conv' in text
    assert r"target=_operator.mul\n|args=(2,)|num_users=1" in text


def test_products_are_merged():
    from rushlight.fx.experimental.merge_matmul import merge_matmul

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(3, 2))

        def forward(self, x, y):
            return torch.matmul(x, self.w) + torch.matmul(y.relu(), self.w)[:2]

    model, x, y = Shared(), torch.randn(2, 3), torch.randn(5, 3)
    merged = merge_matmul(model)
    assert torch.allclose(merged(x, y), model(x, y)) and merged.code.count("torch.matmul") == 1
    chained = merge_matmul(lambda x, w: torch.matmul(torch.matmul(x, w), w))
    assert chained.code.count("torch.matmul") == 2
