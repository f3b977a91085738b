"""Storages: the memory behind tensors, as bytes and as numbers."""

import copy
import pickle

import pytest

import rushlight as torch


def test_views_have_one_storage():
    x = torch.arange(6, dtype=torch.uint8)
    storage = x.untyped_storage()
    assert storage is x[2:].untyped_storage() and storage is x.view(2, 3).t().untyped_storage()
    assert storage.nbytes() == storage.size() == len(storage) == 6
    assert storage.tolist() == list(storage) == [0, 1, 2, 3, 4, 5]
    assert storage.data_ptr() == x.data_ptr() and storage.element_size() == 1
    assert storage.device == torch.device("cpu") and not storage.is_cuda
    other = torch.zeros(6, dtype=torch.uint8).untyped_storage()
    assert other is not storage


def test_bytes_can_be_read_and_written():
    x = torch.zeros(4, dtype=torch.uint8)
    storage = x.untyped_storage()
    storage[1] = 7
    assert x.tolist() == [0, 7, 0, 0] and storage[1] == 7 and storage[-3] == 7
    storage[2:] = 9
    assert storage[1:3].tolist() == [7, 9]
    storage.fill_(1)
    assert x.tolist() == [1, 1, 1, 1]
    storage.copy_(torch.UntypedStorage([5, 6, 7, 8]))
    assert x.tolist() == [5, 6, 7, 8]
    with pytest.raises(IndexError, match="out of range"):
        storage[4]
    with pytest.raises(TypeError, match="can't index"):
        storage["a"]
    with pytest.raises(RuntimeError, match="sizes differ"):
        storage.copy_(torch.UntypedStorage(2))


def test_making_untyped_storages():
    assert torch.UntypedStorage().nbytes() == 0 and torch.UntypedStorage(5).nbytes() == 5
    assert torch.UntypedStorage([1, 2, 3]).tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match="one of the items was of type str"):
        torch.UntypedStorage("ab")
    with pytest.raises(TypeError):
        torch.UntypedStorage(1.5)


def test_resizing_keeps_the_beginning():
    storage = torch.UntypedStorage([1, 2, 3])
    storage.resize_(5)
    assert storage.nbytes() == 5 and storage.tolist()[:3] == [1, 2, 3]
    storage.resize_(2)
    assert storage.tolist() == [1, 2]


def test_typed_storages():
    x = torch.arange(3.0)
    storage = x.storage()
    assert storage.dtype == torch.float32 and storage.tolist() == [0.0, 1.0, 2.0]
    storage[1] = 5.0
    assert x[1].item() == 5.0 and storage[1] == 5.0 and len(storage) == 3
    assert storage.type() == "torch.FloatStorage" and storage.nbytes() == 12
    assert isinstance(storage, torch.FloatStorage) and not isinstance(storage, torch.LongStorage)
    assert isinstance(storage, torch.TypedStorage)
    assert torch.LongStorage([1, 2]).dtype == torch.int64 == torch.LongStorage.dtype
    assert torch.FloatStorage(3).size() == 3
    with pytest.raises(IndexError, match="out of range"):
        storage[3]
    with pytest.raises(RuntimeError, match="slices are only supported"):
        storage[1:]
    with pytest.raises(RuntimeError, match="Too many positional arguments"):
        torch.FloatStorage(1, 2)


def test_copies_and_pickles():
    x = torch.arange(3.0)
    for original in (x.untyped_storage(), x.storage()):
        for make in (copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))):
            made = make(original)
            assert made.tolist() == original.tolist() and made.data_ptr() != original.data_ptr()
    for protocol in range(6):
        made = pickle.loads(pickle.dumps(x, protocol))
        assert made.tolist() == [0.0, 1.0, 2.0]
    buffers = []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert len(buffers) == 1 and len(data) < 500
    assert pickle.loads(data, buffers=buffers).data_ptr() == x.data_ptr()


def test_words():
    text = repr(torch.UntypedStorage([1, 2]))
    assert text == " 1\n 2\n[torch.storage.UntypedStorage(device=cpu) of size 2]"
    text = repr(torch.tensor([1.5]).storage())
    assert text == " 1.5\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 1]"


def test_a_storage_outlives_its_tensors():
    storage = torch.arange(3.0).untyped_storage()
    again = torch.ones(3).set_(storage.clone()._tensor(torch.float32, 0, (3,), (1,)))
    assert again.tolist() == [0.0, 1.0, 2.0]


def test_a_storage_as_tensor_shares_its_memory():
    x = torch.arange(6.0)
    raw, typed = x.untyped_storage(), x.storage()
    for make in (torch.tensor, torch.as_tensor, torch.asarray):
        for made in (make(raw, dtype=torch.float32), make(typed)):
            assert torch.equal(made, x) and made.data_ptr() == x.data_ptr()
        assert make(raw).dtype is torch.int64 and make(raw).shape == (3,)
        assert make(raw, dtype=torch.uint8).tolist() == raw.tolist()
    assert torch.FloatTensor(raw).tolist() == x.tolist()
    message = "Expected a Storage of type Int or an UntypedStorage, but got Float"
    with pytest.raises(RuntimeError, match=message):
        torch.as_tensor(typed, dtype=torch.int32)


def test_a_slice_of_a_storage_is_a_storage_of_its_own():
    x = torch.arange(6.0)
    part = x.untyped_storage()[4:12]
    made = torch.asarray(part, dtype=torch.uint8).view(torch.float32)
    made[0] = 7
    assert x.tolist()[:3] == [0.0, 7.0, 2.0] and made.storage_offset() == 0
    assert made.untyped_storage().nbytes() == 8
    assert made.untyped_storage().data_ptr() == x.data_ptr() + 4
    del x
    assert made.tolist() == [7.0, 2.0]
    assert torch.asarray(torch.zeros(3).untyped_storage()[1:9], dtype=torch.uint8).view(
        torch.float32
    ).shape == (2,)
    assert torch.UntypedStorage(8, device="meta")[2:4].nbytes() == 2
