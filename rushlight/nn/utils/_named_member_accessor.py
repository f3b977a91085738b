"""Reaching the tensors of a module by dotted names: reading, setting, deleting and swapping."""

from __future__ import annotations

from collections.abc import Iterable

from rushlight import Tensor

from ..modules.module import Module

__all__ = ["NamedMemberAccessor", "set_tensor", "swap_submodule", "swap_tensor"]

_MISSING = object()


def _check_name(name):
    if "." in name:
        raise KeyError('tensor name can\'t contain "."')
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')


def set_tensor(module: Module, name: str, tensor: Tensor | None) -> None:
    """Put a tensor where a parameter, a buffer or an attribute of this name is, unchecked."""
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not isinstance(tensor, Tensor) and tensor is not None:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    _check_name(name)
    for registry in (module._parameters, module._buffers):
        if name in registry:
            registry[name] = tensor
            return
    object.__setattr__(module, name, tensor)


def swap_tensor(module: Module, name: str, tensor, allow_missing: bool = False):
    """Put another tensor in place and return the one that was there.

    With `allow_missing` a name may be new; what stood for it, passed back, removes it again.
    """
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if tensor is not _MISSING and not isinstance(tensor, Tensor) and tensor is not None:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    _check_name(name)
    for registry in (module._parameters, module._buffers):
        if name in registry:
            before = registry[name]
            if tensor is _MISSING:
                del registry[name]
            else:
                registry[name] = tensor
            return before
    before = getattr(module, name, _MISSING)
    if before is _MISSING:
        if not allow_missing:
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    elif not isinstance(before, Tensor) and before is not None:
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is not _MISSING:
        object.__setattr__(module, name, tensor)
    elif before is not _MISSING:
        object.__delattr__(module, name)
    return before


def swap_submodule(module: Module, name: str, submodule: Module) -> Module:
    """Put another child in place and return the one that was there."""
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not isinstance(submodule, Module):
        raise TypeError(f"{submodule} is not an instance of torch.nn.Module")
    _check_name(name)
    if name not in module._modules:
        raise KeyError(f"submodule {name} does not exist")
    before = module._modules[name]
    if not isinstance(before, Module):
        raise TypeError(f"{name} attribute is not an instance of torch.nn.Module")
    module._modules[name] = submodule
    return before


class NamedMemberAccessor:
    """Access to parameters, buffers, tensor attributes and submodules by dotted name."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.memo: dict[str, Module] = {}

    def __contains__(self, name: str) -> bool:
        path, _, attribute = name.rpartition(".")
        try:
            return hasattr(self.get_submodule(path), attribute)
        except AttributeError:
            return False

    def get_submodule(self, name: str) -> Module:
        """The module of a dotted name; "" is the module itself."""
        if not name:
            return self.module
        if name in self.memo:
            return self.memo[name]
        path, _, attribute = name.rpartition(".")
        parent = self.get_submodule(path)
        if not hasattr(parent, attribute):
            raise AttributeError(f"{parent._get_name()} has no attribute `{attribute}`")
        module = getattr(parent, attribute)
        if not isinstance(module, Module):
            raise TypeError(f"submodule `{name}`: {module} is not an instance of torch.nn.Module")
        self.memo[name] = module
        return module

    def _place(self, name):
        path, _, attribute = name.rpartition(".")
        return self.get_submodule(path), attribute

    def swap_submodule(self, path: str, value: Module) -> Module:
        """Put another module at a dotted name and return the one that was there."""
        parent, attribute = self._place(path)
        before = swap_submodule(parent, attribute, value)
        self.memo.clear()
        return before

    def get_tensor(self, name: str) -> Tensor | None:
        """The tensor of a dotted name."""
        parent, attribute = self._place(name)
        if not hasattr(parent, attribute):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        tensor = getattr(parent, attribute)
        if not isinstance(tensor, Tensor) and tensor is not None:
            raise TypeError(f"{tensor} is not an instance of torch.Tensor")
        return tensor

    def set_tensor(self, name: str, value: Tensor) -> None:
        """Put a tensor at a dotted name."""
        parent, attribute = self._place(name)
        set_tensor(parent, attribute, value)

    def del_tensor(self, name: str) -> None:
        """Remove the tensor of a dotted name."""
        self.get_tensor(name)
        parent, attribute = self._place(name)
        delattr(parent, attribute)

    def swap_tensor(self, name: str, value, allow_missing: bool = False):
        """Put a tensor at a dotted name and return the one that was there."""
        parent, attribute = self._place(name)
        return swap_tensor(parent, attribute, value, allow_missing=allow_missing)

    def get_tensors(self, names: Iterable[str]) -> list:
        """The tensors of these names."""
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[Tensor]) -> None:
        """Put tensors at these names."""
        for name, value in self._paired(names, values):
            self.set_tensor(name, value)

    def set_tensors_dict(self, named_tensors: dict[str, Tensor]) -> None:
        """Put tensors at their names."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        """Remove the tensors of these names."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(self, names: Iterable[str], values, allow_missing: bool = False) -> list:
        """Put tensors at these names and return those that were there."""
        return [
            self.swap_tensor(name, value, allow_missing=allow_missing)
            for name, value in self._paired(names, values)
        ]

    def swap_tensors_dict(self, named_tensors: dict, allow_missing: bool = False):
        """Put tensors at their names; (those that were there, their names).

        When one of them cannot be placed none is.
        """
        before = {}
        try:
            for name, tensor in named_tensors.items():
                before[name] = self.swap_tensor(name, tensor, allow_missing=True)
        except BaseException:
            self.put_back(before)
            raise
        missing = [name for name, tensor in before.items() if tensor is _MISSING]
        if missing and not allow_missing:
            self.put_back(before)
            raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        return before, list(named_tensors)

    def put_back(self, before: dict) -> dict:
        """Undo `swap_tensors_dict`; the tensors that stand there now, by name."""
        now = {}
        for name, tensor in reversed(before.items()):
            now[name] = self.swap_tensor(name, tensor, allow_missing=True)
        return now

    @staticmethod
    def _paired(names, values):
        names = list(names)
        values = [values] * len(names) if isinstance(values, Tensor) else list(values)
        return zip(names, values, strict=True)

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """(names that are missing, names that are unexpected), both sorted."""
        keys = set(keys)
        known = {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(known - keys), sorted(keys - known)

    def named_parameters(self, remove_duplicate: bool = True):
        """(name, parameter) of the module."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True):
        """(name, buffer) of the module."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True):
        """(name, tensor) of the parameters and the buffers."""
        yield from self.named_parameters(remove_duplicate=remove_duplicate)
        yield from self.named_buffers(remove_duplicate=remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True):
        """(name, module) of the module and all below it."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)
