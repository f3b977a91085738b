"""The operators of images that have kernels of their own (csrc/cpu/vision_*.cpp).

They are declared when this folder is first used and stand in a table of their own, so that an
import of rushlight costs no more.
"""

from __future__ import annotations

from ..._lazy import np
from ...op import op, operators


@op("")
class vision_nms:
    """Indices of the boxes that stay: visited in `order`, none overlaps an earlier one too much."""

    def forward(boxes, order, iou_threshold):
        kept = []
        with np.errstate(invalid="ignore", divide="ignore"):
            for i in order:
                if all(not _iou(boxes[i], boxes[j]) > iou_threshold for j in kept):
                    kept.append(i)
        return np.array(kept, np.int64)

    def samples(make):
        from ... import tensor

        boxes = make(6, 4, low=0, high=0.5, grad=False)
        boxes[:, 2:] += boxes[:, :2]
        yield boxes, tensor([3, 1, 0, 5, 4, 2]), 0.3
        yield make(0, 4, grad=False), tensor([]).long(), 0.5


def _iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inter = np.prod(np.maximum(sides, 0))
    return inter / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter)


# -- means of bilinear samples ---------------------------------------------------------------


def _axis(begin, length, bins, ratio, size):
    """(weights (bins, size), samples of a bin) of one axis of a region."""
    step = length / bins
    samples = int(ratio) if ratio > 0 else int(np.ceil(step))
    weights = np.zeros((bins, size))
    for i in range(bins):
        for s in range(samples):
            at = begin + i * step + (s + 0.5) * step / samples
            if -1 <= at <= size:
                at = min(max(at, 0), size - 1)
                low = min(int(at), size - 1)
                weights[i, low] += 1 - (at - low)
                weights[i, min(low + 1, size - 1)] += at - low
    return weights, samples


def _region(roi, shape, spatial_scale, bins, ratio, aligned, by_position):
    """Weights of rows and columns, already divided by the count, and the image's index."""
    x1, y1, x2, y2 = roi[1:] * spatial_scale - (0.5 if aligned else 0.0)
    least = -np.inf if aligned else 1.0
    rows, m = _axis(y1, max(y2 - y1, least), bins[0], ratio, shape[2])
    columns, n = _axis(x1, max(x2 - x1, least), bins[1], ratio, shape[3])
    return rows / (m * n if by_position else max(m * n, 1)), columns, int(roi[0])


@op("")
class vision_roi_align:
    """Means of bilinear samples over the bins of regions, (K, C, PH, PW).

    `by_position` reads bin (i, j) of channel c from channel (c PH + i) PW + j.
    """

    def forward(input, rois, spatial_scale, height, width, ratio, aligned, by_position):
        bins = height, width
        found = []
        for roi in rois:
            rows, columns, n = _region(
                roi, input.shape, spatial_scale, bins, ratio, aligned, by_position
            )
            image = input[n]
            if by_position:
                image = image.reshape(-1, height, width, *image.shape[1:])
                found.append(np.einsum("ir,jq,cijrq->cij", rows, columns, image))
            else:
                found.append(np.einsum("ir,jq,crq->cij", rows, columns, image))
        channels = input.shape[1] // (height * width if by_position else 1)
        return np.array(found, input.dtype).reshape(-1, channels, height, width)

    def grad_input(g, rois, input_shape, spatial_scale, height, width, ratio, aligned, by_position):
        return vision_roi_align_backward(
            g, rois, input_shape, spatial_scale, height, width, ratio, aligned, by_position
        )

    def samples(make):
        yield make(2, 3, 6, 7), _rois(make), 0.5, 2, 3, 2, False, False
        yield make(2, 3, 6, 7), _rois(make), 0.5, 2, 2, -1, True, False
        yield make(2, 8, 6, 7), _rois(make), 0.5, 2, 2, 2, True, True


def _rois(make):
    from ... import tensor

    kind = make(1, grad=False).dtype
    places = [[1, 1.1, 0.7, 9.3, 8.2], [0, 3.2, 2.4, 12.1, 7.7], [1, -3.3, 4.2, 20.4, 30.7]]
    return tensor(places).to(kind)


@op("")
class vision_roi_align_backward:
    """The gradient of `vision_roi_align` with respect to its input."""

    def forward(g, rois, shape, spatial_scale, height, width, ratio, aligned, by_position):
        out = np.zeros(shape, g.dtype)
        for roi, each in zip(rois, g):
            rows, columns, n = _region(
                roi, shape, spatial_scale, (height, width), ratio, aligned, by_position
            )
            if by_position:
                image = out[n].reshape(-1, height, width, *shape[2:])
                image += np.einsum("ir,jq,cij->cijrq", rows, columns, each)
            else:
                out[n] += np.einsum("ir,jq,cij->crq", rows, columns, each)
        return out

    def grad_g(gs, rois, spatial_scale, height, width, ratio, aligned, by_position):
        return vision_roi_align(gs, rois, spatial_scale, height, width, ratio, aligned, by_position)

    def samples(make):
        yield make(3, 3, 2, 3), _rois(make), (2, 3, 6, 7), 0.5, 2, 3, 2, False, False
        yield make(3, 2, 2, 2), _rois(make), (2, 8, 6, 7), 0.5, 2, 2, 2, True, True


# -- pooling ---------------------------------------------------------------------------------


def _bins(first, last, bins, limit, by_position):
    length = max(last - first + (0 if by_position else 1), 1)
    limit -= by_position  # the last row and column stay out
    for i in range(bins):
        low, high = i * length / bins, (i + 1) * length / bins
        low = np.floor(low + first) if by_position else np.floor(low) + first
        high = np.ceil(high + first) if by_position else np.ceil(high) + first
        yield int(min(max(low, 0), limit)), int(min(max(high, 0), limit))


def _windows(rois, shape, spatial_scale, height, width, by_position):
    """(region, image, i, j, rows, columns) of every bin of every region."""
    for k, roi in enumerate(rois):
        x1, y1, x2, y2 = np.trunc(v := roi[1:] * spatial_scale) + (
            np.abs(v - np.trunc(v)) >= 0.5
        ) * np.sign(v)
        for i, rows in enumerate(_bins(y1, y2, height, shape[2], by_position)):
            for j, columns in enumerate(_bins(x1, x2, width, shape[3], by_position)):
                yield k, int(roi[0]), i, j, slice(*rows), slice(*columns)


@op("", outputs=("values", "indices"), differentiable=("input",))
class vision_roi_pool:
    """The largest elements over the bins of regions, (K, C, PH, PW), and where in their planes."""

    def forward(input, rois, spatial_scale, height, width):
        size = len(rois), input.shape[1], height, width
        values, indices = np.zeros(size, input.dtype), np.full(size, -1, np.int64)
        flat = np.arange(input.shape[2] * input.shape[3]).reshape(input.shape[2:])
        for k, n, i, j, rows, columns in _windows(
            rois, input.shape, spatial_scale, height, width, False
        ):
            part = input[n, :, rows, columns].reshape(input.shape[1], -1)
            if part.size:
                at = part.argmax(1)
                values[k, :, i, j] = part.max(1)
                indices[k, :, i, j] = flat[rows, columns].reshape(-1)[at]
        return values, indices

    def backward(g, rois, input_shape, indices, needs):
        if not needs[0] or g[0] is None:
            return (None,)
        return (spread_maxima(g[0], rois, indices, input_shape),)

    def samples(make):
        yield make(2, 3, 6, 7), _rois(make), 0.5, 2, 3


def spread_maxima(g, rois, indices, shape):
    """The gradients of maxima at their places in the images, zeros elsewhere."""
    regions, channels = indices.shape[:2]
    plane = shape[2] * shape[3]
    if indices.numel() == 0 or plane == 0:
        return g.new_zeros(shape)
    first = rois[:, 0].long().reshape(-1, 1, 1) * channels
    first = (first + first.new_tensor(range(channels)).reshape(1, -1, 1)) * plane
    at = indices.reshape(regions, channels, -1)
    values = g.reshape(regions, channels, -1) * (at >= 0)  # an empty bin has no place
    flat = g.new_zeros(shape).reshape(-1)
    return flat.index_add(0, (first + at.clamp(min=0)).reshape(-1), values.reshape(-1)).view(shape)


@op("")
class vision_ps_roi_pool:
    """Means over the bins of regions; bin (i, j) of channel c reads channel (c PH + i) PW + j."""

    def forward(input, rois, spatial_scale, height, width):
        bins = height * width
        out = np.zeros((len(rois), input.shape[1] // bins, height, width), input.dtype)
        for k, n, i, j, rows, columns in _windows(
            rois, input.shape, spatial_scale, height, width, True
        ):
            part = input[n, i * width + j :: bins, rows, columns]
            if part.size:
                out[k, :, i, j] = part.mean((1, 2))
        return out

    def grad_input(g, rois, input_shape, spatial_scale, height, width):
        return vision_ps_roi_pool_backward(g, rois, input_shape, spatial_scale, height, width)

    def samples(make):
        yield make(2, 8, 6, 7), _rois(make), 0.5, 2, 2


@op("")
class vision_ps_roi_pool_backward:
    """The gradient of `vision_ps_roi_pool` with respect to its input."""

    def forward(g, rois, shape, spatial_scale, height, width):
        out = np.zeros(shape, g.dtype)
        for k, n, i, j, rows, columns in _windows(rois, shape, spatial_scale, height, width, True):
            part = out[n, i * width + j :: height * width, rows, columns]
            if part.size:
                part += g[k, :, i, j, None, None] / part[0].size
        return out

    def grad_g(gs, rois, spatial_scale, height, width):
        return vision_ps_roi_pool(gs, rois, spatial_scale, height, width)

    def samples(make):
        yield make(3, 2, 2, 2), _rois(make), (2, 8, 6, 7), 0.5, 2, 2


# -- deformable convolution ------------------------------------------------------------------


@op("", differentiable=("input", "offset", "mask"))
class vision_deform_columns:
    """What a deformable convolution multiplies with its weight: (N, C KH KW, OH OW)."""

    def forward(input, offset, mask, kernel, stride, padding, dilation, groups):
        n, channels, h, w = input.shape
        oh, ow = offset.shape[2:]
        taps = kernel[0] * kernel[1]
        shift = offset.reshape(n, groups, taps, 2, oh, ow)
        amount = np.ones((n, groups, taps, oh, ow)) if mask is None else mask
        amount = amount.reshape(n, groups, taps, oh, ow)
        out = np.zeros((n, channels, taps, oh, ow), input.dtype)
        for b, c, t, i, j in np.ndindex(out.shape):
            group = c // (channels // groups)
            dy, dx = shift[b, group, t, :, i, j]
            y = i * stride[0] - padding[0] + t // kernel[1] * dilation[0] + dy
            x = j * stride[1] - padding[1] + t % kernel[1] * dilation[1] + dx
            value = 0.0
            for r in (int(np.floor(y)), int(np.floor(y)) + 1):
                for q in (int(np.floor(x)), int(np.floor(x)) + 1):
                    if 0 <= r < h and 0 <= q < w:
                        value += (1 - abs(y - r)) * (1 - abs(x - q)) * input[b, c, r, q]
            out[b, c, t, i, j] = value * amount[b, group, t, i, j]
        return out.reshape(n, channels * taps, oh * ow)

    def backward(g, input, offset, mask, kernel, stride, padding, dilation, groups, needs):
        found = vision_deform_columns_backward(
            g, input, offset, mask, kernel, stride, padding, dilation, groups
        )
        return tuple(f if need else None for f, need in zip(found, needs))

    def samples(make):
        size = (2, 2), (1, 1), (1, 0), (1, 2)
        yield make(2, 4, 5, 6), make(2, 16, 6, 4), make(2, 8, 6, 4), *size, 2
        yield make(1, 2, 5, 6), make(1, 8, 6, 4), None, *size, 1


@op("", outputs="tuple")
class vision_deform_columns_backward:
    """The gradients of `vision_deform_columns`: input, offset and mask (empty without one)."""

    def forward(g, input, offset, mask, kernel, stride, padding, dilation, groups):
        n, channels, h, w = input.shape
        oh, ow = offset.shape[2:]
        taps = kernel[0] * kernel[1]
        shift = offset.reshape(n, groups, taps, 2, oh, ow)
        amount = np.ones((n, groups, taps, oh, ow)) if mask is None else mask
        amount = amount.reshape(n, groups, taps, oh, ow)
        g = g.reshape(n, channels, taps, oh, ow)
        gx, gshift, gmask = (np.zeros_like(a, input.dtype) for a in (input, shift, amount))
        for b, c, t, i, j in np.ndindex(g.shape):
            at = b, c // (channels // groups), t
            dy, dx = shift[(*at, slice(None), i, j)]
            y = i * stride[0] - padding[0] + t // kernel[1] * dilation[0] + dy
            x = j * stride[1] - padding[1] + t % kernel[1] * dilation[1] + dx
            top, left, there = int(np.floor(y)), int(np.floor(x)), (*at, i, j)
            for r, q in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if 0 <= r < h and 0 <= q < w:
                    wy, wx, v = 1 - abs(y - r), 1 - abs(x - q), g[b, c, t, i, j]
                    gx[b, c, r, q] += v * wy * wx * amount[there]
                    v = v * input[b, c, r, q]
                    gmask[there] += v * wy * wx
                    gshift[(*at, 0, i, j)] += v * amount[there] * wx * (1 if r > top else -1)
                    gshift[(*at, 1, i, j)] += v * amount[there] * wy * (1 if q > left else -1)
        gmask = np.zeros(0, input.dtype) if mask is None else gmask.reshape(mask.shape)
        return gx, gshift.reshape(offset.shape), gmask

    def samples(make):
        size = (2, 2), (1, 1), (1, 0), (1, 2)
        yield make(2, 16, 24), make(2, 4, 5, 6), make(2, 16, 6, 4), make(2, 8, 6, 4), *size, 2


# Their tests are in tests/vision: the matrix over rushlight's own operators does not load them.
table = {name: operators.pop(name) for name in list(operators) if name.startswith("vision_")}
