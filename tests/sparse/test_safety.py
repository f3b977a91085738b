"""Nothing reaches the memory that a sparse tensor does not have, or outside of what it has."""

from __future__ import annotations

import copy

import pytest
from layouts import LAYOUTS, matrix, scattered

import rushlight as torch
from rushlight import _C


def doors(s):
    """Calls that would hand out, or write into, memory that is not there."""
    yield from (
        lambda: s.data_ptr(),
        lambda: s.storage(),
        lambda: s.untyped_storage(),
        lambda: s.tolist(),
        lambda: s.numpy(),
        lambda: memoryview(s),
        lambda: s.__array__(),
        lambda: s.share_memory_(),
        lambda: s.set_(torch.ones(2)),
        lambda: torch.ones(4, 6).set_(s),
        lambda: s.resize_(3),
        lambda: s.__dlpack__(),
        lambda: torch.Tensor(s),
        lambda: s.as_subclass(type("Sub", (torch.Tensor,), {})),
        lambda: torch.Tensor._make_subclass(torch.nn.Parameter, s),
        lambda: s.__setitem__(0, 1.0),
        lambda: torch.tensor([[s]]),
        lambda: setattr(torch.ones(4, 6, dtype=s.dtype), "data", s),
        lambda: setattr(s, "data", torch.ones(4, 6, dtype=s.dtype)),
        lambda: torch.ones(3)[s],
        lambda: _C.buffer(s),
        lambda: _C.storage_bytes(s),
        lambda: _C.tensor_from_storage(s, torch.float32, 0, (4,), (1,)),
        lambda: _C.set_storage(torch.ones(2), s, 0, (4,), (1,)),
        lambda: _C.full_like(s, 1.0, None, False),
    )
    for name in ("item", "tolist", "data_ptr", "_raw_detach", "__bool__", "__int__"):
        yield lambda name=name: getattr(torch.Tensor, name)(s)


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_every_door_to_the_memory_is_closed(layout):
    s = matrix().to_sparse(**LAYOUTS[layout])
    for k, door in enumerate(doors(s)):
        with pytest.raises((RuntimeError, TypeError, ValueError, AttributeError)):
            raise AssertionError(f"door {k} gave {door()}")
        assert torch.equal(s.to_dense(), matrix())


def test_lists_and_subclasses_of_tuples_do_not_hide_sparse_tensors():
    class Pair(tuple):
        __slots__ = ()

    s, d = matrix().to_sparse(), matrix()
    for items in ([d, s], (d, s), Pair((d, s))):
        with pytest.raises((RuntimeError, TypeError)):
            torch.cat(items)


def test_user_subclasses_do_not_hide_them_either():
    class Sub(torch.Tensor):
        pass

    d = matrix().as_subclass(Sub)
    s = matrix(seed=1).to_sparse()
    assert torch.equal((d + s).as_subclass(torch.Tensor), matrix() + matrix(seed=1))
    with pytest.raises(NotImplementedError, match="SparseCPU"):
        torch.maximum(d, s)


BROKEN = {
    "coo high": lambda: torch.sparse_coo_tensor([[0, 9], [0, 0]], torch.ones(2), (2, 3)),
    "coo low": lambda: torch.sparse_coo_tensor([[0, -7], [0, 0]], torch.ones(2), (2, 3)),
    "coo sorted": lambda: torch.sparse_coo_tensor(
        [[0, 10**9], [0, 0]], torch.ones(2), (2, 3), is_coalesced=True
    ),
    "csr column": lambda: torch.sparse_csr_tensor([0, 1, 2], [0, 99], torch.ones(2), (2, 3)),
    "csr negative": lambda: torch.sparse_csr_tensor([0, 1, 2], [0, -5], torch.ones(2), (2, 3)),
    "csr rows": lambda: torch.sparse_csr_tensor([0, 900, 2], [0, 1], torch.ones(2), (2, 3)),
    "csr end": lambda: torch.sparse_csr_tensor([0, 1, 70], [0, 1], torch.ones(2), (2, 3)),
    "csc column": lambda: torch.sparse_csc_tensor([0, 1, 2, 2], [0, 99], torch.ones(2), (2, 3)),
    "bsr block": lambda: torch.sparse_bsr_tensor([0, 1, 2], [0, 8], torch.ones(2, 1, 3), (2, 3)),
}
USES = {
    "to_dense": lambda s: s.to_dense(),
    "to_coo": lambda s: s.to_sparse_coo().coalesce(),
    "to_csr": lambda s: s.to_sparse_csc().to_sparse_csr(),
    "mm": lambda s: s @ torch.ones(3, 2),
    "mm of transpose": lambda s: s.t() @ torch.ones(2, 2),
    "square": lambda s: s @ s.t(),
    "add": lambda s: torch.ones(2, 3) + s,
    "add_": lambda s: torch.ones(2, 3).add_(s),
    "mul": lambda s: s * torch.ones(2, 3),
    "mask": lambda s: torch.ones(2, 3).sparse_mask(s),
    "sum": lambda s: torch.sparse.sum(s.to_sparse_coo(), 0),
    "softmax": lambda s: torch.sparse.softmax(s.to_sparse_coo(), 1),
    "reduce": lambda s: torch.sparse.mm(s, torch.ones(3, 2), "amax"),
    "sampled": lambda s: torch.sparse.sampled_addmm(s, torch.ones(2, 4), torch.ones(4, 3)),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("use", USES)
def test_indices_outside_never_reach_memory(broken, use):
    if (broken, use) == ("coo sorted", "to_coo"):
        pytest.skip("nothing looks at the indices: the tensor is said to be coalesced")
    s = BROKEN[broken]()
    with pytest.raises((RuntimeError, IndexError)):
        raise AssertionError(USES[use](s))


def test_kernels_check_indices():
    crow, col, v = torch.tensor([0, 1, 2]), torch.tensor([0, 2]), torch.ones(2)
    ops = torch.ones(3, 2)
    from rushlight.op import operators

    mm, sampled, product = (operators["csr_" + n] for n in ("matmul", "sampled", "product"))
    for bad in ([0, 3, 2], [1, 1, 2], [0, 1, 3], [0, -1, 2]):
        with pytest.raises(RuntimeError, match="crow_indices"):
            mm(torch.tensor(bad), col, v, ops)
        with pytest.raises(RuntimeError, match="crow_indices"):
            product(torch.tensor(bad), col, v, crow, col, v, 3)
    for bad in ([0, 3], [-1, 0]):
        with pytest.raises(IndexError, match="col_indices"):
            mm(crow, torch.tensor(bad), v, ops)
        with pytest.raises(IndexError, match="col_indices"):
            sampled(crow, torch.tensor(bad), torch.ones(2, 2), ops)
    with pytest.raises(IndexError, match="col_indices"):
        product(crow, col, v, crow, col, v, 3)


def test_failed_writes_leave_the_tensor_alone():
    s = scattered().coalesce()
    before = copy.deepcopy(s)
    for write in (
        lambda: s.add_(torch.ones(2, 3).double()),
        lambda: s.mul_(torch.sparse_coo_tensor((3, 3))),
        lambda: s.copy_(torch.ones(2, 3).double()),
        lambda: s.sparse_resize_((1, 1), 2, 0),
        lambda: s.exp_(),
    ):
        with pytest.raises((RuntimeError, NotImplementedError)):
            write()
        assert torch.equal(s.to_dense(), before.to_dense())
        assert s.shape == before.shape
