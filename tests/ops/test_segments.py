"""Reductions over segments, and indices of sparse rows."""

from __future__ import annotations

import pytest

import rushlight as torch

D = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
LENGTHS = torch.tensor([2, 0, 3])
INF = float("inf")


@pytest.mark.parametrize(
    "reduce, plain, started",
    [
        ("sum", [3.0, 0.0, 12.0], [5.0, 2.0, 14.0]),
        ("prod", [2.0, 1.0, 60.0], [4.0, 2.0, 120.0]),
        ("max", [2.0, -INF, 5.0], [2.0, 2.0, 5.0]),
        ("min", [1.0, INF, 3.0], [1.0, 2.0, 2.0]),
    ],
)
def test_segments(reduce, plain, started):
    assert torch.segment_reduce(D, reduce, lengths=LENGTHS).tolist() == plain
    assert torch.segment_reduce(D, reduce, lengths=LENGTHS, initial=2).tolist() == started
    offsets = torch.tensor([0, 2, 2, 5])
    assert torch.segment_reduce(D, reduce, offsets=offsets).tolist() == plain


def test_means():
    out = torch.segment_reduce(D, "mean", lengths=LENGTHS)
    assert out[0] == 1.5 and out[1].isnan() and out[2] == 4.0
    out = torch.segment_reduce(D, "mean", lengths=LENGTHS, initial=2)
    torch.testing.assert_close(out, torch.tensor([2.5, 2.0, 14 / 3]))


def test_axes():
    x = torch.arange(12.0)
    rows = torch.segment_reduce(x.view(4, 3), "sum", lengths=torch.tensor([1, 3]))
    assert rows.tolist() == [[0.0, 1.0, 2.0], [18.0, 21.0, 24.0]]
    lengths = torch.tensor([[1, 3], [2, 2], [4, 0]])
    columns = torch.segment_reduce(x.view(3, 4), "sum", lengths=lengths, axis=1)
    assert columns.tolist() == [[0.0, 6.0], [9.0, 13.0], [38.0, 0.0]]


@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "max", "min"])
def test_gradients(reduce):
    x = torch.tensor([[0.3, 1.0], [2.0, -1.0], [0.7, 3.0]], dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([1, 2])
    assert torch.autograd.gradcheck(
        lambda x: torch.segment_reduce(x, reduce, lengths=lengths, initial=0.5), (x,)
    )


@pytest.mark.parametrize(
    "options, words",
    [
        ({"lengths": torch.tensor([2, 2])}, "sum to data.size"),
        ({}, "Either lengths or offsets"),
        ({"lengths": torch.tensor([-1, 6])}, "negative value"),
        ({"indices": LENGTHS}, "indices based reduction"),
        ({"lengths": LENGTHS, "axis": 1}, "axis to be the last dimension"),
    ],
)
def test_refused(options, words):
    with pytest.raises(RuntimeError, match=words):
        torch.segment_reduce(D, "sum", **options)


def test_rows_of_sparse_matrices():
    rows = torch.tensor([0, 0, 2])
    begins = torch._convert_indices_from_coo_to_csr(rows, 4)
    assert begins.tolist() == [0, 2, 2, 3, 3] and begins.dtype is torch.int64
    assert torch._convert_indices_from_coo_to_csr(rows, 4, out_int32=True).dtype is torch.int32
    pairs = torch._convert_indices_from_csr_to_coo(begins[:4], torch.tensor([1, 2, 0]))
    assert pairs.tolist() == [[0, 0, 2], [1, 2, 0]]
    grad = torch._softmax_backward_data(
        torch.tensor([1.0, 2.0]), torch.tensor([0.3, 0.7]), 0, torch.float32
    )
    torch.testing.assert_close(grad, torch.tensor([-0.21, 0.21]))
    assert torch._shape_as_tensor(torch.ones(2, 3)).tolist() == [2, 3]


def test_names_that_libraries_ask_for():
    assert not torch.xpu.is_available() and torch.mtia.device_count() == 0
    with pytest.raises(RuntimeError, match="class 'pyg.CPUHashMap', but it does not exist"):
        _ = torch.classes.pyg.CPUHashMap
    assert torch._utils._get_device_index("cuda:1") == 1
    assert torch._utils._get_device_index("cpu", allow_cpu=True) == -1
    with pytest.raises(ValueError, match="non cpu device"):
        torch._utils._get_device_index("cpu")
    with pytest.raises(KeyError, match="all"):
        torch._check_tensor_all_with(KeyError, torch.tensor([False]), lambda: "not all")
    x = torch.ones(1, 1, 2, 4)
    params = torch.backends.cuda.SDPAParams(x, x, x, None, 0.0, False, False)
    assert not torch.backends.cuda.can_use_flash_attention(params)
