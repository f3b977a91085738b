"""How a graph runs, as far as programs ask: plans, counters, timings, tracing state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .._dispatch_keys import _Named
from ._ir import Graph


class Code:
    """What is run of a graph: the Python function that was made of it. It never bails out."""

    __module__ = "torch"

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def num_bailouts(self) -> int:
        """How many places give up what was assumed: none is assumed."""
        return 0

    def request_bailout(self, index: int) -> None:
        """Give up an assumption by its number; there is none to give up."""
        raise RuntimeError(f"request_bailout: got bailout {index}, but the code has no bailouts")

    def grad_executor_states(self) -> list[GraphExecutorState]:
        """States of backward graphs: gradients are those of the operators that run."""
        return []

    def differentiable_op_executor_states(self) -> list[GraphExecutorState]:
        """States of differentiable subgraphs: there are none."""
        return []


class ExecutionPlan:
    """A graph, and what is run of it."""

    __module__ = "torch"

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.code = Code(graph)


class GraphExecutorState:
    """What a function knows of how it runs."""

    __module__ = "torch"

    def __init__(self, graph: Graph) -> None:
        self._plan = ExecutionPlan(graph)

    @property
    def graph(self) -> Graph:
        """The graph that runs."""
        return self._plan.graph

    @property
    def execution_plans(self) -> dict[ArgumentSpec, ExecutionPlan]:
        """The plans by what arguments they are for: one, for all."""
        return {ArgumentSpec(): self._plan}

    @property
    def fallback(self) -> ExecutionPlan:
        """The plan for everything else."""
        return self._plan


class ArgumentSpec:
    """What a plan assumes of its arguments: of each tensor its dtype, rank and device."""

    __module__ = "torch"

    def __init__(self, *arguments: Any) -> None:
        self._key = tuple(self._of(a) for a in arguments)

    def _of(self, argument: Any) -> Any:
        known = getattr(argument, "dtype", None)
        if known is None:
            return type(argument)
        return known, argument.dim(), str(argument.device), argument.requires_grad

    def __eq__(self, other) -> bool:
        return type(other) is type(self) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class CompleteArgumentSpec(ArgumentSpec):
    """What a plan assumes of its arguments: of each tensor its shape and strides too."""

    def _of(self, argument: Any) -> Any:
        if getattr(argument, "dtype", None) is None:
            return type(argument)
        shape = tuple(argument.shape), tuple(argument.stride())
        return super()._of(argument), shape


class Gradient:
    """A graph, the graph of its gradient, and which values go from one to the other."""

    __module__ = "torch"

    def __init__(self, f: Graph, df: Graph | None = None, f_real_outputs: int = 0) -> None:
        self.f = f
        self.df = df
        self.f_real_outputs = f_real_outputs
        self.df_input_vjps: list[int] = []
        self.df_input_captured_inputs: list[int] = []
        self.df_input_captured_outputs: list[int] = []
        self.df_output_vjps: list[int] = []


class TracingState:
    """A recording that goes on: its graph, and the scopes that it is in."""

    __module__ = "torch"

    def __init__(self, graph: Graph | None = None) -> None:
        self._graph = graph or Graph()
        self._scopes: list[str] = []

    def graph(self) -> Graph:
        """The graph that is being made."""
        return self._graph

    def set_graph(self, graph: Graph) -> None:
        """Go on in another graph."""
        graph.scope = self._graph.scope
        self._graph = graph

    def push_scope(self, name: str) -> None:
        """Enter a scope: new nodes carry its name."""
        self._scopes.append(name)
        self._graph.scope = self.current_scope()

    def pop_scope(self) -> None:
        """Leave a scope."""
        if not self._scopes:
            raise RuntimeError("pop_scope: there is no scope to leave")
        self._scopes.pop()
        self._graph.scope = self.current_scope()

    def current_scope(self) -> str:
        """The scopes, joined."""
        return "/".join(self._scopes)


class OperatorInfo:
    """What an archive says of an operator: with how many arguments it was called."""

    __module__ = "torch"

    def __init__(self, num_schema_args: int | None = None) -> None:
        self.num_schema_args = num_schema_args


class IODescriptor:
    """The structure of nested arguments: tensors in their order, and how to put them back."""

    __module__ = "torch"

    def __init__(self, arguments: Any) -> None:
        from ..utils import _pytree

        self.leaves, self.structure = _pytree.tree_flatten(arguments)

    def unflatten(self, leaves: list) -> Any:
        """The structure with other leaves."""
        from ..utils import _pytree

        return _pytree.tree_unflatten(leaves, self.structure)


# -- counters --------------------------------------------------------------------------------


AggregationType = _Named("AggregationType", {"SUM": 0, "AVG": 1}, module="torch")  # type: ignore[call-overload]
SUM, AVG = AggregationType


class LoggerBase:
    """The base of what counts events by name."""

    __module__ = "torch._C"

    def add_stat_value(self, name: str, value: int) -> None:
        """Count an event."""
        raise TypeError("LoggerBase: only its subclasses count")


class NoopLogger(LoggerBase):
    """Counts nothing."""

    __module__ = "torch"

    def add_stat_value(self, name: str, value: int) -> None:
        return None


class LockingLogger(LoggerBase):
    """Adds or averages what is counted under a name; any thread may."""

    __module__ = "torch"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, tuple[int, int]] = {}
        self._kinds: dict[str, Any] = {}

    def add_stat_value(self, name: str, value: int) -> None:
        with self._lock:
            total, count = self._values.get(name, (0, 0))
            self._values[name] = total + value, count + 1

    def set_aggregation_type(self, name: str, kind: Any) -> None:
        """Whether a name is added up or averaged."""
        self._kinds[name] = kind

    def get_counter_val(self, name: str) -> int:
        """What was counted under a name; 0 for nothing."""
        with self._lock:
            total, count = self._values.get(name, (0, 0))
        if count and self._kinds.get(name) is AVG:
            return total // count
        return total


logger: LoggerBase = NoopLogger()  # the one that programs count with


# -- timings ---------------------------------------------------------------------------------


class BenchmarkConfig:
    """How a benchmark runs: threads that call, calls to warm up, calls that count."""

    __module__ = "torch"

    def __init__(self) -> None:
        self.num_calling_threads = 1
        self.num_worker_threads = 1
        self.num_warmup_iters = 1
        self.num_iters = 100
        self.profiler_output_path = ""


class BenchmarkExecutionStats:
    """What a benchmark found: the mean time of a call in milliseconds, and the number of calls."""

    __module__ = "torch"

    def __init__(self, latency_avg_ms: float, num_iters: int) -> None:
        self.latency_avg_ms = latency_avg_ms
        self.num_iters = num_iters


class ThroughputBenchmark:
    """Calls a module from several threads at once, with inputs in turn, and takes the time."""

    __module__ = "torch"

    def __init__(self, module: Callable) -> None:
        self._module = module
        self._inputs: list[tuple[tuple, dict]] = []

    def add_input(self, *args, **kwargs) -> None:
        """Add the arguments of a call."""
        self._inputs.append((args, kwargs))

    def run_once(self, *args, **kwargs):
        """One call with arguments of its own."""
        return self._module(*args, **kwargs)

    def benchmark(self, config: BenchmarkConfig) -> BenchmarkExecutionStats:
        """Run as `config` says; RuntimeError without inputs."""
        if not self._inputs:
            raise RuntimeError("Please provide benchmark inputs.")
        errors: list[BaseException] = []

        def call(count: int, first: int) -> None:
            try:
                for i in range(count):
                    args, kwargs = self._inputs[(first + i) % len(self._inputs)]
                    self._module(*args, **kwargs)
            except BaseException as error:  # raised again where the benchmark was asked for
                errors.append(error)

        call(config.num_warmup_iters, 0)
        threads = max(config.num_calling_threads, 1)
        share = -(-config.num_iters // threads)
        workers = [threading.Thread(target=call, args=(share, i)) for i in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        spent = time.perf_counter() - start
        if errors:
            raise errors[0]
        done = share * threads
        return BenchmarkExecutionStats(1000 * spent * threads / done, done)


class StaticModule:
    """A frozen compiled module or function that is called with the arguments of its graph."""

    __module__ = "torch"

    class IndividualMetrics:
        """Times of a module's parts, in milliseconds."""

        def __init__(self, total_time: float, per_node: dict[str, float]) -> None:
            self.setup_time = 0.0
            self.memory_alloc_time = 0.0
            self.memory_dealloc_time = 0.0
            self.output_dealloc_time = 0.0
            self.total_time = total_time
            self.time_per_node_type = per_node

    def __init__(self, module: Callable) -> None:
        self._module = module

    def __call__(self, *args, **kwargs):
        return self._module(*args, **kwargs)

    def runAsync(self, args: tuple, kwargs: dict):  # noqa: N802
        """Call it; what it gives, as a future."""
        from ._marks import fork

        return fork(self._module, *args, **kwargs)

    def benchmark(self, args, kwargs, warmup_runs: int, main_runs: int) -> float:
        """The mean time of a call in milliseconds."""
        return self.benchmark_individual_ops(args, kwargs, warmup_runs, main_runs).total_time

    def benchmark_individual_ops(self, args, kwargs, warmup_runs: int, main_runs: int):
        """Times of `main_runs` calls after `warmup_runs`."""
        for _ in range(warmup_runs):
            self._module(*args, **kwargs)
        start = time.perf_counter()
        for _ in range(main_runs):
            self._module(*args, **kwargs)
        mean = 1000 * (time.perf_counter() - start) / max(main_runs, 1)
        return self.IndividualMetrics(mean, {})
