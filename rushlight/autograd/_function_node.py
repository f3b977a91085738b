"""The graph node of a Function's call: what is kept, checked and handed on."""

from __future__ import annotations

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
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save "
                    "non-tensors as attributes on ctx."
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
        if not isinstance(value, bool):
            raise TypeError(
                "set_materialize_grads received an invalid combination of arguments - got "
                f"({type(value).__name__}), but expected (bool)"
            )
        self.materialize_grads = value


class BackwardCFunction(_C.Node, FunctionCtx):
    """The graph node of one call; each Function has a subclass, named <Function>Backward."""

    _forward_cls: type
    _base: type  # Function, which knows what a class has not defined
    to_save: tuple | None = None
    dirty_tensors: tuple = ()
    non_differentiable: tuple = ()
    materialize_grads = True
    needs_input_grad: tuple = ()
    _saved: tuple = ()
    _freed = False
    _outputs: tuple = ()
    _tensor_inputs: tuple = ()

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to `save_for_backward`; RuntimeError when changed since, or freed."""
        if self._freed:
            raise RuntimeError(_FREED)
        return tuple([saved and saved.unpack(self) for saved in self._saved])

    @property
    def _raw_saved_tensors(self) -> tuple:
        """What keeps them, where hooks can be put on one after the other."""
        if self._freed:
            raise RuntimeError(_FREED)
        return self._saved

    @property
    def saved_variables(self) -> tuple:
        """The old name of `saved_tensors`."""
        import warnings

        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    def name(self) -> str:
        """Name of the node: <Function>Backward."""
        return type(self).__name__

    def release(self) -> None:
        """Drop the saved tensors; called when the graph is freed."""
        for saved in self._saved:
            if saved is not None:
                saved.release()
        self._saved = ()
        self._freed = True

    def apply(self, *grads):
        """Run the gradient: one result per tensor among the inputs of `forward`."""
        cls = self._forward_cls
        backward = cls.backward
        if backward is self._base.backward:
            backward = cls.vjp
            if backward is self._base.vjp:
                raise NotImplementedError(
                    "You must implement either the backward or vjp method for your custom "
                    "autograd.Function to use it with backward mode AD."
                )
        elif cls.vjp is not self._base.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        if self.materialize_grads:
            grads = self._with_zeros(grads)
        return self._checked(backward(self, *grads))

    def _with_zeros(self, grads):
        return [
            like if grad is None and like is None else _zeros(like) if grad is None else grad
            for grad, like in zip(grads, self._outputs, strict=True)
        ]

    def _checked(self, results) -> tuple:
        """The gradients of the tensors among the inputs."""
        if type(results) is not tuple:
            results = (results,)
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
                raise RuntimeError(f"expected Variable or None (got {type(result).__name__})")
        if False in inputs:
            return tuple([r for r, is_tensor in zip(results, inputs, strict=True) if is_tensor])
        return results

    def keep_again(self, args, outputs) -> None:
        """Save anew: the outputs have got tangents since."""
        self.to_save, self.saved_twice = self.saved_twice, None
        if self.to_save and self._saved:
            self._save(args, outputs)

    def _sets_up(self) -> bool:
        return self._forward_cls.setup_context is not self._base.setup_context

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
                    if not is_output and self._sets_up():
                        raise RuntimeError(
                            "An input that has been returned as-is as output is being saved for "
                            "backward. This is not supported if you override setup_context. You "
                            "should return and save a view of the input instead, e.g. with "
                            "x.view_as(x) or setup ctx inside the forward function itself."
                        )
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


def node_class(cls) -> type:
    """The node class of a Function, made on first use."""
    found = cls.__dict__.get("_backward_cls")
    if found is None:
        namespace = {"_forward_cls": cls, "__module__": "torch.autograd.function"}
        found = type(cls.__name__ + "Backward", (BackwardCFunction,), namespace)
        cls._backward_cls = found
    return found


def bound_arguments(cls, args: tuple, kwargs: dict, has_setup: bool) -> tuple:
    """All arguments by position; `setup_context` sees the defaults of `forward` too."""
    forward = cls.forward
    code = getattr(forward, "__code__", None)
    if code is None:
        if kwargs:
            raise TypeError(f"{cls.__name__}.apply takes no keyword arguments: got {list(kwargs)}")
        return args
    first = (not has_setup) + hasattr(forward, "__self__")
    names = code.co_varnames[first : code.co_argcount]
    known = len(names) - len(forward.__defaults__ or ())
    last = len(names) if has_setup else len(args)
    for name in kwargs:
        place = names.index(name) if name in names else -1
        if place < 0:
            raise TypeError(f"{forward.__name__}() got an unexpected keyword argument '{name}'")
        if place < len(args):
            raise TypeError(f"{forward.__name__}() got multiple values for argument '{name}'")
        last = max(last, place + 1)
    values = list(args)
    for place in range(len(args), last):
        if names[place] in kwargs:
            values.append(kwargs[names[place]])
        elif place >= known:
            values.append(forward.__defaults__[place - known])
        elif kwargs:
            raise TypeError(f"{forward.__name__}() missing a required argument: '{names[place]}'")
    return tuple(values)


def _is_among(tensor, tensors) -> bool:
    # Not `in`, which would compare elements.
    for other in tensors:
        if tensor is other:
            return True
    return False


def _is_plain_view(tensor) -> bool:
    """Whether a tensor asks for gradients only because its base does."""
    return tensor._is_view() and tensor.grad_fn is None


def _prepared_outputs(node, args, outputs, recording: bool) -> tuple[list, list]:
    """The outputs as callers get them, and those that `node` becomes the history of."""
    results, connected = [], []
    for output in outputs:
        if not isinstance(output, Tensor):
            results.append(output)
            connected.append(None)
            continue
        stops = _is_among(output, node.non_differentiable)
        if _is_among(output, node.dirty_tensors):
            result = output
        elif _is_among(output, args):
            # Returned as it came: the caller gets a tensor with a history of its own.
            result = output.detach() if stops else output.view_as(output)
        elif recording and output.requires_grad and not _is_plain_view(output):
            result = output.detach()
        else:
            result = output
        differentiable = result.is_floating_point() or result.is_complex()
        results.append(result)
        connected.append(result if recording and differentiable and not stops else None)
    return results, connected


def _check_dirty(node, outputs, recording: bool) -> None:
    for position, tensor in enumerate(node.dirty_tensors):
        if not isinstance(tensor, Tensor):
            raise RuntimeError(
                f"mark_dirty can only accept variables, but argument {position} is of type "
                f"{type(tensor).__name__}"
            )
        if not _is_among(tensor, outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
        if recording and tensor._is_view() and sum(isinstance(o, Tensor) for o in outputs) > 1:
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your "
                "Function cannot return more than one Tensor. This is not supported by the current "
                "autograd engine. You should either make sure the input is not a view (using "
                ".clone() for example) or make your Function only return one Tensor (potentially "
                "splitting it into two Functions: one doing the inplace that returns a single "
                "Tensor and a second one that does the other operations)."
            )
        if recording and tensor.requires_grad and tensor.is_leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )


def _check_non_differentiable(node) -> None:
    for position, tensor in enumerate(node.non_differentiable):
        if not isinstance(tensor, Tensor):
            raise RuntimeError(
                "mark_non_differentiable only accepts variable arguments, but got "
                f"{type(tensor).__name__} at position {position}"
            )


def finish(node, args, value, recording: bool):
    """Attach the history and give back what the caller receives.

    A tuple is several outputs; anything else, a list too, is one.
    """
    is_tuple = isinstance(value, tuple)
    outputs = value if is_tuple else (value,)
    plain = not (node.dirty_tensors or node.non_differentiable or is_tuple)
    if plain and type(value) is Tensor and not (value.requires_grad or _is_among(value, args)):
        results = outputs
        connected = outputs if value.is_floating_point() or value.is_complex() else (None,)
    else:
        _check_dirty(node, outputs, recording)
        _check_non_differentiable(node)
        results, connected = _prepared_outputs(node, args, outputs, recording)
        for tensor in node.dirty_tensors:
            _C.bump_version(tensor)
    if recording:
        node._tensor_inputs = [isinstance(arg, Tensor) for arg in args]
        node._outputs = [
            (t.shape, t.dtype, t.device) if isinstance(t, Tensor) else None for t in results
        ]
        tensors = tuple([arg for arg in args if isinstance(arg, Tensor)])
        _C.connect(node, tensors, tuple(connected))
        for position, output in enumerate(outputs) if node.dirty_tensors else ():
            if _is_among(output, node.dirty_tensors):
                _C.connect_inplace(node, output, position)
        if node.to_save:
            node._save(args, outputs)
    return tuple(results) if is_tuple else results[0]
