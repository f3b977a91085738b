"""How sparse tensors print: their parts, then size, number of values and layout."""

from __future__ import annotations

from .._tensor_str import PRINT_OPTS, _contents, _gradient_suffix, _is_default_dtype
from .making import NAMES


def _part(name, tensor, indent):
    head = f"{name}=tensor("
    tensor = tensor.detach()
    if tensor.numel():
        return head + _contents(tensor, indent + len(head)) + ")"
    return f"{head}[], size={tuple(tensor.shape)})"


def sparse_repr(tensor) -> str:
    """The text of `repr(tensor)`."""
    lead = "Parameter containing:\n" if getattr(tensor, "_is_param", False) else ""
    return lead + _text(tensor)


def _text(tensor):
    head = "tensor("
    indent = len(head)
    pattern, values = tensor._pattern, tensor._held
    if tensor.is_sparse:
        parts = (("indices", pattern.indices), ("values", values))
    else:
        names = NAMES[tensor.layout.name]
        parts = ((names[0], pattern.compressed), (names[1], pattern.plain), ("values", values))
    text = head + (",\n" + " " * indent).join(_part(n, t, indent) for n, t in parts)
    suffixes = [f"size={tuple(tensor.shape)}", f"nnz={pattern.nnz}"]
    if not _is_default_dtype(tensor.dtype, True):
        suffixes.append(f"dtype={tensor.dtype}")
    suffixes.append(f"layout={tensor.layout}")
    gradient = _gradient_suffix(tensor)
    if gradient is not None:
        suffixes.append(gradient)
    return _joined(text, suffixes, indent, tensor.is_sparse)


def _joined(text, suffixes, indent, new_line):
    """Suffixes after the text, on new lines where the width asks for it (the first when told)."""
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if new_line or column + len(suffix) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * indent + suffix
            column, new_line = indent + len(suffix), False
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"
