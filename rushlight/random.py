"""The default random generator: seeding it, its state, and running a block on the side."""

from __future__ import annotations

from contextlib import contextmanager

from . import _C
from ._device import device

Generator = _C.Generator
default_generator = _C.default_generator

__all__ = [
    "set_rng_state", "get_rng_state", "manual_seed", "seed", "initial_seed", "fork_rng",
    "thread_safe_generator",
]  # fmt: skip


def manual_seed(seed: int) -> _C.Generator:
    """Restart the default generator from `seed` (-2^63 to 2^64 - 1) and return it."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Restart the default generator from 64 random bits of the system and return them."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed last given to the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:  # noqa: F821
    """The default generator's state: 5056 bytes in a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:  # noqa: F821
    """Return the default generator to a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices=None, enabled=True, _caller="fork_rng", _devices_kw="devices",
             device_type=None):  # fmt: skip
    """Put the default generator back, on leaving the block, to where it stood on entry."""
    if device_type is not None:
        device(device_type)  # raises for a word that names none
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def thread_safe_generator() -> _C.Generator | None:
    """The generator of the data loader's thread that this runs in; None in any other place."""
    from .utils.data import get_worker_info

    worker = get_worker_info()
    if worker is None or worker.worker_method != "thread" or worker.rng is None:
        return None
    return worker.rng.torch_generator
