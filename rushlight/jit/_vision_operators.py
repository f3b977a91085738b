"""The operators of torchvision's library, which programs with detection models call."""

from __future__ import annotations

from functools import cache

_FORMS = """
nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, \
SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor
roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, \
SymInt pooled_width) -> (Tensor, Tensor)
deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, \
SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, \
SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor
""".strip().splitlines()


@cache
def register_all() -> None:
    """Add them to the registry, once."""
    from ..vision.ops import _namespace
    from ._registry import register

    for form in _FORMS:
        register("torchvision::" + form, getattr(_namespace, form.partition("(")[0]))
