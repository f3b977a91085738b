"""Blocks of shared memory that travel between two processes and come back to be filled again.

Making, mapping and clearing pages costs more than copying into them, so a block is made once:
its maker fills it, the other process reads it, and once nothing there refers to it any more its
number goes back with the next message. A block has no name and, after its first journey, no
descriptor: nothing can leak, and nothing is used up, however many are kept.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable

import rushlight as torch

from .... import _C, Tensor

# Idle blocks go when they were passed over by this many others.
_PATIENCE = 64
_PAGE = 4096

# Counts the forks of this process: a child may go on reading what the parent has let go.
_forks = 0


def _count_fork():
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_count_fork)


class _Block:
    def __init__(self, number, size):
        self.number = number
        self.descriptor = _C.shared_memory(size)  # until the other process has mapped it
        self.memory = _C.map_shared(self.descriptor)
        self.away = 0  # messages with it that have not come back
        self.used = 0


class OwnBlocks:
    """The blocks that this process made, and fills."""

    def __init__(self) -> None:
        self._all: dict[int, _Block] = {}
        self._idle: dict[int, _Block] = {}
        self._by_storage: dict[int, _Block] = {}
        self._made = 0
        self._time = 0
        self.dropped: list[int] = []  # told to the other process with the next message

    def empty(self, shape: Iterable[int], dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor in a block that is neither away nor referred to here."""
        shape = tuple(shape)
        count = math.prod(shape)
        block = self._take(count * dtype.itemsize)
        flat = _C.tensor_from_storage(block.memory, dtype, 0, (count,), (1,))
        return flat.view(shape)

    def _take(self, nbytes):
        self._time += 1
        best = None
        for block in self._idle.values():
            size = block.memory.numel()
            if nbytes <= size <= 2 * nbytes + _PAGE and _C.storage_uses(block.memory) == 1:
                if best is None or size < best.memory.numel():
                    best = block
        if best is None:
            self._drop_old()
            self._made += 1
            best = _Block(self._made, -(-nbytes // _PAGE) * _PAGE)
            self._all[best.number] = self._idle[best.number] = best
            self._by_storage[best.memory._storage_id()] = best
        best.used = self._time
        return best

    def _drop_old(self):
        old = [
            block
            for block in self._idle.values()
            if self._time - block.used > _PATIENCE and _C.storage_uses(block.memory) == 1
        ]
        for block in old:
            self._drop(block)
            self.dropped.append(block.number)

    def _drop(self, block):
        del self._all[block.number], self._by_storage[block.memory._storage_id()]
        self._idle.pop(block.number, None)
        self._close(block)

    @staticmethod
    def _close(block):
        if block.descriptor is not None:
            os.close(block.descriptor)
            block.descriptor = None

    def number_of(self, tensor: Tensor) -> int | None:
        """The number of the block that a tensor lies in."""
        block = self._by_storage.get(tensor._storage_id())
        return block and block.number

    def unsent(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Number and descriptor of those that the other process does not know."""
        found = [(number, self._all[number].descriptor) for number in numbers]
        return [(number, descriptor) for number, descriptor in found if descriptor is not None]

    def sent(self, numbers: Iterable[int]) -> None:
        """A message with these blocks is away."""
        for number in numbers:
            block = self._all[number]
            block.away += 1
            self._idle.pop(number, None)
            self._close(block)

    def came_back(self, numbers: Iterable[int], lost: Iterable[int]) -> None:
        """What the other process has let go, and what it can never let go."""
        for number in numbers:
            block = self._all.get(number)
            if block is None:
                continue
            block.away -= 1
            if not block.away:
                self._idle[number] = block
        for number in lost:
            block = self._all.get(number)
            if block is not None:
                self._drop(block)
                self.dropped.append(number)

    def close(self) -> None:
        """Forget all; the other process keeps what it refers to."""
        for block in self._all.values():
            self._close(block)
        self._all.clear()
        self._idle.clear()
        self._by_storage.clear()


class _Lease:
    """Stands for one block of one message; tells when nothing refers to it any more."""

    __slots__ = ("_forks", "_memory", "_number", "_returned")

    def __init__(self, number, memory, returned):
        self._number, self._memory, self._returned = number, memory, returned
        self._forks = _forks

    def __del__(self):
        self._returned.append((self._number, self._forks == _forks))


class TheirBlocks:
    """The blocks that the other process made, and sends."""

    def __init__(self) -> None:
        self._all: dict[int, Tensor] = {}
        self._returned: deque = deque()

    def learn(self, numbers: Iterable[int], descriptors: Iterable[int]) -> None:
        """Map new blocks."""
        for number, descriptor in zip(numbers, descriptors, strict=True):
            self._all[number] = _C.map_shared(descriptor)

    def forget(self, numbers: Iterable[int]) -> None:
        """Their maker has dropped these."""
        for number in numbers:
            self._all.pop(number, None)

    def lease(self, number: int) -> Tensor:
        """The bytes of a block, which stay untouched while anything refers to them."""
        memory = self._all[number]
        size = memory.numel()
        lease = _Lease(number, memory, self._returned)
        return _C.from_pointer(memory.data_ptr(), size, lease, torch.uint8, (size,), (1,))

    def returned(self) -> tuple[list[int], list[int]]:
        """The numbers of blocks to send back, and of those that a forked child may still read."""
        back, lost = [], []
        while self._returned:
            number, recyclable = self._returned.popleft()
            (back if recyclable else lost).append(number)
        return back, lost

    def close(self) -> None:
        """Forget all; what is referred to stays."""
        self._all.clear()
