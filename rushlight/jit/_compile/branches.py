"""Where two branches meet: which variables have a value after them, and of what type."""

from __future__ import annotations

from .. import _types as T
from .._type_rules import unify_types


def merge(b, at, node, frames) -> None:
    """Variables that both branches of `node` leave behind go on: (block, frame, leaves) each."""
    (_, then, then_exits), (_, other, other_exits) = frames
    if then_exits and other_exits:
        b.frame.leaves = True
        return
    names = list(dict.fromkeys([*then.variables(), *other.variables()]))
    for name in sorted(names):
        types = [_type_after(b, frame, name) for _, frame, _ in frames]
        if then_exits or other_exits:
            found = types[0] if other_exits else types[1]
            if found is None:
                _not_defined(b, frames, name, at)
                continue
        elif None in types:
            _not_defined(b, frames, name, at)
            continue
        else:
            found = unify_types(types[0], types[1], True)
            if _mismatched(found, types, b.frame.find(name)):
                b.frame.names.pop(name, None)
                b.frame.missing[name] = (
                    f"Type mismatch: {name} is set to type {types[0]} in the true branch and type "
                    f"{types[1]} in the false branch:\n{at.highlight()}"
                )
                continue
        _join(b, node, frames, name, found)
    _adopt_sugared(b, frames)


def _type_after(b, frame, name: str) -> T.Type | None:
    found = frame.find(name)
    return found if isinstance(found, T.Type) and name not in frame.missing else None


def _mismatched(found, types, before) -> bool:
    """Whether two types meet only in a Union that no annotation asks for."""
    if found is None:
        return True
    if isinstance(before, T.Type) and found.isSubtypeOf(before):
        return False
    if not isinstance(found, T.UnionType) or isinstance(found, T.OptionalType):
        return False
    return not any(isinstance(t, T.UnionType) for t in types)


def _not_defined(b, frames, name: str, at) -> None:
    (_, then, _), (_, _, _) = frames
    where = "false" if name in then.names else "true"
    for _, frame, _ in frames:
        if name in frame.missing:
            b.frame.missing[name] = frame.missing[name]
            return
    b.frame.missing[name] = f"{name} is not defined in the {where} branch:\n{at.highlight()}"


def _join(b, node, frames, name: str, t: T.Type) -> None:
    for block, frame, exits in frames:
        b.graph.setInsertPoint(block)
        mine = frame.find(name)
        if exits:
            block.registerOutput(b.uninitialized(t))
        else:
            block.registerOutput(b.load(name, mine, None))
    b.graph.setInsertPoint(b.block)
    output = node.addOutput()
    output.setType(t)
    output.setDebugName(name)
    b.store(name, output, t)
    b.frame.missing.pop(name, None)


def _adopt_sugared(b, frames) -> None:
    """Where one branch always leaves, what the other named (functions, modules) goes on."""
    for (_, frame, exits), (_, _, other_exits) in (frames, frames[::-1]):
        if exits or not other_exits:
            continue
        for name, given in frame.names.items():
            if not isinstance(given, T.Type):
                b.frame.names[name] = given
