"""The constructors of sparse tensors: torch.sparse_coo_tensor and its relatives."""

from __future__ import annotations

from .. import _C
from .._device import check_device
from ..tensor import make_tensor
from . import checks
from .pattern import CompressedPattern, CooPattern
from .tensor import COMPRESSED, COO, LAYOUT_NAMES, SparseTensor, build, compressed, coo

Tensor = _C.Tensor
NAMES = {
    "sparse_csr": ("crow_indices", "col_indices"),
    "sparse_bsr": ("crow_indices", "col_indices"),
    "sparse_csc": ("ccol_indices", "row_indices"),
    "sparse_bsc": ("ccol_indices", "row_indices"),
}


def _values(data, dtype):
    if not isinstance(data, Tensor):
        return make_tensor(data, dtype=dtype)
    return data if dtype is None else data.to(dtype)


def _as_leaf(made, requires_grad):
    return made.detach().requires_grad_(True) if requires_grad else made


def _is_size(value) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(s, int) for s in value)


def sparse_coo_tensor(
    indices=None,
    values=None,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A COO tensor from indices (sparse_dim, nnz) and values (nnz, *dense sizes).

    Without `size` it is as large as the indices need. sparse_coo_tensor(size) is empty. Values at
    the same place count as their sum.
    """
    check_device(device)
    if values is None:
        size = indices if size is None else size
        if not _is_size(size):
            raise TypeError(
                "sparse_coo_tensor(): argument 'size' (position 1) must be tuple of ints, but "
                f"found element of type {type(next(iter(size), None)).__name__} at pos 0"
                if isinstance(size, (tuple, list))
                else "sparse_coo_tensor() received an invalid combination of arguments - got "
                f"({type(size).__name__})"
            )
        return empty_sparse(tuple(size), dtype, COO, requires_grad)
    values = _values(values, dtype)
    if not isinstance(indices, Tensor):
        indices = _C.from_data(indices, _C.int64)
    indices = indices.detach().to(_C.int64)
    for part in (indices, values):
        if part.layout.name != "strided":
            raise RuntimeError(
                "expected indices and values to be strided tensors, but got "
                f"{LAYOUT_NAMES[indices.layout.name]} indices and "
                f"{LAYOUT_NAMES[values.layout.name]} values"
            )
    if values.ndim == 0:
        values = values.reshape(1)
    size = _inferred(indices, values) if size is None else tuple(int(s) for s in size)
    checks.coo_shapes(indices, values, size)
    ordered = bool(is_coalesced) or indices.shape[1] < 2
    if checks.wanted(check_invariants):
        checks.coo_indices(CooPattern(COO, indices, size, indices.shape[0]), is_coalesced)
    return _as_leaf(coo(indices, values, size, ordered), requires_grad)


def _inferred(indices, values):
    """The smallest size that holds all indices."""
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    sparse_dim, nnz = indices.shape
    if not nnz:
        return (0,) * sparse_dim + tuple(values.shape[1:])
    low, high = indices.amin(1).tolist(), indices.amax(1).tolist()
    for d in range(sparse_dim):
        if low[d] < 0:
            raise RuntimeError(f"found negative index {low[d]} for dim {d}")
    return tuple(h + 1 for h in high) + tuple(values.shape[1:])


def empty_sparse(size, dtype, layout, requires_grad=False, block=(1, 1), dense_dim=0) -> Tensor:
    """A sparse tensor of any layout that stores nothing."""
    from .. import empty, get_default_dtype, zeros

    dtype = dtype or get_default_dtype()
    if layout is COO:
        sparse_dim = len(size) - dense_dim
        indices = empty((sparse_dim, 0), dtype=_C.int64)
        values = empty((0, *size[sparse_dim:]), dtype=dtype)
        pattern = CooPattern(COO, indices, size, sparse_dim)
    else:
        if len(size) < 2:
            raise RuntimeError(
                "torch.empty: Only batched sparse compressed (non-block) tensors are supported, "
                f"but got size {list(size)}"
            )
        n = len(size) - 2 - dense_dim
        batch, dense = tuple(size[:n]), tuple(size[n + 2 :])
        rows = layout.name in ("sparse_csr", "sparse_bsr")
        block = block if layout.name in ("sparse_bsr", "sparse_bsc") else None
        count = size[n if rows else n + 1] // (block[0 if rows else 1] if block else 1)
        starts = zeros((*batch, count + 1), dtype=_C.int64)
        plain = empty((*batch, 0), dtype=_C.int64)
        values = empty((*batch, 0, *(block or ()), *dense), dtype=dtype)
        pattern = CompressedPattern(layout, starts, plain, size, block, dense_dim)
    return build(pattern, values, True).requires_grad_(requires_grad)


def empty_sparse_like(input, dtype, layout, requires_grad) -> Tensor:
    """zeros_like and empty_like: of the layout asked for, or that of `input`."""
    layout = input.layout if layout is None else layout
    dtype = dtype or input.dtype
    if layout.name == "strided":
        from .. import zeros

        return zeros(tuple(input.shape), dtype=dtype, requires_grad=requires_grad)
    block, dense_dim = (1, 1), 0
    if isinstance(input, SparseTensor):
        pattern = input._pattern
        block, dense_dim = getattr(pattern, "block", None) or block, len(pattern.dense_shape)
    return empty_sparse(tuple(input.shape), dtype, layout, requires_grad, block, dense_dim)


def sparse_compressed_tensor(
    compressed_indices,
    plain_indices,
    values,
    size=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A tensor of one of the compressed layouts from its three parts.

    compressed_indices (*batch, n + 1), plain_indices (*batch, nnz), values (*batch, nnz, *dense),
    with two more dims of block sizes after nnz for the block layouts.
    """
    if layout not in COMPRESSED:
        got = "none" if layout is None else LAYOUT_NAMES[layout.name]
        raise RuntimeError(
            f"sparse_compressed_tensor expected sparse compressed tensor layout but got {got}"
        )
    check_device(device)
    values = _values(values, dtype)
    parts = [
        t.detach() if isinstance(t, Tensor) else _C.from_data(t, _C.int64)
        for t in (compressed_indices, plain_indices)
    ]
    if any(isinstance(t, SparseTensor) for t in (*parts, values)):
        raise RuntimeError("expected compressed_indices, plain_indices and values to be strided")
    names = NAMES[layout.name]
    blocked = layout.name in ("sparse_bsr", "sparse_bsc")
    if size is None:
        size = _inferred_compressed(names, *parts, values, blocked)
    size = tuple(int(s) for s in size)
    checks.compressed_shapes(names, *parts, values, size, blocked)
    made = compressed(layout, *parts, values, size)
    if checks.wanted(check_invariants):
        checks.compressed_indices(names, made._pattern)
    return _as_leaf(made, requires_grad)


def _inferred_compressed(names, starts, plain, values, blocked):
    if starts.ndim < 1 or plain.ndim != starts.ndim:
        raise RuntimeError(
            f"{names[0]} and {names[1]} dimensionalities must be equal and at least 1 but got "
            f"{starts.ndim} and {plain.ndim}, respectively"
        )
    n = starts.ndim - 1
    block = tuple(values.shape[n + 1 : n + 3]) if blocked else (1, 1)
    if len(block) != 2:
        raise RuntimeError(
            "values must have dimensionality > sum of batch and block dimensionalities "
            f"(={n} + 2) but got {values.ndim}"
        )
    outer = starts.shape[-1] - 1
    inner = int(plain.max().item()) + 1 if plain.numel() else 0
    grid = (outer, inner) if names[0] == "crow_indices" else (inner, outer)
    dense = tuple(values.shape[n + 1 + (2 if blocked else 0) :])
    return (*starts.shape[:-1], grid[0] * block[0], grid[1] * block[1], *dense)


def _named(layout, first, second):
    def make(
        compressed,
        plain,
        values,
        size=None,
        *,
        dtype=None,
        device=None,
        pin_memory=False,
        requires_grad=False,
        check_invariants=None,
    ):
        return sparse_compressed_tensor(
            compressed,
            plain,
            values,
            size,
            dtype=dtype,
            layout=layout,
            device=device,
            requires_grad=requires_grad,
            check_invariants=check_invariants,
        )

    def constructor(*args, **kwargs):
        for position, name in enumerate((first, second)):
            if name in kwargs:
                args = (*args[:position], kwargs.pop(name), *args[position:])
        return make(*args, **kwargs)

    constructor.__name__ = constructor.__qualname__ = layout.name + "_tensor"
    constructor.__doc__ = f"A tensor of layout {layout} from {first}, {second} and values."
    return constructor


sparse_csr_tensor, sparse_csc_tensor, sparse_bsr_tensor, sparse_bsc_tensor = (
    _named(layout, *NAMES[layout.name]) for layout in COMPRESSED
)
