"""One epoch over 50,000 images in memory: rows and a set of one's own, with 0 and 2 workers."""

from __future__ import annotations

from importlib import import_module

COUNT = 50_000
BATCH = 64


def _bytes(t):
    return t.randint(0, 256, (COUNT, 28, 28), dtype=t.uint8)


def _scale(t):
    return lambda image: image.unsqueeze(0).float().div(255)


def _floats(t):
    return t.rand(COUNT, 3, 32, 32)


def _normalize(t):
    mean = t.tensor([0.49, 0.48, 0.45]).view(3, 1, 1)
    std = t.tensor([0.25, 0.24, 0.26]).view(3, 1, 1)
    return lambda image: (image - mean) / std


IMAGES = {"uint8 28 x 28": (_bytes, _scale), "float 3 x 32 x 32": (_floats, _normalize)}


def _labelled(data, images, labels, transform):
    """A set as programs write it: a row, its label, and a transform for each image."""

    class Images(data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            return transform(images[i]), labels[i]

    return Images()


def epoch(images, transform, workers):
    """Make one shuffled epoch in batches of 64."""

    def make(t):
        data = import_module(f"{t.__name__}.utils.data")
        columns = images(t), t.randint(0, 10, (COUNT,))
        if transform is None:
            chosen = data.TensorDataset(*columns)
        else:
            chosen = _labelled(data, *columns, transform(t))
        loader = data.DataLoader(chosen, BATCH, shuffle=True, num_workers=workers)

        def run():
            for _ in loader:
                pass

        return run

    return make


LINES = [
    (f"epoch, {name}, {kind}, {workers} workers", epoch(images, transform, workers))
    for workers in (0, 2)
    for name, (images, given) in IMAGES.items()
    for kind, transform in (("TensorDataset", None), ("own set", given))
]
