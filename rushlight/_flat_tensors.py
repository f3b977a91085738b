"""Many tensors as one flat one and back, as programs do that send gradients in buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import rushlight as torch

Tensor = torch.Tensor


def _flatten_dense_tensors(tensors: Iterable[Tensor]) -> Tensor:
    """The elements of all tensors, one after another."""
    return torch.cat([t.contiguous().view(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Views of `flat` in the shapes of `tensors`."""
    found, start = [], 0
    for t in tensors:
        found.append(flat.narrow(0, start, t.numel()).view_as(t))
        start += t.numel()
    return tuple(found)


def _flatten_sparse_tensors(tensors: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The flat indices and the flat values of sparse tensors."""
    tensors = list(tensors)
    indices = _flatten_dense_tensors([torch.Tensor._indices(t) for t in tensors])
    return indices, _flatten_dense_tensors([torch.Tensor._values(t) for t in tensors])


def _unflatten_sparse_tensors(
    flat: tuple[Tensor, Tensor], tensors: Iterable[Tensor]
) -> tuple[Tensor, ...]:
    """Sparse tensors like `tensors` of flat indices and values."""
    tensors = list(tensors)
    indices = _unflatten_dense_tensors(flat[0], [torch.Tensor._indices(t) for t in tensors])
    values = _unflatten_dense_tensors(flat[1], [torch.Tensor._values(t) for t in tensors])
    parts = zip(tensors, indices, values, strict=True)
    return tuple(torch.sparse_coo_tensor(i, v, t.shape) for t, i, v in parts)


def _reorder_tensors_as(
    tensors: Iterable[Tensor], ordered_tensors: Iterable[Tensor]
) -> tuple[Tensor, ...]:
    """Tensors that are in order within each type, in the order of types of `ordered_tensors`."""
    by_type: dict[str, list[Tensor]] = {}
    for t in tensors:
        by_type.setdefault(t.type(), []).append(t)
    queues = {kind: iter(group) for kind, group in by_type.items()}
    return tuple(next(queues[t.type()]) for t in ordered_tensors)


def _bytes(t: Tensor) -> int:
    if t.is_sparse:
        return _bytes(torch.Tensor._indices(t)) + _bytes(torch.Tensor._values(t))
    return t.numel() * t.element_size()


def _take_tensors(tensors: Iterable[Tensor], size_limit: int) -> Iterator[list[Tensor]]:
    """Groups of tensors of one type, each of at most `size_limit` bytes or a single tensor."""
    groups: dict[str, tuple[list[Tensor], int]] = {}
    for t in tensors:
        group, size = groups.get(t.type(), ([], 0))
        if group and size + _bytes(t) > size_limit:
            yield group
            group, size = [], 0
        group.append(t)
        groups[t.type()] = group, size + _bytes(t)
    for group, _ in groups.values():
        if group:
            yield group
