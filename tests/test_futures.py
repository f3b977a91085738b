"""torch.futures: results that another thread sets."""

import logging
import threading

import pytest

from rushlight.futures import Future, collect_all, wait_all


def test_a_result_is_waited_for():
    future = Future()
    assert not future.done()
    with pytest.raises(RuntimeError, match="not completed"):
        future.value()
    threading.Timer(0.02, future.set_result, (3,)).start()
    assert future.wait() == 3 and future.value() == 3 and future.done()
    with pytest.raises(RuntimeError, match="already|complete again"):
        future.set_result(4)


def test_callbacks_run_once_it_is_complete(caplog):
    future, seen = Future(), []
    after = future.then(lambda f: f.wait() + 1)
    future.add_done_callback(lambda f: seen.append(f.value()))
    future.add_done_callback(lambda f: 1 / 0)
    with caplog.at_level(logging.ERROR):
        future.set_result(1)
    assert after.wait() == 2 and seen == [1]
    assert "ZeroDivisionError" in caplog.text
    assert future.then(lambda f: f.value() * 10).wait() == 10  # complete already: at once


def test_errors_are_raised_where_they_are_waited_for():
    future = Future()
    after = future.then(lambda f: f.value())
    future.set_exception(ValueError("no luck"))
    with pytest.raises(ValueError, match="no luck"):
        future.wait()
    with pytest.raises(RuntimeError, match="ValueError: no luck"):
        after.wait()
    with pytest.raises(AssertionError, match="not an Exception"):
        Future().set_exception(3)


def test_several_at_once():
    futures = [Future() for _ in range(3)]
    together = collect_all(futures)
    for number, future in enumerate(futures):
        assert not together.done()
        future.set_result(number)
    assert together.wait() == futures
    assert wait_all(futures) == [0, 1, 2]
    assert wait_all([]) == []
    failed = Future()
    failed.set_exception(KeyError("k"))
    with pytest.raises(KeyError):
        wait_all([futures[0], failed])
