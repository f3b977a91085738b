"""An epoch whose batches are made by worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from multiprocessing.connection import wait
from signal import strsignal
from time import monotonic

from ._utils.channel import channel_pair
from ._utils.worker import ExceptionWrapper, StreamEnded, WorkerOptions, worker_main
from .dataloader import _BaseDataLoaderIter

# Tasks that wait in a worker's socket; more would fill its buffer and block the sender.
_TASKS_IN_SOCKET = 16
# Seconds for workers to end by themselves before they are terminated.
_PATIENCE = 5.0


class _Worker:
    """The parent's side of one worker process."""

    def __init__(self, loader, number, base_seed, context, siblings):
        self.channel, child = channel_pair()
        forks = context.get_start_method() == "fork"
        # A forked worker has copies of all ends that the parent keeps.
        inherited = [self.channel, *(w.channel for w in siblings)] if forks else []
        # The parent of a process of the fork server is that server.
        parent = os.getpid() if context.get_start_method() != "forkserver" else None
        options = WorkerOptions(loader, number, base_seed, parent)
        self.process = context.Process(
            target=worker_main, args=(options, child.socket, inherited), daemon=True
        )
        try:
            self.process.start()
        finally:
            child.close()
        self.pid = self.process.pid
        self.under_way = 0
        self.waiting = deque()
        self.ended = False

    def give(self, task):
        """Send a task, or keep it until the worker has room."""
        if self.under_way < _TASKS_IN_SOCKET:
            self.under_way += 1
            self.send(task)
        else:
            self.waiting.append(task)

    def send(self, message):
        try:
            self.channel.send(message)
        except ConnectionError:
            self.raise_death()

    def receive(self):
        """The next answer: epoch, number and data."""
        try:
            answer = self.channel.receive()
        except EOFError:
            self.raise_death()
        self.under_way -= 1
        if self.waiting:
            self.give(self.waiting.popleft())
        return answer

    def raise_death(self):
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        if code is not None and code < 0:
            cause = f"is killed by signal: {strsignal(-code)}. "
        else:
            cause = (
                f"exited unexpectedly with exit code {code}. Details are lost due to "
                "multiprocessing. Rerunning with num_workers=0 may give better error trace."
            )
        reason = RuntimeError(f"DataLoader worker (pid {self.pid}) {cause}")
        raise RuntimeError(f"DataLoader worker (pid(s) {self.pid}) exited unexpectedly") from reason


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        self._owner = os.getpid()
        self._workers = []
        if loader.prefetch_factor < 1:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._prefetch = loader.prefetch_factor * self._num_workers
        self._in_order = loader.in_order
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self._epoch = 0
        try:
            for number in range(self._num_workers):
                self._workers.append(
                    _Worker(loader, number, self._base_seed, context, self._workers)
                )
            if self._pipe_seed is not None:
                self._seed_pipes(loader)  # PyTorch draws once more here
            self._begin()
        except BaseException:
            self._shutdown_workers()
            raise

    def _reset(self, loader):
        """A new epoch with the workers that are there."""
        super()._reset(loader)
        self._epoch += 1
        for worker in self._workers:
            worker.ended = False
            worker.waiting.clear()
            # Answers that an epoch left early did not take; later ones are known by its number.
            while worker.channel.poll(0):
                worker.receive()
            worker.send((self._epoch, None, self._pipe_seed))
        self._begin()

    def _begin(self):
        self._sent = 0  # tasks given out
        self._assigned = {}  # task -> its worker, in order, until its batch is handed out
        self._arrived = {}  # task -> data, come before its turn
        self._turn = 0
        for _ in range(self._prefetch):
            self._give_task()

    def _give_task(self):
        """Give the next indices to the worker whose turn it is."""
        candidates = [
            self._workers[(self._turn + i) % self._num_workers] for i in range(self._num_workers)
        ]
        candidates = [worker for worker in candidates if not worker.ended]
        if not candidates:
            return
        worker = candidates[0]
        if not self._in_order:
            loads = list(self._assigned.values())
            worker = min(candidates, key=loads.count)
        try:
            index = self._next_index()
        except StopIteration:
            return
        self._turn = (self._workers.index(worker) + 1) % self._num_workers
        self._assigned[self._sent] = worker
        worker.give((self._epoch, self._sent, index))
        self._sent += 1

    def _next_data(self):
        while self._assigned:
            number = next(iter(self._assigned if self._in_order else self._arrived), None)
            if number not in self._arrived:
                self._receive()
                continue
            data = self._arrived.pop(number)
            del self._assigned[number]
            self._give_task()
            if isinstance(data, ExceptionWrapper):
                data.reraise()
            return data
        if not self._persistent_workers:
            self._shutdown_workers()
        raise StopIteration

    def _receive(self):
        """Take one answer, from the worker whose batch comes next or from any."""
        if self._in_order:
            worker = next(iter(self._assigned.values()))
            if not worker.channel.poll(0):
                self._wait([worker])
        else:
            busy = [worker for worker in self._workers if worker in self._assigned.values()]
            worker = self._wait(busy)
        epoch, number, data = worker.receive()
        if epoch != self._epoch:
            return
        if not isinstance(data, StreamEnded):
            self._arrived[number] = data
        elif not worker.ended:
            worker.ended = True
            # Its unanswered tasks die with it; the others get new ones instead.
            lost = [n for n, w in self._assigned.items() if w is worker and n >= number]
            for n in lost:
                del self._assigned[n]
            for _ in lost:
                self._give_task()

    def _wait(self, workers):
        """Wait until one of some workers answers; notice when any worker has died."""
        channels = {worker.channel: worker for worker in workers}
        sentinels = {worker.process.sentinel: worker for worker in self._workers}
        ready = wait([*channels, *sentinels], self._timeout or None)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        for item in ready:
            if item in channels:
                return channels[item]
        sentinels[ready[0]].raise_death()

    def _shutdown_workers(self):
        workers, self._workers = self._workers, []
        for worker in workers:
            # A worker that waits sees the end; one that works fails to send, and ends then.
            worker.channel.hang_up()
        end = monotonic() + _PATIENCE
        for worker in workers:
            worker.process.join(max(0.0, end - monotonic()))
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join()

    def __del__(self):
        # Forked children have this object too, but the workers are not theirs.
        if getattr(self, "_owner", None) == os.getpid():
            self._shutdown_workers()
