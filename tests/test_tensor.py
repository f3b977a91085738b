"""Tensors: making, promotion, views, indexing, bridges to NumPy and DLPack, errors, memory."""

from __future__ import annotations

import array
import copy
import itertools
import os
import pickle

import numpy as np
import pytest

import rushlight as torch

DTYPES = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()


def dtype(name):
    return getattr(torch, name)


# -- making ------------------------------------------------------------------------------------


def test_dtype_is_inferred_from_data():
    assert torch.tensor([1, 2]).dtype == torch.int64
    assert torch.tensor([1, 2.5]).dtype == torch.float32
    assert torch.tensor([True, False]).dtype == torch.bool
    assert torch.tensor([1, 2j]).dtype == torch.complex64
    assert torch.tensor([]).dtype == torch.float32
    assert torch.tensor([np.float64(1)]).dtype == torch.float64
    assert torch.tensor(3).shape == () and torch.tensor([[]]).shape == (1, 0)


def test_ragged_and_strange_data_is_refused():
    with pytest.raises(ValueError, match="expected sequence of length 2 at dim 1"):
        torch.tensor([[1, 2], [3]])
    with pytest.raises(TypeError, match="not a sequence"):
        torch.tensor([[1], 2])
    with pytest.raises(TypeError):
        torch.tensor(["a"])
    with pytest.raises(RuntimeError, match="negative dimension"):
        torch.zeros(2, -1)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        torch.empty(2**60)


def test_a_tensor_among_numbers_is_one_number_whatever_its_shape():
    one = torch.ones(1)
    assert torch.tensor([one, 2]).tolist() == [1.0, 2.0]
    assert torch.tensor([torch.ones(1, 1), torch.tensor(3)]).tolist() == [1.0, 3.0]
    assert torch.as_tensor(([one], [one])).shape == (2, 1)
    assert torch.Tensor([one, one]).shape == one.new_tensor([one, 0]).shape == (2,)
    for data in ([torch.ones(2)] * 2, [1, torch.ones(0)], (torch.ones(2, 1, requires_grad=True),)):
        with pytest.raises(ValueError, match="only one element tensors can be converted"):
            torch.tensor(data)


def test_dtypes_print_and_pickle_as_pytorchs():
    for name in DTYPES:
        assert repr(dtype(name)) == f"torch.{name}"
        assert pickle.loads(pickle.dumps(dtype(name))) is dtype(name)
        assert copy.deepcopy(dtype(name)) is dtype(name)
    assert torch.float is torch.float32 and torch.long is torch.int64


def test_size_is_a_tuple():
    s = torch.zeros(2, 3).shape
    assert s == (2, 3) and repr(s) == "torch.Size([2, 3])" and s.numel() == 6
    assert isinstance(s[:1], torch.Size) and isinstance(s + (1,), torch.Size)
    assert pickle.loads(pickle.dumps(s)) == s


# -- promotion -----------------------------------------------------------------------------------


def test_promotion_has_three_ranks():
    i, u = torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.uint8)
    assert (i + 1.5).dtype == torch.float32 and (i * 2).dtype == torch.int64
    assert (u + (-1)).dtype == torch.uint8 and (u + (-1)).tolist() == [0, 1]
    assert (i + torch.tensor(1.5, dtype=torch.float64)).dtype == torch.float64
    assert (torch.ones(2) * torch.tensor(2.0, dtype=torch.float64)).dtype == torch.float32
    assert (torch.ones(2) + 1j).dtype == torch.complex64
    assert (torch.tensor([True]) + 1).dtype == torch.int64
    assert (
        torch.ones(1, dtype=torch.float16) + torch.ones(1, dtype=torch.bfloat16)
    ).dtype == torch.float32
    assert (u + 300).tolist() == [45, 46]  # an operand wraps, a value to be written does not
    with pytest.raises(RuntimeError, match="cannot be converted to type uint8 without overflow"):
        u.fill_(300)


def test_promotion_equals_pytorchs_for_every_pair():
    oracle = pytest.importorskip("torch")
    for a, b in itertools.product(DTYPES, DTYPES):
        want = str(oracle.promote_types(getattr(oracle, a), getattr(oracle, b)))
        assert str(torch.promote_types(dtype(a), dtype(b))) == want
        for sa, sb in itertools.product([(2,), ()], repeat=2):
            want = oracle.result_type(
                oracle.ones(sa, dtype=getattr(oracle, a)), oracle.ones(sb, dtype=getattr(oracle, b))
            )
            got = torch.result_type(torch.ones(sa, dtype=dtype(a)), torch.ones(sb, dtype=dtype(b)))
            assert str(got) == str(want), (a, sa, b, sb)
        for number in (True, 2, 2.5, 2j):
            want = oracle.result_type(oracle.ones(2, dtype=getattr(oracle, a)), number)
            assert str(torch.result_type(torch.ones(2, dtype=dtype(a)), number)) == str(want)


def test_in_place_results_must_fit_the_dtype():
    i = torch.tensor([1, 2])
    with pytest.raises(
        RuntimeError, match="result type Float can't be cast to the desired output type Long"
    ):
        i.add_(1.5)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(3).add_(torch.ones(2, 3))
    assert i.tolist() == [1, 2]


def test_integers_wrap_and_refuse_division_by_zero():
    assert (torch.tensor([127], dtype=torch.int8) + 1).tolist() == [-128]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.tensor([1, 2]) // torch.tensor([1, 0])


# -- views and indexing ----------------------------------------------------------------------------


def test_views_share_storage():
    x = torch.arange(12).reshape(3, 4)
    for v in (x.view(12), x.t(), x[1], x[:, 1:3], x.unsqueeze(0), x.transpose(0, 1), x.flatten()):
        assert v._storage_id() == x._storage_id() if hasattr(v, "_storage_id") else False
    x[1, 2] = 100
    assert x.view(-1)[6].item() == 100 and x.t()[2, 1].item() == 100
    assert x.reshape(4, 3)._base is not None


def test_view_refuses_what_strides_do_not_allow():
    x = torch.arange(6).reshape(2, 3).t()
    with pytest.raises(RuntimeError, match=r"Use .reshape\(...\) instead"):
        x.view(6)
    assert x.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    with pytest.raises(RuntimeError, match=r"shape '\[4, 2\]' is invalid for input of size 6"):
        x.reshape(4, 2)


def test_expanded_memory_refuses_in_place():
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        torch.zeros(1, 3).expand(2, 3).add_(1)


def test_in_place_over_part_of_an_operand_raises_and_changes_nothing():
    x = torch.arange(6.0)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to"):
        x[1:].add_(x[:-1])
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    y = torch.arange(6.0).reshape(3, 2)
    y[:, 1:].add_(y[:, :-1])  # with gaps between their rows the two are not told apart
    assert y.tolist() == [[0, 1], [2, 5], [4, 9]]


@pytest.mark.parametrize(
    "index",
    [
        0, -1, slice(1, 3), (slice(None), 1), (..., -1), (None, 0), (0, None, slice(None, None, 2)),
        [0, 2], ([0, 2], [1, 3]), (slice(None), [0, 0, 3]), (slice(1, None), np.array([1, 2])),
        ([[0], [2]], [[1, 2]]), (slice(None), None, [1]), np.array([True, False, True]),
        (np.array([0, 1]), slice(None), np.array([2, 3])), (True,),
        (..., [1, 2]), (0, [True, False, True, True]),
    ],
    ids=str,
)  # fmt: skip
def test_indexing_and_assignment_agree_with_numpy(index):
    a = np.arange(3 * 4 * 5.0).reshape(3, 4, 5)
    if (
        isinstance(index, tuple)
        and index
        and isinstance(index[-1], list)
        and len(index[-1]) == 4
        and index[-1][0] is True
    ):
        a = a[:, :, :4]
        a = np.ascontiguousarray(a)
    t = torch.from_numpy(a.copy())
    np.testing.assert_array_equal(t[index].numpy(), a[index])
    a[index] = -1
    t[index] = -1
    np.testing.assert_array_equal(t.numpy(), a)
    values = np.random.default_rng(0).random(a[index].shape)
    a[index] = values
    t[index] = torch.from_numpy(np.array(values))
    np.testing.assert_array_equal(t.numpy(), a)


def test_index_errors():
    x = torch.zeros(3, 4)
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        x[3]
    with pytest.raises(IndexError, match="too many indices for tensor of dimension 2"):
        x[0, 0, 0]
    with pytest.raises(IndexError, match="out of bounds"):
        x[torch.tensor([0, 5])]
    with pytest.raises(IndexError, match="0-dim tensor"):
        torch.tensor(1)[0]
    with pytest.raises(ValueError, match="step must be greater than zero"):
        x[::-1]
    with pytest.raises(IndexError, match="The shape of the mask"):
        x[torch.zeros(4, dtype=torch.bool)]
    before = x.clone()
    with pytest.raises(IndexError):
        x[torch.tensor([0, 9])] = 1.0
    assert torch.equal(x, before)


def test_iteration_unpacks_rows():
    a, b = torch.tensor([[1, 2], [3, 4]])
    assert a.tolist() == [1, 2] and b.tolist() == [3, 4]
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))
    assert len(torch.zeros(3, 2)) == 3 and 2 in torch.tensor([1, 2])


# -- bridges ---------------------------------------------------------------------------------------


def test_numpy_shares_memory_both_ways():
    a = np.arange(6, dtype=np.float64).reshape(2, 3)
    t = torch.from_numpy(a)
    assert t.dtype == torch.float64 and t.stride() == (3, 1)
    t[0, 0] = 50
    a[1, 2] = 60
    assert a[0, 0] == 50 and t[1, 2].item() == 60
    back = t.t().numpy()
    back[0, 1] = 70
    assert t[1, 0].item() == 70 and back.strides == (8, 24)
    np.add(a, 1, out=a)
    assert t[0, 0].item() == 51


def test_numpy_bridge_covers_dtypes_and_refuses_the_rest():
    for name in (
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ):
        a = np.ones((2, 2), name)
        assert str(torch.from_numpy(a).dtype) == f"torch.{name}"
        assert torch.from_numpy(a).numpy().dtype == a.dtype
    with pytest.raises(TypeError, match="can't convert np.ndarray of type"):
        torch.from_numpy(np.array(["a"]))
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(np.arange(3)[::-1])
    with pytest.raises(TypeError):
        torch.ones(1, dtype=torch.bfloat16).numpy()


def test_array_keeps_its_owner_alive():
    t = torch.from_numpy(np.arange(1000.0))
    view = t[10:20]
    del t
    assert view.tolist() == list(range(10, 20))


def test_numpy_functions_take_tensors():
    assert np.sqrt(torch.tensor([4.0])).tolist() == [2.0]
    assert np.asarray(torch.tensor([1, 2])).dtype == np.int64


def test_dlpack_goes_both_ways_without_a_copy():
    t = torch.arange(6.0).reshape(2, 3)
    a = np.from_dlpack(t)
    a[0, 0] = 9
    assert t[0, 0].item() == 9
    back = torch.from_dlpack(a)
    back[1, 1] = 8
    assert t[1, 1].item() == 8


def test_buffers_become_tensors():
    t = torch.frombuffer(bytearray(b"\x01\x00\x02\x00"), dtype=torch.int16)
    assert t.tolist() == [1, 2]
    with pytest.raises(ValueError):
        torch.frombuffer(bytearray(3), dtype=torch.int16)


# -- out=, copies, pickling ------------------------------------------------------------------


def test_asarray_shares_what_has_memory():
    buffer = array.array("f", [1, 2])
    shared, copied = torch.asarray(buffer, copy=False), torch.asarray(buffer, copy=True)
    buffer[0] = 7
    assert shared.tolist() == torch.asarray(buffer).tolist() == [7.0, 2.0]
    assert copied.tolist() == [1.0, 2.0]
    assert torch.asarray(bytearray(b"ab"), dtype=torch.uint8).tolist() == [97, 98]
    assert torch.asarray(buffer, dtype=torch.int32).tolist() == [0x40E00000, 0x40000000]
    with pytest.raises(ValueError, match="both buffer length"):
        torch.asarray(array.array("f"))
    ndarray = np.zeros(2)
    torch.asarray(ndarray)[0] = 1
    assert ndarray[0] == 1
    for given, message in (
        (torch.asarray(ndarray).float(), "dtype 'Float' into dtype 'Double'"), ([1], "sequence"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"can't alias .*{message}"):
            torch.asarray(given, dtype=torch.float64, copy=False)
    with pytest.raises(RuntimeError, match="can't alias NumPy scalars"):
        torch.asarray(np.float32(1), copy=False)


def test_asarray_keeps_a_tensor_and_its_history_unless_told():
    x = torch.ones(2)
    assert torch.asarray(x) is x
    y = torch.ones(2, requires_grad=True) * 2
    torch.set_warn_always(True)
    try:
        with pytest.warns(UserWarning, match="requires_grad now defaults to obj.requires_grad"):
            assert torch.asarray(y) is y
    finally:
        torch.set_warn_always(False)
    assert torch.asarray(y, copy=True, requires_grad=True).grad_fn is not None
    assert not torch.asarray(y, requires_grad=False).requires_grad
    assert torch.asarray([1.0], requires_grad=True).requires_grad


def test_out_is_filled_and_returned():
    out = torch.empty(3)
    got = torch.mul(torch.tensor([1.0, 2, 3]), 2, out=out)
    assert got is out and out.tolist() == [2, 4, 6]
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.add(torch.ones(2), 1, out=out)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.mul(torch.ones(2), 2.5, out=torch.empty(2, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.mul(torch.ones(2, requires_grad=True), 2, out=torch.empty(2))


def test_pickling_and_deepcopy_keep_values_and_flags():
    t = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    back = pickle.loads(pickle.dumps(t))
    assert torch.equal(back, t) and back.requires_grad and back.stride() == t.stride()
    other = copy.deepcopy(t)
    with torch.no_grad():
        other[0, 0] = 9
    assert t[0, 0].item() == 0
    a, b = copy.deepcopy((t.detach(), t.detach()[0]))
    a[0, 0] = 7
    assert b[0].item() == 7
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(t * 2)


def test_subclasses_stay_subclasses():
    class Mine(torch.Tensor):
        pass

    m = torch.ones(2).as_subclass(Mine)
    assert type(m + 1) is Mine and type(torch.exp(m)) is Mine and type(m[0]) is Mine
    seen = []

    class Loud(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    x = torch.ones(2).as_subclass(Loud)
    assert type(torch.mul(x, 2)) is Loud and seen[-1] == "mul"


class _Marked(torch.Tensor):
    asked = 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.asked += 1
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.mark.parametrize("make", (torch.Tensor, torch.FloatTensor, torch.ones(1).new, _Marked))
def test_a_tensor_made_of_a_tensor_keeps_its_history(make):
    w = torch.ones(2, requires_grad=True)
    for source in (w, w * 2):
        made = make(source)
        assert made is not source and made.data_ptr() == source.data_ptr()
        assert type(made) is (_Marked if make is _Marked else torch.Tensor)
        w.grad = None
        made.square().sum().backward()
        assert w.grad.tolist() == ([2.0, 2.0] if source is w else [8.0, 8.0])
    assert make(source).grad_fn.name() == "AliasBackward0"
    assert not make(source.detach()).requires_grad
    before = _Marked.asked
    assert type(torch.Tensor(_Marked(w))) is torch.Tensor and _Marked.asked == before


def test_tensors_take_attributes_and_weak_references():
    import weakref

    t = torch.ones(1)
    t.note = "kept"
    ref = weakref.ref(t)
    assert ref() is t and t.note == "kept"
    del t
    assert ref() is None


def test_truth_and_numbers():
    assert bool(torch.tensor([2])) and not torch.tensor(0.0)
    assert float(torch.tensor(2.5)) == 2.5 and int(torch.tensor(2.7)) == 2
    assert [10, 20, 30][torch.tensor(1)] == 20
    with pytest.raises(
        RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"
    ):
        bool(torch.ones(2))
    with pytest.raises(
        RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"
    ):
        torch.ones(2).item()
    with pytest.raises(TypeError, match="only integer tensors"):
        [1, 2][torch.tensor(1.0)]
    assert f"{torch.tensor(3.14159):.2f}" == "3.14"
    assert (torch.ones(2) == None) is False  # noqa: E711
    assert hash(torch.ones(1)) != hash(torch.ones(1))


def test_devices():
    assert torch.ones(1).device == torch.device("cpu") and str(torch.device("cuda", 1)) == "cuda:1"
    assert repr(torch.device("cpu")) == "device(type='cpu')"
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    with pytest.raises((RuntimeError, AssertionError)):
        torch.ones(1, device="cuda")
    with pytest.raises(RuntimeError, match="Expected one of"):
        torch.device("toaster")


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="blocks go to the system")
def test_memory_is_reused_and_counted():
    torch._C.empty_cache()
    rest = torch._C.memory_stats()["cached_bytes"]  # of slabs that small blocks are in use of
    x = torch.empty(1 << 20)
    stats = torch._C.memory_stats()
    assert stats["allocated_bytes"] >= 4 << 20 and stats["peak_bytes"] >= stats["allocated_bytes"]
    address = x.data_ptr()
    del x
    assert torch._C.memory_stats()["cached_bytes"] >= 4 << 20
    assert torch.empty(1 << 20).data_ptr() == address
    torch._C.empty_cache()
    assert torch._C.memory_stats()["cached_bytes"] < rest + (1 << 20)


def test_arguments_are_checked_by_name():
    x = torch.ones(2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        torch.add(x, 1, colour=3)
    with pytest.raises(TypeError, match="multiple values for argument 'other'"):
        torch.add(x, 1, other=1)
    with pytest.raises(TypeError, match="missing 1 required"):
        torch.add(x)
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        torch.add(x, "a")
    assert torch.sum(torch.ones(2, 3), axis=1, keepdims=True).shape == (2, 1)


def test_copy_takes_numbers():
    x = torch.zeros(2)
    assert x.copy_(2.5).tolist() == [2.5, 2.5] and x.copy_(True).tolist() == [1.0, 1.0]
    whole = torch.zeros(2, dtype=torch.int64)
    assert whole.copy_(2.5).tolist() == [2, 2] and whole.copy_(2**40).tolist() == [2**40] * 2
    y = torch.ones(2, requires_grad=True)
    z = y * 2
    z.copy_(3)
    z.sum().backward()
    assert y.grad.tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        x.copy_("1")
