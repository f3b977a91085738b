"""Reverse-mode transforms: grad, vjp and the Jacobian by rows.

They need no level. The tape of ordinary autograd records the function on fresh inputs, and nesting
is right because every transform has inputs of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _C
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten, treespec_pprint
from ._arguments import (
    Tape,
    checked_aux,
    chosen,
    differentiable,
    only_tensors,
    recording,
    replaced,
    split_aux,
)
from ._levels import entered
from ._vmap import vmap

Tensor = _C.Tensor


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that computes the gradient of `func`, which returns a scalar tensor.

    argnums: which positional arguments to differentiate by; a tuple gives a tuple of gradients.
    has_aux: `func` returns (scalar, other tensors); so does the gradient.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def grad_and_value(
    func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable:
    """The function that returns (gradient, value) of `func`; with has_aux the value is a pair."""
    who = "grad_and_value(f)(*args)"

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with entered(), recording() as mode:
            inputs, spec = differentiable(chosen(args, argnums))
            aux = None
            value = func(*replaced(args, argnums, tree_unflatten(inputs, spec)), **kwargs)
            if has_aux:
                value, aux = split_aux(value, who)
            _check_scalar(value, who)
            if has_aux:
                checked_aux(aux)
            tape = Tape(inputs, [value], mode.outside)
            gradients = tape.gradients(None, retain=False)
            gradient = tree_unflatten([tape.result(g) for g in gradients], spec)
            value = tape.result(value)
            return gradient, (value, tape.results(aux)) if has_aux else value

    return wrapper


def _check_scalar(value, who):
    if not isinstance(value, Tensor):
        raise RuntimeError(f"{who}: Expected f(*args) to return a Tensor, got {type(value)}")
    if value.dim() != 0:
        raise RuntimeError(
            f"{who}: Expected f(*args) to return a scalar Tensor, got tensor with {value.dim()} "
            "dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(outputs of `func`, function from cotangents of the outputs to those of the inputs).

    The function returns a tuple, one item per primal. With has_aux `func` returns (outputs, aux)
    and a third item is the aux.
    """
    return vjp_of(func, primals, tuple(range(len(primals))), has_aux)


def vjp_of(func: Callable, primals: tuple, argnums: Any, has_aux: bool = False) -> tuple:
    """`vjp` by some of the arguments."""
    who = "vjp(f, *primals)"
    with entered(), recording() as mode:
        aux = None
        if primals:
            inputs, spec = differentiable(chosen(primals, argnums))
            outputs = func(*replaced(primals, argnums, tree_unflatten(inputs, spec)))
        else:
            inputs, spec = differentiable(())
            outputs = func()
        if has_aux:
            outputs, aux = split_aux(outputs, who)
            checked_aux(aux)
        leaves, out_spec = only_tensors(outputs, who)
        if not leaves:
            raise RuntimeError(
                f"{who}: Expected f to be a function that has non-empty output (got output = "
                f"{leaves})"
            )
        tape = Tape(inputs, leaves, mode.outside)
        results = tree_unflatten([tape.result(x) for x in leaves], out_spec)
        aux = tape.results(aux) if has_aux else None
    back = _cotangent_function(tape, leaves, out_spec, spec)
    return (results, back, aux) if has_aux else (results, back)


def _cotangent_function(tape: Tape, leaves, out_spec, spec) -> Callable:
    def wrapper(cotangents, retain_graph=True, create_graph=None):
        given, given_spec = tree_flatten(cotangents)
        if given_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {treespec_pprint(given_spec)}, primal "
                f"output: {treespec_pprint(out_spec)}"
            )
        for i, (g, x) in enumerate(zip(given, leaves, strict=True)):
            if isinstance(g, Tensor) and g.shape != x.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] "
                    f"has a shape of {x.shape}."
                )
        used = [g for g, x in zip(given, leaves, strict=True) if any(x is o for o in tape.outputs)]
        with entered():
            return tree_unflatten(tape.gradients(used, retain=retain_graph), spec)

    return wrapper


def jacrev(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """The function that computes the Jacobian of `func`, a row for each element of its outputs.

    argnums: which arguments to differentiate by; a tuple gives a tuple for each output.
    chunk_size: how many rows at a time; 1 runs them one by one, without vmap.
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        made = vjp_of(lambda *a: func(*a, **kwargs), args, argnums, has_aux)
        outputs, back = made[:2]
        leaves, out_spec = tree_flatten(outputs)
        flat_inputs, in_spec = tree_flatten(chosen(args, argnums))
        rows = _rows(back, leaves, out_spec, chunk_size)
        columns = [
            [
                part.reshape(leaf.shape + x.shape)
                for leaf, part in zip(leaves, _split(found, leaves), strict=True)
            ]
            for found, x in zip(rows, flat_inputs, strict=True)
        ]
        jacobian = tree_unflatten(
            [tree_unflatten(list(row), in_spec) for row in zip(*columns, strict=True)], out_spec
        )
        return (jacobian, made[2]) if has_aux else jacobian

    return wrapper


def _split(rows, leaves):
    sizes = [leaf.numel() for leaf in leaves]
    return rows.split(sizes) if len(sizes) > 1 else (rows,)


def _rows(back, leaves, out_spec, chunk_size):
    """The cotangents of every input, for each element of the outputs in turn."""
    from .. import cat

    total = sum(leaf.numel() for leaf in leaves)
    step = total if chunk_size is None else chunk_size
    pieces = []
    for start in range(0, total, step) if total else (0,):
        basis = standard_basis(leaves, start, min(start + step, total))
        if chunk_size == 1:
            found = back(tree_unflatten([b[0] for b in basis], out_spec))
            found = tree_map(lambda x: x.unsqueeze(0), found)
        else:
            found = vmap(back)(tree_unflatten(basis, out_spec))
        pieces.append(tree_flatten(found)[0])
    return [column[0] if len(column) == 1 else cat(column) for column in zip(*pieces, strict=True)]


def standard_basis(leaves: list[Tensor], start: int, stop: int) -> list[Tensor]:
    """For each tensor its columns of rows `start` to `stop` of the identity over all elements."""
    from .. import zeros

    found, offset = [], 0
    for leaf in leaves:
        block = zeros((stop - start, leaf.numel()), dtype=leaf.dtype, device=leaf.device)
        block.diagonal(start - offset).fill_(1)
        found.append(block.reshape((stop - start, *leaf.shape)))
        offset += leaf.numel()
    return found
