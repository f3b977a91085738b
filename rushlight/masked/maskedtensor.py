"""MaskedTensor: data with a mask of what counts; results carry their masks along."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

# Results whose elements come from several of the operand's: no mask would be right.
_REFUSED = {
    "matmul", "mm", "bmm", "mv", "addmm", "addmv", "baddbmm", "addbmm", "sort", "argsort", "cummax",
    "cummin", "logcumsumexp", "roll", "tril", "triu", "inverse", "linear", "msort", "rot90",
}  # fmt: skip
_REDUCTIONS = {
    "sum", "prod", "mean", "amax", "amin", "argmax", "argmin", "norm", "var", "std", "softmax",
    "log_softmax", "cumsum", "cumprod", "median",
}  # fmt: skip
_VIEWS = {
    "alias", "clone", "contiguous", "detach", "expand", "flatten", "getitem", "index", "movedim",
    "narrow", "permute", "reshape", "select", "slice", "squeeze", "swapaxes", "t", "transpose",
    "unbind", "unfold", "unsqueeze", "view", "broadcast_to", "index_select", "flip", "cat", "stack",
    "split", "chunk", "reshape_as", "view_as", "expand_as", "diagonal", "ravel", "moveaxis",
}  # fmt: skip


class MaskedTensor(Tensor):
    """`data` of which only the elements count where `mask` (bool, same shape) is True."""

    def __new__(cls, data, mask, requires_grad=False):
        if isinstance(data, MaskedTensor):
            data = data.get_data()
        if not isinstance(data, Tensor):
            raise TypeError("data must be a Tensor")
        if not isinstance(mask, Tensor):
            raise TypeError("mask must be a Tensor")
        if mask.dtype is not torch.bool:
            raise TypeError("mask must have dtype bool.")
        if data.dim() != mask.dim():
            raise ValueError("data.dim() must equal mask.dim()")
        if data.shape != mask.shape:
            raise ValueError("data.size() must equal mask.size()")
        made = data.as_subclass(cls)
        made._mask = mask.detach().clone()
        if requires_grad:
            made.requires_grad_()
        return made

    def __init__(self, data, mask, requires_grad=False):
        """Everything is in place already."""

    def _plain(self) -> Tensor:
        """The data as a plain tensor that keeps the history."""
        return self.as_subclass(Tensor)

    def get_data(self) -> Tensor:
        """The data, with whatever lies where the mask is False."""
        return self._plain()

    def get_mask(self) -> Tensor:
        """True where an element counts."""
        return self._mask

    def to_tensor(self, value) -> Tensor:
        """The data with `value` where the mask is False."""
        return self.get_data().masked_fill(~self._mask, value)

    def tolist(self):
        """Refused: a list cannot say what is masked."""
        raise RuntimeError(
            f".tolist() is not supported for tensor subclasses, got {type(self).__name__}"
        )

    def numpy(self, *, force=False):
        """Refused: an array cannot say what is masked."""
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    @property
    def grad(self):
        """The gradient, masked like the tensor."""
        found = Tensor.grad.__get__(self)
        return None if found is None else MaskedTensor(found.as_subclass(Tensor), self._mask)

    @grad.setter
    def grad(self, value):
        Tensor.grad.__set__(self, value)

    def __repr__(self, *, tensor_contents=None):
        with torch.overrides.DisableTorchFunctionSubclass():
            return _text(self.get_data().detach(), self._mask)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch.overrides.DisableTorchFunctionSubclass():
            return _apply(func, args, kwargs or {})


def _is(x):
    return isinstance(x, MaskedTensor)


def _unwrap(x):
    if _is(x):
        return x._plain()
    return type(x)(_unwrap(i) for i in x) if type(x) in (list, tuple) else x


def _masks(x):
    if _is(x):
        return x._mask
    return type(x)(_masks(i) for i in x) if type(x) in (list, tuple) else x


def _wrap(data, mask):
    if isinstance(data, (tuple, list)):
        return type(data)(_wrap(d, m) for d, m in zip(data, mask, strict=True))
    return MaskedTensor(data, mask)


def _apply(func, args, kwargs):
    """One operation: on the data, and on the masks where they move."""
    name = getattr(func, "__name__", "").strip("_")
    if name == "where":
        return _where(*args, **kwargs)
    if name in _REDUCTIONS:
        return getattr(torch.masked, name)(*args, **kwargs)
    plain_args, plain_kwargs = _unwrap(args), {k: _unwrap(v) for k, v in kwargs.items()}
    if name in ("all", "any"):
        fill = name == "all"
        input, *rest = args
        data = func(input._plain().masked_fill(~input._mask, fill), *rest, **kwargs)
        return MaskedTensor(data, torch.any(input._mask, *rest, **kwargs))
    if name in _VIEWS:
        mask = func(*_masks(args), **kwargs)
        return _wrap(func(*plain_args, **plain_kwargs), mask)
    found = [a for a in (*args, *kwargs.values()) if _is(a)]
    result = func(*plain_args, **plain_kwargs)
    if not found or not isinstance(result, (Tensor, tuple)):
        return result
    mask = found[0]._mask
    for other in found[1:]:
        if not torch.equal(other._mask, mask):
            raise ValueError(
                "Input masks must match. If you need support for this, please open an issue on "
                "Github."
            )
    if name in _REFUSED or isinstance(result, tuple) or not _broadcasts(mask, result):
        raise TypeError(f"MaskedTensor: {name} is not defined for masked tensors")
    if _is(args[0]) and result.data_ptr() == plain_args[0].data_ptr():  # in place
        return args[0]
    return MaskedTensor(result, mask.broadcast_to(result.shape))


def _broadcasts(mask, result):
    return torch.broadcast_shapes(result.shape, mask.shape) == result.shape


def _where(condition, input=None, other=None):
    if not (_is(input) and _is(other)):
        raise TypeError("where: both operands must be MaskedTensors")
    plain = condition._plain() if _is(condition) else condition
    return MaskedTensor(
        torch.where(plain, input._plain(), other._plain()),
        torch.where(plain, input._mask, other._mask),
    )


# -- text ------------------------------------------------------------------------------------


def _number(value, selected, dtype):
    if not selected:
        return "--"
    return f"{value:8.4f}" if dtype.is_floating_point else str(value)


def _lines(data, mask, dtype):
    if isinstance(data, list) and data and isinstance(data[0], list):
        body = [_lines(d, m, dtype) for d, m in zip(data, mask, strict=True)]
        inner = ",\n".join("\n".join("  " + line for line in b.split("\n")) for b in body)
        return f"[\n{inner}\n]"
    parts = [_number(d, m, dtype) for d, m in zip(data, mask, strict=True)]
    return f"[{', '.join(p.rjust(8) if p == '--' else p for p in parts)}]"


def _text(data, mask):
    if data.dim() == 0:
        shown = _number(data.item(), mask.item(), data.dtype)
        return f"MaskedTensor({shown}, {mask.item()})"
    body = _lines(data.tolist(), mask.tolist(), data.dtype)
    inner = "\n".join("  " + line for line in body.split("\n"))
    return f"MaskedTensor(\n{inner}\n)"


def masked_tensor(data, mask, requires_grad: bool = False) -> MaskedTensor:
    """A MaskedTensor over a copy of `data`, as a leaf."""
    if not isinstance(data, Tensor):
        raise TypeError("data must be a Tensor")
    return MaskedTensor(data.detach().clone(), mask, requires_grad)


def as_masked_tensor(data, mask) -> MaskedTensor:
    """A MaskedTensor over `data` that keeps its history."""
    return MaskedTensor(data, mask)


def is_masked_tensor(obj, /) -> bool:
    """Whether `obj` is a MaskedTensor."""
    return isinstance(obj, MaskedTensor)
