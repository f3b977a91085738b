"""rushlight: an independent implementation of PyTorch. `import rushlight as torch`."""

from __future__ import annotations

from . import _C
from ._device import device, get_default_device, set_default_device
from ._errors import AcceleratorError, OutOfMemoryError
from ._C import (
    Size,
    Tensor,
    bfloat16,
    bool,  # noqa: A004 (torch.bool)
    can_cast,
    complex64,
    complex128,
    dtype,
    float16,
    float32,
    float64,
    get_default_dtype,
    get_num_threads,
    int8,
    int16,
    int32,
    int64,
    is_grad_enabled,
    promote_types,
    set_num_threads,
    uint8,
)
from .op import functional_table, return_types, torch_table
from . import ops  # noqa: F401 (declares every operator)
from .tensor import (
    FORMATS,
    LAYOUTS,
    as_tensor,
    asarray,
    from_numpy,
    frombuffer,
    layout,
    memory_format,
)
from .tensor import make_tensor as tensor
from .torch_version import __version__
from .autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

globals().update({d._name: d for d in _C.dtypes})  # the rarer ones: uint16, float8_e4m3fn, ...
float, double, half, cfloat, cdouble = float32, float64, float16, complex64, complex128
chalf = _C.complex32
long, int, short = int64, int32, int16
is_inference_mode_enabled = _C.is_inference_mode
inf, nan, pi, e = (
    __builtins__["float"](x) if x in ("inf", "nan") else x
    for x in ("inf", "nan", 3.141592653589793, 2.718281828459045)
)
newaxis = None

globals().update(FORMATS)
globals().update(LAYOUTS)
globals().update(torch_table)
from . import _functions as _functions_module  # noqa: E402

globals().update({n: getattr(_functions_module, n) for n in _functions_module.__all__})

_LAZY = set(
    """
    nn optim utils autograd cuda random distributions linalg fft special sparse jit onnx hub
    multiprocessing distributed testing backends amp func profiler serialization version
    storage types cpu compiler overrides futures masked package export fx library nested signal
    functional quantization ao mps xpu accelerator vision torch_version __config__ __future__
    monitor quasirandom mtia _dynamo _inductor _functorch _guards _higher_order_ops _ops
    _logging _subclasses _tensor _utils _vmap_internals
    """.split()
)  # fmt: skip
# Names that come from a module which loads on first use.
_FROM = {
    "StorageBase": "storage",
    "classes": "_classes",
    "_check_tensor_all_with": "_checks",
    "_check_with": "_checks",
    "cond": "_higher_order_ops",
    "while_loop": "_higher_order_ops",
    "save": "serialization",
    "load": "serialization",
    "manual_seed": "random",
    "seed": "random",
    "initial_seed": "random",
    "get_rng_state": "random",
    "set_rng_state": "random",
    "default_generator": "random",
    "Generator": "_C",
    "set_printoptions": "_tensor_str",
    "UntypedStorage": "_storage",
    "TypedStorage": "_storage",
    "Stream": "_stream",
    "Event": "_stream",
    "Future": "futures",
    "compile": "compiler",
    "optimize_for_inference": "_inference",
    "fork": "jit",
    "wait": "jit",
    "autocast": "amp",
    "GradScaler": "amp",
    "get_device_module": "_device",
    "vmap": "func",
    "DisableTorchFunction": "overrides",
    "DisableTorchFunctionSubclass": "overrides",
}
_FROM |= dict.fromkeys(
    (
        "SymBool", "SymFloat", "SymInt", "sym_constrain_range",
        "sym_constrain_range_for_size", "sym_float", "sym_fresh_size",
        "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not", "sym_sqrt", "sym_sum",
    ),
    "_symbolic",
)  # fmt: skip
_FROM |= dict.fromkeys(
    (
        "_assert", "_assert_async", "_check", "_check_index", "_check_is_size",
        "_check_not_implemented", "_check_tensor_all", "_check_type", "_check_value",
    ),
    "_checks",
)  # fmt: skip
_FROM |= dict.fromkeys(
    (
        "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
        "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype",
        "get_autocast_ipu_dtype", "get_autocast_xla_dtype", "is_autocast_cache_enabled",
        "is_autocast_cpu_enabled", "is_autocast_enabled", "is_autocast_ipu_enabled",
        "is_autocast_xla_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype",
        "set_autocast_cpu_enabled", "set_autocast_dtype", "set_autocast_enabled",
        "set_autocast_gpu_dtype", "set_autocast_ipu_dtype", "set_autocast_ipu_enabled",
        "set_autocast_xla_dtype", "set_autocast_xla_enabled",
    ),
    "amp.autocast_mode",
)  # fmt: skip
_FROM |= dict.fromkeys(
    (
        "ccol_indices_copy",
        "col_indices_copy",
        "crow_indices_copy",
        "dsmm",
        "hsmm",
        "hspmm",
        "indices_copy",
        "resize_as_sparse_",
        "row_indices_copy",
        "saddmm",
        "smm",
        "sparse_bsc_tensor",
        "sparse_bsr_tensor",
        "sparse_compressed_tensor",
        "sparse_coo_tensor",
        "sparse_csc_tensor",
        "sparse_csr_tensor",
        "spmm",
        "sspaddmm",
        "values_copy",
    ),
    "sparse",
)
_FROM |= dict.fromkeys(
    (
        "affine_grid_generator", "bilinear", "binary_cross_entropy_with_logits",
        "channel_shuffle", "constant_pad_nd", "cosine_embedding_loss", "cosine_similarity",
        "ctc_loss", "embedding_bag", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "gru",
        "hinge_embedding_loss", "kl_div", "lstm", "margin_ranking_loss",
        "native_channel_shuffle", "norm_except_dim", "pairwise_distance", "pdist",
        "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "rnn_relu", "rnn_tanh", "rrelu",
        "rrelu_", "triplet_margin_loss",
    ),
    "nn._root",
)  # fmt: skip


def __getattr__(name):
    import importlib

    if name in _LAZY:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name in _FROM:
        value = getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
        globals()[name] = value
        return value
    elif name.startswith("_foreach_"):
        from ._foreach import foreach

        found = foreach(name)
        if found is not None:
            globals()[name] = found
            return found
    elif name.endswith(("Storage", "Tensor")):
        from ._legacy import typed_class

        name = "FloatStorage" if name == "Storage" else name

        found = typed_class(name)
        if found is not None:
            globals()[name] = found
            return found
    elif name == "torch":  # some programs spell it torch.torch.Tensor
        return importlib.import_module(__name__)
    from ._jit_names import HOMES
    from ._jit_names import find as find_graph_name

    if name in HOMES:
        globals()[name] = value = find_graph_name(name)
        return value
    from ._unsupported import TORCH, unsupported

    if name in TORCH:
        globals()[name] = value = unsupported(name)
        return value
    raise AttributeError(f"module 'torch' has no attribute '{name}' (rushlight {__version__})")


def __dir__():
    from ._jit_names import HOMES

    return sorted({*globals(), *_LAZY, *_FROM, *HOMES})


def _private_name(name):
    from ._binding_names import find

    return find(name)


_C.__getattr__ = _private_name  # names of PyTorch's bindings that the core itself lacks
