"""Products made of other products: outer, inner, tensordot, kron, chains of matrices."""

from __future__ import annotations

from ..op import conj, public
from ._outputs import deliver
from .matmul import dot, mm


@public("torch.outer Tensor.outer torch.ger Tensor.ger")
def outer(input, vec2, *, out=None):
    """Multiply each element of a vector (n) with each of another (m): (n, m)."""
    for name, v in (("self", input), ("vec2", vec2)):
        if v.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {v.ndim}-D")
    return deliver(input.unsqueeze(1) * vec2, out, castable=True)


@public("torch.inner Tensor.inner")
def inner(input, other, *, out=None):
    """Sum products over the last dims of both."""
    if input.ndim == 0 or other.ndim == 0:
        return deliver(input * other, out)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    if input.dtype is not other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if input.ndim == other.ndim == 1:
        return deliver(dot(input, other), out)
    return tensordot(input, other, dims=([-1], [-1]), out=out)


def _contracted(dims, a, b):
    """The two lists of dims that a tensordot sums over."""
    if isinstance(dims, (list, tuple)):
        first, second = dims
        if isinstance(first, int):
            first, second = [first], [second]
        first, second = list(first), list(second)
    else:
        if hasattr(dims, "tolist"):
            dims = dims.tolist()
            if isinstance(dims, list):
                return _contracted(dims, a, b)
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(a.ndim - dims, a.ndim)), list(range(dims)), dims
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    return first, second, None


@public("torch.tensordot")
def tensordot(a, b, dims=2, out=None):
    """Sum the products of `a` and `b` over pairs of dims.

    dims: how many of a's last and b's first dims to pair, or two lists of dims.
    """
    first, second, count = _contracted(dims, a, b)
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    for i, j in zip(first, second, strict=True):
        m, n = a.shape[i], b.shape[j]
        if m != n and 1 not in (m, n):
            shown = i - a.ndim if count is not None else i
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {m} in dim {shown} "
                f"and second has size {n} in dim {j}"
            )
        if m != n:  # a dim of size 1 stands for any size
            a, b = (a, b.sum(j, keepdim=True)) if m == 1 else (a.sum(i, keepdim=True), b)
    first = [i % a.ndim for i in first]
    second = [j % b.ndim for j in second]
    rest_a = [i for i in range(a.ndim) if i not in first]
    rest_b = [j for j in range(b.ndim) if j not in second]
    rows = [a.shape[i] for i in rest_a]
    cols = [b.shape[j] for j in rest_b]
    depth = 1
    for i in first:
        depth *= a.shape[i]
    left = a.permute(rest_a + first).reshape(_product(rows), depth)
    right = b.permute(second + rest_b).reshape(depth, _product(cols))
    return deliver(mm(left, right).reshape(rows + cols), out)


def _product(sizes):
    total = 1
    for s in sizes:
        total *= s
    return total


@public("torch.kron Tensor.kron")
def kron(input, other, *, out=None):
    """Replace each element of `input` by its product with all of `other`."""
    ndim = max(input.ndim, other.ndim)
    a_shape = [1] * (ndim - input.ndim) + list(input.shape)
    b_shape = [1] * (ndim - other.ndim) + list(other.shape)
    a = input.reshape([s for n in a_shape for s in (n, 1)])
    b = other.reshape([s for n in b_shape for s in (1, n)])
    sizes = [m * n for m, n in zip(a_shape, b_shape, strict=True)]
    return deliver((a * b).reshape(sizes), out, castable=True)


def _best_order(sizes):
    """Where to split each run of a chain of matrices for the fewest multiplications."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def _multiply_chain(tensors):
    split = _best_order([tensors[0].shape[0]] + [t.shape[1] for t in tensors])

    def run(i, j):
        if i == j:
            return tensors[i]
        k = split[i][j]
        return mm(run(i, k), run(k + 1, j))

    return run(0, len(tensors) - 1)


@public("linalg.multi_dot")
def multi_dot(tensors, *, out=None):
    """Multiply a chain of matrices in the cheapest order; the ends may be vectors."""
    tensors = list(tensors)
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for i, t in enumerate(tensors):
        if i in (0, n - 1):
            if t.ndim not in (1, 2):
                place = "first" if i == 0 else "last"
                raise RuntimeError(
                    f"multi_dot(): the {place} tensor must be 1D or 2D but got {t.ndim}D"
                )
        elif t.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {t.ndim}D")
    for i, t in enumerate(tensors):
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{_scalar_name(tensors[0])} and tensor {i} {_scalar_name(t)}"
            )
    row, column = tensors[0].ndim == 1, tensors[-1].ndim == 1
    shapes = [list(t.shape) for t in tensors]
    if row:
        tensors[0] = tensors[0].unsqueeze(0)
    if column:
        tensors[-1] = tensors[-1].unsqueeze(1)
    for i in range(n - 1):
        if tensors[i].shape[1] != tensors[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {shapes[i]} and "
                f"{shapes[i + 1]} cannot be multiplied"
            )
    result = _multiply_chain(tensors)
    if row:
        result = result.squeeze(0)
    if column:
        result = result.squeeze(-1)
    return deliver(result, out)


def _scalar_name(t):
    return str(t.dtype).split(".")[-1]


@public("torch.chain_matmul")
def chain_matmul(*matrices, out=None):
    """Multiply a chain of matrices in the cheapest order."""
    import warnings

    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. "
        "Use torch.linalg.multi_dot instead, which accepts a list of two or more tensors "
        "rather than multiple parameters.",
        UserWarning,
        stacklevel=2,
    )
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = matrices[0]
    if not matrices:
        raise RuntimeError("chain_matmul: Expected one or more matrices")
    for i, t in enumerate(matrices):
        if t.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {t.ndim}, expected 2 instead: got operand {i}")
    if len(matrices) == 1:
        return deliver(matrices[0], out)
    return multi_dot(matrices, out=out)


@public("linalg.vecdot")
def vecdot(x, y, *, dim=-1, out=None):
    """Sum conj(x) * y along `dim`, with broadcasting."""
    return deliver((conj(x) * y).sum(dim), out)


@public("torch._int_mm")
def int_mm(self, mat2, *, out=None):
    """The product of two matrices of bytes, summed as int32."""
    from .. import int8, int32, uint8

    for name, x in (("self", self), ("mat2", mat2)):
        if x.ndim != 2:
            raise RuntimeError(
                f"int_mm_out_cpu: Expected {name} to be of dimension 2 but got {x.ndim}"
            )
        if x.dtype not in (int8, uint8):
            raise RuntimeError(
                f"int_mm_out_cpu: Expected {name} dtype to be int8 or uint8 but got {x.dtype._name}"
            )
    if self.shape[1] != mat2.shape[0]:
        raise RuntimeError(
            "int_mm_out_cpu: self.size(1) needs to match mat2.size(0) but got "
            f"{self.shape[1]} and {mat2.shape[0]}"
        )
    return deliver(mm(self.to(int32), mat2.to(int32)), out)
