"""Operations defined in Python with a gradient of their own.

The context that `forward` and `backward` see is the graph node itself, as in PyTorch, so
`y.grad_fn.saved_tensors` and attributes set on `ctx` can be looked at from outside.
"""

from __future__ import annotations

from functools import wraps

from .. import _C, Tensor

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they "
    "have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


class FunctionCtx:
    """What `forward` and `backward` of a Function share."""

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`; at most once, in `forward` or `setup_context`."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`."""
        for position, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    "save_for_forward: expected all arguments to be tensors or None: "
                    f"got {type(tensor).__name__} at position {position}"
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the inputs that `forward` changed in place; each must be returned."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the outputs that have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether absent gradients reach `backward` as zeros (the default) or as None."""
        self.materialize_grads = value


class BackwardCFunction(_C.Node, FunctionCtx):
    """The graph node of one call; each Function has a subclass, named <Function>Backward."""

    _forward_cls: type
    to_save: tuple | None = None
    dirty_tensors: tuple = ()
    non_differentiable: tuple = ()
    materialize_grads = True
    needs_input_grad: tuple = ()
    _saved: tuple | None = ()
    _outputs: tuple = ()
    _tensor_inputs: tuple = ()

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to `save_for_backward`; RuntimeError when changed since, or freed."""
        if self._saved is None:
            raise RuntimeError(_FREED)
        return tuple([saved and saved.unpack(self) for saved in self._saved])

    def name(self) -> str:
        """Name of the node: <Function>Backward."""
        return type(self).__name__

    def release(self) -> None:
        """Drop the saved tensors; called when the graph is freed."""
        for saved in self._saved or ():
            if saved is not None:
                saved.release()
        self._saved = None

    def apply(self, *grads):
        """Run the gradient: one result per input of `forward`."""
        cls = self._forward_cls
        backward = cls.backward
        if backward is Function.backward:
            backward = cls.vjp
            if backward is Function.vjp:
                raise NotImplementedError(
                    "You must implement either the backward or vjp method for your custom "
                    "autograd.Function to use it with backward mode AD."
                )
        elif cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        if self._saved is None:
            raise RuntimeError(_FREED)
        if self.materialize_grads:
            grads = self._with_zeros(grads)
        return self._checked(backward(self, *grads))

    def _with_zeros(self, grads):
        return [
            like if grad is None and like is None else _zeros(like) if grad is None else grad
            for grad, like in zip(grads, self._outputs, strict=True)
        ]

    def _checked(self, results) -> tuple:
        """The gradients as a tuple with one item per input."""
        if type(results) is not tuple:
            results = tuple(results) if isinstance(results, list) else (results,)
        inputs = self._tensor_inputs
        expected = len(inputs)
        if len(results) != expected:
            if len(results) < expected or any(r is not None for r in results[expected:]):
                raise RuntimeError(
                    f"function {self.name()} returned an incorrect number of gradients "
                    f"(expected {expected}, got {len(results)})"
                )
            results = results[:expected]
        for position, (result, is_tensor) in enumerate(zip(results, inputs, strict=True)):
            if result is None:
                continue
            if not is_tensor:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position "
                    f"{position + 1}, but the corresponding forward input was not a Variable"
                )
            if not isinstance(result, Tensor):
                raise TypeError(
                    f"function {self.name()} returned a {type(result).__name__} at position "
                    f"{position + 1}, expected a Tensor or None"
                )
        return results

    def _save(self, args, outputs) -> None:
        """Turn what `forward` asked to save into version-checked references."""
        saved = []
        for position, tensor in enumerate(self.to_save or ()):
            if tensor is None:
                saved.append(None)
            elif isinstance(tensor, Tensor):
                # An output must not hold its own node, or the two would keep each other alive.
                is_output = _is_among(tensor, outputs)
                if is_output and _is_among(tensor, args):
                    is_output = _is_among(tensor, self.dirty_tensors)
                saved.append(_C.SavedTensor(tensor, is_output))
            else:
                raise TypeError(
                    "save_for_backward can only save variables, but argument "
                    f"{position} is of type {type(tensor).__name__}"
                )
        self._saved = tuple(saved)
        self.to_save = None


def _zeros(like):
    from rushlight import zeros

    shape, dtype, device = like
    return zeros(shape, dtype=dtype, device=device)


def _node_class(cls) -> type:
    """The node class of a Function, made on first use."""
    found = cls.__dict__.get("_backward_cls")
    if found is None:
        namespace = {"_forward_cls": cls, "__module__": __name__}
        found = type(cls.__name__ + "Backward", (BackwardCFunction,), namespace)
        cls._backward_cls = found
    return found


def _default_arguments(cls, args: tuple) -> tuple:
    """`args` completed by the defaults of `forward`, as `setup_context` sees them."""
    code = cls.forward.__code__
    missing = code.co_argcount - len(args)
    defaults = cls.forward.__defaults__ or ()
    if 0 < missing <= len(defaults) and not code.co_kwonlyargcount:
        return args + defaults[-missing:]
    return args


def _is_among(tensor, tensors) -> bool:
    # Not `in`, which would compare elements.
    for other in tensors:
        if tensor is other:
            return True
    return False


def _prepared_outputs(node, args, outputs, recording: bool) -> tuple[list, list]:
    """The outputs as callers get them, and those that `node` becomes the history of."""
    results, connected = [], []
    for output in outputs:
        if not isinstance(output, Tensor):
            results.append(output)
            connected.append(None)
            continue
        if _is_among(output, node.dirty_tensors):
            result = output
        elif _is_among(output, args):
            # Returned as it came: the caller gets a tensor with a history of its own.
            result = output.view_as(output)
        elif output.requires_grad and recording:
            result = output.detach()
        else:
            result = output
        stops = _is_among(output, node.non_differentiable)
        differentiable = result.is_floating_point() or result.is_complex()
        results.append(result)
        connected.append(result if recording and differentiable and not stops else None)
    return results, connected


def _check_dirty(node, outputs, recording: bool) -> None:
    for tensor in node.dirty_tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"mark_dirty can only accept variables, but got {type(tensor).__name__}"
            )
        if not _is_among(tensor, outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output."
                " The inputs that are modified inplace must all be outputs of the Function."
            )
        if recording and tensor.requires_grad and tensor.is_leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )


def _finish(node, args, value, recording: bool):
    """Attach the history and give back what the caller receives."""
    is_tuple = isinstance(value, (tuple, list))
    outputs = tuple(value) if is_tuple else (value,)
    plain = not (node.dirty_tensors or node.non_differentiable or is_tuple)
    if plain and type(value) is Tensor and not (value.requires_grad or _is_among(value, args)):
        results = outputs
        connected = outputs if value.is_floating_point() or value.is_complex() else (None,)
    else:
        _check_dirty(node, outputs, recording)
        results, connected = _prepared_outputs(node, args, outputs, recording)
    if recording:
        node._tensor_inputs = [isinstance(arg, Tensor) for arg in args]
        node._outputs = [
            (t.shape, t.dtype, t.device) if isinstance(t, Tensor) else None for t in results
        ]
        _C.connect(node, args, tuple(connected))
        for position, output in enumerate(outputs) if node.dirty_tensors else ():
            if _is_among(output, node.dirty_tensors):
                _C.connect_inplace(node, output, position)
        if node.to_save:
            node._save(args, outputs)
    return tuple(results) if is_tuple else results[0]


class Function:
    """Base of operations with a gradient of their own: define static `forward` and `backward`.

    `forward(ctx, *args)` computes; `backward(ctx, *grads)` gets one gradient per output and returns
    one per input, None where there is none. Call it with `MyFunction.apply(*args)`. Alternatively
    `forward(*args)` leaves the context to `setup_context(ctx, inputs, output)`.
    """

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, "
            "so you should invoke them on the class itself. Instantiating an autograd function "
            "will "
            "raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method: @staticmethod def "
            "forward(ctx, "
            "...), called by .apply(...)"
        )

    @staticmethod
    def forward(*args, **kwargs):
        """Compute the outputs; defined by subclasses."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx, inputs: tuple, output):
        """Keep what `backward` needs, when `forward` takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Gradients of the inputs, from those of the outputs; defined by subclasses."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function "
            "to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx, *grad_outputs):
        """Another name for `backward`."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function "
            "to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx, *grad_inputs):
        """Derivative of the outputs along given directions of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward "
            "mode AD."
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` without recording, and record this call as one operation."""
        node = _node_class(cls)()
        has_setup = cls.setup_context is not Function.setup_context
        if has_setup and cls.forward.__defaults__:
            args = _default_arguments(cls, args)
        node.needs_input_grad = tuple(
            [isinstance(arg, Tensor) and arg.requires_grad for arg in args]
        )
        recording = _C.is_grad_enabled() and True in node.needs_input_grad
        previous = _C.set_grad_enabled(False)
        try:
            if has_setup:
                value = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, value)
            else:
                value = cls.forward(node, *args, **kwargs)
            return _finish(node, args, value, recording)
        finally:
            _C.set_grad_enabled(previous)


class InplaceFunction(Function):
    """A Function that remembers whether it works in place; kept for old programs."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace


class _OnceOnly(_C.Node):
    """The history of gradients that must not be differentiated again."""

    def name(self) -> str:
        return "torch::autograd::Error"

    def apply(self, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn):
    """Mark a `backward` that is not differentiable itself: second derivatives raise."""

    @wraps(fn)
    def wrapper(ctx, *args):
        previous = _C.set_grad_enabled(False)
        try:
            outputs = fn(ctx, *args)
        finally:
            _C.set_grad_enabled(previous)
        if not previous:
            return outputs
        sources = tuple([a for a in args if isinstance(a, Tensor) and a.requires_grad])
        if not sources:
            return outputs
        many = isinstance(outputs, tuple)
        copies = [
            out.detach() if isinstance(out, Tensor) else None
            for out in (outputs if many else (outputs,))
        ]
        node = _OnceOnly()
        _C.connect(node, sources, tuple(copies))
        return tuple(copies) if many else copies[0]

    return wrapper
