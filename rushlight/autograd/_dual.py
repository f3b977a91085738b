"""The level of forward mode: what becomes of tangents when an operator runs.

The value of a call is computed one level further out, on the arguments as they are. Its tangent is

- the operator itself on the tangents, where it is linear;
- for pointwise operators the gradient functions, given the tangents in place of a gradient: their
  Jacobian is diagonal;
- else J v by two gradients: u -> u J is linear in u, so the gradient of that product in the
  direction of the input tangents is J v. No operator needs a rule of its own.
"""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from . import grad
from .grad_mode import enable_grad

# Operators that are linear in their tensors taken together, and in each of them alone.
_LINEAR = frozenset(
    "sum mean cat stack clone to_copy trace cumsum flip roll repeat tril triu diag_embed real imag "
    "conj_physical complex copy index gather take masked_select index_select".split()
)
_INDEXED = frozenset("index gather take masked_select index_select".split())
_MULTILINEAR = frozenset("mul mm bmm matmul mv dot vdot outer".split())


class DualLevel(_C.Level):
    """The interpreter of one level of forward mode."""

    def __init__(self):
        super().__init__(False, _C.transforms())

    def process(self, op, args, kwargs):
        """Run an operator; the results of dual tensors become dual."""
        if kwargs.get("out") is not None:
            raise RuntimeError(
                f"{op.__name__}(): functions with out=... arguments don't support automatic "
                "differentiation, but one of the arguments carries a tangent."
            )
        if op.inplace:
            return self._in_place(op, args, kwargs)
        if op.is_view:
            return self._view(op, args, kwargs)
        direct = self._direct(op, args, kwargs)
        if direct is not None:
            return self._dual(*direct, args)
        return self._by_gradients(op, args, kwargs)

    def _view(self, op, args, kwargs):
        value = op(*args, **kwargs)
        tangent = _C.get_tangent(args[0], self)
        if tangent is None or value is args[0]:
            return value
        if op.__name__ == "as_strided":
            return self._hold(value, self._strided(tangent, *args))
        try:
            moved = op(tangent, *args[1:], **kwargs)
        except RuntimeError:  # a layout that the value does not have
            tangent = _laid_out_like(args[0], tangent)
            _C.set_tangent(args[0], self, tangent)  # views share it
            moved = op(tangent, *args[1:], **kwargs)
        return self._hold(value, moved)

    def _strided(self, tangent, value, size, stride, offset=None, *rest):
        """The region of a tangent that as_strided shows of its value."""
        base = value if value._base is None else value._base
        whole = tangent if base is value else _C.get_tangent(base, self)
        if whole is None or whole.stride() != base.stride():
            whole = tangent.new_zeros(base.shape) if whole is None else whole
            whole = _laid_out_like(base, whole)
            if base is not value:
                at = value.storage_offset() - base.storage_offset() + whole.storage_offset()
                shown = whole.as_strided(value.shape, value.stride(), at)
                shown.copy_(tangent)
                _C.set_tangent(value, self, shown)
            _C.set_tangent(base, self, whole)
        at = value.storage_offset() if offset is None else offset
        at += whole.storage_offset() - base.storage_offset()
        return whole.as_strided(size, stride, at)

    # -- results -------------------------------------------------------------------------------

    def _dual(self, value, tangent, args):
        """Tangents of their own for the results: an in-place write must not reach an argument's."""
        if any(value is arg for arg in args):
            return value
        held = {
            t._storage_id() for t in (_C.get_tangent(arg, self) for arg in args) if t is not None
        }
        single = isinstance(value, Tensor)
        tangents = [
            t.clone() if t is not None and t._storage_id() in held else t
            for t in ((tangent,) if single else tangent)
        ]
        return self._hold(value, tangents[0] if single else tangents)

    def _hold(self, value, tangent):
        if isinstance(value, Tensor):
            if tangent is not None:
                _C.set_tangent(value, self, tangent)
            return value
        for item, moved in zip(value, tangent, strict=True):
            if moved is not None:
                _C.set_tangent(item, self, moved)
        return value

    # -- linear and pointwise operators --------------------------------------------------------

    def _direct(self, op, args, kwargs):
        """(value, tangent) of an operator that needs no detour; None for the others."""
        name = op.__name__
        if name in _MULTILINEAR:
            return self._multilinear(op, args, kwargs)
        if name in _LINEAR:
            value = op(*args, **kwargs)
            if isinstance(value, Tensor) and not (value.is_floating_point() or value.is_complex()):
                return value, None
            tangent = op(*[self._moved(arg, name in _INDEXED) for arg in args], **kwargs)
            return value, _like(tangent, value)
        if op.pointwise and not op.random:
            return self._pointwise(op, args, kwargs)
        return None

    def _moved(self, arg, indexed):
        """The tangent of an argument, zeros where it has none, in lists too."""
        if isinstance(arg, Tensor):
            if indexed and not (arg.is_floating_point() or arg.is_complex()):
                return arg
            tangent = _C.get_tangent(arg, self)
            return torch.zeros_like(arg) if tangent is None else tangent
        if type(arg) in (list, tuple) and any(isinstance(item, Tensor) for item in arg):
            return type(arg)([self._moved(item, indexed) for item in arg])
        return arg

    def _multilinear(self, op, args, kwargs):
        value = op(*args, **kwargs)
        total = None
        for i, arg in enumerate(args):
            tangent = _C.get_tangent(arg, self)
            if tangent is not None:
                part = op(*args[:i], tangent, *args[i + 1 :], **kwargs)
                total = part if total is None else total + part
        return value, _like(total, value)

    def _pointwise(self, op, args, kwargs):
        declaration = op.declaration
        if hasattr(declaration, "backward"):
            return None
        operands = [(i, _C.get_tangent(arg, self)) for i, arg in enumerate(args)]
        operands = [(i, tangent) for i, tangent in operands if tangent is not None]
        forward = declaration.forward.__code__
        names = forward.co_varnames[: forward.co_argcount + forward.co_kwonlyargcount]
        functions = [
            (getattr(declaration, "grad_" + names[i], None), tangent) for i, tangent in operands
        ]
        if any(tangent.is_complex() for _, tangent in operands) or any(
            not isinstance(x, (Tensor, int, float)) for x in args[: op.pointwise]
        ):
            return None
        value = op(*args, **kwargs)
        if value.is_complex():  # of real operands
            return None
        if not value.is_floating_point():
            return value, None
        known = dict(zip(names, args, strict=False)) | kwargs | {"out": value}
        total = None
        for function, tangent in functions:
            if function is None:
                continue
            part = _gradient(function, tangent.expand(value.shape), known)
            if part is not None:
                total = part if total is None else total + part
        if total is not None and total.shape != value.shape:
            total = total.expand(value.shape).clone()
        return value, _like(total, value)

    # -- in place ------------------------------------------------------------------------------

    def _in_place(self, op, args, kwargs):
        target = args[0]
        before = target.clone()
        held = _C.get_tangent(target, self)
        if held is not None:
            kept = held.clone()
            _C.set_tangent(before, self, kept)
            # What the run saves of the old value must not see the tangent change.
            _C.set_tangent(target, self, kept)
        _C.push_interpreter(self)
        try:
            result = _C.op_by_name(op.__name__[:-1])(before, *args[1:], **kwargs)
        finally:
            _C.pop_interpreter()
        moved = _C.get_tangent(result, self)
        if op.random:  # a second run would draw other numbers
            target.copy_(result)
        else:
            op(*args, **kwargs)
        if held is not None:
            _C.set_tangent(target, self, held)
        self._write_tangent(target, held, moved)
        return target

    def _write_tangent(self, target, held, moved):
        """Into the tangent that views share, where there is one."""
        if held is None and moved is None:
            return
        base = target._base
        if base is not None and moved is not None and (held is None or _wider(moved, held)):
            whole = _C.get_tangent(base, self)
            if whole is None or _wider(moved, whole):
                blank = moved.new_zeros(base.shape)
                whole = _laid_out_like(base, blank if whole is None else blank + whole)
                _C.set_tangent(base, self, whole)
            offset = target.storage_offset() - base.storage_offset() + whole.storage_offset()
            held = whole.as_strided(target.shape, target.stride(), offset)
        elif held is not None and moved is not None and _wider(moved, held):
            held = None
        if held is None or (held.requires_grad and held.is_leaf and torch.is_grad_enabled()):
            _C.set_tangent(target, self, moved)
            return
        if moved is None:
            held.zero_()
        else:
            held.copy_(moved)
        _C.set_tangent(target, self, held)

    # -- every other operator ------------------------------------------------------------------

    def _by_gradients(self, op, args, kwargs):
        stand_ins = _StandIns(self)
        call_args = stand_ins.replace(args)
        call_kwargs = {name: stand_ins.replace(value) for name, value in kwargs.items()}
        recorded = torch.is_grad_enabled() and _C.is_live((args, tuple(kwargs.values())))
        inference = _C.set_inference_mode(False)
        _C.enter_transform()  # inference tensors may be saved
        try:
            return self._run(op, args, kwargs, stand_ins, call_args, call_kwargs, recorded)
        finally:
            _C.leave_transform()
            _C.set_inference_mode(inference)

    def _run(self, op, args, kwargs, stand_ins, call_args, call_kwargs, recorded):
        with enable_grad():
            shadow = op(*call_args, **call_kwargs)
        for given, stand_in in stand_ins.pairs:
            if shadow is stand_in:
                return given
        many = isinstance(shadow, (tuple, list))
        shadows = list(shadow) if many else [shadow]
        tangents = _products(shadows, stand_ins, recorded)
        if not recorded:
            value = _again(shadow, [_cut(s) for s in shadows])
        elif op.random:  # a second run would draw other numbers
            value = shadow
        else:
            value = op(*args, **kwargs)
        return self._dual(value, tangents if many else tangents[0], args)


def _wider(x, y):
    """Whether x differs from lane to lane of a vmap in which y does not."""
    return not _lanes(x) <= _lanes(y)


def _lanes(x):
    """The vmaps in which a tensor differs from lane to lane."""
    found = set()
    level = _C.level_of(x)
    while level is not None:
        x, batched = _C.unwrap_lanes(x, level)
        if batched:
            found.add(level)
        level = _C.level_of(x)
    return found


def _like(tangent, value):
    return tangent if tangent is None or tangent.dtype is value.dtype else tangent.to(value.dtype)


def _gradient(function, g, known):
    code = function.__code__
    return function(
        *[
            g if name in ("g", "gs") else _named(name, known)
            for name in code.co_varnames[: code.co_argcount]
        ]
    )


def _named(name, known):
    if name in known:
        return known[name]
    x = known[name.rpartition("_")[0]]
    if not isinstance(x, Tensor):
        return None
    return x.shape if name.endswith("_shape") else x.dtype


def _laid_out_like(value, tangent):
    return tangent.new_empty_strided(value.shape, value.stride()).copy_(tangent)


def _cut(value):
    return _C.fresh_input(value, False) if isinstance(value, Tensor) else value


def _again(original, items):
    """The items in the container of the original results."""
    if isinstance(original, tuple):
        return type(original)(items) if hasattr(original, "_fields") else tuple(items)
    return items if isinstance(original, list) else items[0]


class _StandIns:
    """Stands recorded tensors in for the dual tensors among an operator's arguments."""

    def __init__(self, level: DualLevel):
        self._level = level
        self.primals: list[Tensor] = []
        self.tangents: list[Tensor] = []
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def replace(self, value):
        """`value` with its dual tensors replaced, in nested sequences too."""
        if isinstance(value, Tensor):
            tangent = _C.get_tangent(value, self._level)
            if tangent is None:
                return value
            primal = stand_in(value, True)
            self.primals.append(primal)
            self.tangents.append(tangent)
            self.pairs.append((value, primal))
            return primal
        if type(value) in (tuple, list):
            return type(value)([self.replace(item) for item in value])
        return value


def stand_in(value: Tensor, quiet: bool = False) -> Tensor:
    """The same value, a tensor of its own on the tape in force; with the history it has.

    quiet: nobody outside will ask for its gradient.
    """
    if value.requires_grad and _C.on_tape(value):
        with enable_grad():
            return value.view_as(value)
    return _C.fresh_input(value, True, quiet)


def _products(outputs, stand_ins: _StandIns, recorded: bool) -> list[Tensor | None]:
    """J v for every output; None for those that do not depend on a dual input."""
    found: list[Tensor | None] = [None] * len(outputs)
    for position, output in enumerate(outputs):
        if isinstance(output, Tensor) and output.requires_grad:
            with enable_grad():
                found[position] = _product(output, stand_ins, recorded)
    return found


def _product(output, stand_ins, recorded):
    # Any dummy would do; some gradients take its logarithm.
    dummy = _C.fresh_input(torch.ones_like(output), True, True)
    rows = grad(
        output, stand_ins.primals, dummy, retain_graph=True, create_graph=True, allow_unused=True
    )
    pairs = [(r, v) for r, v in zip(rows, stand_ins.tangents, strict=True) if r is not None]
    pairs = [(r, v.to(r.dtype)) for r, v in pairs if r.requires_grad]
    if not pairs:
        return None
    # For complex numbers u -> u J conjugates; the tangent conjugates back.
    (tangent,) = grad(
        [r for r, _ in pairs],
        dummy,
        [v for _, v in pairs],
        create_graph=recorded or _C.is_live(stand_ins.tangents),
        allow_unused=True,
    )
    return tangent
