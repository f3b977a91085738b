"""`torch.ops.torchvision`: operators under the names and signatures of its library."""

from __future__ import annotations

from ... import Tensor
from ._kernels import vision_roi_pool
from .boxes import nms
from .deform_conv import deform_conv2d as _deform_conv2d
from .roi_align import roi_align as _roi_align

__all__ = ["deform_conv2d", "nms", "roi_align", "roi_pool"]


def roi_align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """See `ops.roi_align`."""
    size = pooled_height, pooled_width
    return _roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned)


def roi_pool(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[Tensor, Tensor]:
    """See `ops.roi_pool`; also where in its plane each largest element is, -1 for none."""
    values, where = vision_roi_pool(input, rois, spatial_scale, pooled_height, pooled_width)
    return values, where.int()


def deform_conv2d(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Tensor:
    """See `ops.deform_conv2d`; the groups follow from the shapes."""
    return _deform_conv2d(
        input,
        offset,
        weight,
        bias,
        stride=(stride_h, stride_w),
        padding=(pad_h, pad_w),
        dilation=(dilation_h, dilation_w),
        mask=mask if use_mask else None,
    )
