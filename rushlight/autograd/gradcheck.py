"""Checking gradients against finite differences.

Complex tensors count as pairs of real numbers: the gradient of a real function of z = x + iy is
d/dx + i d/dy, and a complex output is checked as two functions, its real and its imaginary part.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import product

import rushlight as torch

from .. import Tensor
from . import grad
from .function import Function
from .grad_mode import enable_grad, no_grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences."""


def _tensors(values) -> list[Tensor]:
    return [v for v in values if isinstance(v, Tensor)]


def _differentiable(values) -> list[Tensor]:
    """The outputs, of one tensor or many, that gradients can be asked of."""
    values = values if isinstance(values, (tuple, list)) else (values,)
    return [v for v in _tensors(values) if v.requires_grad]


def _checked_inputs(inputs) -> list[Tensor]:
    """The inputs to differentiate by; ValueError when there is none."""
    found = []
    for position, value in enumerate(inputs):
        if not isinstance(value, Tensor) or not value.requires_grad:
            continue
        if value.dtype not in (torch.float64, torch.complex128):
            warnings.warn(
                f"Input #{position} requires gradient and is not a double precision floating "
                "point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision "
                "floating point or complex. ",
                stacklevel=4,
            )
        if any(s == 0 and n > 1 for s, n in zip(value.stride(), value.shape, strict=True)):
            raise RuntimeError(
                f"The {position}th input has a dimension with stride 0. gradcheck only supports "
                "inputs "
                "that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You "
                "should call .contiguous on the input before passing it to gradcheck."
            )
        value.retain_grad()
        found.append(value)
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have "
            "requires_grad=True."
        )
    return found


class _Part:
    """One real-valued output: a real output, or the real or imaginary part of a complex one."""

    def __init__(self, index: int, output: Tensor, kind: str):
        self.index = index
        self.kind = kind
        self.shape = output.shape

    def of(self, outputs):
        """The numbers of this part, without history."""
        output = outputs[self.index].detach()
        return output if self.kind == "" else getattr(output, self.kind)

    def direction(self, weights: Tensor) -> Tensor:
        """The gradient to enter at the output so that the part is weighted by `weights`."""
        if self.kind == "imag":
            return torch.complex(torch.zeros_like(weights), weights)
        if self.kind == "real":
            return torch.complex(weights, torch.zeros_like(weights))
        return weights


def _parts(outputs) -> list[_Part]:
    found = []
    for index, output in enumerate(outputs):
        kinds = ("real", "imag") if output.is_complex() else ("",)
        found += [_Part(index, output, kind) for kind in kinds]
    return found


def _steps(tensor: Tensor):
    """Directions in which one element of a tensor can move, with the factor of the result."""
    return (1, 1j) if tensor.is_complex() else (1,)


def _difference(run, parts, tensor: Tensor, index, step, eps: float) -> list[Tensor]:
    """Central differences of all parts for one element of `tensor`."""
    data = tensor.data
    original = data[index].item()
    data[index] = original + step * eps
    above = [part.of(run()).clone() for part in parts]
    data[index] = original - step * eps
    below = [part.of(run()).clone() for part in parts]
    data[index] = original
    return [(a - b).reshape(-1) / (2 * eps) for a, b in zip(above, below, strict=True)]


def _numerical(run, parts, tensor: Tensor, eps: float) -> list[Tensor]:
    """One Jacobian a part: (elements of the tensor, elements of the part)."""
    rows = [[] for _ in parts]
    with no_grad():
        for index in product(*map(range, tensor.shape)):
            columns = [0] * len(parts)
            for step in _steps(tensor):
                found = _difference(run, parts, tensor, index, step, eps)
                columns = [c + step * f for c, f in zip(columns, found, strict=True)]
            for row, column in zip(rows, columns, strict=True):
                row.append(column)
    return [torch.stack(row) if row else None for row in rows]


def _vjp(outputs, part: _Part, weights: Tensor, inputs, create_graph=False):
    output = outputs[part.index]
    vector = part.direction(weights).to(output.dtype)
    found = grad(
        output, inputs, vector, retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True)]


def _analytical(outputs, part: _Part, inputs) -> list[Tensor]:
    """One Jacobian an input: (elements of the input, elements of the part)."""
    columns = [[] for _ in inputs]
    count = 1
    for size in part.shape:
        count *= size
    for i in range(count):
        weights = torch.zeros(count, dtype=torch.float64)
        weights[i] = 1
        found = _vjp(outputs, part, weights.view(part.shape), inputs)
        for column, gradient in zip(columns, found, strict=True):
            column.append(gradient.reshape(-1))
    return [torch.stack(column, 1) if column else None for column in columns]


def _compare(analytical, numerical, atol, rtol, output: int, input: int, kind: str) -> None:
    if numerical is None or analytical is None:
        return
    numerical = numerical.to(analytical.dtype)
    if not torch.allclose(analytical, numerical, rtol=rtol, atol=atol):
        complex_note = {
            "": "",
            "real": "While considering the real part of complex outputs only, ",
            "imag": "While considering the imaginary part of complex outputs only, ",
        }[kind]
        raise GradcheckError(
            f"{complex_note}Jacobian mismatch for output {output} with respect to input {input},\n"
            f"numerical:{numerical}\nanalytical:{analytical}\n"
        )


def _check_slow(run, outputs, inputs, eps, atol, rtol, nondet_tol) -> None:
    parts = _parts(outputs)
    numerical = [_numerical(run, parts, tensor, eps) for tensor in inputs]
    for p, part in enumerate(parts):
        analytical = _analytical(outputs, part, inputs)
        repeated = _analytical(outputs, part, inputs)
        for k, (once, again) in enumerate(zip(analytical, repeated, strict=True)):
            _compare(once, numerical[k][p], atol, rtol, part.index, k, part.kind)
            if once is not None and not torch.allclose(once, again, rtol=0, atol=nondet_tol):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    "gradient "
                    "matches numerical gradient. The tolerance for nondeterminism was "
                    f"{nondet_tol}."
                )


def _unit_direction(tensor: Tensor) -> Tensor:
    direction = torch.randn_like(tensor.detach())
    norm = (direction * direction.conj()).real.sum().sqrt()
    return direction / norm if norm.item() else direction


def _check_fast(run, outputs, inputs, eps, atol, rtol, nondet_tol) -> None:
    """One random direction an input and one random weighting a part, whatever the sizes."""
    parts = _parts(outputs)
    weights = [torch.rand(part.shape, dtype=torch.float64) for part in parts]
    for k, tensor in enumerate(inputs):
        direction = _unit_direction(tensor)
        original = tensor.detach().clone()
        with no_grad():
            tensor.data.copy_(original + eps * direction)
            above = [part.of(run()).clone() for part in parts]
            tensor.data.copy_(original - eps * direction)
            below = [part.of(run()).clone() for part in parts]
            tensor.data.copy_(original)
        for part, weight, a, b in zip(parts, weights, above, below, strict=True):
            numerical = (weight * (a - b)).sum() / (2 * eps)
            (gradient,) = _vjp(outputs, part, weight, [tensor])
            analytical = (gradient.conj() * direction).sum()
            analytical = analytical.real if tensor.is_complex() else analytical
            _compare(analytical, numerical, atol, rtol, part.index, k, part.kind)


def _check_forward(func, args, inputs, eps, atol, rtol) -> None:
    """Forward mode along a random direction of every input."""
    from ._forward_check import forward_derivatives

    for k, tensor in enumerate(inputs):
        pairs = forward_derivatives(func, args, tensor, _unit_direction(tensor), eps)
        for i, (tangent, numerical) in enumerate(pairs):
            _compare(tangent, numerical, atol, rtol, i, k, "")


def _check_dtypes(outputs, inputs) -> None:
    for output in outputs:
        vector = torch.zeros_like(output)
        found = grad(output, inputs, vector, retain_graph=True, allow_unused=True)
        for gradient, tensor in zip(found, inputs, strict=True):
            if gradient is not None and gradient.dtype != tensor.dtype:
                raise GradcheckError(
                    f"Gradient has dtype {gradient.dtype}, expected that of its input, "
                    f"{tensor.dtype}"
                )


class _Undefined(Function):
    """Passes values on and stops gradients: backward finds none instead of zeros."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.set_materialize_grads(False)
        return tuple([t.clone() for t in tensors])

    @staticmethod
    def backward(ctx, *grads):
        return (None,) * len(grads)


def _check_undefined(func, args, inputs) -> None:
    """Every gradient function must cope with outputs that have no gradient."""
    with enable_grad():
        outputs = _differentiable(func(*args))
        if not outputs:
            return
        stopped = _Undefined.apply(*outputs)
    try:
        found = grad(stopped, inputs, [torch.ones_like(o) for o in stopped], allow_unused=True)
    except Exception as error:
        raise GradcheckError(
            "Expected backward function to handle undefined output grads (None instead of a "
            "gradient): "
            f"got {error}"
        ) from error
    for gradient in found:
        if gradient is not None and not (gradient == 0).all().item():
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are "
                "undefined "
                "or zero."
            )


def gradcheck(
    func: Callable,
    inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of `func` at `inputs` agree with finite differences; True or
    GradcheckError.

    Inputs should be float64 or complex128. `fast_mode` compares along one random direction. With
    `raise_exception=False` a disagreement gives False.
    """
    if not check_backward_ad and not check_forward_ad:
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    differentiated = _checked_inputs(args)

    def run():
        value = func(*args)
        return _tensors(value if isinstance(value, (tuple, list)) else (value,))

    try:
        if check_forward_ad:
            _check_forward(func, args, differentiated, eps, atol, rtol)
        if not check_backward_ad:
            return True
        with enable_grad():
            everything = run()
        outputs = [o for o in everything if o.requires_grad]
        if not outputs:
            _check_constant(run, everything, differentiated, eps)
            return True
        positions = [i for i, o in enumerate(everything) if o.requires_grad]
        check = _check_fast if fast_mode else _check_slow
        check(
            lambda: [found for i, found in enumerate(run()) if i in positions],
            outputs,
            differentiated,
            eps,
            atol,
            rtol,
            nondet_tol,
        )
        if check_grad_dtypes:
            _check_dtypes(outputs, differentiated)
        if check_undefined_grad:
            _check_undefined(func, args, differentiated)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_constant(run, outputs, inputs, eps) -> None:
    """Outputs without history must not depend on the inputs."""
    parts = _parts([o for o in outputs if o.is_floating_point() or o.is_complex()])
    if not parts:
        return
    for tensor in inputs:
        for found in _numerical(run, parts, tensor, eps):
            if found is not None and (found != 0).any().item():
                raise GradcheckError(
                    "Numerical gradient for function expected to be zero: the output has no "
                    "history, "
                    "yet it changes with its input"
                )


def gradgradcheck(
    func: Callable,
    inputs,
    grad_outputs=None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Like `gradcheck`, for the gradients of the gradients of `func`.

    `grad_outputs` default to random numbers, with gaps in memory when
    `gen_non_contig_grad_outputs`.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        with enable_grad():
            outputs = _differentiable(func(*args))
        vectors = [_random_like(o, gen_non_contig_grad_outputs) for o in outputs]
    else:
        vectors = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def gradients(*values):
        # Numerical differences run without recording, yet the inner gradients need it.
        with enable_grad():
            return inner_gradients(values)

    def inner_gradients(values):
        inner = values[: len(args)]
        wanted = [v for v in inner if isinstance(v, Tensor) and v.requires_grad]
        outputs = _differentiable(func(*inner))
        found = grad(outputs, wanted, values[len(args) :], create_graph=True, allow_unused=True)
        return tuple([g for g in found if g is not None])

    return gradcheck(
        gradients,
        (*args, *vectors),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )


def _random_like(output: Tensor, gaps: bool) -> Tensor:
    dtype = torch.complex128 if output.is_complex() else torch.float64
    if output.dtype not in (torch.float64, torch.complex128):
        dtype = output.dtype
    shape = (*output.shape, 2) if gaps else tuple(output.shape)
    values = torch.randn(shape, dtype=dtype, device=output.device)
    return (values[..., 0] if gaps else values).requires_grad_()
