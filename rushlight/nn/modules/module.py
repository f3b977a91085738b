"""The base of every layer: named parameters, buffers and children, and a call with hooks."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import rushlight as torch
from rushlight import _C, Tensor

from ...utils.hooks import RemovableHandle
from ..parameter import Buffer, Parameter
from . import _hooks
from ._conversion import Conversion
from ._hooks import (
    BackwardHook,
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
from ._state import State, _IncompatibleKeys  # noqa: F401
from ._walk import Walk

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
_HOOK_REGISTRIES = frozenset(
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

_EMPTY = OrderedDict()


class Module(Walk, State, Conversion):
    """Base class of neural network modules: assign parameters and modules, define `forward`."""

    dump_patches = False
    _version = 1
    training: bool
    call_super_init = False
    _compiled_call_impl = None
    _is_full_backward_hook = None

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

    def __call__(self, *args, **kwargs):
        if "_unhooked" in self.__dict__ and not (
            forward_hooks or forward_pre or backward_hooks or backward_pre
        ):
            return self.forward(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args, **kwargs):
        """Forward with whatever hooks there are."""
        if "_parameters" not in self.__dict__:  # Module.__init__() was not called
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '_backward_hooks'"
            )
        always = self._registry("_forward_hooks_always_called") or _hooks.forward_always_called
        if not always:
            return self._call_with_hooks(args, kwargs, set())
        called = set()
        try:
            return self._call_with_hooks(args, kwargs, called)
        except Exception:
            self._run_always_called(args, kwargs, called)
            raise

    def _call_with_hooks(self, args, kwargs, called):
        args, kwargs = self._run_forward_pre_hooks(args, kwargs)
        gate = None
        full, legacy = self._get_backward_hooks()
        pre = self._get_backward_pre_hooks()
        if full or pre:
            gate = BackwardHook(self, full, pre)
            args = gate.setup_input_hook(args)
        result = self.forward(*args, **kwargs)
        result = self._run_forward_hooks(args, kwargs, result, called)
        if gate is not None:
            result = gate.setup_output_hook(result)
        if legacy:
            self._attach_legacy_hooks(legacy, args, result)
        return result

    def _registry(self, name):
        """A registry of hooks, empty if it was never made."""
        return self.__dict__.get(name, _EMPTY)

    def _run_forward_pre_hooks(self, args, kwargs):
        own = self._registry("_forward_pre_hooks")
        takes_kwargs = self._registry("_forward_pre_hooks_with_kwargs")
        for key, hook in (*forward_pre.items(), *own.items()):
            if key in takes_kwargs:
                out = hook(self, args, kwargs)
                if out is not None:
                    if not (isinstance(out, tuple) and len(out) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, "
                            f"new_kwargs), but got {out}."
                        )
                    args, kwargs = out
            else:
                out = hook(self, args)
                if out is not None:
                    args = out if isinstance(out, tuple) else (out,)
        return args, kwargs

    def _run_forward_hooks(self, args, kwargs, result, called):
        own = (self._registry("_forward_hooks"), self._registry("_forward_hooks_with_kwargs"))
        for registry, takes_kwargs in ((forward_hooks, _hooks.forward_with_kwargs), own):
            for key, hook in list(registry.items()):
                called.add(key)
                if key in takes_kwargs:
                    out = hook(self, args, kwargs, result)
                else:
                    out = hook(self, args, result)
                if out is not None:
                    result = out
        return result

    def _run_always_called(self, args, kwargs, called):
        """After an error: the hooks that asked to run in any case and have not yet."""
        groups = (
            (forward_hooks, _hooks.forward_always_called, _hooks.forward_with_kwargs, "global "),
            (
                self._registry("_forward_hooks"),
                self._registry("_forward_hooks_always_called"),
                self._registry("_forward_hooks_with_kwargs"),
                "",
            ),
        )
        for registry, always, takes_kwargs, kind in groups:
            for key, hook in list(registry.items()):
                if key not in always or key in called:
                    continue
                try:
                    if key in takes_kwargs:
                        hook(self, args, kwargs, None)
                    else:
                        hook(self, args, None)
                except Exception as error:
                    warnings.warn(
                        f"{kind}module forward hook with ``always_call=True`` raised an "
                        f"exception that was silenced as another error was raised in forward: "
                        f"{error}",
                        stacklevel=2,
                    )

    def _get_backward_hooks(self):
        """(full hooks, hooks of the old kind) that the backward of this call runs."""
        full, legacy = [], []
        (full if _hooks.full_backward else legacy).extend(backward_hooks.values())
        own = full if self._is_full_backward_hook else legacy
        own.extend(self._registry("_backward_hooks").values())
        return full, legacy

    def _get_backward_pre_hooks(self):
        return [*backward_pre.values(), *self._registry("_backward_pre_hooks").values()]

    def _attach_legacy_hooks(self, hooks, args, result):
        """Old backward hooks watch the operation that made the first output tensor."""
        var = result
        while not isinstance(var, Tensor):
            if isinstance(var, dict):
                var = next(v for v in var.values() if isinstance(v, Tensor))
            else:
                var = var[0]
        if var.grad_fn is not None:
            for hook in hooks:
                var.grad_fn.register_hook(_bound(hook, self))
            self._maybe_warn_non_full_backward_hook(args, result, var.grad_fn)

    def _maybe_warn_non_full_backward_hook(self, inputs, result, grad_fn) -> None:
        if not (isinstance(result, Tensor) or isinstance(result, tuple)):
            reason = "does not take as output a single Tensor or a single tuple of Tensors"
        elif not all(isinstance(t, Tensor) for t in inputs):
            reason = "does not take as input a single Tensor or a single tuple of Tensors"
        elif isinstance(result, tuple) and len({t.grad_fn for t in result}) > 1:
            reason = "outputs are generated by different autograd Nodes"
        else:
            before = {t.grad_fn for t in inputs if t.grad_fn is not None}
            after = {fn for fn, _ in grad_fn.next_functions if fn is not None}
            if not after - before:
                return
            reason = "forward contains multiple autograd Nodes"
        warnings.warn(
            f"Using a non-full backward hook when the {reason} is deprecated and will be removed "
            "in future versions. This hook will be missing some grad_input. Please use "
            "register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=2,
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
        found = getattr(type(self), name, None)
        if isinstance(found, property):  # it failed within: let its own error be seen
            return found.fget(self)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value) -> None:
        attributes = self.__dict__
        if isinstance(value, Tensor):
            if isinstance(value, Parameter):
                self._forget(name, "parameters")
                self.register_parameter(name, value)
                return
            if isinstance(value, Buffer):
                self._set_buffer(name, value, attributes.get("_buffers"))
                return
        elif isinstance(value, Module):
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
        for hook in _hooks.module_registration.values():
            out = hook(self, name, value)
            if out is not None:
                value = out
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
            self._modules[name] = None

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
        for hook in _hooks.buffer_registration.values():
            out = hook(self, name, value)
            if out is not None:
                value = out
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
        for hook in _hooks.buffer_registration.values():
            out = hook(self, name, tensor)
            if out is not None:
                tensor = out
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
            for hook in _hooks.parameter_registration.values():
                out = hook(self, name, param)
                if out is not None:
                    param = out
        params[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{torch.typename(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        for hook in _hooks.module_registration.values():
            out = hook(self, name, module)
            if out is not None:
                module = out
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name."""
        self.add_module(name, module)

    # Hooks of this module.

    def _add_hook(self, registry, hook, prepend=False, extra=()):
        handle = RemovableHandle(registry, extra_dict=list(extra))
        registry[handle.id] = hook
        if prepend:
            registry.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments."""
        handle = self._add_hook(
            self._forward_pre_hooks, hook, prepend, (self._forward_pre_hooks_with_kwargs,)
        )
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns replaces the output."""
        extra = (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        handle = self._add_hook(self._forward_hooks, hook, prepend, extra)
        for wanted, registry in zip((with_kwargs, always_call), extra, strict=True):
            if wanted:
                registry[handle.id] = True
        return handle

    def _claim_full_backward(self, wanted, used, tried):
        if self._is_full_backward_hook is (not wanted):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self._is_full_backward_hook = wanted

    def register_backward_hook(self, hook) -> RemovableHandle:
        """Watch the gradient of the last operation; `register_full_backward_hook` is better."""
        self._claim_full_backward(False, "full", "regular")
        return self._add_hook(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` whenever gradients of inputs are known."""
        self._claim_full_backward(True, "regular", "full")
        return self._add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the gradients of the module are computed."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend)

    # Pickling.

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state):
        attributes = self.__dict__
        attributes.update(state)
        attributes.setdefault("_non_persistent_buffers_set", set())
        for name in _HOOK_REGISTRIES:  # whole-module files of PyTorch hold all of them, empty
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


def _bound(hook, module):
    """A hook of the old kind as a hook of a graph node."""

    def call(grad_input, grad_output):
        return hook(module, grad_input, grad_output)

    return call


def _refuse_arguments(module, args, kwargs):
    """Arguments that no class of the chain has taken."""
    if module.call_super_init:
        return
    name = type(module).__name__
    if kwargs:
        raise TypeError(
            f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
        )
    raise TypeError(
        f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
    )


def _indented(text, spaces):
    """All lines but the first moved right."""
    return text.replace("\n", "\n" + " " * spaces)


def _addindent(text, spaces):
    return _indented(text, spaces)
