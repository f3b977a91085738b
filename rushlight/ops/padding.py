"""Padding with a value, and selection along several dims at once."""

from __future__ import annotations

from .._lazy import np
from ..op import op


@op("", node="ConstantPadNd")
class constant_pad:
    """Put `value` around a tensor, or cut with negative amounts; last dim first, both sides."""

    def forward(input, pad, value=0):
        for k in range(len(pad) // 2):
            dim, size = input.ndim - 1 - k, input.shape[input.ndim - 1 - k]
            low, high = pad[2 * k], pad[2 * k + 1]
            places = np.arange(-low, size + high)
            inside = (places >= 0) & (places < size)
            inside = inside.reshape(-1, *[1] * k)
            taken = input.take(places.clip(0, max(size - 1, 0)), dim)
            input = np.where(inside, taken, np.asarray(value).astype(input.dtype))
        return input

    def grad_input(g, pad):
        return constant_pad(g, [-n for n in pad], 0)

    def samples(make):
        yield make(2, 3), (1, 2)
        yield make(2, 3, 4), (1, 0, -1, 2), 1.5
        yield make(3, 4), (-1, -2, 2, 0)


@op("", node="SelectBy")
class select_by:
    """Elements of the last dims by their places: y[..., i, j] = x[..., first[i], second[j]].

    `places` is int64 and holds the places of each dim one after another, `counts` their numbers.
    """

    def forward(input, places, counts):
        start = 0
        for k, count in enumerate(counts):
            input = input.take(places[start : start + count], k - len(counts))
            start += count
        return input

    def grad_input(g, input_shape, places, counts):
        return select_by_backward(g, input_shape, places, counts)

    def samples(make):
        from .. import tensor

        yield make(2, 4), tensor([1, 0, 1, 2, 3, 2]), [6]
        yield make(2, 3, 4), tensor([2, 1, 0, 0, 0, 1, 2, 3, 3]), [3, 6]


@op("")
class select_by_backward:
    """Add gradients up at the places that they were selected from."""

    def forward(grad, input_shape, places, counts):
        lead = grad.shape[: grad.ndim - len(counts)]
        sums = np.zeros((*lead, *input_shape[len(lead) :]), grad.dtype)
        starts = np.cumsum([0, *counts])
        at = [places[a:b] for a, b in zip(starts, starts[1:], strict=False)]
        np.add.at(sums, (..., *np.ix_(*at)), grad)
        return sums

    def grad_grad(g, places, counts):
        return select_by(g, places, counts)

    def samples(make):
        from .. import tensor

        yield make(2, 6), (2, 4), tensor([1, 0, 1, 2, 3, 2]), [6]
        yield make(2, 3, 6), (2, 3, 4), tensor([2, 1, 0, 0, 0, 1, 2, 3, 3]), [3, 6]
