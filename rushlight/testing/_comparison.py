"""`assert_close`: equality up to tolerances that follow from the dtype."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import rushlight as torch

from .. import Tensor

# Relative and absolute tolerance by dtype; other dtypes must be equal.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}

_OLD_TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


class _Mismatch(Exception):
    def __init__(self, message: str, path: str = ""):
        super().__init__(message)
        self.path = path


class _Options:
    """The arguments of one call."""

    def __init__(self, **options):
        self.__dict__.update(options)

    def tolerances(self, *dtypes) -> tuple[float, float]:
        """The given tolerances, or the loosest of the dtypes."""
        if self.rtol is not None:
            return self.rtol, self.atol
        found = [_TOLERANCES.get(str(d).partition(".")[2], (0.0, 0.0)) for d in dtypes]
        return max(r for r, _ in found), max(a for _, a in found)


def _unknown(actual, expected) -> TypeError:
    return TypeError(
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
    )


def _is_array(value) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def _is_list(value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _compare(actual, expected, options: _Options, path: str) -> None:
    if isinstance(actual, Tensor) and isinstance(expected, Tensor):
        if not options.allow_subclasses and type(actual) is not type(expected):
            raise _unknown(actual, expected)
        _compare_tensors(actual, expected, options, path)
    elif _is_array(actual) and _is_array(expected):
        pair = (torch.as_tensor(actual), torch.as_tensor(expected))
        _compare_tensors(*pair, options, path)
    elif actual is None or expected is None:
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual} is not {expected}", path)
    elif isinstance(actual, bool) and isinstance(expected, bool):
        if actual is not expected:
            raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}", path)
    elif isinstance(actual, (int, float, complex)) and isinstance(expected, (int, float, complex)):
        _compare_numbers(actual, expected, options, path)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _compare_mappings(actual, expected, options, path)
    elif _is_list(actual) and _is_list(expected):
        if len(actual) != len(expected):
            lengths = f"{len(actual)} != {len(expected)}"
            raise _Mismatch(f"The length of the sequences mismatch: {lengths}", path)
        for position, (a, e) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, e, options, f"{path}[{position}]")
    else:
        raise _unknown(actual, expected)


def _compare_mappings(actual, expected, options: _Options, path: str) -> None:
    missing = [key for key in expected if key not in actual]
    additional = [key for key in actual if key not in expected]
    if missing or additional:
        parts = ["The keys of the mappings do not match:"]
        if missing:
            parts.append(f"Missing keys in the actual mapping: {sorted(missing, key=str)}")
        if additional:
            parts.append(f"Additional keys in the actual mapping: {sorted(additional, key=str)}")
        raise _Mismatch("\n".join(parts), path)
    for key in sorted(actual, key=str):
        _compare(actual[key], expected[key], options, f"{path}[{key!r}]")


def _up_to(tolerance) -> str:
    return f" (up to {tolerance} allowed)"


def _compare_numbers(actual, expected, options: _Options, path: str) -> None:
    if options.check_dtype and type(actual) is not type(expected):
        types = f"{type(actual)} != {type(expected)}"
        raise _Mismatch(f"The (d)types do not match: {types}.", path)
    dtypes = {float: torch.float64, complex: torch.complex128}
    rtol, atol = options.tolerances(*[dtypes.get(type(v)) for v in (actual, expected)])
    both_nan = actual != actual and expected != expected
    difference = abs(actual - expected)
    if actual == expected or (both_nan and options.equal_nan):
        return
    if difference <= atol + rtol * abs(expected) < float("inf"):
        return
    relative = difference / abs(expected) if expected else float("inf")
    _raise_number_mismatch(actual, expected, difference, relative, rtol, atol, path)


def _raise_number_mismatch(actual, expected, difference, relative, rtol, atol, path):
    exact = rtol == 0 and atol == 0
    raise _Mismatch(
        f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected} but got "
        f"{actual}.\n"
        f"Absolute difference: {difference}{'' if exact else _up_to(atol)}\n"
        f"Relative difference: {relative}{'' if exact else _up_to(rtol)}",
        path,
    )


def _check_attributes(actual: Tensor, expected: Tensor, options: _Options, path: str) -> None:
    attributes = [("shape", actual.shape, expected.shape, True)]
    attributes.append(("device", actual.device, expected.device, options.check_device))
    attributes.append(("layout", actual.layout, expected.layout, options.check_layout))
    attributes.append(("dtype", actual.dtype, expected.dtype, options.check_dtype))
    if options.check_stride and actual.layout == expected.layout == torch.strided:
        attributes.append(("stride()", actual.stride(), expected.stride(), True))
    for name, ours, theirs, wanted in attributes:
        if wanted and ours != theirs:
            raise _Mismatch(
                f"The values for attribute '{name}' do not match: {ours} != {theirs}.", path
            )


def _compare_tensors(actual: Tensor, expected: Tensor, options: _Options, path: str) -> None:
    _check_attributes(actual, expected, options, path)
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    actual, expected = actual.detach(), expected.detach()
    if actual.device != expected.device:
        actual, expected = actual.cpu(), expected.cpu()
    if actual.dtype != expected.dtype:
        dtype = torch.promote_types(actual.dtype, expected.dtype)
        actual, expected = actual.to(dtype), expected.to(dtype)
    if actual.layout != expected.layout:
        actual, expected = actual.to_dense(), expected.to_dense()
    if actual.layout != torch.strided:
        _compare_sparse(actual, expected, options, path, rtol, atol)
        return
    _compare_elements(actual, expected, options, path, rtol, atol)


_PARTS = {
    torch.sparse_coo: ("_indices",),
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def _compare_sparse(actual, expected, options, path, rtol, atol):
    """Two tensors of one sparse layout: as many values, at the same places, and close."""
    kind = f"sparse {actual.layout.name[-3:].upper()}"
    if actual._nnz() != expected._nnz():
        raise _Mismatch(
            f"The number of specified values in {kind} tensors does not match: "
            f"{actual._nnz()} != {expected._nnz()}",
            path,
        )
    kind = "S" + kind[1:]
    for name in _PARTS[actual.layout]:
        parts = getattr(actual, name)(), getattr(expected, name)()
        _compare_elements(*parts, options, path, 0, 0, f"{kind} {name.strip('_')}")
    name = "_values" if actual.is_sparse else "values"
    parts = getattr(actual, name)(), getattr(expected, name)()
    _compare_elements(*parts, options, path, rtol, atol, f"{kind} values")


def _compare_elements(actual, expected, options, path, rtol, atol, what="Tensor-likes"):
    if not (actual.dtype.is_floating_point or actual.dtype.is_complex):
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    matches = torch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if matches.all().item():
        return
    _raise_tensor_mismatch(actual, expected, matches, rtol, atol, path, what)


def _raise_tensor_mismatch(actual, expected, matches, rtol, atol, path, what):
    if not actual.dim():
        a, e = actual.item(), expected.item()
        relative = abs(a - e) / abs(e) if e else float("inf")
        _raise_number_mismatch(a, e, abs(a - e), relative, rtol, atol, path)
    exact = rtol == 0 and atol == 0
    count, wrong = actual.numel(), (~matches).sum().item()
    zero = torch.zeros_like(actual.abs())
    absolute = torch.where(matches, zero, (actual - expected).abs())
    relative = torch.where(matches, zero, absolute / expected.abs())
    lines = [
        f"{what} are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {wrong} / {count} ({wrong / count:.1%})",
    ]
    for name, values, tolerance in (("absolute", absolute, atol), ("relative", relative, rtol)):
        flat = values.reshape(-1)
        place = flat.argmax().item()
        index = []
        rest = place
        for size in reversed(tuple(values.shape)):
            rest, position = divmod(rest, size)
            index.insert(0, position)
        allowed = "" if exact else _up_to(tolerance)
        lines.append(
            f"Greatest {name} difference: {flat[place].item()} at index {tuple(index)}{allowed}"
        )
    raise _Mismatch("\n".join(lines), path)


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless `|actual - expected| <= atol + rtol * |expected|` everywhere.

    Compares tensors, arrays, numbers, None, and sequences and mappings of those. The tolerances
    follow from the dtype unless both are given. `msg` replaces the message, or is a function of it.
    """
    __tracebackhide__ = True
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    options = _Options(
        allow_subclasses=allow_subclasses,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=check_device,
        check_dtype=check_dtype,
        check_layout=check_layout,
        check_stride=check_stride,
    )
    try:
        _compare(actual, expected, options, "")
        return
    except _Mismatch as mismatch:
        text = str(mismatch)
        if mismatch.path:
            text += f"\n\nThe failure occurred for item {mismatch.path}"
    if msg is not None:
        text = msg(text) if callable(msg) else msg
    raise AssertionError(text)


def assert_allclose(
    actual,
    expected,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The old form of `assert_close`: dtypes may differ and nans are equal."""
    import warnings

    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a "
        "future "
        "release. Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    values = [v if isinstance(v, Tensor) else torch.tensor(v) for v in (actual, expected)]
    if rtol is None and atol is None:
        pairs = [_OLD_TOLERANCES.get(str(v.dtype).partition(".")[2], (0.0, 0.0)) for v in values]
        rtol, atol = max(r for r, _ in pairs), max(a for _, a in pairs)
    options = {"check_device": True, "check_dtype": False, "check_stride": False}
    assert_close(*values, rtol=rtol, atol=atol, equal_nan=equal_nan, msg=msg or None, **options)
