"""Switches of recording, as context managers, decorators and plain calls."""

from __future__ import annotations

from .. import _C

_set_grad_enabled = _C.set_grad_enabled
_GENERATOR = 0x20


def _wrap_generator(make_context, func):
    """A generator function whose body, but not its caller, runs within the context."""
    from functools import wraps

    @wraps(func)
    def wrapped(*args, **kwargs):
        with make_context():
            generator = func(*args, **kwargs)
        resume, sent = generator.send, None
        while True:
            try:
                with make_context():
                    value = resume(sent)
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield value
                resume = generator.send
            except GeneratorExit:
                with make_context():
                    generator.close()
                raise
            except BaseException as error:
                sent, resume = error, generator.throw

    return wrapped


def context_decorator(make_context, func):
    """`func` running within a new context at every call; a class gets its constructor wrapped.

    A generator's body runs within it too. Of a coroutine function, as in PyTorch, only the call
    that makes the coroutine does.
    """
    if isinstance(func, type):
        import warnings

        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should "
            "only decorate functions or methods. To preserve the current behavior of class "
            "decoration, you can directly decorate the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        func.__init__ = context_decorator(make_context, func.__init__)
        return func
    flags = getattr(getattr(func, "__code__", None), "co_flags", 0)
    if flags & _GENERATOR:
        return _wrap_generator(make_context, func)
    from functools import wraps

    @wraps(func)
    def wrapped(*args, **kwargs):
        with make_context():
            return func(*args, **kwargs)

    return wrapped


class no_grad:
    """Record nothing within a `with` block or a decorated function; `@no_grad` and `@no_grad()`
    work.

    Functions that make tensors with an explicit `requires_grad=True` are not affected.
    """

    __slots__ = ("_previous",)

    def __new__(cls, orig_func=None):
        if orig_func is None:
            return object.__new__(cls)
        return context_decorator(cls, orig_func)

    def __init__(self, orig_func=None):
        self._previous = True

    def __enter__(self) -> None:
        self._previous = _set_grad_enabled(False)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _set_grad_enabled(self._previous)

    def __call__(self, func):
        return context_decorator(type(self), func)

    def clone(self):
        """A new context of the same kind."""
        return type(self)()


class enable_grad(no_grad):
    """Record within a `with` block or a decorated function, even inside `no_grad`."""

    __slots__ = ()

    def __enter__(self) -> None:
        self._previous = _set_grad_enabled(True)


class set_grad_enabled:
    """Switch recording on or off: at once as a plain call, or for a `with` block or function."""

    __slots__ = ("mode", "prev")

    def __init__(self, mode: bool):
        if type(mode) is not bool:
            raise TypeError(
                "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not "
                f"{type(mode).__name__}"
            )
        self.mode = mode
        self.prev = _set_grad_enabled(mode)

    def __enter__(self) -> None:
        _set_grad_enabled(self.mode)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _set_grad_enabled(self.prev)

    def __call__(self, func):
        # Only the decorated function is meant, so what the constructor switched is switched back.
        _set_grad_enabled(self.prev)
        return context_decorator(self.clone, func)

    def __str__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    __repr__ = __str__

    def clone(self) -> set_grad_enabled:
        """A new context of the same mode."""
        return type(self)(self.mode)


class inference_mode:
    """Like `no_grad`, but tensors made within can never be recorded, which saves more work."""

    __slots__ = ("_previous", "mode")

    def __new__(cls, mode=True):
        if isinstance(mode, bool):
            return object.__new__(cls)
        return context_decorator(cls, mode)

    def __init__(self, mode: bool = True):
        self.mode = mode
        self._previous = (False, True)

    def __enter__(self) -> None:
        # Leaving inference mode for a while turns recording on, as entering turns it off.
        self._previous = (_C.set_inference_mode(self.mode), _set_grad_enabled(not self.mode))

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        inference, recording = self._previous
        _C.set_inference_mode(inference)
        _set_grad_enabled(recording)

    def __call__(self, func):
        return context_decorator(self.clone, func)

    def clone(self) -> inference_mode:
        """A new context of the same mode."""
        return type(self)(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require gradients are recorded."""
    return _C.is_grad_enabled()


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on."""
    return _C.is_inference_mode()


class _Setting:
    """A switch with no effect here: at once as a plain call, or for a `with` block."""

    _current = True

    def __init__(self, mode: bool = True):
        self.mode = mode
        self.prev = type(self)._current
        type(self)._current = bool(mode)

    def __enter__(self) -> None:
        type(self)._current = bool(self.mode)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        type(self)._current = self.prev

    def __call__(self, func):
        type(self)._current = self.prev
        return context_decorator(self.clone, func)

    def clone(self):
        """A new context of the same mode."""
        return type(self)(self.mode)


class set_multithreading_enabled(_Setting):
    """Whether backward may use several threads; this engine always runs in the caller's."""


class _force_original_view_tracking(_Setting):
    """Whether views are tracked one by one; this engine always reads them from their base."""


class enforce_grad_layout_policy(_Setting):
    """Whether new gradients are laid out like their leaves; this engine always sees to that."""

    def __init__(self, enable: bool = True):
        super().__init__(enable)


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` last said."""
    return set_multithreading_enabled._current


class _unsafe_preserve_version_counter:
    """Within the block, in-place writes to the given tensors go unnoticed by the graph."""

    def __init__(self, tensors):
        self.tensors = tensors if isinstance(tensors, tuple) else (tensors,)
        self.prev_versions = tuple([t._version for t in self.tensors])

    def __enter__(self) -> None:
        return None

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _C.set_versions(self.tensors, self.prev_versions)
