"""Checking gradients against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import rushlight as torch

from .. import Tensor
from . import grad
from ._gradient_checks import Check, GradcheckError
from ._jacobians import (
    is_inexact,
    tensors,
)
from .grad_mode import enable_grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


def _differentiable(values) -> list[Tensor]:
    """The outputs, of one tensor or many, that gradients can be asked of."""
    return [v for v in tensors(values) if v.requires_grad]


def _checked_inputs(inputs) -> list[Tensor]:
    """The inputs to differentiate by; ValueError when there is none."""
    found = []
    for position, value in enumerate(inputs):
        if not isinstance(value, Tensor) or not value.requires_grad:
            continue
        if value.dtype not in (torch.float64, torch.complex128):
            warnings.warn(
                f"Input #{position} requires gradient and is not a double precision floating "
                "point or complex. This check will likely fail if all the inputs are not of "
                "double precision floating point or complex. ",
                stacklevel=4,
            )
        strided = value.layout is torch.strided
        if strided and any(
            s == 0 and n > 1 for s, n in zip(value.stride(), value.shape, strict=True)
        ):
            raise RuntimeError(
                f"The {position}th input has a dimension with stride 0. gradcheck only supports "
                "inputs that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )
        value.retain_grad()
        found.append(value)
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    return found


def _check_arguments(check_batched_grad, check_batched_forward_grad, forward, backward) -> None:
    if not backward and not forward:
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not backward:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not forward:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
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

    Inputs should be float64 or complex128. Of sparse ones all elements are moved, those that they
    do not hold too; with `masked` only what they hold.
    `fast_mode` compares along one random direction. With `raise_exception=False` a disagreement
    gives False.
    """
    _check_arguments(
        check_batched_grad, check_batched_forward_grad, check_forward_ad, check_backward_ad
    )
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    differentiated = _checked_inputs(args)
    check = Check(func, args, differentiated, eps, atol, rtol, nondet_tol, bool(masked))
    try:
        if not check.outputs:
            check.constant()
            return True
        if check_forward_ad:
            check.forward_fast() if fast_mode else check.forward_slow()
            if check_batched_forward_grad:
                check.batched_forward()
        if not check_backward_ad:
            return True
        check.backward_fast() if fast_mode else check.backward_slow()
        if check_batched_grad:
            check.batched_backward()
        if check_grad_dtypes:
            check.dtypes()
        if check_undefined_grad:
            check.undefined()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


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
    if not check_fwd_over_rev and not check_rev_over_rev:
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if grad_outputs is None:
        with enable_grad():
            outputs = _differentiable(func(*args))
        vectors = [_random_like(o, gen_non_contig_grad_outputs) for o in outputs]
    else:
        vectors = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def second(*values):
        # Numerical differences run without recording, yet the inner gradients need it.
        with enable_grad():
            return inner(values)

    def inner(values):
        own = values[: len(args)]
        wanted = [v for v, wants in zip(own, asked, strict=True) if wants]
        outputs = _differentiable(func(*own))
        found = grad(outputs, wanted, values[len(args) :], create_graph=True, allow_unused=True)
        return tuple([g for g in found if g is not None])

    asked = [isinstance(a, Tensor) and a.requires_grad for a in args]
    return gradcheck(
        second,
        (*args, *vectors),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _random_like(output: Tensor, gaps: bool) -> Tensor:
    from ..testing import make_tensor

    return make_tensor(
        output.shape,
        dtype=output.dtype if is_inexact(output) else torch.float64,
        device=output.device,
        low=-1,
        high=1,
        requires_grad=True,
        noncontiguous=gaps,
    )
