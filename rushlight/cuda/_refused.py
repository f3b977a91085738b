"""What only a build with CUDA can do: functions that refuse, and types that cannot be made.

Every name answers as in a PyTorch without CUDA, so programs that guard such calls run unchanged.
"""

from __future__ import annotations

_MESSAGE = "Torch not compiled with CUDA enabled"


def refuse(*args, **kwargs):
    """AssertionError: there is no CUDA."""
    raise AssertionError(_MESSAGE)


def refusing(name: str, doc: str):
    """A function called `name` that refuses."""

    def function(*args, **kwargs):
        refuse()

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}; AssertionError in a build without CUDA."
    return function


FUNCTIONS = {
    "init": "Set up CUDA in this process",
    "caching_allocator_alloc": "Memory from the caching allocator",
    "caching_allocator_delete": "Give memory back to the caching allocator",
    "can_device_access_peer": "Whether GPUs see each other's memory",
    "change_current_allocator": "Use another allocator",
    "cudart": "The CUDA runtime library",
    "current_blas_handle": "Address of the cuBLAS handle",
    "current_device": "Index of the selected GPU",
    "current_solver_handle": "Address of the cuSOLVER handle",
    "current_stream": "The stream that work goes to",
    "default_stream": "The stream that work goes to by default",
    "get_allocator_backend": "Name of the allocator",
    "get_device_capability": "Compute capability of a GPU",
    "get_device_name": "Name of a GPU",
    "get_device_properties": "Properties of a GPU",
    "get_per_process_memory_fraction": "Limit of the memory that this process takes",
    "get_rng_state": "State of a GPU's random generator",
    "get_stream_from_external": "A stream made by another library",
    "get_sync_debug_mode": "What happens at operations that wait for the GPU",
    "graph_pool_handle": "A memory pool for recorded work",
    "initial_seed": "Seed of a GPU's random generator",
    "ipc_collect": "Free memory that other processes have closed",
    "is_current_stream_capturing": "Whether work is being recorded",
    "make_graphed_callables": "Functions whose work is recorded and replayed",
    "mem_get_info": "Free and total memory of a GPU",
    "memory_snapshot": "State of the allocator",
    "memory_summary": "Statistics of the GPU memory as text",
    "reset_accumulated_host_memory_stats": "Start the counts of pinned memory anew",
    "reset_accumulated_memory_stats": "Start the counts of `memory_stats` anew",
    "set_per_process_memory_fraction": "Limit the memory that this process takes",
    "set_sync_debug_mode": "Choose what happens at operations that wait for the GPU",
    "synchronize": "Wait for all work on a GPU",
}

MONITORS = {
    "clock_rate": "Clock of a GPU in MHz",
    "device_memory_used": "Bytes in use on a GPU",
    "memory_usage": "Share of time in which memory was read or written",
    "power_draw": "Power in milliwatts",
    "temperature": "Temperature in degrees Celsius",
    "utilization": "Share of time in which a GPU was busy",
}


def _monitoring(name: str, doc: str):
    def function(device=None) -> int:
        raise ModuleNotFoundError(
            "nvidia-ml-py does not seem to be installed or it can't be imported."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}; ModuleNotFoundError without NVIDIA's monitoring library."
    return function


class _NoCuda:
    """Base of the objects that live on a GPU."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError(f"torch.cuda.{cls.__name__} requires CUDA support")


class Stream(_NoCuda):
    """A queue of work on a GPU."""


class ExternalStream(Stream):
    """A stream made by another library."""


TYPES = {
    "CUDAGraph": "Recorded GPU work that is launched as one.",
    "CUDAPluggableAllocator": "An allocator from a shared library.",
    "Event": "A marker in a stream, for timing and for waiting.",
    "GreenContext": "A part of a GPU's processors.",
    "MemPool": "A pool of GPU memory.",
    "graph": "Record the GPU work of a `with` block.",
    "use_mem_pool": "Take GPU memory from a pool within a `with` block.",
}

_KINDS = (
    "BFloat16 Bool Byte Char ComplexDouble ComplexFloat Double Float Half Int Long Short".split()
)
TYPED = [kind + "Storage" for kind in _KINDS]
TYPED += [kind + "Tensor" for kind in _KINDS if not kind.startswith("Complex")]


def typed(name: str, package: str = "torch.cuda") -> type:
    """A per-dtype class of GPU tensors or storages, which cannot be called."""

    def make(cls, *args, **kwargs):
        if name.endswith("Storage"):
            refuse()
        raise TypeError(f"type {package}.{name} not available. {_MESSAGE}.")

    doc = f"A {name[-7:].lower()} on a GPU with elements of one type."
    return type(name, (), {"__new__": make, "__module__": package, "__doc__": doc})


def fill(namespace: dict) -> None:
    """Put all of it into the namespace of `torch.cuda`."""
    for name, doc in FUNCTIONS.items():
        namespace[name] = refusing(name, doc)
    for name, doc in MONITORS.items():
        namespace[name] = _monitoring(name, doc)
    for name, doc in TYPES.items():
        namespace[name] = type(name, (_NoCuda,), {"__doc__": doc, "__module__": "torch.cuda"})
