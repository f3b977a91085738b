"""Position-sensitive RoIPool (Dai et al. 2016, R-FCN)."""

from __future__ import annotations

from ... import Tensor, nn
from ..._stays_call import stays_call
from ._kernels import vision_ps_roi_pool
from ._utils import as_rois, in_float, pair


@stays_call
def ps_roi_pool(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Means over bins, each bin from channels of its own.

    `input` (N, C, H, W) gives (K, C / (PH PW), PH, PW); see `roi_pool` for the other arguments.
    """
    height, width = pair(output_size)
    rois = as_rois(boxes)
    return in_float(
        vision_ps_roi_pool, input, rois, spatial_scale=spatial_scale, height=height, width=width
    )


class PSRoIPool(nn.Module):
    """`ps_roi_pool` as a layer."""

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """The features of the regions."""
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale})"
        )
