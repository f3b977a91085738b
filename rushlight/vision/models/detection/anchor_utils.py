"""The boxes that detectors start from."""

from __future__ import annotations

import math

import rushlight as torch

from .... import Tensor, arange, as_tensor, cat, meshgrid, nn, stack, tensor
from .... import device as Device
from .... import dtype as DType
from .image_list import ImageList

_CPU = Device("cpu")


class AnchorGenerator(nn.Module):
    """Boxes of `sizes` and `aspect_ratios` (height over width) around each element of each map."""

    def __init__(self, sizes=((128, 256, 512),), aspect_ratios=((0.5, 1.0, 2.0),)):
        super().__init__()
        if not isinstance(sizes[0], (list, tuple)):
            sizes = tuple((s,) for s in sizes)
        if not isinstance(aspect_ratios[0], (list, tuple)):
            aspect_ratios = (aspect_ratios,) * len(sizes)
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.cell_anchors = [
            self.generate_anchors(size, ratio) for size, ratio in zip(sizes, aspect_ratios)
        ]

    def generate_anchors(
        self,
        scales: list[int],
        aspect_ratios: list[float],
        dtype: DType = torch.float32,
        device: Device = _CPU,
    ) -> Tensor:
        """The boxes around the origin, rounded to whole pixels."""
        scale = as_tensor(scales, dtype=dtype, device=device)
        tall = as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()
        wide = 1 / tall
        w = (wide[:, None] * scale[None, :]).view(-1)
        h = (tall[:, None] * scale[None, :]).view(-1)
        return (stack([-w, -h, w, h], dim=1) / 2).round()

    def set_cell_anchors(self, dtype: DType, device: Device) -> None:
        """Bring the boxes to a dtype and device."""
        self.cell_anchors = [a.to(dtype=dtype, device=device) for a in self.cell_anchors]

    def num_anchors_per_location(self) -> list[int]:
        """How many boxes each element of each map has."""
        return [len(s) * len(a) for s, a in zip(self.sizes, self.aspect_ratios)]

    def grid_anchors(
        self, grid_sizes: list[list[int]], strides: list[list[Tensor]]
    ) -> list[Tensor]:
        """The boxes of each map, row by row."""
        if not len(grid_sizes) == len(strides) == len(self.cell_anchors):
            raise AssertionError(
                "Anchors should be Tuple[Tuple[int]] because each feature map could potentially "
                "have different sizes and aspect ratios. There needs to be a match between the "
                "number of feature maps passed and the number of sizes / aspect ratios specified."
            )
        anchors = []
        for size, stride, base in zip(grid_sizes, strides, self.cell_anchors):
            x = arange(0, size[1], dtype=torch.int32, device=base.device) * stride[1]
            y = arange(0, size[0], dtype=torch.int32, device=base.device) * stride[0]
            rows, columns = meshgrid(y, x, indexing="ij")
            x, y = columns.reshape(-1), rows.reshape(-1)
            shifts = stack((x, y, x, y), dim=1)
            anchors.append((shifts.view(-1, 1, 4) + base.view(1, -1, 4)).reshape(-1, 4))
        return anchors

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """The boxes of each image, those of all maps one after the other."""
        sizes = [m.shape[-2:] for m in feature_maps]
        height, width = image_list.tensors.shape[-2:]
        strides = [
            [
                tensor(height // size[0], dtype=torch.int64),
                tensor(width // size[1], dtype=torch.int64),
            ]
            for size in sizes
        ]
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        boxes = cat(self.grid_anchors(sizes, strides))
        return [boxes.clone() if i else boxes for i in range(len(image_list.image_sizes))]


class DefaultBoxGenerator(nn.Module):
    """SSD's boxes (Liu et al. 2016, section 2.2): a scale for each map, several proportions."""

    def __init__(
        self,
        aspect_ratios: list[list[int]],
        min_ratio: float = 0.15,
        max_ratio: float = 0.9,
        scales: list[float] | None = None,
        steps: list[int] | None = None,
        clip: bool = True,
    ):
        super().__init__()
        if steps is not None and len(aspect_ratios) != len(steps):
            raise ValueError("aspect_ratios and steps should have the same length")
        self.aspect_ratios = aspect_ratios
        self.steps = steps
        self.clip = clip
        count = len(aspect_ratios)
        if scales is not None:
            self.scales = scales
        elif count > 1:
            spread = max_ratio - min_ratio
            self.scales = [min_ratio + spread * k / (count - 1.0) for k in range(count)] + [1.0]
        else:
            self.scales = [min_ratio, max_ratio]
        self._wh_pairs = self._generate_wh_pairs(count)

    def _generate_wh_pairs(
        self, num_outputs: int, dtype: DType = torch.float32, device: Device = _CPU
    ) -> list[Tensor]:
        """Widths and heights of each map's boxes."""
        found = []
        for k in range(num_outputs):
            size, between = self.scales[k], math.sqrt(self.scales[k] * self.scales[k + 1])
            pairs = [[size, size], [between, between]]
            for ratio in self.aspect_ratios[k]:
                root = math.sqrt(ratio)
                w, h = size * root, size / root
                pairs += [[w, h], [h, w]]
            found.append(as_tensor(pairs, dtype=dtype, device=device))
        return found

    def num_anchors_per_location(self) -> list[int]:
        """How many boxes each element of each map has."""
        return [2 + 2 * len(ratios) for ratios in self.aspect_ratios]

    def _grid_default_boxes(
        self, grid_sizes: list[list[int]], image_size: list[int], dtype: DType = torch.float32
    ) -> Tensor:
        """Centres, widths and heights of all boxes, as shares of the image."""
        boxes = []
        for k, size in enumerate(grid_sizes):
            rows, columns = float(size[0]), float(size[1])
            if self.steps is not None:
                rows, columns = image_size[0] / self.steps[k], image_size[1] / self.steps[k]
            x = ((arange(0, size[1]) + 0.5) / columns).to(dtype=dtype)
            y = ((arange(0, size[0]) + 0.5) / rows).to(dtype=dtype)
            down, across = meshgrid(y, x, indexing="ij")
            pairs = self._wh_pairs[k].clamp(min=0, max=1) if self.clip else self._wh_pairs[k]
            centre = [across.reshape(-1), down.reshape(-1)]
            centres = stack(centre * len(pairs), dim=-1).reshape(-1, 2)
            boxes.append(cat((centres, pairs.repeat((size[0] * size[1]), 1)), dim=1))
        return cat(boxes, dim=0)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(aspect_ratios={self.aspect_ratios}, clip={self.clip}, "
            f"scales={self.scales}, steps={self.steps})"
        )

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """The boxes of each image in pixels, as x1, y1, x2, y2."""
        sizes = [m.shape[-2:] for m in feature_maps]
        image_size = image_list.tensors.shape[-2:]
        boxes = self._grid_default_boxes(sizes, image_size, dtype=feature_maps[0].dtype)
        boxes = boxes.to(feature_maps[0].device)
        pixels = tensor([image_size[1], image_size[0]], device=boxes.device)
        corners = (
            (boxes[:, :2] - 0.5 * boxes[:, 2:]) * pixels,
            (boxes[:, :2] + 0.5 * boxes[:, 2:]) * pixels,
        )
        found = cat(corners, -1)
        return [found.clone() if i else found for i in range(len(image_list.image_sizes))]
