"""Pieces of `torch.autograd.functional` that libraries build Jacobians of their own with."""

from __future__ import annotations

import rushlight as torch


def _as_tuple(inp, arg_name=None, fn_name=None) -> tuple[bool, tuple]:
    """Whether a tuple was given, and the tensors; TypeError for anything else."""
    from .functional import _tensors_of

    single, values = _tensors_of(inp, arg_name, fn_name)
    return not single, values


def _grad_postprocess(inputs, create_graph: bool):
    """The tensors in (nested) tuples, without their histories unless `create_graph`."""
    if isinstance(inputs, torch.Tensor):
        return inputs if create_graph else inputs.detach()
    return tuple([_grad_postprocess(i, create_graph) for i in inputs])


def _tuple_postprocess(res, to_unpack):
    """`res` with the tuples of one element taken away, at each level where a tensor was given."""
    if isinstance(to_unpack, tuple):
        outer, inner = to_unpack
        if not inner:
            res = tuple([row[0] for row in res])
        return res if outer else res[0]
    return res if to_unpack else res[0]


def _construct_standard_basis_for(tensors, tensor_numels):
    """For each tensor its columns of the identity over the elements of all of them, as rows."""
    total, start, chunks = sum(tensor_numels), 0, []
    for tensor, count in zip(tensors, tensor_numels, strict=True):
        chunk = tensor.new_zeros(total, count)
        chunk[start : start + count].fill_diagonal_(1)
        chunks.append(chunk)
        start += count
    return tuple(chunks)
