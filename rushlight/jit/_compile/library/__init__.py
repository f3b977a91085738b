"""Functions and layers of ours as programs know them: written in the language, typed.

Eager code is written for speed in Python; what a program compiles in its stead, and what a trace
runs in its stead, stands in the files here, under the same names. For programs `function` finds the
functions of torch.nn.functional, `method` those of modules, `class_named` the classes; for traces
`traced` finds functions and `forwards` classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

from ...._module_names import in_rushlight

_FUNCTIONS = "activation normalization pooling losses images embeddings attention".split()
_LAYERS = ("layers", "recurrent", "transformer")
_VISION = ("vision_ops", "vision_images")  # loaded for what is of rushlight.vision


@cache
def _functions() -> dict[str, FunctionType]:
    found = {}
    for name in _FUNCTIONS:
        module = import_module(f"{__name__}.{name}")
        for key in module.__all__:
            found[key] = getattr(module, key)
            found[key]._jit_override_qualname = f"torch.nn.functional.{key}"
    return found


_BOTH = {
    **{f"max_pool{d}d": f"_max_pool{d}d" for d in (1, 2, 3)},
    **{f"adaptive_max_pool{d}d": f"_adaptive_max_pool{d}d" for d in (1, 2, 3)},
    **{f"fractional_max_pool{d}d": f"_fractional_max_pool{d}d" for d in (2, 3)},
}  # the form without indices; the other's name ends in _with_indices


_COUNTING = ("torch", "rushlight", "rushlight.functional", "rushlight._VF")


def _counting(name: str) -> Any:
    """torch.unique and its kin, whose results depend on two flags."""
    from ..overloads import Dispatched
    from ..unit import python_unit

    made = import_module(f"{__name__}.unique")
    endings = {"": (False, False), "_with_inverse": (True, False),
               "_with_counts": (False, True), "_with_both": (True, True)}  # fmt: skip
    forms = {}
    for ending, flags in endings.items():
        found = getattr(made, name + ending)
        found._jit_override_qualname = f"torch.functional.{name}{ending}"
        forms[flags] = python_unit().function(found)
    return Dispatched(("return_inverse", "return_counts"), forms)


def function(module: str, name: str) -> Any:
    """What `module.name` is to a program if it is written here, or None."""
    from ..overloads import Dispatched, Widened
    from ..python_values import Function
    from ..unit import python_unit

    if name in ("unique", "unique_consecutive") and module in _COUNTING:
        return _counting(name)
    if module != "rushlight.nn.functional":
        return None
    if name in _BOTH:
        both = {(True,): f"{name}_with_indices", (False,): _BOTH[name]}
        forms = {k: python_unit().function(_functions()[n]) for k, n in both.items()}
        return Dispatched(("return_indices",), forms)
    made = _functions().get(name)
    if made is None:
        return None
    compiled = python_unit().function(made)
    if name == "interpolate" or name.startswith("upsample"):
        return Widened(compiled, ("size", "scale_factor"))
    return Function(compiled)


def traced(function: Any) -> Callable | None:
    """What a trace runs in the stead of a function of torch.nn.functional, or None."""
    name = _eager().get(id(function))
    if name is None:
        return None
    if name not in _BOTH:
        return _for_python(_functions()[name])

    def either(*args, **kwargs):
        from ..._trace_rules import bind

        wanted = bind(function, args, kwargs).get("return_indices")
        made = _functions()[f"{name}_with_indices" if wanted else _BOTH[name]]
        return _for_python(made)(*args, **kwargs)

    return either


@cache
def _eager() -> dict[int, str]:
    """The names of what stands here, by our eager functions; operators are what they are."""
    from .... import _C
    from ....op import functional_table

    known = _functions().keys() | _BOTH.keys()
    return {
        id(f): n for n, f in functional_table.items() if n in known and not isinstance(f, _C.Op)
    }


@cache
def _for_python(function: FunctionType) -> Callable:
    """A function as Python may call it: numbers and tuples become the lists that it takes."""
    counts = {}
    for name, said in function.__annotations__.items():
        if said.startswith(("BroadcastingList", "list[")):
            counts[name] = int(said[16]) if said[0] == "B" else 1
    if not counts:
        return function
    names, defaults = function.__code__.co_varnames, function.__defaults__ or ()
    usual = dict(
        zip(names[function.__code__.co_argcount - len(defaults) :], defaults, strict=False)
    )

    def call(*args, **kwargs):
        given = usual | dict(zip(names, args, strict=False)) | kwargs
        for name, count in counts.items():
            value = given.get(name)
            if value is not None:
                given[name] = list(value) if isinstance(value, list | tuple) else [value] * count
        return function(**given)

    return call


_CONTEXTS = {
    "no_grad": "torch.autograd.grad_mode", "enable_grad": "torch.autograd.grad_mode",
    "inference_mode": "torch.autograd.grad_mode", "record_function": "torch.autograd.profiler",
}  # fmt: skip


def class_named(cls: type) -> Any:
    """The type of a class of ours that programs may make objects of, or None."""
    from ..named import named_type
    from ..unit import python_unit

    home = _CONTEXTS.get(cls.__name__)
    if home is None or not cls.__module__.startswith(("rushlight", "torch")):
        return None
    made = getattr(import_module(f"{__name__}.contexts"), cls.__name__)
    made._jit_override_qualname = f"{home}.{cls.__name__}"
    return named_type(made, python_unit())


def method(cls: type, name: str) -> Any:
    """The function that a program compiles in the stead of a module's method, or None."""
    for base in cls.__mro__:
        if in_rushlight(base.__module__).startswith("rushlight."):
            lent = _lent(base)
            if lent is not None and name in vars(lent):
                return vars(lent)[name]
        if name in vars(base):
            break
    return None


def _lent(cls: type) -> type | None:
    """The class of the library that lends its methods to one of ours."""
    of_vision = in_rushlight(cls.__module__).startswith("rushlight.vision.")
    return _layers(_VISION if of_vision else _LAYERS).get(cls.__name__)


def stand_in(function: FunctionType) -> FunctionType | None:
    """What a program compiles in the stead of a function of rushlight.vision, or None."""
    if not function.__module__.startswith("rushlight.vision."):
        return None
    for name in _VISION:
        module = import_module(f"{__name__}.{name}")
        if function.__name__ in module.HOMES.get(function.__module__, ()):
            found = getattr(module, function.__name__)
            home = function.__module__.replace("rushlight.", "torch", 1)
            found._jit_override_qualname = f"{home}.{function.__name__}"
            return found
    return None


@cache
def _layers(files: tuple[str, ...]) -> dict[str, type]:
    found: dict[str, type] = {}
    for name in files:
        module = import_module(f"{__name__}.{name}")
        classes = [v for v in vars(module).values() if isinstance(v, type)]
        found |= {c.__name__: c for c in classes if c.__module__ == module.__name__}
    return found


def forwards() -> dict[str, type]:
    """The classes that lend their `forward` to torch.nn's, by name."""
    return {n: c for n, c in _layers(_LAYERS).items() if "forward" in vars(c)}


def annotations_of(cls: type) -> dict:
    """The annotations that a class of ours has for programs."""
    lent = _lent(cls) if in_rushlight(cls.__module__).startswith("rushlight.") else None
    return {} if lent is None else vars(lent).get("__annotations__", {})
