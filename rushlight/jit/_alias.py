"""What may share memory in a graph, and what writes to it.

Every value of a type that can be written has a set of places; a container has places within. What
the graph cannot see (inputs, attributes of modules, what unknown calls give) is one place for each
type. The order of nodes is not looked at: what holds anywhere holds everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import _types as T
from ._alias_places import Places, is_mutable
from ._ir import Block, Graph, Node, Value

_FRESH = set(
    "prim::Constant prim::Uninitialized prim::CreateObject prim::AutogradZero prim::TupleConstruct "
    "prim::ListConstruct prim::DictConstruct prim::ListUnpack".split()
)
_CONTAINERS = ("prim::TupleConstruct", "prim::ListConstruct", "prim::DictConstruct")
_EXTRACTORS = set(
    "prim::TupleUnpack prim::TupleIndex prim::TupleSlice prim::ListUnpack prim::GetAttr".split()
)
_UNKNOWN = set(
    "prim::CallFunction prim::CallMethod prim::PythonOp prim::fork prim::forkClosure prim::Closure "
    "prim::awaitableClosure prim::IgnoredPythonOp aten::wait prim::Enter prim::Exit "
    "prim::isinstance prim::ModuleContainerIndex".split()
)
# What neither writes nor gives anything that can be written.
_HARMLESS = {"prim::isinstance", "prim::Print", "aten::warn"}


class AliasDb:
    """What may share memory in `graph`, as it is now.

    `isFrozen` says that attributes of modules are only read; `descend_function_calls` is taken for
    the sake of its name: a call is always thought to do anything with what it is given.
    """

    def __init__(
        self,
        graph: Graph,
        isFrozen: bool = False,  # noqa: N803
        descend_function_calls: bool = False,
    ) -> None:
        self.graph = graph
        self.frozen = isFrozen
        self._places = Places()
        self._of: dict[Value, set[int]] = {}
        self._unknown: dict[str, int] = {}
        self._writes: list[tuple[Node, set[int]]] = []
        for value in graph.inputs():
            self._set_unknown(value)
        self._block(graph.block())
        # Nothing is joined from here on.
        self._written = set().union(*(self._places.roots(p) for _, p in self._writes))

    # -- building ----------------------------------------------------------------------------

    def _block(self, block: Block) -> None:
        for node in block.nodes():
            self._node(node)

    def _node(self, node: Node) -> None:
        kind = node.kind()
        if kind == "prim::If":
            for block in node.blocks():
                self._block(block)
            for i, output in enumerate(node.outputs()):
                for block in node.blocks():
                    self._share(output, block.returnNode().inputsAt(i))
        elif kind == "prim::Loop":
            self._loop(node)
        elif kind == "prim::SetAttr":
            self._writes.append((node, self._all_of(node.inputsAt(0))))
            self._set_unknown(node.inputsAt(1))
        elif kind in _CONTAINERS:
            self._contain(node.output(), node.inputs())
        elif kind in _EXTRACTORS:
            self._extract(node)
        elif kind in _FRESH or kind in _HARMLESS:
            for output in node.outputs():
                self._fresh(output)
        else:
            self._call(node)

    def _loop(self, node: Node) -> None:
        (body,) = node.blocks()
        carried = list(body.inputs())[1:]
        for value, start in zip(carried, list(node.inputs())[2:], strict=True):
            self._share(value, start)
        self._block(body)
        after = list(body.outputs())[1:]
        for value, last, output in zip(carried, after, node.outputs(), strict=True):
            self._share(value, last)
            self._share(output, value)

    def _extract(self, node: Node) -> None:
        source = node.inputsAt(0)
        if node.kind() == "prim::GetAttr" and self.frozen:
            for output in node.outputs():
                self._fresh(output)
            return
        within = self._places.within(self._of.get(source, ())) - self._all_of(source)
        for output in node.outputs():
            if within and node.kind() != "prim::GetAttr":
                self._put(output, within)
            else:
                self._set_unknown(output)

    def _call(self, node: Node) -> None:
        from ._schema import schema_of

        for block in node.blocks():
            self._block(block)
        unknown = node.kind() in _UNKNOWN
        if not unknown and not any(is_mutable(v.type()) for v in (*node.inputs(), *node.outputs())):
            return
        schema = None if unknown else schema_of(node)
        if schema is None:
            self._unknown_call(node)
            return
        sets: dict[str, set[int]] = {}
        for formal, actual in zip(schema.arguments, node.inputs(), strict=False):
            info = formal.alias_info
            if info is None or not is_mutable(actual.type()):
                continue
            for name in info.before_set:
                sets.setdefault(name, set()).update(self._all_of(actual))
            if info.is_write:
                self._writes.append((node, self._all_of(actual)))
            if "*" in info.text:  # it goes into a container that is not followed
                self._into(node, actual)
        for formal, output in zip(schema.returns, node.outputs(), strict=False):
            info = formal.alias_info
            if info is None:
                self._fresh(output)
            elif "*" in info.text and "->" not in info.text:
                self._element(node, output)
            else:
                found = set().union(*(sets.get(n, set()) for n in info.before_set))
                self._put(output, found) if found else self._set_unknown(output)

    def _into(self, node: Node, actual: Value) -> None:
        """A value goes into the container that is the node's first input."""
        if node.inputsAt(0) is actual:
            return
        for place in self._all_of(node.inputsAt(0)):
            self._places.inner[place] |= self._all_of(actual)

    def _element(self, node: Node, output: Value) -> None:
        """A value comes out of the container that is the node's first input."""
        container = node.inputsAt(0)
        within = self._places.within(self._all_of(container)) - self._all_of(container)
        if within:
            self._put(output, within)
        else:
            self._set_unknown(output)

    def _unknown_call(self, node: Node) -> None:
        """Anything may be done with the inputs; anything may come out."""
        written: set[int] = set()
        for value in node.inputs():
            self._set_unknown(value)
            written |= self._places.within(self._of.get(value, ()))
        if written:
            self._writes.append((node, written))
        for output in node.outputs():
            self._set_unknown(output)

    def _contain(self, output: Value, inputs: Iterable[Value]) -> None:
        self._fresh(output)
        for place in self._of.get(output, ()):
            for value in inputs:
                self._places.inner[place] |= self._all_of(value)

    def _fresh(self, value: Value) -> None:
        if is_mutable(value.type()):
            self._put(value, {self._places.new()})

    def _put(self, value: Value, places: set[int]) -> None:
        if is_mutable(value.type()):
            self._of.setdefault(value, set()).update(places)

    def _share(self, value: Value, other: Value) -> None:
        self._put(value, self._all_of(other))

    def _set_unknown(self, value: Value) -> None:
        if not is_mutable(value.type()):
            return
        place = self._unknown_place(value.type())
        for p in self._places.within(self._of.get(value, ())):
            self._places.join(place, p)
        self._of.setdefault(value, set()).add(place)

    def _unknown_place(self, t: T.Type) -> int:
        """The place of all values of a type that come from outside."""
        while isinstance(t, T.OptionalType):
            t = t.getElementType()
        loose = isinstance(t, T.AnyType | T.UnionType | T.TupleType | T.PyObjectType)
        key = "Any" if loose else t.unshaped().str()
        if key not in self._unknown:
            place = self._unknown[key] = self._places.new()
            for inner in t.containedTypes() if not isinstance(t, T.ClassType) else ():
                if is_mutable(inner):
                    self._places.inner[place].add(self._unknown_place(inner))
            if loose or key == "Any":
                self._unknown["Any"] = place
        return self._unknown[key]

    def _all_of(self, value: Value) -> set[int]:
        return self._places.roots(self._of.get(value, ()))

    # -- asking ------------------------------------------------------------------------------

    def _meets(self, a: set[int], b: set[int]) -> bool:
        if a & b:
            return True
        loose = self._unknown.get("Any")
        if loose is None:  # something of no known type may be any of the unknown ones
            return False
        outside = self._places.roots(self._unknown.values())
        root = self._places.root(loose)
        return (root in a and bool(b & outside)) or (root in b and bool(a & outside))

    def values(self) -> list[Value]:
        """The values that have places."""
        return list(self._of)

    def places(self, value: Value) -> set[int]:
        """The places that a value may be."""
        return self._all_of(value)

    def reach(self, value: Value) -> set[int]:
        """The places of a value and of what it holds."""
        return self._places.within(self._all_of(value))

    def is_outside(self, places: set[int]) -> bool:
        """Whether any of some places is known outside the graph."""
        return bool(places & self._places.roots(self._unknown.values()))

    def take_place(self, new: Value, old: Value) -> None:
        """A new value stands for another one."""
        self._of[new] = set(self._all_of(old))

    def may_alias(self, a: Value, b: Value) -> bool:
        """Whether two values may be the same memory."""
        return self._meets(self._all_of(a), self._all_of(b))

    def may_contain_alias(self, a: Value, b: Value) -> bool:
        """Whether two values may be, or hold, the same memory."""
        return self._meets(
            self._places.within(self._all_of(a)), self._places.within(self._all_of(b))
        )

    def has_writers(self, value: Value) -> bool:
        """Whether anything in the graph may write to the value or to what it holds."""
        if not self._written:
            return False
        return self._meets(self._written, self._places.within(self._all_of(value)))

    def written_by(self, node: Node) -> set[int]:
        """The places that a node writes to."""
        found: set[int] = set()
        for writer, places in self._writes:
            if writer is node or _is_within(writer, node):
                found |= self._places.roots(places)
        return found

    def writes_to(self, node: Node, values: Iterable[Value]) -> bool:
        """Whether a node writes to any of `values`, to what they hold, or to what is outside."""
        written = self.written_by(node)
        if not written:
            return False
        outside = self._places.roots(self._unknown.values())
        if self._meets(written, outside):
            return True
        return any(
            self._meets(written, self._places.within(self._all_of(value))) for value in values
        )

    def reads(self, node: Node) -> set[int]:
        """The places that a node may read."""
        found: set[int] = set()
        for n in [node, *(n for b in node.blocks() for n in b.all_nodes())]:
            for value in n.inputs():
                found |= self._places.within(self._all_of(value))
        return found

    # -- moving ------------------------------------------------------------------------------

    def move_after_topologically_valid(self, n: Node, movePoint: Node) -> bool:  # noqa: N803
        """Put `n` right after another node of its block, if nothing changes; whether it was."""
        return self._move(n, movePoint, after=True)

    def move_before_topologically_valid(self, n: Node, movePoint: Node) -> bool:  # noqa: N803
        """Put `n` right before another node of its block, if nothing changes; whether it was."""
        return self._move(n, movePoint, after=False)

    def _move(self, n: Node, point: Node, after: bool) -> bool:
        if n is point:
            return True
        if n.owningBlock() is not point.owningBlock():
            raise RuntimeError("AliasDb: nodes of different blocks cannot be moved past each other")
        forward = n.isBefore(point)
        moved, at = [n], n.next() if forward else n.prev()
        stop = point
        if forward == after:  # it passes the point itself
            stop = point.next() if forward else point.prev()
        while at is not stop:
            if any(self._depend(at, m, forward) for m in moved):
                if at is point:
                    return False
                moved.append(at)  # what depends on it goes with it
            at = at.next() if forward else at.prev()
        place = point
        for node in moved if forward else reversed(moved):
            if after:
                node.moveAfter(place)
                place = node
            else:
                node.moveBefore(place)
        return True

    def _depend(self, other: Node, moved: Node, forward: bool) -> bool:
        """Whether one of two nodes must stay on its side of the other."""
        first, second = (moved, other) if forward else (other, moved)
        if _uses(second, first) or (_has_effects(first) and _has_effects(second)):
            return True
        written = self.written_by(first)
        if written and self._meets(written, self.reads(second) | self.written_by(second)):
            return True
        later = self.written_by(second)
        return bool(later) and self._meets(later, self.reads(first))

    # -- text --------------------------------------------------------------------------------

    def dump(self) -> None:
        """Print the graph, and the places of its values."""
        print(str(self))

    def to_graphviz_str(self) -> str:
        """The values and their places in the language of graphviz."""
        lines = ["digraph alias_db {", "  rankdir=LR"]
        for value in self._of:
            name = value.debugName()
            lines.append(f'  "%{name}" [shape=plaintext]')
            lines += [f'  "%{name}" -> "{p}"' for p in sorted(self._all_of(value))]
        lines += [
            f'  "{p}" -> "{i}" [style=dashed]'
            for p in range(len(self._places.parents))
            for i in sorted(self._places.roots(self._places.inner[p]))
        ]
        return "\n".join([*lines, "}"]) + "\n"

    def __str__(self) -> str:
        values = list(self._of)
        outside = self._places.roots(self._unknown.values())
        lines = ["", "===1. GRAPH===", str(self.graph), "===2. ALIAS DB==="]
        for a in values:
            others = [f"%{b.debugName()}" for b in values if b is not a and self.may_alias(a, b)]
            if self._all_of(a) & outside:
                others.append("WILDCARD")
            if others:
                lines.append(f"%{a.debugName()} points to: {', '.join(others)}")
        lines += ["", "===3. Writes==="]
        for node, places in self._writes:
            touched = [
                f"%{v.debugName()}"
                for v in values
                if self._meets(self._places.roots(places), self._all_of(v))
            ]
            lines.append(f"{str(node).splitlines()[0]}\n  {', '.join(touched)}")
        return "\n".join(lines) + "\n"


def _is_within(node: Node, outer: Node) -> bool:
    at = node.owningBlock()
    while at is not None and at.owning is not None:
        if at.owning is outer:
            return True
        at = at.owning.owningBlock()
    return False


def _uses(later: Node, earlier: Node) -> bool:
    outputs = set(earlier.outputs())
    users = [later, *(n for b in later.blocks() for n in b.all_nodes())]
    blocks = [r for n in users for b in n.blocks() for r in b.outputs()]
    return any(v in outputs for n in users for v in n.inputs()) or any(v in outputs for v in blocks)


def _has_effects(node: Node) -> bool:
    from ._effects import has_side_effects

    return has_side_effects(node)
