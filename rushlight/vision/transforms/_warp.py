"""Affine, projective and elastic maps of tensors: a grid of places, then samples there."""

from __future__ import annotations

import math

import rushlight as torch

from ._image import InterpolationMode, as_float_batch, back_from_batch, require_tensor_image

F = torch.nn.functional


def affine_matrix(center, angle, translate, scale, shear, inverted: bool = True) -> list[float]:
    """The six numbers of: move `center` to 0, shear, turn, scale, move back and by `translate`.

    Angles are in degrees. `inverted` gives the matrix from the output's places to the input's.
    """
    turn, shear_x, shear_y = math.radians(angle), *(math.radians(s) for s in shear)
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -math.cos(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -math.sin(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(turn)
    if inverted:
        matrix = [x / scale for x in (d, -b, 0.0, -c, a, 0.0)]
        matrix[2] += matrix[0] * (-cx - tx) + matrix[1] * (-cy - ty)
        matrix[5] += matrix[3] * (-cx - tx) + matrix[4] * (-cy - ty)
        matrix[2] += cx
        matrix[5] += cy
        return matrix
    matrix = [x * scale for x in (a, b, 0.0, c, d, 0.0)]
    matrix[2] += matrix[0] * -cx + matrix[1] * -cy
    matrix[5] += matrix[3] * -cx + matrix[4] * -cy
    matrix[2] += cx + tx
    matrix[5] += cy + ty
    return matrix


def rotated_size(matrix: list[float], width: int, height: int) -> tuple[int, int]:
    """(width, height) that hold all of an image after the affine map."""
    corners = [
        [-0.5 * width, -0.5 * height, 1.0],
        [-0.5 * width, 0.5 * height, 1.0],
        [0.5 * width, 0.5 * height, 1.0],
        [0.5 * width, -0.5 * height, 1.0],
    ]
    theta = torch.tensor(matrix, dtype=torch.float32).view(2, 3)
    moved = torch.matmul(torch.tensor(corners), theta.T)
    half = torch.tensor((width * 0.5, height * 0.5))
    # Rounding errors below 1e-4 must not make the image a pixel wider.
    most = ((moved.amax(dim=0) + half) / 1e-4).trunc_().mul_(1e-4).ceil_()
    least = ((moved.amin(dim=0) + half) / 1e-4).trunc_().mul_(1e-4).floor_()
    size = most - least
    return int(size[0]), int(size[1])


def _linear_map(rows, width: int, height: int, first_x: float, first_y: float):
    """a x + b y + c for each (a, b, c) of `rows`, at places one apart: (1, height, width, rows).

    The sums are rounded one by one, so that the nearest pixel is PyTorch's also where two are
    equally near.
    """
    x = torch.linspace(first_x, first_x + width - 1, steps=width)
    y = torch.linspace(first_y, first_y + height - 1, steps=height).unsqueeze(1)
    return torch.stack([x * a + y * b + c for a, b, c in rows], dim=-1).unsqueeze(0)


def _scaled(rows, width: int, height: int):
    """Rows for places in pixels, divided by half an image."""
    return torch.tensor(rows, dtype=torch.float32) / torch.tensor([[0.5 * width], [0.5 * height]])


def affine_grid(matrix: list[float], width: int, height: int, out_width: int, out_height: int):
    """Where each output pixel comes from, (1, out_height, out_width, 2), in -1 to 1."""
    rows = _scaled([matrix[:3], matrix[3:]], width, height)
    first = (0.5 - out_width * 0.5, 0.5 - out_height * 0.5)
    return _linear_map(rows, out_width, out_height, *first)


def perspective_grid(coefficients: list[float], width: int, height: int):
    """Where each pixel of the output comes from under a projective map, in -1 to 1."""
    c = coefficients
    over = _linear_map(_scaled([c[0:3], c[3:6]], width, height), width, height, 0.5, 0.5)
    below = _linear_map(torch.tensor([[c[6], c[7], 1.0]]), width, height, 0.5, 0.5)
    return over.div_(below).sub_(1.0)


def perspective_coefficients(startpoints, endpoints) -> list[float]:
    """The eight numbers of the projective map that takes the end points to the start points."""
    rows, right = [], []
    for (x, y), (u, v) in zip(endpoints, startpoints):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        right += [u, v]
    a = torch.tensor(rows, dtype=torch.float64)
    b = torch.tensor(right, dtype=torch.float64)
    return torch.linalg.lstsq(a, b, driver="gels").solution.to(torch.float32).tolist()


def identity_grid(size):
    """The grid (1, height, width, 2) that takes every pixel from its own place."""
    rows, columns = (torch.linspace((1 - n) / n, (n - 1) / n, n) for n in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], -1).unsqueeze(0)


def checked(displacement):
    """The displacement; TypeError for what is no tensor."""
    if not isinstance(displacement, torch.Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    return displacement


def elastic_grid(size, displacement):
    """The grid of `displacement` (1, height, width, 2) for an image of `size`."""
    expected = (1, *size, 2)
    if tuple(displacement.shape) != expected:
        raise ValueError(
            f"Argument displacement shape should be {expected}, but given {displacement.shape}"
        )
    return identity_grid(size) + displacement


def check_mode(mode: InterpolationMode) -> None:
    """ValueError for what grids cannot do."""
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"Interpolation mode '{mode.value}' is unsupported with Tensor input")


def _colours(fill, channels: int) -> list[float]:
    values = [float(x) for x in fill] if isinstance(fill, (tuple, list)) else [float(fill)]
    if len(values) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of "
            f"the image ({len(values)} != {channels})"
        )
    return values


def sample(image, grid, mode: InterpolationMode, fill=None, any_mode: bool = False):
    """The image's values at the places of a grid; `fill` outside (None: black).

    `any_mode` leaves it to `grid_sample` to refuse a mode.
    """
    require_tensor_image(image)
    if not any_mode:
        check_mode(mode)
    if image.numel() == 0:
        return image
    shape = image.shape
    batch = as_float_batch(image, (torch.float32, torch.float64))
    batch = batch.reshape(-1, *batch.shape[-3:])
    count, channels = batch.shape[:2]
    colours = None if fill is None else _colours(fill, channels)
    grid = grid.to(batch.dtype).expand(count, *grid.shape[1:])
    if colours is not None:  # how much of each value comes from inside
        batch = torch.cat((batch, batch.new_ones(count, 1, *batch.shape[-2:])), dim=1)
    result = F.grid_sample(batch, grid, mode=mode.value, padding_mode="zeros", align_corners=False)
    if colours is not None:
        inside, result = result[:, -1:], result[:, :-1]
        outside = torch.tensor(colours, dtype=result.dtype).view(1, -1, 1, 1)
        if mode is InterpolationMode.NEAREST:
            result = torch.where(inside < 0.5, outside, result)
        else:
            result = result * inside + (1.0 - inside) * outside
    height, width = result.shape[-2:]
    if image.ndim > 3:
        result = result.reshape(*shape[:-2], height, width)
    elif image.ndim == 2:
        result = result[0]
    return back_from_batch(result, image)
