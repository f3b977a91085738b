"""Products of matrices and vectors."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import conj, inplace_form, op, public


def _added(input, product, beta, alpha):
    """beta * input + alpha * product in the product's dtype; a zero beta ignores the input."""
    dtype = product.dtype
    alpha, beta = np.array(alpha).astype(dtype), np.array(beta).astype(dtype)
    return beta * input + alpha * product if beta else np.asarray(alpha * product)


def _scaled(x, factor):
    return x if factor == 1 else x * conj(factor)


@op("torch.mm Tensor.mm")
class mm:
    """Multiply two matrices, (n, k) by (k, m)."""

    def forward(input, mat2):
        return input @ mat2

    def grad_input(g, mat2):
        return mm(g, conj(mat2).t())

    def grad_mat2(g, input):
        return mm(conj(input).t(), g)

    def samples(make):
        yield make(3, 4), make(4, 5)
        yield make(1, 7), make(7, 1)
        yield make(65, 33), make(33, 70)
        yield make(2, 0), make(0, 3)


@op("torch.bmm Tensor.bmm")
class bmm:
    """Multiply two batches of matrices, (b, n, k) by (b, k, m)."""

    def forward(input, mat2):
        return input @ mat2

    def grad_input(g, mat2):
        return bmm(g, conj(mat2).transpose(1, 2))

    def grad_mat2(g, input):
        return bmm(conj(input).transpose(1, 2), g)

    def samples(make):
        yield make(2, 3, 4), make(2, 4, 5)
        yield make(5, 1, 7), make(5, 7, 1)
        yield make(0, 3, 4), make(0, 4, 2)


@op("torch.mv Tensor.mv")
class mv:
    """Multiply a matrix (n, k) by a vector (k)."""

    def forward(input, vec):
        return input @ vec

    def grad_input(g, vec):
        return g.unsqueeze(1) * conj(vec)

    def grad_vec(g, input):
        return mv(conj(input).t(), g)

    def samples(make):
        yield make(3, 4), make(4)
        yield make(40, 300), make(300)
        yield make(2, 0), make(0)


@op("torch.dot Tensor.dot")
class dot:
    """Sum the products of two vectors."""

    def forward(input, tensor):
        return np.dot(input, tensor)

    def grad_input(g, tensor):
        return g * conj(tensor)

    def grad_tensor(g, input):
        return g * conj(input)

    def samples(make):
        yield make(7), make(7)
        yield make(0), make(0)


@op("torch.vdot Tensor.vdot")
class vdot:
    """Sum the products of two vectors, the first conjugated."""

    def forward(input, other):
        return np.vdot(input, other)

    def grad_input(g, other):
        return conj(g) * other

    def grad_other(g, input):
        return g * input

    def samples(make):
        yield make(7), make(7)


@op("torch.addmm Tensor.addmm Tensor.addmm_")
class addmm:
    """Add `alpha` times a matrix product to `beta` times `input`, which is broadcast."""

    def forward(input, mat1, mat2, *, beta=1, alpha=1):
        return _added(input, mat1 @ mat2, beta, alpha)

    def grad_input(g, beta):
        return _scaled(g, beta)

    def grad_mat1(g, mat2, alpha):
        return _scaled(mm(g, conj(mat2).t()), alpha)

    def grad_mat2(g, mat1, alpha):
        return _scaled(mm(conj(mat1).t(), g), alpha)

    def samples(make):
        yield make(3, 5), make(3, 4), make(4, 5)
        yield make(5), make(3, 4), make(4, 5), {"beta": 2, "alpha": 3}
        yield make(3, 1), make(3, 4), make(4, 5), {"beta": 0.5, "alpha": -1}


@op("torch.addmv torch.addmv_ Tensor.addmv Tensor.addmv_")
class addmv:
    """Add `alpha` times a matrix-vector product to `beta` times `input`."""

    def forward(input, mat, vec, *, beta=1, alpha=1):
        return _added(input, mat @ vec, beta, alpha)

    def grad_input(g, beta):
        return _scaled(g, beta)

    def grad_mat(g, vec, alpha):
        return _scaled(g.unsqueeze(1) * conj(vec), alpha)

    def grad_vec(g, mat, alpha):
        return _scaled(mv(conj(mat).t(), g), alpha)

    def samples(make):
        yield make(3), make(3, 4), make(4)
        yield make(1), make(3, 4), make(4), {"beta": 2, "alpha": 0.5}


@op("torch.baddbmm Tensor.baddbmm Tensor.baddbmm_")
class baddbmm:
    """Add `alpha` times a batch of products to `beta` times `input`."""

    def forward(input, batch1, batch2, *, beta=1, alpha=1):
        return _added(input, batch1 @ batch2, beta, alpha)

    def grad_input(g, beta):
        return _scaled(g, beta)

    def grad_batch1(g, batch2, alpha):
        return _scaled(bmm(g, conj(batch2).transpose(1, 2)), alpha)

    def grad_batch2(g, batch1, alpha):
        return _scaled(bmm(conj(batch1).transpose(1, 2), g), alpha)

    def samples(make):
        yield make(2, 3, 5), make(2, 3, 4), make(2, 4, 5)
        yield make(1, 5), make(2, 3, 4), make(2, 4, 5), {"beta": 2, "alpha": 0.5}


@op("torch.addbmm Tensor.addbmm Tensor.addbmm_")
class addbmm:
    """Add `alpha` times the sum of a batch of products to `beta` times `input`."""

    def forward(input, batch1, batch2, *, beta=1, alpha=1):
        return _added(input, (batch1 @ batch2).sum(0, dtype=batch1.dtype), beta, alpha)

    def grad_input(g, beta):
        return _scaled(g, beta)

    def grad_batch1(g, batch2, alpha):
        wide = g.unsqueeze(0).expand(batch2.size(0), -1, -1)
        return _scaled(bmm(wide, conj(batch2).transpose(1, 2)), alpha)

    def grad_batch2(g, batch1, alpha):
        wide = g.unsqueeze(0).expand(batch1.size(0), -1, -1)
        return _scaled(bmm(conj(batch1).transpose(1, 2), wide), alpha)

    def samples(make):
        yield make(3, 5), make(2, 3, 4), make(2, 4, 5)
        yield make(5), make(2, 3, 4), make(2, 4, 5), {"beta": 2, "alpha": 0.5}


@op("", name="addr", exact_out=False)
class _addr:
    """Add `alpha` times the outer product of two vectors to `beta` times `input`."""

    def forward(input, vec1, vec2, *, beta=1, alpha=1):
        return _added(input, np.multiply.outer(vec1, vec2), beta, alpha)

    def grad_input(g, beta):
        return _scaled(g, beta)

    def grad_vec1(g, vec2, alpha):
        return _scaled(mv(g, conj(vec2)), alpha)

    def grad_vec2(g, vec1, alpha):
        return _scaled(mv(g.t(), conj(vec1)), alpha)

    def samples(make):
        yield make(3, 4), make(3), make(4)
        yield make(4), make(3), make(4), {"beta": 2, "alpha": 0.5}


_addr_ = inplace_form(_addr)


def _common(input, vec1, vec2, beta, alpha):
    """The operands in their common dtype, which the factors must suit."""
    if input.dtype is vec1.dtype is vec2.dtype and type(beta) is int is type(alpha):
        return input, vec1, vec2
    dtype = _C.result_type(input, vec1, vec2)
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if isinstance(factor, bool) and dtype is not _C.bool:
            raise RuntimeError(f"Boolean {name} only supported for Boolean results.")
        if isinstance(factor, float) and not (dtype.is_floating_point or dtype.is_complex):
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number."
            )
    return input.to(dtype), vec1.to(dtype), vec2.to(dtype)


@public("torch.addr Tensor.addr")
def addr(input, vec1, vec2, *, beta=1, alpha=1, out=None):
    """Add `alpha` times the outer product of two vectors to `beta` times `input`."""
    operands = _common(input, vec1, vec2, beta, alpha)
    return _addr(*operands, beta=beta, alpha=alpha, out=out)


@public("Tensor.addr_")
def addr_(input, vec1, vec2, *, beta=1, alpha=1):
    """`addr`, in place."""
    _, vec1, vec2 = _common(input, vec1, vec2, beta, alpha)
    return _addr_(input, vec1, vec2, beta=beta, alpha=alpha)


def _row_times(g, other, input_shape, other_ndim):
    """Gradient of the first factor of a matmul, before batch dims are summed away."""
    if other_ndim == 1:
        return g.unsqueeze(-1) * conj(other)
    if len(input_shape) == 1:
        return (conj(other) @ g.unsqueeze(-1)).squeeze(-1)
    return matmul(g, conj(other).mT)


def _rows(x):
    return x.flatten(0, -2) if x.ndim > 1 else x.unsqueeze(0)


def _column_times(g, input, other_shape):
    if len(other_shape) == 1:
        return (conj(input).mT @ g.unsqueeze(-1)).squeeze(-1)
    if input.ndim == 1:
        return conj(input).unsqueeze(-1) * g.unsqueeze(-2)
    if len(other_shape) == 2 and input.ndim > 2:
        # The batch joins the rows, so that one product sums over it.
        return mm(_rows(conj(input)).t(), _rows(g))
    return matmul(conj(input).mT, g)


def _declare_matmul(own, node_name, shapes):
    @op("", kernel="matmul", name=own, node=node_name)
    class matmul:
        """`matmul` for the ranks that mm, mv and dot do not cover: batches are broadcast."""

        def forward(input, other):
            return np.matmul(input, other)

        def grad_input(g, other, input_shape):
            return _row_times(g, other, input_shape, other.ndim)

        def grad_other(g, input, other_shape):
            return _column_times(g, input, other_shape)

        def samples(make):
            for a, b in shapes:
                yield make(*a), make(*b)

    return matmul


# One operator, three names of its node, as PyTorch composes it by the ranks.
_batched = _declare_matmul(
    "matmul_batched", "UnsafeView",
    [((2, 3, 4), (4, 5)), ((2, 3, 4), (4,)), ((4,), (2, 4, 5)), ((3, 1, 3, 4), (2, 4, 5))],
)  # fmt: skip
_folded = _declare_matmul("matmul_folded", "Clone", [((3, 4), (2, 4, 5))])
_row = _declare_matmul("matmul_row", "SqueezeBackward4", [((4,), (4, 5))])


@public("torch.matmul Tensor.matmul Tensor.__matmul__ linalg.matmul")
def matmul(input, other, *, out=None):
    """Multiply by the ranks' rules: vectors, matrices, batches of matrices with broadcasting."""
    try:
        ranks = input.ndim, other.ndim
    except AttributeError:
        ranks = 2, 2  # mm says what is wrong
    function = _BY_RANKS.get(ranks, _batched)
    return function(input, other) if out is None else function(input, other, out=out)


_BY_RANKS = {(2, 2): mm, (2, 1): mv, (1, 1): dot, (1, 2): _row, (2, 3): _folded}


@public("Tensor.__rmatmul__")
def _rmatmul(self, other):
    return matmul(other, self)


@public("Tensor.__imatmul__")
def _imatmul(self, other):
    return self.copy_(matmul(self, other))
