"""Operators whose form in graphs is not that of one of our functions: what each calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

from ..nn import functional as F  # noqa: N812 (the name that everybody gives it)
from ..ops.loss import REDUCTIONS


def _convolution(
    input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, *flags
):
    return torch.convolution(
        input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


def _convolution_mode(input, weight, bias, stride, padding, dilation, groups):
    convolve = getattr(F, f"conv{weight.ndim - 2}d")
    return convolve(input, weight, bias, stride, padding, dilation, groups)


def _padded(mode: str) -> Callable:
    return lambda input, padding: F.pad(input, padding, mode)


def _resized(mode: str, aligned: bool, antialias: bool = False) -> Callable:
    """An upsample_* operator: sizes and scales of each dimension, or lists of both."""

    def call(input, size, *rest):
        rest = list(rest)
        corners = rest.pop(0) if aligned else None
        scales: Any = None
        if len(rest) == 1 and isinstance(rest[0], list | tuple):
            scales = rest[0]
        elif rest and None not in rest:
            scales = list(rest)
        if size is None:
            return F.interpolate(input, None, scales, mode, corners, antialias=antialias)
        return F.interpolate(input, list(size), None, mode, corners, antialias=antialias)

    return call


def _elu(input, alpha=1, scale=1, input_scale=1):
    if scale == 1 and input_scale == 1:
        return F.elu(input, alpha)
    below = alpha * scale * (torch.exp(input * input_scale) - 1)
    return torch.where(input > 0, input * scale, below)


def _cross_entropy(input, target, weight=None, reduction=1, ignore_index=-100, smoothing=0.0):
    return F.cross_entropy(
        input, target, weight, ignore_index=ignore_index, reduction=REDUCTIONS[reduction],
        label_smoothing=smoothing,
    )  # fmt: skip


def _nll_loss(input, target, weight=None, reduction=1, ignore_index=-100):
    return F.nll_loss(
        input, target, weight, ignore_index=ignore_index, reduction=REDUCTIONS[reduction]
    )


def _with_indices(name: str) -> Callable:
    return lambda *args: getattr(F, name)(*args, return_indices=True)


def _fractional(name: str) -> Callable:
    def call(input, kernel_size, output_size, random_samples):
        return getattr(F, name)(
            input, kernel_size, output_size, return_indices=True, _random_samples=random_samples
        )

    return call


def _unpooled(name: str) -> Callable:
    """Our function, with the window that gives the size at a stride of one."""

    def call(input, indices, output_size, *rest):
        sizes = zip(output_size, input.shape[-len(output_size) :], strict=True)
        window = [wanted - size + 1 for wanted, size in sizes]
        return getattr(F, name)(input, indices, window, 1, 0, list(output_size))

    return call


def _index(tensor, indices):
    return tensor[tuple(slice(None) if i is None else i for i in indices)]


def _listed(name: str) -> Callable:
    return lambda *args: list(getattr(torch, name)(*args))


def _spread(name: str) -> Callable:
    """A function that takes its tensors one by one."""
    return lambda tensors: getattr(torch, name)(*tensors)


def _spread_list(name: str) -> Callable:
    return lambda tensors: list(getattr(torch, name)(*tensors))


def _each_or_one(name: str) -> Callable:
    def call(tensors):
        made = getattr(torch, name)
        return list(made(*tensors)) if isinstance(tensors, list | tuple) else made(tensors)

    return call


def _read(name: str) -> Callable:
    return lambda tensor: getattr(tensor, name)


def _method(name: str) -> Callable:
    return lambda tensor, *args: getattr(tensor, name)(*args)


def _shape(tensor, dim=None):
    return list(tensor.shape) if dim is None else tensor.size(dim)


def _strides(tensor, dim=None):
    return list(tensor.stride()) if dim is None else tensor.stride(dim)


def _packed(input, lengths, batch_first):
    from ..nn.utils.rnn import pack_padded_sequence

    packed = pack_padded_sequence(input, lengths, batch_first)
    return packed.data, packed.batch_sizes


def _unpacked(data, batch_sizes, batch_first, padding_value, total_length):
    from ..nn.utils.rnn import PackedSequence, pad_packed_sequence

    packed = PackedSequence(data, batch_sizes)
    length = total_length if total_length > 0 else None
    return pad_packed_sequence(packed, batch_first, padding_value, length)


def _with_all(function: Callable, inverse: bool, counts: bool):
    """Three results, those that were not asked for empty."""
    found = function(inverse, counts)
    found = list(found) if isinstance(found, tuple) else [found]
    nothing = torch.empty(0, dtype=torch.int64)
    return found[0], found[1] if inverse else nothing, found[-1] if counts else nothing


def _unique(tensor, sorted=True, return_inverse=False, return_counts=False):
    return _with_all(lambda i, c: torch.unique(tensor, sorted, i, c), return_inverse, return_counts)


def _unique_dim(tensor, dim, sorted=True, return_inverse=False, return_counts=False):
    return torch.unique(tensor, sorted, True, True, dim)


def _unique_runs(tensor, return_inverse=False, return_counts=False, dim=None):
    return _with_all(
        lambda i, c: torch.unique_consecutive(tensor, i, c, dim), return_inverse, return_counts
    )


def _unique_dim_runs(tensor, dim, return_inverse=False, return_counts=False):
    return torch.unique_consecutive(tensor, True, True, dim)


def _gradient(tensor, *rest):
    """All forms: spacing (where it is), dim, the order at the edges."""
    *spacing, dim, edge_order = rest
    steps = 1 if not spacing or spacing[0] is None else spacing[0]
    return list(torch.gradient(tensor, spacing=steps, dim=dim, edge_order=edge_order))


def _distances(x1, x2, p=2.0, compute_mode=None):
    names = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
             "donot_use_mm_for_euclid_dist")  # fmt: skip
    return torch.cdist(x1, x2, p, names[compute_mode or 0])


def _weight_norm(v, g, dim=0):
    return v * (g / torch.norm_except_dim(v, 2, dim))


def _norm(tensor, p=2, *rest):
    if not rest:
        return torch.norm(tensor, p)
    if len(rest) == 1:  # a dtype
        return torch.norm(tensor, p, dtype=rest[0])
    return torch.norm(tensor, p, rest[0], rest[1], dtype=rest[2] if len(rest) > 2 else None)


def _nonzero_each(tensor):
    return list(torch.nonzero(tensor, as_tuple=True))


def _where(*args):
    found = torch.where(*args)
    return list(found) if len(args) == 1 else found


def _tensordot(a, b, dims_self, dims_other):
    return torch.tensordot(a, b, (dims_self, dims_other))


def _inplace(name: str) -> Callable:
    return lambda tensor, *args: getattr(F, name)(tensor, *args, inplace=True)


def _native_norm(tensor, p=2, *rest):
    if not rest:
        return torch.linalg.vector_norm(tensor, 2 if p is None else p)
    dim, keepdim, dtype = rest
    return torch.linalg.vector_norm(tensor, 2 if p is None else p, dim, keepdim, dtype=dtype)


def _renormed(tensor, indices, max_norm, norm_type):
    """The rows that are looked up, made at most `max_norm` long in place."""
    with torch.no_grad():
        rows = indices.reshape(-1).unique()
        tensor[rows] = torch.renorm(tensor[rows], norm_type, 0, max_norm)
    return tensor


def _padded_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    from ..nn.utils.rnn import pad_sequence

    return pad_sequence(sequences, batch_first, padding_value, padding_side)


def _flattened(tensors):
    return torch.cat([t.reshape(-1) for t in tensors])


def _unflattened(flat, tensors):
    parts = torch.split(flat, [t.numel() for t in tensors])
    return [p.view_as(t) for p, t in zip(parts, tensors, strict=True)]


def _dense(tensor):
    """Whether the elements fill their memory without gaps or sharing."""
    known = sorted((s, n) for s, n in zip(tensor.stride(), tensor.shape, strict=True) if n != 1)
    step = 1
    for stride, size in known:
        if stride != step:
            return False
        step *= size
    return True


def _stft(tensor, n_fft, hop, win, window, *rest):
    names = ("normalized", "onesided", "return_complex", "align_to_window")
    named = {}
    if len(rest) == 6:
        named = {"center": rest[0], "pad_mode": rest[1]}
        rest = rest[2:]
    else:
        named = {"center": False}
    named |= dict(zip(names, rest, strict=True))
    return torch.stft(tensor, n_fft, hop, win, window, **named)


ADAPTERS: dict[str, Callable] = {
    "_convolution": _convolution,
    "_convolution_mode": _convolution_mode,
    "elu": _elu,
    "log_sigmoid": lambda x: F.logsigmoid(x),
    "cross_entropy_loss": _cross_entropy,
    "nll_loss2d": _nll_loss,
    "nll_loss_nd": _nll_loss,
    "max_unpool2d": _unpooled("max_unpool2d"),
    "max_unpool3d": _unpooled("max_unpool3d"),
    "im2col": lambda x, size, *rest: F.unfold(x, size, *rest),
    "col2im": lambda x, out, size, *rest: F.fold(x, out, size, *rest),
    "index": _index,
    "_sparse_mm": lambda *args: torch.sparse.mm(*args),
    "size": _shape,
    "stride": _strides,
    "where": _where,
    "tensordot": _tensordot,
    "nonzero_numpy": _nonzero_each,
    "norm": _norm,
    "stft": _stft,
    "_pack_padded_sequence": _packed,
    "_pad_packed_sequence": _unpacked,
    "_unique2": _unique,
    "unique_dim": _unique_dim,
    "unique_consecutive": _unique_runs,
    "_weight_norm": _weight_norm,
    "einsum": lambda equation, tensors, path=None: torch.einsum(equation, *tensors),
    "item": lambda tensor: tensor.item(),
    "unflatten": lambda tensor, dim, sizes: tensor.unflatten(dim, sizes),
    "is_pinned": lambda tensor, device=None: tensor.is_pinned(),
    "unique_dim_consecutive": _unique_dim_runs,
    "native_norm": _native_norm,
    "gradient": _gradient,
    "cdist": _distances,
    "result_type": lambda a, b: torch.result_type(a, b),
    "elu_": lambda x, *args: x.copy_(_elu(x, *args)),
    "gelu_": lambda x, kind="none": x.copy_(F.gelu(x, approximate=kind)),
    "embedding_renorm_": _renormed,
    "pad_sequence": _padded_sequence,
    "flatten_dense_tensors": _flattened,
    "unflatten_dense_tensors": _unflattened,
    "is_non_overlapping_and_dense": _dense,
    "copy": lambda tensor, source, waits=False: tensor.clone().copy_(source),
    "lift": lambda tensor: tensor.clone(),
    "lift_fresh_copy": lambda tensor: tensor.clone(),
    "is_distributed": lambda tensor: False,
    "chalf": lambda tensor, form=None: tensor.to(torch.complex32),
    "pin_memory": lambda tensor, device=None: tensor.pin_memory(),
    "slogdet": lambda tensor: torch.linalg.slogdet(tensor),
}
for _mode in ("reflection", "replication"):
    _name = {"reflection": "reflect", "replication": "replicate"}[_mode]
    ADAPTERS |= {f"{_mode}_pad{n}d": _padded(_name) for n in (1, 2, 3)}
for _n, _linear in ((1, "linear"), (2, "bilinear"), (3, "trilinear")):
    ADAPTERS[f"upsample_nearest{_n}d"] = _resized("nearest", False)
    ADAPTERS[f"_upsample_nearest_exact{_n}d"] = _resized("nearest-exact", False)
    ADAPTERS[f"upsample_{_linear}{_n}d"] = _resized(_linear, True)
    ADAPTERS[f"adaptive_max_pool{_n}d"] = _with_indices(f"adaptive_max_pool{_n}d")
    if _n > 1:
        ADAPTERS[f"fractional_max_pool{_n}d"] = _fractional(f"fractional_max_pool{_n}d")
ADAPTERS["upsample_bicubic2d"] = _resized("bicubic", True)
ADAPTERS |= {
    f"_upsample_{m}2d_aa": _resized(m, True, antialias=True) for m in ("bilinear", "bicubic")
}
ADAPTERS |= {
    n: _listed(n)
    for n in (
        "split unbind chunk split_with_sizes tensor_split dsplit hsplit vsplit unsafe_chunk "
        "unsafe_split unsafe_split_with_sizes"
    ).split()
}
ADAPTERS |= {n: _spread(n) for n in ("block_diag", "cartesian_prod", "chain_matmul")}
ADAPTERS |= {
    "broadcast_tensors": _spread_list("broadcast_tensors"),
    "meshgrid": lambda tensors, indexing="ij": list(torch.meshgrid(*tensors, indexing=indexing)),
}
ADAPTERS |= {n: _each_or_one(n) for n in ("atleast_1d", "atleast_2d", "atleast_3d")}
ADAPTERS |= {n: _read(n) for n in "mT mH is_leaf output_nr retains_grad _version real imag".split()}
ADAPTERS |= {"numpy_T": _read("T"), "matrix_H": _read("H"), "data": _read("data")}
ADAPTERS |= {
    n: _method(n)
    for n in "dim storage_offset element_size is_coalesced coalesce values indices crow_indices "
    "col_indices ccol_indices row_indices sparse_dim dense_dim".split()
}
ADAPTERS |= {
    n + "_": _inplace(n)
    for n in "relu6 hardswish silu mish hardsigmoid leaky_relu hardtanh".split()
}
