"""Custom autograd Functions at a level: their own `jvp` and `vmap`, or a vmap rule of theirs."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from .. import _C
from ..autograd.function import Function, run_function
from ..utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten
from ._levels import VmapLevel, entered

Tensor = _C.Tensor
_MORE = "For more details, see the notes on extending autograd.Function with torch.func"


class VmapInfo(namedtuple("VmapInfo", "batch_size randomness")):
    """What the `vmap` staticmethod of a Function learns of the vmap."""

    __slots__ = ()


def apply_at_level(cls: type, level: Any, args: tuple, kwargs: dict) -> Any:
    """`cls.apply` where some argument belongs to `level`, the innermost of that kind."""
    return (_apply_mapped if level.maps else _apply_dual)(cls, level, args, kwargs)


# -- forward mode --------------------------------------------------------------------------------


class _Moving:
    """The context as `jvp` sees it: its saved tensors are those saved for forward mode."""

    def __init__(self, node):
        object.__setattr__(self, "_node", node)

    @property
    def saved_tensors(self):
        kept = getattr(self._node, "saved_for_forward", None)
        return self._node.saved_tensors if kept is None else kept

    def __getattr__(self, name):
        return getattr(self._node, name)

    def __setattr__(self, name, value):
        setattr(self._node, name, value)

    def __delattr__(self, name):
        delattr(self._node, name)


def _apply_dual(cls, level, args, kwargs):
    return _C.call_outside(level, _with_tangents, cls, level, args, kwargs)


def _with_tangents(cls, level, args, kwargs):
    held = [_C.get_tangent(arg, level) for arg in args]
    value, node = run_function(cls, args, kwargs, kept=True)
    # Read after the run: forward may have written to a dirty input.
    tangents = [_tangent(node, arg, t) for arg, t in zip(args, held, strict=True)]
    moved = cls.jvp(_Moving(node), *tangents)
    single = not isinstance(value, (tuple, list))
    outputs = (value,) if single else tuple(value)
    moved = tuple(moved) if isinstance(moved, (tuple, list)) else (moved,)
    if len(moved) != len(outputs):
        raise RuntimeError(
            f"{cls.__name__}.jvp returned an incorrect number of tangents (expected "
            f"{len(outputs)}, got {len(moved)})"
        )
    for output, tangent in zip(outputs, moved, strict=True):
        if not isinstance(output, Tensor) or tangent is None:
            continue
        if not isinstance(tangent, Tensor) or tangent.shape != output.shape:
            raise RuntimeError(
                f"{cls.__name__}.jvp: a tangent must be a Tensor of the shape of its output: got "
                f"{getattr(tangent, 'shape', type(tangent))}, expected {output.shape}"
            )
        if output.is_floating_point() or output.is_complex():
            _C.set_tangent(output, level, tangent)
    node.keep_again(args, outputs)
    return value


def _tangent(node, arg, held):
    from .. import zeros_like

    if held is not None or not isinstance(arg, Tensor) or not node.materialize_grads:
        return held
    return zeros_like(arg.detach()) if arg.is_floating_point() or arg.is_complex() else None


# -- vmap ----------------------------------------------------------------------------------------


def _apply_mapped(cls, level, args, kwargs):
    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and "
            "an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            f"overridden vmap staticmethod to avoid ambiguity. {_MORE}"
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            f"override and implement the vmap staticmethod or set generate_vmap_rule=True. {_MORE}"
        )
    leaves, spec = tree_flatten(args)
    held = [_C.unwrap_lanes(x, level) for x in leaves]
    physical = [x if h is None else h[0] for x, h in zip(leaves, held, strict=True)]
    dims = [0 if h is not None and h[1] else None for h in held]
    lower = tree_unflatten(physical, spec)
    in_dims = tree_unflatten(dims, spec)
    if 0 not in dims:
        value = _C.call_outside(level, cls.apply, *lower)
        out_dims: Any = None
    elif own:
        value, out_dims = _by_own_rule(cls, level, in_dims, lower)
    else:
        value, out_dims = _C.call_outside(level, _by_made_rule, cls, level, in_dims, lower)
    value = _lifted(level, value, out_dims, tuple(leaves))
    recording = _C.is_grad_enabled() and _C.any_requires_grad(tuple(args))
    return _recorded(cls, args, value) if recording else value


def _by_own_rule(cls, level, in_dims, lower):
    info = VmapInfo(level.size, level.randomness)
    got = _C.call_outside(level, cls.vmap, info, in_dims, *lower)
    if not (isinstance(got, tuple) and len(got) == 2):
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with "
            f"pytree structure compatible with the output. Got a {type(got)} instead"
        )
    return got


def _lifted(level, value, out_dims, args):
    leaves, spec = tree_flatten(value)
    dims = _broadcast_to_and_flatten(out_dims, spec)
    if dims is None:
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) "
            f"tuple. Expected out_dims={out_dims} to be compatible with the structure of `output`. "
            f"out_dims has structure {tree_flatten(out_dims)[1]} but output has structure {spec}. "
            f"{_MORE}"
        )
    found = []
    for x, dim in zip(leaves, dims, strict=True):
        if isinstance(x, Tensor):
            if dim:
                x = _C.call_outside(level, x.movedim, dim, 0)
            x = _C.lift(level, x, args, dim is not None)
        found.append(x)
    return tree_unflatten(found, spec)


def _recorded(cls, args, value):
    """The node on the tape of the vmap: it knows inputs and results as they are there."""
    return run_function(cls, args, {}, given=value)[0]


# -- a rule made of the Function itself ----------------------------------------------------------


class _Call:
    """One call of a made rule: which tensors have lanes."""

    def __init__(self, cls, level, in_dims):
        self.cls, self.size, self.randomness = cls, level.size, level.randomness
        self.in_dims = in_dims
        self.out_dims: Any = None

    def lanes(self):
        return entered(lambda: VmapLevel(self.size, self.randomness))

    def wrapped(self, level, tree, dims):
        leaves, spec = tree_flatten(tree)
        dims = _broadcast_to_and_flatten(dims, spec)
        pairs = zip(leaves, dims, strict=True)
        return tree_unflatten(
            [_C.wrap_lanes(level, x, True) if d == 0 else x for x, d in pairs], spec
        )


def _unwrapped(level, x):
    held = _C.unwrap_lanes(x, level)
    return (x, False) if held is None else held


def _by_made_rule(cls, level, in_dims, lower):
    call = _Call(cls, level, in_dims)
    return _Mapped.apply(call, *lower), call.out_dims


class _LaneContext:
    """A context inside of the lanes: tensors that it keeps are kept outside, and come back."""

    def __init__(self, node, level):
        object.__setattr__(self, "_node", node)
        object.__setattr__(self, "_level", level)

    def _is_moving(self):
        node = self._node
        if isinstance(node, _LaneContext):
            return node._is_moving()
        return isinstance(node, _Moving) and getattr(node, "saved_for_forward", None) is not None

    def _outside(self, tensors):
        return [_unwrapped(self._level, x) for x in tensors]

    def _inside(self, tensors, flags):
        pairs = zip(tensors, flags, strict=True)
        return tuple([_C.wrap_lanes(self._level, x, True) if b else x for x, b in pairs])

    def save_for_backward(self, *tensors):
        pairs = self._outside(tensors)
        self._node.lanes_saved = [b for _, b in pairs]
        self._node.save_for_backward(*[x for x, _ in pairs])

    def save_for_forward(self, *tensors):
        pairs = self._outside(tensors)
        self._node.lanes_moving = [b for _, b in pairs]
        self._node.save_for_forward(*[x for x, _ in pairs])

    def mark_dirty(self, *tensors):
        self._node.mark_dirty(*[x for x, _ in self._outside(tensors)])

    def mark_non_differentiable(self, *tensors):
        self._node.mark_non_differentiable(*[x for x, _ in self._outside(tensors)])

    def set_materialize_grads(self, value):
        self._node.set_materialize_grads(value)

    @property
    def needs_input_grad(self):
        return self._node.needs_input_grad[1:]

    @property
    def saved_tensors(self):
        node = self._node
        if self._is_moving():
            return self._inside(node.saved_tensors, node.lanes_moving)
        return self._inside(node.saved_tensors, getattr(node, "lanes_saved", ()))

    # Attributes have a name of their own on the node, where contexts may share it.
    def __getattr__(self, name):
        value = getattr(self._node, "in_lanes_" + name)
        if type(value) is _Kept:
            return self._inside([value.tensor], [True])[0]
        return value

    def __setattr__(self, name, value):
        x, batched = _unwrapped(self._level, value)
        setattr(self._node, "in_lanes_" + name, _Kept(x) if batched else x)

    def __delattr__(self, name):
        delattr(self._node, "in_lanes_" + name)


class _Kept:
    """A tensor with lanes that a context has as an attribute."""

    def __init__(self, tensor):
        self.tensor = tensor


class _Mapped(Function):
    """A Function run in lanes: so are its context, its gradient and its jvp."""

    generate_vmap_rule = True  # one vmap in another

    @staticmethod
    def forward(call, *args):
        with call.lanes() as level:
            value = call.cls.forward(*call.wrapped(level, args, call.in_dims))
        leaves, spec = tree_flatten(value)
        pairs = [_unwrapped(level, x) for x in leaves]
        call.out_dims = tree_unflatten([0 if b else None for _, b in pairs], spec)
        return tree_unflatten([x for x, _ in pairs], spec)

    @staticmethod
    def setup_context(ctx, inputs, output):
        call, *args = inputs
        ctx.call = call
        with call.lanes() as level:
            # The very tensors that forward returned, or marks would not find them.
            wrapped = call.wrapped(level, tuple(args), call.in_dims)
            results = call.wrapped(level, output, call.out_dims)
            call.cls.setup_context(_LaneContext(ctx, level), wrapped, results)

    @staticmethod
    def backward(ctx, *grads):
        call = ctx.call
        dims = tree_flatten(call.out_dims)[0]
        with call.lanes() as level:
            given = [
                _C.wrap_lanes(level, g, True) if g is not None and d == 0 else g
                for g, d in zip(grads, dims, strict=True)
            ]
            function = call.cls.backward
            if function is Function.backward:
                function = call.cls.vjp
            found = function(_LaneContext(ctx, level), *given)
        found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
        pairs = zip(found, call.in_dims, strict=False)
        return (None, *[call_result(call, level, g, d) for g, d in pairs])

    @staticmethod
    def jvp(ctx, _, *tangents):
        call = ctx.call
        with call.lanes() as level:
            given = [
                _C.wrap_lanes(level, t, True) if isinstance(t, Tensor) and d == 0 else t
                for t, d in zip(tangents, call.in_dims, strict=True)
            ]
            found = call.cls.jvp(_LaneContext(ctx, level), *given)
        single = not isinstance(found, (tuple, list))
        dims = tree_flatten(call.out_dims)[0]
        moved = [
            call_result(call, level, t, d)
            for t, d in zip((found,) if single else found, dims, strict=True)
        ]
        return moved[0] if single else tuple(moved)


def call_result(call, level, x, dim):
    """A gradient or tangent outside of the lanes, summed where all lanes share its tensor."""
    if not isinstance(x, Tensor):
        return x
    x, batched = _unwrapped(level, x)
    if dim == 0:
        return x if batched else x.expand(call.size, *x.shape)
    return x.sum(0) if batched else x
