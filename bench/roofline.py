"""How near the kernels come to what the machine can do: bounds and shares, in one run.

    python bench/roofline.py                 all kernels, all threads
    python bench/roofline.py --threads 1 --select conv

The probes are in probe.c, compiled here with the C compiler found as `cc`. A kernel's bound is the
larger of two times: the bytes that it must move (each operand and result once) at the bandwidth
probed for such a mixture, and its multiplications and additions at the peak of its dtype. The share
is that bound over the measured time. Above 100%: operands that stayed in a cache, or an algorithm
with fewer multiplications than the plain count (3 x 3 convolutions).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
import time

from compare import machine

import rushlight as torch

F = torch.nn.functional
FLOATS = 1 << 25  # of one array of the memory probes: 128 MB


# -- probes ---------------------------------------------------------------------------------------


def probe_library():
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.c")
    made = os.path.join(tempfile.mkdtemp(), "probe.so")
    flags = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-Wno-psabi"]
    subprocess.run(["cc", *flags, "-o", made, source], check=True)
    library = ctypes.CDLL(made)
    for name in ("memory", "fma32", "fma64", "bf16"):
        getattr(library, name).restype = ctypes.c_double
    library.bf16_flops.restype = ctypes.c_int64
    return library


def bandwidths(library, threads: int) -> dict[str, float]:
    """Bytes a second, the best of seven runs; a write counts once, a copy twice, a triad thrice."""
    arrays = [torch.ones(FLOATS) for _ in range(3)]
    pointers = [ctypes.c_void_p(a.data_ptr()) for a in arrays]
    total = ctypes.c_float()
    found = {}
    for what, (name, times) in enumerate((("read", 1), ("write", 1), ("copy", 2), ("triad", 3))):
        best = min(
            library.memory(what, *pointers, ctypes.c_int64(FLOATS), threads, ctypes.byref(total))
            for _ in range(7)
        )
        found[name] = FLOATS * 4 * times / best
    return found


def peaks(library, threads: int) -> dict[str, float]:
    """Flops a second in registers, the best of many short runs: others use the machine too."""
    total, rounds = ctypes.c_float(), 100_000
    a_round = {"float32": 16 * 16 * 2, "float64": 16 * 8 * 2, "bfloat16": library.bf16_flops()}
    probes = {"float32": library.fma32, "float64": library.fma64, "bfloat16": library.bf16}
    found = {}
    for name, probe in probes.items():
        runs = [probe(ctypes.c_int64(rounds), threads, ctypes.byref(total)) for _ in range(200)]
        if min(runs) > 0:
            found[name] = a_round[name] * rounds * threads / min(runs)
    return found


# -- kernels --------------------------------------------------------------------------------------
# Each: name, call, bytes moved, kind of traffic, flops, dtype of the arithmetic.


def pointwise():
    n = 1 << 24
    a, b = torch.randn(n), torch.randn(n)
    half = a.to(torch.bfloat16)
    yield "a + b", lambda: a + b, 12 * n, "triad", n
    yield "relu", lambda: a.relu(), 8 * n, "copy", n
    yield "exp", lambda: a.exp(), 8 * n, "copy", 0
    yield "gelu", lambda: F.gelu(a), 8 * n, "copy", 0
    yield "a.add_(1)", lambda: a.add_(1), 8 * n, "copy", n
    yield "float32 to bfloat16", lambda: a.to(torch.bfloat16), 6 * n, "copy", 0
    yield "bfloat16 a + a", lambda: half + half, 4 * n, "copy", n
    yield "dropout", lambda: F.dropout(a, 0.1), 9 * n, "triad", 0


def reductions():
    n = 1 << 24
    a, rows = torch.randn(n), torch.randn(8192, 2048)
    yield "sum", lambda: a.sum(), 4 * n, "read", n
    yield "sum of columns, (8192, 2048)", lambda: rows.sum(0), 4 * n, "read", n
    yield "sum of rows, (8192, 2048)", lambda: rows.sum(1), 4 * n, "read", n
    yield "argmax of rows", lambda: rows.argmax(1), 4 * n, "read", 0
    yield "var of rows", lambda: rows.var(1), 4 * n, "read", 0
    yield "softmax of rows", lambda: rows.softmax(1), 8 * n, "copy", 0
    yield "cumsum of rows", lambda: rows.cumsum(1), 8 * n, "copy", 0


def norms():
    x, image = torch.randn(8192, 1024), torch.randn(32, 64, 64, 64)
    n, w, b = x.numel(), torch.rand(1024), torch.rand(1024)
    c = torch.rand(64)
    mean, var = torch.zeros(64), torch.ones(64)
    yield "layer_norm, (8192, 1024)", lambda: F.layer_norm(x, (1024,), w, b), 8 * n, "copy", 0
    batch_norm = F.batch_norm
    yield ("batch_norm, training, (32, 64, 64, 64)",
           lambda: batch_norm(image, mean, var, c, c, True), 12 * n, "triad", 0)  # fmt: skip
    yield "group_norm of 8", lambda: F.group_norm(image, 8, c, c), 12 * n, "triad", 0


def gradients():
    """Backward alone, with what forward kept; bytes of the fewest passes that there can be."""
    n = 1 << 23
    x, image = torch.randn(8192, 1024), torch.randn(32, 64, 64, 64)
    w, c, at = torch.rand(1024), torch.rand(64), torch.randint(0, 1024, (8192,))
    yield "gelu backward", backward(F.gelu, x), 12 * n, "triad", 0
    yield "silu backward", backward(F.silu, x), 12 * n, "triad", 0
    yield "dropout backward", backward(lambda x: F.dropout(x, 0.1), x), 9 * n, "triad", 0
    yield "softmax backward", backward(lambda x: x.softmax(1), x), 12 * n, "triad", 0
    yield "cross_entropy", lambda: F.cross_entropy(x, at), 4 * n, "read", 0
    entropy = backward(lambda x: F.cross_entropy(x, at), x)
    yield "cross_entropy backward", entropy, 8 * n, "copy", 0
    layer = backward(lambda x, w, b: F.layer_norm(x, (1024,), w, b), x, w, w)
    yield "layer_norm backward", layer, 12 * n, "triad", 0
    batch = backward(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), image, c, c)
    yield "batch_norm backward (sums first: 5 passes)", batch, 20 * n, "triad", 0
    group = backward(lambda x, w, b: F.group_norm(x, 8, w, b), image, c, c)
    yield "group_norm backward", group, 12 * n, "triad", 0


def backward(function, *inputs):
    leaves = [t.clone().requires_grad_() for t in inputs]
    with torch.enable_grad():
        y = function(*leaves)
    g = torch.randn(y.shape)
    return lambda: torch.autograd.grad(y, leaves, g, retain_graph=True)


def copies():
    n = 1 << 24
    a, image = torch.randn(4096, 4096), torch.randn(32, 64, 128, 64)
    parts = [torch.randn(2048, 1024) for _ in range(8)]
    table, at = torch.randn(100_000, 256), torch.randint(0, 100_000, (65_536,))
    yield "clone", lambda: a.clone(), 8 * n, "copy", 0
    yield "t().contiguous(), 4096", lambda: a.t().contiguous(), 8 * n, "copy", 0
    last = torch.channels_last
    yield "to channels_last", lambda: image.contiguous(memory_format=last), 8 * n, "copy", 0
    yield "cat of 8", lambda: torch.cat(parts, 1), 8 * n, "copy", 0
    yield "embedding, 65536 rows of 256", lambda: F.embedding(at, table), 8 * n, "copy", 0


def products():
    for dtype, sizes in (("float32", (64, 256, 1024, 2048)), ("float64", (1024,)),
                         ("bfloat16", (256, 1024, 2048))):  # fmt: skip
        for n in sizes:
            a, b = (torch.randn(n, n).to(getattr(torch, dtype)) for _ in range(2))
            size = a.element_size() * n * n
            yield f"a @ b, {n}, {dtype}", product(a, b), 3 * size, "triad", 2 * n**3, dtype
    a, v = torch.randn(4096, 4096), torch.randn(4096)
    yield "matrix @ vector, 4096", product(a, v), 4 * a.numel(), "read", 2 * a.numel()
    a, b = torch.randn(96, 128, 64), torch.randn(96, 64, 128)
    moved = 4 * 96 * (2 * 128 * 64 + 128 * 128)
    yield (
        "bmm, (96, 128, 64) @ (96, 64, 128)",
        product(a, b),
        moved,
        "triad",
        2 * 96 * 128 * 64 * 128,
    )


def product(a, b):
    return lambda: a @ b


def convolutions():
    cases = (
        ("3x3, (8, 64, 56, 56)", (8, 64, 56, 56), 64, 3, 1, 1),
        ("3x3, (8, 256, 14, 14)", (8, 256, 14, 14), 256, 3, 1, 1),
        ("1x1, (16, 256, 14, 14)", (16, 256, 14, 14), 256, 1, 1, 1),
        ("7x7 / 2, (4, 3, 224, 224)", (4, 3, 224, 224), 64, 7, 2, 1),
        ("3x3 depthwise, (16, 128, 28, 28)", (16, 128, 28, 28), 128, 3, 1, 128),
    )
    for dtype in ("float32", "bfloat16"):
        for name, shape, outputs, kernel, stride, groups in cases:
            kind = getattr(torch, dtype)
            x = torch.randn(shape).to(kind)
            w = torch.randn(outputs, shape[1] // groups, kernel, kernel).to(kind)
            call = convolution(x, w, stride, kernel // 2, groups)
            y = call()
            moved = x.element_size() * (x.numel() + w.numel() + y.numel())
            flops = 2 * y.numel() * w[0].numel()
            yield f"conv {name}, {dtype}", call, moved, "triad", flops, dtype
            if dtype == "float32" and groups == 1 and stride == 1:
                both = convolution_gradients(x, w, y, kernel // 2)
                yield f"conv {name}, both gradients", both, 2 * moved, "triad", 2 * flops, dtype


def convolution(x, w, stride, padding, groups):
    return lambda: F.conv2d(x, w, stride=stride, padding=padding, groups=groups)


def convolution_gradients(x, w, g, padding):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    with torch.enable_grad():
        y = F.conv2d(x, w, padding=padding)
    return lambda: torch.autograd.grad(y, (x, w), g, retain_graph=True)


def attention():
    for n, causal in ((256, False), (1024, False), (1024, True), (4096, True)):
        q, k, v = (torch.randn(max(1, 2048 // n), 8, n, 64) for _ in range(3))
        flops = 4 * q.numel() * n // (2 if causal else 1)
        word = ", causal" if causal else ""
        yield (
            f"attention, length {n}{word}",
            attend(q, k, v, causal),
            16 * q.numel(),
            "triad",
            flops,
        )


def attend(q, k, v, causal):
    return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def recurrent():
    layer, x = torch.nn.LSTM(128, 256, batch_first=True), torch.randn(32, 32, 128)
    flops = 2 * 32 * 32 * (128 + 256) * 1024
    moved = 4 * sum(p.numel() for p in layer.parameters())
    yield "LSTM(128, 256), (32, 32, 128)", lambda: layer(x), moved, "read", flops


def optimizers():
    for name, arrays in (("SGD", 3), ("Adam", 7), ("AdamW", 7)):
        params = [torch.nn.Parameter(torch.randn(1024, 1024)) for _ in range(10)]
        for p in params:
            p.grad = torch.randn(1024, 1024)
        step = getattr(torch.optim, name)(params, lr=1e-4).step
        step()
        yield f"{name}, 10 million", step, arrays * 4 * 10 * (1 << 20), "triad", 0


def sorting():
    a, rows = torch.randn(1 << 20), torch.randn(4096, 1024)
    # A radix sort of float32 with its indices reads and writes both four times.
    yield "sort, 1 million", lambda: a.sort(), 4 * 2 * 12 * a.numel(), "copy", 0
    yield "topk(10) of rows, (4096, 1024)", lambda: rows.topk(10), 4 * rows.numel(), "read", 0


FAMILIES = (pointwise, reductions, norms, gradients, copies, products, convolutions, attention,
            recurrent, optimizers, sorting)  # fmt: skip


def seconds_of(call, rounds: int) -> float:
    """The least time of a call over some rounds of at least 20 ms."""
    call()
    started = time.perf_counter()
    call()
    count = max(1, int(0.02 / max(time.perf_counter() - started, 1e-7)))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - started) / count)
    return best


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--select", default=".", help="regular expression over the kernels")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    print(f"{machine()}; {args.threads} threads; {time.strftime('%Y-%m-%d')}\n")
    library = probe_library()
    print("| probe | " + " | ".join(f"{n} thread{'s' * (n > 1)}" for n in counts(args)) + " |")
    print("|---|" + "---:|" * len(counts(args)))
    found = {n: (bandwidths(library, n), peaks(library, n)) for n in counts(args)}
    for kind, unit, scale in ((0, "GB/s", 1e9), (1, "Gflop/s", 1e9)):
        for name in found[1][kind]:
            values = " | ".join(f"{found[n][kind][name] / scale:,.0f}" for n in counts(args))
            print(f"| {name}, {unit} | {values} |")
    bandwidth, peak = found[args.threads]
    print("\n| kernel | us | GB/s | Gflop/s | bound | share |\n|---|---:|---:|---:|---|---:|")
    with torch.no_grad():
        for family in FAMILIES:
            for name, call, moved, traffic, flops, *dtype in family():
                if re.search(args.select, f"{family.__name__} {name}"):
                    kind = dtype[0] if dtype else "float32"
                    print(row(name, seconds_of(call, args.rounds), moved, bandwidth[traffic],
                              flops, peak.get(kind, peak["float32"])), flush=True)  # fmt: skip
    return 0


def counts(args) -> list[int]:
    return sorted({1, args.threads})


def row(name, seconds, moved, bandwidth, flops, peak) -> str:
    by_memory, by_flops = moved / bandwidth, flops / peak
    word = "arithmetic" if by_flops > by_memory else "memory"
    share = max(by_memory, by_flops) / seconds
    numbers = f"{seconds * 1e6:,.1f} | {moved / seconds / 1e9:,.1f}"
    work = f"{flops / seconds / 1e9:,.0f}" if flops else "-"
    return f"| {name} | {numbers} | {work} | {word} | {share:.0%} |"


if __name__ == "__main__":
    sys.exit(main())
