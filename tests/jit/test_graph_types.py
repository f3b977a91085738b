"""Types of graphs: how they print, which fits where, what two have in common."""

import pytest

import rushlight as torch
from rushlight.jit._types import parse_type

TENSOR, INT, FLOAT = torch.TensorType.get(), torch.IntType.get(), torch.FloatType.get()
STR, NONE, BOOL = torch.StringType.get(), torch.NoneType.get(), torch.BoolType.get()
# how a schema writes it, how a program writes it, the name of its class
TEXTS = [
    ("Tensor", "Tensor", "TensorType"),
    ("int", "int", "IntType"),
    ("Scalar", "number", "NumberType"),
    ("int[]", "List[int]", "ListType"),
    ("Tensor?[]", "List[Optional[Tensor]]", "ListType"),
    ("float[][]", "List[List[float]]", "ListType"),
    ("Dict(str, Tensor)", "Dict[str, Tensor]", "DictType"),
    ("(int, Tensor)", "Tuple[int, Tensor]", "TupleType"),
    ("()", "Tuple[()]", "TupleType"),
    ("int[]?", "Optional[List[int]]", "OptionalType"),
    ("Union(int, str)", "Union[int, str]", "UnionType"),
    ("Future[int]", "Future[int]", "FutureType"),
    ("Await(int)", "Await[int]", "AwaitType"),
    ("Device", "Device", "DeviceObjType"),
    ("SymInt", "int", "SymIntType"),
]


def some_types(lib):
    tensor, whole, text = lib.TensorType.get(), lib.IntType.get(), lib.StringType.get()
    lists = [lib.ListType(t) for t in (tensor, whole, lib.OptionalType(tensor))]
    return [
        tensor, whole, text, lib.FloatType.get(), lib.BoolType.get(), lib.NoneType.get(),
        lib.AnyType.get(), lib.NumberType.get(), lib.ComplexType.get(), lib.DeviceObjType.get(),
        *lists, lib.DictType(text, tensor), lib.DictType(text, whole),
        lib.TupleType([whole, tensor]), lib.TupleType([]), lib.OptionalType(tensor),
        lib.OptionalType(whole), lib.UnionType([whole, text]),
        lib.UnionType([whole, text, lib.NoneType.get()]), lib.FutureType(whole),
        lib.TensorType.create_from_tensor(lib.ones(2, 3)),
    ]  # fmt: skip


@pytest.mark.parametrize(("ir", "annotation", "kind"), TEXTS)
def test_a_type_reads_and_prints(ir, annotation, kind):
    found = parse_type(ir)
    assert (found.str(), str(found), found.annotation_str) == (ir, annotation, annotation)
    assert found.kind() == kind == type(found).__name__


def test_a_tensor_type_says_what_it_knows():
    known = torch.TensorType.create_from_tensor(torch.ones(2, 3))
    assert known.str() == "Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu)"
    assert (known.dim(), known.sizes(), known.strides()) == (2, [2, 3], [3, 1])
    assert known.dtype() is torch.float32 and known.scalarType() == "Float"
    assert known.with_sizes([None, 3]).varyingSizes() == [None, 3]
    assert known.with_sizes([None, 3]).sizes() is None
    assert known.with_dtype(torch.int64).contiguous().str().startswith("Long(2, 3, strides=[3, 1]")
    assert str(known) == "Tensor" and TENSOR.dim() is None
    with pytest.raises(RuntimeError, match="only tensor types"):
        INT.dim()


def test_which_type_fits_where():
    known = torch.TensorType.create_from_tensor(torch.ones(2))
    assert known.isSubtypeOf(TENSOR) and not TENSOR.isSubtypeOf(known)
    assert INT.isSubtypeOf(torch.NumberType.get()) and not BOOL.isSubtypeOf(INT)
    assert NONE.isSubtypeOf(torch.OptionalType(INT)) and INT.isSubtypeOf(torch.OptionalType(INT))
    # A list may be written through the wider type: elements must be the same.
    assert not torch.ListType(INT).isSubtypeOf(torch.ListType(torch.OptionalType(INT)))
    assert torch.ListType(known).isSubtypeOf(torch.ListType(TENSOR))
    assert torch.TupleType([INT]).isSubtypeOf(torch.TupleType([torch.OptionalType(INT)]))


def test_what_two_types_have_in_common():
    assert torch.unify_type_list([INT, NONE]) == torch.OptionalType(INT)
    mixed = [torch.TupleType([INT, NONE]), torch.TupleType([NONE, INT])]
    assert str(torch.unify_type_list(mixed)) == "Tuple[Optional[int], Optional[int]]"
    with pytest.raises(RuntimeError, match="Could not unify type list since element 1"):
        torch.unify_type_list([INT, FLOAT])
    with pytest.raises(RuntimeError, match="empty list"):
        torch.unify_type_list([])


def test_a_union_is_made_small():
    assert str(torch.UnionType([INT, NONE])) == "Optional[int]"
    assert str(torch.UnionType([torch.UnionType([INT, STR]), INT, NONE])).count("int") == 1
    with pytest.raises(RuntimeError, match="single type"):
        torch.UnionType([INT, INT])
    with pytest.raises(RuntimeError, match="Cannot create dict for key type"):
        torch.DictType(torch.ListType(INT), INT)
    with pytest.raises(TypeError, match="expected a torch._C.Type"):
        torch.ListType(3)


def test_types_equal_by_what_they_say():
    assert torch.ListType(INT) == torch.ListType(INT) and INT is torch.IntType.get()
    assert torch.ListType(INT) != torch.ListType(FLOAT)
    assert torch.ListType.ofInts() == torch.ListType(INT)
    assert torch.ClassType("__torch__.A") != torch.ClassType("__torch__.A")


def test_an_inferred_type_is_one_or_a_reason():
    assert torch.InferredType(INT).type() is INT
    failed = torch.InferredType("no such type")
    assert not failed.success() and failed.reason() == "no such type"
    with pytest.raises(RuntimeError, match="no such type"):
        failed.type()


def test_every_pair_agrees_with_pytorch():
    oracle = pytest.importorskip("torch")
    ours, theirs = some_types(torch), some_types(oracle)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.str(), str(mine), mine.kind()) == (other.str(), str(other), other.kind())
    wrong = [
        (str(a), str(b))
        for i, a in enumerate(ours)
        for j, b in enumerate(ours)
        if a.isSubtypeOf(b) != theirs[i].isSubtypeOf(theirs[j])
    ]
    assert wrong == []


def test_every_unification_agrees_with_pytorch():
    oracle = pytest.importorskip("torch")
    ours, theirs = some_types(torch), some_types(oracle)

    def unified(lib, types):
        try:
            return lib.unify_type_list(types).str()
        except RuntimeError:
            return "none"

    wrong = [
        (str(a), str(b), unified(torch, [a, b]), unified(oracle, [theirs[i], theirs[j]]))
        for i, a in enumerate(ours)
        for j, b in enumerate(ours)
        if unified(torch, [a, b]) != unified(oracle, [theirs[i], theirs[j]])
    ]
    assert wrong == []
