"""The queues of multiprocessing, whose pickler knows tensors since this package is imported."""

from __future__ import annotations

from multiprocessing.queues import Queue, SimpleQueue
from multiprocessing.reduction import ForkingPickler

__all__ = ["ForkingPickler", "Queue", "SimpleQueue"]
