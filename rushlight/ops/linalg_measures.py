"""Determinants, traces and products of vectors."""

from __future__ import annotations

from .._lazy import np
from .._warn import warn_once
from ..op import conj, op, public, return_type
from ._lanes import some
from ._linalg import check_float, check_square, deliver, square
from .linalg import svd
from .linalg_solve import inv, inv_ex


@op("", name="linalg_det", node="LinalgDet")
class det:
    """Determinants of square matrices."""

    lapack = True

    def forward(A):
        return np.asarray(np.linalg.det(A), A.dtype)

    def grad_A(g, A, out):
        inverse, info = inv_ex(A)
        if not some(info):
            return (g * conj(out)).unsqueeze(-1).unsqueeze(-1) * inverse.mH
        # det * inverse is the adjugate, finite for singular matrices too: through the SVD,
        # where the product of the other singular values replaces det / s.
        u, s, vh = svd(A, False)
        n = s.shape[-1]
        rest = [(s[..., :i].prod(-1) * s[..., i + 1 :].prod(-1)) for i in range(n)]
        from .. import linalg, stack

        phase = linalg.slogdet(u @ vh)[0]
        adjugate = (u * stack(rest, -1).to(A.dtype).unsqueeze(-2)) @ vh
        return (g * conj(phase)).unsqueeze(-1).unsqueeze(-1) * adjugate

    def samples(make):
        yield (square(make),)
        a = make(3, 3, grad=False)
        a[2] = a[0]  # singular
        yield (a.requires_grad_() if make.grad else a,)


@public("linalg.det torch.det Tensor.det")
def linalg_det(A, *, out=None):  # noqa: N803
    """Determinants of square matrices."""
    check_square("linalg.det", A)
    check_float("linalg.det", A, "lu_cpu")
    return deliver(det(A), out)


@op("", name="linalg_slogdet", node="LinalgSlogdet", outputs=("sign", "logabsdet"))
class slogdet:
    """(sign, log of the absolute value) of determinants."""

    lapack = True

    def forward(A):
        return tuple(np.linalg.slogdet(A))

    def grad_A(g, A, sign):
        gs, gl = g
        total = 0 if gl is None else gl.unsqueeze(-1).unsqueeze(-1) * inv(A).mH
        if gs is not None and A.is_complex():
            turn = (sign.conj() * gs).imag * 1j
            total = total + turn.unsqueeze(-1).unsqueeze(-1) * inv(A).mH
        return total if gl is not None or A.is_complex() else A.new_zeros(A.shape)

    def samples(make):
        yield (square(make),)


@public("linalg.slogdet")
def linalg_slogdet(A, *, out=None):  # noqa: N803
    """(sign, logabsdet) of square matrices."""
    check_square("linalg.slogdet", A)
    check_float("linalg.slogdet", A)
    return deliver(slogdet(A), out)


_Slogdet = return_type("slogdet", ("sign", "logabsdet"))


@public("torch.slogdet Tensor.slogdet")
def slogdet_old(input, *, out=None):
    """(sign, logabsdet) of square matrices."""
    return deliver(_Slogdet(tuple(linalg_slogdet(input))), out)


@public("torch.logdet Tensor.logdet")
def logdet(input):
    """The logarithm of determinants: NaN for a negative one, -inf for zero."""
    sign, value = linalg_slogdet(input)
    if input.is_complex():
        return sign.log() + value
    return value.where(sign != -1, value.new_full((), float("nan")))


@op("torch.trace Tensor.trace")
class trace:
    """The sum of a matrix's diagonal; integers sum to int64."""

    def forward(input):
        wide = np.int64 if input.dtype.kind in "iu" else None
        return np.asarray(np.diagonal(input).sum(dtype=wide))

    def grad_input(g, input_shape):
        from .. import zeros

        made = zeros(input_shape, dtype=g.dtype, device=g.device)
        return made.diagonal_scatter(g.expand(min(input_shape)))

    def samples(make):
        yield (make(3, 4),)
        yield (make(0, 3),)


@op("linalg.cross")
class linalg_cross:
    """Cross products of vectors of three elements along `dim`."""

    def forward(input, other, *, dim=-1):
        first, second = (np.moveaxis(x, dim, 0) for x in np.broadcast_arrays(input, other))
        parts = [first[i] * second[j] - first[j] * second[i] for i, j in ((1, 2), (2, 0), (0, 1))]
        return np.stack(parts, dim)

    def grad_input(g, other, dim):
        return linalg_cross(conj(other).expand(g.shape), g, dim=dim)

    def grad_other(g, input, dim):
        return linalg_cross(g, conj(input).expand(g.shape), dim=dim)

    def samples(make):
        yield make(4, 3), make(4, 3)
        yield make(3, 2, 4), make(3, 1, 4), {"dim": 0}


@public("torch.cross Tensor.cross")
def cross(input, other, dim=None, *, out=None):
    """Cross products along `dim` (the first dim of size 3 by default)."""
    if dim is None:
        warn_once(
            "Using torch.cross without specifying the dim arg is deprecated. Please pass the dim "
            "explicitly or use torch.linalg.cross, whose default is the last one."
        )
        dim = next((i for i, s in enumerate(input.shape) if s == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim, out=out)


@public("linalg.diagonal")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):  # noqa: N803
    """The diagonals of the last two dims, as views."""
    return A.diagonal(offset, dim1, dim2)
