"""rearrange: transposing, joining and splitting dims by a pattern of names (Rogozhnikov 2022)."""

from __future__ import annotations

from .. import _C

Tensor = _C.Tensor
_REST = "…"


class _Alone(list):
    """The ellipsis outside of parentheses."""


class DimensionBindError(Exception):
    """The sizes of a tensor do not fit the pattern."""


def rearrange(
    tensor: Tensor | list[Tensor] | tuple[Tensor, ...], pattern: str, **axes_lengths: int
) -> Tensor:
    """The tensor with its dims as the right side of the pattern has them: "b c h w -> b (c h) w".

    Names in parentheses are one dim; `axes_lengths` gives sizes that the tensor does not tell.
    "..." stands for all dims not named, 1 for a dim of that size. A list of tensors is stacked.
    """
    from .. import stack

    if not isinstance(tensor, Tensor):
        tensor = stack(tensor)
    left, right = _parsed(pattern)
    _check_names(left, right, axes_lengths)
    left, right = _spread(left, right, tensor.ndim)
    if len(left) != tensor.ndim:
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of "
            f"dimensions in the tensor ({tensor.ndim})"
        )
    sizes = dict(axes_lengths)
    for group, size in zip(left, tensor.shape, strict=True):
        _bind(group, size, sizes)
    names = [name for group in left for name in group]
    single = tensor.reshape([sizes[name] for name in names])
    ordered = single.permute([names.index(name) for group in right for name in group])
    shape = []
    for group in right:
        size = 1
        for name in group:
            size *= sizes[name]
        shape.append(size)
    return ordered.reshape(shape)


# -- the pattern ---------------------------------------------------------------------------------


def _parsed(pattern: str) -> tuple[list, list]:
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = (_groups(side) for side in sides)
    if any(_REST in group and type(group) is not _Alone for group in left):
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    if _REST in _flat(right) and _REST not in _flat(left):
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    return left, right


def _flat(groups):
    return [name for group in groups for name in group]


def _groups(side: str) -> list[list[str]]:
    """The dims of one side, each a list of names; none for a dim of size 1."""
    if "." in side.replace("...", "", 1):
        raise ValueError(
            "Expression may contain dots only inside ellipsis (...); only one ellipsis for tensor"
        )
    words = side.replace("...", f" {_REST} ").replace("(", " ( ").replace(")", " ) ").split()
    groups: list[list[str]] = []
    inside = False
    for word in words:
        if word == "(":
            if inside:
                raise ValueError(
                    "Axis composition is one-level (brackets inside brackets not allowed)"
                )
            groups.append([])
            inside = True
        elif word == ")":
            if not inside:
                raise ValueError(f"Imbalanced parentheses in expression: {side!r}")
            inside = False
        else:
            name = _name(word, _flat(groups))
            if inside:
                groups[-1] += name
            else:
                groups.append(_Alone(name) if word == _REST else name)
    if inside:
        raise ValueError(f"Imbalanced parentheses in expression: {side!r}")
    return groups


def _name(word: str, before: list[str]) -> list[str]:
    if word == "1":
        return []
    if word.isdecimal():
        raise ValueError("rearrange only supports unnamed axes of size 1")
    if word != _REST and not word.isidentifier():
        raise ValueError(f"Invalid axis identifier: {word}\nnot a valid python identifier")
    if word.startswith("_") or word.endswith("_"):
        raise ValueError(
            f"Invalid axis identifier: {word}\naxis name should not start or end with underscore"
        )
    if word in before:
        raise ValueError(f"Indexing expression contains duplicate dimension {word!r}")
    return [word]


def _check_names(left, right, lengths):
    here, there = set(_flat(left)), set(_flat(right))
    if here != there:
        raise ValueError(
            "Identifiers only on one side of rearrange expression (should be on both): "
            f"{here ^ there}"
        )
    unknown = set(lengths) - here
    if unknown:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")


def _spread(left, right, ndim):
    """The ellipsis as names of its own, as many as there are dims for it."""
    if _REST not in _flat(left):
        return left, right
    rest = [f"{_REST}{i}" for i in range(ndim - len(left) + 1)]
    found: tuple[list, list] = [], []
    for side, groups in zip(found, (left, right), strict=True):
        for group in groups:
            if type(group) is _Alone:
                side += [[name] for name in rest]
                continue
            at = group.index(_REST) if _REST in group else len(group)
            side.append(group[:at] + (rest if _REST in group else []) + group[at + 1 :])
    return found


def _bind(group, size, sizes):
    """Check the sizes of the names that make up a dim, and find the one that is not known."""
    known, unknown = 1, []
    for name in group:
        if name in sizes:
            known *= sizes[name]
        else:
            unknown.append(name)
    if len(unknown) > 1:
        raise DimensionBindError(
            f"cannot infer the sizes of two dimensions at once {unknown[0]} and {unknown[1]}"
        )
    if unknown:
        if known <= 0 or size % known:
            raise DimensionBindError(
                f"inferred dimension does not evenly fit into larger dimension: {size} vs {known}"
            )
        sizes[unknown[0]] = size // known
    elif known != size:
        raise DimensionBindError(
            f"Dimension sizes do not match ({size} != {known}) when matching dimension pack "
            f"({', '.join(group)})"
        )
