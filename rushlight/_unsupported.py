"""Names of PyTorch that rushlight leaves out on purpose: what calling one says.

One table for quantised, nested and device-only functions; `torch.<name>` and `Tensor.<name>` are
made from it on first use.
"""

from __future__ import annotations

_QUANTISED = (
    "quantised tensors are not part of rushlight: keep integers and their scale as two tensors, "
    "or round with torch.fake_quantize_per_tensor_affine"
)
_NESTED = (
    "nested tensors are not part of rushlight: pad with torch.nn.utils.rnn.pad_sequence and carry "
    "a mask"
)
_CPU = "there is no kernel for the CPU backend: torch.nn.functional.batch_norm works everywhere"

REASONS = (
    dict.fromkeys(
        (
            "quantize_per_tensor", "quantize_per_tensor_dynamic", "quantize_per_channel",
            "int_repr", "q_scale", "q_zero_point", "q_per_channel_scales",
            "q_per_channel_zero_points", "q_per_channel_axis", "qscheme", "empty_quantized",
            "choose_qparams_optimized", "fused_moving_avg_obs_fake_quant",
        ),
        _QUANTISED,
    )
    | dict.fromkeys(
        (
            "nested_tensor", "as_nested_tensor", "nested_tensor_from_jagged", "to_padded_tensor",
            "narrow", "masked_select",
        ),
        _NESTED,
    )
    | dict.fromkeys(
        (
            "batch_norm_stats", "batch_norm_elemt", "batch_norm_gather_stats",
            "batch_norm_gather_stats_with_counts", "batch_norm_backward_reduce",
            "batch_norm_backward_elemt",
        ),
        _CPU,
    )
    | {"native_norm": "there is no kernel for the CPU backend: use torch.linalg.vector_norm"}
    | {"record_stream": "the CPU backend has no streams: its memory is free when unused"}
    | {"to_mkldnn": "there is no opaque oneDNN layout: dense tensors use oneDNN as they are"}
)  # fmt: skip
NESTED = [n for n, why in REASONS.items() if why is _NESTED]
TENSOR = (
    "int_repr q_scale q_zero_point q_per_channel_scales q_per_channel_zero_points "
    "q_per_channel_axis qscheme to_padded_tensor record_stream to_mkldnn"
).split()
TORCH = [n for n in REASONS if n not in NESTED and n not in ("record_stream", "to_mkldnn")]


def unsupported(name: str, space: str = "torch"):
    """The function `name`, which raises NotImplementedError and says what to do instead."""

    def function(*args, **kwargs):
        raise NotImplementedError(f"{space}.{name}: {REASONS[name]}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Not offered: {REASONS[name]}."
    function.__module__ = space
    return function
