"""Notes that go to every node made within a block: where in the program it belongs."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "annotate",
    "annotate_fn",
    "preserve_node_meta",
    "has_preserved_node_meta",
    "set_stack_trace",
    "set_grad_fn_seq_nr",
    "reset_grad_fn_seq_nr",
    "format_stack",
    "set_current_meta",
    "get_current_meta",
    "NodeSource",
    "NodeSourceAction",
    "get_graph_provenance_json",
    "set_current_replay_node",
    "get_current_replay_node",
]

current_meta: dict[str, Any] = {}
current_replay_node: Any = None
should_preserve_node_meta = False


class NodeSourceAction(enum.Enum):
    """What a pass did with the node that another came from."""

    CREATE = "create"
    REPLACE = "replace"


class NodeSource:
    """The node that another came from, the pass between them, and what came before."""

    class NodeInfo:
        """Name, target and graph of a node, which may be gone."""

        def __init__(self, name: str, target: str, graph_id: int) -> None:
            self.name, self.target, self.graph_id = name, target, graph_id

    def __init__(
        self,
        node: Any,
        pass_name: str = "",
        action: NodeSourceAction | list[NodeSourceAction] | None = None,
    ) -> None:
        self.pass_name = pass_name
        self.action = [] if action is None else action if isinstance(action, list) else [action]
        self.node_info = (
            self.NodeInfo(node.name, str(node.target), id(node.graph)) if node else None
        )
        self.from_node: list[NodeSource] = list(node.meta.get("from_node", ())) if node else []

    @property
    def name(self) -> str:
        """The name of the node."""
        return self.node_info.name if self.node_info else ""

    @property
    def target(self) -> str:
        """The target of the node."""
        return self.node_info.target if self.node_info else ""

    @property
    def graph_id(self) -> int:
        """Which graph it was in; -1 where there was none."""
        return self.node_info.graph_id if self.node_info else -1

    def _get_action_string(self) -> str:
        return "+".join(a.name.lower() for a in self.action)

    def print_readable(self, indent: int = 0) -> str:
        """The chain of sources, one a line."""
        text = (
            f"{' ' * indent}(name={self.name}, pass_name={self.pass_name}, "
            f"action={self._get_action_string()}, graph_id={self.graph_id})\n"
        )
        return text + "".join(source.print_readable(indent + 4) for source in self.from_node)

    def __repr__(self) -> str:
        return self.print_readable()

    def to_dict(self) -> dict[str, Any]:
        """The chain as plain data."""
        return {
            "name": self.name,
            "target": self.target,
            "graph_id": self.graph_id,
            "pass_name": self.pass_name,
            "action": self._get_action_string(),
            "from_node": [source.to_dict() for source in self.from_node],
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodeSource) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, self.target, self.graph_id, self.pass_name))


@contextmanager
def preserve_node_meta(enable: bool = True) -> Iterator[None]:
    """Let the nodes made within the block take over the current notes."""
    global should_preserve_node_meta, current_meta
    before, notes = should_preserve_node_meta, current_meta
    should_preserve_node_meta = enable
    current_meta = dict(notes)
    try:
        yield
    finally:
        should_preserve_node_meta, current_meta = before, notes


def has_preserved_node_meta() -> bool:
    """Whether nodes take over the current notes."""
    return should_preserve_node_meta


@contextmanager
def annotate(annotation_dict: dict[str, Any]) -> Iterator[None]:
    """Give the nodes made within the block notes of one's own, under "custom"."""
    before = current_meta.get("custom")
    current_meta["custom"] = {**(before or {}), **annotation_dict}
    try:
        yield
    finally:
        if before is None:
            current_meta.pop("custom", None)
        else:
            current_meta["custom"] = before


def annotate_fn(annotation_dict: dict[str, Any]) -> Callable[[Callable], Callable]:
    """`annotate` for all calls of a function, as a decorator."""

    def decorate(function):
        @functools.wraps(function)
        def annotated(*args, **kwargs):
            with annotate(annotation_dict):
                return function(*args, **kwargs)

        return annotated

    return decorate


def set_stack_trace(stack: list[str]) -> None:
    """Note the lines of the program that nodes come from."""
    if should_preserve_node_meta and stack:
        current_meta["stack_trace"] = "".join(stack)


def format_stack() -> list[str]:
    """The lines of the program: the noted ones, or those of the call."""
    if should_preserve_node_meta:
        return [current_meta.get("stack_trace", "")]
    import traceback

    return traceback.format_list(traceback.extract_stack()[:-1])


def set_grad_fn_seq_nr(seq_nr: int) -> None:
    """Note the number of the step of a backward pass."""
    if should_preserve_node_meta:
        current_meta["grad_fn_seq_nr"] = [*current_meta.get("grad_fn_seq_nr", ()), seq_nr]
        current_meta["in_grad_fn"] = current_meta.get("in_grad_fn", 0) + 1


def reset_grad_fn_seq_nr() -> None:
    """Undo the last `set_grad_fn_seq_nr`."""
    if not should_preserve_node_meta:
        return
    level = current_meta.get("in_grad_fn", 0)
    if level <= 1:
        current_meta.pop("in_grad_fn", None)
        current_meta.pop("grad_fn_seq_nr", None)
    else:
        current_meta["in_grad_fn"] = level - 1
        current_meta["grad_fn_seq_nr"] = current_meta["grad_fn_seq_nr"][:-1]


@contextmanager
def set_current_meta(node: Any, pass_name: str = "") -> Iterator[None]:
    """Make the notes of a node the current ones within the block."""
    global current_meta
    if not (should_preserve_node_meta and node.meta):
        yield
        return
    before, current_meta = current_meta, dict(node.meta)
    current_meta["from_node"] = [NodeSource(node, pass_name, NodeSourceAction.CREATE)]
    try:
        yield
    finally:
        current_meta = before


def get_current_meta() -> dict[str, Any]:
    """The current notes."""
    return current_meta


@contextmanager
def set_current_replay_node(node: Any) -> Iterator[None]:
    """Say which node is being run within the block."""
    global current_replay_node
    before, current_replay_node = current_replay_node, node
    try:
        yield
    finally:
        current_replay_node = before


def get_current_replay_node() -> Any:
    """The node that is being run."""
    return current_replay_node


def get_graph_provenance_json(graph: Any) -> dict[str, Any]:
    """For each node of a graph the sources that it came from, as plain data."""
    return {
        node.name: [source.to_dict() for source in node.meta["from_node"]]
        for node in graph.nodes
        if "from_node" in node.meta
    }
