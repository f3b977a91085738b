"""What gradcheck compares: gradients with finite differences, batches with single ones."""

from __future__ import annotations

import warnings

import rushlight as torch

from .. import Tensor
from . import grad
from ._jacobians import (
    Part,
    analytical_jacobians,
    dense_at,
    elements_of,
    filled,
    forward_jacobians,
    gradients,
    is_inexact,
    numerical_jacobians,
    numerical_slopes,
    parts_of,
    tangents,
    tensors,
)
from .function import Function
from .grad_mode import enable_grad


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences."""

    __module__ = "rushlight.autograd.gradcheck"


def _can_be_filled(tensor: Tensor) -> bool:
    """Whether a sparse tensor can hold all its places in the order of its dense form."""
    if tensor.is_sparse:
        return tensor.dense_dim() == 0
    return tensor.layout is torch.sparse_csr and tensor.ndim == 2


class Check:
    """One call of gradcheck: the function, its inputs, and how near is near enough."""

    def __init__(self, func, args, inputs, eps, atol, rtol, nondet_tol, masked):
        self.func = func
        self.masked = masked
        self.args = args
        self.inputs = inputs
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        with enable_grad():
            everything = tensors(func(*args))
        self.everything = everything
        self.outputs = [o for o in everything if o.requires_grad]
        self.places = [i for i, o in enumerate(everything) if o.requires_grad]

    def run(self) -> list[Tensor]:
        """The outputs that have gradients, computed anew."""
        found = tensors(self.func(*self.args))
        return [found[i] for i in self.places]

    def moved(self, run, tensor: Tensor):
        """(run, tensor) for numerical differences: what a sparse input does not hold moves too,
        unless the check is masked."""
        if self.masked or not _can_be_filled(tensor):
            return run, tensor
        whole, given = filled(tensor), self.args
        replaced = tuple([whole if a is tensor else a for a in given])

        def other():
            self.args = replaced
            try:
                return run()
            finally:
                self.args = given

        return other, whole

    def run_inexact(self) -> list[Tensor]:
        """The outputs that can have tangents, computed anew."""
        return [o for o in tensors(self.func(*self.args)) if is_inexact(o)]

    def close(self, a, b) -> bool:
        """Whether two results agree."""
        return torch.allclose(a, b.to(a.dtype), rtol=self.rtol, atol=self.atol)

    def compare(self, analytical, numerical, part: Part, k: int, forward=False, slow=None) -> None:
        """GradcheckError where two Jacobians, or two slopes, differ."""
        if numerical is None or analytical is None or self.close(analytical, numerical):
            return
        note = {
            "": "",
            "real": "While considering the real part of complex outputs only, ",
            "imag": "While considering the imaginary part of complex outputs only, ",
        }[part.kind]
        mode = " computed with forward mode" if forward else ""
        raise GradcheckError(
            f"{note}Jacobian{mode} mismatch for output {part.index} with respect to input {k},\n"
            f"numerical:{numerical.to(analytical.dtype)}\nanalytical:{analytical}\n"
            + (slow() if slow else "")
        )

    def repeatable(self, once, again) -> None:
        """GradcheckError where two backward runs differ."""
        if once is not None and not torch.allclose(once, again, rtol=0, atol=self.nondet_tol):
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output "
                "multiple times gives different values, although analytical gradient matches "
                f"numerical gradient.The tolerance for nondeterminism was {self.nondet_tol}.\n\n"
                "A function that is meant to be so can be checked with `nondet_tol=<tol>`."
            )

    # -- every element ----------------------------------------------------------------------

    def backward_slow(self) -> None:
        """Every element of every Jacobian."""
        parts = parts_of(self.outputs)
        numerical = []
        for tensor in self.inputs:
            run, moving = self.moved(self.run, tensor)
            numerical.append(numerical_jacobians(run, parts, moving, self.eps))
        for p, part in enumerate(parts):
            once = self.analytical(part, self.inputs)
            for k, found in enumerate(once):
                self.compare(found, numerical[k][p], part, k)
            again = self.analytical(part, self.inputs)
            for a, b in zip(once, again, strict=True):
                self.repeatable(a, b)

    def analytical(self, part: Part, inputs):
        """Jacobians by backward; of a sparse input at all places, unless the check is masked."""
        found = []
        for tensor in inputs:
            masked = self.masked or not _can_be_filled(tensor)
            found += analytical_jacobians(self.outputs, part, [tensor], masked)
        return found

    def forward_slow(self) -> None:
        """Every element of every Jacobian, by forward mode."""
        parts = parts_of([o for o in self.everything if is_inexact(o)])
        for k, tensor in enumerate(self.inputs):
            numerical = numerical_jacobians(self.run_inexact, parts, tensor, self.eps)
            found = forward_jacobians(self.func, self.args, tensor, parts)
            for part, a, b in zip(parts, found, numerical, strict=True):
                self.compare(a, b, part, k, forward=True)

    # -- one random direction ---------------------------------------------------------------

    def _slow_note(self, part: Part, k: int, forward: bool):
        """The whole Jacobians, for the message about a slope that differs."""

        def text() -> str:
            tensor = self.inputs[k]
            run, moving = self.run_inexact, tensor
            if not forward:
                run, moving = self.moved(self.run, tensor)
            (numerical,) = numerical_jacobians(run, [part], moving, self.eps)
            if forward:
                (analytical,) = forward_jacobians(self.func, self.args, tensor, [part])
            else:
                (analytical,) = self.analytical(part, [tensor])
            numerical = numerical.to(analytical.dtype)
            largest = (numerical - analytical).abs().max()
            same = (
                "\nThe slow Jacobians agree: the function's values may be too large, or change "
                "too fast, for one direction to tell; try fast_mode=False or smaller inputs.\n"
                if self.close(analytical, numerical)
                else ""
            )
            return (
                "\nThe above quantities relating the numerical and analytical jacobians are "
                "computed \nin fast mode. Below, we recompute numerical and analytical jacobians "
                f"in slow mode:\n\nNumerical:\n {numerical}\nAnalytical:\n{analytical}\n\n"
                f"The max per-element difference (slow mode) is: {largest.item()}.\n{same}"
            )

        return text

    def backward_fast(self) -> None:
        """One random direction an input and one random weighting a part, whatever the sizes."""
        parts = parts_of(self.outputs)
        source = torch.Generator()  # the caller's stream of random numbers is left alone
        weights = [torch.rand(p.shape, dtype=torch.float64, generator=source) for p in parts]
        for k, tensor in enumerate(self.inputs):
            run, moving = self.moved(self.run, tensor)
            masked = moving is tensor
            direction = _unit_direction(moving, source)
            slopes = numerical_slopes(run, parts, moving, direction, self.eps)
            for part, weight, slope in zip(parts, weights, slopes, strict=True):
                (once,) = gradients(self.outputs, part, weight, [tensor])
                once = dense_at(once, tensor, masked)
                found = (once.conj() * direction.reshape(-1)).sum()
                found = found.real if tensor.is_complex() else found
                note = self._slow_note(part, k, forward=False)
                self.compare(found, (weight * slope).sum(), part, k, slow=note)
                (again,) = gradients(self.outputs, part, weight, [tensor])
                self.repeatable(once, dense_at(again, tensor, masked))

    def forward_fast(self) -> None:
        """Forward mode along one random direction of every input."""
        parts = parts_of([o for o in self.everything if is_inexact(o)])
        source = torch.Generator()
        for k, tensor in enumerate(self.inputs):
            direction = _unit_direction(tensor, source)
            found = tangents(self.func, self.args, tensor, direction)
            slopes = numerical_slopes(self.run_inexact, parts, tensor, direction, self.eps)
            for part, slope in zip(parts, slopes, strict=True):
                note = self._slow_note(part, k, forward=True)
                self.compare(part.of(found), slope, part, k, forward=True, slow=note)

    # -- other demands ----------------------------------------------------------------------

    def constant(self) -> None:
        """Outputs without history must not depend on the inputs."""
        parts = parts_of([o for o in self.everything if is_inexact(o)])
        for tensor in self.inputs if parts else ():
            for found in numerical_jacobians(self.run_inexact, parts, tensor, self.eps):
                if found is not None and (found != 0).any().item():
                    raise GradcheckError("Numerical gradient for function expected to be zero")

    def dtypes(self) -> None:
        """Gradients have the dtypes of their inputs."""
        for output in self.outputs:
            vector = torch.zeros_like(output)
            found = grad(output, self.inputs, vector, retain_graph=True, allow_unused=True)
            for gradient, tensor in zip(found, self.inputs, strict=True):
                if gradient is not None and gradient.dtype != tensor.dtype:
                    raise GradcheckError(
                        f"Gradient has dtype {gradient.dtype}, expected that of its input, "
                        f"{tensor.dtype}"
                    )

    def undefined(self) -> None:
        """Every gradient function must cope with outputs that have no gradient."""
        everything = range(len(self.outputs))
        for missing in [set(everything), *[{i} for i in everything if len(everything) > 1]]:
            with enable_grad():
                stopped = _Undefined.apply(missing, *self.run())
            try:
                ones = [torch.zeros_like(o) for o in stopped]
                found = grad(stopped, self.inputs, ones, allow_unused=True)
            except Exception as error:
                warnings.warn(
                    "Backwards compatibility: New undefined gradient support checking feature is "
                    "enabled by default, but it may break existing callers of this function. If "
                    'this is true for you, you can call this function with "check_undefined_grad='
                    'False" to disable the feature',
                    stacklevel=4,
                )
                raise GradcheckError(
                    "Expected backward function to handle undefined output grads. Please look at "
                    '"Notes about undefined output gradients" in "tools/autograd/derivatives.yaml":'
                    f" got {type(error).__name__}: {error}"
                ) from error
            for gradient in found:
                if gradient is not None and (elements_of(gradient) != 0).any().item():
                    raise GradcheckError(
                        "Expected all input grads to be undefined or zero when all output grads "
                        "are undefined or zero. Please look at "
                        '"Notes about undefined output gradients" in '
                        '"tools/autograd/derivatives.yaml"'
                    )

    def batched_backward(self) -> None:
        """Two gradients at once give what they give one after the other."""
        for i, output in enumerate(self.outputs):
            vectors = torch.stack([torch.randn_like(output) for _ in range(2)])
            options = {"retain_graph": True, "allow_unused": True}
            one_by_one = [grad(output, self.inputs, v, **options) for v in vectors]
            try:
                at_once = grad(output, self.inputs, vectors, is_grads_batched=True, **options)
            except RuntimeError as error:
                raise GradcheckError(
                    f"While computing batched gradients, got: {error}\n\n"
                    "gradcheck or gradgradcheck failed while testing batched gradient computation."
                ) from error
            for k, found in enumerate(at_once):
                if found is None:
                    continue
                expected = torch.stack([row[k] for row in one_by_one])
                self._compare_batched(found, expected, i, k)

    def batched_forward(self) -> None:
        """Two tangents at once give what they give one after the other."""
        from ..func import vmap

        for k, tensor in enumerate(self.inputs):
            directions = torch.stack([torch.randn_like(tensor) for _ in range(2)])

            def moved(direction, tensor=tensor):
                found = tangents(self.func, self.args, tensor, direction)
                return tuple([t for t in found if t is not None])

            one_by_one = [moved(direction) for direction in directions]
            try:
                at_once = vmap(moved)(directions)
            except RuntimeError as error:
                raise GradcheckError(
                    f"While computing batched gradients, got: {error}\n\n"
                    "gradcheck failed while testing batched forward-mode gradient computation."
                ) from error
            for i, found in enumerate(at_once):
                expected = torch.stack([row[i] for row in one_by_one])
                self._compare_batched(found, expected, i, k)

    def _compare_batched(self, found, expected, output: int, k: int) -> None:
        if not self.close(found, expected):
            raise GradcheckError(
                f"For output {output} and input {k}:\n\ngradcheck or gradgradcheck failed while "
                f"testing batched gradient computation.\ngot:\n{found}\n\nexpected:\n{expected}"
            )


def _unit_direction(tensor: Tensor, source: torch.Generator) -> Tensor:
    elements = elements_of(tensor)
    direction = torch.randn(elements.shape, dtype=elements.dtype, generator=source)
    norm = (direction * direction.conj()).real.sum().sqrt()
    return direction / norm if norm.item() else direction


class _Undefined(Function):
    """Passes values on and stops some gradients: backward finds none instead of zeros."""

    @staticmethod
    def forward(ctx, missing, *values):
        ctx.missing = missing
        ctx.set_materialize_grads(False)
        return tuple([v.clone() for v in values])

    @staticmethod
    def backward(ctx, *grads):
        return (None, *[None if i in ctx.missing else g for i, g in enumerate(grads)])
