"""Samplers: in which order the loader takes the items of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Generic, TypeVar

import rushlight as torch

_T_co = TypeVar("_T_co", covariant=True)

# Draws with replacement are made in runs of this many, which fixes the numbers of a seed.
_RUN = 32


def draw_seed(generator: torch.Generator | None = None) -> int:
    """A 63-bit seed from a generator, by default the global one."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator).item())


def _is_positive(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check_count(value):
    if not _is_positive(value):
        raise ValueError(
            f"num_samples should be a positive integer value, but got num_samples={value}"
        )


class Sampler(Generic[_T_co]):
    """Base of samplers: a subclass defines `__iter__`, over indices or lists of them."""

    def __iter__(self) -> Iterator[_T_co]:
        """The indices of one epoch."""
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """All indices in order."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        """The indices of one epoch."""
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        """How many indices an epoch has."""
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices at random: permutations, or independent draws with `replacement`.

    Without a generator, a private one is seeded from the global one at each epoch.
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        _check_count(self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has: by default as many as the data set."""
        # The data set may change its size between epochs.
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        """The indices of one epoch."""
        n, count, generator = len(self.data_source), self.num_samples, self.generator
        if generator is None:
            generator = torch.Generator()
            generator.manual_seed(draw_seed())
        if self.replacement:
            for run in [_RUN] * (count // _RUN) + [count % _RUN]:
                draws = torch.randint(high=n, size=(run,), dtype=torch.int64, generator=generator)
                yield from draws.tolist()
            return
        for _ in range(count // n):
            yield from torch.randperm(n, generator=generator).tolist()
        # Drawn even where nothing of it is used: a given generator moves on by it.
        yield from torch.randperm(n, generator=generator).tolist()[: count % n]

    def __len__(self) -> int:
        """How many indices an epoch has."""
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: torch.Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        """The indices of one epoch."""
        for i in torch.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        """How many indices an epoch has."""
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to `weights`."""

    weights: torch.Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        _check_count(num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        weights = torch.as_tensor(weights, dtype=torch.double)
        if weights.dim() != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(weights.shape)}"
            )
        self.weights = weights
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        """The indices of one epoch."""
        draws = torch.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from draws.tolist()

    def __len__(self) -> int:
        """How many indices an epoch has."""
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler in lists of `batch_size`."""

    def __init__(
        self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool
    ) -> None:
        if not _is_positive(batch_size):
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        """The lists of one epoch."""
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        """How many lists an epoch has."""
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full if self.drop_last or not rest else full + 1
