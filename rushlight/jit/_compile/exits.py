"""Return, break, continue and raise as plain control flow.

What follows a statement that might leave is put under an If; blocks hand outwards whether they were
left and with which values. Two rounds: first leaving a turn of a loop (`prim::LoopExit`, whose
inputs are the condition of the next turn and the carried variables), then leaving the function.
"""

from __future__ import annotations

from .. import _types as T
from .._type_rules import unify_types

WONT, MIGHT, WILL, THROWS = "wont", "might", "will", "throws"


class Left:
    """Whether a block is left early, the value that says so, and the values it is left with."""

    __slots__ = ("has", "status", "values")

    def __init__(self, status: str, has=None, values=()) -> None:
        self.status = status
        self.has = has
        self.values = list(values)


def remove_exits(graph, return_type: T.Type) -> None:
    """Make a graph with statements that leave into one whose blocks all run to their ends."""
    Round(graph, "prim::LoopExit").leave_turns(graph.block())
    left = Round(graph, "prim::ReturnStmt")
    found = left.block(graph.block())
    values = found.values if found.values else [left.nothing(return_type)]
    for value in values:
        graph.registerOutput(value)
    join_ifs(graph.block())
    _lower_with(graph.block())


class Round:
    """One kind of leaving, through all blocks."""

    def __init__(self, graph, kind: str) -> None:
        self.graph = graph
        self.kind = kind
        self.unset: dict[str, object] = {}
        self.front = next(iter(graph.nodes()), graph.return_node())
        with graph.insert_point_guard(self.front):
            self.true = graph.insertConstant(True)
            self.false = graph.insertConstant(False)

    def nothing(self, t: T.Type):
        """A value of type `t` that nothing reads."""
        key = str(t)
        if key not in self.unset:
            with self.graph.insert_point_guard(self.front):
                node = self.graph.insertNode(self.graph.create("prim::Uninitialized", [], 1))
            self.unset[key] = node.output().setType(t)
        return self.unset[key]

    def leave_turns(self, block) -> None:
        """The first round: every loop's body takes what its own exits say."""
        self.block(block)

    def block(self, block) -> Left:
        """Rewrite a block; how it is left."""
        for node in block.nodes():
            left = self.node(node)
            if left.status == WONT:
                continue
            if left.status == MIGHT:
                return self._guard(block, left, node) if _does_more(block, node) else left
            self._cut(block, node)
            if node.kind() == self.kind:
                node.destroy()
            return left
        return Left(WONT)

    def node(self, node) -> Left:
        """Rewrite the blocks of one node; how it leaves."""
        kind = node.kind()
        if kind == self.kind:
            return Left(WILL, self.true, node.inputs())
        if kind == "prim::RaiseException":
            return Left(THROWS)
        if kind == "prim::If":
            return self._if(node)
        if kind == "prim::Loop":
            return self._loop(node)
        if kind == "prim::With":
            return self._with(node)
        for inner in node.blocks():
            self.block(inner)
        return Left(WONT)

    def _cut(self, block, node) -> None:
        """Nothing after `node` runs."""
        for i, output in enumerate(list(block.outputs())):
            block.returnNode().replaceInput(i, self.nothing(output.type()))
        rest = []
        after = node._next
        while after is not None and after is not block.ret:
            rest.append(after)
            after = after._next
        for dead in reversed(rest):
            dead.destroy()

    def _has(self, left: Left):
        if left.status == THROWS:
            return self.nothing(T.BoolType.get())
        return {WONT: self.false, WILL: self.true}.get(left.status, left.has)

    def _if(self, node) -> Left:
        then, other = (self.block(b) for b in node.blocks())
        return self._meet(node, then, other)

    def _meet(self, node, then: Left, other: Left) -> Left:
        """How an If leaves whose branches leave so."""
        both = (then.status, other.status)
        if not {WILL, MIGHT} & set(both):
            return Left(THROWS if both == (THROWS, THROWS) else WONT)
        blocks = list(node.blocks())
        if {*both} <= {WILL, THROWS}:
            status, has = WILL, self.true
        else:
            status = MIGHT
            has = self._output(node, blocks, self._has(then), self._has(other))
        values = []
        for i in range(max(len(then.values), len(other.values))):
            mine, theirs = self._matched(then, other, i)
            values.append(self._output(node, blocks, mine, theirs))
        return Left(status, has, values)

    def _matched(self, then: Left, other: Left, i: int):
        if i >= len(then.values):
            return self.nothing(other.values[i].type()), other.values[i]
        if i >= len(other.values):
            return then.values[i], self.nothing(then.values[i].type())
        return then.values[i], other.values[i]

    def _output(self, node, blocks, mine, theirs):
        blocks[0].registerOutput(mine)
        blocks[1].registerOutput(theirs)
        t = unify_types(mine.type(), theirs.type(), True)
        return node.addOutput().setType(t)

    def _guard(self, block, left: Left, node) -> Left:
        """What follows `node` runs only if it did not leave."""
        guard = self.graph.create("prim::If", [left.has], 0).insertAfter(node)
        skipped, rest = guard.addBlock(), guard.addBlock()
        after = guard._next
        while after is not None and after is not block.ret:
            following = after._next
            after.moveBefore(rest.ret)
            after = following
        for i, output in enumerate(list(block.outputs())):
            if output.node().owningBlock() is not rest:
                continue
            skipped.registerOutput(self.nothing(output.type()))
            rest.registerOutput(output)
            made = guard.addOutput().copyMetadata(output)
            block.returnNode().replaceInput(i, made)
        later = self.block(rest)
        return self._meet(guard, Left(WILL, self.true, left.values), later)

    def _loop(self, node) -> Left:
        (body,) = node.blocks()
        left = self.block(body)
        if self.kind == "prim::LoopExit":
            self._end_turn(body, left)
            return Left(WONT)
        if left.status in (WONT, THROWS):
            return Left(WONT)
        again = next(iter(body.outputs()))
        body.returnNode().replaceInput(0, self._unless(body, left, again))
        starts = [self.false, *(self.nothing(v.type()) for v in left.values)]
        outputs = []
        for start, value in zip(starts, [self._has(left), *left.values], strict=True):
            node.addInput(start)
            body.addInputToBlock().setType(value.type())
            body.registerOutput(value)
            outputs.append(node.addOutput().setType(value.type()))
        return Left(MIGHT, outputs[0], outputs[1:])

    def _unless(self, body, left: Left, again):
        """The condition of the next turn: there is none if the body was left."""
        if left.status == WILL:
            return self.false
        choice = self.graph.create("prim::If", [left.has], 0).insertBefore(body.ret)
        for value in (self.false, again):
            choice.addBlock().registerOutput(value)
        return choice.addOutput().setType(T.BoolType.get())

    def _end_turn(self, body, left: Left) -> None:
        """The body gives what its exits say, or what its end does."""
        if left.status in (WONT, THROWS):
            return
        outputs = list(body.outputs())
        if left.status == WILL:
            for i, value in enumerate(left.values):
                body.returnNode().replaceInput(i, value)
            return
        choice = self.graph.create("prim::If", [left.has], 0).insertBefore(body.ret)
        early, late = choice.addBlock(), choice.addBlock()
        for i, (value, output) in enumerate(zip(left.values, outputs, strict=True)):
            early.registerOutput(value)
            late.registerOutput(output)
            made = choice.addOutput().copyMetadata(output)
            body.returnNode().replaceInput(i, made)

    def _with(self, node) -> Left:
        (block,) = node.blocks()
        left = self.block(block)
        if left.status in (WONT, THROWS):
            return left
        outputs = []
        for value in (self._has(left), *left.values):
            block.registerOutput(value)
            outputs.append(node.addOutput().setType(value.type()))
        has = self.true if left.status == WILL else outputs[0]
        return Left(left.status, has, outputs[1:])


def _does_more(block, node) -> bool:
    """Whether anything but constants follows a node in its block."""
    after = node._next
    while after is not block.ret:
        if after.kind() != "prim::Constant":
            return True
        after = after._next
    return False


def join_ifs(block) -> None:
    """An If that only asks which branch the one before took goes into those branches."""
    for node in block.nodes():
        for inner in node.blocks():
            join_ifs(inner)
        while node.kind() == "prim::If" and _joined(node):
            for inner in node.blocks():
                join_ifs(inner)


def _joined(node) -> bool:
    following = node._next
    while following.kind() == "prim::Constant":
        following.moveBefore(node)
        following = node._next
    if following.kind() != "prim::If":
        return False
    asked = following.inputsAt(0)
    if asked.node() is not node:
        return False
    answers = [_known(list(b.outputs())[asked.offset()]) for b in node.blocks()]
    if None in answers:
        return False
    branches = list(following.blocks())
    for block, answer in zip(node.blocks(), answers, strict=True):
        _append(node, block, branches[0 if answer else 1])
    for output in following.outputs():
        made = node.addOutput().copyMetadata(output)
        output.replaceAllUsesWith(made)
    following.destroy()
    return True


def _known(value) -> bool | None:
    """A constant truth; a value that nothing reads may be either."""
    if value.node().kind() == "prim::Uninitialized":
        return True
    return value.toIValue() if value.node().kind() == "prim::Constant" else None


def _append(node, block, branch) -> None:
    """Copy a branch of the If that follows `node` to the end of one of node's blocks."""
    given = dict(zip(node.outputs(), block.outputs(), strict=False))
    known: dict = {}

    def lookup(value):
        return known[value] if value in known else given.get(value, value)

    for inner in branch.nodes():
        copied = node.graph.createClone(inner, lookup).insertBefore(block.ret)
        for mine, theirs in zip(inner.outputs(), copied.outputs(), strict=True):
            known[mine] = theirs.copyMetadata(mine)
    for output in branch.outputs():
        block.registerOutput(lookup(output))


def _lower_with(block) -> None:
    """The block of a `with` goes where it stands, followed by prim::Exit."""
    for node in block.nodes():
        for inner in node.blocks():
            _lower_with(inner)
        if node.kind() != "prim::With":
            continue
        (body,) = node.blocks()
        for inner in list(body.nodes()):
            inner.moveBefore(node)
        for output, value in zip(node.outputs(), body.outputs(), strict=True):
            output.replaceAllUsesWith(value)
        node.graph.create("prim::Exit", [node.inputsAt(0)], 1).insertBefore(node)
        node.destroy()
