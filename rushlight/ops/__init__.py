"""Every operator family. Importing this package declares them all."""

from __future__ import annotations

from . import shape  # noqa: F401

FAMILIES = (
    "arithmetic", "comparison", "math", "activation", "reduction", "scan", "softmax", "norm",
    "loss", "matmul", "conv", "attention", "rnn", "join", "indexing", "scatter", "sorting",
    "pooling", "pooling_adaptive", "embedding", "creation", "windows", "random", "dropout",
)  # fmt: skip

import importlib.util as _util  # noqa: E402

for _family in FAMILIES:
    if _util.find_spec(f"{__name__}.{_family}"):
        __import__(f"{__name__}.{_family}")
