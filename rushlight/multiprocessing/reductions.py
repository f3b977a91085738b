"""How tensors go through queues and pipes: the receiver maps the sender's memory."""

from __future__ import annotations

import os
from multiprocessing.reduction import DupFd, ForkingPickler

import rushlight as torch

from .. import _C, Tensor

_REFUSAL = (
    "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does "
    "not support crossing process boundaries.  If you just want to transfer the data, call "
    "detach() on the tensor before serializing (e.g., putting it on the queue)."
)


def check_leaf(t: Tensor) -> None:
    """Refuse a tensor whose history would be lost."""
    if t.requires_grad and not t.is_leaf:
        raise RuntimeError(_REFUSAL)


def reduce_tensor(t: Tensor) -> tuple:
    """What another process rebuilds the tensor from, over the same memory.

    Moves the tensor's storage to shared memory if it is not there.
    """
    check_leaf(t)
    if t.device.type != "cpu" or not t.numel():
        return t.__reduce_ex__(2)
    _C.share_storage(t)
    descriptor, _ = _C.shared_descriptor(t)
    name = str(t.dtype).partition(".")[2]
    layout = name, t.storage_offset(), tuple(t.shape), tuple(t.stride())
    return rebuild_tensor, (type(t) is Tensor, DupFd(descriptor), *layout, t.requires_grad)


def rebuild_tensor(plain, handle, dtype, offset, shape, strides, requires_grad) -> Tensor:
    """A tensor over memory that another process sent."""
    descriptor = handle.detach()
    try:
        block = _C.attach_shared(descriptor)
    finally:
        os.close(descriptor)
    t = _C.tensor_from_storage(block, getattr(torch, dtype), offset, shape, strides)
    return t.requires_grad_(requires_grad) if plain else torch.nn.Parameter(t, requires_grad)


def init_reductions() -> None:
    """Teach the pickler of multiprocessing about tensors and parameters."""
    from ..nn import Parameter

    ForkingPickler.register(Tensor, reduce_tensor)
    ForkingPickler.register(Parameter, reduce_tensor)
