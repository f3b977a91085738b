"""Calling a module with other parameters than its own."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

from ._named_member_accessor import NamedMemberAccessor

__all__ = ["functional_call"]


def functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """The old name of `torch.func.functional_call`, for a single dictionary."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated and will be removed; use "
        "`torch.func.functional_call`, which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def _functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """The module's output with the named tensors in place of its parameters and buffers.

    The module is as before afterwards; what it assigned to one of the names stands in the
    dictionary. With tie_weights, a tensor shared under several names is replaced under all of
    them.
    """
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(
        module, parameters_and_buffers, tie_weights=tie_weights, strict=strict
    ):
        return module(*args, **(kwargs or {}))


@contextmanager
def _reparametrize_module(
    module, parameters_and_buffers, tie_weights=False, strict=False, stack_weights=False
):
    """Within the block the named tensors stand in the module.

    They always leave in the opposite order, which is all that `stack_weights` asks for.
    """
    wanted = parameters_and_buffers
    if tie_weights:
        wanted = _untie_named_tensors_map(module, parameters_and_buffers)
    accessor = NamedMemberAccessor(module)
    if strict:
        _check_names(module, accessor, wanted)
    before, _ = accessor.swap_tensors_dict(wanted, allow_missing=True)
    try:
        yield
    finally:
        now = accessor.put_back(before)
        parameters_and_buffers.update({name: now[name] for name in parameters_and_buffers})


def _untie_named_tensors_map(module, parameters_and_buffers):
    """The same dictionary, with an entry for every name that shares a tensor with one of it."""
    names = {}
    for holder in (module.named_parameters, module.named_buffers):
        for path, tensor in holder(remove_duplicate=False):
            names.setdefault(id(tensor), []).append(path)
    given = set(parameters_and_buffers.keys())
    result = dict(parameters_and_buffers)
    for group in names.values():
        present = [path for path in group if path in given]
        if not present:
            continue
        value = result[present[0]]
        if any(result[path] is not value for path in present):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(present)}, which are tied. "
                "Consider using tie_weights=False"
            )
        result.update(dict.fromkeys(group, value))
    return result


def _check_names(module, accessor, wanted):
    missing, unexpected = accessor.check_keys(wanted)
    lines = [
        f"{what} key(s): {', '.join(map(repr, keys))}."
        for what, keys in (("Unexpected", unexpected), ("Missing", missing))
        if keys
    ]
    if lines:
        raise RuntimeError(
            f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(lines)
        )
