"""Running a pickle without building anything: which storages and which globals it names."""

from __future__ import annotations

from pickle import UnpicklingError

from ._names import StorageType
from ._unpickle import DataUnpickler

_STORAGES = ("UntypedStorage", "_UntypedStorage")


class _Anything:
    """Stands for every object that a pickle would build."""

    __slots__ = ()


_SOMETHING = _Anything()


class Scanner(DataUnpickler):
    """Follows a pickle as far as it names storages: no call is made and no state is set."""

    def __init__(self, persistent_load, encoding: str = "utf-8"):
        self.names: dict[str, None] = {}
        super().__init__(self._note, {}, set(), persistent_load, encoding)

    def _note(self, module: str, name: str):
        self.names[f"{module}.{name}"] = None
        if module in ("torch", "torch.cuda", "torch.storage"):
            kind = StorageType(name)
            if kind.dtype is not None or name in _STORAGES:
                return kind
        return _SOMETHING

    def append_items(self, items: list) -> None:
        """Extend the list on top of the stack, if it is one."""
        if type(self.stack[-1]) is list:
            self.stack[-1].extend(items)

    def set_items(self, items: list) -> None:
        """Fill the dict on top of the stack; any other object is left alone."""
        if type(self.stack[-1]) is dict:
            super().set_items(items)

    def make(self, func, args):
        """Nothing is called."""
        return _SOMETHING

    def set_state(self, obj, state) -> None:
        """Nothing is set."""

    def new_object(self, cls, args, kwargs) -> None:
        """Nothing is made."""
        self.stack.append(_SOMETHING)


def named_globals(data: bytes) -> list[str]:
    """Dotted names of all globals of a pickle."""
    scanner = Scanner(lambda saved_id: _SOMETHING)
    try:
        scanner.load(data)
    except UnpicklingError as error:
        raise UnpicklingError(f"the pickle cannot be followed: {error}") from None
    return list(scanner.names)
