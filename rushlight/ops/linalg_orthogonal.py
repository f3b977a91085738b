"""Products of Householder reflections: what geqrf leaves, as a matrix or applied to one.

Q = H_1 ... H_k with H_i = 1 - tau_i v_i v_i^H, where v_i is column i of the packed factors below
the diagonal, with a one on it and zeros above.
"""

from __future__ import annotations

from ..op import op, public
from ._linalg import check_kernel, columns, deliver, lapack


@op("", name="geqrf", outputs=("a", "tau"))
class geqrf_op:
    """(a, tau) of a QR factorisation: R above the diagonal of a, reflections below it."""

    lapack = True

    def forward(input):
        return lapack.geqrf(input)

    def meta(input):
        reflections = (*input.shape[:-2], min(input.shape[-2:]))
        return columns(input, input.shape), input.new_empty(reflections)

    def grad_input(g):
        raise NotImplementedError("the derivative for 'geqrf' is not implemented.")

    def samples(make):
        yield (make(4, 3, grad=False),)


@public("torch.geqrf Tensor.geqrf")
def geqrf(input, *, out=None):
    """(a, tau) of a QR factorisation: R above the diagonal of a, reflections below it."""
    _check_input("torch.geqrf", input)
    check_kernel("geqrf_cpu", input)
    return deliver(geqrf_op(input), out, castable=True)


def _check_input(name, input):
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")


def _reflections(factors, tau):
    """The vectors v_i, each a matrix (..., m, 1), and the numbers tau_i (..., 1, 1)."""
    from .. import eye

    k = tau.shape[-1]
    v = factors[..., :k].tril(-1) + eye(
        factors.shape[-2], k, dtype=factors.dtype, device=factors.device
    )
    return [v[..., i : i + 1] for i in range(k)], [tau[..., i, None, None] for i in range(k)]


def _gradients(g, factors, tau, start, adjoint):
    """Gradients of Q start (Q^H start) with respect to the factors and tau.

    The product is made again one reflection at a time: Y becomes H Y, dY = -dtau v v^H Y
    - tau (dv v^H + v dv^H) Y, and then walked back.
    """
    from .. import cat, stack

    vectors, scales = _reflections(factors, tau)
    order = range(len(vectors)) if adjoint else range(len(vectors) - 1, -1, -1)
    befores, y = {}, start
    for i in order:
        scale = scales[i].conj() if adjoint else scales[i]
        befores[i] = y
        y = y - scale * (vectors[i] @ (vectors[i].mH @ y))
    gv, gt = [None] * len(vectors), [None] * len(vectors)
    for i in reversed(order):
        v, scale = vectors[i], scales[i].conj() if adjoint else scales[i]
        along, pull = v.mH @ befores[i], v.mH @ g
        slope = -(pull * along.conj()).sum((-2, -1))
        gt[i] = slope.conj() if adjoint else slope
        gv[i] = -(scale.conj() * (g @ along.mH) + scale * (befores[i] @ pull.mH))
        g = g - scale.conj() * (v @ pull)
    if not gv:
        return factors.new_zeros(factors.shape), tau.new_zeros(tau.shape)
    packed = cat(gv, -1).tril(-1)
    missing = factors.shape[-1] - packed.shape[-1]
    if missing:
        packed = cat([packed, packed.new_zeros(*packed.shape[:-1], missing)], -1)
    return packed, stack(gt, -1)


@op("", name="linalg_householder_product", node="LinalgHouseholderProduct",
    differentiable=("input", "tau"))  # fmt: skip
class householder:
    """The first columns of the product of reflections."""

    lapack = True

    def forward(input, tau):
        return lapack.orgqr(input, tau)

    def meta(input, tau):
        return columns(input, input.shape)

    def backward(g, input, tau, needs):
        from .. import eye

        start = eye(*input.shape[-2:], dtype=input.dtype, device=input.device)
        return _gradients(g, input, tau, start.expand(input.shape), False)

    def samples(make):
        yield make(4, 3), make(3)
        yield make(2, 4, 3), make(2, 2)


@public("linalg.householder_product torch.orgqr Tensor.orgqr")
def householder_product(input, tau, *, out=None):
    """The first columns (..., m, n) of the product of the reflections that geqrf gives."""
    name = "torch.linalg.householder_product"
    _check_input(name, input)
    check_kernel("orgqr_cpu", input)
    _check_tau(name, input, tau)
    m, n = input.shape[-2:]
    if m < n:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if n < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    return deliver(householder(input, tau), out, castable=True)


def _check_tau(name, input, tau):
    if tau.ndim != input.ndim - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {input.ndim}"
        )
    if tau.shape[:-1] != input.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{tuple(tau.shape[:-1])}"
        )
    if tau.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {tau.dtype} does not match input dtype {input.dtype}"
        )


@op("", name="ormqr", differentiable=("input", "tau", "other"))
class ormqr_op:
    """Q other, or other Q, or with Q^H, where Q is the whole square product of reflections."""

    lapack = True

    def forward(input, tau, other, left=True, transpose=False):
        return lapack.ormqr(input, tau, other, left, transpose)

    def meta(input, tau, other, left=True, transpose=False):
        return columns(other, other.shape)

    def backward(g, input, tau, other, left, transpose, needs):
        # C Q is (Q^H C^H)^H: from the right, everything is seen from the other side.
        turned, start = (g, other) if left else (g.mH, other.mH)
        factors = scales = None
        if needs[0] or needs[1]:
            factors, scales = _gradients(turned, input, tau, start, transpose == left)
        through = ormqr_op(input, tau, g, left, not transpose) if needs[2] else None
        return factors, scales, through

    def samples(make):
        yield make(4, 3), make(3), make(4, 2)
        yield make(4, 3), make(2), make(4, 2), True, True
        yield make(4, 3), make(3), make(2, 4), False, False
        yield make(4, 3), make(3), make(2, 4), False, True


@public("torch.ormqr Tensor.ormqr")
def ormqr(input, input2, input3, left=True, transpose=False, *, out=None):
    """Q input3 (or input3 Q), where geqrf gave Q as (input, input2); Q^H with `transpose`."""
    name = "torch.ormqr"
    for letter, t in (("input", input), ("other", input3)):
        if t.ndim < 2:
            raise RuntimeError(f"{name}: {letter} must have at least 2 dimensions.")
    side = -2 if left else -1
    if input2.shape[-1:] != (min(input3.shape[side], input.shape[-1]),):
        raise RuntimeError(
            f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if input3.shape[side] != input.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    _check_tau(name, input, input2)
    if input3.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but input has dtype "
            f"{input.dtype} and other has dtype {input3.dtype}"
        )
    if input3.shape[:-2] != input.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of other to be equal to input.shape[:-2], but got "
            f"{tuple(input3.shape[:-2])}"
        )
    check_kernel("ormqr_cpu", input)
    return deliver(ormqr_op(input, input2, input3, left, transpose), out)
