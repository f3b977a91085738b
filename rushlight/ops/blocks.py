"""Sliding blocks of images as columns, and the sum of such columns: each the other's gradient."""

from __future__ import annotations

from .._lazy import np
from ..op import op


def _pieces(kernel, dilation, stride, counts):
    """Per tap of the kernel, in order: the slices of a padded image that it sees."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            starts = i * dilation[0], j * dilation[1]
            yield tuple(
                slice(first, first + step * (n - 1) + 1, step) if n else slice(0)
                for first, step, n in zip(starts, stride, counts, strict=True)
            )


def block_counts(size, kernel, dilation, padding, stride):
    """How many blocks fit in each dimension."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )


@op("", kernel="im2col", node="Im2ColBackward0")
class im2col:
    """The blocks of (N, C, H, W) as columns (N, C k k, L)."""

    def forward(input, kernel, dilation, padding, stride):
        n, c, *size = input.shape
        counts = block_counts(size, kernel, dilation, padding, stride)
        padded = np.pad(input, [(0, 0), (0, 0), *((p, p) for p in padding)])
        seen = [
            padded[:, :, rows, cols] for rows, cols in _pieces(kernel, dilation, stride, counts)
        ]
        return np.stack(seen, 2).reshape(n, c * len(seen), counts[0] * counts[1])

    def grad_input(g, input_shape, kernel, dilation, padding, stride):
        return col2im(g, input_shape[2:], kernel, dilation, padding, stride)

    def samples(make):
        yield make(2, 3, 5, 4), (2, 2), (1, 1), (0, 0), (1, 1)
        yield make(1, 2, 6, 7), (3, 2), (2, 1), (2, 1), (2, 3)
        yield make(2, 1, 1, 9), (1, 4), (1, 2), (0, 0), (1, 2)


@op("", kernel="col2im", node="Col2ImBackward0")
class col2im:
    """Columns (N, C k k, L) added up where their blocks lie in (N, C, *size)."""

    def forward(columns, size, kernel, dilation, padding, stride):
        taps = kernel[0] * kernel[1]
        n, c = columns.shape[0], columns.shape[1] // taps
        counts = block_counts(size, kernel, dilation, padding, stride)
        whole = [s + 2 * p for s, p in zip(size, padding, strict=True)]
        image = np.zeros((n, c, *whole), columns.dtype)
        columns = columns.reshape(n, c, taps, *counts)
        for tap, (rows, cols) in enumerate(_pieces(kernel, dilation, stride, counts)):
            image[:, :, rows, cols] += columns[:, :, tap]
        low, left = padding
        return image[:, :, low : low + size[0], left : left + size[1]]

    def grad_columns(g, kernel, dilation, padding, stride):
        return im2col(g, kernel, dilation, padding, stride)

    def samples(make):
        yield make(2, 12, 12), (5, 4), (2, 2), (1, 1), (0, 0), (1, 1)
        yield make(1, 12, 9), (6, 7), (3, 2), (2, 1), (2, 1), (2, 3)
        yield make(2, 4, 2), (1, 9), (1, 4), (1, 2), (0, 0), (1, 2)
