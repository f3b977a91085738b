"""torch._utils: many tensors as one flat one and back, in buckets."""

import pytest

import rushlight as torch
from rushlight import _utils

A, B = torch.arange(4.0).view(2, 2), torch.ones(3)
C = torch.zeros(2, dtype=torch.float64)


def test_flat_and_back():
    flat = _utils._flatten_dense_tensors([A.t(), B])
    assert flat.tolist() == [0, 2, 1, 3, 1, 1, 1]
    first, second = _utils._unflatten_dense_tensors(flat, [A, B])
    assert torch.equal(first, A.t()) and torch.equal(second, B)
    assert first.data_ptr() == flat.data_ptr()
    with pytest.raises(RuntimeError):
        _utils._unflatten_dense_tensors(torch.ones(3), [A, B])


def test_sparse_tensors():
    given = [torch.eye(2).to_sparse(), A.to_sparse()]
    back = _utils._unflatten_sparse_tensors(_utils._flatten_sparse_tensors(given), given)
    assert all(torch.equal(x.to_dense(), y.to_dense()) for x, y in zip(given, back, strict=True))


def test_buckets_of_one_type_and_a_limit():
    groups = list(_utils._take_tensors([A, B, C, A, C], 20))
    assert [[t.dtype for t in g] for g in groups] == [
        [torch.float32], [torch.float32], [torch.float64], [torch.float32], [torch.float64],
    ]  # fmt: skip
    assert [len(g) for g in _utils._take_tensors([A, B, C, A, C, B], 10**6)] == [4, 2]
    ordered = _utils._reorder_tensors_as([A, C, B], [A, B, C])
    assert [t is u for t, u in zip(ordered, (A, B, C), strict=True)] == [True] * 3
