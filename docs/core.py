"""The core of rushlight in one file: memory, operators, the gate, the graph, the engine.

    python docs/core.py          runs every chapter and checks what it teaches

rushlight's real core is about 8,000 lines of C++ (`csrc/core`). This is the same design in Python
over NumPy, with the same names: read it in an hour, then find your way there. Each chapter says
which files it retells. What is left out makes the real one fast or complete (dtypes, threads,
kernels, hooks); it is no part of the design. All numbers here are float64.
"""

# Set like a page, without blank lines between the functions of a paragraph:
# fmt: off
from __future__ import annotations

import functools
import heapq
import itertools
import weakref

import numpy as np


# == 1. Memory ======================================== csrc/core/storage.h, array.h, views.cpp ==
#
# A tensor does not own its elements. A Storage does: a flat block of memory, with a version that
# counts the in-place writes. (The real one also knows its device and who owns foreign memory,
# such as NumPy's, and takes its memory from a caching allocator.)
#
# An Array is a way of looking at a Storage: element (i, j) lies at offset + i * strides[0] +
# j * strides[1]. So a transpose exchanges two strides, a row adds to the offset, and broadcasting
# is a stride of 0. No view touches an element: it is arithmetic on these fields, and a write
# through one view is seen through all.
class Storage:
    def __init__(self, elements):
        self.elements, self.version = elements, 0  # a flat ndarray stands for the raw memory

class Array:
    """Storage, offset, shape and strides (in elements)."""
    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = tuple(shape), tuple(strides)
    @staticmethod
    def fresh(values):
        """New packed memory that holds a copy of `values`."""
        values = np.array(values, dtype=np.float64, order="C")
        return Array(Storage(values.reshape(-1)), 0, values.shape, row_major(values.shape))
    def numpy(self):
        """An ndarray over the same memory."""
        start, steps = self.storage.elements[self.offset :], [8 * s for s in self.strides]
        return np.lib.stride_tricks.as_strided(start, self.shape, steps)
    def as_strided(self, shape, strides, offset):
        return Array(self.storage, offset, shape, strides)
    def select(self, dim, index):
        shape, strides = (list(t) for t in (self.shape, self.strides))
        del shape[dim], strides[dim]
        return self.as_strided(shape, strides, self.offset + index * self.strides[dim])
    def transpose(self, a, b):
        order = list(range(len(self.shape)))
        order[a], order[b] = b, a
        shape, strides = ([t[d] for d in order] for t in (self.shape, self.strides))
        return self.as_strided(shape, strides, self.offset)
    def expand(self, shape):
        steps = [0 if n == 1 else s for n, s in zip(self.shape, self.strides)]
        return self.as_strided(shape, [0] * (len(shape) - len(steps)) + steps, self.offset)
    def reshape(self, shape):  # a view of packed memory, else a copy
        packed = self if self.strides == row_major(self.shape) else Array.fresh(self.numpy())
        return packed.as_strided(shape, row_major(shape), packed.offset)
def row_major(shape):
    return tuple(int(np.prod(shape[d + 1 :])) for d in range(len(shape)))

def chapter_1():
    a = Array.fresh([[1, 2, 3], [4, 5, 6]])
    column = a.transpose(0, 1).select(0, 1)
    assert (column.offset, column.shape, column.strides) == (1, (2,), (3,))
    a.numpy()[0, 1] = 20
    assert column.numpy().tolist() == [20, 5]
    assert a.select(0, 0).expand((4, 3)).strides == (0, 1)

# == 2. Tensor ============================================================== csrc/core/tensor.h ==
#
# A Tensor holds an Array and its place in the graph. A *leaf* is one that the user made; what an
# operator made under recording has a grad_fn, the node that knows the way back. A view also knows
# its base: the tensor whose memory it shows, never itself a view. Chapter 7 says why.
class Tensor:
    def __init__(self, data, requires_grad=False):
        self.array = data if isinstance(data, Array) else Array.fresh(data)
        self.requires_grad, self.grad = requires_grad, None
        self.grad_fn, self.output_nr = None, 0  # the node, and which of its outputs this is
        self.base, self.history = None, 0
        self.accumulator = lambda: None  # weak reference to a leaf's AccumulateGrad node
    shape = property(lambda self: self.array.shape)
    def numpy(self):
        return self.array.numpy()
    def __getitem__(self, index):
        return select(self, 0, index)
    def __setitem__(self, index, value):
        copy.inplace(self[index], value)

# == 3. An operator is a block =============================================== rushlight/op.py ==
#
# A block (chapter 8 is full of them) is a class whose functions take no self. `forward` works on
# ndarrays and is the specification; `grad_<parameter>` works on tensors; `samples` feeds the
# tests. The decorator compiles it to one callable, and the class itself is gone.
#
# The point is in the *names* of a gradient function's parameters: they list what the graph has to
# keep. `def grad_input(g, other)` keeps `other`, not `input`; `out` keeps the result; and
# `input_shape` only a shape. The names are read from the code object: `inspect` would make a
# thousand declarations slow to import. A name that means nothing fails at import.
def argument_names(function):
    return function.__code__.co_varnames[: function.__code__.co_argcount]

class Spec:
    """What a block compiles to (OpSpec in csrc/core/op.h)."""
    def __init__(self, block, view):
        body = vars(block)
        self.name, self.view = block.__name__, view
        self.forward, self.samples = body["forward"], body["samples"]
        self.params = argument_names(self.forward)
        given = self.forward.__defaults__ or ()
        self.defaults = dict(zip(self.params[len(self.params) - len(given) :], given))
        self.gradients = {p: body["grad_" + p] for p in self.params if "grad_" + p in body}
        known = {"g", "out", *self.params, *(p + "_shape" for p in self.params)}
        named = {n for f in self.gradients.values() for n in argument_names(f)}
        stray = {n for n in body if n.startswith("grad_")} - {"grad_" + p for p in self.params}
        if stray or named - known:
            raise TypeError(f"op {self.name}: unknown names {stray | named - known}")

class Op:
    """The callable; `inplace` is the same operator writing into its first argument."""
    def __init__(self, spec, writes=False):
        self.spec, self.writes = spec, writes
        self.inplace = self if writes else Op(spec, writes=True)
    def __call__(self, *args, **kwargs):
        return gate(self, args, kwargs)
operators = {}  # every suite walks over this table
kernels = {}  # name -> function of Arrays that replaces the forward (csrc/core/kernel.h)
def op(block=None, *, view=False):
    if block is None:
        return lambda block: op(block, view=view)
    return operators.setdefault(block.__name__, Op(Spec(block, view)))

# == 4. The gate ============================================================ csrc/core/op.cpp ==
#
# Every operator call comes through here, so this is the one place to watch or to change what
# operators do. Normally the stack of interpreters is empty, which costs one test of a pointer to
# find out. A pushed interpreter is handed the operator and its arguments. It may look and pass on,
# or do something else; meanwhile it is popped, so the operators that it calls itself go to the
# next one outwards. (Forward-mode differentiation is such an interpreter.)
class Modes:  # per thread in the real one
    interpreters: list = []
    grad = True
def gate(op, args, kwargs):
    stack = Modes.interpreters
    if stack:
        Modes.interpreters = stack[:-1]
        try:
            return stack[-1].process(op, args, kwargs)
        finally:
            Modes.interpreters = stack
    return run(op, bind(op.spec, args, kwargs))
def bind(spec, args, kwargs):
    """Parameter -> value: by position, by keyword, by default."""
    values = {**spec.defaults, **dict(zip(spec.params, args)), **kwargs}
    if len(args) > len(spec.params) or set(values) != set(spec.params):
        raise TypeError(f"{spec.name}(): got {args}, {kwargs}, expected {spec.params}")
    return {p: values[p] for p in spec.params}
def run(op, values):
    """Compute, wrap, and record, but only when some input requires grad."""
    spec = op.spec
    wanted = {p for p in spec.gradients if needs_grad(values[p])} if Modes.grad else set()
    if op.writes:
        return run_inplace(spec, values, wanted)
    out = Tensor(compute(spec, values))
    source = values[spec.params[0]]
    if spec.view and out.array.storage is source.array.storage:
        out.base = source.base or source
        out.history = out.base.history
    if wanted:
        node = record(spec, values, wanted, out.shape)
        save_output(node, out)
        attach(node, out)
    return out
def compute(spec, values):
    """The kernel, or else the NumPy forward with a conversion on both sides."""
    if spec.name in kernels:
        return kernels[spec.name](*(getattr(v, "array", v) for v in values.values()))
    return Array.fresh(spec.forward(*map(plain, values.values())))
def plain(v):
    return v.numpy() if isinstance(v, Tensor) else v

# == 5. Recording ========================================== csrc/core/autograd.h, record.cpp ==
#
# A recorded call leaves a Node: an edge per differentiable input, to the node that made that
# input, and the saved values. A leaf's edge goes to its AccumulateGrad node, which owns the leaf;
# the leaf knows it only weakly. So there is no cycle, and a graph dies with its last tensor.
#
# With a saved tensor goes the version that its storage had. An output is saved as an Array, not as
# a tensor: the tensor owns the node, and the other way round would be a cycle.
class Node:
    counter = itertools.count()
    def __init__(self, name, edges, shape, spec=None):
        self.name, self.spec = name, spec
        self.edges = edges  # (node, number of its output), or None where no gradient is wanted
        self.shape = shape  # of the output: what an arriving gradient is fitted to
        self.sequence = next(Node.counter)
        self.saved, self.released = {}, False
        self.computes = set()  # parameters whose gradient is wanted
        self.variable = self.geometry = None  # of AccumulateGrad; of CopySlices and AsStrided

class Saved:
    def __init__(self, value, is_output=False):
        self.value, self.is_output = value, is_output
        self.array = value if is_output else getattr(value, "array", None)
        self.version = self.array.storage.version if self.array else 0
    def unpack(self, node):
        """The value, provided that nobody has written into it since."""
        if self.array and self.array.storage.version != self.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: {list(self.array.shape)} is at version "
                f"{self.array.storage.version}; expected version {self.version} instead "
                f"(while computing {node.name})")
        if not self.is_output:
            return self.value
        return attach(node, Tensor(self.value))  # once more the output of this very node
def record(spec, values, wanted, shape, target=None):
    """A node with what the wanted gradients name, outputs excepted."""
    name = "".join(part.capitalize() for part in spec.name.split("_")) + "Backward0"
    node = Node(name, [edge_of(values[p]) for p in spec.gradients], shape, spec)
    node.computes = wanted
    for name in {n for p in wanted for n in argument_names(spec.gradients[p])}:
        if name.endswith("_shape"):
            node.saved[name] = Saved(values[name[:-6]].shape)
        elif name in values:
            value = values[name]
            if value is target:  # about to be overwritten: keep a copy, with its history
                value = Tensor(value.numpy())
                if grad_fn_of(target):
                    attach(target.grad_fn, value, target.output_nr)
            node.saved[name] = Saved(value)
    return node
def save_output(node, out):
    if any("out" in argument_names(node.spec.gradients[p]) for p in node.computes):
        node.saved["out"] = Saved(out.array, is_output=True)
def attach(node, t, nr=0):
    t.grad_fn, t.output_nr, t.requires_grad = node, nr, True
    return t
def edge_of(t):
    if not needs_grad(t):
        return None
    if grad_fn_of(t):
        return t.grad_fn, t.output_nr
    node = t.accumulator()
    if node is None:
        node = Node("AccumulateGrad", [], t.shape)
        node.variable, node.sequence = t, float("inf")  # runs as soon as it is ready
        t.accumulator = weakref.ref(node)
    return node, 0

def chapter_5():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0])
    y = tanh(mul(a, b))
    assert list(y.grad_fn.saved) == ["out"] and y.grad_fn.saved["out"].value is y.array
    (product, _), = y.grad_fn.edges
    assert product.name == "MulBackward0" and list(product.saved) == ["other"]  # b, for a's sake
    assert product.edges[0][0].variable is a and product.edges[1] is None

# == 6. The engine ==================================== csrc/core/engine.cpp, gradient.cpp ==
#
# A node may run when every gradient it will get has arrived. So the edges that lead to each node
# are counted first, and each edge walked takes one off. Of the ready nodes the one recorded last
# goes first. Nothing recurses: a chain of a million operators needs no deep stack.
#
# Recording is off meanwhile, unless `create` asks for second derivatives; they need no other code,
# since gradients are written in operators. When a node has run, what it saved is let go, so memory
# falls while the walk goes on.
def backward(root, g=None, keep=False, create=False, inputs=None):
    """Accumulate into the leaves; or, given `inputs`, return their gradients only."""
    start = edge_of(root)
    if start is None:
        raise RuntimeError("tensor does not require grad and does not have a grad_fn")
    if g is None and root.numpy().size != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    wanted = [edge_of(t)[0] for t in inputs or ()]  # (the real one skips nodes that lead nowhere)
    captured = [None] * len(wanted)
    before, Modes.grad = Modes.grad, create
    try:
        waiting = dependencies(start[0])
        arrived = {start[0]: fit(g or Tensor(np.ones(root.shape)), start[0])}
        ready = [(-start[0].sequence, id(start[0]), start[0])]
        while ready:
            node = heapq.heappop(ready)[2]
            g = arrived.pop(node, None)
            captured = [g if w is node else c for w, c in zip(wanted, captured)]
            if node.variable and inputs is None and g is not None:
                accumulate_into(node.variable, g, create)
            for edge, result in zip(node.edges, apply(node, g)):
                if edge is None:
                    continue
                if result is not None:
                    result = fit(result, edge[0])
                    first = arrived.get(edge[0])
                    arrived[edge[0]] = add(first, result) if first else result
                waiting[edge[0]] -= 1
                if waiting[edge[0]] == 0:
                    heapq.heappush(ready, (-edge[0].sequence, id(edge[0]), edge[0]))
            if node.saved and not keep and not create:
                node.saved, node.released = {}, True
    finally:
        Modes.grad = before
    return captured
def dependencies(root):
    counts, stack = {root: 0}, [root]
    while stack:
        for after, _ in filter(None, stack.pop().edges):
            if after not in counts:
                stack.append(after)
            counts[after] = counts.get(after, 0) + 1
    return counts

# Why no gradient in chapter 8 speaks of broadcasting: the gradient of a + b is g for both, and
# here, once for all operators, it is summed to the shape of the value it belongs to. (The real
# engine casts it to that value's dtype as well.)
def fit(g, target):
    lead = len(g.shape) - len(target.shape)
    sizes = [1] * lead + list(target.shape)
    axes = tuple(d for d, n in enumerate(sizes) if d < lead or n == 1 != g.shape[d])
    return view(sum(g, axes), target.shape) if axes else g
def apply(node, g):
    """What a node sends along its edges. A gradient that nobody wants is not computed."""
    if node.released:
        raise RuntimeError("Trying to backward through the graph a second time")
    if g is None:
        return [None] * len(node.edges)
    if node.name == "CopySlices":
        return copy_slices(g, *node.geometry)
    if node.geometry:
        return [placed(g, *node.geometry)]
    def value(name):
        return g if name == "g" else node.saved[name].unpack(node)
    functions = node.spec.gradients.items() if node.spec else ()
    return [f(*map(value, argument_names(f))) if p in node.computes else None
            for p, f in functions]
def accumulate_into(leaf, g, create):
    if leaf.grad is None:
        leaf.grad = clone(g)  # the real engine takes g itself when nobody else holds it
    elif create:
        leaf.grad = add(leaf.grad, g)  # a gradient with a history must not be overwritten
    else:
        add.inplace(leaf.grad, g)

# == 7. In-place writes and views ========================== csrc/core/node.cpp, record.cpp ==
#
# A write bumps the storage's version, by which Saved.unpack finds out. The rest of this chapter is
# about the history of what was written. No view: its grad_fn is now the node of the write. A view
# (row = x[0]; row *= 2) changed x too. So x gets a new node, CopySlices, with two edges: to the old
# x (whose gradient is g with zeros where the write went) and to the write (g at that place). All
# other views of x are out of date then. Nobody searches for them: the base counts how often its
# history was replaced, and a view that finds the count changed becomes a strided read of the base.
def needs_grad(t):
    return isinstance(t, Tensor) and (t.requires_grad or (stale(t) and t.base.requires_grad))
def stale(t):
    return t.base is not None and t.history != t.base.history
def grad_fn_of(t):
    if stale(t):
        regenerate_view(t)
    return t.grad_fn
def regenerate_view(t):
    t.history = t.base.history
    if needs_grad(t.base):
        node = Node("AsStridedBackward0", [edge_of(t.base)], t.shape)
        node.geometry = t.base.shape, t.array
        attach(node, t)
def run_inplace(spec, values, wanted):
    target = values[spec.params[0]]
    for t in (target, target.base):
        if Modes.grad and t and needs_grad(t) and not grad_fn_of(t):
            raise RuntimeError(f"a {'view of a ' if t is not target else ''}leaf Variable that "
                               "requires grad is being used in an in-place operation.")
    node = record(spec, values, wanted, target.shape, target) if wanted else None
    target.numpy()[...] = compute(spec, values).numpy()  # a real kernel writes there directly
    target.array.storage.version += 1
    if node:
        save_output(node, target)
        rebase_history(target, node)
    return target
def rebase_history(t, node):
    if t.base is None:
        attach(node, t)
        t.history += 1  # its views must look again
        return
    rewritten = Node("CopySlices", [edge_of(t.base), (node, 0)], t.base.shape)
    rewritten.geometry = t.base.shape, t.array
    attach(rewritten, t.base)
    t.base.history += 1
    regenerate_view(t)
def copy_slices(g, _, region):
    kept = clone(g)
    window = as_strided(kept, region.shape, region.strides, region.offset)
    written = clone(window)
    mul.inplace(window, 0.0)
    return kept, written
def placed(g, shape, region):
    """Zeros of the base's shape with `g` where `region` lies."""
    zeros = Tensor(np.zeros(shape))
    copy.inplace(as_strided(zeros, region.shape, region.strides, region.offset), g)
    return zeros

def chapter_7():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = mul(x, 1.0)
    row, column = y[0], select(y, 1, 0)
    mul.inplace(row, 10.0)
    assert column.numpy().tolist() == [10.0, 3.0]  # the memory is shared
    assert y.grad_fn.name == "CopySlices" and column.grad_fn.name == "SelectBackward0"
    backward(sum(column))  # and so is the history
    assert column.grad_fn.name == "AsStridedBackward0"
    assert x.grad.numpy().tolist() == [[10.0, 0.0], [1.0, 0.0]]
    z = tanh(x)
    add.inplace(z, 1.0)  # tanh's gradient needs its output
    for root, words in ((sum(z), "is at version 1; expected version 0"),
                        (sum(column), "second time")):
        try:
            backward(root)
        except RuntimeError as error:
            assert words in str(error)
        else:
            raise AssertionError(words)

# == 8. The operators ====================================================== rushlight/ops/*.py ==
#
# The part that grows. Note what gradients name: `tanh` keeps its output, since its derivative is
# 1 - out^2; `add` keeps nothing.
@op
class add:
    def forward(input, other): return input + other
    def grad_input(g): return g
    def grad_other(g): return g
    def samples(make): yield make(3, 1), make(4)
@op
class mul:
    def forward(input, other): return input * other
    def grad_input(g, other): return mul(g, other)
    def grad_other(g, input): return mul(g, input)
    def samples(make): yield from ((make(2, 1, 3), make(4, 1)), (make(3), 2.5))
@op
class tanh:
    def forward(input): return np.tanh(input)
    def grad_input(g, out): return mul(g, add(mul(mul(out, out), -1.0), 1.0))
    def samples(make): yield (make(3, 5),)
@op
class matmul:
    def forward(input, other): return input @ other
    def grad_input(g, other): return matmul(g, transpose(other, 0, 1))
    def grad_other(g, input): return matmul(transpose(input, 0, 1), g)
    def samples(make): yield make(3, 4), make(4, 2)
@op
class sum:
    def forward(input, dim=None): return input.sum(dim, keepdims=dim is not None)
    def grad_input(g, input_shape): return expand(g, input_shape)
    def samples(make): yield from ((make(3, 4),), (make(2, 3, 4), (0, 2)))
@op
class clone:
    def forward(input): return input.copy()
    def grad_input(g): return g
    def samples(make): yield (make(2, 3),)
@op
class copy:  # x[i] = value is its in-place form
    def forward(input, src): return np.broadcast_to(src, input.shape)
    def grad_input(g): return mul(g, 0.0)
    def grad_src(g): return g
    def samples(make): yield make(2, 3), make(3)
# Views have kernels, since they work on Arrays.
@op(view=True)
class select:
    def forward(input, dim, index): return input.take(index, dim)
    def grad_input(g, input_shape, dim, index):
        zeros = Tensor(np.zeros(input_shape))
        copy.inplace(select(zeros, dim, index), g)
        return zeros
    def samples(make): yield make(3, 4), 1, 2
@op(view=True)
class transpose:
    def forward(input, dim0, dim1): return np.swapaxes(input, dim0, dim1)
    def grad_input(g, dim0, dim1): return transpose(g, dim0, dim1)
    def samples(make): yield make(2, 3, 4), 0, 2
@op(view=True)
class expand:
    def forward(input, size): return np.broadcast_to(input, size)
    def grad_input(g): return g  # fit() sums it
    def samples(make): yield make(3, 1), (2, 3, 4)
@op(view=True)
class view:
    def forward(input, size): return input.reshape(size)
    def grad_input(g, input_shape): return view(g, input_shape)
    def samples(make): yield make(3, 4), (2, 6)
@op(view=True)
class as_strided:
    def forward(input, size, stride, at): return input.ravel()[at:][np.add.outer(
        *(np.arange(n) * s for n, s in zip(size, stride)))]
    def grad_input(g, input_shape, size, stride, at):
        return placed(g, input_shape, Array(None, at, size, stride))
    def samples(make): yield make(3, 4), (2, 2), (4, 1), 1
kernels.update(select=Array.select, transpose=Array.transpose, expand=Array.expand,
               view=Array.reshape, as_strided=Array.as_strided)
def gradcheck(function, inputs, order=1, step=1e-5):
    """Compare backward with central differences; order 2 differentiates the gradient."""
    tensors, rng = [t for t in inputs if isinstance(t, Tensor)], np.random.default_rng(order)
    weights, *directions = (Tensor(rng.standard_normal(t.shape))
                            for t in (function(*inputs), *tensors))
    def value():
        result = sum(mul(function(*inputs), weights))
        if order == 1:
            return result
        first = backward(result, create=True, inputs=tensors)
        return functools.reduce(add, (sum(mul(g, d)) for g, d in zip(first, directions)))
    for t, g in zip(tensors, backward(value(), inputs=tensors)):
        elements = t.array.storage.elements  # written behind autograd's back
        for i, old in enumerate(elements.copy()):
            ends = []
            for elements[i] in (old + step, old - step):
                ends.append(float(value().numpy()))
            elements[i] = old
            slope = (ends[0] - ends[1]) / (2 * step)
            assert abs(g.numpy().reshape(-1)[i] - slope) < 1e-6, (function, i)

def chapter_8():
    rng = np.random.default_rng(0)
    def make(*shape): return Tensor(rng.standard_normal(shape), requires_grad=True)
    for operator in operators.values():
        for sample in operator.spec.samples(make):
            expected = operator.spec.forward(*map(plain, sample))
            assert np.array_equal(operator(*sample).numpy(), expected)  # kernel and forward
            gradcheck(operator, sample)

# == 9. Second derivatives come free ==========================================================
#
# With create=True the gradient functions are recorded like any other code, because they are made
# of operators: products, views and in-place writes alike. An interpreter sees backward's calls
# just as it sees forward's.
class FlopCounter:
    flops = 0
    def process(self, op, args, kwargs):
        if op is matmul:
            self.flops += 2 * args[0].numpy().size * args[1].shape[1]
        return op(*args, **kwargs)
def writes(a, b):  # rows of a copy are scaled and replaced through views
    c = clone(a)
    column = select(c, 1, 0)
    mul.inplace(c[0], b)
    c[1] = tanh(column[0])
    return mul(c, add(column[1], 1.0))

def chapter_9():
    rng = np.random.default_rng(1)
    a, b = (Tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((2, 3), (3,)))
    for order in (1, 2):
        gradcheck(writes, (a, b), order)
        gradcheck(lambda a, b: tanh(matmul(a, view(b, (3, 1)))), (a, b), order)
    counter = FlopCounter()
    Modes.interpreters = [counter]
    backward(sum(matmul(a, transpose(a, 0, 1))))
    Modes.interpreters = []
    assert counter.flops == 3 * (2 * 2 * 3 * 2)  # one product forward, two backward

# == 10. A module and an optimizer ============ rushlight/nn/modules/module.py, rushlight/optim ==
#
# These know nothing of the core: a module is a function that owns leaves, and an optimizer writes
# into leaves with recording off, which is what makes that legal.
class Linear:
    def __init__(self, inputs, outputs, rng):
        bound = inputs**-0.5
        self.weight, self.bias = (Tensor(rng.uniform(-bound, bound, shape), requires_grad=True)
                                  for shape in ((outputs, inputs), outputs))
    def __call__(self, x):
        return add(matmul(x, transpose(self.weight, 0, 1)), self.bias)
def sgd_step(parameters, lr):
    Modes.grad = False  # torch.no_grad()
    for p in parameters:
        add.inplace(p, mul(p.grad, -lr))
        p.grad = None
    Modes.grad = True

def chapter_10():
    rng = np.random.default_rng(0)
    first, last = Linear(2, 8, rng), Linear(8, 1, rng)
    x, y = Tensor([[0, 0], [0, 1], [1, 0], [1, 1]]), Tensor([[0], [1], [1], [0]])
    for step in range(201):
        error = add(last(tanh(first(x))), mul(y, -1.0))
        loss = sum(mul(error, error))
        backward(loss)
        sgd_step((first.weight, first.bias, last.weight, last.bias), lr=0.1)
        if step % 50 == 0:
            print(f"xor, step {step:>3}: loss {float(loss.numpy()):.6f}")
    assert np.abs(error.numpy()).max() < 0.5

if __name__ == "__main__":
    for chapter in (chapter_1, chapter_5, chapter_7, chapter_8, chapter_9, chapter_10):
        chapter()
    print("every chapter holds")
