"""Transforms, drawings and files beside torchvision itself, where it is installed."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from PIL import Image
from transform_cases import FUNCTIONAL, RANDOM

import rushlight as rl
from rushlight.vision import io as our_io
from rushlight.vision import transforms as ours
from rushlight.vision import tv_tensors as our_tensors
from rushlight.vision import utils as our_utils
from rushlight.vision.transforms import v2 as ours2

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import torchvision
        from torchvision.transforms import v2 as theirs2
    except (ImportError, RuntimeError) as error:  # not installed, or built for another torch
        pytest.skip(f"no torchvision: {error}", allow_module_level=True)
theirs = torchvision.transforms
GENERATIONS = {"v1": (theirs, ours), "v2": (theirs2, ours2)}
PIL_MODES = ("L", "RGB", "RGBA", "P", "F", "1")


def to_ours(value):
    return rl.from_numpy(value.numpy().copy()) if isinstance(value, torch.Tensor) else value


def modes(kwargs, transforms):
    name = kwargs.get("interpolation")
    return kwargs if name is None else {**kwargs, "interpolation": transforms(name)}


def assert_same(wanted, found, rounding=0.0):
    """Equal; a share `rounding` of the bytes (or three) may be one more or less."""
    if isinstance(wanted, tuple):
        for a, b in zip(wanted, found):
            assert_same(a, b, rounding)
        return
    if not isinstance(wanted, torch.Tensor):
        assert wanted.mode == found.mode and wanted.size == found.size
        wanted, found = np.asarray(wanted), np.asarray(found)
    else:
        wanted, found = wanted.numpy(), found.numpy()
    assert wanted.shape == found.shape and wanted.dtype == found.dtype
    if wanted.dtype == np.uint8:
        apart = np.abs(wanted.astype(int) - found.astype(int))
        assert apart.max(initial=0) <= (1 if rounding else 0)
        assert (apart > 0).sum() <= max(3, rounding * apart.size)
    else:
        np.testing.assert_allclose(found, wanted, atol=3e-5)


def pictures():
    for seed, (height, width) in enumerate(((16, 21), (13, 12))):
        draw = np.random.default_rng(seed)
        for mode in PIL_MODES:
            channels = len(Image.new(mode, (1, 1)).getbands())
            shape = (height, width, channels) if channels > 1 else (height, width)
            values = draw.integers(0, 256, shape).astype(np.uint8)
            if mode == "P":
                yield Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8)).quantize(
                    50
                )
            elif mode == "F":
                yield Image.fromarray(values.astype(np.float32))
            else:
                yield Image.fromarray(values).convert(mode)


def outcome(call):
    try:
        return call()
    except Exception as error:
        return error


def compare(call_theirs, call_ours, rounding=0.0):
    wanted, found = outcome(call_theirs), outcome(call_ours)
    if isinstance(wanted, Exception) or isinstance(found, Exception):
        assert type(wanted).__name__ == type(found).__name__, (wanted, found)
        return
    assert_same(wanted, found, rounding)


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(("name", "kwargs"), FUNCTIONAL, ids=[name for name, _ in FUNCTIONAL])
def test_functions_on_tensors(generation, name, kwargs):
    them, us = GENERATIONS[generation]
    theirs_kwargs = modes(kwargs, theirs.InterpolationMode)
    ours_kwargs = modes(kwargs, ours.InterpolationMode)
    torch.manual_seed(0)
    for shape in ((3, 16, 21), (1, 13, 12), (2, 3, 12, 14)):
        for x in (torch.randint(0, 256, shape, dtype=torch.uint8), torch.rand(shape)):
            if x.is_floating_point() and "threshold" in kwargs:
                continue
            # Three values of a thousand may fall on the other side of a half.
            compare(
                lambda x=x: getattr(them.functional, name)(x, **theirs_kwargs),
                lambda x=x: getattr(us.functional, name)(to_ours(x), **ours_kwargs),
                rounding=0.003,
            )


@pytest.mark.parametrize(("name", "kwargs"), FUNCTIONAL, ids=[name for name, _ in FUNCTIONAL])
@pytest.mark.filterwarnings("ignore:Anti-alias option")
def test_functions_on_pil_images(name, kwargs):
    theirs_kwargs = modes(kwargs, theirs.InterpolationMode)
    ours_kwargs = modes(kwargs, ours.InterpolationMode)
    for image in pictures():
        compare(
            lambda image=image: getattr(theirs.functional, name)(image, **theirs_kwargs),
            lambda image=image: getattr(ours.functional, name)(image, **ours_kwargs),
        )


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(("name", "args", "kwargs"), RANDOM, ids=[case[0] for case in RANDOM])
def test_random_transforms(generation, name, args, kwargs):
    them, us = (getattr(g, name)(*args, **kwargs) for g in GENERATIONS[generation])
    assert repr(them) == repr(us)
    torch.manual_seed(1)
    images = [torch.randint(0, 256, (3, 16, 21), dtype=torch.uint8), next(pictures())]
    for image in images:
        for seed in range(5):

            def call(transform, module, value, seed=seed):
                module.manual_seed(seed)
                random.seed(seed)
                return transform(value)

            compare(
                lambda: call(them, torch, image),  # noqa: B023 (called at once)
                lambda: call(us, rl, to_ours(image)),  # noqa: B023
                rounding=0.003,
            )


def boxes(module, values, format):
    tensor = values if module is torchvision.tv_tensors else to_ours(values)
    return module.BoundingBoxes(tensor, format=format, canvas_size=(20, 30))


@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH"])
def test_boxes_move_with_their_images(format):
    values = torch.tensor([[3.0, 4.0, 12.0, 9.5], [10.0, 2.0, 11.5, 6.0]])
    calls = [
        ("horizontal_flip", ()), ("vertical_flip", ()), ("crop", (2, 5, 10, 12)),
        ("resize", ([9, 17],)), ("pad", ([1, 2, 3, 4],)), ("center_crop", ([8, 40],)),
        ("resized_crop", (1, 2, 9, 9, [4, 6])), ("affine", (30, [2, 1], 1.2, [5, 3])),
        ("rotate", (40.0,)), ("rotate", (40.0, "nearest", True)),
        ("clamp_bounding_boxes", ()),
    ]  # fmt: skip
    for name, args in calls:
        wanted = getattr(theirs2.functional, name)(
            boxes(torchvision.tv_tensors, values, format), *args
        )
        found = getattr(ours2.functional, name)(boxes(our_tensors, values, format), *args)
        assert type(found) is our_tensors.BoundingBoxes
        assert tuple(found.canvas_size) == tuple(wanted.canvas_size), name
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-4, err_msg=name)


def sample(module, tensors):
    convert = (lambda x: x) if module is torch else to_ours
    values = torch.tensor([[3.0, 4.0, 12.0, 9.5], [10.0, 2.0, 21.5, 16.0], [0.0, 0.0, 0.5, 9.0]])
    image = (torch.arange(3 * 20 * 30) % 251).to(torch.uint8).view(3, 20, 30)
    return {
        "image": tensors.Image(convert(image)),
        "boxes": boxes(tensors, values, "XYXY"),
        "masks": tensors.Mask(convert((torch.arange(3 * 600) % 7 == 0).view(3, 20, 30))),
        "labels": convert(torch.tensor([4, 5, 6])),
        "name": "picture",
    }


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("RandomIoUCrop", ()), ("RandomZoomOut", ()), ("RandomResizedCrop", (15,)),
        ("RandomAffine", (20, (0.1, 0.1))), ("RandomPerspective", ()),
        ("SanitizeBoundingBoxes", ()), ("ScaleJitter", ((30, 30),)),
        ("RandomPhotometricDistort", ()), ("RandomHorizontalFlip", ()),
        ("ToPureTensor", ()), ("ConvertBoundingBoxFormat", ("CXCYWH",)),
    ],
)  # fmt: skip
def test_samples_are_transformed_as_a_whole(name, args):
    for seed in range(4):
        torch.manual_seed(seed)
        wanted = getattr(theirs2, name)(*args)(sample(torch, torchvision.tv_tensors))
        rl.manual_seed(seed)
        found = getattr(ours2, name)(*args)(sample(rl, our_tensors))
        assert found["name"] == "picture"
        for key in ("image", "boxes", "masks", "labels"):
            assert type(found[key]).__name__ == type(wanted[key]).__name__
            assert_same(
                wanted[key].as_subclass(torch.Tensor),
                found[key].as_subclass(rl.Tensor),
                rounding=0.003,
            )


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_mixed_batches(name):
    images, labels = torch.rand(4, 3, 8, 9), torch.arange(4)
    for seed in range(4):
        torch.manual_seed(seed)
        wanted = getattr(theirs2, name)(alpha=0.7, num_classes=5)(images, labels)
        rl.manual_seed(seed)
        found = getattr(ours2, name)(alpha=0.7, num_classes=5)(to_ours(images), to_ours(labels))
        assert_same(tuple(wanted), tuple(found))


def test_drawings():
    torch.manual_seed(2)
    image = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)
    corners = torch.tensor([[5, 5, 30, 30], [20.0, 10, 45, 36]])
    masks, points = torch.rand(2, 40, 50) > 0.5, torch.rand(2, 4, 2) * 40
    calls = [
        ("draw_bounding_boxes", (image, corners), {"labels": ["a", "bc"], "width": 2}),
        ("draw_bounding_boxes", (image, corners), {"labels": ["a", "b"], "fill_labels": True}),
        ("draw_bounding_boxes", (image[:1], corners), {"fill": True, "colors": ["red", (1, 2, 3)]}),
        ("draw_segmentation_masks", (image, masks), {"alpha": 0.4}),
        ("draw_keypoints", (image, points), {"connectivity": [(0, 1), (2, 3)], "colors": "blue"}),
        ("flow_to_image", (torch.randn(2, 9, 8),), {}),
        ("make_grid", (torch.rand(5, 3, 6, 7),), {"nrow": 3, "normalize": True}),
    ]
    for name, args, kwargs in calls:
        found = getattr(our_utils, name)(*map(to_ours, args), **kwargs)
        assert_same(getattr(torchvision.utils, name)(*args, **kwargs), found)


def test_files():
    image = torch.randint(0, 256, (3, 15, 17), dtype=torch.uint8)
    png = torchvision.io.encode_png(image)
    assert_same(image, our_io.decode_image(to_ours(png)))
    jpeg = torchvision.io.encode_jpeg(image, 90)
    for mode in ("UNCHANGED", "RGB", "GRAY"):
        wanted = torchvision.io.decode_jpeg(jpeg, torchvision.io.ImageReadMode[mode])
        assert_same(wanted, our_io.decode_jpeg(to_ours(jpeg), our_io.ImageReadMode[mode]))
    assert_same(jpeg, our_io.encode_jpeg(to_ours(image), 90))
