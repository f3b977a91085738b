"""CUDA's interface in a build without CUDA: questions are answered, work is refused."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from importlib import import_module

from . import _refused
from ._refused import ExternalStream, Stream
from ._refused import refuse as _refuse

has_half = True
has_magma = False
default_generators: tuple = ()


class CudaError(RuntimeError):
    """An error that the CUDA driver reported."""


class DeferredCudaCallError(Exception):
    """An error of work that was put off until CUDA was set up."""


class cudaStatus:
    """Results of CUDA calls."""

    SUCCESS = 0
    ERROR_NOT_READY = 34


def check_error(res: int) -> None:
    """Raise CudaError when the result of a CUDA call is an error."""
    if res != cudaStatus.SUCCESS:
        raise CudaError(f"CUDA call failed with status {res}")


_refused.fill(globals())


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


def host_memory_stats() -> dict:
    """Statistics of the page-locked memory; empty without a GPU."""
    return OrderedDict()


def memory_stats_as_nested_dict(device=None) -> dict:
    """Statistics of the GPU memory as nested dicts; empty without one."""
    return {}


host_memory_stats_as_nested_dict = memory_stats_as_nested_dict


def memory_stats(device=None) -> dict:
    """Statistics of the GPU memory; empty without one."""
    return OrderedDict()


def reset_peak_memory_stats(device=None) -> None:
    """Start the peaks of `memory_stats` anew; without a GPU there are none."""


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats


def reset_peak_host_memory_stats() -> None:
    """Start the peaks of `host_memory_stats` anew; without a GPU there are none."""


def caching_allocator_enable(value: bool = True) -> None:
    """Whether GPU memory is cached; without a GPU there is none to cache."""


@contextmanager
def caching_allocator_disabled():
    """Cache no GPU memory within a `with` block; without a GPU there is none to cache."""
    yield


def list_gpu_processes(device=None) -> str:
    """The processes on a GPU, as text."""
    return "pynvml module not found, please install nvidia-ml-py"


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


_SUBMODULES = (
    "amp",
    "graphs",
    "jiterator",
    "memory",
    "nccl",
    "nvtx",
    "profiler",
    "random",
    "sparse",
    "streams",
    "tunable",
)


def __getattr__(name: str):
    if name == "OutOfMemoryError":
        from .. import OutOfMemoryError

        return OutOfMemoryError
    if name in _refused.TYPED:
        globals()[name] = _refused.typed(name)
        return globals()[name]
    if name in _SUBMODULES:
        try:
            return import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    own = [name for name in globals() if not name.startswith("_")]
    return sorted({*own, *_refused.TYPED, *_SUBMODULES, "OutOfMemoryError"})
