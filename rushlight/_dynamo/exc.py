"""What torch.compile raises when it cannot follow a program."""

from __future__ import annotations


class TorchDynamoException(RuntimeError):
    """Base of what follows."""


class InternalTorchDynamoError(TorchDynamoException):
    """A fault of the compiler itself."""


class Unsupported(TorchDynamoException):
    """Something that cannot be compiled."""


class UncapturedHigherOrderOpError(Unsupported):
    """An operator that takes functions was given some that do not fit it."""


class UserError(Unsupported):
    """A program that cannot mean what it says."""


class BackendCompilerFailed(TorchDynamoException):
    """A backend failed to compile a graph."""


class TorchRuntimeError(TorchDynamoException):
    """An operator failed while a program was followed."""


class ResetRequired(TorchDynamoException):
    """A setting changed that needs `torch._dynamo.reset()`."""


class RecompileError(TorchDynamoException):
    """A function had to be compiled again where that was forbidden."""


class FailOnRecompileLimitHit(Exception):
    """A function was compiled too often where that was forbidden."""
