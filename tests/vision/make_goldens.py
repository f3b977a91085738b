"""Write goldens.json: what torchvision makes of `transform_cases`. Needs torchvision."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import torch
import torchvision.transforms as v1
import torchvision.transforms.v2 as v2
from transform_cases import FUNCTIONAL, RANDOM, H, W, image_values

SEEDS = {"v1": 2, "v2": 1}


def packed(tensor):
    """A tensor of bytes as [shape, text]."""
    raw = bytes(tensor.contiguous().flatten().tolist())
    return [list(tensor.shape), base64.b64encode(zlib.compress(raw, 9)).decode()]


def modes(kwargs):
    """The arguments with interpolation modes instead of their names."""
    name = kwargs.get("interpolation")
    return kwargs if name is None else {**kwargs, "interpolation": v1.InterpolationMode(name)}


def main():
    image = torch.tensor(image_values(), dtype=torch.uint8).view(3, H, W)
    found = {}
    for generation, module in (("v1", v1), ("v2", v2)):
        for i, (name, kwargs) in enumerate(FUNCTIONAL):
            result = getattr(module.functional, name)(image, **modes(kwargs))
            found[f"{generation} {i} {name}"] = packed(result)
        for i, (name, args, kwargs) in enumerate(RANDOM):
            transform = getattr(module, name)(*args, **kwargs)
            for seed in range(SEEDS[generation]):
                torch.manual_seed(seed)
                found[f"{generation} {i} {name} {seed}"] = packed(transform(image.clone()))
    Path(__file__).with_name("goldens.json").write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
