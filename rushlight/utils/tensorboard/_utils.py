"""Arrays of pictures: into one order of dims, side by side, from figures and videos."""

from __future__ import annotations

import numpy as np


def figure_to_image(figures, close: bool = True) -> np.ndarray:
    """One matplotlib figure as (3, height, width), several as (n, 3, height, width)."""
    from matplotlib import pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def render(figure):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())[:, :, :3].transpose(2, 0, 1)
        if close:
            plt.close(figure)
        return picture

    if isinstance(figures, list):
        return np.stack([render(figure) for figure in figures])
    return render(figures)


def _prepare_video(V: np.ndarray) -> np.ndarray:
    """(batch, time, channels, height, width) to (time, height, width, channels), side by side.

    The batch is filled up to a power of two, so that it stands in a grid.
    """
    count, steps, channels, height, width = V.shape
    if V.dtype == np.uint8:
        V = np.float32(V) / 255.0
    filled = 1 << (count - 1).bit_length()
    if filled > count:
        V = np.concatenate([V, np.zeros((filled - count, *V.shape[1:]))])
    rows = 1 << ((filled.bit_length() - 1) // 2)
    grid = V.reshape(rows, filled // rows, steps, channels, height, width)
    grid = grid.transpose(2, 0, 4, 1, 5, 3)
    return grid.reshape(steps, rows * height, filled // rows * width, channels)


def make_grid(I: np.ndarray, ncols: int = 8) -> np.ndarray:  # noqa: E741 (PyTorch's name)
    """(n, channels, height, width) to one picture, row by row; one channel becomes three."""
    if not isinstance(I, np.ndarray):
        raise AssertionError("plugin error, should pass numpy array here")
    if I.shape[1] == 1:
        I = np.concatenate([I, I, I], 1)  # noqa: E741
    if I.ndim != 4 or I.shape[1] not in (3, 4):
        raise AssertionError(f"make_grid: got shape {I.shape}, expected (n, 1, 3 or 4, h, w)")
    count, channels, height, width = I.shape
    columns = min(count, ncols)
    rows = -(-count // columns)
    canvas = np.zeros((channels, height * rows, width * columns), dtype=I.dtype)
    for k in range(count):
        y, x = divmod(k, columns)
        canvas[:, y * height : (y + 1) * height, x * width : (x + 1) * width] = I[k]
    return canvas


def convert_to_HWC(tensor: np.ndarray, input_format: str) -> np.ndarray:
    """A picture, or a batch in a grid, with its channels last; `input_format` such as "NCHW"."""
    if len(set(input_format)) != len(input_format):
        raise AssertionError(
            f"You can not use the same dimension shordhand twice.         "
            f"input_format: {input_format}"
        )
    if len(tensor.shape) != len(input_format):
        raise AssertionError(
            "size of input tensor and input format are different.         "
            f"tensor shape: {tensor.shape}, input_format: {input_format}"
        )
    order = input_format.upper()
    if len(order) == 4:
        batch = tensor.transpose([order.find(c) for c in "NCHW"])
        return make_grid(batch).transpose(1, 2, 0)
    if len(order) == 3:
        picture = tensor.transpose([order.find(c) for c in "HWC"])
        return np.concatenate([picture] * 3, 2) if picture.shape[2] == 1 else picture
    picture = tensor.transpose([order.find(c) for c in "HW"])
    return np.stack([picture] * 3, 2)
