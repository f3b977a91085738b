"""What the library was built with and runs on, in words."""

from __future__ import annotations

import rushlight as torch

__all__ = ["parallel_info", "show"]


def show() -> str:
    """Version, processor and libraries, one fact a line."""
    from . import backends

    facts = {
        "rushlight": torch.__version__,
        "CPU capability usage": backends.cpu.get_cpu_capability(),
        "oneDNN": "yes" if backends.mkldnn.is_available() else "no",
        "OpenMP": "yes" if backends.openmp.is_available() else "no",
        "CUDA": torch.version.cuda or "no",
    }
    return "rushlight built with:\n" + "".join(f"  - {k}: {v}\n" for k, v in facts.items())


def parallel_info() -> str:
    """How many threads run, and what decides it."""
    import os

    facts = {
        "torch.get_num_threads()": torch.get_num_threads(),
        "torch.get_num_interop_threads()": torch.get_num_interop_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "[not set]"),
        "os.cpu_count()": os.cpu_count(),
    }
    return "Threads:\n" + "".join(f"\t{k} : {v}\n" for k, v in facts.items())
