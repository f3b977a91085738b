"""Declaring operators: `@op` compiles a block to a C++ callable, `@public` names a composite.

A block's functions are read from their code objects (names, defaults), never with `inspect`:
a thousand declarations must import in milliseconds. CONTRIBUTING.md shows one worked operator.
"""

from __future__ import annotations

from . import _C
from ._errors import LinAlgError
from ._lazy import np

conj = _C.conj

torch_table: dict = {}  # torch.<name>
functional_table: dict = {}  # nn.functional.<name>
namespace_tables: dict = {}  # "linalg", "special", "fft", ...: {name: callable}
operators: dict = {}  # class name -> Op: feeds the test matrix and the benchmarks
_MISSING = NotImplemented  # marks a parameter without a default

_GRADIENT, _SAVED, _NEEDS = 0, 1, 2
_PARAM, _PARAM_SHAPE, _PARAM_DTYPE, _OUTPUT = 0, 1, 2, 3
_FACTS = {"_shape": _PARAM_SHAPE, "_dtype": _PARAM_DTYPE}


class Declaration:
    """What `_C.make_op` reads: the block in the form the core keeps."""

    def __init__(self, name, forward):
        code = forward.__code__
        positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
        self.name = name
        self.params = code.co_varnames[: positional + keyword_only]
        given = forward.__defaults__ or ()
        keywords = forward.__kwdefaults__ or {}
        self.defaults = (
            (_MISSING,) * (positional - len(given))
            + tuple(given)
            + tuple(keywords.get(p, _MISSING) for p in self.params[positional:])
        )
        self.npositional = positional
        self.forward = forward
        self.differentiable = self.grads = self.slots = ()
        self.joint = False
        self.return_type = None

    def read_gradients(self, block, differentiable, outputs):
        """Find the gradient functions and what each names."""
        named = [k for k in block if k[:5] == "grad_"]
        joint = block.get("backward")
        if joint is not None:
            if not differentiable:
                raise TypeError(f"op {self.name}: backward() needs differentiable=(...)")
            params, functions = differentiable, [joint]
        elif not named:
            return
        else:
            params = [p for p in self.params if "grad_" + p in block]
            functions = [block["grad_" + p] for p in params]
            if len(params) < len(named):
                unknown = next(k for k in named if k[5:] not in self.params)
                raise TypeError(f"op {self.name}: {unknown} names no parameter")
        slots: dict = {}  # what is kept: its number, and a bit for every function that reads it
        grads = []
        for k, function in enumerate(functions):
            code = function.__code__
            names = code.co_varnames[: code.co_argcount]
            # Of an operator whose own parameter is called g, `gs` is the incoming gradient.
            incoming = "gs" if "gs" in names else "g"
            sources = []
            for n in names:
                if n == incoming:
                    sources.append((_GRADIENT, 0))
                elif n == "needs":
                    sources.append((_NEEDS, 0))
                else:
                    slot = slots.setdefault(self.kept(n, outputs), [len(slots), 0])
                    slot[1] |= 1 << k
                    sources.append((_SAVED, slot[0]))
            grads.append((function, tuple(sources)))
        self.differentiable = tuple([self.params.index(p) for p in params])
        self.grads = tuple(grads)
        self.slots = tuple([(*key, users) for key, (_, users) in slots.items()])
        self.joint = joint is not None

    def kept(self, name, outputs):
        """(kind, index) of what a gradient function names."""
        params = self.params
        if name in params:
            return _PARAM, params.index(name)
        if name in outputs:
            return _OUTPUT, outputs.index(name)
        if name == "out":
            return _OUTPUT, 0
        owner, kind = name[:-6], _FACTS.get(name[-6:])
        if kind is None or owner not in params:
            raise TypeError(f"op {self.name}: a gradient names an unknown argument {name!r}")
        return kind, params.index(owner)


def op(
    names: str,
    *,
    kernel: str | None = None,
    pointwise: int = 0,
    numbers: str | None = None,
    exact_numbers: bool = False,
    lone_numbers: bool = False,
    promote: str = "same",
    view: bool = False,
    outputs: tuple | str | None = None,
    varargs: str | None = None,
    node: str | None = None,
    differentiable: tuple | None = None,
    grad_outputs: int = 1 << 30,  # all
    exact_out: bool | None = None,
    name: str | None = None,
):
    """Declare an operator (see CONTRIBUTING.md); the class becomes the C++ callable itself.

    `names` says where it is public, `kernel` which kernel or loops run it, `pointwise` how many
    leading parameters are element-wise operands, `numbers` which of them may be Python numbers
    (default: all; none of a single one), `exact_numbers` whether those are not rounded to a half
    type beside them, `lone_numbers` whether all may be, `node` how its grad_fn class is called,
    `exact_out` whether out= must have the dtype of the result (default: unless pointwise) or may
    convert.
    """

    def declare(block):
        own = name or block.__name__
        body = block.__dict__
        forward = body.get("forward")
        if forward is None:
            raise TypeError(f"op {own}: a declaration needs forward()")
        d = Declaration(own, forward)
        d.kernel = kernel or own
        d.pointwise = pointwise
        chosen = "" if numbers is None and pointwise == 1 else numbers
        allowed = d.params[:pointwise] if chosen is None else chosen.split()
        d.numbers = sum(1 << d.params.index(p) for p in allowed)
        d.numbers |= exact_numbers << 29 | lone_numbers << 30
        d.promote = 1 if promote == "float" else 0
        d.view = view
        d.outputs = 0 if outputs is None else 1 if outputs == "tuple" else 2
        d.varargs = d.params.index(varargs) if varargs else -1
        d.node = node or camel(own)
        if not d.node[-1].isdigit():
            d.node += "Backward0"
        output_names = outputs if isinstance(outputs, tuple) else ()
        if output_names:
            d.return_type = return_type(own, output_names)
        d.grad_outputs = grad_outputs
        d.random = bool(body.get("random"))
        d.exact_out = not pointwise if exact_out is None else exact_out
        d.read_gradients(body, differentiable, output_names)
        made = _C.make_op(d)
        made.declaration = block
        made.pointwise = pointwise
        made.__doc__ = block.__doc__
        made.__module__ = "torch"
        made.__qualname__ = own
        operators[own] = made
        publish(made, names)
        return made

    return declare


def public(names: str):
    """Publish a Python function written from other operators under `names`."""

    def declare(function):
        publish(front(function, names.split()[0]), names)
        return function

    return declare


def front(function, name):
    """What users get of a function: it takes NumPy's spellings and asks subclasses of Tensor."""
    code = function.__code__
    front = _C.front(function, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    space, _, leaf = name.rpartition(".")
    home = {"torch": "", "Tensor": "", "F": ".nn.functional"}.get(space, f".{space}")
    front.__module__, front.__name__ = "rushlight" + home, leaf
    front.__qualname__ = name if space == "Tensor" else leaf  # where pickled references look
    front.__doc__ = function.__doc__
    return front


def publish(function, names: str) -> None:
    """Put `function` (and its in-place form, for names ending in `_`) where users look."""
    is_operator = isinstance(function, _C.Op)
    for path in names.split():
        space, _, leaf = path.rpartition(".")
        in_place = is_operator and leaf.endswith("_") and not leaf.startswith("_")
        value = inplace_form(function) if in_place else function
        if space != "Tensor":
            table_of(space)[leaf] = value
        elif is_operator and leaf in _SLOTS:
            _C.set_slot(leaf, _C.method(function))
            mirrored = "__i" + leaf[2:]
            if mirrored in _SLOTS:
                _C.set_slot(mirrored, _C.method(inplace_form(function)))
        else:  # where calls bind the tensor
            setattr(_C.Tensor, leaf, _C.method(value))


def table_of(space: str) -> dict:
    """The table of public names of one namespace ("torch", "F", "linalg", ...)."""
    if space == "torch":
        return torch_table
    if space == "F":
        return functional_table
    return namespace_tables.setdefault(space, {})


_BINARY = "add sub mul truediv floordiv mod pow and or xor lshift rshift".split()
_SLOTS = {
    *(f"__{n}__" for n in _BINARY),
    *(f"__i{n}__" for n in _BINARY),
    *(f"__{n}__" for n in "matmul neg invert abs pos lt le eq ne gt ge".split()),
}


def inplace_form(operator):
    """The operator that writes into its first argument."""
    made = _C.inplace_form(operator)
    made.declaration = operator.declaration
    made.__doc__ = operator.__doc__
    made.__module__ = "torch"
    made.__qualname__ = operator.__qualname__ + "_"
    return made


_C.set_helper("inplace_form", inplace_form)


def camel(name: str) -> str:
    """`log_softmax` to `LogSoftmax`: how grad_fn classes are called."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


# -- named results ---------------------------------------------------------------------------


class return_types:  # noqa: N801 (torch.return_types is spelt so)
    """The named tuples that operators with several results return."""


def return_type(name: str, fields: tuple) -> type:
    """A tuple class `torch.return_types.<name>` with the given fields."""
    space = {
        "__slots__": (),
        "__match_args__": fields,
        "_fields": fields,
        "n_fields": len(fields),
        "__repr__": _repr_named,
        "__module__": "torch.return_types",
        "__new__": _new_named,
        "__reduce__": _reduce_named,
    }
    for i, field in enumerate(fields):
        space[field] = property(lambda self, i=i: self[i])
    made = type(name, (tuple,), space)
    made.__qualname__ = name
    setattr(return_types, name, made)
    return made


def _new_named(cls, values):
    values = tuple(values)
    if len(values) != len(cls._fields):
        raise TypeError(
            f"{cls.__name__} takes a {len(cls._fields)}-sequence ({len(values)}-sequence given)"
        )
    return tuple.__new__(cls, values)


def _repr_named(self):
    body = ",\n".join(f"{f}={v!r}" for f, v in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{body})"


def _reduce_named(self):
    return type(self), (tuple(self),)


# -- the NumPy forward -----------------------------------------------------------------------


# What stands in NumPy for the dtypes that it does not have.
_STAND_INS = {
    d: _C.complex64 if d is _C.complex32 else _C.float32
    for d in _C.dtypes
    if d is _C.bfloat16 or d is _C.complex32 or d._name.startswith("float8")
}


def numpy_dtype(dtype):
    """The NumPy dtype of a rushlight dtype (float32 for bfloat16 and float8, which it lacks)."""
    return np.dtype(_STAND_INS.get(dtype, dtype)._name)


def has_numpy_dtype(dtype) -> bool:
    """Whether NumPy has the dtype itself."""
    return dtype not in _STAND_INS and dtype._is_number


def to_array(x):
    """A tensor as an ndarray over the same memory; a converted copy of what NumPy lacks."""
    if isinstance(x, _C.Tensor):
        x = x._raw_detach()
        if x.dtype in _STAND_INS:
            x = x.to(_STAND_INS[x.dtype])
        if x.numel() == 0:
            return np.empty(tuple(x.shape), numpy_dtype(x.dtype))
        return np.asarray(_C.buffer(x))
    if type(x) in (list, tuple):
        return type(x)(to_array(i) for i in x)
    return x


_NAMED: dict = {}  # NumPy's dtypes: ours


def from_array(array, half=None):
    """A tensor over an ndarray's memory (or a copy when NumPy gives an odd layout)."""
    array = np.asarray(array)
    size = array.itemsize
    if not array.dtype.isnative or any(s < 0 or s % size for s in array.strides):
        array = np.array(array, array.dtype.newbyteorder("="), order="C")
    dtype = _NAMED.get(array.dtype)
    if dtype is None:  # NumPy makes a dtype's name anew each time, in microseconds
        dtype = _NAMED[array.dtype] = _C.dtype_by_name(array.dtype.name)
    if array.size == 0:
        out = _C.from_data([], dtype).reshape(array.shape)
    else:
        array = array if array.flags.writeable else array.copy()
        strides = tuple([s // size for s in array.strides])
        out = _C.from_buffer(array, dtype, array.shape, strides, 0)
    return out.to(half) if half is not None and dtype is _STAND_INS[half] else out


def run_reference(operator, forward, args):
    """Run an operator's NumPy forward: the fallback of operators without a kernel."""
    half = None
    for a in args:
        for t in a if type(a) in (list, tuple) else (a,):
            if not isinstance(t, _C.Tensor) or has_numpy_dtype(t.dtype):
                continue
            half = t.dtype
            if half is not _C.bfloat16 and half is not _C.complex32:  # as most kernels refuse them
                raise NotImplementedError(
                    f"\"{operator.__name__}\" not implemented for '{half._scalar_name}'"
                )
    positional = forward.__code__.co_argcount
    arrays = [to_array(a) for a in args]
    keywords = dict(zip(operator_keywords(forward), arrays[positional:], strict=True))
    try:
        if getattr(operator.declaration, "lapack", False):
            from ._blas import threads_for

            with threads_for(arrays):
                got = forward(*arrays[:positional], **keywords)
        else:
            got = forward(*arrays[:positional], **keywords)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{operator.__name__}: {error}") from None
    if isinstance(got, (tuple, list)):
        return tuple(from_array(a, half) for a in got)
    return from_array(got, half)


def operator_keywords(forward):
    code = forward.__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def infer_reference(operator, forward, args):
    """What run_reference would give, on meta tensors: the declaration's `meta` makes them."""
    meta = operator.declaration.__dict__.get("meta")
    if meta is None:
        raise NotImplementedError(
            f"aten::{operator.__name__}: attempted to run this operator with Meta tensors, but "
            "there was no fake impl or Meta kernel registered"
        )
    positional = forward.__code__.co_argcount
    recording = _C.set_grad_enabled(False)
    try:
        keywords = dict(zip(operator_keywords(forward), args[positional:], strict=True))
        return meta(*args[:positional], **keywords)
    finally:
        _C.set_grad_enabled(recording)


_C.set_helper("run_reference", run_reference)
_C.set_helper("infer_reference", infer_reference)
