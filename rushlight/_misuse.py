"""What to say when a public function written in Python failed on arguments of the wrong type.

PyTorch checks types before it does anything. The functions written from other operators find out
where an argument is first used; this turns what they raise there into the TypeError that names the
argument. It runs only after a failure.
"""

from __future__ import annotations

from . import _C

Tensor = _C.Tensor
_TENSORS = {"input", "self", "A", "mat1", "vec1"}  # first parameters that take nothing else
# Parameters that take numbers, sizes or words, and never a tensor of several elements.
_PLAIN = set(
    """
    dim dims dim0 dim1 dim2 keepdim size shape n k eps dtype layout kernel_size stride padding
    dilation reduction num_samples diagonal offset axis upper
    descending sorted largest stable unbiased correction momentum negative_slope lambd delta beta
    threshold ord output_size normalized_shape num_groups padding_idx max_norm norm_type sections
    indices_or_sections equal_nan rtol atol full_matrices some compute_uv hermitian
    rowvar with_replacement r memory_format implicit ceil_mode count_include_pad
    divisor_override replacement dx N increasing shifts k_dim chunks split_size
    """.split()
)
_NO_WORDS = _PLAIN - {"padding", "reduction", "ord"}
# What PyTorch itself writes in Python: what is raised where a wrong type is used stays.
_PYTHON = set(
    """
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices
    alpha_dropout dropout feature_alpha_dropout embedding stft binary_cross_entropy
    binary_cross_entropy_with_logits dropout1d
    dropout2d dropout3d embedding_bag glu huber_loss instance_norm interpolate l1_loss
    lobpcg log_softmax mse_loss norm normalize pca_lowrank sigmoid smooth_l1_loss softmax
    softmin softsign svd_lowrank tanh tanhshrink tensordot upsample upsample_bilinear
    upsample_nearest
    """.split()
)


def _named(function, args, kwargs):
    """(name, position, value) of each argument."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    for i, value in enumerate(args):
        if i < len(names):
            yield names[i], i + 1, value
        else:
            yield code.co_varnames[code.co_argcount + code.co_kwonlyargcount], i + 1, value
    for name, value in kwargs.items():
        yield name, None, value


def _switches(function):
    """The parameters whose default is True or False."""
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    pairs = [*zip(names, defaults, strict=True), *(function.__kwdefaults__ or {}).items()]
    return {name for name, default in pairs if isinstance(default, bool)}


def _says(function, name, position, expected, value):
    where = f" (position {position})" if position else ""
    return (
        f"{function.__name__}(): argument '{name}'{where} must be {expected}, "
        f"not {type(value).__name__}"
    )


def explain(function, args, kwargs, error):
    """The words of the TypeError that `error` really is, or None when types are not to blame."""
    if isinstance(error, TypeError) or not hasattr(function, "__code__"):
        return None
    if function.__name__ in _PYTHON:
        return None
    arguments = list(_named(function, args, kwargs))
    switches = _switches(function)
    for name, position, value in arguments:
        if name in _TENSORS and position == 1 and not isinstance(value, (Tensor, list, tuple)):
            return _says(function, name, position, "Tensor", value)
        if name in _PLAIN and isinstance(value, Tensor) and value.dim() > 0:
            return _says(function, name, position, "a number or a size", value)
        if name in _NO_WORDS and isinstance(value, str):
            return _says(function, name, position, "a number or a size", value)
        if name in switches and (value is None or isinstance(value, (str, float, list, tuple))):
            return _says(function, name, position, "bool", value)
    if isinstance(error, AttributeError):
        kind = str(error).partition("'")[2].partition("'")[0]
        for name, position, value in arguments:
            if not isinstance(value, Tensor) and type(value).__name__ == kind:
                return _says(function, name, position, "Tensor", value)
            for i, item in enumerate(value if isinstance(value, (list, tuple)) else ()):
                if not isinstance(item, Tensor) and type(item).__name__ == kind:
                    return (
                        f"{function.__name__}(): expected Tensor as element {i} in argument "
                        f"'{name}', but got {kind}"
                    )
    return None


def _checked(function, args, kwargs, error):
    try:
        return explain(function, args, kwargs, error)
    except Exception:  # the first error is the one to report
        return None
