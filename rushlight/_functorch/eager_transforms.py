"""Derivatives of functions, where older code finds them."""

from __future__ import annotations

from ..func import functionalize, hessian, jacfwd, jacrev, jvp, linearize, vjp
from ..func._reverse import grad as grad_impl
from ..func._reverse import grad_and_value as grad_and_value_impl

__all__ = [
    "functionalize", "grad_and_value_impl", "grad_impl", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "vjp",
]  # fmt: skip
