"""What PyTorch calls a function, and the form of arguments in which its tracer sees a call.

Graphs and the code made from them name functions as PyTorch does: `torch.nn.functional.relu`,
`torch._C._nn.linear`. There a function written in Python gives its tracer every argument, those
without default by position and all others by name; a built-in one what the caller wrote.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any

from .. import _C
from .._module_names import in_pytorch
from ..op import functional_table, namespace_tables, torch_table

# Functions of nn.functional that are built in there: where they live.
_BUILT_IN_NN = """
    avg_pool2d avg_pool3d elu_ gelu hardtanh_ leaky_relu_ linear logsigmoid one_hot
    scaled_dot_product_attention softplus softshrink
""".split()
_BUILT_IN = """
    adaptive_avg_pool1d avg_pool1d bilinear celu_ channel_shuffle conv1d conv2d conv3d conv_tbc
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity hardshrink
    native_channel_shuffle pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu relu_ rrelu_
    selu_ sigmoid tanh threshold_
""".split()
# Functions of torch itself that are written in Python, in the module torch.functional.
_IN_FUNCTIONAL = """
    atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod
    cdist chain_matmul einsum lu meshgrid norm split stft tensordot unique unique_consecutive
    unravel_index
""".split()
_ELSEWHERE = {
    "torch.pca_lowrank": "torch._lowrank.pca_lowrank",
    "torch.svd_lowrank": "torch._lowrank.svd_lowrank",
    "torch.lobpcg": "torch._lobpcg.lobpcg",
    "torch.sym_sqrt": "torch._sym_sqrt",
    "torch.from_dlpack": "torch.utils.dlpack.from_dlpack",
    "torch.to_dlpack": "torch._C._to_dlpack",
    "torch.nn.functional.logsigmoid": "torch._C._nn.log_sigmoid",
    "torch.nn.functional.threshold": "torch.nn.functional._threshold",
}
_ELSEWHERE |= {f"torch.{name}": f"torch.functional.{name}" for name in _IN_FUNCTIONAL}
_PREFIXED = {"special": "special_", "fft": "fft_", "linalg": "linalg_"}
# These pass on what they are given.
_AS_GIVEN = {
    f"torch.functional.{name}"
    for name in (
        "atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors "
        "cartesian_prod chain_matmul einsum"
    ).split()
}
_OF_MANY = ("torch.functional.einsum", "torch.functional.meshgrid")
_POSITIONAL = {"torch.functional.split": 2, "torch.functional.unravel_index": 1}
_LEFT_OUT = {"torch.nn.functional.l1_loss": ("weight",), "torch.functional.split": ("split_size",)}
_OWN = (_C.Op, type(_C.front(lambda: None, ())))


def _in_namespace(space, name):
    if space == "F":
        if name in _BUILT_IN_NN:
            return _ELSEWHERE.get(f"torch.nn.functional.{name}", f"torch._C._nn.{name}")
        if name in _BUILT_IN:
            return f"torch.{name}"
        plain = f"torch.nn.functional.{name}"
    elif space in _PREFIXED:
        return f"torch._C._{space}.{_PREFIXED[space]}{name}"
    else:
        plain = f"torch.{space}.{name}" if space else f"torch.{name}"
    return _ELSEWHERE.get(plain, plain)


@cache
def _names() -> dict[int, str]:
    """The name of every function of ours by its id; of several, the one it calls itself."""
    found: dict[int, str] = {}
    tables = [("F", functional_table), ("", torch_table)]
    tables += [(s, t) for s, t in namespace_tables.items() if not s.startswith("Tensor")]
    for space, table in tables:
        for name, function in table.items():
            own = getattr(function, "__name__", None) == name
            home = getattr(function, "__module__", "") == f"rushlight.{space}"
            if isinstance(function, _OWN) and (id(function) not in found or home):
                found[id(function)] = _in_namespace(space, name)
            elif isinstance(function, _OWN) and own and not space and id(function) not in _of_nn():
                found[id(function)] = _in_namespace(space, name)
    return found


@cache
def _of_nn() -> frozenset[int]:
    return frozenset(map(id, functional_table.values()))


def qualified_name(function: Callable[..., Any]) -> str:
    """The dotted name of a function, as PyTorch has it."""
    if isinstance(function, _OWN):
        return (
            _names().get(id(function))
            or _in_root(function)
            or (f"torch.Tensor.{function.__name__}")
        )
    name = function.__name__
    if getattr(builtins, name, None) is function:
        return name
    if is_method(function):
        return f"torch.Tensor.{name}"
    ours = (getattr(function, "__module__", None) or "").partition(".")[0] == "rushlight"
    return (ours and _in_root(function)) or (
        f"{module_of(function)}.{_without_lambda(function, name)}"
    )


def _in_root(function):
    """Its name where it is a plain function of torch itself."""
    name = function.__name__
    if getattr(sys.modules["rushlight"], name, None) is function:
        return _ELSEWHERE.get(f"torch.{name}", f"torch.{name}")
    return None


def _without_lambda(function, name):
    if name != "<lambda>":
        return name
    import inspect

    try:
        return inspect.getsource(function).split("=")[0].strip()
    except Exception as error:
        raise RuntimeError("Unable to represent lambda") from error


def module_of(function: Callable[..., Any]) -> str:
    """The module that a function is found in, under PyTorch's name."""
    module = getattr(function, "__module__", None)
    if module is None:
        name = function.__name__
        homes = (_C, sys.modules["rushlight"], sys.modules.get("rushlight.nn.functional"))
        for home in homes:
            if home is not None and getattr(home, name, None) is function:
                return in_pytorch(home.__name__)
        raise RuntimeError(f"cannot find module for {function}")
    return in_pytorch(module).replace("torch._ops", "torch.ops")


def is_method(function: Callable[..., Any]) -> bool:
    """Whether it is only a method of Tensor, no function that stands for itself."""
    if isinstance(function, _OWN):
        return id(function) not in _names() and _in_root(function) is None
    descriptors = (types.MethodDescriptorType, types.WrapperDescriptorType, types.FunctionType)
    if getattr(function, "__name__", "") == "__get__":
        return True
    name = getattr(function, "__name__", "")
    return isinstance(function, descriptors) and getattr(_C.Tensor, name, None) is function


def is_from_torch(thing: Any) -> bool:
    """Whether generated code reaches it through `torch`, without a name of its own."""
    if isinstance(thing, _OWN):
        return True
    module = getattr(thing, "__module__", None)
    if module is not None:
        return in_pytorch(module).partition(".")[0] == "torch"
    name = getattr(thing, "__name__", None)
    return name is not None and name != "torch" and getattr(_C.Tensor, name, None) is thing


def short_name(function: Callable[..., Any]) -> str:
    """What a node that calls the function is called after."""
    if isinstance(function, _OWN):
        return qualified_name(function).rpartition(".")[2]
    return function.__name__


@cache
def _signature(name: str, code: Any, defaults: tuple | None, keywords: tuple):
    """(parameters by position, the others with their defaults) as the tracer sees them."""
    positional = code.co_varnames[: code.co_argcount]
    given = defaults or ()
    required = _POSITIONAL.get(name, len(positional) - len(given))
    values = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
    values |= dict(keywords)
    left_out = _LEFT_OUT.get(name, ())
    names = (*positional, *code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
    rest = {n: values.get(n) for n in names[required:] if n not in left_out}
    return positional[:required], rest


def as_traced(function: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a call in the form in which PyTorch's tracer would see them."""
    name = qualified_name(function)
    if name in _OF_MANY:
        if args and isinstance(args[-1], (list, tuple)):  # a list of them stands for them there
            args = (*args[:-1], *args[-1])
        indexed = {"indexing": None} if name.endswith("meshgrid") else {}
        return args, {**indexed, **kwargs}
    written = getattr(function, "__wrapped__", None)
    if not name.startswith(("torch.nn.functional.", "torch.functional.")) or name in _AS_GIVEN:
        return args, kwargs
    code = getattr(written, "__code__", None)
    if code is None or code.co_flags & 0x04 or not isinstance(function, _OWN):
        return _of_operator(name, function, args, kwargs)
    keywords = tuple((written.__kwdefaults__ or {}).items())
    required, rest = _signature(name, code, written.__defaults__, keywords)
    return _bind(name, required, rest, args, kwargs)


def _of_operator(name, function, args, kwargs):
    """An operator that is a Python function there; its parameters are in its declaration."""
    block = getattr(function, "declaration", None)
    if block is None:
        return args, kwargs
    forward = block.__dict__["forward"]
    required, rest = _signature(name, forward.__code__, forward.__defaults__, ())
    return _bind(name, required, rest, args, kwargs)


def _bind(name, required, rest, args, kwargs):
    """The arguments in that form; TypeError where they do not fit, in Python's words."""
    own = name.rpartition(".")[2]
    given = dict(zip((*required, *rest), args, strict=False)) | kwargs
    if len(args) > len(required) + len(rest):
        most = len(required) + len(rest)
        raise TypeError(f"{own}() takes {most} positional arguments but {len(args)} were given")
    strange = given.keys() - set(required) - rest.keys()
    if strange:
        raise TypeError(f"{own}() got an unexpected keyword argument '{min(strange)}'")
    missing = [n for n in required if n not in given]
    if missing:
        noun = "argument" if len(missing) == 1 else "arguments"
        names = " and ".join(filter(None, (", ".join(map(repr, missing[:-1])), repr(missing[-1]))))
        raise TypeError(f"{own}() missing {len(missing)} required positional {noun}: {names}")
    return tuple(given[n] for n in required), {n: given.get(n, v) for n, v in rest.items()}
