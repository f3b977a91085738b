"""Calling a module with other parameters than its own."""

from __future__ import annotations

__all__ = ["functional_call"]


def functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """The module's output with the named tensors in place of its parameters and buffers.

    The module is as before afterwards. With tie_weights, a tensor shared under several names is
    replaced under all of them.
    """
    wanted = (
        _with_ties(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    )
    if strict:
        _check_names(module, wanted)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    replaced = []
    try:
        for path, value in wanted.items():
            replaced.append(_replace(module, path, value))
        return module(*args, **(kwargs or {}))
    finally:
        for registry, name, old in reversed(replaced):
            registry[name] = old


def _replace(module, path, value):
    """Put a tensor in place; (registry, name, what was there)."""
    owner, _, name = path.rpartition(".")
    parent = module.get_submodule(owner)
    for registry in (parent._parameters, parent._buffers):
        if name in registry:
            old = registry[name]
            registry[name] = value
            return registry, name, old
    raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")


def _named(module):
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _with_ties(module, wanted):
    names = {}
    for path, tensor in _named(module):
        names.setdefault(id(tensor), []).append(path)
    result = dict(wanted)
    for group in names.values():
        given = [path for path in group if path in wanted]
        if not given:
            continue
        if any(wanted[path] is not wanted[given[0]] for path in given):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given)}, which are tied. "
                "Consider using tie_weights=False"
            )
        for path in group:
            result[path] = wanted[given[0]]
    return result


def _check_names(module, wanted):
    known = {path for path, _ in _named(module)}
    missing, unexpected = sorted(known - set(wanted)), sorted(set(wanted) - known)
    if missing or unexpected:
        parts = []
        if unexpected:
            parts.append("Unexpected key(s): " + ", ".join(map(str, unexpected)) + ".")
        if missing:
            parts.append("Missing key(s): " + ", ".join(map(str, missing)) + ".")
        raise RuntimeError(
            f"Error(s) in strict functional_call for {type(module).__name__}:\n\t"
            + "\n\t".join(parts)
        )
