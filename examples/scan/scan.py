"""An operator of one's own in C++, with its gradient: y[t] = a y[t - 1] + x[t].

    python examples/scan/scan.py

compiles scan.cpp on first use (it needs a compiler and pybind11). `python setup.py build_ext
--inplace` in this folder builds the same module beforehand. With PyTorch it runs unchanged.
"""

from __future__ import annotations

import os
import time

import rushlight as torch
from rushlight.utils.cpp_extension import load

HERE = os.path.dirname(os.path.abspath(__file__))


def compiled(**options):
    """The module, compiled where that has not been done yet."""
    try:
        import scan_cpp  # built by setup.py
    except ImportError:
        return load("scan_cpp", [os.path.join(HERE, "scan.cpp")], **options)
    return scan_cpp


def make_scan(module):
    """The operator as a function of tensors that has a gradient."""

    class Scan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, a):
            ctx.a = a
            return module.scan(x, a)

        @staticmethod
        def backward(ctx, g):
            return module.scan(g, ctx.a, True), None

    return Scan.apply


def in_python(x, a):
    """The same with tensor operators, a step at a time."""
    steps, carried = [], torch.zeros_like(x[..., 0])
    for step in x.unbind(-1):
        carried = a * carried + step
        steps.append(carried)
    return torch.stack(steps, -1)


def main():
    torch.manual_seed(0)
    scan = make_scan(compiled())
    x = torch.randn(64, 500, requires_grad=True)
    for name, function in (("Python", in_python), ("C++", scan)):
        taken = float("inf")
        for _ in range(5):  # the first run sets up
            start = time.perf_counter()
            y = function(x, 0.9)
            (gradient,) = torch.autograd.grad(y.square().sum(), x)
            taken = min(taken, (time.perf_counter() - start) * 1e3)
        print(f"{name:8s}{taken:8.2f} ms   y {y.sum().item():.3f}   gradient {gradient.sum():.3f}")


if __name__ == "__main__":
    main()
