"""Jacobians of whole functions, numerical and by both modes of derivatives, for `gradcheck`.

Complex tensors count as pairs of real numbers: the gradient of a real function of z = x + iy is
d/dx + i d/dy, and a complex output is checked as two functions, its real and its imaginary part.
"""

from __future__ import annotations

from itertools import product

import rushlight as torch

from .. import Tensor
from . import grad
from .grad_mode import enable_grad, no_grad


def tensors(value) -> list[Tensor]:
    """The tensors of one output or of several."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [v for v in values if isinstance(v, Tensor)]


def is_inexact(tensor: Tensor) -> bool:
    """Whether a tensor has derivatives at all."""
    return tensor.is_floating_point() or tensor.is_complex()


class Part:
    """One real-valued output: a real output, or the real or imaginary part of a complex one."""

    def __init__(self, index: int, output: Tensor, kind: str):
        self.index = index
        self.kind = kind
        self.shape = output.shape

    def of(self, outputs) -> Tensor:
        """The numbers of this part, without history."""
        output = outputs[self.index]
        if output is None:
            return torch.zeros(self.shape, dtype=torch.float64)
        output = output.detach()
        output = output.to_dense() if output.layout is not torch.strided else output
        return output if self.kind == "" else getattr(output, self.kind)

    def direction(self, weights: Tensor) -> Tensor:
        """The gradient to enter at the output so that the part is weighted by `weights`."""
        if self.kind == "imag":
            return torch.complex(torch.zeros_like(weights), weights)
        if self.kind == "real":
            return torch.complex(weights, torch.zeros_like(weights))
        return weights


def parts_of(outputs) -> list[Part]:
    """The parts of all outputs, imaginary ones first."""
    found = [Part(i, o, "imag") for i, o in enumerate(outputs) if o.is_complex()]
    return found + [Part(i, o, "real" if o.is_complex() else "") for i, o in enumerate(outputs)]


def elements_of(tensor: Tensor) -> Tensor:
    """What can be moved: the tensor's own numbers, or the values that a sparse one holds."""
    # Through .data, so that graphs that saved the tensor take no notice.
    if tensor.layout is torch.strided:
        return tensor.data
    held = tensor.detach()
    return (held._values() if tensor.is_sparse else held.values()).data


def dense_at(gradient: Tensor, tensor: Tensor, masked: bool = True) -> Tensor:
    """A gradient, flat, at the places that `tensor` holds; unless masked at all places."""
    dense = gradient if gradient.layout is torch.strided else gradient.to_dense()
    if tensor.layout is torch.strided or not masked:
        return dense.reshape(-1)
    held = tensor.detach()
    held = held if tensor.is_sparse else held.to_sparse()
    return dense[tuple(held._indices())].reshape(-1)


def filled(tensor: Tensor) -> Tensor:
    """The same sparse matrix or tensor with every place held, zeros too, in reading order."""
    dense = tensor.detach().to_dense()
    if tensor.is_sparse:
        places = torch.ones(dense.shape, dtype=torch.bool).nonzero().t()
        return torch.sparse_coo_tensor(places, dense.reshape(-1), dense.shape)
    rows, columns = dense.shape
    starts = torch.arange(0, rows * columns + 1, columns)
    return torch.sparse_csr_tensor(
        starts, torch.arange(columns).repeat(rows), dense.reshape(-1), dense.shape
    )


def steps_of(tensor: Tensor) -> tuple:
    """Directions in which one element can move, with the factor of the result."""
    return (1, 1j) if tensor.is_complex() else (1,)


def _values(run, parts) -> list[Tensor]:
    """The parts of the outputs now; what is checked may itself ask for gradients."""
    found = []
    for part in parts:
        with enable_grad():
            outputs = run()
        found.append(part.of(outputs).detach().clone())
    return found


def _difference(run, parts, data: Tensor, index, step, eps: float) -> list[Tensor]:
    original = data[index].item()
    data[index] = original + step * eps
    above = _values(run, parts)
    data[index] = original - step * eps
    below = _values(run, parts)
    data[index] = original
    return [(a - b).reshape(-1) / (2 * eps) for a, b in zip(above, below, strict=True)]


def numerical_jacobians(run, parts, tensor: Tensor, eps: float) -> list[Tensor | None]:
    """One Jacobian a part by central differences: (elements of the tensor, of the part)."""
    rows = [[] for _ in parts]
    data = elements_of(tensor)
    with no_grad():
        for index in product(*map(range, data.shape)):
            columns = [0] * len(parts)
            for step in steps_of(tensor):
                found = _difference(run, parts, data, index, step, eps)
                columns = [c + step * f for c, f in zip(columns, found, strict=True)]
            for row, column in zip(rows, columns, strict=True):
                row.append(column)
    return [torch.stack(row) if row else None for row in rows]


def numerical_slopes(run, parts, tensor: Tensor, direction: Tensor, eps: float) -> list[Tensor]:
    """Central differences of all parts along one direction of a tensor."""
    data = elements_of(tensor)
    original = data.clone()
    with no_grad():
        data.copy_(original + eps * direction)
        above = _values(run, parts)
        data.copy_(original - eps * direction)
        below = _values(run, parts)
        data.copy_(original)
    return [(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)]


def gradients(outputs, part: Part, weights: Tensor, inputs) -> list[Tensor]:
    """Gradients of the weighted sum of a part; zeros where there is none."""
    output = outputs[part.index]
    vector = part.direction(weights).to(output.dtype)
    if output.layout is not torch.strided:
        vector = vector.sparse_mask(output.detach()) if output.is_sparse else vector
    found = grad(output, inputs, vector, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True)]


def unit_weights(part: Part):
    """The unit vectors of a part's shape."""
    count = 1
    for size in part.shape:
        count *= size
    for i in range(count):
        weights = torch.zeros(count, dtype=torch.float64)
        weights[i] = 1
        yield weights.view(part.shape)


def analytical_jacobians(outputs, part: Part, inputs, masked: bool = True) -> list[Tensor | None]:
    """One Jacobian an input by running backward: (elements of the input, of the part)."""
    columns = [[] for _ in inputs]
    for weights in unit_weights(part):
        found = gradients(outputs, part, weights, inputs)
        for column, gradient, tensor in zip(columns, found, inputs, strict=True):
            column.append(dense_at(gradient, tensor, masked))
    return [torch.stack(column, 1) if column else None for column in columns]


def tangents(func, args, tensor: Tensor, direction: Tensor) -> list[Tensor | None]:
    """Forward derivatives of all outputs along one direction of a tensor."""
    from . import forward_ad

    with forward_ad.dual_level():
        moved = [forward_ad.make_dual(a, direction) if a is tensor else a for a in args]
        return [forward_ad.unpack_dual(o).tangent for o in tensors(func(*moved)) if is_inexact(o)]


def forward_jacobians(func, args, tensor: Tensor, parts) -> list[Tensor | None]:
    """One Jacobian a part by forward mode: (elements of the tensor, of the part)."""
    rows = [[] for _ in parts]
    for index in product(*map(range, tensor.shape)):
        columns = [0] * len(parts)
        for step in steps_of(tensor):
            direction = torch.zeros_like(tensor.detach())
            direction[index] = step
            found = tangents(func, args, tensor, direction)
            for p, part in enumerate(parts):
                columns[p] = columns[p] + step * part.of(found).reshape(-1)
        for row, column in zip(rows, columns, strict=True):
            row.append(column)
    return [torch.stack(row) if row else None for row in rows]
