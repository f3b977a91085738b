"""Exception classes that PyTorch has and Python has not."""

from __future__ import annotations


class LinAlgError(RuntimeError):
    """A matrix for which a linear algebra routine has no answer (singular, not converged)."""


class OutOfMemoryError(RuntimeError):
    """A device has no memory left for a request."""


class AcceleratorError(RuntimeError):
    """A failure reported by an accelerator."""


for _class in (LinAlgError, OutOfMemoryError, AcceleratorError):
    _class.__module__ = "torch"
    _class.__qualname__ = _class.__name__
LinAlgError.__module__ = "torch._C"
LinAlgError.__qualname__ = LinAlgError.__name__ = "_LinAlgError"
