"""Memory shared with other libraries through DLPack."""

import gc
import weakref

import pytest

import rushlight as torch
from rushlight.utils.dlpack import from_dlpack, to_dlpack

DTYPES = "float64 float32 float16 int64 int32 int16 int8 uint8 bool complex64 complex128"


@pytest.mark.parametrize("name", DTYPES.split())
def test_numpy_sees_the_same_memory(name):
    np = pytest.importorskip("numpy")
    x = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(getattr(torch, name))
    for tensor in (x, x.t(), x[:, 1:], x[0, 0], torch.zeros(0, 3).to(x.dtype)):
        array = np.from_dlpack(tensor)
        assert array.dtype.name == name and array.tolist() == tensor.tolist()
    array = np.from_dlpack(x)
    x[0, 0] = 1
    assert array[0, 0] == 1


def test_tensors_over_arrays():
    np = pytest.importorskip("numpy")
    array = np.arange(12.0).reshape(3, 4)[:, ::2]
    tensor = torch.from_dlpack(array)
    assert tensor.tolist() == array.tolist() and tensor.stride() == (4, 2)
    tensor[0, 0] = 5.0
    assert array[0, 0] == 5.0
    del array
    gc.collect()
    assert tensor.sum().item() == 35.0
    copy = torch.from_dlpack(np.ones(3), copy=True)
    assert copy.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises((BufferError, ValueError)):
        torch.from_dlpack(np.arange(3)[::-1])


def test_capsule_is_consumed_once():
    x = torch.arange(3)
    capsule = to_dlpack(x)
    y = from_dlpack(capsule)
    assert y.data_ptr() == x.data_ptr() and y.tolist() == [0, 1, 2]
    for bad in (capsule, 5):
        with pytest.raises(RuntimeError, match="invalid capsule"):
            from_dlpack(bad)


def test_memory_lives_as_long_as_somebody_looks():
    class Watched(torch.Tensor):
        pass

    x = torch.arange(3).as_subclass(Watched)
    seen = weakref.ref(x)
    y = from_dlpack(to_dlpack(x))
    del x
    gc.collect()
    assert seen() is not None and y.tolist() == [0, 1, 2]
    del y
    gc.collect()
    assert seen() is None
    unused = torch.ones(2).as_subclass(Watched)
    seen = weakref.ref(unused)
    capsule = to_dlpack(unused)
    del unused, capsule
    gc.collect()
    assert seen() is None


def test_gradients_do_not_travel():
    with pytest.raises(BufferError, match="detach"):
        to_dlpack(torch.ones(2, requires_grad=True))


def test_device_is_told():
    kind, index = torch.ones(1).__dlpack_device__()
    assert (kind.name, index) == ("kDLCPU", 0)


def test_exchange_with_pytorch():
    theirs = pytest.importorskip("torch")
    for name in (*DTYPES.split(), "bfloat16"):
        x = torch.tensor([0, 1, 1]).to(getattr(torch, name))
        there = theirs.from_dlpack(x)
        assert str(there.dtype) == str(x.dtype) and there.data_ptr() == x.data_ptr()
        back = torch.from_dlpack(there)
        assert back.dtype == x.dtype and back.tolist() == x.tolist()
