"""Transforms of both generations against stored results of torchvision 0.28."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import pytest
from transform_cases import FUNCTIONAL, PLAIN, RANDOM, H, W, image_values

import rushlight as torch
from rushlight.vision import transforms as v1
from rushlight.vision.transforms import v2

GOLDENS = json.loads(Path(__file__).with_name("goldens.json").read_text())
GENERATIONS = {"v1": v1, "v2": v2}


def image():
    return torch.tensor(image_values(), dtype=torch.uint8).view(3, H, W)


def stored(name):
    shape, text = GOLDENS[name]
    raw = bytearray(zlib.decompress(base64.b64decode(text)))
    return torch.frombuffer(raw, dtype=torch.uint8).view(*shape)


def assert_nearly_equal(found, name):
    """Equal but for a few values that rounding makes one more or less."""
    wanted = stored(name)
    assert found.dtype == torch.uint8 and found.shape == wanted.shape
    apart = (found.to(torch.int64) - wanted.to(torch.int64)).abs()
    assert int(apart.max()) <= 1 and float((apart > 0).float().mean()) < 0.02, name


def modes(kwargs):
    name = kwargs.get("interpolation")
    return kwargs if name is None else {**kwargs, "interpolation": v1.InterpolationMode(name)}


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("i", range(len(FUNCTIONAL)), ids=lambda i: FUNCTIONAL[i][0])
def test_functions(generation, i):
    name, kwargs = FUNCTIONAL[i]
    result = getattr(GENERATIONS[generation].functional, name)(image(), **modes(kwargs))
    assert_nearly_equal(result, f"{generation} {i} {name}")


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("i", range(len(RANDOM)), ids=lambda i: RANDOM[i][0])
def test_random_transforms_draw_what_torchvision_draws(generation, i):
    name, args, kwargs = RANDOM[i]
    transform = getattr(GENERATIONS[generation], name)(*args, **kwargs)
    for seed in range({"v1": 2, "v2": 1}[generation]):
        torch.manual_seed(seed)
        assert_nearly_equal(transform(image()), f"{generation} {i} {name} {seed}")


@pytest.mark.parametrize("i", range(len(PLAIN)), ids=lambda i: PLAIN[i][0])
def test_classes_are_their_functions(i):
    name, args, kwargs = PLAIN[i]
    transform = getattr(v1, name)(*args, **kwargs)
    again = getattr(v2, name)(*args, **kwargs)
    first, second = transform(image()), again(image())
    several = isinstance(first, tuple)
    for a, b in zip(first, second) if several else [(first, second)]:
        assert a.shape == b.shape
        # The second generation resizes bytes as bytes.
        assert int((a.long() - b.long()).abs().max()) <= 1
