"""What the examples share: a text, and progress, curves and pictures where packages allow."""

from __future__ import annotations

import sys


def progress(items, label: str):
    """`items` with a progress bar on a terminal that has tqdm; else as they are."""
    try:
        from tqdm import tqdm
    except ImportError:
        return items
    return tqdm(items, desc=label, leave=False, disable=not sys.stderr.isatty())


def manual() -> str:
    """Python's reference manual, as its help() has it, each paragraph once: 400,000 characters."""
    from pydoc_data.topics import topics

    paragraphs = "\n\n".join(topics.values()).split("\n\n")
    return "\n\n".join(dict.fromkeys(paragraphs))


def _save(filename: str | None, draw) -> None:
    if filename is None:
        return
    try:
        import matplotlib
    except ImportError:
        print(f"no {filename}: matplotlib is not installed (pip install 'rushlight[plot]')")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.5))
    draw(axis)
    figure.tight_layout()
    figure.savefig(filename, dpi=110)
    pyplot.close(figure)
    print(f"drawn: {filename}")


def curves(filename: str | None, across: str, **series) -> None:
    """Draw lists of numbers over their positions; a pair of lists gives its own places."""

    def draw(axis):
        for label, values in series.items():
            places, values = values if isinstance(values, tuple) else (range(len(values)), values)
            axis.plot(places, values, label=label.replace("_", " "))
        axis.set_xlabel(across)
        axis.legend()

    _save(filename, draw)


def pictures(filename: str | None, images, columns: int = 10) -> None:
    """Draw images (n, height, width) of 0 to 1 in a grid."""
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    sheet = [sum((image[y] for image in row), []) for row in rows for y in range(len(row[0]))]
    _save(
        filename, lambda axis: axis.imshow(sheet, cmap="gray", vmin=0, vmax=1) and axis.axis("off")
    )
