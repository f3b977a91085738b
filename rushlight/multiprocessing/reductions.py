"""How tensors go through queues and pipes: the receiver maps the sender's memory."""

from __future__ import annotations

import os
from multiprocessing.reduction import DupFd, ForkingPickler
from typing import Any

import rushlight as torch

from .. import _C, Tensor, _sharing
from .._storage import TypedStorage, UntypedStorage

_REFUSAL = (
    "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does "
    "not support crossing process boundaries.  If you just want to transfer the data, call "
    "detach() on the tensor before serializing (e.g., putting it on the queue)."
)


def fd_id(fd: int) -> tuple[int, int]:
    """What tells the file behind a descriptor from others."""
    facts = os.fstat(fd)
    return facts.st_ino, facts.st_dev


def check_leaf(t: Tensor) -> None:
    """Refuse a tensor whose history would be lost."""
    if t.requires_grad and not t.is_leaf:
        raise RuntimeError(_REFUSAL)


def reduce_tensor(tensor: Tensor) -> tuple:
    """What another process rebuilds the tensor from, over the same memory.

    Moves the tensor's storage to shared memory if it is not there.
    """
    check_leaf(tensor)
    if tensor.layout is not torch.strided:
        return reduce_sparse_tensor(tensor)
    if tensor.device.type != "cpu":
        return tensor.__reduce_ex__(2)
    layout = tensor.storage_offset(), tuple(tensor.shape), tuple(tensor.stride())
    facts = _name(tensor.dtype), *layout, tensor.requires_grad
    return rebuild_tensor, (type(tensor) is not Tensor, tensor.untyped_storage(), *facts)


def _name(constant):
    # Pickled as they are, types and dtypes would be looked for in the module `torch`.
    return str(constant).partition(".")[2]


def rebuild_tensor(
    parameter: bool, storage: UntypedStorage, dtype: str, offset: int, shape, strides, grad: bool
) -> Tensor:
    """A tensor, or a parameter, over memory that another process sent."""
    t = storage._tensor(getattr(torch, dtype), offset, shape, strides)
    if parameter:
        return torch.nn.Parameter(t, requires_grad=grad)
    return t.requires_grad_() if grad else t


def reduce_sparse_tensor(sparse: Tensor) -> tuple:
    """The same for a sparse tensor: each of its parts is shared."""
    if sparse.layout is torch.sparse_coo:
        parts = sparse._indices(), sparse._values(), tuple(sparse.shape), sparse.is_coalesced()
        return rebuild_sparse_coo_tensor, parts
    by_rows = sparse.layout in (torch.sparse_csr, torch.sparse_bsr)
    outer = sparse.crow_indices() if by_rows else sparse.ccol_indices()
    inner = sparse.col_indices() if by_rows else sparse.row_indices()
    parts = outer, inner, sparse.values(), tuple(sparse.shape)
    return rebuild_sparse_compressed_tensor, (*parts, _name(sparse.layout))


def rebuild_sparse_coo_tensor(indices: Tensor, values: Tensor, shape, is_coalesced: bool) -> Tensor:
    """A COO tensor over parts that another process sent."""
    return torch.sparse_coo_tensor(
        indices, values, shape, is_coalesced=is_coalesced, check_invariants=False
    )


def rebuild_sparse_compressed_tensor(
    outer: Tensor, inner: Tensor, values: Tensor, shape, layout: str
) -> Tensor:
    """A CSR, CSC, BSR or BSC tensor over parts that another process sent."""
    return torch.sparse_compressed_tensor(
        outer, inner, values, shape, layout=getattr(torch, layout), check_invariants=False
    )


def reduce_storage(storage: UntypedStorage) -> tuple:
    """What another process rebuilds the storage from; moves it to shared memory."""
    if storage.device.type != "cpu":
        raise RuntimeError(
            f"Cannot share a storage of the device {storage.device}: only memory of the CPU"
        )
    if not storage.nbytes() and _sharing.strategy == "file_descriptor":
        return rebuild_storage_empty, ()
    _sharing.share(storage._bytes)
    lease = _C.shared_lease(storage._bytes)
    if lease is not None:
        return rebuild_storage_filename, (lease.another(), storage.nbytes())
    # Not a duplicate: a process that is being spawned takes the descriptor by its number.
    descriptor, size = _C.shared_descriptor(storage._bytes)
    return rebuild_storage_fd, (DupFd(descriptor), size)


def rebuild_storage_fd(handle: Any, size: int) -> UntypedStorage:
    """A storage whose descriptor was sent."""
    descriptor = handle.detach()
    try:
        return UntypedStorage._of(_C.attach_shared(descriptor))
    finally:
        os.close(descriptor)


def rebuild_storage_filename(name: str, size: int) -> UntypedStorage:
    """A storage whose name in /dev/shm was sent."""
    return UntypedStorage._of(_sharing.attach(name))


def rebuild_storage_empty() -> UntypedStorage:
    """A storage without bytes."""
    return UntypedStorage()


def reduce_typed_storage(storage: TypedStorage) -> tuple:
    """The same for a storage of numbers."""
    return rebuild_typed_storage, (storage._untyped_storage, _name(storage.dtype))


def rebuild_typed_storage(storage: UntypedStorage, dtype: str) -> TypedStorage:
    """A storage of numbers over bytes that another process sent."""
    return TypedStorage(wrap_storage=storage, dtype=getattr(torch, dtype), _internal=True)


def init_reductions() -> None:
    """Teach the pickler of multiprocessing about tensors, parameters and storages."""
    from ..nn import Parameter

    ForkingPickler.register(Tensor, reduce_tensor)
    ForkingPickler.register(Parameter, reduce_tensor)
    ForkingPickler.register(UntypedStorage, reduce_storage)
    ForkingPickler.register(TypedStorage, reduce_typed_storage)
