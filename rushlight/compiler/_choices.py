"""Choices of torch.compile that programs make; nothing is compiled, so none has an effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

_default_backend: list[Any] = ["inductor"]
_collectives = [False]


class CacheInfo(NamedTuple):
    """What was found in saved artifacts, by kind."""

    artifacts: dict[str, list[str]]


def get_default_backend() -> str | Callable[..., Any]:
    """The backend of torch.compile calls that name none; "inductor" at first."""
    return _default_backend[0]


def set_default_backend(backend: str | Callable[..., Any] | None) -> None:
    """Choose the backend of torch.compile calls that name none; None: "inductor"."""
    _default_backend[0] = "inductor" if backend is None else backend


def save_cache_artifacts() -> tuple[bytes, CacheInfo] | None:
    """What compiling has left behind: nothing, None."""
    return None


def load_cache_artifacts(serialized_artifacts: bytes) -> CacheInfo | None:
    """Take over what compiling left behind elsewhere: nothing here could use it, None."""
    return None


def load_compiled_function(
    file: Any,
    *,
    f_globals: dict[str, object] | None = None,
    external_data: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    """Refused: such files hold PyTorch's own compiled code."""
    raise RuntimeError(
        "load_compiled_function: the file holds code compiled for PyTorch, which cannot run here: "
        "call the function itself"
    )


def nested_compile_region(
    fn: Callable | None = None,
    *,
    options: Any = None,
    max_reuse_entries: int = 8,
    reuse_hash_fn: Callable | None = None,
):
    """The function itself; a decorator as well."""
    return (lambda function: function) if fn is None else fn


def substitute_in_graph(
    original_fn: Callable,
    *,
    can_constant_fold_through: bool = False,
    skip_signature_check: bool = False,
) -> Callable[[Callable], Callable]:
    """Decorate a stand-in for a function in graphs: called, it is the function itself."""
    import functools

    if not callable(original_fn):
        raise TypeError(f"substitute_in_graph expects a function but got {type(original_fn)!r}")

    def decorate(traceable_fn):
        if not callable(traceable_fn):
            raise TypeError(
                f"@substitute_in_graph(...) expects a function but got {type(traceable_fn)!r}"
            )

        @functools.wraps(original_fn)
        def wrapped(*args, **kwargs):
            return original_fn(*args, **kwargs)

        wrapped.__torch_dynamo_original__ = original_fn  # type: ignore[attr-defined]
        wrapped.__torch_dynamo_polyfill__ = traceable_fn  # type: ignore[attr-defined]
        return wrapped

    return decorate


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Say whether processes agree before they compile; what was said before."""
    before, _collectives[0] = _collectives[0], enabled
    return before


# -- filters of guards: one answer for each, whether it is kept -----------------------------------


def skip_all_guards_unsafe(guard_entries) -> list[bool]:
    """None is kept."""
    return [False for _ in guard_entries]


def skip_guard_on_globals_unsafe(guard_entries) -> list[bool]:
    """All but those on globals."""
    return [not entry.is_global for entry in guard_entries]


def skip_guard_on_inbuilt_nn_modules_unsafe(guard_entries) -> list[bool]:
    """All but those on modules of torch.nn."""
    return [
        not entry.orig_guard.source.is_unspecialized_builtin_nn_module() for entry in guard_entries
    ]


def skip_guard_on_all_nn_modules_unsafe(guard_entries) -> list[bool]:
    """All but those on modules."""
    return [not entry.orig_guard.source.is_unspecialized_nn_module() for entry in guard_entries]


def keep_tensor_guards_unsafe(guard_entries, keep_parameters: bool = False) -> list[bool]:
    """Those on tensors; of parameters only if asked."""
    from ..nn import Parameter

    return [
        entry.guard_type == "TENSOR_MATCH"
        and (keep_parameters or not isinstance(entry.value, Parameter))
        for entry in guard_entries
    ]


def keep_portable_guards_unsafe(guard_entries) -> list[bool]:
    """Those that mean something without Python: on tensors, sizes and global switches."""
    portable = ("GLOBAL_STATE", "SHAPE_ENV", "TENSOR_MATCH")
    return [entry.guard_type in portable for entry in guard_entries]
