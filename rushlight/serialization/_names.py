"""Names in files: rushlight's objects are spelled as PyTorch's, and only known ones mean data."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from importlib import import_module
from pickle import UnpicklingError

import rushlight as torch

from .. import _utils
from .._storage import DTYPE_OF_LEGACY_NAME, TypedStorage
from ._unpickle import DataUnpickler, check_key

_PACKAGE = torch.__name__
_DTYPE_NAMES = (
    "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu float4_e2m1fn_x2 bits1x8 bits2x4 bits4x2 bits8 bits16 complex32 complex64 "
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
_PARAMETER = "torch.nn.parameter.Parameter"
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
    if module == _PACKAGE or module.startswith(_PACKAGE + "."):
        full = f"torch{module[len(_PACKAGE) :]}.{name}"
        full = _MOVED.get(full, full)
        cut = len(full) - len(name) - 1
        return full[:cut], name
    return module, name


def find_object(module: str, name: str):
    """The object that a name in a file stands for, importing what is needed; for trusted files."""
    if module == "torch" or module.startswith("torch."):
        if name in DTYPE_OF_LEGACY_NAME and module in ("torch", "torch.cuda"):
            return StorageType(name)
        if name in ("UntypedStorage", "_UntypedStorage") and module.startswith("torch"):
            return StorageType("UntypedStorage")
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


def _set(items=()):
    items = list(items) if type(items) in (list, tuple, set, frozenset) else None
    if items is None:
        raise UnpicklingError("a set is made from a list")
    for item in items:
        check_key(item)
    return set(items)


def _encode(text, encoding):
    # Protocol 2 writes bytes as text in Latin-1.
    if type(text) is not str or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise UnpicklingError("_codecs.encode: expected text and latin1")
    return text.encode(encoding)


def _bytearray(*args):
    if args and type(args[0]) not in (bytes, str):
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
        raise UnpicklingError(f"load: unknown layout {name!r}")
    return found


def _builtin_globals() -> dict[str, object]:
    """What a file may name by default."""
    found: dict[str, object] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "builtins.set": set,
        "builtins.complex": complex,
        "builtins.bytearray": bytearray,
        "__builtin__.set": set,
        "__builtin__.complex": complex,
        "__builtin__.bytearray": bytearray,
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
    for name in DTYPE_OF_LEGACY_NAME:
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


def _makers(classes: set) -> dict:
    makers = {getattr(_utils, name): getattr(_utils, name) for name in _REBUILDERS}
    makers[_utils._rebuild_parameter] = _checked_parameter
    makers[_utils._rebuild_parameter_with_state] = _checked_parameter

    def from_type(func, kind, args, state):
        if func not in makers or func is _utils._rebuild_from_type_v2:
            raise UnpicklingError(f"_rebuild_from_type_v2: unrecognized function {func}")
        if kind is not torch.Tensor and not _is_parameter(kind) and kind not in classes:
            raise UnpicklingError(f"_rebuild_from_type_v2: unrecognized class {kind}")
        result = makers[func](*args)
        _check_attributes(state)
        return _utils._rebuild_from_type_v2(lambda: result, kind, (), state)

    makers[_utils._rebuild_from_type_v2] = from_type
    makers[OrderedDict] = _ordered_dict
    makers[Counter] = _counter
    makers[set] = _set
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
                raise UnpicklingError(f"a tensor cannot be given the attribute {name!r}")


def _object_name(obj) -> str:
    return f"{obj.__module__}.{obj.__qualname__}"


def is_allowed(name: str) -> bool:
    """Whether files may name this global."""
    return name in _builtin_globals() or name in _safe_globals or name == _PARAMETER


def data_unpickler(persistent_load, encoding: str = "utf-8") -> DataUnpickler:
    """An unpickler for untrusted files, with the globals allowed at this moment."""
    known = _builtin_globals()
    user = dict(_safe_globals)
    classes = {obj for obj in user.values() if isinstance(obj, type)}
    makers = _makers(classes)
    for obj in user.values():
        if obj not in makers:
            makers[obj] = obj

    def find_global(module: str, name: str):
        full = f"{module}.{name}"
        if full in known:
            return known[full]
        if full == _PARAMETER:
            return torch.nn.Parameter
        if full in user:
            return user[full]
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. If you trust "
            f"it, allow it with `torch.serialization.add_safe_globals([{name}])` or, for one load, "
            f"with the `torch.serialization.safe_globals([{name}])` context manager"
        )

    return DataUnpickler(find_global, makers, classes, persistent_load, encoding)


def add_safe_globals(safe_globals: list) -> None:
    """Let `load(weights_only=True)` use these classes and functions, or (object, name) pairs."""
    for item in safe_globals:
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
