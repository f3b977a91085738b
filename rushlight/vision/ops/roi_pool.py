"""RoIPool: features of regions by their largest elements (Girshick 2015)."""

from __future__ import annotations

from ... import Tensor, nn
from ..._stays_call import stays_call
from ._kernels import vision_roi_pool
from ._utils import as_rois, in_float, pair


def _values(*args, **keywords) -> Tensor:
    return vision_roi_pool(*args, **keywords)[0]


@stays_call
def roi_pool(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """The largest elements over the bins of regions: (K, C, *output_size).

    `input` (N, C, H, W); `boxes` (K, 5) as image, x1, y1, x2, y2, or a list of (L, 4), one per
    image; they are rounded to whole pixels after `spatial_scale`.
    """
    height, width = pair(output_size)
    rois = as_rois(boxes)
    return in_float(_values, input, rois, spatial_scale=spatial_scale, height=height, width=width)


class RoIPool(nn.Module):
    """`roi_pool` as a layer."""

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """The features of the regions."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale})"
        )
