"""Graphs by hand: making, naming, printing, reading, copying and checking them."""

import pytest

import rushlight as torch

TEXT = """graph(%a : int,
      %x : Tensor):
  %2 : int = prim::Constant[value=1]()
  %3 : bool = aten::gt(%a, %2)
  %4 : Tensor = prim::If(%3)
    block0():
      %5 : Tensor = aten::relu(%x)
      -> (%5)
    block1():
      -> (%x)
  %6 : Tensor = prim::Loop(%a, %3, %4)
    block0(%i : int, %y : Tensor):
      %9 : Tensor = aten::mul(%y, %i)
      -> (%3, %9)
  %10 : Tensor, %11 : Tensor = aten::max(%6, %2, %3)
   = prim::Print(%11)
  return (%10)
"""


def constants(lib):
    return [
        1, True, 0.5, 1.0, 1e-5, 0.1, float("inf"), -3.0, 1e20, 1e16, 9999999999.0, 1e10, 3 + 4j,
        'a"b\n\\\t', None, lib.device("cpu"), lib.float32, lib.bfloat16, lib.strided, [1, 2], [1.5],
        ["a", "b"], [True], (1, "x", None), (1,), {"a": 1}, [lib.ones(2)], [1 + 2j], 2**40,
        (1, 2.5, [3]), [[1], [2]], lib.Size([1, 2]), lib.tensor(3), lib.tensor(2.5),
        lib.tensor([1, 2, 3]), lib.tensor([1.5, 2.0]), lib.tensor([1e10, 1.0]),
        lib.tensor([1e-5, 1.0]), lib.tensor([True, False]), lib.tensor([float("nan"), 1.0]),
        lib.tensor([[1.5, 2.0], [3.0, 4.0]]), lib.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        lib.tensor([1e-8, 2e-8]), lib.tensor([[[1e-8], [2e-8]]]), lib.tensor([12345678, 1]),
        lib.zeros(2, 0), lib.ones(11), lib.tensor(1 + 2j), lib.tensor([1000.5, 1.0]),
        lib.tensor([[1e-8, 2e-1] * 5]), lib.tensor([1.0, 2.0, 1e6]),
    ]  # fmt: skip


def shown(lib):
    graph = lib.Graph()
    return [str(graph.insertConstant(value).node()) for value in constants(lib)]


def test_constants_print_as_pytorch_prints_them():
    oracle = pytest.importorskip("torch")
    for mine, theirs in zip(shown(torch), shown(oracle), strict=True):
        assert mine == theirs


def test_known_constants():
    graph = torch.Graph()
    made = [graph.insertConstant(v) for v in (1e-5, True, "a\n", torch.tensor([1.5, 2.0]))]
    assert [str(v.node()).partition("prim::Constant")[2].strip() for v in made] == [
        "[value=1.0000000000000001e-05]()",
        "[value=1]()",
        '[value="a\\n"]()',
        "[value= 1.5000  2.0000 [ CPUFloatType{2} ]]()",
    ]
    assert [v.toIValue() for v in made[:3]] == [1e-5, True, "a\n"]
    assert made[1].node().kindOf("value") == "i" and made[1].type() == torch.BoolType.get()
    with pytest.raises(TypeError, match="incompatible function arguments"):
        graph.insertConstant(object())


def named(lib, *names):
    graph = lib.Graph()
    values = [graph.addInput() for _ in names]
    for value, name in zip(values, names, strict=True):
        value.setDebugName(name)
    return [v.debugName() for v in values]


NAMES = [
    ("y.7", "y", "y", "y"), ("y.4", "y.4", "y.4"), ("y", "y", "y.1", "y"), ("y.1", "y", "y"),
    ("y.3", "y", "y", "y", "y"), ("y.0", "y.0"), ("a.b", "a.b", "a.b"), ("a1", "a1"),
]  # fmt: skip


def test_a_taken_name_moves_to_a_number():
    assert named(torch, "y.7", "y", "y", "y") == ["y.7", "y.1", "y.3", "y"]
    assert named(torch, "y.4", "y.4", "y.4") == ["y.5", "y.7", "y.4"]
    with pytest.raises(RuntimeError, match="Invalid name: '3'"):
        named(torch, "3")


@pytest.mark.parametrize("names", NAMES)
def test_names_agree_with_pytorch(names):
    oracle = pytest.importorskip("torch")
    assert named(torch, *names) == named(oracle, *names)


def test_a_text_reads_and_prints():
    graph = torch.parse_ir(TEXT)
    assert str(graph) == TEXT
    graph.lint()
    assert str(graph.copy()) == TEXT
    oracle = pytest.importorskip("torch")
    plain = TEXT.replace("   = prim::Print", "  prim::Print")
    assert str(oracle._C.parse_ir(plain)) == TEXT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph(%a):\n  return (%b)", "Cannot find a variable with name 'b'"),
        ("graph(%a", "but found 'eof'"),
        ("graph(%a):\n  %b = aten::add(%a\n  return (%b)", "expected \\) but found 'return'"),
        ("", "expected ident but found 'eof'"),
        ("graph(%a):\n  %b : Q = aten::add(%a)\n  return (%b)", "unknown type specifier"),
        ("graph(%a : __torch__.Foo):\n  return (%a)", "Expected classes namespace but got Foo"),
        (
            "graph():\n  %2 : Tensor = prim::Constant[value=<Tensor>]()\n  return (%2)",
            "`parse_tensor_constants`",
        ),
    ],
)
def test_what_cannot_be_read_says_where(text, message):
    with pytest.raises(RuntimeError, match=message):
        torch.parse_ir(text)


def test_constants_of_every_kind_read():
    text = (
        "graph():\n  %0 : Tensor = foo::bar[i=-3, f=0.5, g=inf, h=[True, False], k=[-1.5, nan], "
        's="a\\n", t=["x"], y=int[], z=[int, Tensor?], c=1.+2.j, u=(1, "a"), n=None]()\n'
        "  return (%0)\n"
    )
    node = torch.parse_ir(text).findNode("foo::bar")
    assert str(node) == text.splitlines()[1].strip() + "\n"
    assert [node.kindOf(n) for n in node.attributeNames()] == [
        "i", "f", "f", "ival", "ival", "s", "ival", "ty", "tys", "c", "ival", "ival",
    ]  # fmt: skip


def test_tensor_constants_read_if_asked_for():
    text = (
        "graph():\n  %0 : Float(2, 3) = prim::Constant[value=<Tensor>]()\n"
        "  %1 : Tensor = prim::Constant[value={3}]()\n  return (%0, %1)"
    )
    made = [v.toIValue() for v in torch.parse_ir(text, parse_tensor_constants=True).outputs()]
    assert made[0].shape == (2, 3) and made[1].item() == 3


def test_nodes_come_and_go():
    graph = torch.Graph()
    x = graph.addInput("x")
    relu = graph.insertNode(graph.create("aten::relu", [x]))
    first = graph.prependNode(graph.create("aten::neg", [x]))
    last = graph.appendNode(graph.create("aten::abs", [first.output()], 1))
    graph.registerOutput(last.output())
    assert [n.kind() for n in graph.nodes()] == ["aten::neg", "aten::relu", "aten::abs"]
    assert first.isBefore(relu) and last.isAfter(relu) and relu.prev() is first
    assert [u.user for u in x.uses()] == [relu, first]
    relu.moveBefore(first)
    assert [n.kind() for n in graph.nodes()][0] == "aten::relu"
    with pytest.raises(RuntimeError, match="are used"):
        first.destroy()
    relu.destroy()
    graph.lint()
    last.replaceInput(0, x)
    first.destroy()
    assert graph.findNode("aten::neg") is None and len(x.uses()) == 1
    copied = graph.insertGraph(graph.copy(), [x])
    assert [v.node().kind() for v in copied] == ["aten::abs"]


def test_order_holds_across_blocks():
    graph = torch.parse_ir(TEXT)
    relu, mul = graph.findNode("aten::relu"), graph.findNode("aten::mul")
    assert relu.isBefore(mul) and mul.isAfter(relu)
    assert graph.findAllNodes("aten::relu", recurse=False) == []
    for _ in range(40):  # between the same two nodes, until they have to be numbered anew
        graph.create("aten::neg", [next(graph.inputs())]).insertBefore(
            mul.owningBlock().owningNode()
        )
    order = [n.kind() for n in graph.nodes()]
    assert order.count("aten::neg") == 40 and relu.isBefore(mul)


def test_inputs_keep_their_uses_in_order():
    graph = torch.Graph()
    x, y = graph.addInput("x"), graph.addInput("y")
    node = graph.insertNode(graph.create("foo::bar", [x, y, x], 2))
    node.removeInput(0)
    assert [v.debugName() for v in node.inputs()] == ["y", "x"]
    assert [u.offset for u in x.uses()] == [1] and [u.offset for u in y.uses()] == [0]
    node.insertInput(0, x)
    node.replaceInputWith(x, y)
    assert not x.uses() and [u.offset for u in y.uses()] == [1, 2, 0] or len(y.uses()) == 3
    graph.lint()
    graph.permuteInputs([1, 0])
    assert [v.debugName() for v in graph.inputs()] == ["y", "x"]
    graph.eraseInput(1)
    with pytest.raises(RuntimeError, match="has 2 outputs"):
        node.output()


def test_attributes_have_kinds():
    node = torch.Graph().create("aten::add", [], 1)
    node.i_("k", 3).f_("f", 0.5).s_("s", 'q"').is_("is", [1, 2]).t_("t", torch.ones(2))
    node.ty_("ty", torch.IntType.get()).ival_("iv", [1]).c_("c", 1j).ss_("ss", ["a"])
    assert (node.i("k"), node.f("f"), node.s("s"), getattr(node, "is")("is")) == (
        3, 0.5, 'q"', [1, 2],
    )  # fmt: skip
    assert [node.kindOf(n) for n in node.attributeNames()][:4] == ["i", "f", "s", "is"]
    with pytest.raises(RuntimeError, match="has the wrong type"):
        node.f("k")
    with pytest.raises(RuntimeError, match="is undefined"):
        node.removeAttribute("none")
    assert "[k=3, f=0.5, s=" in str(node)


def test_lint_finds_what_is_broken():
    graph = torch.parse_ir(TEXT)
    relu = graph.findNode("aten::relu")
    graph.findNode("prim::If").moveAfter(graph.findNode("prim::Loop"))
    with pytest.raises(RuntimeError, match="used before it is there"):
        graph.lint()
    other = torch.parse_ir(TEXT)
    other.findNode("prim::If").blocks_[0].ret.removeInput(0)
    with pytest.raises(RuntimeError, match="do not give its outputs"):
        other.lint()
    assert relu.owningBlock() is not None


def test_calls_follow_schemas():
    graph = torch.Graph()
    x = graph.addInput("x")
    total = graph.insert("aten::add", [x, 1])
    assert str(total.node()).strip() == "%3 : Tensor = aten::add(%x, %1, %2)"
    conv = graph.insert("aten::conv2d", [x, x], {"stride": 2})
    assert "prim::ListConstruct" in str(graph) and conv.node().inputsSize() == 7
    pair = graph.insert("aten::max", [x, 1])
    assert pair.node().kind() == "prim::TupleConstruct" and pair.type().fields == (
        "values", "indices",
    )  # fmt: skip
    assert total.node().schema().startswith("aten::add.Scalar(Tensor self, Scalar other")
    assert total.node().matches(
        "aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"
    )
    assert total.node().namedInput("alpha").toIValue() == 1
    with pytest.raises(RuntimeError, match="Unknown builtin op: aten::mulq"):
        graph.insert("aten::mulq", [x])
    with pytest.raises(RuntimeError, match="Expected a value of type 'Tensor' for argument"):
        graph.insert("aten::add", [x, "a"])
    with pytest.raises(RuntimeError, match="all symbols must have a namespace"):
        graph.create("add")


def test_a_graph_gives_one_tuple_if_asked():
    graph = torch.parse_ir("graph(%a : int, %b : Tensor):\n  return (%a, %b)")
    graph.makeMultiOutputIntoTuple()
    assert str(graph).endswith("%2 : (int, Tensor) = prim::TupleConstruct(%a, %b)\n  return (%2)\n")


def test_filecheck_reads_graphs():
    graph = torch.parse_ir(TEXT)
    torch._C.FileCheck().check("aten::gt").check_next("prim::If").check_not("aten::add").run(
        str(graph)
    )
    with pytest.raises(RuntimeError):
        torch._C.FileCheck().check("aten::add").run(str(graph))
