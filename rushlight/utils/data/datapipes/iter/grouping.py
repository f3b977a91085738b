"""Pipes that gather items into batches and groups, and take them apart again."""

from __future__ import annotations

from collections import defaultdict

from .._common import check_callable, length_of
from .._decorator import functional_datapipe
from ..datapipe import DataChunk, IterDataPipe


@functional_datapipe("batch")
class BatcherIterDataPipe(IterDataPipe):
    """Lists of `batch_size` items."""

    def __init__(
        self,
        datapipe: IterDataPipe,
        batch_size: int,
        drop_last: bool = False,
        wrapper_class: type[DataChunk] = DataChunk,
    ) -> None:
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        self.datapipe = datapipe
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.wrapper_class = wrapper_class

    def __iter__(self):
        batch: list = []
        for item in self.datapipe:
            batch.append(item)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self) -> int:
        whole, rest = divmod(length_of(self, self.datapipe), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """The items of lists within lists, `unbatch_level` deep; -1 is down to what is no list."""

    def __init__(self, datapipe: IterDataPipe, unbatch_level: int = 1) -> None:
        self.datapipe = datapipe
        self.unbatch_level = unbatch_level

    def __iter__(self):
        if self.unbatch_level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        for item in self.datapipe:
            yield from self._apart(item, self.unbatch_level)

    def _apart(self, item, level: int):
        is_list = isinstance(item, (list, DataChunk))
        if level == 0 or (level == -1 and not is_list):
            yield item
            return
        if not is_list:
            raise IndexError(
                f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe"
            )
        for part in item:
            yield from self._apart(part, -1 if level == -1 else level - 1)


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Lists of items with the same key, as far as a buffer of `buffer_size` items reaches.

    A group is given out when it has `group_size` items, or when the buffer is full and it is the
    largest.
    """

    def __init__(
        self,
        datapipe: IterDataPipe,
        group_key_fn,
        *,
        keep_key: bool = False,
        buffer_size: int = 10000,
        group_size: int | None = None,
        guaranteed_group_size: int | None = None,
        drop_remaining: bool = False,
    ) -> None:
        check_callable(group_key_fn)
        if guaranteed_group_size is None and group_size is not None:
            if not 0 < group_size <= buffer_size:
                raise AssertionError("group_size must be > 0 and <= buffer_size")
            guaranteed_group_size = group_size
        if guaranteed_group_size is not None and (
            group_size is None or not 0 < guaranteed_group_size <= group_size
        ):
            raise AssertionError("guaranteed_group_size must be > 0 and <= group_size")
        self.datapipe = datapipe
        self.group_key_fn = group_key_fn
        self.keep_key = keep_key
        self.max_buffer_size = buffer_size
        self.group_size = group_size
        self.guaranteed_group_size = guaranteed_group_size
        self.drop_remaining = drop_remaining

    def _made(self, key, items):
        return (key, DataChunk(items)) if self.keep_key else DataChunk(items)

    def _largest(self, groups: dict):
        """The key of the largest group, and whether it is large enough to be given out."""
        key = max(groups, key=lambda k: len(groups[k]))
        least = self.guaranteed_group_size
        enough = least is None or len(groups[key]) >= least
        if not enough and not self.drop_remaining:
            raise RuntimeError("Failed to group items", str(groups[key]))
        return key, enough

    def __iter__(self):
        groups: dict = defaultdict(list)
        held = 0
        for item in self.datapipe:
            key = self.group_key_fn(item)
            groups[key].append(item)
            held += 1
            if self.group_size is not None and len(groups[key]) == self.group_size:
                held -= self.group_size
                yield self._made(key, groups.pop(key))
            if held == self.max_buffer_size:
                key, enough = self._largest(groups)
                items = groups.pop(key)
                held -= len(items)
                if enough:
                    yield self._made(key, items)
        while groups:
            key, enough = self._largest_left(groups)
            items = groups.pop(key)
            if enough:
                yield self._made(key, items)

    def _largest_left(self, groups: dict):
        key = next(iter(groups))
        least = self.guaranteed_group_size
        small = least is not None and len(groups[key]) < least
        return key, not (small and self.drop_remaining)


Batcher = BatcherIterDataPipe
UnBatcher = UnBatcherIterDataPipe
Grouper = GrouperIterDataPipe
