"""Names in files: rushlight's objects are spelled as PyTorch's, and only known ones mean data."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from importlib import import_module
from math import prod
from pickle import UnpicklingError

import rushlight as torch

from .. import _utils
from .._module_names import in_pytorch
from .._storage import DTYPE_OF_LEGACY_NAME, TypedStorage
from . import _opcodes  # noqa: F401 (fills the table of opcodes)
from ._unpickle import DataUnpickler, brief, check_key

_PACKAGE = torch.__package__
_DTYPE_NAMES = (
    "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu float4_e2m1fn_x2 int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 "
    "uint5 uint6 uint7 bits1x8 bits2x4 bits4x2 bits8 bits16 complex32 complex64 "
    "complex128 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool"
).split()
# Where PyTorch keeps what lives elsewhere here.
_MOVED = {
    f"torch.nn.{ours}.{name}": f"torch.{theirs}.{name}"
    for ours, theirs, name in (
        ("parameter", "_utils", "_rebuild_parameter"),
        ("parameter", "_utils", "_rebuild_parameter_with_state"),
        ("modules.attention", "nn.modules.activation", "MultiheadAttention"),
        ("modules._parameter_containers", "nn.modules.container", "ParameterDict"),
        ("modules._parameter_containers", "nn.modules.container", "ParameterList"),
        (
            "_functional_ctc",
            "nn.modules.linear_cross_entropy_options",
            "LinearCrossEntropyOptions",
        ),
    )
}
_BUILTINS = ("builtins", "__builtin__")
_PARAMETER = "torch.nn.parameter.Parameter"
# What PyTorch keeps in modules that do not exist here.
_ELSEWHERE = {
    "torch._tensor.Tensor": torch.Tensor,
    "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
    "torch.tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
}
_safe_globals: dict[str, object] = {}


class StorageType:
    """Stands for a storage class in a persistent id; `dtype` is None for untyped storages."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str):
        self.name = name
        dtype = DTYPE_OF_LEGACY_NAME.get(name)
        self.dtype = getattr(torch, dtype) if dtype else None


def file_name(module: str, name: str) -> tuple[str, str]:
    """How files spell the object `name` of `module`."""
    full = f"{in_pytorch(module)}.{name}"
    full = _MOVED.get(full, full)
    return full[: -len(name) - 1], name


def find_object(module: str, name: str):
    """The object that a name in a file stands for, importing what is needed; for trusted files."""
    if module == "torch" or module.startswith("torch."):
        if name in DTYPE_OF_LEGACY_NAME and module in ("torch", "torch.cuda"):
            return StorageType(name)
        if name in ("UntypedStorage", "_UntypedStorage") and module.startswith("torch"):
            return StorageType("UntypedStorage")
        full = f"{module}.{name}"
        if full in _ELSEWHERE:
            return _ELSEWHERE[full]
        if module == "torch._C._nn":
            return _attribute(import_module(_PACKAGE + ".nn.functional"), name)
        return _find_own(_PACKAGE + module[5:], name)
    return _attribute(import_module(module), name)


def _attribute(obj, name: str):
    for part in name.split("."):
        obj = getattr(obj, part)
    return obj


def _find_own(module: str, name: str):
    """`name` in `module`, or else in the nearest package above that has it."""
    wanted = f"{module}.{name}"
    while True:
        try:
            return _attribute(import_module(module), name)
        except (ImportError, AttributeError):
            module, _, last = module.rpartition(".")
            if not module:
                raise UnpicklingError(
                    f"load: the file names {wanted.replace(_PACKAGE, 'torch', 1)}, which does not "
                    "exist here"
                ) from None


def _ordered_dict(*args):
    result = OrderedDict()
    for pairs in args:
        for key, value in pairs:
            check_key(key)
            result[key] = value
    return result


def _counter(*args):
    if args and type(args[0]) is not dict:
        raise UnpicklingError("Counter is made from a dict")
    return Counter(*args)


def _set_of(kind):
    def make(items=()):
        if type(items) not in (list, tuple, set, frozenset):
            raise UnpicklingError("a set is made from a list")
        for item in items:
            check_key(item)
        return kind(items)

    return make


_ENCODINGS = ("latin1", "latin-1", "utf-8", "ascii")


def _encode(text, encoding):
    # Protocol 2 writes bytes as text in Latin-1.
    if type(text) is not str or encoding not in _ENCODINGS:
        raise UnpicklingError("_codecs.encode: expected text and latin1")
    return text.encode(encoding)


def _bytearray(*args):
    if args and (type(args[0]) not in (bytes, str) or any(e not in _ENCODINGS for e in args[1:])):
        raise UnpicklingError("a bytearray is made from bytes")
    return bytearray(*args)


def _complex(real, imag):
    if type(real) is not float or type(imag) is not float:
        raise UnpicklingError("a complex number is made from two floats")
    return complex(real, imag)


def _get_layout(name):
    """The layout that a file calls `name`, such as "torch.sparse_coo"."""
    found = torch.LAYOUTS.get(name.removeprefix("torch.")) if type(name) is str else None
    if found is None:
        raise UnpicklingError(f"load: unknown layout {brief(name)}")
    return found


def _builtin_globals() -> dict[str, object]:
    """What a file may name by default."""
    found: dict[str, object] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "builtins.set": set,
        "builtins.complex": complex,
        "builtins.bytearray": bytearray,
        "builtins.frozenset": frozenset,
        "builtins.bytes": bytes,
        "_codecs.encode": _encode,
        "torch.serialization._get_layout": _get_layout,
        "torch.Size": torch.Size,
        "torch.device": torch.device,
        "torch.Tensor": torch.Tensor,
        "torch.storage.UntypedStorage": StorageType("UntypedStorage"),
        "torch.storage.TypedStorage": TypedStorage,
    }
    for name in _DTYPE_NAMES:
        if hasattr(torch, name):
            found[f"torch.{name}"] = getattr(torch, name)
    for name in ("contiguous_format", "channels_last", "channels_last_3d", "preserve_format"):
        found[f"torch.{name}"] = getattr(torch, name)
    for name in DTYPE_OF_LEGACY_NAME:
        kind = name.replace("Storage", "Tensor")
        if hasattr(torch, kind):
            found[f"torch.{kind}"] = getattr(torch, kind)
        found[f"torch.{name}"] = found[f"torch.cuda.{name}"] = StorageType(name)
    for name in _REBUILDERS:
        found[f"torch._utils.{name}"] = getattr(_utils, name)
    found["torch._tensor._rebuild_from_type_v2"] = _utils._rebuild_from_type_v2
    return found


_REBUILDERS = (
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_sparse_tensor",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_meta_tensor_no_storage",
)


class _Copies:
    """Rebuilds tensors that are copied or walked, of a file's size in all."""

    def __init__(self, file_size: int):
        self._left = file_size + _FEW_BYTES

    def _charge(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._left < 0:
            raise UnpicklingError("the file describes more than it contains")

    def plain(self, rebuild, metadata_at: int):
        """`rebuild`, with its copies for conjugate and negative views counted."""

        def checked(*args):
            if len(args) > metadata_at and args[metadata_at]:
                size = args[2] if type(args[2]) in (tuple, torch.Size) else ()
                self._charge(16 * prod(size))
            return rebuild(*args)

        return checked

    def sparse(self, layout, data):
        """A sparse tensor whose parts do not say more than their memory holds."""
        for part in data if type(data) is tuple else ():
            if isinstance(part, torch.Tensor) and part.layout is torch.strided:
                nbytes = part.numel() * part.dtype.itemsize
                self._charge(max(0, nbytes - part.untyped_storage().nbytes()))
        return _utils._rebuild_sparse_tensor(layout, data)


_FEW_BYTES = 1 << 16


def _makers(classes: set, file_size: int) -> dict:
    makers = {getattr(_utils, name): getattr(_utils, name) for name in _REBUILDERS}
    copies = _Copies(file_size)
    makers[_utils._rebuild_tensor_v2] = copies.plain(_utils._rebuild_tensor_v2, 6)
    makers[_utils._rebuild_tensor_v3] = copies.plain(_utils._rebuild_tensor_v3, 7)
    makers[_utils._rebuild_sparse_tensor] = copies.sparse
    makers[_utils._rebuild_parameter] = _checked_parameter
    makers[_utils._rebuild_parameter_with_state] = _checked_parameter

    def from_type(func, kind, args, state):
        if not callable(func) or func not in makers or func is _utils._rebuild_from_type_v2:
            raise UnpicklingError(f"_rebuild_from_type_v2: unrecognized function {brief(func)}")
        known = kind is torch.Tensor or _is_parameter(kind)
        if not known and not (isinstance(kind, type) and kind in classes):
            raise UnpicklingError(f"_rebuild_from_type_v2: unrecognized class {brief(kind)}")
        result = makers[func](*args)
        _check_attributes(state)
        return _utils._rebuild_from_type_v2(lambda: result, kind, (), state)

    makers[_utils._rebuild_from_type_v2] = from_type
    makers[OrderedDict] = _ordered_dict
    makers[Counter] = _counter
    makers[set] = _set_of(set)
    makers[frozenset] = _set_of(frozenset)
    makers[bytes] = lambda: b""  # protocol 2 writes empty bytes so
    makers[complex] = _complex
    makers[bytearray] = _bytearray
    makers[torch.Size] = torch.Size
    makers[torch.device] = torch.device
    makers[_encode] = _encode
    makers[_get_layout] = _get_layout
    return makers


def _is_parameter(kind) -> bool:
    # Asked without importing `nn`, which plain tensors do not need.
    parameter = sys.modules.get(_PACKAGE + ".nn.parameter")
    return parameter is not None and kind is parameter.Parameter


def _checked_parameter(data, requires_grad, backward_hooks, state=None):
    if not isinstance(data, torch.Tensor) or type(requires_grad) is not bool:
        raise UnpicklingError("a parameter is made from a tensor and a bool")
    _check_attributes(state)
    return _utils._rebuild_parameter_with_state(data, requires_grad, backward_hooks, state or {})


def _check_attributes(state) -> None:
    """Refuse a state that would replace what tensors are made of."""
    for values in state if type(state) is tuple else (state,):
        for name in values or ():
            if type(name) is not str or name.startswith("__") or hasattr(torch.Tensor, name):
                raise UnpicklingError(f"a tensor cannot be given the attribute {brief(name)}")


def is_allowed(name: str) -> bool:
    """Whether files may name this global."""
    return name in _builtin_globals() or name in _safe_globals or name == _PARAMETER


def data_unpickler(persistent_load, encoding: str = "utf-8", file_size: int = 0) -> DataUnpickler:
    """An unpickler for untrusted files, with the globals allowed at this moment.

    Calls may copy no more bytes of tensors than the file has.
    """
    known = _builtin_globals()
    user = dict(_safe_globals)
    classes = {obj for obj in user.values() if isinstance(obj, type)}
    makers = _makers(classes, file_size)
    for obj in user.values():
        if obj not in makers:
            makers[obj] = obj

    def find_global(module: str, name: str):
        full = f"builtins.{name}" if module in _BUILTINS else f"{module}.{name}"
        if full in known:
            return known[full]
        if full == _PARAMETER:
            return torch.nn.Parameter
        if full in user:
            return user[full]
        full = full[:300]
        short = name[:300] if module in _BUILTINS else full
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{short}])` or the "
            f"`torch.serialization.safe_globals([{short}])` context manager, for a class or "
            "function that you trust"
        )

    return DataUnpickler(find_global, makers, classes, persistent_load, encoding)


def add_safe_globals(safe_globals: list) -> None:
    """Let `load(weights_only=True)` use these classes and functions, or (object, name) pairs."""
    for item in safe_globals:
        if isinstance(item, tuple) and len(item) != 2:
            raise ValueError(
                "Expected tuple of length 2 (global, str of callable full path), but got tuple of "
                f"length: {len(item)}"
            )
        obj, name = item if isinstance(item, tuple) else (item, None)
        if name is None:
            name = ".".join(file_name(obj.__module__, obj.__qualname__))
        _safe_globals[name] = obj


def clear_safe_globals() -> None:
    """Forget everything that `add_safe_globals` allowed."""
    _safe_globals.clear()


def get_safe_globals() -> list:
    """What `add_safe_globals` allowed."""
    found = []
    for name, obj in _safe_globals.items():
        plain = ".".join(file_name(obj.__module__, obj.__qualname__))
        found.append(obj if name == plain else (obj, name))
    return found


class safe_globals:
    """Allow classes and functions within a `with` block; arguments as in `add_safe_globals`."""

    def __init__(self, safe_globals: list):
        self.safe_globals = safe_globals

    def __enter__(self):
        self._saved = dict(_safe_globals)
        add_safe_globals(self.safe_globals)
        return self

    def __exit__(self, *exc_info):
        _safe_globals.clear()
        _safe_globals.update(self._saved)
