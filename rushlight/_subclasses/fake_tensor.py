"""Tensors without data that say they are on some device: shapes, dtypes and strides of a program.

A fake tensor wraps a meta tensor. Every call on it goes to its FakeTensorMode, which runs the call
on the meta tensors and says where the results would be.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import rushlight as torch

from .. import _C, Tensor
from .._aten import OpOverload, aten
from ..utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    is_traceable_wrapper_subclass,
    transform_subclass,
)
from ..utils._pytree import tree_leaves, tree_map

_CONSTANT_SIZE = 1  # elements of a tensor whose value a fake one keeps


class UnsupportedFakeTensorException(RuntimeError):
    """Something that no fake tensor can stand for."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class DynamicOutputShapeException(RuntimeError):
    """An operator whose result's shape depends on elements that are not there."""

    def __init__(self, func: OpOverload):
        super().__init__(func)
        self.func = func


class DataDependentOutputException(RuntimeError):
    """An operator whose result is a number that depends on elements that are not there."""

    def __init__(self, func: OpOverload):
        super().__init__(func)
        self.func = func


class UnsupportedOperatorException(RuntimeError):
    """An operator that has no rule for fake tensors."""

    def __init__(self, func: OpOverload):
        super().__init__(func)
        self.func = func


class FakeTensorDeviceMismatchError(RuntimeError):
    """Tensors of several devices in one call."""


_NUMBERS = {"_local_scalar_dense", "item", "equal", "is_nonzero", "allclose"}


def _draws(func: OpOverload) -> bool:
    return any(a.name == "generator" for a in func._schema.arguments)


class FakeTensor(Tensor):
    """A tensor without data on a device that need not exist; made by a FakeTensorMode."""

    fake_device: torch.device
    fake_mode: FakeTensorMode
    constant: Tensor | None

    @staticmethod
    def __new__(cls, fake_mode, elem=None, device=None, constant=None, real_tensor=None, **kwargs):
        requires_grad = kwargs.get("requires_grad")
        self = Tensor._make_subclass(
            cls, elem, elem.requires_grad if requires_grad is None else requires_grad
        )
        where = _with_index(torch.device(device))
        _C.pretend_device(self, where)
        self.fake_device = where
        self.fake_mode = fake_mode
        self.constant = constant
        self.real_tensor = real_tensor
        return self

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __repr__(self, *, tensor_contents=None) -> str:
        parts = ["..."]
        if self.fake_device.type != "cpu":
            parts.append(f"device='{self.fake_device}'")
        parts.append(f"size=({', '.join(map(str, self.shape))}{',' * (self.dim() == 1)})")
        if self.dtype is not torch.get_default_dtype():
            parts.append(f"dtype={self.dtype}")
        if self.grad_fn is not None:
            parts.append(f"grad_fn=<{self.grad_fn.name().rpartition('::')[2]}>")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        text = f"FakeTensor({', '.join(parts)})"
        return f"Parameter({text})" if getattr(self, "_is_param", False) else text

    @staticmethod
    def from_tensor(t: Tensor, fake_mode: FakeTensorMode) -> FakeTensor:
        """The fake tensor that stands for a real one in a mode."""
        return fake_mode.from_tensor(t)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        mode = next(t.fake_mode for t in tree_leaves((args, kwargs)) if isinstance(t, FakeTensor))
        return mode.dispatch(func, args, kwargs or {})

    def tolist(self):
        """The numbers: only where they are known without elements."""
        if self.constant is not None:
            return self.constant.tolist()
        raise DataDependentOutputException(aten._local_scalar_dense.default)

    def numpy(self, *, force: bool = False):
        """Refused: there are no elements."""
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    def cuda(self, device=None, non_blocking: bool = False, memory_format=None):
        """The tensor as if it were on a CUDA device."""
        return self.to("cuda" if device is None else device)

    def cpu(self, memory_format=None):
        """The tensor as if it were on the CPU."""
        return self.to("cpu")

    @property
    def is_cuda(self) -> bool:
        """Whether it says that it is on a CUDA device."""
        return self.fake_device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether it says that it is on the CPU."""
        return self.fake_device.type == "cpu"

    def get_device(self) -> int:
        """The index of its device; -1 of the CPU."""
        return -1 if self.fake_device.index is None else self.fake_device.index

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            made = self.detach().clone().requires_grad_(self.requires_grad)
            if getattr(self, "_is_param", False):
                made._is_param = True
            memo[id(self)] = made
        return memo[id(self)]


def _with_index(device: torch.device) -> torch.device:
    if device.type in ("cpu", "meta") or device.index is not None:
        return device
    return torch.device(device.type, 0)


class FakeTensorConverter:
    """Real tensors, and the fake ones that stand for them."""

    def __init__(self, *, copy_data: bool = False, export: bool = False):
        self._made: dict[int, tuple[weakref.ref, FakeTensor]] = {}

    def from_real_tensor(self, mode: FakeTensorMode, t: Tensor, **kwargs) -> FakeTensor:
        """The fake tensor of a real one: always the same."""
        found = self._made.get(id(t))
        if found is not None and found[0]() is t:
            return found[1]
        made = self._convert(mode, t)
        key, table = id(t), self._made
        table[key] = weakref.ref(t, lambda _: table.pop(key, None)), made
        return made

    def _convert(self, mode, t):
        if t.layout is not torch.strided:
            raise UnsupportedFakeTensorException(f"a tensor of layout {t.layout}")
        with _disable_current_modes(), torch.no_grad():
            like = _bare(t)
        made = FakeTensor(mode, like, t.device)
        if t.requires_grad:
            made.requires_grad_()
        if isinstance(t, torch.nn.Parameter):
            made._is_param = True
        return made

    def from_meta_and_device(self, mode, t: Tensor, device, **kwargs) -> FakeTensor:
        """The fake tensor over a meta tensor, as if it were on a device."""
        return FakeTensor(mode, t, device)


def _bare(t: Tensor) -> Tensor:
    if t.is_meta:
        return Tensor._make_subclass(Tensor, t.detach())
    reach = sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True)) + 1
    offset = t.storage_offset()
    whole = torch.empty(offset + max(reach, 0), dtype=t.dtype, device="meta")
    return Tensor._make_subclass(Tensor, whole.as_strided(t.shape, t.stride(), offset))


class FakeTensorMode(TorchDispatchMode):
    """While entered, what is made is fake, and calls on fake tensors give fake tensors.

    A real tensor among the arguments is refused unless `allow_non_fake_inputs`; 0-d ones that the
    call itself makes of numbers are taken.
    """

    def __init__(
        self,
        *,
        allow_fallback_kernels: bool = True,
        allow_non_fake_inputs: bool = False,
        shape_env: Any = None,
        static_shapes: bool | None = None,
        export: bool = False,
    ):
        super().__init__()
        self.allow_fallback_kernels = allow_fallback_kernels
        self.allow_non_fake_inputs = allow_non_fake_inputs
        self.shape_env = shape_env
        self.static_shapes = shape_env is None if static_shapes is None else static_shapes
        self.fake_tensor_converter = FakeTensorConverter(export=export)
        self._entered: list[bool] = []

    def __enter__(self):
        stack = _C.interpreters()
        again = bool(stack) and stack[-1] is self
        self._entered.append(again)
        return self if again else super().__enter__()

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        if not self._entered.pop():
            super().__exit__(exc_type, exc_value, traceback)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Compilers use it inside."""
        return True

    def is_our_fake(self, t: object) -> bool:
        """Whether it is a fake tensor of this mode."""
        return isinstance(t, FakeTensor) and t.fake_mode is self

    def from_tensor(self, tensor: Tensor, *, static_shapes: bool | None = None, source: Any = None,
                    symbolic_context: Any = None, trace: bool = True) -> FakeTensor:  # fmt: skip
        """The fake tensor that stands for a real one: its shape, strides, dtype and device."""
        if isinstance(tensor, FakeTensor):
            return tensor
        if is_traceable_wrapper_subclass(tensor):
            return transform_subclass(tensor, lambda name, part: self.from_tensor(part))
        return self.fake_tensor_converter.from_real_tensor(self, tensor)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.dispatch(func, args, kwargs or {})

    def dispatch(self, func: OpOverload, args: tuple, kwargs: dict):
        """One call: on the meta tensors inside, and wrapped again."""
        name = func.overloadpacket.__name__
        if name == "lift_fresh":
            return self._lifted(args[0])
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        self._check(func, args, kwargs, tensors)
        if name in _NUMBERS:
            constants = [getattr(t, "constant", t) for t in tensors]
            if any(c is None for c in constants):
                raise DataDependentOutputException(func)
            real = tree_map(lambda t: t.constant if isinstance(t, FakeTensor) else t, args)
            return self._outside(func, real, kwargs)
        constant = self._constant(func, args, kwargs, tensors)
        device, kwargs = self._device(func, tensors, kwargs)
        bare = tree_map(self._unwrapped, (args, kwargs))
        try:
            result = self._outside(func, *bare)
        except NotImplementedError as error:
            if "depends on the elements" in str(error) or "Meta tensors" in str(error):
                raise DynamicOutputShapeException(self._named(func)) from None
            raise
        made = self._wrapped(func, args, result, device)
        if isinstance(made, FakeTensor):
            made.constant = constant
        return made

    def _constant(self, func, args, kwargs, tensors) -> Tensor | None:
        """The result on the numbers that are known, where all are."""
        known = [getattr(t, "constant", None) for t in tensors]
        if not known or any(c is None for c in known) or _draws(func):
            return None
        given = tree_map(lambda t: t.constant if isinstance(t, FakeTensor) else t, (args, kwargs))
        given[1].pop("device", None)
        result = self._outside(func, *given)
        small = isinstance(result, Tensor) and result.numel() <= _CONSTANT_SIZE
        return result if small else None

    def _named(self, func):
        packet = func.overloadpacket.__name__
        with_mask = packet in ("index", "masked_select")
        return aten.nonzero.default if with_mask else func

    def _outside(self, func, args, kwargs):
        with _disable_current_modes(), torch.no_grad():
            return func(*args, **kwargs)

    def _check(self, func, args, kwargs, tensors) -> None:
        for t in tensors:
            if isinstance(t, FakeTensor):
                if t.fake_mode is not self:
                    raise AssertionError(
                        f"Mixing fake modes NYI x.fake_mode={t.fake_mode} vs self={self}"
                    )
            elif not self.allow_non_fake_inputs and not (t.is_meta and t.dim() == 0):
                parts = [_shown(a) for a in args] + [f"{k}={_shown(v)}" for k, v in kwargs.items()]
                raise AssertionError(
                    "Please convert all Tensors to FakeTensors first or instantiate FakeTensorMode "
                    f"with 'allow_non_fake_inputs'. Found in {func}({', '.join(parts)})"
                )

    def _device(self, func, tensors, kwargs):
        """Where the result would be, and the keywords for the meta tensors."""
        asked = kwargs.get("device")
        if "device" in kwargs:
            kwargs = {**kwargs, "device": torch.device("meta")}
        if asked is not None:
            return _with_index(torch.device(asked)), kwargs
        found = None
        for t in tensors:
            device = _with_index(t.device)
            if found is None or (found[1] and t.dim()):
                found = device, t.dim() == 0 and device.type == "cpu"
            elif device != found[0] and not (t.dim() == 0 and device.type == "cpu"):
                if func.overloadpacket.__name__ in ("index", "index_put_", "copy_", "index_put"):
                    continue
                raise FakeTensorDeviceMismatchError(
                    "Expected all tensors to be on the same device, but found at least two "
                    f"devices, {found[0]} and {device}!"
                )
        return (torch.get_default_device() if found is None else found[0]), kwargs

    def _unwrapped(self, value):
        if not isinstance(value, Tensor):
            return value
        if not isinstance(value, FakeTensor):
            value = self.from_tensor(value)
        return _bare_alias(value)

    def _wrapped(self, func, args, result, device):
        own = isinstance(func, OpOverload)  # what users define returns what it says
        if own and func._schema.is_mutable and args and isinstance(args[0], FakeTensor):
            return args[0]
        return tree_map(
            lambda t: FakeTensor(self, t, device) if isinstance(t, Tensor) else t, result
        )

    def _lifted(self, t):
        if isinstance(t, FakeTensor):
            return t
        if t.is_meta:
            return FakeTensor(self, t, t.device)
        with _disable_current_modes():
            made = FakeTensor(self, _bare(t), t.device)
            made.constant = t.detach() if t.numel() <= _CONSTANT_SIZE else None
        return made


def _bare_alias(t: FakeTensor) -> Tensor:
    """The meta tensor that a fake one wraps: the same storage, without history."""
    asked = _C.set_torch_dispatch(False)
    try:
        return Tensor._make_subclass(Tensor, t)
    finally:
        _C.set_torch_dispatch(asked)


def _shown(value) -> str:
    if isinstance(value, Tensor) and not isinstance(value, FakeTensor):
        size = ", ".join(map(str, value.shape))
        return f"tensor([...], size=({size}{',' * (value.dim() == 1)}))"
    return repr(value)


# -- questions ------------------------------------------------------------------------------------


def is_fake(x: object) -> bool:
    """Whether it is a fake tensor, or holds one."""
    if isinstance(x, FakeTensor):
        return True
    if is_traceable_wrapper_subclass(x):
        return any(is_fake(getattr(x, name)) for name in x.__tensor_flatten__()[0])
    return False


def maybe_get_fake_mode(t: object) -> FakeTensorMode | None:
    """The mode that a fake tensor belongs to."""
    if isinstance(t, FakeTensor):
        return t.fake_mode
    if is_traceable_wrapper_subclass(t):
        return next((maybe_get_fake_mode(getattr(t, n)) for n in t.__tensor_flatten__()[0]), None)
    return None


def get_plain_tensors(subclass: Tensor, *, out: list) -> list:
    """The plain tensors that a wrapping one is made of, added to `out`."""
    for name in subclass.__tensor_flatten__()[0]:
        part = getattr(subclass, name)
        if is_traceable_wrapper_subclass(part):
            get_plain_tensors(part, out=out)
        else:
            out.append(part)
    return out


@contextlib.contextmanager
def unset_fake_temporarily() -> Iterator[FakeTensorMode | None]:
    """Within the block the FakeTensorMode that is entered has no say."""
    stack = _C.interpreters()
    found = next((i for i in reversed(stack) if isinstance(i, FakeTensorMode)), None)
    if found is not None:
        _C.set_interpreters([i for i in stack if i is not found])
    try:
        yield found
    finally:
        _C.set_interpreters(stack)
