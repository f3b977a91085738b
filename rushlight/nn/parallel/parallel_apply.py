"""Several modules at once, each in a thread."""

from __future__ import annotations

from threading import Thread

import rushlight as torch

__all__ = ["parallel_apply"]


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None) -> list:
    """Call each module with its inputs, each in a thread of its own."""
    kwargs_tup = kwargs_tup or ({},) * len(modules)
    if not len(modules) == len(inputs) == len(kwargs_tup):
        raise AssertionError(
            f"parallel_apply: got {len(modules)} modules, {len(inputs)} inputs and "
            f"{len(kwargs_tup)} kwargs, expected equal numbers"
        )
    results = [None] * len(modules)
    enabled = torch.is_grad_enabled()

    def work(i):
        try:
            args = inputs[i] if isinstance(inputs[i], (list, tuple)) else (inputs[i],)
            with torch.set_grad_enabled(enabled):
                results[i] = (modules[i](*args, **kwargs_tup[i]), None)
        except BaseException as error:
            results[i] = (None, error)

    threads = [Thread(target=work, args=(i,)) for i in range(len(modules))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, error in results:
        if error is not None:
            raise error
    return [output for output, _ in results]
