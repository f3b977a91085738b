"""What nodes do besides giving their outputs."""

from __future__ import annotations

from ._ir import Node

EFFECTS = set(
    "prim::PythonOp prim::IgnoredPythonOp prim::Print prim::RaiseException prim::SetAttr "
    "aten::warn aten::save aten::manual_seed prim::AddStatValue prim::TimePoint prim::CallFunction "
    "prim::CallMethod prim::BailoutTemplate prim::BailOut prim::rpc_async prim::rpc_sync "
    "prim::rpc_remote prim::Enter prim::Exit aten::wait prim::forkClosure aten::set_grad_enabled "
    "aten::_print aten::backward prim::BreakStmt prim::ContinueStmt prim::ReturnStmt".split()
)


def has_side_effects(node: Node) -> bool:
    """Whether a node does more than give its outputs, writing to its inputs aside."""
    if node.kind() in EFFECTS:
        return True
    return any(has_side_effects(n) for b in node.blocks() for n in b.nodes())


def writes(node: Node) -> bool:
    """Whether a node writes to an input."""
    from ._registry import may_write
    from ._schema import schema_of

    if not may_write(node.kind()):
        return False

    schema = schema_of(node)
    return schema is None or schema.is_mutable
