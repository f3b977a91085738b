"""Where random calls and PyTorch are known to differ, and why: (name, kind): reason.

Only silent differences are listed: results, shapes and dtypes that a program would not notice.
"""

from __future__ import annotations

import re

SILENT = (
    "crash",
    "value",
    "shape",
    "dtype",
    "count",
    "type",
    "argument value",
    "argument shape",
    "argument dtype",
    "gradient value",
    "gradient shape",
    "gradient dtype",
)

KNOWN = {
    # PyTorch gives memory that it never wrote, or a shape that is not the one asked for.
    ("nn.functional.multi_margin_loss", "value"): "no rows: PyTorch's mean is what memory held",
    ("nn.functional.pad", "value"): "negative circular pads: PyTorch leaves memory unwritten",
    ("nn.functional.(max_unpool|interpolate|pixel_).*", "shape"): "PyTorch keeps sizes of no rows",
    ("nn.functional.(batch|instance)_norm", "gradient value"): "broadcast statistics: unwritten",
    (".*addmv_?|nanmean", "shape"): "matrices without rows: PyTorch does not broadcast",
    (".*conv.*", "shape"): "no channels: PyTorch gives none, not even the bias",
    # The order of terms, or of steps, shows.
    (".*conv.*", "(gradient )?value"): "0 * inf in the padding: PyTorch's depends on the algorithm",
    ("(nan)?quantile", "gradient value"): "which of equal elements: PyTorch's sort is not stable",
    (
        "(std|var)(_mean)?|nn.functional.(batch|group|instance|layer|rms)_norm",
        "(gradient |argument )?value",
    ): "infinities, and halves of one element: Welford or two passes",
    (".*logit", "gradient value"): "the sign of an infinite slope at -0.0",
    ("mode|unique.*", "(gradient )?value"): "NaN: PyTorch's order there has no rule",
    ("(nan)?median", "value"): "medians of no integers",
    ("linspace|logspace", "value"): "integers: PyTorch rounds the ends first",
    ("nn.functional.max_pool3d", "gradient value"): "PyTorch mistakes channels_last_3d gradients",
    ("(op.)?acosh", "gradient value"): "complex numbers on the branch cut",
    ("(op.|Tensor.)?(logit|hypot)_?", "(gradient )?value"): "steps of half types that are rounded",
    ("(op.|Tensor.)?gcd_?", "value"): "the smallest integer has no magnitude",
    (".*(fmod|remainder|mod__).*", "(gradient )?value"): "quotients beyond the digits of the type",
    ("signbit|(op.|Tensor.)?copysign_?", "value"): "the sign of a NaN that was converted",
    ("nn.functional.grid_sample", "(gradient )?value"): "borders times infinity; half weights",
    ("nn.functional.embedding_bag", "(gradient )?value"): "PyTorch scales by frequency twice",
    ("(op.)?(addmm|addmv|addbmm|baddbmm)", "(gradient )?value"): "alpha 0 of halves reads matrices",
    ("(op.)?sinc", "gradient value"): "squares of numbers near the largest and the smallest",
    ("cumprod|Tensor.__rtruediv__", "(gradient )?value"): "infinities times zeros",
    (".*pow.*", "(gradient )?value"): "complex powers of infinities",
    (
        "norm|linalg.vector_norm|nn.functional.(normalize|cosine_sim.*|lp_pool.*|pairwise_distance)",
        "(gradient )?value",
    ): "gradients at NaN and at zero vectors",
    ("(op.|Tensor.)?(scatter|index)_reduce_?|(op.)?renorm", ".*value"): "NaN and overflow",
    (
        "nn.functional.(hard.*|relu6|softshrink|elu|celu|selu)|op.hard.*",
        "gradient value",
    ): "NaN: the tails of PyTorch's vectors differ from their middles",
    ("nn.functional.cross_entropy", "gradient value"): "NaN times a weight of zero",
    ("Tensor.put_", ".*value"): "the last of several writes to one place",
}


def known(name, kind):
    """The reason why a difference is let pass, or None."""
    for (names, kinds), reason in KNOWN.items():
        if re.fullmatch(names, name) and re.fullmatch(kinds, kind):
            return reason
    return None
