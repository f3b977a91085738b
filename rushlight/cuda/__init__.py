"""CUDA's interface in a build without CUDA: questions are answered, work is refused."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module

__all__ = [
    "CudaError",
    "Event",
    "ExternalStream",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "can_device_access_peer",
    "current_device",
    "current_stream",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "device_of",
    "empty_cache",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_gencode_flags",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "initial_seed",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "is_tf32_supported",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "synchronize",
]

has_half = True
has_magma = False
default_generators: tuple = ()


class CudaError(RuntimeError):
    """An error that the CUDA driver reported."""


class _NoCuda:
    """Base of the objects that live on a GPU."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError(f"torch.cuda.{cls.__name__} requires CUDA support")


class Stream(_NoCuda):
    """A queue of work on a GPU."""


class ExternalStream(Stream):
    """A stream made by another library."""


class Event(_NoCuda):
    """A marker in a stream, for timing and for waiting."""


class CUDAGraph(_NoCuda):
    """Recorded GPU work that is launched as one."""


def _refuse(*args, **kwargs):
    raise AssertionError("Torch not compiled with CUDA enabled")


def _refusing(name: str, doc: str):
    def function(*args, **kwargs):
        _refuse()

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}; AssertionError in a build without CUDA."
    return function


init = _refusing("init", "Set up CUDA in this process")
current_device = _refusing("current_device", "Index of the selected GPU")
synchronize = _refusing("synchronize", "Wait for all work on a GPU")
get_device_name = _refusing("get_device_name", "Name of a GPU")
get_device_properties = _refusing("get_device_properties", "Properties of a GPU")
get_device_capability = _refusing("get_device_capability", "Compute capability of a GPU")
ipc_collect = _refusing("ipc_collect", "Free memory that other processes have closed")
current_stream = _refusing("current_stream", "The stream that work goes to")
default_stream = _refusing("default_stream", "The stream that work goes to by default")
current_blas_handle = _refusing("current_blas_handle", "Address of the cuBLAS handle")
can_device_access_peer = _refusing("can_device_access_peer", "Whether GPUs see each other's memory")
mem_get_info = _refusing("mem_get_info", "Free and total memory of a GPU")
get_rng_state = _refusing("get_rng_state", "State of a GPU's random generator")
initial_seed = _refusing("initial_seed", "Seed of a GPU's random generator")
set_per_process_memory_fraction = _refusing(
    "set_per_process_memory_fraction", "Limit the memory that this process takes"
)


def is_available() -> bool:
    """Whether work can run on a GPU."""
    return False


def is_initialized() -> bool:
    """Whether CUDA has been set up in this process."""
    return False


def device_count() -> int:
    """Number of GPUs."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16."""
    return False


def is_tf32_supported() -> bool:
    """Whether the GPU computes in TF32."""
    return False


def get_arch_list() -> list[str]:
    """Architectures that GPU code was compiled for."""
    return []


def get_gencode_flags() -> str:
    """Compiler flags that GPU code was compiled with."""
    return ""


def empty_cache() -> None:
    """Free the cached memory of the GPUs; without one there is none."""


def _no_memory(name: str, doc: str):
    def function(device=None) -> int:
        return 0

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


memory_allocated = _no_memory("memory_allocated", "Bytes that tensors take on a GPU.")
max_memory_allocated = _no_memory("max_memory_allocated", "Most bytes that tensors ever took.")
memory_reserved = _no_memory("memory_reserved", "Bytes taken from a GPU, in use or cached.")
max_memory_reserved = _no_memory("max_memory_reserved", "Most bytes ever taken from a GPU.")
memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def memory_stats(device=None) -> dict:
    """Statistics of the GPU memory; empty without one."""
    return OrderedDict()


def reset_peak_memory_stats(device=None) -> None:
    """Start the peaks of `memory_stats` anew; without a GPU there are none."""


def manual_seed(seed: int) -> None:
    """Seed the current GPU's random generator; without a GPU nothing happens."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seed every GPU's random generator; without a GPU nothing happens."""
    int(seed)


def seed() -> None:
    """Seed the current GPU's generator at random; without a GPU nothing happens."""


def seed_all() -> None:
    """Seed every GPU's generator at random; without a GPU nothing happens."""


def get_rng_state_all() -> list:
    """States of all GPUs' random generators."""
    return []


def set_rng_state(new_state, device="cuda") -> None:
    """Set the state of a GPU's random generator; without a GPU nothing happens."""


def set_rng_state_all(new_states) -> None:
    """Set the states of all GPUs' random generators."""
    for position, state in enumerate(new_states):
        set_rng_state(state, position)


def _index(value) -> int:
    """GPU index of a device, a string or a number; -1 for none."""
    from .. import device as make_device

    if value is None or isinstance(value, int):
        return -1 if value is None else value
    made = make_device(value)
    if made.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {made}")
    return 0 if made.index is None else made.index


def set_device(device) -> None:
    """Select a GPU; a negative index selects nothing."""
    if _index(device) >= 0:
        _refuse()


class device:
    """Select a GPU within a `with` block; a negative index or None selects nothing."""

    def __init__(self, device):
        self.idx = _index(device)

    def __enter__(self) -> None:
        if self.idx >= 0:
            raise RuntimeError("PyTorch was compiled without CUDA support")

    def __exit__(self, exc_type, exc_value, traceback) -> bool:
        return False


class device_of(device):
    """Select the GPU of a tensor within a `with` block; nothing for tensors in main memory."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if obj.is_cuda else -1)


class StreamContext:
    """Send work to a stream within a `with` block; None changes nothing."""

    def __init__(self, stream: Stream | None):
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        return None


def stream(stream: Stream | None) -> StreamContext:
    """The context that sends work to `stream`; with None it changes nothing."""
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    """Send work to `stream` from now on; None changes nothing."""
    if stream is not None:
        _refuse()


def __getattr__(name: str):
    if name == "OutOfMemoryError":
        from .. import OutOfMemoryError

        return OutOfMemoryError
    if name in ("amp", "nvtx", "random", "memory"):
        try:
            return import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
