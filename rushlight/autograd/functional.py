"""Jacobians, Hessians and their products with vectors, by running backward once or twice.

Products with a vector on the right come from the double-backward trick: v^T J is linear in v, and
its gradient with respect to v, in direction u, is J u.
"""

from __future__ import annotations

from collections.abc import Callable

import rushlight as torch

from .. import Tensor
from . import grad
from ._jacobian_parts import (  # noqa: F401 (libraries import them from here)
    _as_tuple,
    _construct_standard_basis_for,
    _grad_postprocess,
    _tuple_postprocess,
)
from ._strict import check_depends, check_differentiable
from .grad_mode import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tensors_of(value, what: str, name: str) -> tuple[bool, tuple]:
    """Whether one tensor was given, and the tensors; TypeError for anything else."""
    single = not isinstance(value, tuple)
    values = (value,) if single else value
    for position, item in enumerate(values):
        if not isinstance(item, Tensor):
            given = what if what.startswith("outputs") else f"{what} given"
            where = f"given {what}" if single else f"value at index {position}"
            raise TypeError(
                f"The {given} to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{where} has type {type(item)}."
            )
    return single, values


def _as_inputs(inputs, create_graph: bool, name: str) -> tuple[bool, tuple]:
    """Inputs that record: views of those given, or new leaves."""
    single, values = _tensors_of(inputs, "inputs", name)
    return single, tuple(
        [
            v.view_as(v) if create_graph and v.requires_grad else v.detach().requires_grad_()
            for v in values
        ]
    )


def _as_outputs(outputs, name: str) -> tuple[bool, tuple]:
    single = not isinstance(outputs, tuple)
    values = (outputs,) if single else outputs
    for position, item in enumerate(values):
        if not isinstance(item, Tensor):
            what = "outputs of the user-provided function"
            where = f"given {what}" if single else f"value at index {position}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but "
                f"the {where} has type {type(item)}."
            )
    return single, values


def _as_vectors(v, like: tuple, single: bool, source: str, name: str) -> tuple:
    """`v` as a tuple shaped like `like`; ones when it is left out and `like` is one number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if {source} is a single Tensor with a single "
                "element."
                if source.startswith("the input")
                else f"The vector v can only be None if {source} a single Tensor with a single "
                "element."
            )
        return (torch.ones_like(like[0]),)
    _, vectors = _tensors_of(v, "v", name)
    vectors = tuple([vector.detach() if not vector.requires_grad else vector for vector in vectors])
    if len(vectors) != len(like):
        if single:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}."
        )
    for position, (vector, tensor) in enumerate(zip(vectors, like, strict=True)):
        if vector.shape != tensor.shape:
            entry = "v" if single else f"Entry {position} in v"
            raise RuntimeError(
                f"{entry} has invalid size: should be {tensor.shape} but got {vector.shape}."
            )
    return vectors


def _gradients(outputs, inputs, vectors=None, create_graph: bool = False) -> tuple:
    """Vector-Jacobian products; None where no output depends on an input."""
    vectors = (None,) * len(outputs) if vectors is None else vectors
    pairs = [
        (o, v) for o, v in zip(outputs, vectors, strict=True) if o is not None and o.requires_grad
    ]
    if not pairs:
        return (None,) * len(inputs)
    return grad(
        [o for o, _ in pairs],
        inputs,
        [v for _, v in pairs],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )


def _given(values: tuple, single: bool, keep_history: bool):
    if not keep_history:
        values = tuple([v.detach() for v in values])
    return values[0] if single else values


def vjp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), v^T J)`: the product of a vector and the Jacobian of `func` at `inputs`."""
    with enable_grad():
        single_in, inputs = _as_inputs(inputs, create_graph, "vjp")
        single_out, outputs = _as_outputs(func(*inputs), "vjp")
        check_differentiable(outputs, "outputs", strict)
        source = "the user-provided function returns"
        vectors = _as_vectors(v, outputs, single_out, source, "vjp")
        found = _gradients(outputs, inputs, vectors, create_graph)
        products = check_depends(found, inputs, strict, create_graph, "back")
    return (
        _given(outputs, single_out, create_graph),
        _given(products, single_in, create_graph),
    )


_INPUT = "the input to the user-provided function"


def jvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), J v)`: the product of the Jacobian of `func` at `inputs` and a vector."""
    with enable_grad():
        single_in, inputs = _as_inputs(inputs, create_graph, "jvp")
        vectors = _as_vectors(v, inputs, single_in, _INPUT, "jvp")
        single_out, outputs = _as_outputs(func(*inputs), "jvp")
        check_differentiable(outputs, "outputs", strict)
        dummies = tuple([torch.zeros_like(o).requires_grad_() for o in outputs])
        rows = _gradients(outputs, inputs, dummies, True)
        check_differentiable(rows, "grad_inputs", strict)
        found = _gradients(rows, dummies, vectors, create_graph)
        products = check_depends(found, outputs, strict, create_graph, "back_trick")
    return (
        _given(outputs, single_out, create_graph),
        _given(products, single_out, create_graph),
    )


def _rows(output: Tensor, inputs, create_graph: bool, vectorize: bool) -> list:
    """Gradients of every element of `output`: for each input one tensor, or rows with None."""
    count = output.numel()
    if not vectorize or not count or not output.requires_grad:
        flat = output.reshape(-1)
        return [_gradients((flat[i],), inputs, None, create_graph) for i in range(count)]
    basis = torch.eye(count, dtype=output.dtype).view((count, *output.shape))
    stacked = grad(
        output,
        inputs,
        basis,
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
        is_grads_batched=True,
    )
    return [[None if s is None else s[i] for s in stacked] for i in range(count)]


def _blocks(place: int, output, inputs, create_graph, strict, vectorize) -> tuple:
    """The Jacobian of one output with respect to each input."""
    rows = []
    for found in _rows(output, inputs, create_graph, vectorize):
        rows.append(check_depends(found, inputs, strict, create_graph, "jacobian", place))
    if not rows:
        return tuple([output.new_zeros(output.shape + value.shape) for value in inputs])
    return tuple(
        [
            torch.stack([row[k] for row in rows]).view(output.shape + value.shape)
            for k, value in enumerate(inputs)
        ]
    )


def _check_combination(create_graph, strict, vectorize, strategy) -> bool:
    """Whether forward mode is wanted; errors where PyTorch has no such combination."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    name = "torch.autograd.functional.jacobian"
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                f'{name}: `create_graph=True` and `strategy="forward-mode"` are not supported '
                'together (yet). Please either set `create_graph=False` or `strategy="reverse-'
                'mode"`.'
            )
        if strict:
            raise RuntimeError(
                f'{name}: `strict=True` and `strategy="forward-mode"` are not supported together '
                '(yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
                "only implemented for `vectorize=True`."
            )
        return True
    if strict and vectorize:
        raise RuntimeError(
            f"{name}: `strict=True` and `vectorized=True` are not supported together. Please "
            "either set `strict=False` or `vectorize=False`."
        )
    return False


def _forward_jacobian(func, inputs):
    from ..func import jacfwd

    single, values = _tensors_of(inputs, "inputs", "jacobian")

    def checked(*args):
        single_out, outputs = _as_outputs(func(*args), "jacobian")
        return outputs[0] if single_out else outputs

    places = 0 if single else tuple(range(len(values)))
    return jacfwd(checked, argnums=places)(*[v.detach() for v in values])


def jacobian(
    func: Callable,
    inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
):
    """The Jacobian of `func`: entries of shape `output.shape + input.shape`, nested by output and
    input.

    `vectorize` runs all rows at once, `strategy="forward-mode"` all columns.
    """
    if _check_combination(create_graph, strict, vectorize, strategy):
        return _forward_jacobian(func, inputs)
    with enable_grad():
        single_in, inputs = _as_inputs(inputs, create_graph, "jacobian")
        single_out, outputs = _as_outputs(func(*inputs), "jacobian")
        check_differentiable(outputs, "outputs", strict)
        table = [
            _given(
                _blocks(place, output, inputs, create_graph, strict, vectorize),
                single_in,
                create_graph,
            )
            for place, output in enumerate(outputs)
        ]
    return table[0] if single_out else tuple(table)


def _one_number(value, name: str) -> Tensor:
    """The output of a function whose second derivatives are wanted, as a 0-d tensor."""
    single, outputs = _as_outputs(value, name)
    if not single:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    output = outputs[0]
    if output.numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    return output.squeeze() if output.dim() else output


def hessian(
    func: Callable,
    inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
):
    """The Hessian of a `func` with one number as output, nested by input and input."""
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    single, values = _tensors_of(inputs, "inputs", "hessian")

    def scalar(*args):
        return _one_number(func(*args), "hessian")

    if _check_combination(create_graph, strict, vectorize, outer_jacobian_strategy):
        from ..func import hessian as transform

        places = 0 if single else tuple(range(len(values)))
        return transform(scalar, argnums=places)(*[v.detach() for v in values])

    def gradient(*args):
        args = tuple([a if a.requires_grad else a.detach().requires_grad_() for a in args])
        output = scalar(*args)
        check_differentiable((output,), "outputs", strict)
        found = _gradients((output,), args, None, True)
        # An input that plays no part has a zero gradient, and is found out one level further up.
        rows = tuple(
            [torch.zeros_like(a) if g is None else g for g, a in zip(found, args, strict=True)]
        )
        check_differentiable(rows, "jacobian", strict)
        return rows[0] if single else rows

    return jacobian(gradient, inputs, create_graph, strict, vectorize)


def _first_derivative(func, inputs, v, create_graph, strict, name):
    """What vhp and hvp begin with: inputs, vectors, output and gradient."""
    single, inputs = _as_inputs(inputs, create_graph, name)
    vectors = _as_vectors(v, inputs, single, _INPUT, name)
    output = _one_number(func(*inputs), name)
    check_differentiable((output,), "outputs", strict)
    rows = _gradients((output,), inputs, None, True)
    check_differentiable(rows, "jacobian", strict)
    return single, inputs, vectors, output, rows


def vhp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), v^T H)`: the product of a vector and the Hessian of a scalar `func`."""
    with enable_grad():
        found = _first_derivative(func, inputs, v, create_graph, strict, "vhp")
        single, inputs, vectors, output, rows = found
        twice = _gradients(rows, inputs, vectors, create_graph)
        products = check_depends(twice, inputs, strict, create_graph, "double_back")
    return _given((output,), True, create_graph), _given(products, single, create_graph)


def hvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), H v)`: the product of the Hessian of a scalar `func` and a vector."""
    with enable_grad():
        found = _first_derivative(func, inputs, v, create_graph, strict, "hvp")
        single, inputs, vectors, output, rows = found
        dummies = tuple([torch.zeros_like(i).requires_grad_() for i in inputs])
        twice = _gradients(rows, inputs, dummies, True)
        check_differentiable(twice, "hessian", strict)
        moved = _gradients(twice, dummies, vectors, create_graph)
        products = check_depends(moved, inputs, strict, create_graph, "double_back_trick")
    return _given((output,), True, create_graph), _given(products, single, create_graph)
