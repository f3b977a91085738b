"""GraphModules: their parts, copies, files, errors."""

from __future__ import annotations

import copy
import importlib
import pickle
import sys

import programs
import pytest

import rushlight as torch
from rushlight import fx, nn


@pytest.fixture
def model():
    torch.manual_seed(0)
    return programs.layers(torch)


def test_it_computes_what_the_module_does(model):
    module = fx.symbolic_trace(model)
    x = torch.randn(5, 4, requires_grad=True)
    ours, theirs = module(x), model(x)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    grads = torch.autograd.grad(sum(o.sum() for o in ours), [x, *module.parameters()])
    assert torch.equal(grads[0], torch.autograd.grad(sum(o.sum() for o in theirs), x)[0])
    assert module.inner.scale is model.inner.scale
    assert module.state_dict().keys() == model.state_dict().keys()


def test_tracing_leaves_modules_as_they_were(model):
    fx.symbolic_trace(model)
    assert "__call__" not in vars(nn.Module)
    seen = []
    handle = model.inner.register_forward_hook(lambda *a: seen.append(a))
    model(torch.ones(1, 4))
    handle.remove()
    assert len(seen) == 2
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        model.nothing  # noqa: B018


def test_copies_and_pickles(model, tmp_path):
    module = fx.symbolic_trace(model)
    module.eval()
    x = torch.randn(2, 4)
    torch.save(module, tmp_path / "m.pt")
    made = (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(tmp_path / "m.pt", weights_only=False),
    )
    for other in made:
        assert other.code == module.code and str(other.graph) == str(module.graph)
        assert torch.equal(other(x)[0], module(x)[0]) and not other.training
        assert other.inner.scale is not module.inner.scale
        other.graph.lint()


def test_trees_of_arguments_survive_a_pickle():
    traced = fx.symbolic_trace(
        lambda d: {"sum": d["a"] + d["b"][0]}, concrete_args={"d": {"a": fx.PH, "b": [fx.PH]}}
    )
    again = pickle.loads(pickle.dumps(traced))
    given = {"a": torch.ones(2), "b": [torch.ones(2)]}
    assert again(given)["sum"].tolist() == traced(given)["sum"].tolist() == [2.0, 2.0]
    assert fx.Interpreter(traced).run(given)["sum"].tolist() == [2.0, 2.0]


def test_to_folder(model, tmp_path, monkeypatch):
    module = fx.symbolic_trace(model)
    with pytest.warns(UserWarning, match="saved as pickled files instead"):
        module.to_folder(tmp_path / "written", "Written")
    monkeypatch.syspath_prepend(str(tmp_path))
    written = importlib.import_module("written").Written()
    sys.modules.pop("written")
    x = torch.randn(2, 4)
    assert torch.equal(written(x)[0], module(x)[0])


def test_parts_come_and_go(model):
    module = fx.symbolic_trace(model)
    assert module.add_submodule("a.b", nn.ReLU()) and isinstance(module.a.b, nn.ReLU)
    assert not module.add_submodule("inner.scale.x", nn.ReLU())
    assert module.delete_submodule("a.b") and not module.delete_submodule("a.b")
    module.add_submodule("extra", nn.Linear(2, 2))
    module.delete_all_unused_submodules()
    assert {n for n, _ in module.named_children()} == {"stem", "inner", "heads"}
    with pytest.raises(RuntimeError, match="that target was not provided in ``root``"):
        fx.GraphModule({}, module.graph)


def test_an_error_in_generated_code_shows_the_line(capsys):
    module = fx.symbolic_trace(lambda x: x.relu().nothing(1))
    with pytest.raises(AttributeError, match="nothing"):
        module(torch.ones(2))
    said = capsys.readouterr().err
    assert "Call using an FX-traced Module, line 6" in said and "relu.nothing(1)" in said


def test_readable_code_has_places_and_shapes(model):
    from rushlight.fx.passes.shape_prop import ShapeProp

    tracer = fx.Tracer()
    tracer.record_stack_traces = True
    module = fx.GraphModule(model, tracer.trace(model))
    ShapeProp(module).propagate(torch.ones(2, 4))
    text = module.print_readable(print_output=False)
    assert "in forward, code: return x * self.scale + self.shift" in text
    assert 'stem_0: "f32[2, 3]" = getattr(self.stem, "0")(x)' in text
    meta = next(n for n in module.graph.nodes if n.name == "stem_0").meta["tensor_meta"]
    assert meta.shape == (2, 3) and meta.dtype is torch.float32 and meta.stride == (3, 1)
    with pytest.raises(RuntimeError, match="ShapeProp error for: node="):
        ShapeProp(module).propagate(torch.ones(2, 5))


def test_hooks_hear_of_changes():
    module, heard = fx.symbolic_trace(lambda x: x.relu() + 1), []
    module._register_create_node_hook(lambda n: heard.append(("made", n.name)))
    module._register_erase_node_hook(lambda n: heard.append(("gone", n.name)))
    with module._set_replace_hook(lambda old, new, user: heard.append((old.name, new, user.name))):
        relu = next(n for n in module.graph.nodes if n.name == "relu")
        with module.graph.inserting_after(relu):
            new = module.graph.call_method("neg", (relu.args[0],))
        relu.replace_all_uses_with(new)
        module.graph.erase_node(relu)
    assert heard == [("made", "neg"), ("relu", "neg", "add"), ("gone", "relu")]


def test_lazy_modules_make_their_code_once():
    from rushlight.fx._lazy_graph_module import (
        _LazyGraphModule,
        _make_graph_module,
        _use_lazy_graph_module,
    )

    graph = fx.Tracer().trace(lambda x: x + 1)
    with _use_lazy_graph_module(True):
        module = _make_graph_module(nn.Module(), graph)
    assert isinstance(module, _LazyGraphModule) and module._needs_recompile()
    assert module(torch.ones(1)).tolist() == [2.0] and not module._needs_recompile()
