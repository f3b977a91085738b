"""Moving a module between dtypes and devices, in place."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ... import __future__ as choices
from ...tensor.conversion import PYTHON_DTYPES
from ...utils import swap_tensors
from ..parameter import Parameter, is_lazy


class Conversion:
    """The part of Module that changes what parameters and buffers are made of."""

    def _apply(self, fn, recurse: bool = True):
        """Replace every parameter, gradient and buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is not None:
                self._parameters[name] = self._converted(name, param, fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def _converted(self, name, param, fn):
        with torch.no_grad():
            new = fn(param)
            grad = param.grad
            new_grad = None if grad is None else fn(grad)
        if choices.get_swap_module_params_on_conversion():
            return self._swapped(name, param, new, new_grad)
        keep = not choices.get_overwrite_module_params_on_conversion()
        if keep and _same_kind(param, new):
            param.data = new
            target = param
        else:
            target = Parameter(new, param.requires_grad)
        if grad is not None:
            if keep and target is param and _same_kind(grad, new_grad):
                grad.data = new_grad
            else:
                target.grad = new_grad.requires_grad_(grad.requires_grad)
        return target

    def _swapped(self, name, param, new, new_grad):
        grad = param.grad
        new = Parameter(new, param.requires_grad)
        param.grad = None
        try:
            swap_tensors(param, new)
        except RuntimeError as error:
            param.grad = grad
            raise RuntimeError(f"_apply(): Couldn't swap {self._get_name()}.{name}") from error
        if grad is not None:
            new_grad.requires_grad_(grad.requires_grad)
            try:
                swap_tensors(grad, new_grad)
            except RuntimeError as error:
                raise RuntimeError(
                    f"_apply(): Couldn't swap {self._get_name()}.{name}.grad"
                ) from error
            param.grad = grad
        return param

    def to(self, *args, **kwargs):
        """Move and cast: to(device, dtype), to(dtype), to(tensor), to(memory_format=...).

        Only floating and complex parameters and buffers are cast.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )

        def convert(t):
            wanted = dtype if t.is_floating_point() or t.is_complex() else None
            if memory_format is not None and not is_lazy(t) and t.dim() in (4, 5):
                return t.to(device, wanted, non_blocking, memory_format=memory_format)
            return t.to(device, wanted, non_blocking)

        return self._apply(convert)

    def to_empty(self, *, device, recurse: bool = True):
        """Move to a device without copying the values."""
        return self._apply(lambda t: torch.empty_like(t, device=device), recurse=recurse)

    def type(self, dst_type):
        """Cast all parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def _cast(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        """Cast floating parameters and buffers to float32."""
        return self._cast(torch.float32)

    def double(self):
        """Cast floating parameters and buffers to float64."""
        return self._cast(torch.float64)

    def half(self):
        """Cast floating parameters and buffers to float16."""
        return self._cast(torch.float16)

    def bfloat16(self):
        """Cast floating parameters and buffers to bfloat16."""
        return self._cast(torch.bfloat16)

    def cpu(self):
        """Move to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """Move to a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device=None):
        """Move to an Intel GPU."""
        return self._apply(lambda t: t.xpu(device))

    def mtia(self, device=None):
        """Move to an MTIA device."""
        return self._apply(lambda t: t.mtia(device))

    def ipu(self, device=None):
        """Move to an IPU."""
        return self._apply(lambda t: t.ipu(device))

    def share_memory(self):
        """Move storages to shared memory, so that child processes see the same values."""
        return self._apply(lambda t: t.share_memory_())


def _same_kind(old, new):
    """Whether `old.data = new` keeps what `old` is."""
    if new.is_meta is not old.is_meta:
        return False
    return type(new) is Tensor or isinstance(new, type(old)) or isinstance(old, type(new))


def _parse_to(*args, **kwargs):
    """(device, dtype, non_blocking, memory_format) of the forms that `to` takes."""
    memory_format = kwargs.pop("memory_format", None)
    args = tuple(PYTHON_DTYPES.get(a, a) if type(a) is type else a for a in args)
    if type(kwargs.get("dtype")) is type:
        kwargs["dtype"] = PYTHON_DTYPES.get(kwargs["dtype"], kwargs["dtype"])
    first = args[0] if args else kwargs.get("tensor", kwargs.get("other"))
    if isinstance(first, Tensor):
        non_blocking = args[1] if len(args) > 1 else kwargs.get("non_blocking", False)
        return first.device, first.dtype, non_blocking, memory_format
    names = ["dtype", "non_blocking"] if isinstance(first, torch.dtype) else [
        "device", "dtype", "non_blocking"
    ]  # fmt: skip
    if len(args) > len(names) + 1:
        raise TypeError(f"to() received an invalid combination of arguments: got {args!r}")
    given = dict(zip([*names, "copy"], args, strict=False))
    if isinstance(first, torch.dtype) and "device" in kwargs and args:
        raise TypeError(
            "to() received an invalid combination of arguments: got a dtype by position and a "
            "device by keyword, expected to(device, dtype)"
        )
    for name, value in kwargs.items():
        if name not in ("device", "dtype", "non_blocking", "copy") or name in given:
            raise TypeError(
                f"to() received an invalid combination of arguments: got {name}={value!r}, "
                "expected device, dtype, non_blocking or memory_format"
            )
        given[name] = value
    device, dtype = given.get("device"), given.get("dtype")
    if device is not None and not isinstance(device, torch.device):
        device = torch.device(device)
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise TypeError(
            f"to() received an invalid combination of arguments: got dtype={dtype!r}, expected "
            "a torch.dtype"
        )
    return device, dtype, given.get("non_blocking", False), memory_format
