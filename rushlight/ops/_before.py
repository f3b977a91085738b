"""Calls as programs of before PyTorch 1.5 write them: the number in front of what it multiplies."""

from __future__ import annotations

from .. import _C

_PRODUCT = ("beta", "input", "alpha", "{0}", "{1}"), ("beta", "input", "{0}", "{1}")
# Parameters in the old order, by the number of arguments that each takes.
_ORDERS = {
    "add": (("input", "alpha", "other"),),
    "sub": (("input", "alpha", "other"),),
    "addcmul": (("input", "value", "tensor1", "tensor2"),),
    "addcdiv": (("input", "value", "tensor1", "tensor2"),),
    **{
        name: tuple(tuple(p.format(*factors) for p in order) for order in _PRODUCT)
        for name, factors in {
            "addmm": ("mat1", "mat2"),
            "addmv": ("mat", "vec"),
            "addr": ("vec1", "vec2"),
            "addbmm": ("batch1", "batch2"),
            "baddbmm": ("batch1", "batch2"),
        }.items()
    },
}


def _in_order(name, args):
    """The arguments by name, or None where no old form takes these."""
    for order in _ORDERS.get(name, ()):
        if len(order) != len(args):
            continue
        if order[0] == "beta" and isinstance(args[0], _C.Tensor):
            # As a method: the tensor comes first, in front of its own factor.
            order = ("input", "beta", *order[2:])
        return dict(zip(order, args, strict=True))
    return None


def _call_as_before(operator, args, kwargs):
    named = _in_order(operator.__name__.rstrip("_"), args)
    if named is None:
        return NotImplemented
    import warnings

    warnings.warn(
        f"This overload of {operator.__name__} is deprecated: pass "
        f"{' and '.join(n for n in named if n in ('alpha', 'beta', 'value'))} by keyword, behind "
        "the tensors.",
        stacklevel=2,
    )
    tensors = [named.pop(n) for n in list(named) if n not in ("alpha", "beta", "value")]
    return operator(*tensors, **named, **kwargs)


_C.set_helper("call_as_before", _call_as_before)
