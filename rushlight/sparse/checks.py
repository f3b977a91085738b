"""What must hold of the parts of a sparse tensor, and when the costly parts of it are checked."""

from __future__ import annotations

from functools import wraps

from .. import _C
from .pattern import expand_compressed

_state = {"enabled": False}


class check_sparse_tensor_invariants:  # noqa: N801 (the name in torch.sparse)
    """Whether constructors look at every index: as calls, a context manager or a decorator."""

    @staticmethod
    def is_enabled() -> bool:
        """Whether constructors check all invariants."""
        return _state["enabled"]

    @staticmethod
    def enable() -> None:
        """Check all invariants from now on."""
        _state["enabled"] = True

    @staticmethod
    def disable() -> None:
        """Check only what is free from now on."""
        _state["enabled"] = False

    def __init__(self, enable: bool = True):
        self.state = enable
        self.saved_state: bool | None = None

    def __enter__(self):
        if self.saved_state is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context "
                "manager instance for context nesting."
            )
        self.saved_state, _state["enabled"] = _state["enabled"], self.state

    def __exit__(self, *exc):
        _state["enabled"], self.saved_state = self.saved_state, None

    def __call__(self, function):
        @wraps(function)
        def checked(*args, **kwargs):
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked


def wanted(check_invariants: bool | None) -> bool:
    """Whether this call is to look at every index."""
    return _state["enabled"] if check_invariants is None else check_invariants


def coo_shapes(indices, values, size) -> None:
    """RuntimeError when the shapes of the parts of a COO tensor do not fit."""
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    sparse_dim, nnz = indices.shape
    dense_dim = values.ndim - 1
    if len(size) != sparse_dim + dense_dim:
        raise RuntimeError(
            "'len(size) == sparse_dim + dense_dim' is not satisfied: "
            f"len(size) = {len(size)}, sparse_dim = {sparse_dim}, dense_dim = {dense_dim}"
        )
    if any(s < 0 for s in size):
        raise RuntimeError(f"sparse_coo_tensor: got a negative size: {list(size)}")
    if nnz != values.shape[0]:
        raise RuntimeError(
            "indices and values must have same nnz, but got nnz from indices: "
            f"{nnz}, nnz from values: {values.shape[0]}"
        )
    expected = [nnz, *size[sparse_dim:]]
    if list(values.shape) != expected:
        raise RuntimeError(
            f"values has incorrect size, expected {expected}, got {list(values.shape)}"
        )


def coo_indices(pattern, is_coalesced) -> None:
    """RuntimeError for indices outside the shape, or not sorted where that is claimed."""
    try:
        pattern.check_range()
    except IndexError as error:
        raise RuntimeError(str(error)) from None
    if is_coalesced and not pattern.sorted_unique():
        raise RuntimeError(
            "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
        )


def compressed_shapes(names, compressed, plain, values, size, blocked) -> None:
    """RuntimeError when the shapes or dtypes of the parts of a compressed tensor do not fit."""
    outer, inner = names
    for name, t in ((outer, compressed), (inner, plain)):
        if t.ndim < 1:
            raise RuntimeError(f"{name} must have dimensionality >= 1 but got {t.ndim}")
    if compressed.ndim != plain.ndim:
        raise RuntimeError(
            f"{outer} and {inner} dimensionalities must be equal but got "
            f"{compressed.ndim} and {plain.ndim}, respectively"
        )
    if compressed.dtype is not plain.dtype:
        kinds = [t.type().rpartition(".")[2].removesuffix("Tensor") for t in (compressed, plain)]
        raise RuntimeError(
            f"{outer} and {inner} must have the same dtype, bot got {kinds[0]} and {kinds[1]}, "
            "respectively"
        )
    if compressed.dtype not in (_C.int32, _C.int64):
        raise RuntimeError(
            f"{outer} and {inner} must be an int32 or int64 type, but got {compressed.dtype}"
        )
    batch = compressed.ndim - 1
    dense = values.ndim - batch - 1 - (2 if blocked else 0)
    if dense < 0:
        raise RuntimeError(
            "values must have dimensionality > sum of batch and block dimensionalities "
            f"(={batch} + {2 if blocked else 0}) but got {values.ndim}"
        )
    if len(size) != batch + 2 + dense:
        raise RuntimeError(
            "tensor dimensionality must be sum of batch, base, and dense dimensionalities "
            f"(={batch} + 2 + {dense}) but got {len(size)}"
        )
    _compressed_sizes(names, compressed, plain, values, size, batch, blocked)


def _compressed_sizes(names, compressed, plain, values, size, batch, blocked):
    outer, inner = names
    block = tuple(values.shape[batch + 1 : batch + 3]) if blocked else (1, 1)
    for d in range(2):
        if block[d] < 1 or size[batch + d] % block[d]:
            raise RuntimeError(
                f"tensor shape[{batch + d}] (={size[batch + d]}) must be divisible with "
                f"blocksize[{d}] (={block[d]}) as defined by values shape"
            )
    by_row = outer == "crow_indices"
    count = size[batch] // block[0] if by_row else size[batch + 1] // block[1]
    what = "rows" if by_row else "columns"
    if blocked:
        what = f"{what[:-1]} blocks"
    if compressed.shape[-1] != count + 1:
        raise RuntimeError(
            f"{outer}.shape[-1] must be equal to the number of {what} + 1 (={count + 1}), but got "
            f"{compressed.shape[-1]}"
        )
    nnz = values.shape[batch]
    if plain.shape[-1] != nnz:
        raise RuntimeError(
            f"{inner}.shape[-1] must be equal to nnz (={nnz}) as defined by values.shape[{batch}], "
            f"but got {plain.shape[-1]}"
        )
    shapes = [tuple(t.shape[:batch]) for t in (compressed, plain, values)]
    if any(s != tuple(size[:batch]) for s in shapes):
        raise RuntimeError(
            f"all batch dimensions of {outer} (={list(shapes[0])}), {inner} (={list(shapes[1])}), "
            f"values (={list(shapes[2])}) and tensor size (={list(size[:batch])}) must be equal to "
            f"tensor batch dimensions (={list(size[:batch])})"
        )


def compressed_indices(names, pattern) -> None:
    """RuntimeError when the index tensors of a compressed pattern break a rule of the layout."""
    outer, inner = names
    starts, plain = pattern.compressed.to(_C.int64), pattern.plain.to(_C.int64)
    grid = pattern.block_grid()
    count, size = grid if pattern.by_row else grid[::-1]
    sizes = "nrows", "ncols"
    if not pattern.by_row:
        sizes = sizes[::-1]
    steps = starts[..., 1:] - starts[..., :-1]

    def broken(rule):
        raise RuntimeError(f"`{rule}` is not satisfied.")

    if (starts[..., 0] != 0).any():
        broken(f"{outer}[..., 0] == 0")
    if (starts[..., -1] != pattern.nnz).any():
        broken(f"{outer}[..., -1] == nnz")
    if ((steps < 0) | (steps > size)).any():
        broken(f"0 <= {outer}[..., 1:] - {outer}[..., :-1] <= {sizes[1]}")
    if ((plain < 0) | (plain >= size)).any():
        broken(f"0 <= {inner} < {sizes[1]}")
    rows = expand_compressed(starts, pattern.nnz)
    places = rows * size + plain
    if (places[..., 1:] <= places[..., :-1]).any():
        raise RuntimeError(
            f"`{inner}[..., {outer}[..., i - 1]:{outer}[..., i]] for all i = 1, ..., {sizes[0]} "
            "are sorted and distinct along the last dimension values` is not satisfied."
        )
