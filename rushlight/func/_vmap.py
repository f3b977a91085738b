"""vmap: a function of one sample becomes a function of a batch of them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from .. import _C
from ..utils._pytree import (
    TreeSpec,
    _broadcast_to_and_flatten,
    tree_flatten,
    tree_unflatten,
)
from ._levels import VmapLevel, entered

Tensor = _C.Tensor


def name_of(func: Callable) -> str:
    """What messages call a function."""
    if hasattr(func, "__name__"):
        return func.__name__
    if isinstance(func, functools.partial):
        return f"functools.partial({name_of(func.func)}, ...)"
    return repr(func)


def vmap(
    func: Callable,
    in_dims: int | tuple = 0,
    out_dims: int | tuple | None = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """The function that runs `func` on every slice of its inputs at once.

    in_dims: the mapped dim of each input, an int for all or a (nested) structure like that of the
        inputs; None for an input that all lanes share. Keyword arguments are shared.
    out_dims: where the mapped dim stands in each output; None for an output that is the same in
        all lanes.
    randomness: "error", "different" (each lane draws its own numbers) or "same".
    chunk_size: at most so many lanes at a time.
    """
    check_randomness(randomness)
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        steps = sys.modules.get("rushlight._functorch.vmap")
        if steps is not None and steps.is_replaced():
            return steps.vmap_impl(func, in_dims, out_dims, randomness, chunk_size, *args, **kwargs)
        size, dims, leaves, spec = flatten_inputs(in_dims, args, func)
        if chunk_size is not None and chunk_size < size:
            return in_chunks(
                func, dims, leaves, spec, out_dims, randomness, kwargs, chunk_size, size, run
            )
        return run(func, size, dims, leaves, spec, out_dims, randomness, kwargs)

    return wrapped


def check_randomness(randomness: str) -> None:
    """RuntimeError unless it is one of the three ways."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )


# -- inputs --------------------------------------------------------------------------------------


def flatten_inputs(in_dims, args: tuple, func: Callable) -> tuple[int, list, list, TreeSpec]:
    """(number of lanes, dim of each leaf, leaves, structure) of the inputs."""
    call = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if len(args) == 0:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or "
            "you are trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, spec = tree_flatten(args)
    dims = _broadcast_to_and_flatten(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{call}in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {tree_flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    dims = [_input_dim(call, x, d) for x, d in zip(leaves, dims, strict=True)]
    sizes = [x.size(d) for x, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0], dims, leaves, spec


def _input_dim(call: str, x, dim):
    if not isinstance(dim, int) and dim is not None:
        raise ValueError(
            f"{call}Got in_dim={dim} for an input but in_dim must be either an integer dimension "
            "or None."
        )
    if dim is None:
        return None
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{call}Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot "
            "vmap over non-Tensor arguments, please use None as the respective in_dim"
        )
    if not -x.dim() <= dim < x.dim():
        raise ValueError(
            f"{call}Got in_dim={dim} for some input, but that input is a Tensor of dimensionality "
            f"{x.dim()} so expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
        )
    return dim % x.dim()


# -- outputs -------------------------------------------------------------------------------------


def flatten_output_dims(out_dims, spec: TreeSpec, outputs, func: Callable) -> list:
    """The dim of every leaf of the outputs."""
    call = f"vmap({name_of(func)}, ..., out_dims={out_dims})"
    if isinstance(outputs, Tensor):
        if isinstance(out_dims, int) or out_dims is None:
            return [out_dims]
        if isinstance(out_dims, tuple) and len(out_dims) == 1:
            return [out_dims[0]]
        dims = None
    else:
        dims = _broadcast_to_and_flatten(out_dims, spec)
    if dims is not None and all(isinstance(d, int) or d is None for d in dims):
        return dims
    found, given = tree_flatten(out_dims)
    if not all(isinstance(d, int) or d is None for d in found):
        raise ValueError(
            f"{call}: `out_dims` must be an int, None or a python collection of ints representing "
            "where in the outputs the vmapped dimension should appear."
        )
    raise ValueError(
        f"{call}(<inputs>): out_dims is not compatible with the structure of `outputs`. out_dims "
        f"has structure {given} but outputs has structure {spec}."
    )


def _unwrapped(level: VmapLevel, output, dim, func: Callable):
    """What a leaf of the outputs stands for, the lanes along `dim`. Outside of the level."""
    if not isinstance(output, Tensor):
        if dim is None:
            return output
        raise ValueError(
            f"vmap({name_of(func)}, ...): `{name_of(func)}` must only return Tensors, got type "
            f"{type(output)}. Did you mean to set out_dims= to None for output?"
        )
    held = _C.unwrap_lanes(output, level)
    physical, batched = held if held is not None else (output, False)
    if dim is None:
        if batched:
            raise ValueError(
                f"vmap({name_of(func)}, ...): `{name_of(func)}` can not return a BatchedTensor "
                "when out_dim is None"
            )
        return physical
    if not batched:
        physical = physical.expand(level.size, *physical.shape)
    return physical if dim == 0 else physical.movedim(0, dim)


# -- running -------------------------------------------------------------------------------------


def run(func, size, dims, leaves, spec, out_dims, randomness, kwargs):
    """One vmap over flattened inputs."""
    physical = [x if not d else x.movedim(d, 0) for x, d in zip(leaves, dims, strict=True)]
    with entered(lambda: VmapLevel(size, randomness)) as level:
        wrapped = [
            x if d is None else _C.wrap_lanes(level, x, True)
            for x, d in zip(physical, dims, strict=True)
        ]
        outputs = func(*tree_unflatten(wrapped, spec), **kwargs)
    found, out_spec = tree_flatten(outputs)
    out_dims = flatten_output_dims(out_dims, out_spec, outputs, func)
    results = [_unwrapped(level, x, d, func) for x, d in zip(found, out_dims, strict=True)]
    return tree_unflatten(results, out_spec)


def map_leaves(func: Callable, tensors: tuple) -> tuple:
    """A function of several tensors or None, over dim 0 of each; its results may hold None."""
    sizes = {x.shape[0] if x.dim() else None for x in tensors if x is not None}
    if len(sizes) != 1 or None in sizes:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got shapes "
            f"{[None if x is None else tuple(x.shape) for x in tensors]}"
        )
    with entered(lambda: VmapLevel(*sizes, "error")) as level:
        found = func(*[None if x is None else _C.wrap_lanes(level, x, True) for x in tensors])
    return tuple([None if x is None else _unwrapped(level, x, 0, func) for x in found])


def in_chunks(func, dims, leaves, spec, out_dims, randomness, kwargs, chunk_size, size, run):
    """A vmap by so many lanes at a time, each piece by `run`."""
    from .. import cat, get_rng_state, set_rng_state

    state = get_rng_state() if randomness == "same" else None
    columns: list = []
    for start in range(0, size, chunk_size):
        stop = min(start + chunk_size, size)
        piece = [
            x if d is None else x.narrow(d, start, stop - start)
            for x, d in zip(leaves, dims, strict=True)
        ]
        if state is not None:
            set_rng_state(state)
        outputs = run(func, stop - start, dims, piece, spec, out_dims, randomness, kwargs)
        found, out_spec = tree_flatten(outputs)
        columns.append(found)
    joined = flatten_output_dims(out_dims, out_spec, outputs, func)
    results = [
        column[0] if d is None else cat(column, d)
        for column, d in zip(zip(*columns, strict=True), joined, strict=True)
    ]
    return tree_unflatten(results, out_spec)
