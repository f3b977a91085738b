"""RoIAlign: features of regions by bilinear sampling (He et al. 2017)."""

from __future__ import annotations

from ... import Tensor, nn
from ..._stays_call import stays_call
from ._kernels import vision_roi_align
from ._utils import as_rois, in_float, pair


@stays_call
def roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Means of bilinear samples over the bins of regions: (K, C, *output_size).

    `input` (N, C, H, W); `boxes` (K, 5) as image, x1, y1, x2, y2, or a list of (L, 4), one per
    image. `spatial_scale` maps boxes to the input. A bin has `sampling_ratio` samples each way, or
    as many as it has pixels when that is not positive. `aligned` shifts boxes by half a pixel.
    """
    height, width = pair(output_size)
    return in_float(
        vision_roi_align,
        input,
        as_rois(boxes),
        spatial_scale=spatial_scale,
        height=height,
        width=width,
        ratio=sampling_ratio,
        aligned=aligned,
        by_position=False,
    )


class RoIAlign(nn.Module):
    """`roi_align` as a layer."""

    def __init__(
        self,
        output_size: int | tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """The features of the regions."""
        return roi_align(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned
        )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}, "
            f"aligned={self.aligned})"
        )
