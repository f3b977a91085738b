"""Pools of processes whose results are tensors in shared memory."""

from __future__ import annotations

import multiprocessing.pool
from typing import Any

from .queue import SimpleQueue


def clean_worker(*args: Any, **kwargs: Any) -> None:
    """A worker of a pool; drops at its end what it shared."""
    import gc

    multiprocessing.pool.worker(*args, **kwargs)
    gc.collect()


class Pool(multiprocessing.pool.Pool):
    """`multiprocessing.pool.Pool` with queues that carry tensors."""

    def _setup_queues(self):
        self._inqueue = SimpleQueue(ctx=self._ctx)
        self._outqueue = SimpleQueue(ctx=self._ctx)
        self._quick_put = self._inqueue._writer.send
        self._quick_get = self._outqueue._reader.recv
