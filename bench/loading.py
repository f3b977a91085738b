"""One epoch over 50,000 images in memory, with 0 and 2 workers: the usual forms of a data set."""

from __future__ import annotations

from importlib import import_module

COUNT = 50_000
BATCH = 64


def _bytes(t):
    return t.randint(0, 256, (COUNT, 28, 28), dtype=t.uint8)


def _floats(t):
    return t.rand(COUNT, 3, 32, 32)


def _photographs(t):
    """An array (N, H, W, C), as readers of files give it."""
    return t.randint(0, 256, (COUNT, 32, 32, 3), dtype=t.uint8).numpy()


def _transforms(t):
    name = "torchvision" if t.__name__ == "torch" else f"{t.__name__}.vision"
    return import_module(f"{name}.transforms")


def _scale(t):
    return lambda image: image.unsqueeze(0).float().div(255)


def _normalize(t):
    mean = t.tensor([0.49, 0.48, 0.45]).view(3, 1, 1)
    std = t.tensor([0.25, 0.24, 0.26]).view(3, 1, 1)
    return lambda image: (image - mean) / std


def _to_tensor(t):
    v = _transforms(t)
    return v.Compose([v.ToTensor(), v.Normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26])])


def _through_pillow(t):
    from PIL import Image

    change = _to_tensor(t)
    return lambda image: change(Image.fromarray(image))


def _rows(t, images, labels):
    return import_module(f"{t.__name__}.utils.data").TensorDataset(images, labels)


def _listed(t, images, labels):
    return [(image, int(label)) for image, label in zip(images, labels, strict=True)]


def _labelled(transform):
    """A set as programs write it: a row, its label, and a transform for each image."""

    def make(t, images, labels):
        change = transform(t) if transform else None

        class Images(t.utils.data.Dataset):
            def __len__(self):
                return len(images)

            def __getitem__(self, i):
                return images[i] if change is None else change(images[i]), labels[i]

        return Images()

    return make


FORMS = {
    "uint8 28 x 28, TensorDataset": (_bytes, _rows),
    "uint8 28 x 28, list of pairs": (_bytes, _listed),
    "uint8 28 x 28, own set": (_bytes, _labelled(None)),
    "uint8 28 x 28, own set, float() / 255": (_bytes, _labelled(_scale)),
    "float 3 x 32 x 32, TensorDataset": (_floats, _rows),
    "float 3 x 32 x 32, own set": (_floats, _labelled(None)),
    "float 3 x 32 x 32, own set, (x - m) / s": (_floats, _labelled(_normalize)),
    "array 32 x 32 x 3, own set, ToTensor": (_photographs, _labelled(_to_tensor)),
    "array 32 x 32 x 3, own set, Pillow": (_photographs, _labelled(_through_pillow)),
}


def epoch(images, form, workers):
    """Make one shuffled epoch in batches of 64."""

    def make(t):
        chosen = form(t, images(t), t.randint(0, 10, (COUNT,)))
        loader = t.utils.data.DataLoader(chosen, BATCH, shuffle=True, num_workers=workers)

        def run():
            for _ in loader:
                pass

        return run

    return make


LINES = [
    (f"epoch, {name}, {workers} workers", epoch(images, form, workers))
    for workers in (0, 2)
    for name, (images, form) in FORMS.items()
]
