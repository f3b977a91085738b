"""Remote calls, which this build has none of: ask `is_available()` first."""

from __future__ import annotations

from ._absent import absent, refused

__all__ = ["is_available"]

_TYPES = "BackendType RRef RpcBackendOptions TensorPipeRpcBackendOptions WorkerInfo".split()
_CALLS = "get_worker_info init_rpc remote rpc_async rpc_sync shutdown".split()
globals().update({name: absent(name, __name__) for name in _TYPES})
globals().update({name: refused(name) for name in _CALLS})


def is_available() -> bool:
    """Whether processes can call each other: no."""
    return False
