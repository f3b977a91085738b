"""Settings that reach every pipe behind a pipe: seeds, shuffling, shares of workers."""

from __future__ import annotations

import rushlight as torch

from .datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = [
    "apply_random_seed",
    "apply_sharding",
    "apply_shuffle_seed",
    "apply_shuffle_settings",
    "get_all_graph_pipes",
]


def sources(pipe) -> list:
    """Pipes that a pipe holds in its attributes, also within containers."""
    found: list = []
    waiting, seen = [pipe.__dict__], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, (IterDataPipe, MapDataPipe)):
            found.append(part)
        elif isinstance(part, dict):
            waiting.extend(reversed(list(part.values())))
        elif isinstance(part, (list, tuple, set)):
            waiting.extend(reversed(list(part)))
    return found


def pipes_behind(pipe) -> list:
    """The pipe and all that it takes from, each once."""
    found, waiting, seen = [], [pipe], set()
    while waiting:
        part = waiting.pop(0)
        if id(part) not in seen:
            seen.add(id(part))
            found.append(part)
            waiting = [*sources(part), *waiting]
    return found


def get_all_graph_pipes(graph) -> list:
    """All pipes of a graph that `graph.traverse_dps` made."""
    found, seen = [], set()
    waiting = list(graph.values())
    while waiting:
        pipe, further = waiting.pop(0)
        if id(pipe) not in seen:
            seen.add(id(pipe))
            found.append(pipe)
        waiting.extend(further.values())
    return found


def apply_sharding(datapipe, num_of_instances: int, instance_id: int, sharding_group=None):
    """Let this worker have every `num_of_instances`-th item, where pipes are shared out."""
    for pipe in pipes_behind(datapipe):
        if callable(getattr(type(pipe), "apply_sharding", None)):
            pipe.apply_sharding(num_of_instances, instance_id, sharding_group)
    return datapipe


def apply_shuffle_settings(datapipe, shuffle: bool | None = None):
    """Turn the shufflers behind a pipe on or off, and add one where it has none and needs it."""
    if shuffle is None:
        return datapipe
    shufflers = [p for p in pipes_behind(datapipe) if callable(getattr(p, "set_shuffle", None))]
    if shuffle and not shufflers:
        import warnings

        warnings.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at "
            "the end. Be aware that the default buffer size might not be sufficient for your task.",
            stacklevel=3,
        )
        shufflers = [datapipe := datapipe.shuffle()]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_shuffle_seed(datapipe, rng):
    """The same as `apply_random_seed`."""
    return apply_random_seed(datapipe, rng)


def apply_random_seed(datapipe, rng: torch.Generator):
    """Draw a seed for every pipe that takes one."""
    for pipe in pipes_behind(datapipe):
        if callable(getattr(type(pipe), "set_seed", None)):
            drawn = torch.empty((), dtype=torch.int64).random_(generator=rng)
            pipe.set_seed(int(drawn.item()))
    return datapipe
