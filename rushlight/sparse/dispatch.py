"""From an operator called on sparse tensors to its rule: a table per layout family."""

from __future__ import annotations

from .. import _C
from .tensor import SparseTensor, layout_name, replace

coo_rules: dict = {}
compressed_rules: dict = {}

# Operators that PyTorch calls otherwise.
_ATEN = {
    "slice": "as_strided",
    "squeeze": "as_strided",
    "alias": "alias",
    "softmax": "_softmax",
    "log_softmax": "_log_softmax",
    "pow_tensor": "pow.Tensor_Tensor",
    "pow_scalar": "pow.Tensor_Scalar",
    "round_decimals": "round.decimals",
    "index": "index.Tensor",
    "to_copy": "_to_copy",
}


def rule(names: str, table: dict | None = None):
    """Register a function as the rule of the operators `names`; for both families by default."""

    def register(function):
        for name in names.split():
            for rules in (coo_rules, compressed_rules) if table is None else (table,):
                rules[name] = function
        return function

    return register


def _first_sparse(items):
    """The sparse tensor that decides: a compressed one before a COO one."""
    found = None
    for item in items:
        if isinstance(item, (list, tuple)):
            item = _first_sparse(item)
        if isinstance(item, SparseTensor):
            if not item.is_sparse:
                return item
            found = found if found is not None else item
    return found


def unsupported(name: str, tensor, detail: str = ""):
    """The error of an operator that has no rule for a layout."""
    backend = "SparseCPU" if tensor.layout.name == "sparse_coo" else "SparseCsrCPU"
    backend = "CPU" if tensor.layout.name == "strided" else backend
    return NotImplementedError(
        f"Could not run 'aten::{_ATEN.get(name, name)}' with arguments from the '{backend}' "
        "backend. This could be because the operator doesn't exist for this backend"
        f"{detail or ': convert with to_dense() first'}"
    )


def call(operator, args, kwargs):
    """Run an operator of which at least one argument is sparse."""
    name = operator.__qualname__
    out = kwargs.get("out")
    if out is not None:
        kwargs = {k: v for k, v in kwargs.items() if k != "out"}
    tensor = _first_sparse([*args, *kwargs.values()])
    if tensor is None:  # only `out` is sparse
        tensor = _first_sparse([out])
        table = {}
    else:
        table = coo_rules if tensor.is_sparse else compressed_rules
    function = table.get(name)
    if function is None and name.endswith("_") and name[:-1] in table:
        return _in_place(table[name[:-1]], name, *args, **kwargs)
    if function is None:
        raise unsupported(name, tensor)
    result = function(*args, **kwargs)
    return result if out is None else store(out, result)


def _in_place(function, name, target, *args, **kwargs):
    """The rule's result becomes the contents of its first argument."""
    if not isinstance(target, SparseTensor):
        raise unsupported(name, target)
    _C.check_inplace(target)
    if name[:-1] in needs_coalesced and target.is_sparse and not target._sorted:
        raise RuntimeError(f"{name} requires coalesced input")
    return store_in(target, function(target, *args, **kwargs), name)


def store_in(target, result, name):
    """Write a sparse result into a sparse tensor, history included."""
    if not _C.can_cast(result.dtype, target.dtype):
        raise RuntimeError(
            f"result type {_scalar(result)} can't be cast to the desired output type "
            f"{_scalar(target)}"
        )
    if not isinstance(result, SparseTensor) or result.layout is not target.layout:
        raise RuntimeError(
            f"{name}: a result of layout {layout_name(result)} cannot be stored in a tensor of "
            f"layout {layout_name(target)}"
        )
    replace(target, result._pattern, result._held, result._sorted)
    if result.grad_fn is not None:
        _C.connect_inplace(result.grad_fn, target, result.output_nr)
    return target


def _scalar(tensor):
    from ..tensor import TYPE_NAMES

    return TYPE_NAMES[tensor.dtype].removesuffix("Tensor")


def store(out, result):
    """`out=`: the result as the contents of a tensor that the caller gave."""
    if not isinstance(out, _C.Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if isinstance(result, SparseTensor):
        if not isinstance(out, SparseTensor):
            raise RuntimeError("expected the out= tensor to be sparse, as the result is")
        return store_in(out, result.detach(), "out=")
    if isinstance(out, SparseTensor):
        raise RuntimeError("expected the out= tensor to be dense, as the result is")
    return out.resize_(result.shape).copy_(result.detach())


needs_coalesced: set = set()
_C.set_helper("call_sparse", call)


def accumulate(old, g, create):
    """The new `.grad` of a leaf when it or what arrives is sparse."""
    if old is None:
        return g.clone() if create or not isinstance(g, SparseTensor) else g.detach()
    if isinstance(old, SparseTensor) and not isinstance(g, SparseTensor):
        return g + old
    return old + g if create else old.add_(g)


_C.set_helper("accumulate_sparse", accumulate)
