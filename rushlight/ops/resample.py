"""Linear maps along one dim, given by what each output takes from where: interpolation."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op


@op("")
class resample:
    """Sums of weighted elements along a dim: output o takes the taps from starts[o] to starts[o+1].

    A tap k adds weight[k] * input[index[k]]; starts (outputs + 1) and index are int64, weight has
    the input's dtype, or float32 for half types.
    """

    def forward(input, dim, starts, index, weight):
        moved = np.moveaxis(input, dim, -1)
        matrix = np.zeros((len(starts) - 1, moved.shape[-1]), input.dtype)
        np.add.at(matrix, (np.repeat(np.arange(len(matrix)), np.diff(starts)), index), weight)
        return np.moveaxis(moved @ matrix.T, -1, dim)

    def grad_input(g, input_shape, dim, starts, index, weight):
        return resample(g, dim, *transposed(starts, index, weight, input_shape[dim]))

    def samples(make):
        from .. import float64, tensor

        def table(starts, index, weight):
            kind = make(1).dtype
            kind = kind if kind == float64 else None
            return tensor(starts), tensor(index), tensor(weight, dtype=kind)

        pairs = table([0, 2, 4, 6], [0, 1, 1, 2, 3, 3], [0.5, 0.5, 0.25, 0.75, 1.0, 0.5])
        uneven = table([0, 1, 1, 4, 6], [3, 0, 1, 2, 2, 2], [1.0, 0.5, 0.25, 0.25, 2.0, -1.0])
        yield make(2, 4), 1, *pairs
        yield make(2, 3, 4), -1, *uneven
        yield make(2, 4, 3), 1, *pairs
        yield make(4, 2, 3), 0, *uneven


@op("")
class resample_bytes:
    """`resample` of bytes: int32 weights stand for weight / 2**bits; sums rounded and clamped."""

    def forward(input, dim, starts, index, weight, bits):
        moved = np.moveaxis(input, dim, -1).astype(np.int64)
        matrix = np.zeros((len(starts) - 1, moved.shape[-1]), np.int64)
        np.add.at(matrix, (np.repeat(np.arange(len(matrix)), np.diff(starts)), index), weight)
        sums = np.moveaxis(moved @ matrix.T, -1, dim) + (1 << bits >> 1)
        return np.clip(sums >> bits, 0, 255).astype(np.uint8)

    def samples(make):
        from .. import int32, tensor

        table = tensor([0, 1, 1, 4, 6]), tensor([3, 0, 1, 2, 2, 2])
        weight = tensor([16, 8, 4, 5, 40, -10], dtype=int32)
        for shape, dim in (((2, 4), 1), ((2, 3, 4), -1), ((2, 4, 3), 1), ((4, 2, 3), 0)):
            yield make(*shape, dtype="uint8", low=0, high=256), dim, *table, weight, 4


def transposed(starts, index, weight, length):
    """The table of the transposed map, onto `length` elements; kept with the table it is made of.

    Interpolation keeps its tables from call to call (nn/_interpolation_tables.py).
    """
    known = getattr(index, "_transposed", None)
    if known and known[0] is starts and known[1] is weight and known[2] == length:
        return known[3]
    table = _transpose(starts, index, weight, length)
    if not _C.interpreters():  # tables made under one would be its own
        index._transposed = starts, weight, length, table
    return table


def _transpose(starts, index, weight, length):
    from .. import arange, repeat_interleave

    if index.is_meta:
        return starts.new_empty((length + 1,)), index, weight
    order = index.argsort(stable=True)
    outputs = repeat_interleave(arange(len(starts) - 1), starts.diff())
    counts = index.bincount(minlength=length)
    ends = starts.new_zeros(length + 1)
    ends[1:] = counts.cumsum(0)
    return ends, outputs[order], weight[order]
