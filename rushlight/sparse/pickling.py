"""Pickles and deep copies of sparse tensors, in PyTorch's form."""

from __future__ import annotations

from copy import deepcopy

import rushlight as torch

from .. import _utils
from .making import NAMES
from .tensor import build


def parts(tensor) -> tuple:
    """(layout, parts) as `torch._utils._rebuild_sparse_tensor` takes them."""
    pattern, values = tensor._pattern, tensor._held
    size = torch.Size(pattern.shape)
    if tensor.is_sparse:
        return tensor.layout, (pattern.indices, values, size, tensor._sorted)
    return tensor.layout, (pattern.compressed, pattern.plain, values, size)


def reduce(tensor):
    """`Tensor.__reduce_ex__`."""
    if getattr(tensor, "_is_param", False):
        from collections import OrderedDict

        plain = tensor.detach()
        return _utils._rebuild_parameter, (plain, tensor.requires_grad, OrderedDict())
    return _utils._rebuild_sparse_tensor, parts(tensor)


def rebuild(layout, data):
    """A sparse tensor from its parts, all of them checked."""
    if layout.name == "sparse_coo":
        indices, values, size, *rest = data
        ordered = rest[0] if rest else None
        return torch.sparse_coo_tensor(
            indices, values, size, check_invariants=True, is_coalesced=ordered
        )
    if layout.name in NAMES:
        starts, plain, values, size = data
        return torch.sparse_compressed_tensor(
            starts, plain, values, size, layout=layout, check_invariants=True
        )
    raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")


def deep_copy(tensor, memo):
    """`Tensor.__deepcopy__`: new memory for indices and values."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment: got a sparse tensor with grad_fn"
        )
    plain = tensor.detach().clone()
    pattern = deepcopy_pattern(plain._pattern)
    copy = build(pattern, plain._held, tensor._sorted)
    copy.requires_grad_(tensor.requires_grad)
    memo[id(tensor)] = copy
    if tensor.grad is not None:
        copy.grad = deepcopy(tensor.grad, memo)
    for name, value in tensor.__dict__.items():
        setattr(copy, name, deepcopy(value, memo))
    return copy


def deepcopy_pattern(pattern):
    """The same places in index tensors of their own."""
    copy = object.__new__(type(pattern))
    for kind in type(pattern).__mro__:
        for name in getattr(kind, "__slots__", ()):
            value = getattr(pattern, name)
            setattr(copy, name, value.clone() if isinstance(value, torch.Tensor) else value)
    return copy
