"""What runs in a worker process of the loader."""

from __future__ import annotations

import os
import random
import sys
import traceback
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import rushlight as torch

from .fetch import IterableFetcher, MapFetcher

# How often, in seconds, a worker without work looks whether its parent still lives.
_PARENT_CHECK = 2.0

if TYPE_CHECKING:
    from socket import socket

_worker_info = None


class WorkerInfo:
    """Which worker this process is."""

    def __init__(
        self,
        id: int,
        num_workers: int,
        seed: int,
        dataset: Any,
        rng: Any = None,
        worker_method: str = "multiprocessing",
    ) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset
        self.rng = rng
        self.worker_method = worker_method

    def __repr__(self) -> str:
        return "WorkerInfo(" + ", ".join(f"{k}={v!r}" for k, v in vars(self).items()) + ")"


def get_worker_info() -> WorkerInfo | None:
    """The facts of the worker this runs in, or None in the main process."""
    return _worker_info


class StreamEnded:
    """Sent instead of a batch when a worker's stream has no more."""


class KeyErrorMessage(str):
    """A message that KeyError prints as it is, without quotes."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """An exception on its way to another process: its type and its traceback as text."""

    def __init__(self, error: BaseException, where: str = "in background") -> None:
        self.exc_type = type(error)
        self.exc_msg = "".join(traceback.format_exception(error))
        self.where = where

    def reraise(self) -> None:
        """Raise it here, as its own type where that takes one message."""
        raise self._error()

    def _error(self):
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        try:
            return self.exc_type(message)
        except Exception:  # its constructor wants something else
            return RuntimeError(message)


class _SeedOnImport:
    """Seeds NumPy's generator when the worker imports it, since it is not there yet."""

    def __init__(self, seed):
        self.seed = seed

    def find_spec(self, name, path=None, target=None):
        if name != "numpy.random":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            _seed_numpy(self.seed, module)

        spec.loader.exec_module = exec_module
        return spec


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """The four words that seed NumPy in a worker, for libraries that start workers themselves."""
    from numpy.random import SeedSequence

    return SeedSequence(_seed_words(base_seed, worker_id)).generate_state(4).tolist()


def _seed_words(base_seed: int, worker_id: int) -> list[int]:
    return [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]


def _seed_numpy(seed, numpy_random):
    numpy_random.seed(numpy_random.SeedSequence(seed).generate_state(4))


def _seed_everything(base_seed, worker_id):
    seed = base_seed + worker_id
    random.seed(seed)
    torch.manual_seed(seed)
    words = _seed_words(base_seed, worker_id)
    if "numpy.random" in sys.modules:
        _seed_numpy(words, sys.modules["numpy.random"])
    else:
        sys.meta_path.insert(0, _SeedOnImport(words))
    return seed


def seed_pipes(dataset: Any, seed: int) -> None:
    """Seed the pipes of a data set from one number, alike in all processes."""
    from ..graph_settings import apply_random_seed

    apply_random_seed(dataset, torch.Generator().manual_seed(seed))


class WorkerOptions:
    """What a worker is told at its start."""

    def __init__(self, loader: Any, id: int, base_seed: int, parent: int | None) -> None:
        self.id = id
        self.num_workers = loader.num_workers
        self.base_seed = base_seed
        self.parent = parent
        self.dataset = loader.dataset
        self.iterable = loader._dataset_kind == 1
        self.auto_collation = loader._auto_collation
        self.collate_fn = loader.collate_fn
        self.drop_last = loader.drop_last
        self.init_fn = loader.worker_init_fn

    def parent_lives(self) -> bool:
        """Whether there is still somebody to fetch for."""
        if self.parent is None:
            from multiprocessing import parent_process

            return parent_process().is_alive()
        return os.getppid() == self.parent

    def fetcher(self) -> MapFetcher | IterableFetcher:
        """What takes the items of a new epoch."""
        kind = IterableFetcher if self.iterable else MapFetcher
        return kind(self.dataset, self.auto_collation, self.collate_fn, self.drop_last)


def worker_main(options: WorkerOptions, end: socket, inherited: list) -> None:
    """Fetch batches until told to stop, or until the parent is gone."""
    from . import collate
    from .channel import SHARE_FROM, Channel

    # Copies of the ends that the parent keeps would hide its death from the others.
    for other in inherited:
        other.close()
    channel = Channel(end)
    collate.blocks, collate.share_from = channel.own, SHARE_FROM
    try:
        _Worker(options, channel).run()
    except (KeyboardInterrupt, EOFError, ConnectionError):
        # Interrupted together with the parent, or the parent is gone: nobody wants a report.
        pass
    finally:
        channel.close()


class _Worker:
    def __init__(self, options, channel):
        self.options, self.channel = options, channel
        self.where = f"in DataLoader worker process {options.id}"
        self.fetcher = None
        self.error = None
        self.ended = False

    def start(self):
        global _worker_info
        options = self.options
        # The threads of the parent did not survive the fork, and workers run side by side.
        torch.set_num_threads(1)
        seed = _seed_everything(options.base_seed, options.id)
        _worker_info = WorkerInfo(options.id, options.num_workers, seed, options.dataset)
        try:
            if getattr(type(options.dataset), "_is_iter_pipe", False):
                from ..graph_settings import apply_sharding

                apply_sharding(options.dataset, options.num_workers, options.id)
            if options.init_fn is not None:
                options.init_fn(options.id)
        except Exception as error:  # whatever it is goes to the parent
            self.error = ExceptionWrapper(error, self.where)

    def run(self):
        self.start()
        while True:
            while not self.channel.poll(_PARENT_CHECK):
                if not self.options.parent_lives():
                    return
            task = self.channel.receive()
            if task is None:
                return
            epoch, number, index = task
            if number is None:  # a new epoch
                self.fetcher, self.ended = None, False
                if index is not None:
                    seed_pipes(self.options.dataset, index)
                continue
            self.answer(epoch, number, self.fetch(index))

    def fetch(self, index):
        if self.error is not None:
            error, self.error = self.error, None
            return error
        if self.ended:
            return StreamEnded()
        try:
            if self.fetcher is None:
                self.fetcher = self.options.fetcher()
            return self.fetcher.fetch(index)
        except Exception as error:  # whatever it is goes to the parent
            if isinstance(error, StopIteration) and self.options.iterable:
                self.ended = True
                return StreamEnded()
            return ExceptionWrapper(error, self.where)

    def answer(self, epoch, number, data):
        try:
            self.channel.send((epoch, number, data))
        except ConnectionError:
            raise
        except Exception as error:  # the batch or an exception's type: no pickle
            wrapped = data if isinstance(data, ExceptionWrapper) else None
            if wrapped is not None:
                wrapped.exc_type = RuntimeError
            else:
                wrapped = ExceptionWrapper(error, self.where)
            self.channel.send((epoch, number, wrapped))
