"""The names of a process that has joined no others: they import, and say so where they are used."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Any

from . import is_available, is_initialized, is_torchelastic_launched  # noqa: F401
from ._absent import absent, refused

_LONE = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)
_NEED_OTHERS = """
    all_gather all_gather_coalesced all_gather_into_tensor all_gather_object all_reduce
    all_reduce_coalesced all_to_all all_to_all_single barrier batch_isend_irecv broadcast
    broadcast_object_list gather gather_object get_backend get_backend_config get_global_rank
    get_group_rank get_process_group_ranks get_rank get_world_size irecv isend monitored_barrier
    new_group new_subgroups new_subgroups_by_enumeration recv recv_object_list reduce
    reduce_scatter reduce_scatter_tensor scatter scatter_object_list send send_object_list
    split_group destroy_process_group""".split()
_JOINING = "init_process_group rendezvous register_rendezvous_handler".split()
_TYPES = """
    FileStore GradBucket HashStore P2POp PrefixStore ProcessGroupGloo ProcessGroupNCCL
    Reducer Store TCPStore Work""".split()


def _needs_others(name: str) -> Any:
    """A function of several processes: raises PyTorch's error of a process that is alone."""

    def function(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(_LONE)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}: raises ValueError, as no other process has been joined."
    return function


globals().update({name: _needs_others(name) for name in _NEED_OTHERS})
globals().update({name: refused(name) for name in _JOINING})
globals().update({name: absent(name, "torch.distributed") for name in _TYPES})

# PyTorch has this one too where it has no distributed package.
ProcessGroup = absent("ProcessGroup", "torch.distributed")
default_pg_timeout = timedelta(minutes=30)


class ReduceOp(enum.Enum):
    """How values of several processes become one."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


class Backend(str):
    """The name of what carries messages."""

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    MPI = "mpi"
    UCC = "ucc"
    XCCL = "xccl"


class GroupMember:
    """The group of all processes, None while there is none."""

    WORLD = None
    NON_GROUP_MEMBER = -100


group = GroupMember


class DistError(RuntimeError):
    """What goes wrong between processes."""


class DistBackendError(DistError):
    """What goes wrong in the carrier of messages."""


class DistNetworkError(DistError):
    """What goes wrong on the network."""


class DistStoreError(DistError):
    """What goes wrong in the store that processes meet at."""


def is_backend_available(backend: str) -> bool:
    """Whether this build has that carrier of messages: it has none."""
    return False


def _no_backend() -> bool:
    """Whether this build has that carrier of messages: it has none."""
    return False


is_gloo_available = is_mpi_available = is_nccl_available = _no_backend
is_ucc_available = is_xccl_available = _no_backend


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The number of this process on its machine: LOCAL_RANK, else `fallback_rank`.

    RuntimeError where neither is there.
    """
    import os

    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise RuntimeError(
            "get_node_local_rank: LOCAL_RANK is not in the environment: got no fallback_rank, "
            "expected one in a program of one process"
        )
    return int(fallback_rank)
