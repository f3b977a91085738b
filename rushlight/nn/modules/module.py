"""The base of every layer: named parameters, buffers and children, and a call with hooks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeVar

import rushlight as torch
from rushlight import _C, Tensor

from ..parameter import Buffer, Parameter
from . import _hooks
from ._calls import Calls
from ._conversion import Conversion
from ._hooks import (
    BackwardHook,  # noqa: F401
    backward_hooks,
    backward_pre,
    forward_hooks,
    forward_pre,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._state import _EXTRA_STATE_KEY_SUFFIX, State, _IncompatibleKeys  # noqa: F401
from ._walk import Walk

# PyTorch's names of the registries, for programs that look into them.
_global_forward_hooks = forward_hooks
_global_forward_hooks_always_called = _hooks.forward_always_called
_global_forward_hooks_with_kwargs = _hooks.forward_with_kwargs
_global_forward_pre_hooks = forward_pre
_global_backward_hooks = backward_hooks
_global_backward_pre_hooks = backward_pre
_global_buffer_registration_hooks = _hooks.buffer_registration
_global_module_registration_hooks = _hooks.module_registration
_global_parameter_registration_hooks = _hooks.parameter_registration

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# Made when first asked for: most modules never have a hook, and a call of one without any
# tests a single key ("_unhooked") instead of four dictionaries.
_HOOK_REGISTRIES = dict.fromkeys(
    (
        "_backward_pre_hooks",
        "_backward_hooks",
        "_forward_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
    )
)
_CALL_REGISTRIES = frozenset(
    ("_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_pre_hooks")
)


# The type of a dictionary that `state_dict` fills, for annotations.
T_destination = TypeVar("T_destination", bound=dict[str, Any])


class Module(Calls, Walk, State, Conversion):
    """Base class of neural network modules: assign parameters and modules, define `forward`."""

    dump_patches = False
    _version = 1
    training: bool
    call_super_init = False
    _compiled_call_impl = None
    _is_full_backward_hook = None
    T_destination = T_destination

    def __init__(self, *args, **kwargs) -> None:
        if args or kwargs:
            _refuse_arguments(self, args, kwargs)
        attributes = self.__dict__
        attributes["training"] = True
        attributes["_parameters"] = {}
        attributes["_buffers"] = {}
        attributes["_non_persistent_buffers_set"] = set()
        attributes["_modules"] = {}
        attributes["_unhooked"] = True
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        _C.quicken_module(cls)

    def forward(self, *input):
        """Compute the output; every subclass defines this."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # Attributes: parameters, buffers and children live in dictionaries of their own.

    def __getattr__(self, name: str):
        attributes = self.__dict__
        if "_parameters" in attributes:
            found = attributes["_parameters"]
            if name in found:
                return found[name]
            found = attributes["_modules"]
            if name in found:
                return found[name]
            found = attributes["_buffers"]
            if name in found:
                return found[name]
            if name in _HOOK_REGISTRIES:
                if name in _CALL_REGISTRIES:
                    attributes.pop("_unhooked", None)
                registry = attributes[name] = OrderedDict()
                return registry
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value) -> None:
        attributes = self.__dict__
        if isinstance(value, Tensor):
            if isinstance(value, Parameter):
                self._forget(name, "parameters")
                self.register_parameter(name, value)
                return
            if isinstance(value, Buffer) and name not in attributes.get("_parameters", ()):
                self._set_buffer(name, value, attributes.get("_buffers"))
                return
        elif isinstance(value, Module) and name not in attributes.get("_parameters", ()):
            self._set_module(name, value, attributes.get("_modules"))
            return
        if "_parameters" in attributes:
            if name in attributes["_parameters"]:
                self._set_known(name, value, "parameter", "torch.nn.Parameter or None")
                return
            if name in attributes["_modules"]:
                self._set_known(name, value, "child module", "torch.nn.Module or None")
                return
            if name in attributes["_buffers"]:
                self._set_buffer(name, value, attributes["_buffers"])
                return
        object.__setattr__(self, name, value)

    def _set_module(self, name, value, modules):
        if modules is None:
            raise AttributeError("cannot assign module before Module.__init__() call")
        self._forget(name, "module")
        value = _registered(_hooks.module_registration, self, name, value)
        modules[name] = value

    def _set_known(self, name, value, kind, expected):
        """Assign to a registered parameter or child: here only None is left to be right."""
        if value is not None:
            raise TypeError(
                f"cannot assign '{torch.typename(value)}' as {kind} '{name}' ({expected} expected)"
            )
        if kind == "parameter":
            self.register_parameter(name, None)
        else:
            self._modules[name] = _registered(_hooks.module_registration, self, name, None)

    def _set_buffer(self, name, value, buffers):
        if buffers is None:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{torch.typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            self._forget(name, "buffer")
            self.register_buffer(name, value, value.persistent)
            return
        value = _registered(_hooks.buffer_registration, self, name, value)
        buffers[name] = value

    def _forget(self, name, kind):
        """Remove what a name meant before it comes to mean something of another kind."""
        attributes = self.__dict__
        if "_parameters" not in attributes:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        attributes.pop(name, None)
        for own in ("parameters", "buffer", "module"):
            if own != kind:
                registry = "_parameters" if own == "parameters" else f"_{own}s"
                attributes[registry].pop(name, None)
        if kind != "buffer":
            attributes["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            object.__delattr__(self, name)

    def __dir__(self):
        keys = dir(type(self)) + list(self.__dict__)
        keys += [*self._parameters, *self._modules, *self._buffers]
        return sorted(key for key in keys if not key[0].isdigit())

    # Registration under a name.

    def _check_name(self, name, kind, registry):
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {torch.typename(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in registry and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter; it is saved when `persistent`."""
        buffers = self.__dict__.get("_buffers")
        if buffers is None:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name(name, "buffer", buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{torch.typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        tensor = _registered(_hooks.buffer_registration, self, name, tensor)
        buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None as a place for one."""
        params = self.__dict__.get("_parameters")
        if params is None:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name(name, "parameter", params)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{torch.typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
            param = _registered(_hooks.parameter_registration, self, name, param)
        params[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{torch.typename(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        module = _registered(_hooks.module_registration, self, name, module)
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name."""
        self.add_module(name, module)

    # Pickling.

    def __getstate__(self):
        # The form that PyTorch's own modules have, so that its files and ours hold the same.
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        state.pop("_unhooked", None)
        state.setdefault("_is_full_backward_hook", None)
        for name in _HOOK_REGISTRIES:
            state.setdefault(name, OrderedDict())
        return state

    def __setstate__(self, state):
        attributes = self.__dict__
        attributes.update(state)
        attributes.setdefault("_non_persistent_buffers_set", set())
        for name in _HOOK_REGISTRIES:  # pickles hold all of them, most of them empty
            if name in attributes and not attributes[name]:
                del attributes[name]
        if any(name in attributes for name in _CALL_REGISTRIES):
            attributes.pop("_unhooked", None)
        else:
            attributes["_unhooked"] = True

    def _replicate_for_data_parallel(self):
        """A shallow copy that shares no dictionary with this module."""
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica._parameters = {}
        replica._buffers = replica._buffers.copy()
        replica._modules = replica._modules.copy()
        replica.__dict__["_is_replica"] = True
        return replica

    # Printing.

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): " + _indented(repr(module), 2) for name, module in self._modules.items()
        ]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        return self._get_name() + "(\n  " + "\n  ".join(lines + children) + "\n)"


# From here on the common case of __getattr__ and __call__ runs in csrc/core/layer.cpp;
# what these methods say is what it does.
_C.set_module_class(Module, (forward_hooks, forward_pre, backward_hooks, backward_pre))


def _registered(hooks, module, name, value):
    """What the registration hooks make of a value."""
    for hook in hooks.values():
        out = hook(module, name, value)
        if out is not None:
            value = out
    return value


def _refuse_arguments(module, args, kwargs):
    """Arguments that no class of the chain has taken."""
    if module.call_super_init:
        return
    name = type(module).__name__
    if kwargs:
        raise TypeError(
            f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
        )
    raise TypeError(f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given")


def _indented(text, spaces):
    """All lines but the first moved right."""
    return text.replace("\n", "\n" + " " * spaces)


def _addindent(text, spaces):
    return _indented(text, spaces)
