"""Levels of the loggers that PyTorch names; what runs as it is has little to tell them."""

from __future__ import annotations

import functools
import logging
from importlib import import_module

__all__ = ["getArtifactLogger", "set_logs", "warning_once"]

_LOGGERS = {
    "aot": "torch._functorch.aot_autograd",
    "autograd": "torch.autograd",
    "c10d": "torch.distributed.distributed_c10d",
    "ddp": "torch.nn.parallel.distributed",
    "distributed": "torch.distributed",
    "dtensor": "torch.distributed.tensor",
    "dynamic": "torch.fx.experimental.symbolic_shapes",
    "dynamo": "torch._dynamo",
    "export": "torch.export",
    "fsdp": "torch.distributed.fsdp",
    "inductor": "torch._inductor",
    "onnx": "torch.onnx",
}
_ARTIFACTS = frozenset(
    """
    aot_graphs aot_joint_graph autotuning benchmarking bytecode caching compiled_autograd
    compiled_autograd_verbose compute_dependencies cudagraph_static_inputs cudagraphs ddp_graphs
    fusion graph graph_breaks graph_code graph_code_verbose graph_region_expansion graph_sizes
    guards hierarchical_compile incremental inductor_metrics ir_post_fusion ir_pre_fusion
    kernel_code onnx_diagnostics output_code overlap perf_hints post_grad_graphs pre_grad_graphs
    recompiles recompiles_verbose schedule side_effects sym_node trace_bytecode trace_call
    trace_source
    """.split()
)
_named: set[str] = set()  # modules whose levels were set
_LEVELS = (50, 40, 30, 20, 10, 0)


def set_logs(
    *, all: int | None = None, modules: dict[str, int | bool] | None = None, **settings
) -> None:
    """Set the levels of loggers (`dynamo=logging.DEBUG`); artifacts (`graph=True`) are checked.

    Every call begins from the levels of the start. TypeError for an unknown name, ValueError for
    what is no level or no bool, ModuleNotFoundError for a module that cannot be imported.
    """
    levels = {"torch": logging.WARNING if all is None else all}
    levels.update(dict.fromkeys((*_LOGGERS.values(), *_named), logging.NOTSET))
    for name, value in settings.items():
        if name in _ARTIFACTS:
            if not isinstance(value, bool):
                raise ValueError(f"Expected bool to enable artifact {name}, received {value}")
        elif name not in _LOGGERS:
            raise TypeError(f"set_logs() got an unexpected keyword argument '{name}'")
        elif value is not None:
            levels[_LOGGERS[name]] = _level(name, value)
    for name, value in (modules or {}).items():
        import_module(name)
        levels[name] = _level(name, value)
    _named.update(modules or ())
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _level(name: str, value) -> int:
    if value not in _LEVELS:
        raise ValueError(
            f"Unrecognized log level for log {name}: {value}, valid level values are: "
            + ",".join(map(str, _LEVELS))
        )
    return value


def getArtifactLogger(module_qname: str, artifact_name: str) -> logging.Logger:  # noqa: N802 (public)
    """The logger of an artifact of a module."""
    if artifact_name not in _ARTIFACTS:
        raise ValueError(
            f"Artifact name: {artifact_name!r} not registered,please call register_artifact"
            f"({artifact_name!r}) in torch._logging.registrations."
        )
    return logging.getLogger(f"{module_qname}.__{artifact_name}")


@functools.cache
def warning_once(logger_obj: logging.Logger, *args, **kwargs) -> None:
    """Warn through a logger, once for the same words."""
    logger_obj.warning(*args, **kwargs)
