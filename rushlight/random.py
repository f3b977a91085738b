"""The default random generator: seeding it, its state, and running a block on the side."""

from __future__ import annotations

from contextlib import contextmanager

from . import _C

default_generator = _C.default_generator

__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


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
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
