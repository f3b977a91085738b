"""Fetching the items of one batch from a data set."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import rushlight as torch

from ..dataset import Subset, TensorDataset
from .collate import collate_tensor_fn, default_collate, default_collate_fn_map, rows


class MapFetcher:
    """Fetches items by number."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.rows = auto_collation and collate_fn is default_collate

    def fetch(self, index: Any) -> Any:
        """One batch for a list of indices, or one item where batching is off."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        if self.rows:
            batch = fetch_rows(self.dataset, index)
            if batch is not None:
                return batch
        many = getattr(self.dataset, "__getitems__", None)
        items = many(index) if many else [self.dataset[i] for i in index]
        return self.collate_fn(items)


class IterableFetcher:
    """Fetches items from a stream."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> None:
        self.iterator = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """A batch as long as `index`, shorter at the end; StopIteration after that."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.iterator))
        items = list(islice(self.iterator, len(index)))
        if len(items) < len(index):
            self.ended = True
            if not items or self.drop_last:
                raise StopIteration
        return self.collate_fn(items)


def fetch_rows(dataset: Any, index: Any) -> list | None:
    """A batch of a TensorDataset, or of a Subset of one, by one selection a tensor.

    None where taking items one by one could give anything else, an error included.
    """
    while type(dataset) is Subset:
        places = dataset.indices
        if type(index) is not list or not _all_within(index, len(places)):
            return None
        index, dataset = [places[i] for i in index], dataset.dataset
    if type(dataset) is not TensorDataset or type(index) is not list:
        return None
    if default_collate_fn_map[torch.Tensor] is not collate_tensor_fn:
        return None
    if tuple in default_collate_fn_map:
        return None
    tensors = dataset.tensors
    if not tensors or not _all_within(index, tensors[0].size(0)):
        return None
    if any(type(t) is not torch.Tensor or t.requires_grad for t in tensors):
        return None
    if any(t.layout is not torch.strided or t.device.type != "cpu" for t in tensors):
        return None
    places = torch.tensor(index)
    return [rows(t, places) for t in tensors]


def _all_within(index, size):
    return set(map(type, index)) == {int} and min(index) >= 0 and max(index) < size
