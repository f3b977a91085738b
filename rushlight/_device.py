"""Devices: where the elements of tensors live.

"cpu" is memory; "meta" tensors have a shape, a dtype and strides, and no elements.
"""

from __future__ import annotations

from . import _C

_TYPES = (
    "cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu "
    "mtia privateuseone"
).split()


_known: dict = {}  # devices without an index: one object each


class device:  # noqa: N801 (torch.device is spelt so)
    """A device type with an optional index: "cpu", ("cuda", 0) or "cuda:0"."""

    __slots__ = ("type", "index")

    def __new__(cls, type=None, index=None, *, device=None):  # noqa: A002
        source = device if type is None else type
        if isinstance(source, cls):
            return source
        if isinstance(source, int) and not isinstance(source, bool):
            source, index = "cuda", source
        if not isinstance(source, str):
            raise TypeError(
                "device(): argument 'type' (position 1) must be str, not "
                f"{source.__class__.__name__}"
            )
        name, colon, number = source.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed explicitly: "
                    f"{source}"
                )
            if not number.isdigit() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: '{source}'")
            index = int(number)
        if not source:
            raise RuntimeError("Device string must not be empty")
        if name not in _TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(_TYPES)} device type at start of device string: {name}"
            )
        if index is None and name in _known:
            return _known[name]
        self = object.__new__(cls)
        if index is None:
            _known[name] = self
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", index)
        return self

    def __setattr__(self, name, value):
        raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")

    def __repr__(self):
        tail = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{tail})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        if not isinstance(other, device):
            return NotImplemented
        return (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __reduce__(self):
        return _device_from, (str(self),)

    def __enter__(self):
        _default_devices.append(check_device(self))
        _C.set_making(_default_devices[-1] is meta, False)
        return self

    def __exit__(self, *exc):
        _default_devices.pop()
        _C.set_making(_default_devices[-1] is meta, False)

    def __call__(self, function):
        def wrapped(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return wrapped


def _device_from(text):
    return device(text)


device.__module__ = "torch"
_Device = device  # for functions with a parameter of that name
cpu = device("cpu")
_default_devices = [cpu]
meta = device("meta")
_C.set_devices(cpu, meta)


def check_device(given) -> device:
    """The device meant by `given` (device, str or int); an error when there is none here."""
    if given is None or given is cpu or (given.__class__ is str and given == "cpu"):
        return cpu
    found = device(given)
    if found.type == "cpu":
        return cpu
    if found.type == "meta":
        return meta
    if found.type == "cuda":
        raise AssertionError(
            "Torch not compiled with CUDA enabled: rushlight found no CUDA device; use device='cpu'"
        )
    raise RuntimeError(f"device '{found}' is not available: rushlight runs on 'cpu' here")


def make_on(function, args, kwargs):
    """Call a function that makes tensors, on the device that the call names."""
    where = check_device(kwargs.pop("device"))
    before = _C.set_making(where is meta, True)
    try:
        return function(*args, **kwargs)
    finally:
        _C.set_making(*before)


_C.set_helper("make_on", make_on)


def placed(tensor, given):
    """The tensor on the device `given`; None: where new tensors are made now."""
    if given is not None:
        return tensor.to(check_device(given))
    return tensor.to(meta) if _C.making()[0] and not tensor.is_meta else tensor


def get_default_device() -> device:
    """The device new tensors are made on."""
    return _default_devices[-1]


def set_default_device(given) -> None:
    """Make new tensors on `given` (None: the CPU)."""
    _default_devices[0] = check_device(given)
    _C.set_making(_default_devices[-1] is meta, False)


def get_device_module(device=None):
    """The module of a device (torch.cpu, torch.cuda): by its name, or the accelerator's if any."""
    import importlib

    if device is not None and not isinstance(device, (str, _Device)):
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    if device is None:
        from .cuda import is_available

        kind = "cuda" if is_available() else "cpu"
    else:
        kind = _Device(device).type
    try:
        return importlib.import_module(f"{__package__}.{kind}")
    except ModuleNotFoundError:
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        ) from None
