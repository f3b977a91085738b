"""How the memory of tensors grew and shrank over a run."""

from __future__ import annotations

import gzip
import json
from typing import Any


def export_timeline(memories, started: int, path: str) -> None:
    """Write a run's memory: [microseconds, bytes] as two lists, or raw points.

    A path that ends in "raw.json.gz" gets (microseconds, action, bytes, 0) per event, where 2 is
    a block that came and 3 one that went. ValueError for a path that is no .json or .json.gz.
    """
    if not path.endswith((".json", ".json.gz", ".gz")):
        raise ValueError(f"export_memory_timeline: got {path!r}, expected a path in .json or .gz")
    times = [(moment - started) / 1000 for moment, *_ in memories]
    document: Any = [times, [total for _, _, _, total, _ in memories]]
    if path.endswith("raw.json.gz"):
        sizes = [nbytes for _, _, nbytes, _, _ in memories]
        document = [[t, 2 if n > 0 else 3, abs(n), 0] for t, n in zip(times, sizes, strict=True)]
    opened: Any = gzip.open if path.endswith(".gz") else open
    with opened(path, "wt") as file:
        json.dump(document, file)
