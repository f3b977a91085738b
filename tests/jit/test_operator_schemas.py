"""Schemas: their text, that they are PyTorch's, and that what they name runs."""

import pytest

import rushlight as torch
from rushlight.jit import _schema

EXACT = """
aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor
aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor
aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)
aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]
aten::append.t(t[](a!) self, t(c -> *) el) -> t[](a!)
aten::items.str(Dict(str, t) self) -> ((str, t)[])
aten::format(str self, ...) -> str
prim::Print(...) -> ()
prim::TupleUnpack(Any tup) -> ...
""".strip().splitlines()  # noqa: E501


@pytest.mark.parametrize("text", EXACT)
def test_a_schema_reads_and_prints(text):
    schema = torch.parse_schema(text)
    assert str(schema) == text
    assert torch.parse_schema(str(schema)) == schema
    assert _schema.find_schema(text) == schema


def test_what_a_schema_says_of_its_arguments():
    schema = torch.parse_schema("f::g.o(Tensor(a!) self, int[2] k=1, *, ScalarType? d=None) -> ()")
    own, size, dtype = schema.arguments
    assert (schema.name, schema.overload_name, schema.is_mutable) == ("f::g", "o", True)
    assert own.is_write and own.alias_info.before_set == {"alias::a"}
    assert (size.N, size.default_value, size.has_default_value()) == (2, [1, 1], True)
    assert (str(dtype.type), str(dtype.real_type)) == ("Optional[int]", "Optional[ScalarType]")
    assert dtype.kwarg_only and not size.kwarg_only
    view = _schema.find_schema("aten::t(Tensor(a) self) -> Tensor(a)")
    assert view._is_view_op() and not view.is_mutable


GROWN = """
any.over(Tensor self, *, Tensor b) -> Tensor
any.over(Tensor self, *, Tensor b, ...) -> Tensor
any.over(Tensor self, *, Tensor b) -> (Tensor, Tensor)
any.over(Tensor self, *, Tensor b) -> Tensor?
any.over(Tensor self, *, Tensor b) -> Tensor out
any.over(Tensor self, *, Tensor b, int c) -> Tensor
any.over(Tensor self, *, Tensor b, int c, int d) -> Tensor
any.over(Tensor self, *, Tensor b, int c, int d=1) -> Tensor
any.over(Tensor self, int d=1, *, Tensor b, int c) -> Tensor
any.over(Tensor self, Tensor b, *, int c) -> Tensor
any.over(Tensor self, *, int c, Tensor b) -> Tensor
any.over(Tensor self, *, Tensor b, int? c) -> Tensor
any.over(Tensor self, *, Tensor b, int c=1) -> Tensor
any.over(Tensor self, *, Tensor b, int[] c) -> Tensor
any.over(Tensor self, *, int a, Tensor(a!) out) -> Tensor(a!)
any.over(Tensor self, *, int a, int b=1, Tensor(a!) out) -> Tensor(a!)
any.over(Tensor self, *, int b=1, int a, Tensor(a!) out) -> Tensor(a!)
any.over(Tensor self, *, int a, int b=1, Tensor(a!) out, Tensor(b!) b) -> Tensor(a!)
any.over(Tensor self, *, int a, int b=1, Tensor(b!) b, Tensor(a!) out) -> Tensor(a!)
any.over(Tensor self, int a, int b=1) -> int
any.over(Tensor self, int a, int b=1, int c=2) -> int
any.over(Tensor self, int a, int c=2, int b=1) -> int
any.over(Tensor self, int a, int b=4) -> int
any.over(Tensor self, int a, int b) -> int
any.over(Tensor self, int a, int b=1, int[2] c=1) -> int
any.over(Tensor(a) self, int dim=0, int? start=None) -> Tensor(a)
any(Tensor self, int a, int b=1) -> int
""".strip().splitlines()


def test_schemas_grow_compatibly():
    old = torch.parse_schema("f::g(Tensor a) -> Tensor")
    new = torch.parse_schema("f::g(Tensor a, int b=1) -> Tensor")
    wrong = torch.parse_schema("f::g(Tensor a, int b) -> Tensor")
    assert new.is_backward_compatible_with(old) and not wrong.is_backward_compatible_with(old)
    assert new.check_forward_compatible_with(old) == (True, "")
    fits, reason = wrong.check_forward_compatible_with(old)
    assert not fits and "did not provide a default value" in reason


def test_growth_agrees_with_pytorch():
    oracle = pytest.importorskip("torch")
    ours = [torch.parse_schema(text) for text in GROWN]
    theirs = [oracle._C.parse_schema(text) for text in GROWN]
    assert [str(s) for s in ours] == [str(s) for s in theirs]
    for i, a in enumerate(ours):
        for j, b in enumerate(ours):
            found = a.is_backward_compatible_with(b), a.check_forward_compatible_with(b)
            expected = (
                theirs[i].is_backward_compatible_with(theirs[j]),
                theirs[i].check_forward_compatible_with(theirs[j]),
            )
            assert found == expected, (GROWN[i], GROWN[j])


@pytest.mark.parametrize(
    "text",
    [
        "f::g(Q a) -> Tensor",
        "f::g(Tensor a -> Tensor",
        "f::g(Tensor a",
        "f::g.default() -> ()",
        "f::g(int a=0, ...) -> ()",
    ],
)
def test_what_is_no_schema_raises(text):
    with pytest.raises(RuntimeError):
        torch.parse_schema(text)


def test_schemas_are_pytorchs():
    """Of the public operators (no quantised, private or backward ones) at least 94 in 100."""
    oracle = pytest.importorskip("torch")
    skipped = ("miopen", "cudnn", "mkldnn", "fbgemm", "quantize", "sym_", "_", "q_", "int_repr")
    total, wrong = 0, []
    for theirs in oracle._C._jit_get_all_schemas():
        space, _, leaf = theirs.name.partition("::")
        outputs = any(a.is_out for a in theirs.arguments)
        if space != "aten" or leaf.startswith(skipped) or "backward" in leaf or outputs:
            continue
        total += 1
        if str(theirs) not in map(str, _schema.schemas_of(theirs.name)):
            wrong.append(str(theirs))
    assert total > 1700 and len(wrong) < 0.06 * total, "\n".join(wrong[:20])


def ran(name, overload, *args):
    schema = next(s for s in _schema.schemas_of(name) if s.overload_name == overload)
    return _schema.run(schema)(*args)


def test_operators_run_by_schema():
    x = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(ran("aten::add", "Tensor", x, x, 2), 3 * x)
    assert ran("aten::sum", "dim_IntList", x, [1], True, 7).dtype is torch.float64
    assert ran("aten::to", "dtype", x, 3, False, False, None).dtype is torch.int32
    assert ran("aten::max_pool2d", "", x[None, None], [2, 2], [], [0, 0], [1, 1], False).shape == (
        1, 1, 1, 1,
    )  # fmt: skip
    assert ran("aten::mse_loss", "", x, x + 1, 2).item() == 6
    assert ran("aten::std", "correction", x, [1], 0, False).shape == (2,)
    assert ran("aten::arange", "start", 1, 5, None, None, None, None).tolist() == [1, 2, 3, 4]
    assert ran("aten::upsample_nearest2d", "", x[None, None], [4, 6], None, None).shape[-1] == 6
    assert [len(t) for t in ran("aten::split", "Tensor", x, 1, 0)] == [1, 1]
    assert ran("prim::dtype", "", x) == 6


def test_forms_with_out_write_where_they_are_told():
    x = torch.tensor([[1.0, 5.0], [7.0, 2.0]])
    out, values, places = torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64)
    assert ran("aten::add", "out", x, x, 2, out) is out and torch.equal(out, 3 * x)
    ran("aten::sort", "out", x, -1, True, values, places)
    assert values.tolist() == [[5, 1], [7, 2]] and places.tolist() == [[1, 0], [0, 1]]

    source = "def program(x, out):\n    torch.mean(x, [1], out=out)\n    return out + 1\n"
    program = torch.jit.CompilationUnit(source).program
    assert program(x, torch.zeros(2)).tolist() == [4, 5.5]
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        program(x.requires_grad_(), torch.zeros(2))


BELOW = [
    ("aten::_softmax", lambda lib, x, g: (x, 1, False)),
    ("aten::_log_softmax", lambda lib, x, g: (x, 1, False)),
    ("aten::_softmax_backward_data", lambda lib, x, g: (g, lib.softmax(x, 1), 1, 6)),
    ("aten::_log_softmax_backward_data", lambda lib, x, g: (g, lib.log_softmax(x, 1), 1, 6)),
    ("aten::sigmoid_backward", lambda lib, x, g: (g, lib.sigmoid(x))),
    ("aten::tanh_backward", lambda lib, x, g: (g, lib.tanh(x))),
    ("aten::threshold_backward", lambda lib, x, g: (g, x, 0.1)),
    ("aten::gelu_backward", lambda lib, x, g: (g, x, "none")),
    ("aten::gelu_backward", lambda lib, x, g: (g, x, "tanh")),
    ("aten::nll_loss_forward", lambda lib, x, g: (x, lib.tensor([2, 0]), None, 1, -100)),
    ("aten::_to_copy", lambda lib, x, g: (x, 7, None, None, None, False, None)),
    ("aten::_unsafe_view", lambda lib, x, g: (x, [3, 2])),
]


@pytest.mark.parametrize(("name", "arguments"), BELOW)
def test_forms_below_the_tape_agree_with_pytorch(name, arguments):
    oracle = pytest.importorskip("torch")
    values = [[-1.5, 0.2, 2.0], [0.0, -0.3, 0.7]]
    ours = ran(name, "", *arguments(torch, torch.tensor(values), torch.tensor(values) + 1))
    made = list(arguments(oracle, oracle.tensor(values), oracle.tensor(values) + 1))
    if name.endswith(("data", "copy")):
        place = 3 if name.endswith("data") else 1
        dtype = oracle.float64 if place == 1 else oracle.float32
        made = made[:3] + [dtype] if place == 3 else made[:1]
        named = {} if place == 3 else {"dtype": dtype}
    else:
        named = {"approximate": made.pop()} if isinstance(made[-1], str) else {}
    theirs = getattr(oracle.ops.aten, name.partition("::")[2])(*made, **named)
    for mine, other in zip(_several(ours), _several(theirs), strict=True):
        assert mine.tolist() == pytest.approx(other.tolist(), abs=1e-6), name


def _several(found):
    return [t.double().flatten() for t in (found if isinstance(found, tuple) else [found])]


@pytest.mark.parametrize(
    ("name", "overload", "args", "expected"),
    [
        ("aten::pow", "int", (2, 3), 8.0),
        ("aten::pow", "int_to_int", (2, 3), 8),
        ("aten::div", "int", (7, 2), 3.5),
        ("aten::floordiv", "int", (-7, 2), -4),
        ("aten::__round_to_zero_floordiv", "int", (-7, 2), -3),
        ("aten::remainder", "int", (-7, 3), 2),
        ("aten::fmod", "int", (-7, 3), -1.0),
        ("aten::log", "float", (0.0,), float("-inf")),
        ("aten::split", "str", ("a b", None, -1), ["a", "b"]),
        ("aten::find", "", ("hello", "l", 0, -1), 2),
        ("aten::slice", "t", ([1, 2, 3], 1, None, 1), [2, 3]),
        ("aten::get", "default_str", ({"a": 1}, "b", 5), 5),
        ("aten::__range_length", "", (0, 10, 3), 4),
        ("aten::format", "", ("{}-{}", 1, "x"), "1-x"),
        ("aten::index", "list_int", ([4, 5], 5), 1),
    ],
)
def test_plain_operators_run(name, overload, args, expected):
    found = ran(name, overload, *args)
    assert found == expected and type(found) is type(expected)


def test_errors_of_plain_operators_are_the_programs():
    with pytest.raises(ZeroDivisionError):
        ran("aten::floordiv", "int", 1, 0)
    with pytest.raises(ValueError, match="is not in list"):
        ran("aten::index", "list_int", [1], 2)
    with pytest.raises(RuntimeError, match="Unwrapping null optional"):
        ran("aten::_unwrap_optional", "", None)


def test_every_schema_has_what_runs_it():
    missing = []
    for name in _schema.names():
        for schema in _schema.schemas_of(name):
            try:
                _schema.run(schema)
            except NotImplementedError:
                missing.append(str(schema))
    assert missing == ["prim::PythonOp(...) -> ..."]


def test_a_program_registers_its_own():
    schema = _schema.register("mine_of_test::double(Tensor x) -> Tensor", lambda x: 2 * x)
    assert _schema.schemas_of("mine_of_test::double") == (schema,)
    assert ran("mine_of_test::double", "", torch.ones(1)).item() == 2


def test_the_bindings_list_them():
    names = {s.name for s in torch._C._jit_get_all_schemas()}
    assert {"aten::conv2d", "aten::len", "prim::Print"} <= names
    assert torch._C._jit_get_schemas_for_operator("aten::relu")[0].name == "aten::relu"
    with pytest.raises(RuntimeError, match="type variable"):
        torch.parse_schema("f::g(t a) -> t", allow_typevars=False)
