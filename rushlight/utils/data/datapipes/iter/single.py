"""Pipes over one stream: its items changed, chosen, mixed or shared out."""

from __future__ import annotations

import copy
import random

import rushlight as torch

from ..._utils.collate import default_collate
from ...sampler import SequentialSampler
from .._common import apply, check_callable, length_of
from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe


class IterableWrapperIterDataPipe(IterDataPipe):
    """A stream over any iterable, which is copied at the beginning unless `deepcopy` is False."""

    def __init__(self, iterable, deepcopy: bool = True) -> None:
        self.iterable = iterable
        self.deepcopy = deepcopy

    def __iter__(self):
        source = self.iterable
        if self.deepcopy:
            try:
                source = copy.deepcopy(source)
            except TypeError:  # what cannot be copied, such as a generator, is used as it is
                import warnings

                warnings.warn(
                    "The input iterable can not be deepcopied, please be aware of in-place "
                    "modification would affect source data.",
                    stacklevel=2,
                )
        yield from source

    def __len__(self) -> int:
        return length_of(self, self.iterable)


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """`fn` of every item, or of some of its columns."""

    def __init__(self, datapipe: IterDataPipe, fn, input_col=None, output_col=None) -> None:
        check_callable(fn)
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        self.datapipe = datapipe
        self.fn = fn
        self.input_col = input_col
        self.output_col = output_col

    def __iter__(self):
        for data in self.datapipe:
            yield apply(self.fn, data, self.input_col, self.output_col)

    def __len__(self) -> int:
        return length_of(self, self.datapipe)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Batches as tensors, by `default_collate` or a function of your own."""

    def __init__(self, datapipe, conversion=default_collate, collate_fn=None) -> None:
        super().__init__(datapipe, fn=conversion if collate_fn is None else collate_fn)


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The items of which `filter_fn` is true."""

    def __init__(self, datapipe: IterDataPipe, filter_fn, input_col=None) -> None:
        check_callable(filter_fn)
        self.datapipe = datapipe
        self.filter_fn = filter_fn
        self.input_col = input_col

    def _keeps(self, data) -> bool:
        column = self.input_col
        if column is None:
            kept = self.filter_fn(data)
        elif isinstance(column, (list, tuple)):
            kept = self.filter_fn(*(data[c] for c in column))
        else:
            kept = self.filter_fn(data[column])
        if not isinstance(kept, bool):
            raise ValueError(
                "Boolean output is required for `filter_fn` of FilterIterDataPipe, got "
                f"{type(kept)}"
            )
        return kept

    def __iter__(self):
        for data in self.datapipe:
            if self._keeps(data):
                yield data


class SamplerIterDataPipe(IterDataPipe):
    """The places of a sequence in the order of a sampler."""

    def __init__(
        self, datapipe, sampler=SequentialSampler, sampler_args=None, sampler_kwargs=None
    ) -> None:
        if not hasattr(type(datapipe), "__len__"):
            raise AssertionError("Sampler class requires input datapipe implemented `__len__`")
        self.datapipe = datapipe
        arguments = dict(sampler_kwargs or {})
        arguments["data_source"] = datapipe
        self.sampler = sampler(*(sampler_args or ()), **arguments)

    def __iter__(self):
        return iter(self.sampler)

    def __len__(self) -> int:
        return length_of(self, self.sampler)


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(IterDataPipe):
    """The items in random order, as far as a buffer of `buffer_size` items reaches."""

    def __init__(
        self, datapipe: IterDataPipe, *, buffer_size: int = 10000, unbatch_level: int = 0
    ) -> None:
        if buffer_size <= 0:
            raise ValueError("buffer_size should be larger than 0")
        if unbatch_level:
            datapipe = datapipe.unbatch(unbatch_level=unbatch_level)
        self.datapipe = datapipe
        self.buffer_size = buffer_size
        self._enabled = True
        self._seed: int | None = None
        self._rng = random.Random()
        self._buffer: list = []

    def set_shuffle(self, shuffle: bool = True) -> ShufflerIterDataPipe:
        """Whether items change their places."""
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> ShufflerIterDataPipe:
        """The seed of the next run; without one it is drawn."""
        self._seed = seed
        return self

    def reset(self) -> None:
        """Begin with an empty buffer and the seed."""
        self._buffer = []
        if self._enabled:
            if self._seed is None:
                self._seed = int(torch.empty((), dtype=torch.int64).random_().item())
            self._rng.seed(self._seed)
            self._seed = None

    def __iter__(self):
        if not self._enabled:
            yield from self.datapipe
            return
        buffer = self._buffer
        for item in self.datapipe:
            if len(buffer) == self.buffer_size:
                place = self._rng.randint(0, len(buffer) - 1)
                chosen, buffer[place] = buffer[place], item
                yield chosen
            else:
                buffer.append(item)
        while buffer:
            yield buffer.pop(self._rng.randint(0, len(buffer) - 1))

    def __len__(self) -> int:
        return length_of(self, self.datapipe)


@functional_datapipe("sharding_filter")
class ShardingFilterIterDataPipe(IterDataPipe):
    """Each worker's share of the items: every n-th one."""

    def __init__(self, source_datapipe: IterDataPipe, sharding_group_filter=None) -> None:
        self.source_datapipe = source_datapipe
        self.sharding_group_filter = sharding_group_filter
        self.num_of_instances = 1
        self.instance_id = 0

    def apply_sharding(self, num_of_instances: int, instance_id: int, sharding_group=None) -> None:
        """Take the items at `instance_id`, `instance_id + num_of_instances`, ..."""
        if instance_id >= num_of_instances:
            raise ValueError(
                f"instance_id({instance_id}) should be smaller than "
                f"num_of_instances({num_of_instances})"
            )
        self.num_of_instances, self.instance_id = num_of_instances, instance_id

    def __iter__(self):
        for number, item in enumerate(self.source_datapipe):
            if number % self.num_of_instances == self.instance_id:
                yield item

    def __len__(self) -> int:
        whole, rest = divmod(length_of(self, self.source_datapipe), self.num_of_instances)
        return whole + (self.instance_id < rest)


IterableWrapper = IterableWrapperIterDataPipe
Mapper = MapperIterDataPipe
Collator = CollatorIterDataPipe
Filter = FilterIterDataPipe
Sampler = SamplerIterDataPipe
Shuffler = ShufflerIterDataPipe
ShardingFilter = ShardingFilterIterDataPipe
