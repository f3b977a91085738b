"""Making sparse tensors, their parts, conversions and text."""

from __future__ import annotations

import pytest
from layouts import LAYOUTS, close, matrix, scattered

import rushlight as torch


@pytest.mark.parametrize("source", ["strided", *LAYOUTS])
@pytest.mark.parametrize("target", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "int32", "bool", "bfloat16", "complex64"])
def test_every_layout_converts_to_every_other(source, target, dtype):
    dense = matrix().to(getattr(torch, dtype))
    first = dense if source == "strided" else dense.to_sparse(**LAYOUTS[source])
    options = LAYOUTS[target]
    second = first.to_sparse(**options)
    assert second.layout is options["layout"]
    assert second.dtype is dense.dtype
    assert torch.equal(second.to_dense(), dense)


@pytest.mark.parametrize("name", LAYOUTS)
def test_batches_and_dense_dims(name):
    dense = torch.stack([matrix(), matrix().flip(1)])
    options = dict(LAYOUTS[name])
    assert torch.equal(dense.to_sparse(**options).to_dense(), dense)
    hybrid = matrix().unsqueeze(-1) * torch.tensor([1.0, 2.0], dtype=torch.float64)
    made = hybrid.to_sparse(**options, dense_dim=1)
    assert (made.dense_dim(), made.sparse_dim()) == (1, 2)
    assert torch.equal(made.to_dense(), hybrid)


def test_parts():
    s = scattered()
    assert not s.is_coalesced()
    assert s.is_sparse
    assert not s.is_sparse_csr
    assert s.layout is torch.sparse_coo
    with pytest.raises(RuntimeError, match="uncoalesced"):
        s.indices()
    c = s.coalesce()
    assert c.indices().tolist() == [[0, 1, 1], [2, 0, 2]]
    assert c.values().tolist() == [10.0, 3.0, 5.0]
    assert c._nnz() == 3
    r = c.to_sparse_csr()
    assert r.crow_indices().tolist() == [0, 1, 3]
    assert r.col_indices().tolist() == [2, 0, 2]
    assert r.is_sparse_csr
    t = r.t()
    assert t.layout is torch.sparse_csc
    assert t.ccol_indices().tolist() == [0, 1, 3]
    assert t.row_indices().tolist() == [2, 0, 2]
    with pytest.raises(RuntimeError, match="expected sparse row compressed tensor layout"):
        t.crow_indices()
    with pytest.raises(RuntimeError, match="expected sparse coordinate tensor layout but got"):
        torch.ones(2).coalesce()


def test_sizes_are_inferred():
    assert torch.sparse_coo_tensor([[0, 4], [1, 0]], [1.0, 2.0]).shape == (5, 2)
    assert torch.sparse_coo_tensor([[1]], [[1.0, 2.0]]).shape == (2, 2)
    assert torch.sparse_coo_tensor((2, 3)).shape == (2, 3)
    assert torch.sparse_csr_tensor([0, 1, 3], [0, 1, 2], [1.0, 2, 3]).shape == (2, 3)
    assert torch.sparse_csc_tensor([0, 1, 3], [0, 1, 2], [1.0, 2, 3]).shape == (3, 2)
    blocks = torch.arange(8.0).view(2, 2, 2)
    assert torch.sparse_bsr_tensor([0, 1, 2], [0, 1], blocks).shape == (4, 4)
    assert torch.sparse_bsc_tensor([0, 1, 2], [0, 1], blocks).shape == (4, 4)


WRONG = {
    "found negative index": lambda: torch.sparse_coo_tensor([[0, -1]], [1.0, 2.0]),
    "must have same nnz": lambda: torch.sparse_coo_tensor([[0, 1]], [1.0, 2, 3], (3,)),
    "sparse_dim \\+ dense_dim": lambda: torch.sparse_coo_tensor([[0, 1]], [1.0, 2], (3, 3)),
    "values has incorrect size": lambda: torch.sparse_coo_tensor([[0]], [[1.0, 2]], (3, 3)),
    "size is inconsistent": lambda: torch.sparse_coo_tensor(
        [[5]], [1.0], (3,), check_invariants=True
    ),
    "is_coalesced": lambda: torch.sparse_coo_tensor(
        [[1, 0]], [1.0, 2], (3,), check_invariants=True, is_coalesced=True
    ),
    "must be equal to the number of rows": lambda: torch.sparse_csr_tensor(
        [0, 1], [0], [1.0], (2, 3)
    ),
    "crow_indices.*== nnz": lambda: checked([0, 1, 1], [0, 1]),
    "crow_indices.*== 0": lambda: checked([1, 1, 2], [0, 1]),
    "0 <= crow_indices": lambda: checked([0, 3, 2], [0, 1]),
    "0 <= col_indices < ncols": lambda: checked([0, 1, 2], [0, 3]),
    "sorted and distinct": lambda: checked([0, 2, 2], [1, 0]),
    "divisible with": lambda: torch.sparse_bsr_tensor([0, 1], [0], torch.ones(1, 2, 2), (2, 3)),
    "blocksize needs to be positive": lambda: torch.ones(2, 2).to_sparse_bsr((0, 1)),
    "must be divisible": lambda: torch.ones(3, 3).to_sparse_bsr(2),
    "same number of specified elements": lambda: torch.tensor(
        [[[1.0, 1]], [[0, 1]]]
    ).to_sparse_csr(),
    "numel": lambda: torch.sparse_coo_tensor([[0], [1]], [1], (2**40, 2**40)),
}


def checked(crow, col):
    return torch.sparse_csr_tensor(crow, col, torch.ones(len(col)), (2, 3), check_invariants=True)


@pytest.mark.parametrize("message", WRONG)
def test_wrong_parts_raise(message):
    with pytest.raises(RuntimeError, match=message):
        WRONG[message]()


def test_invariants_are_checked_where_asked():
    check = torch.sparse.check_sparse_tensor_invariants
    assert not check.is_enabled()
    outside = lambda: torch.sparse_coo_tensor([[5]], [1.0], (3,))  # noqa: E731
    assert outside()._nnz() == 1
    with check():
        assert check.is_enabled()
        with pytest.raises(RuntimeError, match="size is inconsistent"):
            outside()
        with check(False):
            outside()
    assert not check.is_enabled()
    with pytest.raises(RuntimeError, match="size is inconsistent"):
        check()(outside)()


def test_text():
    s = torch.sparse_coo_tensor([[0, 1], [2, 0]], [1.5, -2.0], (2, 3))
    assert repr(s) == (
        "tensor(indices=tensor([[0, 1],\n"
        "                       [2, 0]]),\n"
        "       values=tensor([ 1.5000, -2.0000]),\n"
        "       size=(2, 3), nnz=2, layout=torch.sparse_coo)"
    )
    assert repr(s.double().to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 2]),\n"
        "       col_indices=tensor([2, 0]),\n"
        "       values=tensor([ 1.5000, -2.0000]), size=(2, 3), nnz=2,\n"
        "       dtype=torch.float64, layout=torch.sparse_csr)"
    )
    assert repr(torch.sparse_coo_tensor((2,))) == (
        "tensor(indices=tensor([], size=(1, 0)),\n"
        "       values=tensor([], size=(0,)),\n"
        "       size=(2,), nnz=0, layout=torch.sparse_coo)"
    )
    leaf = s.requires_grad_()
    assert repr(leaf).endswith("layout=torch.sparse_coo, requires_grad=True)")
    assert repr(leaf * 2).endswith("layout=torch.sparse_coo, grad_fn=<MulBackward0>)")


def test_resizing():
    s = scattered().coalesce()
    assert s.sparse_resize_((4, 5), 2, 0).shape == (4, 5)
    assert s._nnz() == 3
    with pytest.raises(RuntimeError, match="shrinking the size of sparse dimensions"):
        s.sparse_resize_((2, 2), 2, 0)
    with pytest.raises(RuntimeError, match="changing the number of sparse dimensions"):
        s.sparse_resize_((4, 5), 1, 1)
    assert s.shape == (4, 5)
    assert s.sparse_resize_and_clear_((3, 7), 1, 1)._values().shape == (0, 7)
    other = scattered()
    assert torch.sparse_coo_tensor((1, 1)).resize_as_sparse_(other).shape == other.shape


def test_empty_of_every_layout():
    for name, options in LAYOUTS.items():
        made = torch.zeros(4, 6, layout=options["layout"])
        assert made.layout is options["layout"]
        assert close(made, torch.zeros(4, 6))
        like = torch.zeros_like(matrix().to_sparse(**options))
        assert like.layout is options["layout"], name
        assert like._nnz() == 0
        none = torch.zeros(4, 6).to_sparse(**options)
        assert torch.equal(none.to_dense(), torch.zeros(4, 6))
    scalar = torch.tensor(5.0).to_sparse()
    assert (scalar._nnz(), scalar.item()) == (1, 5.0)


def test_its_type_makes_dense_tensors():
    s = scattered()
    assert isinstance(s, torch.Tensor)
    assert type(s)([1.0, 2.0]).tolist() == [1.0, 2.0]
    assert type(s)(2, 3).layout is torch.strided


def test_spdiags():
    got = torch.sparse.spdiags(torch.arange(1.0, 7).view(2, 3), torch.tensor([0, -1]), (3, 4))
    assert got.to_dense().tolist() == [[1, 0, 0, 0], [4, 2, 0, 0], [0, 5, 3, 0]]
    with pytest.raises(RuntimeError, match="duplicate"):
        torch.sparse.spdiags(torch.ones(2, 3), torch.tensor([0, 0]), (3, 3))
