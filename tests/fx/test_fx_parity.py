"""Graphs and generated code are PyTorch's, to the character."""

from __future__ import annotations

import warnings

import programs
import pytest

import rushlight as torch
from rushlight import fx, vision

oracle = pytest.importorskip("torch")
oracle_fx = pytest.importorskip("torch.fx")


@pytest.mark.parametrize("name", programs.ALL)
def test_graphs_and_code(name):
    ours = fx.symbolic_trace(programs.ALL[name](torch))
    theirs = oracle_fx.symbolic_trace(programs.ALL[name](oracle))
    assert str(ours.graph) == str(theirs.graph)
    assert ours.code == theirs.code
    assert str(ours) == str(theirs)
    assert ours.print_readable(False) == theirs.print_readable(False)


@pytest.mark.parametrize("tree", [{"x": {"a": "PH", "b": None}}, {"y": 3}, {"y": None, "z": 1.5}])
def test_fixed_arguments(tree):
    def traced(tracing):
        def fill(v):
            return tracing.PH if v == "PH" else v

        def f(x, y, z):
            return {"o": x["a"] if isinstance(x, dict) else x, "p": (y, z)}

        given = {
            k: {n: fill(v) for n, v in v.items()} if isinstance(v, dict) else v
            for k, v in tree.items()
        }
        return tracing.symbolic_trace(f, concrete_args=given)

    ours, theirs = traced(fx), traced(oracle_fx)
    assert str(ours.graph) == str(theirs.graph)
    assert ours.code == theirs.code


MODELS = (
    "alexnet densenet121 efficientnet_b0 mobilenet_v3_small mnasnet0_5 resnet18 squeezenet1_0 "
    "shufflenet_v2_x0_5 swin_t swin_v2_t vgg11_bn vit_b_16 convnext_tiny"
).split()


@pytest.mark.parametrize("name", MODELS)
def test_vision_models(name):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours = getattr(vision.models, name)()
    with oracle.device("meta"):
        theirs = getattr(torchvision.models, name)()
    for training in (True, False):
        mine = fx.symbolic_trace(ours.train(training))
        other = oracle_fx.symbolic_trace(theirs.train(training))
        assert str(mine.graph) == str(other.graph)
        assert mine.code == other.code


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "swin_t", "mobilenet_v2", "googlenet"])
def test_names_of_operations(name):
    torchvision = pytest.importorskip("torchvision")
    from torchvision.models.feature_extraction import get_graph_node_names as theirs

    from rushlight.vision.models.feature_extraction import get_graph_node_names as ours

    given = {"init_weights": False} if name == "googlenet" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            mine = ours(getattr(vision.models, name)(**given))
        with oracle.device("meta"):
            assert mine == theirs(getattr(torchvision.models, name)(**given))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rewriting_and_splitting_and_fusing():
    def done(library, tracing):
        from importlib import import_module

        base = tracing.__name__
        split = import_module(f"{base}.passes.split_module").split_module
        fuse = import_module(f"{base}.experimental.optimization").fuse

        def f(x):
            y = library.neg(library.neg(library.neg(x)))
            return library.relu(y) + library.sigmoid(library.relu(library.neg(y)))

        module = tracing.symbolic_trace(f)
        count = len(
            tracing.replace_pattern(
                module, lambda x: library.relu(library.neg(x)), lambda x: library.abs(x) * 2
            )
        )
        place = {}
        parts = split(module, module, lambda n: place.setdefault(n.name, len(place) // 3))
        nn = library.nn
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1))
        return count, module.code, parts.code, parts.submod_0.code, fuse(net.eval()).code

    assert done(torch, fx) == done(oracle, oracle_fx)


def test_graphs_of_operators():
    def made(library):
        from importlib import import_module

        make_fx = import_module(f"{library.__name__}.fx.experimental.proxy_tensor").make_fx
        F = library.nn.functional
        weight = library.ones(4, 3)

        def f(x, y):
            h = F.linear(x, weight).relu() @ y.t()
            return F.softmax(h + y[0].sum(), -1), library.cat([x, x], 1)

        module = make_fx(f)(library.ones(2, 3), library.ones(5, 4))
        tree = make_fx(lambda d: {"o": d["x"] * 2 + d["y"][0]})(
            {"x": library.ones(2), "y": [library.ones(2)]}
        )
        return module.code, str(module.graph), tree.code

    assert made(torch) == made(oracle)


def test_errors_have_the_same_words():
    def words(tracing):
        graph = tracing.Graph()
        x = graph.placeholder("x")
        y = graph.call_method("f", (x,))
        cases = (
            lambda: graph.erase_node(x),
            lambda: graph.call_function("relu"),
            lambda: graph.create_node("foo", "bar"),
            lambda: graph.call_function(len, [x]),
            lambda: y.args[0].graph.inserting_before(tracing.Graph().placeholder("q")),
            lambda: y.kwargs.update(a=1),
            lambda: tracing.symbolic_trace(lambda x: x if x.sum() > 0 else -x),
            lambda: tracing.symbolic_trace(lambda x: sum(a for a in x)),
            lambda: tracing.symbolic_trace(lambda x: len(x)),
            lambda: tracing.symbolic_trace(lambda x: x + object()),
            lambda: tracing.wrap("len"),
            lambda: tracing.wrap(3),
            lambda: tracing.GraphModule(3, graph),
        )
        found = []
        for case in cases:
            with pytest.raises(Exception) as error:
                case()
            found.append((error.type.__name__, str(error.value)))
        return found

    assert words(fx) == words(oracle_fx)
