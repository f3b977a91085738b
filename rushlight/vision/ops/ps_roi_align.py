"""Position-sensitive RoIAlign (Li et al. 2017, Light-Head R-CNN)."""

from __future__ import annotations

from ... import Tensor, nn
from ..._stays_call import stays_call
from ._kernels import vision_roi_align
from ._utils import as_rois, in_float, pair


@stays_call
def ps_roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """Means of bilinear samples over bins, each bin from channels of its own.

    `input` (N, C, H, W) gives (K, C / (PH PW), PH, PW); see `roi_align` for the other arguments.
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
        aligned=True,
        by_position=True,
    )


class PSRoIAlign(nn.Module):
    """`ps_roi_align` as a layer."""

    def __init__(
        self, output_size: int | tuple[int, int], spatial_scale: float, sampling_ratio: int
    ):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """The features of the regions."""
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio})"
        )
