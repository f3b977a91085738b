"""Calls of transforms that goldens and comparisons with torchvision share; plain data alone."""

from __future__ import annotations

H, W = 11, 14
CORNERS = [[0, 0], [W - 1, 0], [W - 1, H - 1], [0, H - 1]]
MOVED = [[1, 2], [W - 3, 1], [W - 1, H - 3], [2, H - 1]]

# (function, arguments); interpolation modes by name.
FUNCTIONAL = [
    ("hflip", {}),
    ("vflip", {}),
    ("crop", {"top": -2, "left": 3, "height": 9, "width": 15}),
    ("center_crop", {"output_size": [5, 20]}),
    ("resized_crop", {"top": 1, "left": 2, "height": 7, "width": 9, "size": [5, 6]}),
    ("pad", {"padding": [1, 2, 3, 0], "fill": 7}),
    ("pad", {"padding": 2, "padding_mode": "edge"}),
    ("pad", {"padding": [3, 1], "padding_mode": "reflect"}),
    ("pad", {"padding": [3, 1], "padding_mode": "symmetric"}),
    ("resize", {"size": [6, 20]}),
    ("resize", {"size": 7, "max_size": 8}),
    ("resize", {"size": [23, 5], "interpolation": "nearest"}),
    ("resize", {"size": [4, 31], "interpolation": "bicubic"}),
    ("resize", {"size": [4, 9], "antialias": False}),
    ("affine", {"angle": 30, "translate": [2, -1], "scale": 1.2, "shear": [10, -5]}),
    (
        "affine",
        {"angle": -70, "translate": [0, 1], "scale": 0.7, "shear": 20, "center": [2, 3],
         "interpolation": "bilinear", "fill": 9},
    ),
    ("rotate", {"angle": 90}),
    ("rotate", {"angle": 33, "expand": True, "interpolation": "bilinear"}),
    ("perspective", {"startpoints": CORNERS, "endpoints": MOVED}),
    ("perspective", {"startpoints": CORNERS, "endpoints": MOVED, "interpolation": "nearest"}),
    ("gaussian_blur", {"kernel_size": [3, 5], "sigma": [0.8, 1.5]}),
    ("adjust_brightness", {"brightness_factor": 1.4}),
    ("adjust_contrast", {"contrast_factor": 0.6}),
    ("adjust_saturation", {"saturation_factor": 1.7}),
    ("adjust_hue", {"hue_factor": 0.3}),
    ("adjust_gamma", {"gamma": 0.7, "gain": 1.1}),
    ("adjust_sharpness", {"sharpness_factor": 2.5}),
    ("rgb_to_grayscale", {"num_output_channels": 3}),
    ("invert", {}),
    ("posterize", {"bits": 3}),
    ("solarize", {"threshold": 100}),
    ("autocontrast", {}),
    ("equalize", {}),
]  # fmt: skip

# (class, positional arguments, keyword arguments)
RANDOM = [
    ("RandomResizedCrop", (9,), {}),
    ("RandomCrop", (8,), {"padding": 2, "pad_if_needed": True}),
    ("RandomHorizontalFlip", (), {}),
    ("RandomVerticalFlip", (0.4,), {}),
    ("RandomPerspective", (0.5, 0.9), {}),
    ("RandomAffine", ((-10, 50), (0.1, 0.2), (0.5, 2), (-1, 1, -5, 5)), {"fill": 4}),
    ("RandomRotation", (40,), {"expand": True}),
    ("ColorJitter", (0.4, 0.3, 0.2, 0.1), {}),
    ("RandomGrayscale", (0.5,), {}),
    ("RandomErasing", (0.9,), {}),
    ("RandomErasing", (0.9,), {"value": "random"}),
    ("GaussianBlur", ((3, 5),), {}),
    ("RandomInvert", (), {}),
    ("RandomPosterize", (3,), {}),
    ("RandomSolarize", (100,), {}),
    ("RandomAdjustSharpness", (2,), {}),
    ("RandomAutocontrast", (), {}),
    ("RandomEqualize", (), {}),
    ("ElasticTransform", ([30.0, 20.0], [0.6, 1.0]), {}),
    ("AutoAugment", (), {}),
    ("RandAugment", (), {}),
    ("TrivialAugmentWide", (), {}),
    ("AugMix", (), {}),
]

PLAIN = [
    ("Resize", (9,), {}),
    ("CenterCrop", (10,), {}),
    ("Pad", ((1, 2, 3, 4),), {"padding_mode": "reflect"}),
    ("FiveCrop", (5,), {}),
    ("TenCrop", ((5, 6),), {"vertical_flip": True}),
    ("Grayscale", (), {}),
]


def image_values():
    """The bytes of an image (3, H, W), smooth enough to be like a photograph."""
    return [
        (37 * c + 11 * y + 5 * x + (x * y * (c + 2)) % 23) % 256
        for c in range(3)
        for y in range(H)
        for x in range(W)
    ]
