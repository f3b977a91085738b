"""Methods of Tensor from older programs: element loops, `new`, names that were replaced."""

from __future__ import annotations

from .. import _C
from .._device import check_device
from .._unsupported import TENSOR, unsupported
from .common import Tensor, method


def _check(self, name, function):
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    if self.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. "
            f"Use var.detach().{name}() instead."
        )


def _fill_from(self, values):
    made = _C.from_data(list(values), self.dtype) if self.numel() else self
    return self.copy_(made.reshape(self.shape))


@method
def apply_(self, callable):
    """Replace every element by `callable(element)`: a Python loop, slow."""
    _check(self, "apply_", callable)
    return _fill_from(self, map(callable, self.flatten().tolist()))


def _mapped(self, name, callable, others):
    _check(self, name, callable)
    columns = [self.flatten().tolist()]
    for label, other in others:
        if not isinstance(other, Tensor):
            raise TypeError(
                f"{name}(): argument {label} must be Tensor, not {type(other).__name__}"
            )
        if other.dtype is not self.dtype:
            raise TypeError(f"{name}: expected {self.type()} for {label} (got {other.type()})")
        columns.append(other.detach().expand(self.shape).flatten().tolist())
    return _fill_from(self, map(callable, *columns))


@method
def map_(self, other, callable):
    """Replace every element by `callable(element, element of other)`."""
    return _mapped(self, "map_", callable, [("'other'", other)])


@method
def map2_(self, x, y, callable):
    """Replace every element by `callable(element, element of x, element of y)`."""
    return _mapped(self, "map2_", callable, [("argument 'x'", x), ("argument 'y'", y)])


@method
def new(self, *args, device=None, size=None):
    """A tensor of this dtype: of a shape (ints), over a storage, or with given data."""
    from .. import empty, is_storage

    if device is not None:
        check_device(device)
    if size is not None:
        args = (_C.Size(size),)
    if len(args) != 1 or isinstance(args[0], (int, _C.Size)):
        shape = tuple(args[0]) if args and isinstance(args[0], _C.Size) else args
        return empty(shape or (0,), dtype=self.dtype)
    (data,) = args
    if isinstance(data, Tensor):
        if data.dtype is not self.dtype:
            raise TypeError(f"new(): expected a tensor of {self.dtype}, got {data.dtype}")
        return Tensor(data)
    if is_storage(data):
        return empty(0, dtype=self.dtype).set_(data)
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if not hasattr(data, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    return _C.from_data(data, self.dtype)


@method
def module_load(self, other, assign=False):
    """What a Module keeps of `other` when it loads it in place of this tensor."""
    return other.detach() if assign else self.copy_(other).detach()


@method
def resize(self, *sizes):
    """The same number of elements in another shape."""
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    count = 1
    for s in shape:
        count *= s
    if count != self.numel():
        asked, own = ("x".join(map(str, s)) for s in (shape, self.shape))
        raise RuntimeError(
            f"requested resize to {asked} ({count} elements in total), but the given tensor has a "
            f"size of {own} ({self.numel()} elements). autograd's resize can only change the shape "
            "of a given tensor, while preserving the number of elements."
        )
    return self.contiguous().view(shape)


@method
def resize_as(self, tensor):
    """The same number of elements in the shape of another tensor."""
    return self.resize(tensor.shape)


@method
def const_data_ptr(self):
    """Address of the first element, for reading."""
    return self.data_ptr()


@method
def storage_type(self):
    """The class of the storage: torch.FloatStorage and so on."""
    import rushlight as torch

    from .._storage import LEGACY_NAMES

    return getattr(torch, LEGACY_NAMES[self.dtype._name])


@method
def __long__(self):
    if self.numel() != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return int(self)


@method
def __nonzero__(self):
    return bool(self)


@method
def __div__(self, other):
    return self / other


@method
def __idiv__(self, other):
    return self.div_(other)


@method
def __setstate__(self, state):
    if not self.is_leaf:
        raise RuntimeError("__setstate__ can be only called on leaf Tensors")
    if len(state) == 4:  # storage, offset, size, stride
        self.set_(*state)
        return
    if len(state) == 5:  # data, gradient, hooks, requires_grad, volatile
        self.data, _, hooks, requires_grad, _ = state
    else:
        requires_grad, _, hooks = state
    self.requires_grad_(requires_grad)
    for hook in (hooks or {}).values():
        self.register_hook(hook)


def _absent_device(name, error, message):
    def move(self, device=None, non_blocking=False, memory_format=None):
        raise error(message)

    move.__name__ = name
    move.__doc__ = f"The tensor on a device of the kind {name}: there is none."
    method(move)


_absent_device("ipu", RuntimeError, "PyTorch is not linked with support for ipu devices")
_absent_device("xpu", AssertionError, "Torch not compiled with XPU enabled")
_absent_device("mtia", AssertionError, "Torch not compiled with MTIA enabled")


def _removed(name, instead):
    def function(self, *args, **kwargs):
        raise RuntimeError(f"Tensor.{name} is now removed: use {instead}")

    function.__name__ = name
    function.__doc__ = f"Removed from PyTorch: use {instead}."
    method(function)


for _name, _instead in {
    "solve": "torch.linalg.solve",
    "lstsq": "torch.linalg.lstsq",
    "eig": "torch.linalg.eig",
    "symeig": "torch.linalg.eigh",
    "reinforce": "torch.distributions",
}.items():
    _removed(_name, _instead)
for _name in TENSOR:
    method(unsupported(_name, "torch.Tensor"))
