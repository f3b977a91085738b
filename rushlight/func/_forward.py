"""Forward-mode transforms: jvp, the Jacobian by columns, linearize; and the Hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _C
from ..autograd._dual import DualLevel
from ..autograd.forward_ad import dual_at
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from ._arguments import (
    checked_aux,
    chosen,
    only_tensors,
    outside_inference,
    recording,
    replaced,
    split_aux,
)
from ._levels import entered
from ._reverse import jacrev, standard_basis, vjp_of
from ._vmap import vmap

Tensor = _C.Tensor


def jvp(
    func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple:
    """(outputs of `func`, their derivative in the direction `tangents`).

    primals, tangents: tuples, one item per argument of `func`.
    strict: RuntimeError when an output does not depend on the inputs.
    has_aux: `func` returns (outputs, aux); a third item is the aux.
    """
    return _jvp(func, primals, tangents, None, strict, has_aux)


def _jvp(func, primals, tangents, argnums, strict, has_aux):
    who = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{who}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    moving = primals if argnums is None else chosen(primals, argnums)
    values, spec = _tensor_leaves(moving, "primals", who)
    directions, given_spec = tree_flatten(tangents)
    if given_spec != spec:
        raise RuntimeError(
            f"{who}: Expected primals and tangents to have the same python structure. For example, "
            "if primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{spec} and tangents with structure {given_spec}"
        )
    _tensor_leaves(tangents, "tangents", who)
    aux = None
    with outside_inference(), entered(DualLevel) as level:
        pairs = zip(values, directions, strict=True)
        duals = tree_unflatten([dual_at(level, x, v) for x, v in pairs], spec)
        args = duals if argnums is None else replaced(primals, argnums, duals)
        outputs = func(*args)
        if has_aux:
            outputs, aux = split_aux(outputs, who)
            checked_aux(aux)
        leaves, out_spec = only_tensors(outputs, who)
        moved = [_tangent(level, x, strict, who) for x in leaves]
        for x in (*leaves, *tree_flatten(aux)[0]):
            if isinstance(x, Tensor):
                _C.set_tangent(x, level, None)
    products = tree_unflatten(moved, out_spec)
    return (outputs, products, aux) if has_aux else (outputs, products)


def _tensor_leaves(tree, what, who):
    leaves, spec = tree_flatten(tree)
    if not leaves:
        raise RuntimeError(f"{who}: Expected {what} to contain at least one Tensor.")
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{who}: Expected {what} to only contain Tensors, got {type(x)}")
    return leaves, spec


def _tangent(level, output, strict, who):
    from .. import zeros_like

    found = _C.get_tangent(output, level)
    if found is None:
        if strict:
            raise RuntimeError(
                f"{who[:-1]}, strict=True): The output of f is independent of the inputs. This is "
                "not allowed with strict=True."
            )
        return _C.call_outside(level, zeros_like, output)
    return found


def jacfwd(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable:
    """The function that computes the Jacobian of `func`, a column for each element of its inputs.

    argnums: which arguments to differentiate by; a tuple gives a tuple for each output.
    randomness: as for `vmap`, which runs all columns at once.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        inputs, in_spec = tree_flatten(chosen(args, argnums))
        basis = standard_basis(inputs, 0, sum(x.numel() for x in inputs))

        def push(directions):
            directions = tree_unflatten(list(directions), in_spec)
            made = _jvp(lambda *a: func(*a, **kwargs), args, directions, argnums, False, has_aux)
            return made[1:]

        pushed = vmap(push, randomness=randomness)(tuple(basis))
        leaves, out_spec = tree_flatten(pushed[0])
        sizes = [x.numel() for x in inputs]
        rows = []
        for leaf in leaves:
            columns = leaf.movedim(0, -1)
            parts = columns.split(sizes, -1) if len(sizes) > 1 else (columns,)
            pairs = zip(parts, inputs, strict=True)
            found = [part.reshape(leaf.shape[1:] + x.shape) for part, x in pairs]
            rows.append(tree_unflatten(found, in_spec))
        jacobian = tree_unflatten(rows, out_spec)
        if has_aux:  # the same in all lanes
            return jacobian, tree_map(lambda x: x[0], pushed[1])
        return jacobian

    return wrapper


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The function that computes the Hessian of `func`: forward mode over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """(outputs of `func`, the linear function from tangents of primals to those of outputs).

    `func` runs once. u -> u J is recorded as a graph; its gradient in the direction v is J v.
    """
    from .. import zeros_like
    from ..autograd import grad

    leaves, spec = tree_flatten(primals)
    outputs, back = vjp_of(func, primals, tuple(range(len(primals))))
    values, out_spec = tree_flatten(outputs)
    with recording():
        dummies = [_C.fresh_input(zeros_like(x), True) for x in values]
        rows = tree_flatten(back(tree_unflatten(dummies, out_spec)))[0]

    def push(*tangents: Any) -> Any:
        directions, given_spec = tree_flatten(tangents)
        if given_spec != spec:
            raise RuntimeError(
                f"Expected the tangents {given_spec} to have the same argspec as the primals {spec}"
            )
        for i, (v, x) in enumerate(zip(directions, leaves, strict=True)):
            _check_tangent(i, v, x)
        pairs = [(r, v) for r, v in zip(rows, directions, strict=True) if r.requires_grad]
        found = [None] * len(dummies)
        if pairs:
            found = grad(
                [r for r, _ in pairs],
                dummies,
                [v for _, v in pairs],
                retain_graph=True,
                create_graph=_C.is_grad_enabled() and _C.is_live((directions, leaves)),
                allow_unused=True,
            )
        moved = [zeros_like(x) if t is None else t for t, x in zip(found, values, strict=True)]
        return tree_unflatten(moved, out_spec)

    return outputs, push


def _check_tangent(position, tangent, primal):
    if tangent.shape != primal.shape:
        raise RuntimeError(
            f"tangent:{position} with shape {tangent.shape} in flattened pytree doesn't match the "
            f"shape {primal.shape} of the corresponding primal."
        )
    if tangent.dtype != primal.dtype:
        raise RuntimeError(
            f"tangent:{position} with dtype {tangent.dtype} in flattened pytree doesn't match the "
            f"dtype {primal.dtype} of the corresponding primal."
        )
    if tangent.device != primal.device:
        raise RuntimeError(
            f"tangent:{position} with device {tangent.device} in flattened pytree doesn't match "
            f"the device {primal.device} of the corresponding primal."
        )
