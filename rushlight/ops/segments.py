"""Reductions over runs of neighbours, of the lengths that a tensor says."""

from __future__ import annotations

from ..op import public

_STARTS = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}


@public("torch.segment_reduce torch._segment_reduce")
def segment_reduce(
    data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None
):
    """The sum, mean, product, max or min of every segment along `axis`.

    lengths, or offsets with one entry more: (dims before axis..., segments). `initial` takes part
    in every segment, and is the result of empty ones; without it that is the neutral number, or
    nan of a mean. unsafe: the lengths are not checked.
    """
    name = {"amax": "max", "amin": "min"}.get(reduce, reduce)
    if name not in _STARTS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    counts = _counts(data, lengths, indices, offsets, axis, unsafe)
    lead, segments = data.shape[:axis], counts.shape[-1]
    rest = data.shape[axis + 1 :]
    rows, places = _rows(counts.reshape(-1, segments), data.shape[axis])
    picked = data.reshape(-1, *rest)[rows]
    out = _reduced(picked, places, counts.reshape(-1), name, initial)
    return out.reshape(*lead, segments, *rest)


def _counts(data, lengths, indices, offsets, axis, unsafe):
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    given = offsets if lengths is None else lengths
    if given.dtype.is_floating_point:
        raise NotImplementedError(
            '"_segment_reduce_lengths_cpu_kernel1" not implemented for '
            f"'{given.dtype._scalar_name}'"
        )
    if axis != given.dim() - 1:
        raise RuntimeError(
            "segment_reduce(): Expected axis to be the last dimension of "
            f"{'offsets' if lengths is None else 'lengths'} but got {axis}."
        )
    if lengths is None:
        return offsets.diff()
    if not unsafe:
        if bool((lengths < 0).any()):
            raise RuntimeError("lengths contains negative value!")
        if bool((lengths.sum(-1) != data.shape[axis]).any()):
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to "
                "data.size(lengths.dim()-1) when !unsafe."
            )
    return lengths


def _rows(counts, size):
    """Which rows of the flattened data take part, and the segment of each."""
    from .. import arange, repeat_interleave

    segments = counts.shape[-1]
    places = repeat_interleave(arange(counts.numel()), counts.reshape(-1))
    batch = places // segments if segments else places
    before = counts.sum(-1).cumsum(0) - counts.sum(-1)
    return arange(len(places)) - before[batch] + batch * size, places


def _reduced(picked, places, counts, name, initial):
    from .. import full

    start = _STARTS[name] if initial is None else initial
    shape = (counts.numel(), *picked.shape[1:])
    begun = full(shape, start, dtype=picked.dtype)
    if name in ("sum", "mean"):
        total = begun.index_add(0, places, picked)
        if name == "sum":
            return total
        wide = counts.reshape(-1, *[1] * (picked.ndim - 1)).to(picked.dtype)
        return total / (wide if initial is None else wide.clamp(min=1))
    index = places.reshape(-1, *[1] * (picked.ndim - 1)).expand(picked.shape)
    return begun.scatter_reduce(0, index, picked, {"prod": "prod"}.get(name, f"a{name}"))


@public("torch._convert_indices_from_coo_to_csr")
def convert_indices_from_coo_to_csr(input, size, *, out_int32=False):
    """Where each of `size` rows begins among sorted row numbers, and where the last one ends."""
    from .. import arange, int32, searchsorted

    begins = searchsorted(input.contiguous(), arange(size + 1).to(input.dtype))
    return begins.to(int32) if out_int32 else begins


@public("torch._convert_indices_from_csr_to_coo")
def convert_indices_from_csr_to_coo(crow_indices, col_indices, *, out_int32=False, transpose=False):
    """(2, elements): row and column numbers, or the other way round with `transpose`."""
    from .. import arange, int32, repeat_interleave, stack

    rows = repeat_interleave(arange(crow_indices.numel() - 1), crow_indices.diff().long())
    pair = [rows.to(col_indices.dtype), col_indices]
    made = stack(pair[::-1] if transpose else pair)
    return made.to(int32) if out_int32 else made.long()


@public("torch._shape_as_tensor")
def shape_as_tensor(self):
    """The sizes as a tensor of whole numbers."""
    from .. import tensor

    return tensor(tuple(self.shape))


@public("torch._softmax_backward_data")
def softmax_backward_data(grad_output, output, dim, input_dtype):
    """The gradient of softmax from that of its output."""
    product = grad_output * output
    return (product - output * product.sum(dim, keepdim=True)).to(input_dtype)
