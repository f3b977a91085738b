"""How tensors print: the words, columns and switches to scientific notation of PyTorch.

Everything works on plain Python numbers from `tolist()`, and of a large tensor only the corners
that are shown are ever read.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

from . import _C

_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


class PrintOptions:
    """The settings that `set_printoptions` changes."""

    __slots__ = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")

    def __init__(self):
        self.precision = 4
        self.threshold: float = 1000
        self.edgeitems = 3
        self.linewidth = 80
        self.sci_mode: bool | None = None


PRINT_OPTS = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print; arguments left out keep their value, except `sci_mode`: None decides
    by the data.

    `profile` is "default", "short" or "full"; the other arguments override it.
    """
    # Like PyTorch, an unknown profile changes nothing.
    for name, value in _PROFILES.get(profile, {}).items():
        setattr(PRINT_OPTS, name, value)
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    for name, value in given.items():
        if value is not None:
            setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict:
    """The current settings by name."""
    return {name: getattr(PRINT_OPTS, name) for name in PrintOptions.__slots__}


@contextmanager
def printoptions(**kwargs):
    """Change the settings within a `with` block; arguments as in `set_printoptions`."""
    saved = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        set_printoptions(**saved)


class _Integers:
    """Integers and bools, padded on the left to the widest."""

    def __init__(self, values):
        self.width = max((len(str(v)) for v in values), default=1)

    def __call__(self, value) -> str:
        return str(value).rjust(self.width)


class _Floats:
    """Floats in one of three styles: whole numbers (`1.`), fixed point, scientific."""

    def __init__(self, values):
        options = PRINT_OPTS
        precision = options.precision
        shown = self._telling(values)
        whole = all(v.is_integer() for v in shown)
        scientific = False
        if shown:
            scientific = options.sci_mode
            if scientific is None:
                scientific = self._wants_scientific(shown, whole)
        self.suffix = ""
        if scientific:
            self.spec = f".{precision}e"
        elif whole:
            self.spec = ".0f"
            self.suffix = "."
        else:
            self.spec = f".{precision}f"
        # Zeros, infinities and nans do not widen the columns.
        self.width = max((len(format(v, self.spec)) + len(self.suffix) for v in shown), default=1)

    @staticmethod
    def _telling(values) -> list:
        """The values that decide about the style and the width."""
        return [v for v in values if v and math.isfinite(v)]

    @staticmethod
    def _wants_scientific(shown, whole: bool) -> bool:
        if any(v != v for v in shown):
            return False
        smallest = min(map(abs, shown))
        largest = max(map(abs, shown))
        return largest / smallest > 1000 or largest > 1e8 or (not whole and smallest < 1e-4)

    def __call__(self, value: float) -> str:
        text = format(value, self.spec)
        if self.suffix and math.isfinite(value):
            text += self.suffix
        return text.rjust(self.width)


class _Powers(_Floats):
    """Powers of two: without a zero the least of them compares as one, and nan counts as finite."""

    @staticmethod
    def _telling(values) -> list:
        return [v for v in values if v != 2.0**-127]


class _Complexes:
    """Complex numbers: real and imaginary parts choose their styles separately."""

    def __init__(self, values):
        self.real = _Floats([v.real for v in values])
        self.imag = _Floats([v.imag for v in values])
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        imag = self.imag(value.imag).lstrip()
        sign = "" if imag[0] in "+-" else "+"
        return f"{self.real(value.real)}{sign}{imag}j"


def _column_format(values, dtype):
    if dtype.is_complex:
        return _Complexes(values)
    if dtype.is_floating_point:
        if str(dtype) == "torch.float8_e8m0fnu":
            return _Powers(values)
        return _Floats(values)
    return _Integers(values)


def _join(first, second, depth: int):
    """Concatenate two nested lists along dimension `depth`."""
    if depth == 0:
        return first + second
    return [_join(a, b, depth - 1) for a, b in zip(first, second, strict=True)]


def _corners(tensor, dim: int = 0):
    """Nested lists of the elements at both ends of every long dimension: at most 2**ndim reads."""
    if dim == tensor.dim():
        return tensor.tolist()
    edge = PRINT_OPTS.edgeitems
    size = tensor.shape[dim]
    if size <= 2 * edge:
        return _corners(tensor, dim + 1)
    front = _corners(tensor.narrow(dim, 0, edge), dim + 1)
    back = _corners(tensor.narrow(dim, size - edge, edge), dim + 1)
    return _join(front, back, dim)


def _flatten(nested, depth: int) -> list:
    if depth == 0:
        return [nested]
    for _ in range(depth - 1):
        nested = [item for row in nested for item in row]
    return nested


def _elided(items: list, size: int, dots: str) -> list:
    """`items`, with `dots` between the two ends when there are more elements than shown."""
    edge = PRINT_OPTS.edgeitems
    return items if len(items) == size else [*items[:edge], dots, *items[edge:]]


def _vector_text(values, size: int, form, indent: int) -> str:
    columns = max(1, (PRINT_OPTS.linewidth - indent) // (form.width + 2))
    words = _elided([form(v) for v in values], size, " ..." if PRINT_OPTS.edgeitems else "...")
    lines = [", ".join(words[i : i + columns]) for i in range(0, len(words), columns)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested_text(nested, shape, form, indent: int) -> str:
    if not shape:
        return form(nested)
    if len(shape) == 1:
        return _vector_text(nested, shape[0], form, indent)
    blocks = [_nested_text(item, shape[1:], form, indent + 1) for item in nested]
    blank_lines = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + blank_lines.join(_elided(blocks, shape[0], "...")) + "]"


def _with_numbers(tensor):
    """The tensor itself; bytes for pairs of 4-bit floats, as PyTorch shows them."""
    if tensor.dtype._is_number:
        return tensor
    if tensor.dtype.is_floating_point and tensor.dim():
        from rushlight import float32, uint8

        return tensor.view(uint8).to(float32)
    return tensor.as_strided((), ()).item()  # raises: no operator reads such elements


def _contents(tensor, indent: int) -> str:
    tensor = _with_numbers(tensor.detach())
    summarise = tensor.numel() > PRINT_OPTS.threshold
    nested = _corners(tensor) if summarise else tensor.tolist()
    form = _column_format(_flatten(nested, tensor.dim()), tensor.dtype)
    return _nested_text(nested, tuple(tensor.shape), form, indent)


def _is_default_dtype(dtype, has_elements: bool) -> bool:
    """Whether printed elements already tell `dtype`, so that no suffix is needed."""
    from rushlight import get_default_dtype

    default = str(get_default_dtype())
    if not has_elements:
        return str(dtype) == default
    default_complex = "torch.complex128" if default == "torch.float64" else "torch.complex64"
    return str(dtype) in (default, default_complex, "torch.int64", "torch.bool")


def _device_suffix(device) -> str | None:
    if device.type == "cpu":
        return None
    return f"device='{device}'"


def _gradient_suffix(tensor) -> str | None:
    node = tensor.grad_fn
    if node is not None:
        return f"grad_fn=<{_node_name(node)}>"
    return "requires_grad=True" if tensor.requires_grad else None


def _tangent_suffix(tensor) -> str | None:
    if getattr(tensor, "_dual", None) is None:
        return None
    from .autograd.forward_ad import unpack_dual

    tangent = unpack_dual(tensor).tangent
    return None if tangent is None else f"tangent={tangent}"


def _wrapped_text(level, physical, batched) -> str:
    """What a tensor of vmap stands for, set in."""
    if not (batched or level.open):
        return tensor_repr(physical)
    value = tensor_repr(physical).replace("\n", "\n    ")
    lanes = "0" if batched else "None"
    return f"BatchedTensor(lvl={level.number}, bdim={lanes}, value=\n    {value}\n)"


def _node_name(node) -> str:
    name = type(node).__name__
    # Nodes made in C++ may share one Python type; they say their own name.
    return node.name() if name == "Node" else name


def _tensor_str(self, indent: int) -> str:
    """The elements alone; tensor subclasses of other libraries print with this."""
    return _contents(self, indent) if self.numel() else "[]"


def _str_intern(inp, *, tensor_contents: str | None = None) -> str:
    return tensor_repr(inp, tensor_contents=tensor_contents)


def _add_suffixes(tensor_str: str, suffixes, indent: int, force_newline: bool) -> str:
    if force_newline and suffixes:
        first, rest = suffixes[0], suffixes[1:]
        return _with_suffixes(f"{tensor_str},\n{' ' * indent}{first}", rest, indent)
    return _with_suffixes(tensor_str, suffixes, indent)


def _with_suffixes(text: str, suffixes, indent: int) -> str:
    parts = [text]
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > PRINT_OPTS.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(parts) + ")"


def tensor_repr(tensor, *, tensor_contents: str | None = None) -> str:
    """The text of `repr(tensor)`; `tensor_contents` replaces the elements."""
    level = _C.level_of(tensor)
    if level is not None:
        return _wrapped_text(level, *_C.unwrap_lanes(tensor, level))
    kind = type(tensor).__name__
    prefix = "tensor(" if kind in ("Tensor", "Parameter") else f"{kind}("
    indent = len(prefix)
    suffixes = [_device_suffix(tensor.device)]
    has_elements = tensor.numel() > 0
    if tensor.device.type == "meta":
        suffixes.append(f"size={tuple(tensor.shape)}")
        contents = "..."
        has_elements = False
    elif has_elements:
        contents = tensor_contents
        if contents is None:
            contents = _contents(tensor, indent)
        if PRINT_OPTS.edgeitems == 0:  # the elements shown do not tell the shape
            suffixes.append(f"size={tuple(tensor.shape)}")
    else:
        contents = "[]" if tensor_contents is None else tensor_contents
        if tensor.dim() != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
    if not _is_default_dtype(tensor.dtype, has_elements):
        suffixes.append(f"dtype={tensor.dtype}")
    suffixes.append(_gradient_suffix(tensor))
    suffixes.append(_tangent_suffix(tensor))
    return _with_suffixes(prefix + contents, [s for s in suffixes if s is not None], indent)
