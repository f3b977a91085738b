"""Shared memory of the loader: made once, filled again, never while anybody still reads it."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import sys
import time
from collections import namedtuple

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset, TensorDataset, default_collate
from rushlight.utils.data._utils import channel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
SIDE = 200  # images of this many rows and columns make batches that are worth sharing


class Images(Dataset):
    """Image i is full of i."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return torch.full((SIDE, SIDE), float(i)), i


def intact(batch):
    images, numbers = batch
    return torch.equal(images.amin((1, 2)), numbers.float()) and torch.equal(
        images.amax((1, 2)), numbers.float()
    )


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_batches_that_are_kept_stay_as_they_came(start):
    loader = DataLoader(Images(60), 2, num_workers=2, multiprocessing_context=start)
    kept = []
    for k, batch in enumerate(loader):
        assert intact(batch)
        if k % 3 == 0:
            kept.append(batch)
    assert all(map(intact, kept))
    assert len({batch[0].data_ptr() for batch in kept}) == len(kept) == 10


def test_memory_that_is_let_go_is_filled_again():
    addresses = [batch[0].data_ptr() for batch in DataLoader(Images(200), 2, num_workers=1)]
    assert len(addresses) == 100 and len(set(addresses)) <= 8


def test_views_and_arrays_keep_a_batch():
    iterator = iter(DataLoader(Images(80), 2, num_workers=1))
    row, array = next(iterator)[0][1, 3], next(iterator)[0].numpy()
    for batch in iterator:
        assert intact(batch)
    assert row.tolist() == [1.0] * SIDE and (array[0] == 2).all() and (array[1] == 3).all()


def test_a_forked_child_may_go_on_reading_what_the_parent_let_go():
    iterator = iter(DataLoader(Images(120), 2, num_workers=1))
    batch = next(iterator)
    inbox, outbox = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(outbox)
        os.read(inbox, 1)  # until the parent is through
        os._exit(0 if intact(batch) else 1)
    os.close(inbox)
    del batch
    assert all(map(intact, iterator))
    os.close(outbox)
    assert os.waitpid(child, 0)[1] == 0


def remembering(items, seen=[]):  # noqa: B006, one list for the life of the worker
    """Hands out the first batch again with each later one."""
    seen.append(default_collate(items))
    return seen[0], seen[-1]


def test_a_worker_may_keep_and_send_a_batch_again():
    loader = DataLoader(Images(20), 2, num_workers=1, collate_fn=remembering)
    for k, (first, last) in enumerate(loader):
        assert intact(first) and intact(last)
        assert first[1].tolist() == [0, 1] and last[1].tolist() == [2 * k, 2 * k + 1]


@pytest.mark.parametrize(
    "dataset",
    [Images(12), TensorDataset(torch.rand(12, SIDE, SIDE), torch.arange(12))],
    ids=["items", "rows"],
)
def test_a_batch_is_made_where_it_is_read(dataset, monkeypatch):
    def copies(self, memory):
        raise AssertionError(f"{len(memory)} bytes were copied on their way")

    monkeypatch.setattr(channel._Parts, "copy", copies)  # the forked worker has this too
    batches = list(DataLoader(dataset, 4, num_workers=1, multiprocessing_context="fork"))
    assert [tuple(images.shape) for images, _ in batches] == [(4, SIDE, SIDE)] * 3
    assert all(images.is_shared() for images, _ in batches)
    # What no collation made is copied, once.
    with pytest.raises(AssertionError, match="160000 bytes were copied"):
        next(iter(DataLoader(Images(1), None, num_workers=1, multiprocessing_context="fork")))


def test_a_block_in_the_hands_of_another_is_not_filled():
    own = channel.OwnBlocks()
    first = own.empty((300, 300), torch.float32)
    number = own.number_of(first)
    del first
    again = own.empty((290, 300), torch.float32)
    assert own.number_of(again) == number  # nobody referred to it
    assert own.number_of(own.empty((300, 300), torch.float32)) != number
    own.sent([number])
    del again
    assert own.number_of(own.empty((300, 300), torch.float32)) != number
    own.came_back([number], [])
    both = [own.empty((300, 300), torch.float32) for _ in range(2)]
    assert number in map(own.number_of, both)
    own.close()


def test_blocks_that_nobody_takes_go():
    own = channel.OwnBlocks()
    own.empty((400_000,), torch.uint8)
    for _ in range(70):
        own.empty((100_000,), torch.uint8)
    own.empty((1_000_000,), torch.uint8)
    assert own.dropped == [1] and len(own._all) == 2
    own.close()


# -- what is left after a long time ---
def resources():
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    with open("/proc/self/maps") as file:
        maps = sum("memfd:rushlight" in line for line in file)
    return len(os.listdir("/proc/self/fd")), maps, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("persistent", [False, True])
def test_two_hundred_epochs_leave_nothing(persistent):
    loader = DataLoader(Images(4), 2, num_workers=1, persistent_workers=persistent)
    for epoch in range(200):
        assert sum(len(numbers) for _, numbers in loader) == 4
        if epoch == 9:
            before = resources()
    after = resources()
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 8


# -- the ways a worker dies ---
@pytest.mark.parametrize("bytes_sent", [0, 3, 12, 40])
def test_a_worker_killed_in_the_middle_of_a_message(bytes_sent, monkeypatch):
    def send(self, value):
        stream = bytes([40, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]) + bytes(100)
        self.socket.sendall(stream[:bytes_sent])
        os.kill(os.getpid(), signal.SIGKILL)

    loader = DataLoader(Images(50), 2, num_workers=2, multiprocessing_context="fork")
    began, here = time.monotonic(), os.getpid()
    plain = channel.Channel.send

    def only_there(self, value):
        (plain if os.getpid() == here else send)(self, value)

    monkeypatch.setattr(channel.Channel, "send", only_there)
    with pytest.raises(RuntimeError, match="exited unexpectedly") as caught:
        list(loader)
    assert "is killed by signal: Killed" in str(caught.value.__cause__)
    assert time.monotonic() - began < 4


def test_a_worker_killed_from_outside():
    iterator = iter(DataLoader(Images(10**6), 2, num_workers=2))
    next(iterator)
    os.kill(iterator._workers[1].pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        for _ in iterator:
            pass
    assert time.monotonic() - began < 4


def refuses(items):
    raise ZeroDivisionError(f"no batch of {len(items)}")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_in_collation(workers):
    iterator = iter(DataLoader(Images(4), 2, num_workers=workers, collate_fn=refuses))
    with pytest.raises(ZeroDivisionError, match="no batch of 2") as caught:
        next(iterator)
    if workers:
        text = str(caught.value)
        assert text.startswith("Caught ZeroDivisionError in DataLoader worker process 0.\n")
        assert "in refuses" in text and "Original Traceback (most recent call last):" in text


# -- what sets give ---
Pair = namedtuple("Pair", "image label")


@dataclasses.dataclass
class Sample:
    image: torch.Tensor
    label: int


def items(batch):
    return batch


class Kinds(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return {
            "array": np.full((SIDE, SIDE), i, dtype=np.int16),
            "pair": Pair(torch.full((3,), i), i),
            "text": f"item {i}",
            "nested": [(i, float(i)), {"flag": bool(i % 2)}],
            "bytes": bytes([i]),
        }


@pytest.mark.parametrize("workers", [0, 2])
def test_kinds_of_items(workers):
    batch = list(DataLoader(Kinds(), 2, num_workers=workers))[1]
    assert batch["array"].dtype == torch.int16 and batch["array"][:, 5, 5].tolist() == [2, 3]
    assert type(batch["pair"]) is Pair and batch["pair"].label.tolist() == [2, 3]
    assert batch["text"] == ["item 2", "item 3"] and batch["bytes"] == [b"\2", b"\3"]
    (integers, floats), flags = batch["nested"]
    assert integers.dtype == torch.int64 and floats.dtype == torch.float64
    assert flags["flag"].tolist() == [False, True]


class Samples(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        return Sample(torch.full((SIDE, SIDE), i), i)


@pytest.mark.parametrize("workers", [0, 1])
def test_dataclasses_want_a_collation_of_their_own(workers):
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
        next(iter(DataLoader(Samples(), 2, num_workers=workers)))
    batch = next(iter(DataLoader(Samples(), 2, num_workers=workers, collate_fn=items)))
    assert [(s.label, int(s.image[7, 7])) for s in batch] == [(0, 0), (1, 1)]


class Nested(Dataset):
    """Each item is a sum over a loader of its own."""

    def __init__(self, workers):
        self.workers = workers

    def __len__(self):
        return 3

    def __getitem__(self, i):
        inner = DataLoader(range(i + 3), 2, num_workers=self.workers)
        return sum(int(batch.sum()) for batch in inner)


def test_loaders_in_workers():
    assert [int(b) for b in DataLoader(Nested(0), num_workers=2)] == [3, 6, 10]
    with pytest.raises(AssertionError, match="daemonic processes are not allowed to have children"):
        list(DataLoader(Nested(1), num_workers=1))


def test_pictures_go_through_a_collation_that_makes_tensors():
    image = pytest.importorskip("PIL.Image")

    def draw(i):
        return image.new("L", (SIDE, SIDE), i)

    def collate(pictures):
        return torch.stack([torch.from_numpy(np.array(p)) for p in pictures])

    pictures = [draw(i) for i in range(4)]
    batches = list(DataLoader(pictures, 2, num_workers=1, collate_fn=collate))
    assert [batch[:, 0, 0].tolist() for batch in batches] == [[0, 1], [2, 3]]
    whole = next(iter(DataLoader(pictures, 4, num_workers=1, collate_fn=items)))
    assert [p.getpixel((3, 3)) for p in whole] == [0, 1, 2, 3]
