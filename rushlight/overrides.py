"""torch.overrides: asking the `__torch_function__` of arguments, and switching that off."""

from __future__ import annotations

from operator import eq, is_

import rushlight as torch

from . import _C
from .op import functional_table, namespace_tables, torch_table
from .tensor.subclass import _overloaded

__all__ = [
    "get_ignored_functions", "get_overridable_functions", "get_testing_overrides",
    "handle_torch_function", "has_torch_function", "resolve_name", "is_tensor_like",
    "is_tensor_method_or_property", "wrap_torch_function", "TorchFunctionMode",
    "BaseTorchFunctionMode",
]  # fmt: skip

Tensor = _C.Tensor


class DisableTorchFunction:
    """Within the block no `__torch_function__` is asked."""

    def __enter__(self):
        self._before = _C.set_torch_function(False)
        return self

    def __exit__(self, *exc):
        _C.set_torch_function(self._before)


class DisableTorchFunctionSubclass(DisableTorchFunction):
    """Within the block subclasses of Tensor count as plain tensors."""


class TorchFunctionMode:
    """While entered, its `__torch_function__` sees every call of a public function or operator.

    It runs with the mode itself left, so what it calls goes to the modes further out, then as ever.
    """

    functions = True  # the interpreter is shown composites as well as operators

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} has no __torch_function__")

    def process(self, function, args, kwargs):
        """What the gate calls."""
        return self.__torch_function__(function, _overloaded(args, kwargs), args, kwargs)

    def __enter__(self):
        _C.push_interpreter(self)
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        _C.pop_interpreter()


def _is_torch_function_mode_enabled() -> bool:
    return any(isinstance(i, TorchFunctionMode) for i in _C.interpreters())


class BaseTorchFunctionMode(TorchFunctionMode):
    """The mode that changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def _asked(arguments):
    """The classes to ask: none while asking is switched off."""
    enabled = _C.set_torch_function(False)
    _C.set_torch_function(enabled)
    return _overloaded(arguments, {}) if enabled else []


def has_torch_function(relevant_args) -> bool:
    """Whether any of the arguments has a `__torch_function__` to ask."""
    return bool(_asked(tuple(relevant_args)))


def has_torch_function_unary(arg) -> bool:
    """Whether the argument has a `__torch_function__` to ask."""
    return bool(_asked((arg,)))


def has_torch_function_variadic(*args) -> bool:
    """Whether any of the arguments has a `__torch_function__` to ask."""
    return bool(_asked(args))


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Ask each `__torch_function__` among `relevant_args` in turn; TypeError when none answers."""
    found = _asked(tuple(relevant_args))
    if not found:
        with DisableTorchFunction():
            return public_api(*args, **kwargs)
    for kind in found:
        result = kind.__torch_function__(public_api, tuple(found), args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{getattr(public_api, '__module__', 'torch')}.{public_api.__name__}"
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: "
        f"{[f'{k.__module__}.{k.__qualname__}' for k in found]}"
    )


def wrap_torch_function(dispatcher):
    """Decorate a function so that the arguments `dispatcher` names are asked first."""

    def decorate(function):
        def wrapped(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
        wrapped.__module__, wrapped.__wrapped__ = function.__module__, function
        return wrapped

    return decorate


def is_tensor_like(inp) -> bool:
    """Whether it is a tensor, or its class has a `__torch_function__`."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func) -> bool:
    """Whether it is a method or a property's getter of Tensor."""
    if getattr(func, "__name__", None) == "__get__":
        return True
    return any(func is value for value in vars(Tensor).values())


def get_ignored_functions() -> set:
    """Functions that never ask a `__torch_function__`: those that make tensors or set modes."""
    names = (
        "arange as_tensor asarray empty empty_strided eye from_numpy frombuffer full get_rng_state "
        "initial_seed is_grad_enabled linspace logspace manual_seed ones promote_types rand "
        "randint randn randperm range save seed set_default_dtype set_grad_enabled "
        "set_num_threads set_printoptions set_rng_state tensor zeros get_default_dtype "
        "get_num_threads broadcast_shapes can_cast finfo iinfo is_tensor is_storage"
    )
    return {getattr(torch, name) for name in names.split()}


def get_overridable_functions() -> dict:
    """Functions that ask `__torch_function__`, by the namespace they are public in."""
    ignored = get_ignored_functions()

    def chosen(functions):
        return [f for f in dict.fromkeys(functions) if callable(f) and f not in ignored]

    found = {torch: chosen(torch_table.values())}
    found[torch.nn.functional] = chosen(functional_table.values())
    for space, table in namespace_tables.items():
        found[getattr(torch, space)] = chosen(table.values())
    methods = [v for n, v in vars(Tensor).items() if not n.startswith("_") and callable(v)]
    found[Tensor] = chosen(methods)
    return found


def get_testing_overrides() -> dict:
    """For every overridable function another that takes what it takes and returns -1."""

    def substitute(function):
        def answer(*args, **kwargs):
            return -1

        answer.__name__ = getattr(function, "__name__", "answer")
        return answer

    spaces = get_overridable_functions().values()
    return {f: substitute(f) for functions in spaces for f in functions}


def resolve_name(f):
    """The dotted name under which a function is public; None for others."""
    spaces = {"torch": torch_table, "torch.nn.functional": functional_table}
    spaces |= {f"torch.{space}": table for space, table in namespace_tables.items()}
    spaces["torch.Tensor"] = vars(Tensor)
    for same in (is_, eq):  # a method of Tensor is equal to the function of the same meaning
        for prefix, names in spaces.items():
            for name, value in names.items():
                if same(value, f):
                    return f"{prefix}.{name}"
    return None
