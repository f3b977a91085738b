"""Einstein summation: a formula over subscripts becomes permutations and batched products."""

from __future__ import annotations

from ..op import public
from .matmul import bmm

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@public("torch.einsum")
def einsum(*args):
    """Sum products over subscripts: einsum("bij,bjk->bik", x, y), or operands with sublists.

    A subscript may repeat within an operand (its diagonal); `...` stands for dims that broadcast.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, "
            "or at least one operand and its subscripts list"
        )
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        operands = list(operands)
    else:
        equation, operands = _from_sublists(args)
    inputs, output = _parse(equation, operands)
    return _contract(inputs, output, operands)


def _from_sublists(args):
    def text(sublist):
        marks = []
        for s in sublist:
            if s is Ellipsis:
                marks.append("...")
            elif isinstance(s, int) and 0 <= s < 52:
                marks.append(_LETTERS[s])
            else:
                raise ValueError(
                    "einsum(): the subscripts in sublist format must be Ellipsis or integers "
                    f"in the range [0, 52), but got {s}"
                )
        return "".join(marks)

    equation = ",".join(text(s) for s in args[1::2])
    if len(args) % 2:
        equation = ",".join(text(s) for s in args[1:-1:2]) + "->" + text(args[-1])
    return equation, list(args[0 : len(args) - len(args) % 2 : 2])


def _labels(part, rank, wide, where):
    """One operand's labels; the dims of its ellipsis are the integers counted from the right."""
    labels, i = [], 0
    seen = False
    while i < len(part):
        c = part[i]
        if c == " ":
            i += 1
        elif c == ".":
            if seen or part[i : i + 3] != "...":
                raise RuntimeError(
                    f"einsum(): found '.' for {where} that is not part of any ellipsis"
                    if part[i : i + 3] != "..."
                    else f"einsum(): found '.' for {where} for which an ellipsis was already found"
                )
            seen = True
            labels.append(Ellipsis)
            i += 3
        elif c.isascii() and c.isalpha():
            labels.append(c)
            i += 1
        else:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
    if seen:
        count = wide if rank is None else rank - len(labels) + 1
        k = labels.index(Ellipsis)
        labels[k : k + 1] = range(count, 0, -1) if count > 0 else ()
    return labels, seen


_parsed: dict = {}  # (equation, ranks): labels of the inputs and of the output


def _parse(equation, operands):
    key = equation, *[x.ndim for x in operands]
    found = _parsed.get(key)
    if found is None:
        if len(_parsed) > 500:
            _parsed.clear()
        found = _parsed[key] = _parse_equation(equation, operands)
    return found


def _parse_equation(equation, operands):
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    if len(parts) > len(operands):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(parts) < len(operands):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    inputs, wide = [], 0
    for n, (part, x) in enumerate(zip(parts, operands, strict=True)):
        labels, dotted = _labels(part, x.ndim, 0, f"operand {n}")
        if dotted:
            named = [s for s in labels if isinstance(s, str)]
            if len(named) > x.ndim:
                raise RuntimeError(_count_error(len(named), x.ndim, n, "more than"))
            wide = max(wide, x.ndim - len(named))
        elif len(labels) != x.ndim:
            raise RuntimeError(_count_error(len(labels), x.ndim, n, "does not match"))
        inputs.append(labels)
    if not arrow:
        flat = [s for labels in inputs for s in labels if isinstance(s, str)]
        output = list(range(wide, 0, -1)) + sorted(s for s in set(flat) if flat.count(s) == 1)
        return inputs, output
    output, _ = _labels(right, None, wide, "the output")
    known = {s for labels in inputs for s in labels}
    for s in output:
        if output.count(s) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {s} appears more than once in the output"
            )
        if s not in known and isinstance(s, str):
            raise RuntimeError(
                f"einsum(): output subscript {s} does not appear in the equation for any "
                "input operand"
            )
    return inputs, output


def _count_error(got, rank, n, how):
    if how == "more than":
        return (
            f"einsum(): the number of subscripts in the equation ({got}) is more than the number "
            f"of dimensions ({rank}) for operand {n}"
        )
    return (
        f"einsum(): the number of subscripts in the equation ({got}) does not match the number "
        f"of dimensions ({rank}) for operand {n} and no ellipsis was given"
    )


def _single_labels(x, labels, n):
    """Take the diagonal of each repeated subscript, so that every label names one dim."""
    if len(set(labels)) == len(labels):
        return x, labels
    labels = list(labels)
    for s in [s for s in dict.fromkeys(labels) if labels.count(s) > 1]:
        while labels.count(s) > 1:
            i = labels.index(s)
            j = labels.index(s, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {s} is repeated for operand {n} but the sizes don't "
                    f"match, {x.shape[j]} != {x.shape[i]}"
                )
            x = x.diagonal(0, i, j)
            del labels[j], labels[i]
            labels.append(s)
    return x, labels


def _sizes(operands, inputs):
    sizes: dict = {}
    for n, (x, labels) in enumerate(zip(operands, inputs, strict=True)):
        for s, size in zip(labels, x.shape, strict=True):
            seen = sizes.get(s, 1)
            if size != 1 and seen not in (1, size):
                name = "..." if isinstance(s, int) else s
                raise RuntimeError(
                    f"einsum(): subscript {name} has size {size} for operand {n} which does not "
                    f"broadcast with previously seen size {seen}"
                )
            sizes[s] = size if seen == 1 else seen
    return sizes


def _without_ones(x, labels, sizes):
    """Drop dims of size 1 that stand for a bigger size: broadcasting needs no copy."""
    shape = x.shape
    if 1 not in shape:
        return x, labels
    drop = [i for i, s in enumerate(labels) if shape[i] == 1 and sizes[s] != 1]
    for i in reversed(drop):
        x = x.squeeze(i)
    return x, [s for i, s in enumerate(labels) if i not in drop]


def _contract(inputs, output, operands):
    pairs = [_single_labels(x, s, n) for n, (x, s) in enumerate(zip(operands, inputs, strict=True))]
    sizes = _sizes([x for x, _ in pairs], [s for _, s in pairs])
    pairs = [_without_ones(x, s, sizes) for x, s in pairs]
    while len(pairs) > 1:
        i, j = _next_pair(pairs, output, sizes)
        right, left = pairs.pop(j), pairs.pop(i)
        keep = set(output).union(*(s for _, s in pairs))
        pairs.insert(0 if not pairs else i, _multiply(left, right, keep, output, sizes))
    x, labels = pairs[0]
    extra = [i for i, s in enumerate(labels) if s not in output]
    if extra:
        x = x.sum(extra)
        labels = [s for s in labels if s in output]
    order = [labels.index(s) for s in output if s in labels]
    if order != sorted(order):
        x = x.permute(order)
    if len(labels) < len(output):  # a subscript whose every size was 1 elsewhere
        for k, s in enumerate(output):
            if s not in labels:
                x = x.unsqueeze(k)
        x = x.expand([sizes[s] for s in output])
    return x


def _next_pair(pairs, output, sizes):
    """The pair whose product is smallest; the first two when nothing is gained."""
    if len(pairs) == 2:
        return 0, 1
    best = None
    for i in range(len(pairs)):
        for j in range(i + 1, len(pairs)):
            others = set(output).union(*(s for k, (_, s) in enumerate(pairs) if k not in (i, j)))
            both = set(pairs[i][1]) | set(pairs[j][1])
            result = work = 1
            for s in both:
                work *= sizes[s]
                if s in others:
                    result *= sizes[s]
            score = (result - pairs[i][0].numel() - pairs[j][0].numel(), work)
            if best is None or score < best[0]:
                best = score, i, j
    return best[1], best[2]


def _multiply(left, right, keep, output, sizes):
    """One product of two operands: of matrices, or of elements where nothing is summed."""
    (a, a_labels), (b, b_labels) = left, right
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected scalar type {a.dtype._scalar_name} but found {b.dtype._scalar_name}"
        )
    # What only one operand has and nobody wants later is summed before the product.
    a, a_labels = _sum_out(a, a_labels, keep.union(b_labels))
    b, b_labels = _sum_out(b, b_labels, keep.union(a_labels))
    batch = [s for s in a_labels if s in b_labels and s in keep]
    inner = [s for s in a_labels if s in b_labels and s not in keep]
    rows = [s for s in a_labels if s not in b_labels]
    cols = [s for s in b_labels if s not in a_labels]
    if not inner:
        labels = batch + rows + cols
        order = [s for s in output if s in labels]
        order += [s for s in labels if s not in output]
        return _pointwise(a, a_labels, b, b_labels, order)
    left = _as_matrices(a, a_labels, batch, rows, inner, sizes)
    right = _as_matrices(b, b_labels, batch, inner, cols, sizes)
    order = batch + rows + cols
    product = bmm(left, right)
    if len(batch) == len(rows) == len(cols) == 1:
        return product, order
    return product.reshape([sizes[s] for s in order]), order


def _as_matrices(x, labels, batch, rows, cols, sizes):
    """One operand as (batch, rows, cols), each group of dims joined."""
    order = batch + rows + cols
    if order != labels:
        x = x.permute([labels.index(s) for s in order])
    if len(batch) == len(rows) == len(cols) == 1:
        return x
    return x.reshape([_count(group, sizes) for group in (batch, rows, cols)])


def _pointwise(a, a_labels, b, b_labels, order):
    def aligned(x, labels):
        places = [labels.index(s) for s in order if s in labels]
        if places != sorted(places):
            x = x.permute(places)
        for k, s in enumerate(order):
            if s not in labels:
                x = x.unsqueeze(k)
        return x

    return aligned(a, a_labels) * aligned(b, b_labels), order


def _sum_out(x, labels, wanted):
    if wanted.issuperset(labels):
        return x, labels
    extra = [i for i, s in enumerate(labels) if s not in wanted]
    return x.sum(extra), [s for s in labels if s in wanted]


def _count(labels, sizes):
    total = 1
    for s in labels:
        total *= sizes[s]
    return total
