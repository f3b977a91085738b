"""The names that PyTorch's dispatcher has for backends and for what wraps them, and sets of them.

Nothing here decides which kernel runs: programs name, compare and print these keys.
"""

from __future__ import annotations

import threading
from enum import Enum, unique


class _Named(Enum):
    """An enumeration that prints as the ones of PyTorch's bindings do, and is its number."""

    def __int__(self) -> int:
        return self.value

    __index__ = __int__

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __repr__(self) -> str:
        return f"<{self}: {self.value}>"


_BACKENDS = (
    "CPU CUDA HIP XLA MPS IPU XPU HPU VE Lazy MTIA MAIA PrivateUse1 PrivateUse2 PrivateUse3 Meta"
).split()
# What exists once for each backend: the name of the whole, its number, that of its first backend.
_PER_BACKEND = {
    "Dense": (1, 48, ""),
    "Quantized": (5, 65, "Quantized"),
    "Sparse": (8, 82, "Sparse"),
    "SparseCsr": (9, 99, "SparseCsr"),
    "NestedTensor": (10, 116, "NestedTensor"),
    "AutogradFunctionality": (21, 133, "Autograd"),
}
_SINGLE = {
    "Undefined": 0, "BackendSelect": 11, "Python": 13, "FuncTorchDynamicLayerBackMode": 14,
    "Functionalize": 15, "Conjugate": 16, "Negative": 17, "ZeroTensor": 18, "ADInplaceOrView": 19,
    "AutogradOther": 20, "AutogradNestedTensor": 22, "AutocastCPU": 24, "AutocastXPU": 27,
    "AutocastIPU": 28, "AutocastHPU": 29, "AutocastMPS": 31, "AutocastCUDA": 32,
    "AutocastPrivateUse1": 33, "FuncTorchBatched": 34, "FuncTorchVmapMode": 36,
    "FuncTorchGradWrapper": 39, "PythonTLSSnapshot": 41, "FuncTorchDynamicLayerFrontMode": 42,
    "PreDispatch": 45, "PythonDispatcher": 46,
}  # fmt: skip
_ALIASES = {
    "Autograd": 150, "CompositeImplicitAutograd": 151, "FuncTorchBatchedDecomposition": 152,
    "CompositeImplicitAutogradNestedTensor": 153, "CompositeExplicitAutograd": 154,
    "CompositeExplicitAutogradNonFunctional": 155,
}  # fmt: skip


def _members() -> dict[str, int]:
    found = dict(_SINGLE)
    for whole, (number, first, prefix) in _PER_BACKEND.items():
        found[whole] = number
        found[f"StartOf{whole}Backends"] = first
        for i, backend in enumerate(_BACKENDS, 1):
            found[prefix + backend] = first + i
    found |= _ALIASES
    # Names for the last backend of each.
    for whole, (_, first, _) in _PER_BACKEND.items():
        found[f"EndOf{whole}Backends"] = first + len(_BACKENDS)
    return found


DispatchKey = _Named("DispatchKey", _members(), module="torch")  # type: ignore[call-overload]
_WHOLE = {v[0]: DispatchKey[k] for k, v in _PER_BACKEND.items()}


@unique
class Tag(_Named):
    """What an operator is like."""

    core = 0
    cudagraph_unsafe = 1
    data_dependent_output = 2
    dynamic_output_shape = 3
    flexible_layout = 4
    generated = 5
    inplace = 6
    inplace_view = 7
    maybe_aliasing_or_mutating = 8
    needs_contiguous_strides = 9
    needs_exact_strides = 10
    needs_fixed_stride_order = 11
    nondeterministic_bitwise = 12
    nondeterministic_seeded = 13
    out = 14
    out_variant = 15
    pointwise = 16
    pt2_compliant_tag = 17
    reduction = 18
    view_copy = 19


Tag.__module__ = "torch"


def _bits(key) -> int:
    """A key as bits: one for its backend, one for what it is."""
    number = key.value
    if number >= DispatchKey.Autograd.value:
        raise RuntimeError(f"DispatchKeySet: {key} stands for several keys, expected a single one")
    if number == 0:
        return 0
    for whole, first, _ in _PER_BACKEND.values():
        if first < number <= first + len(_BACKENDS):
            return 1 << (number - first - 1) | 1 << (len(_BACKENDS) + whole - 1)
    return 1 << (len(_BACKENDS) + number - 1)


class DispatchKeySet:
    """A set of dispatch keys: of backends, and of what is done for each of them."""

    __module__ = "torch"

    def __init__(self, key) -> None:
        self._bits = _bits(key)

    @classmethod
    def from_raw_repr(cls, raw: int) -> DispatchKeySet:
        """The set of these bits."""
        made = cls(DispatchKey.Undefined)
        made._bits = raw
        return made

    def raw_repr(self) -> int:
        """The set as bits."""
        return self._bits

    def add(self, key) -> DispatchKeySet:
        """The set with a key more."""
        return self.from_raw_repr(self._bits | _bits(key))

    def remove(self, key) -> DispatchKeySet:
        """The set without what a key is; the backends stay."""
        return self.from_raw_repr(self._bits & ~(_bits(key) & ~self._backends_mask()))

    def has(self, key) -> bool:
        """Whether a key is in the set."""
        return self._bits & _bits(key) == _bits(key)

    @staticmethod
    def _backends_mask() -> int:
        return (1 << len(_BACKENDS)) - 1

    def _keys(self) -> list:
        """The keys, those that come first in dispatching last."""
        backends = [i for i in range(len(_BACKENDS)) if self._bits >> i & 1]
        found = []
        number = 1
        rest = self._bits >> len(_BACKENDS)
        while rest:
            if rest & 1:
                whole = _WHOLE.get(number)
                if whole is None:
                    found.append(DispatchKey(number))
                else:
                    first = _PER_BACKEND[whole.name][1]
                    found += [DispatchKey(first + 1 + i) for i in backends]
            rest >>= 1
            number += 1
        return found

    def highestPriorityTypeId(self):  # noqa: N802
        """The key that dispatching looks at first."""
        keys = self._keys()
        return keys[-1] if keys else DispatchKey.Undefined

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return self.from_raw_repr(self._bits | other._bits)

    def __and__(self, other: DispatchKeySet) -> DispatchKeySet:
        return self.from_raw_repr(self._bits & other._bits)

    def __sub__(self, other: DispatchKeySet) -> DispatchKeySet:
        mask = self._backends_mask()
        return self.from_raw_repr(self._bits & (mask | ~other._bits))

    def __eq__(self, other) -> bool:
        return isinstance(other, DispatchKeySet) and self._bits == other._bits

    def __hash__(self) -> int:
        return hash(self._bits)

    def __iter__(self):
        return iter(self._keys())

    def __repr__(self) -> str:
        return f"DispatchKeySet({', '.join(k.name for k in self._keys())})"


_excluded = threading.local()


def excluded_keys() -> DispatchKeySet:
    """The keys that guards of this thread exclude."""
    return DispatchKeySet.from_raw_repr(getattr(_excluded, "bits", 0))


class ExcludeDispatchKeyGuard:
    """While it lives, or within its `with`, a set of keys counts as excluded in this thread."""

    __module__ = "torch"

    def __init__(self, keys: DispatchKeySet) -> None:
        before = getattr(_excluded, "bits", 0)
        self._added: int | None = keys.raw_repr() & ~before
        _excluded.bits = before | keys.raw_repr()

    def _leave(self) -> None:
        if self._added is not None:
            _excluded.bits = getattr(_excluded, "bits", 0) & ~self._added
            self._added = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error) -> None:
        self._leave()

    def __del__(self) -> None:
        self._leave()
