"""`torch.ops.aten`: PyTorch's own names of operators, for programs that name them.

PyTorch sees an operator as several of its own, and each as several overloads. `calls` says how a
call of one of ours looks there, `functions` what runs when somebody calls one of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from . import schemas

if TYPE_CHECKING:
    from ..jit._function_schema import FunctionSchema


class OpOverload:
    """One overload of an operator of PyTorch; there is one object of each."""

    def __init__(self, packet: OpOverloadPacket, overload: str):
        self._packet = packet
        self._overloadname = overload
        self._name = packet._name
        self._operator: Any = None  # of a name that only we have: what it is the name of
        self.__name__ = f"{self._name}.{overload}"
        self.__module__ = "torch._ops.aten"
        self.__qualname__ = self.__name__
        self.namespace = "aten"

    def __str__(self) -> str:
        return f"aten.{self._name}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='aten.{self._name}', overload='{self._overloadname}')>"

    def __reduce__(self):
        return _named, (self._name, self._overloadname)

    def __deepcopy__(self, memo):
        return self

    def name(self) -> str:
        """The name with its namespace: aten::mul.Tensor, aten::mm."""
        overload = "" if self._overloadname == "default" else f".{self._overloadname}"
        return f"aten::{self._name}{overload}"

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        """The operator with all its overloads."""
        return self._packet

    _overloadpacket = overloadpacket

    @property
    def _schema(self) -> FunctionSchema:
        found = schemas.schema(self._name, self._overloadname)
        if found is not None:
            return found
        from .calls import schema_of_ours

        return schema_of_ours(self)

    @property
    def is_view(self) -> bool:
        """Whether what it returns shares the memory of its first argument."""
        return self._schema._is_view_op()

    @property
    def tags(self) -> list:
        """Marks of an operator: none are kept here."""
        return []

    def decompose(self, *args, **kwargs):
        """The call as calls of other operators; NotImplemented where it is one by itself."""
        if schemas.seen(self._name, self._overloadname):
            return NotImplemented
        return self(*args, **kwargs)

    def has_kernel_for_dispatch_key(self, key) -> bool:
        """Whether there is code for a device, by PyTorch's name of it: here it is the CPU's."""
        return str(key).rpartition(".")[2] in ("CPU", "Meta")

    def __call__(self, *args, **kwargs):
        from .functions import call

        return call(self, args, kwargs)


class OpOverloadPacket:
    """An operator of PyTorch; its overloads are attributes."""

    def __init__(self, name: str):
        self._name = self.__name__ = name
        self._qualified_op_name = f"aten::{name}"
        self.__module__ = "torch._ops.aten"

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("__"):
            raise AttributeError(overload)
        made = self.__dict__[overload] = OpOverload(self, overload)
        return made

    def overloads(self) -> list[str]:
        """The names of the overloads that are known here."""
        return schemas.overloads(self._name) or ["default"]

    def __str__(self) -> str:
        return f"aten.{self._name}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self._name}')>"

    def __reduce__(self):
        return _named, (self._name, None)

    def __deepcopy__(self, memo):
        return self

    def __call__(self, *args, **kwargs):
        from .functions import call_packet

        return call_packet(self, args, kwargs)


class _Namespace:
    """`torch.ops.aten`."""

    name = __name__ = "aten"

    def __getattr__(self, name: str) -> OpOverloadPacket:
        if name.startswith("__"):
            raise AttributeError(name)
        made = self.__dict__[name] = OpOverloadPacket(name)
        return made

    def __dir__(self):
        return sorted({*schemas.names(), *self.__dict__})

    def __repr__(self) -> str:
        return "<module 'torch.ops.aten' from 'torch.ops'>"


aten = _Namespace()


def _named(name: str, overload: str | None):
    packet = getattr(aten, name)
    return packet if overload is None else getattr(packet, overload)


def overload_of(op: _C.Op) -> OpOverload:
    """An operator of ours under PyTorch's name, as far as that can be told without arguments."""
    from .calls import name_of

    return name_of(op)
