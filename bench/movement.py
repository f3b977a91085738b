"""Data movement beside PyTorch: every operator by dtype, layout, size and direction.

    python bench/movement.py                        the whole sweep, one thread
    python bench/movement.py --select 'sort|topk' --dtypes float32,int64 --threads 2
    python bench/movement.py --threads 1,2 --above 0.95

A line is an operator on a square tensor: small (10 x 10) where calls cost most, medium (200 x 200)
where threads begin to pay, large (1000 x 1000) where memory costs most; contiguous or transposed;
forward, or forward and backward. Printed are the lines above `--above`, worst first, and the
geometric mean of each operator.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
import time

DTYPES = "float32", "float64", "bfloat16", "int64", "bool"
SIZES = {"small": 10, "medium": 200, "large": 1000}
SHORTEST = 0.002  # seconds that one timing lasts at least
CASTS = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64".split()
NO_BOOL = frozenset(DTYPES) - {"bool"}
FLOATS = frozenset({"float32", "float64", "bfloat16"})
ALL = frozenset(DTYPES)


class Case:
    """An operator: `make(t, x)` gives the arguments, `call(x, *arguments)` runs it."""

    def __init__(self, name, call, make=None, dtypes=ALL, grad=False):
        self.name, self.call, self.dtypes, self.grad = name, call, dtypes, grad
        self.make = make or (lambda t, x: ())


def rows(t, x):
    return (t.randint(0, len(x), (len(x),)),)


def places(t, x):
    return (t.randint(0, len(x), tuple(x.shape)),)


def places_and_values(t, x):
    return t.randint(0, len(x), tuple(x.shape)), x.clone()


def rows_and_values(t, x):
    return t.randperm(len(x)), x.clone()


def flat_places(t, x):
    return (t.randint(0, x.numel(), (x.numel(),)),)


def flat_places_and_values(t, x):
    return t.randperm(x.numel()), x.reshape(-1).clone()


def mask(t, x):
    return (t.rand(*x.shape) > 0.5,)


def mask_and_values(t, x):
    return t.rand(*x.shape) > 0.5, x.clone()


def library(t, x):
    return (t,)


def copies():
    """Copies, layouts, joins and parts."""
    yield Case("clone", lambda x: x.clone(), grad=True)
    yield Case("contiguous of t()", lambda x: x.t().contiguous(), grad=True)
    yield Case("copy_", lambda x, y: y.copy_(x), lambda t, x: (t.empty(x.shape, dtype=x.dtype),))
    yield Case("copy_ of t()", lambda x, y: y.copy_(x.t()), lambda t, x: (x.clone(),))
    yield Case("permute, 3-d", lambda x: x.view3.permute(2, 0, 1).contiguous())
    yield Case("permute, 4-d nhwc", lambda x: x.view4.permute(0, 3, 1, 2).contiguous())
    yield Case("cat of 2, dim 0", lambda x, t: t.cat([x, x], 0), library, grad=True)
    yield Case("cat of 2, dim 1", lambda x, t: t.cat([x, x], 1), library, grad=True)
    yield Case("cat of 10 parts", lambda x, t: t.cat(x.chunk(10, 1), 1), library, grad=True)
    yield Case("stack, dim 0", lambda x, t: t.stack([x, x], 0), library, grad=True)
    yield Case("stack, dim 2", lambda x, t: t.stack([x, x], 2), library, grad=True)
    yield Case("split", lambda x: x.split(2), grad=True)
    yield Case("chunk, dim 1", lambda x: x.chunk(4, 1))
    yield Case("unbind", lambda x: x.unbind(0))
    yield Case("repeat", lambda x: x.repeat(2, 2), grad=True)
    yield Case("tile", lambda x: x.tile(3))
    yield Case("expand and copy", lambda x: x[:, :1].expand(x.shape).contiguous(), grad=True)
    yield Case("expand rows and copy", lambda x: x[:1].expand(x.shape).clone())
    yield Case("flip, dim 0", lambda x: x.flip(0), grad=True)
    yield Case("flip, dim 1", lambda x: x.flip(1), grad=True)
    yield Case("flip, both", lambda x: x.flip(0, 1))
    yield Case("roll, dim 0", lambda x: x.roll(3, 0), grad=True)
    yield Case("roll, dim 1", lambda x: x.roll(3, 1))
    yield Case("roll, flat", lambda x: x.roll(3))
    yield Case("rot90", lambda x: x.rot90(), grad=True)
    yield Case("tril", lambda x: x.tril(), grad=True)
    yield Case("triu", lambda x: x.triu(1), grad=True)
    yield Case("tril_", lambda x, y: y.tril_(), lambda t, x: (x.clone(),))
    yield Case("diag, of a matrix", lambda x: x.diag(), grad=True)
    yield Case("diag, of a vector", lambda x: x[0].diag(), grad=True)
    yield Case("diag_embed", lambda x: x[:4].diag_embed())
    yield Case("fill_", lambda x, y: y.fill_(1), lambda t, x: (x.clone(),))
    yield Case("zero_", lambda x, y: y.zero_(), lambda t, x: (x.clone(),))
    yield Case("ones_like", lambda x, t: t.ones_like(x), library)
    yield Case("zeros_like", lambda x, t: t.zeros_like(x), library)
    yield Case("full", lambda x, t: t.full(x.shape, 1, dtype=x.dtype), library)
    yield Case("unfold", lambda x: x.unfold(0, 4, 2).contiguous(), grad=True)
    yield Case("unfold, last dim", lambda x: x.unfold(1, 4, 2).contiguous(), grad=True)
    yield Case(
        "as_strided", lambda x, t: t.as_strided(x, (5, 9), (1, 2)).clone(), library, grad=True
    )
    yield Case("block_diag", lambda x, t: t.block_diag(x, x), library, grad=True)
    yield Case(
        "pad", lambda x, f: f(x, (2, 2, 1, 1)), lambda t, x: (t.nn.functional.pad,), grad=True
    )
    for kind in CASTS:
        yield Case(f"to {kind}", lambda x, d: x.to(d), lambda t, x, kind=kind: (getattr(t, kind),))
    yield Case("to and back, gradient", lambda x, t: x.to(t.float64), library, FLOATS, grad=True)


def products():
    """What broadcasts two vectors over a matrix."""
    lines = lambda t, x: (x[:, 0].clone(), x[0].clone())  # noqa: E731
    yield Case("outer", lambda x, a, b: a.outer(b), lines)
    yield Case(
        "kron", lambda x, t, a: t.kron(a, x[:40, :40]), lambda t, x: (t, x[:20, :20].clone())
    )
    yield Case("column * row", lambda x, a, b: a[:, None] * b, lines)
    yield Case("matrix + row", lambda x, a, b: x + b, lines)
    yield Case("matrix + column", lambda x, a, b: x + a[:, None], lines)
    yield Case("matrix + t()", lambda x: x + x.t())
    yield Case("meshgrid", lambda x, t: t.meshgrid(x[0], x[0], indexing="ij")[0].clone(), library)
    yield Case("where, 3 tensors", lambda x, t, m: t.where(m, x, x), lambda t, x: (t, *mask(t, x)),
               grad=True)  # fmt: skip
    yield Case("where, number", lambda x, t, m: t.where(m, x, 1), lambda t, x: (t, *mask(t, x)))
    yield Case(
        "where, row mask", lambda x, t, m: t.where(m[0], x, x), lambda t, x: (t, *mask(t, x))
    )
    yield Case("cartesian_prod", lambda x, t: t.cartesian_prod(x[0], x[0]), library)
    yield Case("vander", lambda x, t: t.vander(x[0], 8), library, NO_BOOL)
    yield Case("tril_indices", lambda x, t: t.tril_indices(len(x), len(x)), library, {"float32"})
    yield Case("arange", lambda x, t: t.arange(x.numel()), library, {"float32"})
    yield Case("linspace", lambda x, t: t.linspace(0, 1, x.numel()), library, {"float32"})
    yield Case("eye", lambda x, t: t.eye(len(x), dtype=x.dtype), library)


def indexing():
    """Elements picked by indices and masks, and put back."""
    yield Case("x[1]", lambda x: x[1], grad=True)
    yield Case("x[:, 1:-1] copied", lambda x: x[:, 1:-1].clone(), grad=True)
    yield Case("x[::2, ::2] copied", lambda x: x[::2, ::2].contiguous(), grad=True)
    yield Case("x[1] = 0", lambda x, y: y.__setitem__(1, 0), lambda t, x: (x.clone(),))
    yield Case("x[:, 1:] = y", lambda x, y: y.__setitem__((slice(None), slice(1, None)), x[:, 1:]),
               lambda t, x: (x.clone(),))  # fmt: skip
    yield Case("x[rows]", lambda x, i: x[i], rows, grad=True)
    yield Case("x[:, rows]", lambda x, i: x[:, i], rows, grad=True)
    yield Case("x[rows, rows]", lambda x, i: x[i, i], rows, grad=True)
    yield Case("x[rows[:, None], rows]", lambda x, i: x[i[:, None], i], rows, grad=True)
    yield Case("x[list]", lambda x: x[[0, 2, 4]])
    yield Case("x[mask]", lambda x, m: x[m], mask, grad=True)
    yield Case("x[row mask]", lambda x, m: x[m[0]], mask, grad=True)
    yield Case("x[mask] = 0", lambda x, m, y: y.__setitem__(m, 0), mask_and_values)
    yield Case("x[rows] = y", lambda x, i, y: y.__setitem__(i, x), rows_and_values)
    yield Case("index_put, accumulate", lambda x, i, y: y.index_put((i,), x, accumulate=True),
               rows_and_values)  # fmt: skip
    yield Case("index_put, pairs", lambda x, i, y: y.index_put((i, i), x[0]), rows_and_values)
    yield Case("index_select, dim 0", lambda x, i: x.index_select(0, i), rows, grad=True)
    yield Case("index_select, dim 1", lambda x, i: x.index_select(1, i), rows, grad=True)
    yield Case("index_add, dim 0", lambda x, i, y: x.index_add(0, i, y), rows_and_values, grad=True)
    yield Case("index_add, dim 1", lambda x, i, y: x.index_add(1, i, y), rows_and_values)
    yield Case(
        "index_copy, dim 0", lambda x, i, y: x.index_copy(0, i, y), rows_and_values, grad=True
    )
    yield Case("index_copy, dim 1", lambda x, i, y: x.index_copy(1, i, y), rows_and_values)
    yield Case("index_fill, dim 0", lambda x, i: x.index_fill(0, i, 1), rows, grad=True)
    yield Case("index_fill, dim 1", lambda x, i: x.index_fill(1, i, 1), rows)
    for dim in 0, 1:
        yield Case(f"gather, dim {dim}", lambda x, i, dim=dim: x.gather(dim, i), places, grad=True)
        yield Case(f"scatter, dim {dim}", lambda x, i, y, dim=dim: x.scatter(dim, i, y),
                   places_and_values, grad=True)  # fmt: skip
        yield Case(
            f"scatter, number, dim {dim}", lambda x, i, dim=dim: x.scatter(dim, i, 1), places
        )
        yield Case(f"scatter_add, dim {dim}", lambda x, i, y, dim=dim: x.scatter_add(dim, i, y),
                   places_and_values, grad=True)  # fmt: skip
        for how in "sum", "prod", "mean", "amax":
            yield Case(f"scatter_reduce {how}, dim {dim}",
                       lambda x, i, y, dim=dim, how=how: x.scatter_reduce(dim, i, y, how),
                       places_and_values, NO_BOOL)  # fmt: skip
    yield Case("take", lambda x, i: x.take(i), flat_places, grad=True)
    yield Case("take_along_dim", lambda x, i: x.take_along_dim(i, 1), places)
    yield Case("put", lambda x, i, y: x.put(i, y), flat_places_and_values, grad=True)
    yield Case(
        "put, accumulate", lambda x, i, y: x.put(i, y, accumulate=True), flat_places_and_values
    )
    yield Case("masked_select", lambda x, m: x.masked_select(m), mask, grad=True)
    yield Case("masked_fill", lambda x, m: x.masked_fill(m, 0), mask, grad=True)
    yield Case("masked_fill, row mask", lambda x, m: x.masked_fill(m[0], 0), mask)
    yield Case("masked_scatter", lambda x, m, y: x.masked_scatter(m, y), mask_and_values, grad=True)
    yield Case("nonzero", lambda x: x.nonzero())
    yield Case("argwhere of mask", lambda x, m: m.argwhere(), mask)
    yield Case("count_nonzero", lambda x: x.count_nonzero())


def ordering():
    """Sorting and what follows from it."""
    for dim in 0, 1:
        yield Case(f"sort, dim {dim}", lambda x, dim=dim: x.sort(dim), grad=True)
        yield Case(f"topk, dim {dim}", lambda x, dim=dim: x.topk(5, dim), dtypes=NO_BOOL, grad=True)
        yield Case(f"kthvalue, dim {dim}", lambda x, dim=dim: x.kthvalue(3, dim), dtypes=NO_BOOL)
        yield Case(
            f"median, dim {dim}", lambda x, dim=dim: x.median(dim), dtypes=NO_BOOL, grad=True
        )
        yield Case(f"mode, dim {dim}", lambda x, dim=dim: x.mode(dim))
    yield Case("sort, flat", lambda x: x.reshape(-1).sort(), grad=True)
    yield Case("sort, descending", lambda x: x.sort(descending=True))
    yield Case("sort, stable", lambda x: x.sort(stable=True))
    yield Case("sort, 3-d middle", lambda x: x.view3.sort(1))
    yield Case("argsort", lambda x: x.argsort())
    yield Case("argsort, flat", lambda x: x.reshape(-1).argsort())
    yield Case("msort", lambda x: x.msort())
    yield Case("topk, large k", lambda x: x.topk(8 * len(x) // 10), dtypes=NO_BOOL)
    yield Case("topk, flat", lambda x: x.reshape(-1).topk(50), dtypes=NO_BOOL)
    yield Case("median, flat", lambda x: x.median(), dtypes=NO_BOOL, grad=True)
    yield Case("nanmedian, dim 1", lambda x: x.nanmedian(1), dtypes=NO_BOOL)
    yield Case(
        "quantile", lambda x: x[:100].quantile(0.3, 1), dtypes={"float32", "float64"}, grad=True
    )
    yield Case("unique", lambda x: x.unique())
    yield Case("unique, inverse", lambda x: x.unique(return_inverse=True, return_counts=True))
    yield Case("unique, dim 0", lambda x: x[:100, :100].unique(dim=0))
    yield Case("unique_consecutive", lambda x: x.unique_consecutive())
    yield Case("unique_consecutive, inverse", lambda x: x.unique_consecutive(return_inverse=True))
    yield Case("searchsorted", lambda x, t, s: t.searchsorted(s, x),
               lambda t, x: (t, x[0].sort()[0]), NO_BOOL)  # fmt: skip
    yield Case("searchsorted, rows", lambda x, t, s: t.searchsorted(s, x),
               lambda t, x: (t, x.sort(1)[0].contiguous()), NO_BOOL)  # fmt: skip
    yield Case("bucketize", lambda x, t, s: t.bucketize(x, s), lambda t, x: (t, x[0, :9].sort()[0]),
               NO_BOOL)  # fmt: skip
    yield Case("isin", lambda x, t, s: t.isin(x, s), lambda t, x: (t, x[0, :5].clone()), NO_BOOL)
    yield Case("histc", lambda x: x.histc(20), dtypes={"float32", "float64"})
    yield Case("bincount", lambda x: x.abs().reshape(-1).bincount(), dtypes={"int64"})
    yield Case("repeat_interleave", lambda x: x.repeat_interleave(2, 0), grad=True)
    yield Case("repeat_interleave, counts", lambda x, i: x.repeat_interleave(i, 0),
               lambda t, x: (t.randint(0, 4, (len(x),)),), grad=True)  # fmt: skip
    for dim in 0, 1:
        yield Case(f"cumsum, dim {dim}", lambda x, dim=dim: x.cumsum(dim), grad=True)
        yield Case(f"cumprod, dim {dim}", lambda x, dim=dim: x.cumprod(dim), grad=True)
        yield Case(f"cummax, dim {dim}", lambda x, dim=dim: x.cummax(dim), grad=True)
        yield Case(f"logcumsumexp, dim {dim}", lambda x, dim=dim: x.logcumsumexp(dim),
                   dtypes={"float32", "float64"}, grad=True)  # fmt: skip
    yield Case("diff", lambda x: x.diff(), grad=True)


def tables():
    """Rows of tables: embeddings, one-hot vectors, transforms."""
    words = lambda t, x: (t.nn.functional, t.randint(0, len(x), (x.numel() // 50 + 1,)))  # noqa: E731
    bags = lambda t, x: (t.nn.functional, t.randint(0, len(x), (x.numel() // 100, 4)))  # noqa: E731
    yield Case("embedding", lambda x, f, i: f.embedding(i, x), words, FLOATS, grad=True)
    yield Case("embedding, padded", lambda x, f, i: f.embedding(i, x, padding_idx=1), words, FLOATS,
               grad=True)  # fmt: skip
    for mode in "sum", "mean", "max":
        yield Case(f"embedding_bag {mode}",
                   lambda x, f, i, mode=mode: f.embedding_bag(i, x, mode=mode), bags, FLOATS,
                   grad=True)  # fmt: skip
    yield Case("one_hot", lambda x, f: f(x[0].abs(), 500), lambda t, x: (t.nn.functional.one_hot,),
               {"int64"})  # fmt: skip
    for n in 16384, 1000, 64:
        signals = lambda t, x, n=n: (t, t.rand(max(x.numel() // n, 1), n))  # noqa: E731
        waves = lambda t, x, n=n: (t, t.rand(max(x.numel() // n, 1), n) + 0j)  # noqa: E731
        yield Case(f"fft of {n}", lambda x, t, z: t.fft.fft(z), signals, {"float32"})
        yield Case(f"rfft of {n}", lambda x, t, z: t.fft.rfft(z), signals, {"float32"})
        yield Case(f"ifft of {n}", lambda x, t, z: t.fft.ifft(z), waves, {"float32"})
    yield Case("fft2", lambda x, t: t.fft.fft2(x), library, {"float32", "float64"}, grad=True)
    yield Case("fftshift", lambda x, t: t.fft.fftshift(x), library)


FAMILIES = copies, products, indexing, ordering, tables


def source(t, dtype, n):
    """The same numbers in both libraries."""
    t.manual_seed(0)
    kind = getattr(t, dtype)
    if dtype == "bool":
        return t.rand(n, n) > 0.5
    if kind.is_floating_point:
        return t.randn(n, n).to(kind)
    return t.randint(-500, 500, (n, n))


class Given:
    """The tensor that a case works on, with views of more dims."""

    def __init__(self, x):
        n = len(x)
        self.x, self.view3 = x, x.reshape(n // 5, 5, n)
        self.view4 = x.reshape(n // 10, 10, n // 5, 5)


def prepared(t, case, dtype, layout, n, backward):
    """A function of no arguments that runs the case once."""
    x = source(t, dtype, n)
    if layout == "t":
        x = x.t()
    arguments = case.make(t, x)
    call = case.call
    if "3-d" in case.name or "4-d" in case.name:
        given = Given(x)
        return lambda: call(given)
    if not backward:
        return lambda: call(x, *arguments)
    x = x.detach().requires_grad_()
    y = first(call(x, *arguments))
    g = t.ones_like(y)

    def step():
        first(call(x, *arguments)).backward(g)
        x.grad = None

    return step


def first(y):
    return y[0] if isinstance(y, (tuple, list)) else y


def seconds(call, shortest) -> float:
    count = 1
    while True:
        started = time.perf_counter()
        for _ in range(count):
            call()
        took = time.perf_counter() - started
        if took >= shortest:
            return took / count
        count = max(count * 2, int(count * shortest / max(took, 1e-9)))


def lines(select="", dtypes=DTYPES, sizes=SIZES, layouts=("c", "t"), directions=(False, True)):
    """(text, make) for the lines of the sweep; `make(library)` gives the function to time."""
    for family in FAMILIES:
        for case in family():
            for dtype in dtypes:
                for layout in layouts:
                    for size in sizes:
                        for backward in directions:
                            if dtype not in case.dtypes:
                                continue
                            if backward and not (case.grad and dtype in FLOATS):
                                continue
                            way = "backward" if backward else "forward"
                            text = f"{case.name}: {dtype} {layout} {size} {way}"
                            if re.search(select, text):
                                options = case, dtype, layout, SIZES[size], backward
                                yield text, lambda t, options=options: prepared(t, *options)


def brief():
    """The lines that bench/run.py times: float32, contiguous and large."""
    return lines(dtypes=("float32", "int64"), sizes=("large",), layouts=("c",))


def compared(libraries, make, rounds, shortest):
    """Seconds of both libraries, or the error that one of them raised."""
    calls = []
    for t in libraries:
        try:
            call = make(t)
            call()
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
            return f"{t.__name__}: {str(error)[:60]}"
        calls.append(call)
    times = [[seconds(call, shortest) for call in calls] for _ in range(rounds)]
    return [min(column) for column in zip(*times)]


def main(argv=None) -> int:
    import torch

    import rushlight

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--select", default="", help="a regular expression over the lines")
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--layouts", default="c,t")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--above", type=float, default=0.95)
    parser.add_argument("--forward", action="store_true", help="forward only")
    args = parser.parse_args(argv)
    libraries, table, families, errors = (rushlight, torch), [], {}, []
    chosen = list(
        lines(
            args.select,
            args.dtypes.split(","),
            args.sizes.split(","),
            args.layouts.split(","),
            (False,) if args.forward else (False, True),
        )  # fmt: skip
    )
    for threads in map(int, args.threads.split(",")):
        for t in libraries:
            t.set_num_threads(threads)
        for text, make in chosen:
            times = compared(libraries, make, args.rounds, SHORTEST)
            if isinstance(times, str):
                errors.append(f"{text}: {times}")
                continue
            if times[0] > args.above * times[1]:  # once more, before it is blamed
                again = compared(libraries, make, 3 * args.rounds, 2 * SHORTEST)
                times = [min(pair) for pair in zip(times, again)]
            ratio = times[0] / times[1]
            table.append((ratio, f"{text} x{threads}", times))
            families.setdefault(text.split(":")[0], []).append(math.log(ratio))
    for ratio, text, times in sorted(table, reverse=True):
        if ratio > args.above:
            print(f"{text:<64}{times[0] * 1e6:>12.4g}{times[1] * 1e6:>12.4g}{ratio:>9.2f}")
    print("\n" + "\n".join(errors))
    for name, logs in sorted(families.items(), key=lambda item: -statistics.mean(item[1])):
        print(f"{name:<48}{math.exp(statistics.mean(logs)):>9.2f}")
    mean = math.exp(statistics.mean(math.log(row[0]) for row in table))
    over = sum(row[0] > args.above for row in table)
    print(f"{len(table)} lines, geometric mean {mean:.3f}, {over} above {args.above}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
