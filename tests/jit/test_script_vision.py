"""torch.jit.script of vision: models, operators on boxes, transforms of tensors."""

import warnings

import pytest

import rushlight as torch
from rushlight import nn, vision
from rushlight.vision import ops
from rushlight.vision import transforms as T

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
SCORES = torch.tensor([0.9, 0.8, 0.7])


def equal(a, b) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(v, b[k]) for k, v in a.items())
    return a.shape == b.shape and torch.allclose(a.float(), b.float(), atol=1e-4)


def image(*shape):
    torch.manual_seed(0)
    return torch.rand(*shape)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small", "swin_t"])
def test_models(name):
    model = getattr(vision.models, name)(weights=None).eval()
    x = image(1, 3, 64, 64)
    with torch.no_grad():
        assert equal(model(x), torch.jit.script(model)(x))


def test_models_with_side_outputs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = vision.models.googlenet(weights=None, init_weights=False).eval()
        x = image(1, 3, 64, 64)
        with torch.no_grad():
            found = torch.jit.script(model)(x)
            assert equal(model(x), found.logits) and found.aux_logits1 is None


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (ops.nms, (BOXES, SCORES, 0.5)),
        (ops.batched_nms, (BOXES, SCORES, torch.tensor([0, 1, 0]), 0.5)),
        (ops.box_iou, (BOXES, BOXES)),
        (ops.generalized_box_iou, (BOXES, BOXES)),
        (ops.box_convert, (BOXES, "xyxy", "cxcywh")),
        (ops.roi_align, (image(1, 3, 32, 32), [BOXES], [2, 2])),
        (ops.deform_conv2d, (image(1, 3, 8, 8), image(1, 18, 6, 6), image(2, 3, 3, 3))),
    ],
)
def test_operators(function, args):
    compiled = torch.jit.script(function)
    assert equal(function(*args), compiled(*args))


def test_non_maximum_suppression_is_an_operator():
    assert "torchvision::nms" in str(torch.jit.script(ops.nms).graph)


def test_pyramids():
    pyramid = ops.FeaturePyramidNetwork([3, 3], 4)
    maps = {"a": image(1, 3, 16, 16), "b": image(1, 3, 8, 8)}
    assert equal(pyramid(maps), torch.jit.script(pyramid)(maps))
    pooler = ops.MultiScaleRoIAlign(["a", "b"], 2, 2)
    args = maps, [BOXES], [(32, 32)]
    assert equal(pooler(*args), torch.jit.script(pooler)(*args))


@pytest.mark.parametrize(
    "transform",
    [
        nn.Sequential(T.CenterCrop(10), T.Normalize((0.5, 0.5, 0.5), (0.2, 0.3, 0.4))),
        T.Resize(10), T.Resize([9, 12]), T.CenterCrop(40), T.Pad([1, 2], padding_mode="reflect"),
        T.Pad(2, fill=1), T.Grayscale(3), T.RandomHorizontalFlip(), T.RandomCrop(10, padding=2),
        T.RandomResizedCrop(10), T.ColorJitter(0.2, 0.2, 0.2), T.GaussianBlur(3),
        T.RandomInvert(1.0),
    ],
)  # fmt: skip
def test_transforms(transform):
    x = image(3, 20, 24)
    compiled = torch.jit.script(transform)
    torch.manual_seed(1)
    wanted = transform(x)
    torch.manual_seed(1)
    assert equal(wanted, compiled(x))


def test_transforms_of_bytes():
    x = (image(3, 20, 24) * 255).to(torch.uint8)
    compiled = torch.jit.script(nn.Sequential(T.Resize(10), T.ConvertImageDtype(torch.float32)))
    assert equal(T.ConvertImageDtype(torch.float32)(T.Resize(10)(x)), compiled(x))
