"""Times beside PyTorch's: the same lines, alternating, in one process, with the same threads.

    python bench/run.py                    every group
    python bench/run.py calls training     some groups
    python bench/run.py --threads 1 --json times.json
    python bench/run.py --scaling          beside rushlight's own times with one thread
    python bench/run.py pointwise reductions --side 200    tensors of small nets: 40,000 elements

Each line is run in rounds; a round times rushlight, then PyTorch, each long enough to measure. What
is printed is the median over the rounds, and the quotient of the medians. Without PyTorch the
second column stays empty.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

import elements as element_lines
import files as file_lines
import layers as layer_lines
import loading as loading_lines
import movement as movement_lines
import steps as step_lines

import rushlight

try:
    import torch
except ImportError:
    torch = None

ROUNDS = 9
SHORTEST = 0.02  # seconds that one timing lasts at least
WIDTH = 64  # of the line's name


def seconds_per_call(call) -> float:
    """The time of one call, from enough calls to fill SHORTEST."""
    count = 1
    while True:
        started = time.perf_counter()
        for _ in range(count):
            call()
        took = time.perf_counter() - started
        if took >= SHORTEST:
            return took / count
        count = max(count * 2, int(count * SHORTEST / max(took, 1e-9)))


def paired(make, sides) -> tuple[float, float | None]:
    """Median seconds of `make(library)()` on each side, a library and its threads, in turn."""
    calls = []
    for library, threads in sides:
        library.set_num_threads(threads)
        try:
            call = make(library)
            call()
        except NotImplementedError:
            if library is rushlight:
                raise
            continue  # PyTorch does not have it in this dtype
        calls.append((call, library, threads))
    times = []
    for _ in range(ROUNDS):
        times.append([])
        for call, library, threads in calls:
            library.set_num_threads(threads)
            times[-1].append(seconds_per_call(call))
    medians = [statistics.median(column) for column in zip(*times)]
    return medians[0], medians[1] if len(medians) > 1 else None


# -- what is timed ------------------------------------------------


def calls():
    def multiply(t):
        a, b = t.rand(4, 4), t.rand(4, 4)
        return lambda: a * b

    def backward(t):
        a = t.rand(4, 4, requires_grad=True)
        return lambda: (a * a + a).sum().backward()

    def index(t):
        a = t.rand(4, 4)
        return lambda: a[1]

    def linear(t):
        layer, x = t.nn.Linear(64, 64), t.rand(32, 64)
        return lambda: layer(x)

    yield "a * b, 4 x 4", multiply
    yield "(a*a + a).sum().backward(), 4 x 4", backward
    yield "a[1], 4 x 4", index
    yield "nn.Linear(64, 64) on (32, 64)", linear


def memory():
    def add(t):
        a, b = t.rand(1 << 24), t.rand(1 << 24)
        return lambda: a + b

    def total(t):
        a = t.rand(1 << 24)
        return lambda: a.sum()

    def transposed(t):
        a = t.rand(2048, 2048)
        return lambda: a.t().contiguous()

    yield "a + b, 16 million floats", add
    yield "a.sum(), 16 million floats", total
    yield "a.t().contiguous(), 2048 x 2048", transposed


def kernels():
    def product(t):
        a, b = t.rand(1024, 1024), t.rand(1024, 1024)
        return lambda: a @ b

    def product_half(t):
        a, b = (t.rand(1024, 1024).to(t.bfloat16) for _ in range(2))
        return lambda: a @ b

    def convolution(t):
        x, w = t.rand(32, 64, 56, 56), t.rand(64, 64, 3, 3)
        return lambda: t.nn.functional.conv2d(x, w, padding=1)

    def softmax(t):
        x = t.rand(4096, 1024)
        return lambda: t.softmax(x, 1)

    def normalize(t):
        x, w, b = t.rand(4096, 768), t.rand(768), t.rand(768)
        return lambda: t.nn.functional.layer_norm(x, (768,), w, b)

    yield "a @ b, 1024", product
    yield "a @ b, 1024, bfloat16", product_half
    yield "conv2d 3 x 3, (32, 64, 56, 56)", convolution
    yield "softmax, (4096, 1024)", softmax
    yield "layer_norm, (4096, 768)", normalize


def random():
    def dropout(t):
        x = t.rand(2_000_000)
        return lambda: t.nn.functional.dropout(x, 0.5)

    yield "rand, 1 million", lambda t: lambda: t.rand(1_000_000)
    yield "randn, 1 million", lambda t: lambda: t.randn(1_000_000)
    yield "randperm, 1 million", lambda t: lambda: t.randperm(1_000_000)
    yield "dropout, 2 million", dropout


def operators():
    """Sorting, indexing, resampling, factorising: operators with an algorithm of their own."""

    def from_shape(act, *shape):
        return lambda t: bind(act, t, t.rand(*shape))

    def bind(act, t, x):
        return lambda: act(t, x)

    def index(t):
        x, at = t.rand(100_000, 64), t.randint(0, 100_000, (50_000,))
        return lambda: x[at]

    def index_put(t):
        x, at = t.zeros(100_000, 64), t.randint(0, 100_000, (50_000,))
        rows = t.rand(50_000, 64)
        return lambda: x.index_put_((at,), rows, accumulate=True)

    def scatter_add(t):
        x, at = t.zeros(1000, 512), t.randint(0, 1000, (4000, 512))
        values = t.rand(4000, 512)
        return lambda: x.scatter_add_(0, at, values)

    def embedding_bag(t):
        table = t.rand(50_000, 64, requires_grad=True)
        at, starts = t.randint(0, 50_000, (20_000,)), t.arange(0, 20_000, 20)
        return lambda: t.nn.functional.embedding_bag(at, table, starts).sum().backward()

    def ctc(t):
        scores = t.rand(100, 16, 30, requires_grad=True)
        labels = t.randint(1, 30, (16, 25))
        lengths = t.full((16,), 100), t.full((16,), 25)
        loss = t.nn.functional.ctc_loss
        return lambda: loss(scores.log_softmax(2), labels, *lengths).backward()

    def grid_sample(t):
        x, grid = t.rand(8, 16, 128, 128), t.rand(8, 128, 128, 2) * 2 - 1
        return lambda: t.nn.functional.grid_sample(x, grid, align_corners=False)

    def resample(mode, **more):
        return lambda t, x: t.nn.functional.interpolate(x, size=(160, 200), mode=mode, **more)

    def sparse_product(t):
        x = t.rand(4000, 4000)
        graph, rows = (x * (x > 0.99)).to_sparse_csr(), t.rand(4000, 64)
        return lambda: graph @ rows

    def coalesce(t):
        at, values = t.randint(0, 10_000, (2, 200_000)), t.rand(200_000)
        return lambda: t.sparse_coo_tensor(at, values, (10_000, 10_000)).coalesce()

    images = 8, 16, 128, 128
    yield "sort, 1 million", from_shape(lambda t, x: x.sort(), 1_000_000)
    yield "topk(10) of rows, (2048, 1024)", from_shape(lambda t, x: x.topk(10), 2048, 1024)
    yield "unique, 1 million of 1000", from_shape(lambda t, x: (x * 1000).int().unique(), 1_000_000)
    yield "cumsum of rows, (2048, 1024)", from_shape(lambda t, x: x.cumsum(1), 2048, 1024)
    yield "x[index], 50000 rows of 64", index
    yield "index_put_(accumulate), 50000 rows", index_put
    yield "scatter_add_, (4000, 512)", scatter_add
    yield "interpolate nearest, (8, 16, 128, 128)", from_shape(resample("nearest"), *images)
    yield "interpolate bilinear", from_shape(resample("bilinear"), *images)
    yield "interpolate bicubic", from_shape(resample("bicubic"), *images)
    small = resample("bilinear", antialias=True)
    yield "interpolate bilinear antialias", from_shape(small, 8, 3, 256, 256)
    yield "grid_sample, (8, 16, 128, 128)", grid_sample
    yield "embedding_bag, 1000 bags, and back", embedding_bag
    yield "ctc_loss, (100, 16, 30), and back", ctc
    yield "svd, 128", from_shape(lambda t, x: t.linalg.svd(x), 128, 128)
    yield "solve, 256", from_shape(lambda t, x: t.linalg.solve(x, x), 256, 256)
    yield "eigh, 128", from_shape(lambda t, x: t.linalg.eigh(x + x.mT), 128, 128)
    yield "fft, 64 of 16384", from_shape(lambda t, x: t.fft.fft(x), 64, 16384)
    yield "rfft2, 1024 x 1024", from_shape(lambda t, x: t.fft.rfft2(x), 1024, 1024)
    yield "cdist, 1000 x 1000 of 64", from_shape(lambda t, x: t.cdist(x, x), 1000, 64)
    yield "sparse 4000 x 4000 (1%) @ 64 columns", sparse_product
    yield "coalesce, 200000 values", coalesce


def trainer(t, model, x, y):
    """One training step of a classifier, as a function."""
    optimizer = t.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        t.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def training():
    def small(t):
        nn = t.nn
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        return trainer(t, model, t.rand(32, 64), t.randint(0, 10, (32,)))

    def convolutional(t):
        nn = t.nn
        model = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip
        return trainer(t, model, t.rand(64, 1, 28, 28), t.randint(0, 10, (64,)))

    yield "MLP 64-64-10, batch 32, Adam", small
    yield "MNIST network, batch 64, Adam", convolutional


def layers():
    """Layers of nn in eval and in training, small to large."""
    yield from layer_lines.lines()


def steps():
    yield from step_lines.lines()


def files():
    """Checkpoints, saved and loaded."""
    yield from file_lines.LINES


def loading():
    """Epochs over a set in memory."""
    yield from loading_lines.LINES


def pointwise():
    """Every operator that works element by element, by dtype and layout."""
    yield from element_lines.pointwise_lines()


def reductions():
    """Every reduction over all elements and over each dim, norms, losses and their gradients."""
    yield from element_lines.reduction_lines()


def windows():
    """Pooling, padding, resampling and folding, forward and backward."""
    yield from element_lines.window_lines()


def movement():
    """Copies, joins, indexing, sorting and tables, large; bench/movement.py sweeps over more."""
    yield from movement_lines.brief()


FAMILIES = (calls, memory, kernels, operators, random, layers, steps, files, loading, training)
ELEMENTS = (movement, pointwise, reductions, windows)  # 2,000 lines: only when asked for
GROUPS = {f.__name__: f for f in (*FAMILIES, *ELEMENTS)}


# -- importing ------------------------------------------------

# A child's peak counts what its parent held when it was forked, so the present size is read.
IMPORT = """
import os, resource, time
def size():
    if os.path.exists("/proc/self/statm"):
        return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = size()
start = time.perf_counter()
import {name}
print(time.perf_counter() - start, size() - before)
"""


def import_times() -> list[tuple[str, float, float | None]]:
    """Median seconds and bytes that `import` takes, each in fresh interpreters."""
    columns = []
    for library in (rushlight, torch):
        if library is None:
            continue
        runs = []
        for _ in range(5):
            command = [sys.executable, "-c", IMPORT.format(name=library.__name__)]
            path = os.pathsep.join(p for p in sys.path if p)
            done = subprocess.run(
                command, capture_output=True, text=True, check=True,
                env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
            runs.append([float(x) for x in done.stdout.split()])
        columns.append([statistics.median(c) for c in zip(*runs)])
    first, second = columns[0], columns[1] if len(columns) > 1 else [None, None]
    return [
        ("import, seconds", first[0], second[0]),
        ("import, memory, MB", first[1] / 1e6, second[1] and second[1] / 1e6),
    ]


def row(text: str, ours: float, theirs: float | None, unit: str, scale: float) -> str:
    line = f"{text:<{WIDTH}}{ours * scale:>12.4g}"
    if theirs is not None:
        line += f"{theirs * scale:>12.4g}{ours / theirs:>9.2f}"
    return f"{line}   {unit}"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="*", help=f"of: import, {', '.join(GROUPS)}; default all")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--scaling", action="store_true", help="beside ours with one thread")
    parser.add_argument("--side", type=int, default=element_lines.SIDE, help="of the squares")
    parser.add_argument("--select", metavar="REGEX", default="", help="only lines that contain it")
    parser.add_argument("--json", metavar="FILE", help="also write the seconds here")
    args = parser.parse_args(argv)
    unknown = set(args.groups) - {"import", *GROUPS}
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    element_lines.SIDE = args.side
    peer = (rushlight, 1) if args.scaling else (torch, args.threads)
    sides = [(rushlight, args.threads), *([peer] if peer[0] else [])]
    second = "one thread" if args.scaling else "PyTorch"
    print(f"{f'{args.threads} threads':<{WIDTH}}{'rushlight':>12}{second:>12}{'quotient':>9}")
    results = {}
    wanted = args.groups or ["import", *(f.__name__ for f in FAMILIES)]
    if "import" in wanted:
        for text, ours, theirs in import_times():
            print(row(text, ours, theirs, "", 1))
            results[text] = ours, theirs
    for name in wanted:
        for text, make in GROUPS[name]() if name in GROUPS else ():
            if not re.search(args.select, text):
                continue
            ours, theirs = paired(make, sides)
            print(row(text, ours, theirs, "us", 1e6), flush=True)
            results[text] = ours, theirs
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"threads": args.threads, "seconds": results}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
