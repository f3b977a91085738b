"""What can be set about saving and loading, and the registry of places that storages live in."""

from __future__ import annotations

import sys
from enum import Enum

import rushlight as torch

from . import _config as config


class LoadEndianness(Enum):
    """Byte order of files that do not state theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order assumed of files without a mark; None is the machine's."""
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Choose the byte order assumed of files without a mark."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError(
            "Invalid argument type in function set_default_load_endianness: got "
            f"{type(endianness).__name__}, expected LoadEndianness"
        )
    config.load.endianness = endianness


def assumed_byte_order() -> str:
    """ "little" or "big": how to read a file that does not say."""
    names = {LoadEndianness.LITTLE: "little", LoadEndianness.BIG: "big"}
    return names.get(config.load.endianness, sys.byteorder)


def get_default_mmap_options() -> int | None:
    """How `load(mmap=True)` maps: `mmap.MAP_PRIVATE`; with MAP_SHARED writes reach the file."""
    if config.load.mmap_flags is not None:
        return config.load.mmap_flags
    from mmap import MAP_PRIVATE

    return MAP_PRIVATE


class set_default_mmap_options:
    """Choose how `load(mmap=True)` maps, for good or within a `with` block."""

    def __init__(self, flags: int):
        from mmap import MAP_PRIVATE, MAP_SHARED

        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE "
                f"or mmap.MAP_SHARED, but got {flags}"
            )
        self._before = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        config.load.mmap_flags = self._before


def get_crc32_options() -> bool:
    """Whether `save` computes checksums."""
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Whether `save` computes checksums; without them damage to a file goes unnoticed."""
    config.save.compute_crc32 = bool(compute_crc32)


_skipping: list[bool] = []


class skip_data:
    """Within the block `save` leaves room for the bytes of tensors, and `load` does not read them.

    Files keep their layout, so that another program can fill them; tensors loaded hold whatever was
    in their memory.
    """

    def __init__(self, materialize_fake_tensors: bool = False):
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        _skipping.append(True)

    def __exit__(self, *exc_info) -> None:
        _skipping.pop()


def skips_data() -> bool:
    """Whether a `skip_data` block is open."""
    return bool(_skipping)


_registry: list[tuple] = []


def register_package(priority: int, tagger, deserializer) -> None:
    """Teach `save` and `load` a kind of device; lower priorities are asked first.

    `tagger(storage)` names the place of a storage, such as "cuda:1", and `deserializer(storage,
    tag)` moves a storage there; both return None for what is not theirs.
    """
    _registry.append((priority, tagger, deserializer))
    _registry.sort(key=lambda entry: entry[0])


def is_customised() -> bool:
    """Whether anyone registered a package of their own."""
    return len(_registry) != _own


def location_tag(storage) -> str:
    """Where a storage lives, as files say it: "cpu", "cuda:0"."""
    for _, tagger, _ in _registry:
        tag = tagger(storage)
        if tag:
            return tag
    raise RuntimeError(f"don't know how to determine data location of {torch.typename(storage)}")


def default_restore_location(storage, location: str):
    """Move a storage that was read into main memory to the place that the file names."""
    for _, _, deserializer in _registry:
        moved = deserializer(storage, location)
        if moved is not None:
            return moved
    raise RuntimeError(
        f"don't know how to restore data location of {torch.typename(storage)} "
        f"(tagged with {location})"
    )


def validate_cuda_device(location) -> int:
    """Index of the GPU that `location` names; RuntimeError when there is none."""
    return _validate("cuda", location)


def validate_hpu_device(location) -> int:
    """Index of the HPU that `location` names; RuntimeError: there is none."""
    return _validate("hpu", location)


def _validate(kind: str, location) -> int:
    device = torch.device(location)
    if device.type != kind:
        raise ValueError(f"{kind} device expected, got {location!r}")
    index = device.index or 0
    module = getattr(torch, kind, None)
    if module is None or not module.is_available():
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind.upper()} device but "
            f"torch.{kind}.is_available() is False. If you are running on a CPU-only machine, "
            "please use torch.load with map_location=torch.device('cpu') to map your storages to "
            "the CPU."
        )
    if index >= module.device_count():
        raise RuntimeError(
            f"Attempting to deserialize object on {kind.upper()} device {index} but "
            f"torch.{kind}.device_count() is {module.device_count()}. Please use torch.load with "
            "map_location to map your storages to an existing device."
        )
    return index


def _on_cpu(storage, location: str):
    return storage if location == "cpu" else None


def _on_meta(storage, location: str):
    return torch.UntypedStorage(storage.nbytes(), device="meta") if location == "meta" else None


def _on_device(kind: str):
    """A deserializer for tags such as "cuda" and "cuda:1"."""

    def restore(storage, location: str):
        if type(location) is not str or location.partition(":")[0] != kind:
            return None
        index = _validate(kind, location)
        return storage.to(device=torch.device(kind, index))

    return restore


def _tag(kind: str):
    def tagger(storage):
        device = storage.device
        if device.type != kind:
            return None
        return kind if device.index is None or kind == "cpu" else str(device)

    return tagger


register_package(10, _tag("cpu"), _on_cpu)
register_package(20, _tag("cuda"), _on_device("cuda"))
register_package(22, _tag("meta"), _on_meta)
register_package(21, _tag("mps"), _on_device("mps"))
register_package(22, _tag("xpu"), _on_device("xpu"))
register_package(23, _tag("hpu"), _on_device("hpu"))
_own = len(_registry)
