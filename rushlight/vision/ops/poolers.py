"""Features of regions from the level of a pyramid that suits their size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ... import Tensor, nn, where, zeros
from ..._stays_call import stays_call
from ._utils import convert_boxes_to_roi_format as _convert_to_roi_format
from .boxes import box_area
from .roi_align import roi_align


class LevelMapper:
    """The level of each box: equation 1 of the feature pyramid paper (Lin et al. 2017)."""

    def __init__(
        self,
        k_min: int,
        k_max: int,
        canonical_scale: int = 224,
        canonical_level: int = 4,
        eps: float = 1e-6,
    ):
        self.k_min = k_min
        self.k_max = k_max
        self.s0 = canonical_scale
        self.lvl0 = canonical_level
        self.eps = eps

    def __call__(self, boxlists: list[Tensor]) -> Tensor:
        """The level of each box of all images, from 0 for the finest."""
        from ... import cat, int64

        side = cat([box_area(boxes) for boxes in boxlists]).sqrt()
        level = (self.lvl0 + (side / self.s0).log2() + side.new_tensor(self.eps)).floor()
        return level.clamp(min=self.k_min, max=self.k_max).to(int64) - self.k_min


def initLevelMapper(
    k_min: int,
    k_max: int,
    canonical_scale: int = 224,
    canonical_level: int = 4,
    eps: float = 1e-6,
) -> LevelMapper:
    """A `LevelMapper`."""
    return LevelMapper(k_min, k_max, canonical_scale, canonical_level, eps)


def _infer_scale(feature: Tensor, original_size: list[int]) -> float:
    """The power of two that maps an image onto its features."""
    scales = [
        2 ** float(round(math.log2(float(found) / float(size))))
        for found, size in zip(feature.shape[-2:], original_size)
    ]
    return scales[0]


@stays_call
def _setup_scales(
    features: list[Tensor],
    image_shapes: list[tuple[int, int]],
    canonical_scale: int,
    canonical_level: int,
) -> tuple[list[float], LevelMapper]:
    """The scale of each level, and which level a box belongs to."""
    if not image_shapes:
        raise ValueError("images list should not be empty")
    largest = [max(shape[d] for shape in image_shapes) for d in (0, 1)]
    scales = [_infer_scale(feature, largest) for feature in features]
    first, last = -math.log2(scales[0]), -math.log2(scales[-1])
    mapper = initLevelMapper(
        int(first), int(last), canonical_scale=canonical_scale, canonical_level=canonical_level
    )
    return scales, mapper


@stays_call
def _filter_input(x: dict[str, Tensor], featmap_names: list[str]) -> list[Tensor]:
    return [v for k, v in x.items() if k in featmap_names]


@stays_call
def _multiscale_roi_align(
    x_filtered: list[Tensor],
    boxes: list[Tensor],
    output_size: list[int],
    sampling_ratio: int,
    scales: list[float] | None,
    mapper: LevelMapper | None,
) -> Tensor:
    """`roi_align` of each box on its level."""
    if scales is None or mapper is None:
        raise ValueError("scales and mapper should not be None")
    rois = _convert_to_roi_format(boxes)
    if len(x_filtered) == 1:
        return roi_align(
            x_filtered[0],
            rois,
            output_size=output_size,
            spatial_scale=scales[0],
            sampling_ratio=sampling_ratio,
        )
    levels = mapper(boxes)
    first = x_filtered[0]
    result = zeros(
        (len(rois), first.shape[1], *output_size), dtype=first.dtype, device=first.device
    )
    for level, (features, scale) in enumerate(zip(x_filtered, scales)):
        members = where(levels == level)[0]
        found = roi_align(
            features,
            rois[members],
            output_size=output_size,
            spatial_scale=scale,
            sampling_ratio=sampling_ratio,
        )
        result[members] = found.to(result.dtype)
    return result


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` on the maps named `featmap_names`, each box on the one that suits its size.

    The scales of the maps come from the sizes of the images and of the maps at the first call.
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: int | tuple[int] | list[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ):
        super().__init__()
        if isinstance(output_size, int):
            output_size = (output_size, output_size)
        if not isinstance(output_size, Sequence):
            raise TypeError(f"MultiScaleRoIAlign: output_size: got {output_size!r}")
        self.featmap_names = featmap_names
        self.sampling_ratio = sampling_ratio
        self.output_size = tuple(output_size)
        self.scales: list[float] | None = None
        self.map_levels: LevelMapper | None = None
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """The features (K, C, *output_size) of all boxes of all images."""
        maps = _filter_input(x, self.featmap_names)
        if self.scales is None or self.map_levels is None:
            self.scales, self.map_levels = _setup_scales(
                maps, image_shapes, self.canonical_scale, self.canonical_level
            )
        return _multiscale_roi_align(
            maps, boxes, self.output_size, self.sampling_ratio, self.scales, self.map_levels
        )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(featmap_names={self.featmap_names}, "
            f"output_size={self.output_size}, sampling_ratio={self.sampling_ratio})"
        )
