"""Results that are not there yet: `Future`, and waiting for several of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A result that another thread sets; callbacks run in the thread that completes it."""

    def __init__(self, *, devices=None):
        from ._device import check_device

        self._devices = [check_device(device) for device in devices or ()]
        self._done = threading.Condition()
        self._is_done = False
        self._value = None
        self._error: Exception | None = None
        self._callbacks: list[Callable] = []

    def done(self) -> bool:
        """Whether there is a result or an error."""
        return self._is_done

    def wait(self):
        """The result, waited for; its error is raised."""
        with self._done:
            self._done.wait_for(self.done)
        return self.value()

    def value(self):
        """The result, which must be there; its error is raised."""
        if not self._is_done:
            raise RuntimeError("Future.value(): the future is not completed yet: call wait() first")
        if self._error is not None:
            raise self._error
        return self._value

    def then(self, callback: Callable) -> Future:
        """The future of `callback(self)`, which runs once this one is complete."""
        if not callable(callback):
            raise TypeError(f"then(): expected a callable, got {type(callback).__name__}")
        follower: Future = Future()

        def run(future):
            try:
                result = callback(future)
            except Exception as error:
                follower._complete(None, _named(error))
            else:
                follower._complete(result, None)

        self._when_done(run)
        return follower

    def add_done_callback(self, callback: Callable) -> None:
        """Run `callback(self)` once this one is complete; its errors are logged."""

        def run(future):
            try:
                callback(future)
            except Exception as error:
                logging.getLogger(__name__).error("%s", _named(error))

        self._when_done(run)

    def set_result(self, result) -> None:
        """Complete it with a result, once."""
        self._complete(result, None)

    def set_exception(self, result) -> None:
        """Complete it with an error, once."""
        assert isinstance(result, Exception), (
            f"{result} is of type {type(result)}, not an Exception."
        )
        self._complete(None, result)

    def _when_done(self, run: Callable) -> None:
        with self._done:
            if not self._is_done:
                self._callbacks.append(run)
                return
        run(self)

    def _complete(self, value, error) -> None:
        with self._done:
            if self._is_done:
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future "
                    "can only be marked completed once."
                )
            self._value, self._error, self._is_done = value, error, True
            callbacks, self._callbacks = self._callbacks, []
            self._done.notify_all()
        for run in callbacks:
            run(self)


Future.__module__ = "torch.futures"


def _named(error: Exception) -> RuntimeError:
    named = RuntimeError(
        f"Got the following error when running the callback: {type(error).__name__}: {error}"
    )
    named.__cause__ = error
    return named


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """The future of the list itself, complete when each of `futures` is."""
    futures = list(futures)
    whole: Future = Future()
    if not futures:
        whole.set_result([])
        return whole
    lock, missing = threading.Lock(), [len(futures)]

    def count(_):
        with lock:
            missing[0] -= 1
            last = missing[0] == 0
        if last:
            whole.set_result(futures)

    for future in futures:
        future._when_done(count)
    return whole


def wait_all(futures: list[Future]) -> list:
    """The results of all, waited for; the first error is raised."""
    return [future.wait() for future in collect_all(futures).wait()]
