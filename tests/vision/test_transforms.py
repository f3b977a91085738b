"""Transforms: PIL images, conversions, texts, errors, and what a day's programs do with them."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import transforms as T
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms import v2


def picture(mode="RGB", height=6, width=8):
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = (np.arange(height * width * channels) * 37 % 251).astype(np.uint8)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(values.reshape(shape))


def test_to_tensor_scales_bytes_and_keeps_the_rest():
    image = picture()
    tensor = T.ToTensor()(image)
    assert tensor.shape == (3, 6, 8) and tensor.dtype == torch.float32
    assert tensor[1, 2, 3].item() == np.asarray(image)[2, 3, 1] / np.float32(255)
    assert torch.equal(T.PILToTensor()(image).float() / 255, tensor)
    wide = T.ToTensor()(Image.fromarray(np.array([[1, 2]], np.int32)))
    assert wide.dtype == torch.int32 and wide.tolist() == [[[1, 2]]]
    black_and_white = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert T.ToTensor()(black_and_white).tolist() == [[[0.0, 1.0]]]
    array = np.arange(12, dtype=np.float64).reshape(2, 2, 3)
    assert T.ToTensor()(array).tolist() == array.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_pil_images_come_back_as_they_were(mode):
    image = picture("L") if mode == "LA" else picture(mode)
    image = image.convert("LA") if mode == "LA" else image
    back = F.to_pil_image(F.pil_to_tensor(image))
    assert back.mode == image.mode and back.tobytes() == image.tobytes()


def test_normalize():
    x = torch.rand(3, 4, 5)
    y = T.Normalize((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))(x)
    for c, (m, s) in enumerate(((0.5, 0.1), (0.4, 0.2), (0.3, 0.3))):
        assert torch.allclose(y[c], (x[c] - m) / s)
    with pytest.raises(ValueError, match="std evaluated to zero"):
        F.normalize(x, [0.0], [0.0])
    with pytest.raises(TypeError, match="should be a float tensor"):
        F.normalize(torch.ones(3, 2, 2, dtype=torch.uint8), [0.0], [1.0])
    inplace = x.clone()
    assert F.normalize(inplace, [0.0] * 3, [2.0] * 3, inplace=True) is inplace


def test_texts():
    pipeline = T.Compose([T.Resize(8), T.ToTensor(), T.Normalize((0.5,), (0.5,))])
    assert repr(pipeline) == (
        "Compose(\n"
        "    Resize(size=8, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    ToTensor()\n"
        "    Normalize(mean=(0.5,), std=(0.5,))\n"
        ")"
    )
    assert repr(T.RandomResizedCrop(224)) == (
        "RandomResizedCrop(size=(224, 224), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
        "interpolation=bilinear, antialias=True)"
    )
    assert repr(T.RandomAffine(10, fill=3)) == "RandomAffine(degrees=[-10.0, 10.0], fill=3)"
    assert repr(T.RandomPosterize(2)) == "RandomPosterize(bits=2,p=0.5)"
    assert repr(T.RandomApply([T.ToTensor()])) == "RandomApply(\n    p=0.5\n    ToTensor()\n)"
    assert repr(v2.RandomHorizontalFlip()) == "RandomHorizontalFlip(p=0.5)"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: F.resize(x, [1, 2, 3]), ValueError, "1 or 2 element tuple/list"),
        (lambda x: F.resize(x, 2, max_size=1), ValueError, "strictly greater than"),
        (lambda x: F.resize(x, 2, "bilinear"), TypeError, "Argument interpolation should be"),
        (lambda x: F.pad(x, [1, 2, 3]), ValueError, "1, 2, or 4 element tuple"),
        (lambda x: F.pad(x, 1, padding_mode="x"), ValueError, "Padding mode should be either"),
        (lambda x: F.affine(x, 1, [0, 0], 0, 0), ValueError, "scale should be positive"),
        (lambda x: F.adjust_hue(x, 0.6), ValueError, r"is not in \[-0.5, 0.5\]"),
        (lambda x: F.adjust_contrast(x, -1), ValueError, "is not non-negative"),
        (lambda x: F.gaussian_blur(x, 2), ValueError, "odd and positive"),
        (lambda x: F.posterize(x, 3), TypeError, "Only torch.uint8 image tensors"),
        (lambda x: F.solarize(x, 3), TypeError, "less than bound of img"),
        (lambda x: F.five_crop(x, 50), ValueError, "bigger than input size"),
        (lambda x: F.hflip(3), TypeError, "img should be PIL Image"),
        (lambda x: F.to_tensor(3), TypeError, "pic should be PIL Image or ndarray"),
        (lambda x: F.to_pil_image(torch.rand(5, 2, 2)), ValueError, "4 channels"),
        (lambda x: F.to_pil_image(x, "L"), ValueError, "Only modes"),
        (lambda x: F.convert_image_dtype(x, torch.int32), RuntimeError, "performed safely"),
        (lambda x: T.RandomCrop(99)(x), ValueError, "larger than input image size"),
        (lambda x: T.ColorJitter(-1), ValueError, "must be non negative"),
        (lambda x: T.RandomErasing(value="x"), ValueError, "it should be 'random'"),
        (lambda x: T.RandomRotation(-5), ValueError, "it must be positive"),
        (lambda x: T.Lambda(3), TypeError, "should be callable"),
        (lambda x: T.RandAugment()(x), TypeError, "uint8|bound"),
    ],
)
def test_misuse(call, error, words):
    torch.manual_seed(6)
    with pytest.raises(error, match=words):
        for _ in range(30):
            call(torch.rand(3, 6, 8))


def test_sizes():
    image = picture(height=10, width=20)
    assert F.get_dimensions(image) == [3, 10, 20] and F.get_image_size(image) == [20, 10]
    assert F.resize(image, 5).size == (10, 5)
    assert F.resize(image, 5, max_size=8).size == (8, 4)
    assert F.resize(image, [7, 3]).size == (3, 7)
    assert F.center_crop(image, 30).size == (30, 30)
    assert [crop.size for crop in T.TenCrop(4)(image)] == [(4, 4)] * 10
    assert F.rotate(image, 90, expand=True).size == (10, 20)


def test_tensors_and_pil_images_get_the_same_parameters():
    image = picture(height=24, width=20)
    for transform in (T.RandomCrop(9), T.RandomHorizontalFlip(), T.RandomResizedCrop(24, (1, 1))):
        torch.manual_seed(3)
        a = F.pil_to_tensor(transform(image))
        torch.manual_seed(3)
        b = transform(F.pil_to_tensor(image))
        assert a.shape == b.shape
        if not isinstance(transform, T.RandomResizedCrop):
            assert torch.equal(a, b)


def test_choices_among_transforms():
    double, triple = T.Lambda(lambda x: x * 2), T.Lambda(lambda x: x * 3)
    random.seed(0)
    results = {T.RandomChoice([double, triple])(1) for _ in range(20)}
    assert results == {2, 3}
    assert T.RandomChoice([double, triple], p=[0, 1])(1) == 3
    assert T.RandomOrder([double, triple])(1) == 6
    assert T.RandomApply([double], p=0.0)(1) == 1 and T.RandomApply([double], p=1.0)(1) == 2


def test_pil_modes():
    palette = picture().quantize(16)
    assert F.pad(palette, 1).mode == "P" and F.pad(palette, 1).size == (10, 8)
    assert F.adjust_hue(picture(), 0.0).mode == "RGB"
    grey = picture("L")
    assert F.adjust_hue(grey, 0.2).tobytes() == grey.tobytes()
    assert F.to_grayscale(picture(), 3).mode == "RGB"
    assert F.gaussian_blur(grey, 3).mode == "L"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        F.resize(grey, 3, antialias=False)
    assert "Anti-alias option is always applied" in str(seen[0].message)


def test_gradients_pass_through_tensors():
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    F.affine(F.resize(x, [6, 6]), 10, [1, 0], 1.1, 0, F.InterpolationMode.BILINEAR).sum().backward()
    assert x.grad.abs().sum() > 0


def test_import_brings_neither_numpy_nor_pillow():
    import subprocess
    import sys

    code = (
        "import sys, rushlight.vision.transforms as T; T.Compose([T.Resize(3), T.ToTensor()]);"
        "assert not {'numpy', 'PIL'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_pillow_the_error_says_what_to_install():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import rushlight as torch\n"
        "from rushlight.vision import transforms, utils\n"
        "transforms.Resize(3)(torch.rand(3, 5, 5)); utils.make_grid(torch.rand(2, 3, 4, 4))\n"
        "try: transforms.ToPILImage()(torch.rand(3, 5, 5))\n"
        "except ImportError as error: assert 'pip install rushlight[vision]' in str(error)\n"
        "else: sys.exit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
