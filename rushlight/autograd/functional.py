"""Jacobians, Hessians and their products with vectors, all by running backward, once or twice."""

from __future__ import annotations

from collections.abc import Callable

import rushlight as torch

from .. import Tensor
from . import grad
from .grad_mode import enable_grad


def _as_inputs(inputs, create_graph: bool, name: str) -> tuple[bool, tuple]:
    """Whether one tensor was given, and inputs that record: views of those given, or new leaves."""
    single = not isinstance(inputs, tuple)
    values = (inputs,) if single else inputs
    for position, value in enumerate(values):
        if not isinstance(value, Tensor):
            where = "given inputs" if single else f"value at index {position}"
            raise TypeError(
                f"The inputs given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{where} has type {type(value)}."
            )
    if create_graph:
        return single, tuple(
            [v.view_as(v) if v.requires_grad else v.detach().requires_grad_() for v in values]
        )
    return single, tuple([v.detach().requires_grad_() for v in values])


def _as_outputs(outputs, name: str) -> tuple[bool, tuple]:
    single = not isinstance(outputs, tuple)
    values = (outputs,) if single else outputs
    for value in values:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"The outputs of the user-provided function given to {name} must be either a "
                "Tensor "
                f"or a tuple of Tensors but the value has type {type(value)}."
            )
    return single, values


def _as_vectors(v, like: tuple, what: str) -> tuple:
    """`v` as a tuple shaped like `like`; ones when it is left out and `like` is a single number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} is a single Tensor with a single "
                "element."
            )
        return (torch.ones_like(like[0]),)
    vectors = v if isinstance(v, tuple) else (v,)
    if len(vectors) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}."
        )
    for position, (vector, tensor) in enumerate(zip(vectors, like, strict=True)):
        if vector.shape != tensor.shape:
            entry = f"Entry {position} of v" if isinstance(v, tuple) else "v"
            raise RuntimeError(
                f"{entry} has invalid size: should be {tensor.shape} but got {vector.shape}."
            )
    return vectors


def _gradients(outputs, inputs, vectors, create_graph, strict, names) -> tuple:
    """Vector-Jacobian products, zeros where an output does not depend on an input."""
    pairs = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    if strict and len(pairs) < len(outputs):
        position = [o.requires_grad for o in outputs].index(False)
        raise RuntimeError(
            f"Output {position} of the user-provided function does not require gradients: {names} "
            "in strict mode needs outputs that are computed from the inputs, differentiably."
        )
    if not pairs:
        return tuple([torch.zeros_like(i) for i in inputs])
    found = grad(
        [o for o, _ in pairs],
        inputs,
        [v for _, v in pairs],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )
    if strict and any(g is None for g in found):
        position = [g is None for g in found].index(True)
        raise RuntimeError(
            f"The output of the user-provided function is independent of input {position}. This is "
            f"not allowed in strict mode ({names})."
        )
    return tuple(
        [torch.zeros_like(i) if g is None else g for g, i in zip(found, inputs, strict=True)]
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
        vectors = _as_vectors(v, outputs, "output")
        products = _gradients(outputs, inputs, vectors, create_graph, strict, "vjp")
    return (
        _given(outputs, single_out, create_graph),
        _given(products, single_in, create_graph),
    )


def _forward_products(outputs, inputs, vectors, create_graph, strict, names) -> tuple:
    """Jacobian-vector products: J v is the gradient of u^T J with respect to u, in direction v."""
    dummies = tuple([torch.zeros_like(o).requires_grad_() for o in outputs])
    rows = _gradients(outputs, inputs, dummies, True, strict, names)
    return _gradients(rows, dummies, vectors, create_graph, strict, names)


def jvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), J v)`: the product of the Jacobian of `func` at `inputs` and a vector."""
    with enable_grad():
        _, inputs = _as_inputs(inputs, create_graph, "jvp")
        vectors = _as_vectors(v, inputs, "input to the user-provided function")
        single_out, outputs = _as_outputs(func(*inputs), "jvp")
        products = _forward_products(outputs, inputs, vectors, create_graph, strict, "jvp")
    return (
        _given(outputs, single_out, create_graph),
        _given(products, single_out, create_graph),
    )


def _one_hot_rows(output: Tensor):
    """The unit vectors of the shape of `output`, one after the other."""
    for i in range(output.numel()):
        row = torch.zeros(output.numel(), dtype=output.dtype, device=output.device)
        row[i] = 1
        yield row.view(output.shape)


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

    `vectorize` and `strategy` choose how PyTorch computes; the result is the same.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            f'Expected strategy to be either "forward-mode" or "reverse-mode": got {strategy!r}'
        )
    with enable_grad():
        single_in, inputs = _as_inputs(inputs, create_graph, "jacobian")
        single_out, outputs = _as_outputs(func(*inputs), "jacobian")
        table = []
        for output in outputs:
            rows = [
                _gradients((output,), inputs, (row,), create_graph, strict, "jacobian")
                for row in _one_hot_rows(output)
            ]
            blocks = tuple(
                [
                    torch.stack([row[k] for row in rows]).view(output.shape + value.shape)
                    if rows
                    else torch.zeros(output.shape + value.shape, dtype=value.dtype)
                    for k, value in enumerate(inputs)
                ]
            )
            table.append(_given(blocks, single_in, create_graph))
    return table[0] if single_out else tuple(table)


def _scalar_output(func):
    def checked(*args):
        output = func(*args)
        if not isinstance(output, Tensor):
            raise RuntimeError(
                "The function given to hessian, hvp or vhp should return a single Tensor"
            )
        if output.numel() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single "
                "element"
            )
        return output.squeeze() if output.dim() else output

    return checked


def hessian(
    func: Callable,
    inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
):
    """The Hessian of a `func` with one number as output, nested by input and input."""
    scalar = _scalar_output(func)
    single = not isinstance(inputs, tuple)

    def gradient(*args):
        args = tuple([a if a.requires_grad else a.detach().requires_grad_() for a in args])
        rows = _gradients((scalar(*args),), args, (None,), True, strict, "hessian")
        return rows[0] if single else rows

    return jacobian(gradient, inputs, create_graph, strict, strategy=outer_jacobian_strategy)


def vhp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), v^T H)`: the product of a vector and the Hessian of a scalar `func`."""
    scalar = _scalar_output(func)
    with enable_grad():
        single, inputs = _as_inputs(inputs, create_graph, "vhp")
        vectors = _as_vectors(v, inputs, "input to the user-provided function")
        output = scalar(*inputs)
        rows = _gradients((output,), inputs, (None,), True, strict, "vhp")
        products = _gradients(rows, inputs, vectors, create_graph, strict, "vhp")
    return _given((output,), True, create_graph), _given(products, single, create_graph)


def hvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """`(func(inputs), H v)`: the product of the Hessian of a scalar `func` and a vector."""
    scalar = _scalar_output(func)
    with enable_grad():
        single, inputs = _as_inputs(inputs, create_graph, "hvp")
        vectors = _as_vectors(v, inputs, "input to the user-provided function")
        output = scalar(*inputs)
        rows = _gradients((output,), inputs, (None,), True, strict, "hvp")
        products = _forward_products(rows, inputs, vectors, create_graph, strict, "hvp")
    return _given((output,), True, create_graph), _given(products, single, create_graph)
