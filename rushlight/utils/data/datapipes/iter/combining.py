"""Pipes over several streams, and several pipes over one."""

from __future__ import annotations

import copy as copying
from collections import deque
from collections.abc import Iterator

from .._common import check_callable, check_pipes, length_of
from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe


@functional_datapipe("concat")
class ConcaterIterDataPipe(IterDataPipe):
    """One stream after the other."""

    def __init__(self, *datapipes: IterDataPipe) -> None:
        self.datapipes = check_pipes(datapipes, IterDataPipe)

    def __iter__(self):
        for pipe in self.datapipes:
            yield from pipe

    def __len__(self) -> int:
        return sum(length_of(self, pipe) for pipe in self.datapipes)


@functional_datapipe("zip")
class ZipperIterDataPipe(IterDataPipe):
    """Tuples of one item of each stream, as long as all have one."""

    def __init__(self, *datapipes: IterDataPipe) -> None:
        self.datapipes = check_pipes(datapipes, IterDataPipe)

    def __iter__(self):
        yield from zip(*self.datapipes, strict=False)

    def __len__(self) -> int:
        return min(length_of(self, pipe) for pipe in self.datapipes)


@functional_datapipe("mux")
class MultiplexerIterDataPipe(IterDataPipe):
    """One item of each stream in turn, as long as all have one."""

    def __init__(self, *datapipes: IterDataPipe) -> None:
        self.datapipes = check_pipes(datapipes, IterDataPipe)

    def __iter__(self):
        for items in zip(*self.datapipes, strict=False):
            yield from items

    def __len__(self) -> int:
        return min(length_of(self, pipe) for pipe in self.datapipes) * len(self.datapipes)


class _Source(IterDataPipe):
    """The stream that several pipes take from, with what some of them have not taken yet."""

    def __init__(self, datapipe: IterDataPipe, count: int, buffer_size: int, route):
        if count <= 0:
            raise ValueError(f"Expected `num_instances` larger than 0, but {count} is found")
        if buffer_size == 0:
            raise ValueError("Expected `buffer_size` to be a positive number or -1, but got 0")
        if buffer_size < 0:
            import warnings

            warnings.warn(
                "Unlimited buffer size is set, please be aware of OOM risks", stacklevel=4
            )
        self.main_datapipe = datapipe
        self.count = count
        self.buffer_size = buffer_size
        self.route = route
        self.generation = 0
        self.begin()

    def begin(self) -> None:
        """Start over for all pipes."""
        self.generation += 1
        self._iterator: Iterator | None = None
        self._waiting: list[deque] = [deque() for _ in range(self.count)]

    def take(self, number: int):
        """The next item of one pipe; StopIteration at the end."""
        waiting = self._waiting[number]
        if self._iterator is None:
            self._iterator = iter(self.main_datapipe)
        while not waiting:
            item = next(self._iterator)
            for place, part in self.route(item):
                self._waiting[place].append(part)
            longest = max((len(w) for i, w in enumerate(self._waiting) if i != number), default=0)
            if 0 < self.buffer_size < longest:
                raise BufferError(f"DataPipe buffer overflow, buffer size = {self.buffer_size}")
        return waiting.popleft()

    def __getstate__(self):
        kept = dict(self.__dict__)
        kept["_iterator"], kept["_waiting"] = None, [deque() for _ in range(self.count)]
        return kept

    def __iter__(self):
        yield from self.main_datapipe

    def __len__(self) -> int:
        return length_of(self, self.main_datapipe)


class _ChildDataPipe(IterDataPipe):
    """One of several pipes over one stream."""

    def __init__(self, source: _Source, number: int, has_length: bool):
        self.main_datapipe = source
        self.instance_id = number
        self._generation = 0
        self._has_length = has_length

    def __iter__(self):
        source = self.main_datapipe
        if self._generation == source.generation:
            source.begin()
        mine = self._generation = source.generation
        while True:
            if source.generation != mine:
                raise RuntimeError(
                    "This iterator has been invalidated, because another iterator has been created "
                    "from one of the child DataPipes of the same stream"
                )
            try:
                item = source.take(self.instance_id)
            except StopIteration:
                return
            yield item

    def __len__(self) -> int:
        if self._has_length:
            return len(self.main_datapipe)
        raise TypeError(f"{type(self).__name__} instance doesn't have valid length")


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """`num_instances` pipes with all items of one stream; `copy` is None, "shallow" or "deep"."""

    def __new__(
        cls, datapipe: IterDataPipe, num_instances: int, buffer_size: int = 1000, copy=None
    ):
        copiers = {None: _same, "shallow": copying.copy, "deep": copying.deepcopy}
        if copy not in copiers:
            raise ValueError(f"Unknown copy method `{copy}` (choose one of None, shallow, deep)")
        if num_instances == 1 and copy is None:
            return [datapipe]
        made = _Everywhere(num_instances, copiers[copy])
        source = _Source(datapipe, num_instances, buffer_size, made)
        return [_ChildDataPipe(source, i, True) for i in range(num_instances)]


def _same(item):
    return item


class _Everywhere:
    def __init__(self, count: int, copier):
        self.count, self.copier = count, copier

    def __call__(self, item):
        return [(place, self.copier(item)) for place in range(self.count)]


class _ByClass:
    def __init__(self, classifier, count: int, drop_none: bool):
        self.classifier, self.count, self.drop_none = classifier, count, drop_none

    def __call__(self, item):
        place = self.classifier(item)
        if place is None and self.drop_none:
            return []
        if place is None or not 0 <= place < self.count:
            raise ValueError(
                f"Output of the classification fn should be between 0 and {self.count - 1}. "
                f"{place} is returned."
            )
        return [(place, item)]


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """`num_instances` pipes; `classifier_fn` says in which of them an item goes."""

    def __new__(
        cls,
        datapipe: IterDataPipe,
        num_instances: int,
        classifier_fn,
        drop_none: bool = False,
        buffer_size: int = 1000,
    ):
        check_callable(classifier_fn)
        route = _ByClass(classifier_fn, num_instances, drop_none)
        source = _Source(datapipe, num_instances, buffer_size, route)
        return [_ChildDataPipe(source, i, False) for i in range(num_instances)]


Concater = ConcaterIterDataPipe
Zipper = ZipperIterDataPipe
Multiplexer = MultiplexerIterDataPipe
Forker = ForkerIterDataPipe
Demultiplexer = DemultiplexerIterDataPipe
