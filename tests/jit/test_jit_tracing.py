"""torch.jit.trace: what is recorded, how it prints, runs on other inputs, and trains."""

import operator
import warnings

import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def trace(program, *inputs, **options):
    return torch.jit.trace(program, inputs, **options)


def same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    else:
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)


def mixed(x, y):
    z = torch.cat([x, y], 1)
    z += 1
    z[0] = 2
    for _ in range(2):
        z = z * x.shape[0]
    return z.t().softmax(0), z.max(1)[0], x[:, 1:].sum(1)


def test_a_function_prints_as_pytorch_prints_it():
    made = trace(mixed, torch.randn(2, 3), torch.randn(2, 3))
    assert made.code == (
        "def mixed(x: Tensor,\n"
        "    y: Tensor) -> Tuple[Tensor, Tensor, Tensor]:\n"
        "  z = torch.cat([x, y], 1)\n"
        "  z0 = torch.add_(z, CONSTANTS.c0)\n"
        "  _0 = torch.fill_(torch.select(z0, 0, 0), CONSTANTS.c1)\n"
        "  _1 = ops.prim.NumToTensor(torch.size(x, 0))\n"
        "  z1 = torch.mul(z0, _1)\n"
        "  _2 = ops.prim.NumToTensor(torch.size(x, 0))\n"
        "  z2 = torch.mul(z1, _2)\n"
        "  _3 = torch.softmax(torch.t(z2), 0)\n"
        "  _4, _5 = torch.max(z2, 1)\n"
        "  _6 = torch.slice(x, 0, 0, 9223372036854775807)\n"
        "  _7 = torch.slice(_6, 1, 1, 9223372036854775807)\n"
        "  return (_3, _4, torch.sum(_7, [1]))\n"
    )
    text = str(made.graph)
    assert text.startswith(
        "graph(%x : Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu),\n"
        "      %y : Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu)):\n"
        "  %2 : Tensor[] = prim::ListConstruct(%x, %y)\n"
    )
    assert "aten::add_(%z.1, %5, %6)" in text and __file__ in text
    assert made.code_with_constants[1].c1.item() == 2.0


@pytest.mark.parametrize("rows", [2, 5, 9])
def test_sizes_are_followed(rows):
    made = trace(mixed, torch.randn(2, 3), torch.randn(2, 3))
    x, y = torch.randn(rows, 3), torch.randn(rows, 3)
    same(made(x, y), mixed(x, y))


def shapes(x):
    n, c = x.shape
    whole = x.reshape(n * c).view(c, -1).repeat(1, 2)
    return (
        torch.zeros(n, 2) + n // 2 + c / n,
        whole.expand(x.size(0), -1, -1),
        torch.arange(n) + x.numel(),
        x.new_full((n - 1, 1), 3.0),
        x[: n - 1, ..., None],
        F.pad(x, (0, n)),
    )


def test_arithmetic_on_sizes_is_followed():
    made = trace(shapes, torch.randn(3, 4))
    for rows in (3, 4, 7):
        x = torch.randn(rows, 4)
        same(made(x), shapes(x))


def test_decisions_in_python_are_frozen_and_said():
    def choose(x):
        return x + 1 if x.sum() > 0 else x - 1

    with pytest.warns(torch.jit.TracerWarning, match="Converting a tensor to a Python boolean"):
        made = trace(choose, torch.ones(2))
    assert torch.equal(made(-torch.ones(2)), torch.zeros(2))


@pytest.mark.parametrize(
    "program, words",
    [
        (lambda x: x + int(x.sum()), "Python integer"),
        (lambda x: x + float(x.sum()), "Python float"),
        (lambda x: x + x.sum().item(), "Python number"),
        (lambda x: x + len(x), "Using len to get tensor shape"),
        (lambda x: sum(row for row in x), "Iterating over a tensor"),
        (lambda x: x + torch.tensor(2.0), "registered as constants in the trace"),
        (lambda x: [x, x + 1], "Encountering a list at the output"),
    ],
)
def test_what_leaves_for_python_is_said(program, words):
    x = torch.ones(2, 2)
    with pytest.warns(torch.jit.TracerWarning, match=words):
        made = trace(program, x)
    same(made(x), program(x))


def test_tensors_work_as_before_afterwards():
    trace(mixed, torch.randn(2, 3), torch.randn(2, 3))
    x = torch.ones(2, 3)
    assert type(x.shape[0]) is int and type(x.shape) is torch.Size and not torch.jit.is_tracing()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bool(x.sum() > 0) and len(x) == 2 and x.numel() == 6 and len(list(x)) == 2
    with pytest.raises(ZeroDivisionError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace(lambda t: t / (1 // 0), x)
    assert type(x.shape[0]) is int


@pytest.mark.parametrize(
    "program, inputs, error, words",
    [
        (lambda x: 3, (torch.ones(1),), RuntimeError, "Only tensors, lists, tuples of tensors"),
        (lambda x: None, (torch.ones(1),), RuntimeError, "didn't return any values"),
        (lambda x: {"a": x}, (torch.ones(1),), RuntimeError, "strict=False"),
        (lambda x, y: x, (torch.ones(1), 3), RuntimeError, "cannot be traced"),
        (lambda x: x * nn.Parameter(torch.ones(1)), (torch.ones(1),), RuntimeError,
         "Cannot insert a Tensor that requires grad as a constant"),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_says_so(program, inputs, error, words):
    with pytest.raises(error, match=words):
        trace(program, *inputs)


def test_inputs_and_outputs_may_be_nested():
    x = torch.randn(2, 2)
    made = trace(lambda d: d["a"] + d["b"], {"a": x, "b": x})
    assert torch.equal(made({"a": x, "b": 2 * x}), 3 * x)
    made = trace(lambda pair: (pair[0] - pair[1], (pair[1],)), (x, x + 1))
    same(made((x, 4 * x)), (x - 4 * x, (4 * x,)))
    made = trace(lambda items: items[0] * items[1], [x, x])
    assert torch.equal(made([x, x + 1]), x * (x + 1))
    made = torch.jit.trace(lambda x, y: x - y, example_kwarg_inputs={"x": x, "y": x + 1})
    assert torch.equal(made(x, 2 * x), -x) and torch.equal(made(y=x, x=2 * x), x)
    made = trace(lambda x: {"a": x, "b": x + 1}, x, strict=False)
    same(made(x), {"a": x, "b": x + 1})


# -- modules ---------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.same = nn.Identity()
        self.seq = nn.Sequential(nn.ReLU(), nn.Linear(4, 4, bias=False))
        self.weight = nn.Parameter(torch.ones(4))
        self.register_buffer("shift", torch.zeros(4))

    def forward(self, x):
        x = self.norm(self.first(x))
        x = self.first(self.same(x))
        return self.seq(x) * self.weight + self.shift


def test_a_module_keeps_its_parts():
    torch.manual_seed(0)
    net = Block().eval()
    made = trace(net, torch.randn(3, 4))
    assert made.code == (
        "def forward(self,\n"
        "    x: Tensor) -> Tensor:\n"
        "  shift = self.shift\n"
        "  weight = self.weight\n"
        "  seq = self.seq\n"
        "  same = self.same\n"
        "  norm = self.norm\n"
        "  first = self.first\n"
        "  _0 = (norm).forward((first).forward(x, ), )\n"
        "  _1 = (same).forward()\n"
        "  _2 = (seq).forward((first).forward1(_0, ), )\n"
        "  input = torch.mul(_2, weight)\n"
        "  return torch.add(input, shift)\n"
    ).replace(
        "  input = torch.mul(_2, weight)\n  return torch.add(input, shift)",
        "  _3 = torch.add(torch.mul(_2, weight), shift)\n  return _3",
    )  # noqa: E501
    assert made.first._c._method_names() == ["forward", "forward1"]
    assert "aten::linear" in str(made.inlined_graph) and "CallMethod" in str(made.graph)
    assert str(made).startswith("Block(\n  original_name=Block\n  (first): Linear(original_name=")
    x = torch.randn(7, 4)
    assert torch.equal(made(x), net(x))
    assert list(made.state_dict()) == list(net.state_dict())
    assert made.first.weight is net.first.weight
    with pytest.raises(RuntimeError, match="Trace submodules cannot be called"):
        type(made.seq).forward(made.seq, x)


def test_a_traced_module_trains_as_the_module_does():
    torch.manual_seed(0)
    net = Block()
    made = trace(net, torch.randn(3, 4))
    x = torch.randn(6, 4)
    made(x).square().sum().backward()
    found = [p.grad.clone() for p in made.parameters()]
    net.zero_grad()
    net(x).square().sum().backward()
    for mine, theirs in zip(found, net.parameters(), strict=True):
        assert torch.allclose(mine, theirs.grad)
    before = made.weight.clone()
    torch.optim.SGD(made.parameters(), 0.1).step()
    assert not torch.equal(before, net.weight)
    assert made.double()(x.double()).dtype == torch.float64


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 6, 2, batch_first=True)
        self.head = nn.Linear(6, 20)

    def forward(self, x):
        hidden, (h, c) = self.lstm(self.embed(x))
        return F.log_softmax(self.head(hidden), dim=-1), h, c


def _layer():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


@pytest.mark.parametrize(
    "make, inputs",
    [
        (Tagger, lambda n: (torch.randint(0, 20, (n, 5)),)),
        (lambda: nn.TransformerEncoder(_layer(), 2), lambda n: (torch.randn(n, 5, 8),)),
        (lambda: nn.MultiheadAttention(8, 2), lambda n: (torch.randn(5, n, 8),) * 3),
        (lambda: nn.GRU(4, 3, bidirectional=True), lambda n: (torch.randn(6, n, 4),)),
        (lambda: torch.vision.models.resnet18(), lambda n: (torch.randn(n, 3, 33, 33),)),
        (lambda: torch.vision.models.mobilenet_v3_small(), lambda n: (torch.randn(n, 3, 33, 33),)),
        (lambda: torch.vision.models.VisionTransformer(16, 8, 1, 2, 8, 16),
         lambda n: (torch.randn(n, 3, 16, 16),)),
    ],
    ids="lstm encoder attention gru resnet mobilenet vit".split(),
)  # fmt: skip
def test_models_give_the_same_for_other_batches(make, inputs):
    torch.manual_seed(0)
    net = make().eval()
    with torch.no_grad():
        made = torch.jit.trace(net, inputs(2), check_trace=False)
        for batch in (2, 3):
            given = inputs(batch)
            same(made(*given), net(*given))


def test_several_methods_of_one_module():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            return self.linear(x)

        def twice(self, x):
            return self.linear(self.linear(x))

    net = Pair()
    x = torch.randn(3, 2)
    made = torch.jit.trace_module(net, {"forward": x, "twice": x})
    assert torch.equal(made.twice(x), net.twice(x)) and torch.equal(made(x), net(x))
    assert "forward1" in made.twice.code


def test_random_programs_are_told_of():
    with pytest.warns(torch.jit.TracerWarning) as said:
        trace(nn.Sequential(nn.Linear(4, 4), nn.Dropout()), torch.randn(8, 4))
    words = [str(w.message) for w in said]
    assert any("Trace had nondeterministic nodes" in w for w in words)
    assert any(w.startswith("Output nr 1. of the traced function does not match") for w in words)


def test_a_program_that_changes_from_run_to_run_is_refused():
    turns = iter(range(9))
    with pytest.raises(torch.jit.TracingCheckError, match="Graphs differed across invocations"):
        trace(lambda x: x + 1 if next(turns) % 2 else x * 2, torch.ones(1))


def test_compiled_functions_keep_their_control_flow():
    @torch.jit.script
    def clip(x):
        if bool(x.sum() > 0):
            return x
        return -x

    made = trace(lambda x: clip(x) * 2, torch.ones(2))
    assert "CallFunction" in str(made.graph)
    assert torch.equal(made(-torch.ones(2)), torch.full((2,), 2.0))


def test_compiled_parts_of_a_module_stay_methods():
    class Gate(nn.Module):
        def forward(self, x):
            if bool(x.sum() > 0):
                return x * 2, x + 1
            return -x, x * x

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = torch.jit.script(Gate())

        def forward(self, x):
            a, b = self.gate(x)
            return a * b

    made = trace(Cell(), torch.ones(2))
    assert made.code == (
        "def forward(self,\n    x: Tensor) -> Tensor:\n  gate = self.gate\n"
        "  a, b, = (gate).forward(x, )\n  return torch.mul(a, b)\n"
    )
    assert torch.equal(made(-torch.ones(2)), torch.ones(2))
    assert made.gate._c._method_names() == ["forward"]


def test_functions_that_are_compiled_only_in_traces():
    @torch.jit.script_if_tracing
    def grow(x, n: int):
        for _ in range(n):
            x = x * 2
        return x

    assert torch.equal(grow(torch.ones(1), 3), torch.tensor([8.0]))
    made = trace(lambda x: grow(x, 3), torch.ones(1))
    assert torch.equal(made(torch.ones(1)), torch.tensor([8.0]))


def test_a_module_that_is_traced_is_given_back():
    made = trace(nn.Linear(2, 2), torch.randn(1, 2))
    with pytest.warns(UserWarning, match="already a ScriptModule"):
        assert trace(made, torch.randn(1, 2)) is made


def test_with_the_compiler_switched_off_programs_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(torch.jit._state._enabled, "enabled", False)
    net = nn.Linear(2, 2)
    assert torch.jit.trace(net, torch.ones(1, 2)) is net and torch.jit.script(net) is net


def test_tensors_are_what_they_were_after_a_trace():
    class Own(torch.Tensor):
        pass

    torch.jit.trace(lambda x: x[0] + 1, torch.ones(2, 3))
    for kind in (torch.Tensor, nn.Parameter, Own):
        x = torch.ones(2, 3).as_subclass(kind)
        with pytest.raises(TypeError, match="concatenated"):  # as sequences can, and mappings not
            operator.concat(x, x)
        assert len(x) == 2 and x[1].tolist() == [1, 1, 1] and [r.sum().item() for r in x] == [3, 3]


def test_programs_name_scopes_while_they_are_traced():
    """As libraries do that count operations module by module."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))

    def enter(name):
        return lambda module, inputs: torch._C._get_tracing_state().push_scope(name)

    for name, module in model.named_modules():
        module.register_forward_pre_hook(enter(name))
        module.register_forward_hook(lambda *_: torch._C._get_tracing_state().pop_scope())
    graph, _ = torch.jit._get_trace_graph(model, (torch.ones(1, 2),))
    found = {n.kind(): n.scopeName() for n in graph.nodes()}
    assert found["aten::linear"] == "/0" and found["aten::relu"] == "/1/1.0"
    assert torch._C._get_tracing_state() is None
