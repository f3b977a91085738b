"""The steps of a vmap under PyTorch's names: libraries replace some, to map what they define.

`torch.vmap` goes through these as soon as one has been replaced; else it takes the short way in
rushlight/func/_vmap.py.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from .. import Tensor
from ..func import _vmap
from ..func._vmap import check_randomness as _check_randomness_arg
from ..func._vmap import flatten_inputs as _process_batched_inputs
from ..func._vmap import name_of as _get_name
from ..utils._pytree import (
    TreeSpec,
    _broadcast_to_and_flatten,
    tree_flatten,
    tree_map_,
    tree_unflatten,
)
from .bindings import (
    _add_batch_dim,
    _remove_batch_dim,
    _vmap_decrement_nesting,
    _vmap_increment_nesting,
    is_batchedtensor,
)

in_dims_t = int | tuple
out_dims_t = int | tuple[int, ...]

__all__ = [
    "Tensor", "TreeSpec", "_add_batch_dim", "_broadcast_to_and_flatten", "_check_randomness_arg",
    "_create_batched_inputs", "_flat_vmap", "_get_name", "_maybe_remove_batch_dim",
    "_process_batched_inputs", "_remove_batch_dim", "_unwrap_batched",
    "_validate_and_get_batch_size", "_vmap_decrement_nesting", "_vmap_increment_nesting",
    "in_dims_t", "is_batchedtensor", "lazy_load_decompositions", "out_dims_t", "restore_vmap",
    "tree_flatten", "tree_map_", "tree_unflatten", "unwrap_batched", "vmap_impl",
    "vmap_increment_nesting", "wrap_batched",
]  # fmt: skip


def lazy_load_decompositions() -> None:
    """Load what vmap runs of operators that have no rule: it is there already."""


def _validate_and_get_batch_size(flat_in_dims: list, flat_args: list) -> int:
    sizes = [a.size(d) for d, a in zip(flat_in_dims, flat_args, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


def _create_batched_inputs(flat_in_dims: list, flat_args: list, vmap_level: int,
                           args_spec: TreeSpec) -> tuple:  # fmt: skip
    wrapped = [
        a if d is None else _add_batch_dim(a, d, vmap_level)
        for d, a in zip(flat_in_dims, flat_args, strict=True)
    ]
    return tree_unflatten(wrapped, args_spec)


def _maybe_remove_batch_dim(name: str, batched_output: Any, vmap_level: int, batch_size: int,
                            out_dim: int | None) -> Any:  # fmt: skip
    if out_dim is None:
        if isinstance(batched_output, Tensor) and is_batchedtensor(batched_output):
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return batched_output
    if not isinstance(batched_output, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type "
            f"{type(batched_output)}. Did you mean to set out_dims= to None for output?"
        )
    return _remove_batch_dim(batched_output, vmap_level, batch_size, out_dim)


def _unwrap_batched(batched_outputs: Any, out_dims: out_dims_t, vmap_level: int, batch_size: int,
                    func: Callable) -> Any:  # fmt: skip
    leaves, spec = tree_flatten(batched_outputs)
    dims = _vmap.flatten_output_dims(out_dims, spec, batched_outputs, func)
    results = [
        _maybe_remove_batch_dim(_get_name(func), leaf, vmap_level, batch_size, dim)
        for leaf, dim in zip(leaves, dims, strict=True)
    ]
    return tree_unflatten(results, spec)


@contextlib.contextmanager
def vmap_increment_nesting(batch_size: int, randomness: str) -> Iterator[int]:
    """Within the block a vmap of so many lanes is open; its number."""
    try:
        yield _vmap_increment_nesting(batch_size, randomness)
    finally:
        _vmap_decrement_nesting()


def _flat_vmap(func: Callable, batch_size: int, flat_in_dims: list, flat_args: list,
               args_spec: TreeSpec, out_dims: out_dims_t, randomness: str,
               **kwargs: Any) -> Any:  # fmt: skip
    with vmap_increment_nesting(batch_size, randomness) as level:
        inputs = _create_batched_inputs(flat_in_dims, flat_args, level, args_spec)
        return _unwrap_batched(func(*inputs, **kwargs), out_dims, level, batch_size, func)


def vmap_impl(func: Callable, in_dims: in_dims_t, out_dims: out_dims_t, randomness: str,
              chunk_size: int | None, *args: Any, **kwargs: Any) -> Any:  # fmt: skip
    """One call of `torch.vmap(func, ...)`."""
    size, dims, leaves, spec = _process_batched_inputs(in_dims, args, func)
    if chunk_size is None or chunk_size >= size:
        return _flat_vmap(func, size, dims, leaves, spec, out_dims, randomness, **kwargs)
    run = functools.partial(_run, _flat_vmap)
    return _vmap.in_chunks(
        func, dims, leaves, spec, out_dims, randomness, kwargs, chunk_size, size, run
    )


def _run(flat, func, size, dims, leaves, spec, out_dims, randomness, kwargs):
    return flat(func, size, dims, leaves, spec, out_dims, randomness, **kwargs)


def wrap_batched(args: tuple, bdims: Any, level: int) -> tuple:
    """The arguments as tensors of a vmap, by the dim of the lanes in each."""
    leaves, spec = tree_flatten(args)
    dims = _broadcast_to_and_flatten(bdims, spec)
    if dims is None:
        raise ValueError(f"wrap_batched(): {bdims} does not fit the structure of the arguments")
    return _create_batched_inputs(dims, leaves, level, spec)


def unwrap_batched(args: Any, level: int) -> tuple[Any, Any]:
    """What tensors of a vmap stand for, and the dims of the lanes."""
    from .bindings import _unwrap_batched as unwrap

    leaves, spec = tree_flatten(args)
    pairs = [unwrap(a, level) if isinstance(a, Tensor) else (a, None) for a in leaves]
    values, dims = zip(*pairs, strict=True) if pairs else ((), ())
    return tree_unflatten(list(values), spec), tree_unflatten(list(dims), spec)


def restore_vmap(func: Callable, in_dims: Any, batch_size: int, randomness: str) -> Callable:
    """vmap that gives back what its results stand for, and where the lanes are in them."""

    def inner(*args, **kwargs):
        with vmap_increment_nesting(batch_size, randomness) as level:
            return unwrap_batched(func(*wrap_batched(args, in_dims, level), **kwargs), level)

    return inner


_ORIGINAL = (_process_batched_inputs, _create_batched_inputs, _unwrap_batched, _flat_vmap)


def is_replaced() -> bool:
    """Whether somebody put another function in the place of a step."""
    steps = (_process_batched_inputs, _create_batched_inputs, _unwrap_batched, _flat_vmap)
    return any(now is not then for now, then in zip(steps, _ORIGINAL, strict=True))
