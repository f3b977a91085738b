"""torch.sparse.as_sparse_gradcheck: gradcheck for functions of sparse tensors."""

from __future__ import annotations

from functools import wraps

from .tensor import SparseTensor, construct, values_of


def as_sparse_gradcheck(gradcheck):
    """`gradcheck` extended to functions with sparse inputs and outputs.

    Each sparse input becomes its values (of COO tensors, once coalesced) and each sparse output
    becomes dense, so the wrapped function is checked as one between dense tensors. With
    `masked=False` a sparse input counts as a full tensor: its zeros are varied too.
    """

    @wraps(gradcheck)
    def check(func, inputs, **kwargs):
        masked = kwargs.pop("masked", False)
        kwargs.pop("check_sparse_nnz", None)
        inputs = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
        parts, rebuild = [], []
        for x in inputs:
            part, back = _parts(x, masked)
            parts.append(part)
            rebuild.append(back)

        def dense_function(*args):
            given = [back(a) for back, a in zip(rebuild, args, strict=True)]
            out = func(*given)
            if isinstance(out, (tuple, list)):
                return tuple(_dense(o) for o in out)
            return _dense(out)

        return gradcheck(dense_function, tuple(parts), **kwargs)

    return check


def _dense(out):
    return out.to_dense() if isinstance(out, SparseTensor) else out


def _parts(x, masked):
    """(what is varied, how to make the input from it)."""
    if not isinstance(x, SparseTensor) or not x.requires_grad:
        return x, lambda a: a
    if masked:
        fixed = x.detach()
        fixed = fixed.coalesce() if fixed.is_sparse else fixed
        pattern = fixed._pattern
        values = values_of(fixed).clone().requires_grad_(True)
        return values, lambda v: construct(pattern, v, True)
    layout, dense = x.layout, x.detach().to_dense().requires_grad_(True)
    block = getattr(x._pattern, "block", None)
    dense_dim = len(x._pattern.dense_shape)
    return dense, lambda d: d.to_sparse(layout=layout, blocksize=block, dense_dim=dense_dim)


__all__ = ["as_sparse_gradcheck"]
