"""state_dict and load_state_dict. A load that fails leaves the module as it was."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple

import rushlight as torch
from rushlight import Tensor

from ... import __future__ as choices
from ...utils import swap_tensors
from ...utils.hooks import RemovableHandle
from ..parameter import Parameter, is_lazy

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _Messages(list):
    """The error list of one load, which also gathers the changes to make if none comes up."""

    def __init__(self):
        super().__init__()
        self.changes = []


class _Change:
    """One tensor to fill, replace or hand over, once the whole load is known to be sound."""

    def __init__(self, key, module, name, old, new, assign):
        self.key, self.module, self.name = key, module, name
        self.old, self.new, self.assign = old, new, assign
        self.backup = self.swapped = None

    def cannot_fail(self):
        """Copies between plain dense host tensors of one shape, and plain assignments."""
        old, new = self.old, self.new
        if choices.get_swap_module_params_on_conversion():
            return False
        return type(new) in (Tensor, Parameter) and (
            self.assign
            or old.device.type == "cpu" == new.device.type
            and old.layout == torch.strided == new.layout
            and old.shape == new.shape
            and 0 not in old.stride()
        )

    def apply(self, keep_backup):
        with torch.no_grad():
            if keep_backup and not self.assign:
                self.backup = self.old.detach().clone()
            if choices.get_swap_module_params_on_conversion():
                self._swap()
                return
            if not self.assign:
                self.old.copy_(self.new)
                return
            new = self.new
            if isinstance(self.old, Parameter):
                if isinstance(new, Parameter):
                    new.requires_grad_(self.old.requires_grad)
                else:
                    new = Parameter(new, requires_grad=self.old.requires_grad)
            setattr(self.module, self.name, new)

    def _swap(self):
        """Let the tensor become what it makes of its successor."""
        old = self.old
        new = old.module_load(self.new, assign=self.assign)
        if new is old or new is self.new:
            raise RuntimeError(
                "module_load returned one of self or other, please .detach() the result if "
                "returning one of the inputs in module_load"
            )
        if isinstance(old, Parameter) and not isinstance(new, Parameter):
            new = Parameter(new, requires_grad=old.requires_grad)
        swap_tensors(old, new.requires_grad_(old.requires_grad))
        self.swapped = new

    def undo(self):
        with torch.no_grad():
            if self.swapped is not None:
                swap_tensors(self.old, self.swapped)
                self.swapped = None
            if self.assign:
                setattr(self.module, self.name, self.old)
            elif self.backup is not None:
                self.old.copy_(self.backup)


class _ExtraState:
    """A call of `set_extra_state`, put off like the copies."""

    def __init__(self, module, value):
        self.module, self.value = module, value
        self.backup = None

    def cannot_fail(self):
        """Never sure: it is the user's code."""
        return False

    def apply(self, keep_backup):
        if keep_backup:
            self.backup = self.module.get_extra_state()
        self.module.set_extra_state(self.value)

    def undo(self):
        if self.backup is not None:
            self.module.set_extra_state(self.backup)


class State:
    """The part of Module that saves and loads."""

    def get_extra_state(self):
        """State besides tensors, saved with them; define it together with set_extra_state."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called: "
            f"{type(self).__name__} does not define it."
        )

    def set_extra_state(self, state) -> None:
        """Take back what get_extra_state returned."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called: "
            f"{type(self).__name__} does not define it."
        )

    def register_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after saving."""
        hook._from_public_api = True
        return self._add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook):
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return self._add_hook(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before saving."""
        return self._add_hook(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        entry = _PreHook(hook, self if with_module else None)
        return self._add_hook(self._load_state_dict_pre_hooks, entry)

    def register_load_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it may edit the keys."""
        return self._add_hook(self._load_state_dict_post_hooks, hook)

    def _local_state(self):
        """(name, tensor) of what this module itself saves."""
        skip = self._non_persistent_buffers_set
        yield from self._parameters.items()
        for name, buffer in self._buffers.items():
            if name not in skip:
                yield name, buffer

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        buffers = self._buffers
        if buffers:
            skip = self._non_persistent_buffers_set
            for name, buffer in buffers.items():
                if buffer is not None and name not in skip:
                    destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if _has_extra_state(self):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False):
        """All parameters and persistent buffers by name, sharing memory with the module."""
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead.",
                FutureWarning,
                stacklevel=2,
            )
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        attributes = self.__dict__
        for hook in attributes.get("_state_dict_pre_hooks", {}).values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in attributes["_modules"].items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars
                )
        for hook in attributes.get("_state_dict_hooks", {}).values():
            out = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if out is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif out is not None:
                destination = out
        return destination

    def _load_from_state_dict(
        self,
        state_dict,
        prefix,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ) -> None:
        """Check the entries of this module alone, and note (or make) the changes."""
        for hook in self.__dict__.get("_load_state_dict_pre_hooks", {}).values():
            hook(
                state_dict, prefix, local_metadata, strict,
                missing_keys, unexpected_keys, error_msgs,
            )  # fmt: skip
        changes = getattr(error_msgs, "changes", None)
        own = [] if changes is None else changes
        assign = local_metadata.get("assign_to_params_buffers", False)
        known = {name: value for name, value in self._local_state() if value is not None}
        for name, param in known.items():
            key = prefix + name
            if key in state_dict:
                change = _checked(self, name, key, param, state_dict[key], assign, error_msgs)
                if change is not None:
                    own.append(change)
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys, own)
        if strict:
            self._find_unexpected(state_dict, prefix, known, unexpected_keys)
        if changes is None:
            _commit(own, error_msgs, False)

    def _load_extra_state(self, state_dict, prefix, strict, missing, unexpected, changes):
        key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not State.set_extra_state:
            if key in state_dict:
                changes.append(_ExtraState(self, state_dict[key]))
            elif strict:
                missing.append(key)
        elif strict and key in state_dict:
            unexpected.append(key)

    def _find_unexpected(self, state_dict, prefix, known, unexpected_keys):
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        for key in state_dict:
            if key.startswith(prefix) and key != extra:
                head, _, rest = key[len(prefix) :].partition(".")
                if head not in self._modules if rest else head not in known:
                    unexpected_keys.append(key)

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False):
        """Copy (or with `assign` adopt) the entries of `state_dict`; all of them or none.

        Returns the missing and the unexpected keys, which `strict` makes errors.
        """
        if not hasattr(state_dict, "keys") or not hasattr(state_dict, "items"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        missing, unexpected, errors = [], [], _Messages()
        hooked = []
        _load_tree(self, state_dict, metadata, "", assign, missing, unexpected, errors, hooked)
        doubtful = bool(strict and (missing or unexpected))
        if not errors and (hooked or not doubtful):
            if _commit(errors.changes, errors, doubtful or bool(hooked)):
                _run_post_hooks(hooked, _IncompatibleKeys(missing, unexpected), errors)
        if strict:
            _name_keys(errors, missing, unexpected)
        if errors:
            for change in reversed(errors.changes):
                change.undo()
            text = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{text}"
            )
        return _IncompatibleKeys(missing, unexpected)


class _PreHook:
    """A load pre-hook, with its module as the first argument where that was asked for."""

    def __init__(self, hook, module):
        self.hook, self.module = hook, module
        self.with_module = module is not None

    def __call__(self, *args):
        return self.hook(self.module, *args) if self.with_module else self.hook(*args)


def _has_extra_state(module):
    return type(module).get_extra_state is not State.get_extra_state


def _load_tree(module, state_dict, metadata, prefix, assign, missing, unexpected, errors, hooked):
    """Let every module check its own part, parents first; note the post-hooks to run."""
    local_metadata = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local_metadata["assign_to_params_buffers"] = True
    # The keys are gathered in any case; `strict` only decides whether they are errors.
    module._load_from_state_dict(
        state_dict, prefix, local_metadata, True, missing, unexpected, errors
    )
    for name, child in module._modules.items():
        if child is not None:
            path = prefix + name + "."
            part = OrderedDict((k, v) for k, v in state_dict.items() if k.startswith(path))
            _load_tree(child, part, metadata, path, assign, missing, unexpected, errors, hooked)
    for hook in module.__dict__.get("_load_state_dict_post_hooks", {}).values():
        hooked.append((hook, module))


def _checked(module, name, key, param, value, assign, errors):
    """The change an entry asks for, or None and a message."""
    if not isinstance(value, Tensor):
        errors.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
        return None
    if is_lazy(param):
        if is_lazy(value) and not assign:
            return None  # neither has values yet
    else:
        # Scalars were saved as one-element vectors before 0.4.
        if param.dim() == 0 and value.dim() == 1 and value.shape[0] == 1:
            value = value[0]
        if value.shape != param.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from "
                f"checkpoint, the shape in current model is {param.shape}."
            )
            return None
    if param.is_meta and not value.is_meta and not assign:
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter "
            "in the current model, which is a no-op. (Did you mean to pass `assign=True` to "
            "assign items in the state dictionary to their corresponding key in the module "
            "instead of copying them in place?)",
            stacklevel=2,
        )
    return _Change(key, module, name, param, value, assign)


def _commit(changes, errors, keep_backup):
    """Make the changes; on a failure take back those already made. True if all held."""
    keep_backup = keep_backup or not all(change.cannot_fail() for change in changes)
    for index, change in enumerate(changes):
        try:
            change.apply(keep_backup)
        except Exception as error:
            for done in reversed(changes[: index + 1]):
                done.undo()
            errors.append(_failure(change, error))
            changes.clear()
            return False
    return True


def _failure(change, error):
    if isinstance(change, _ExtraState):
        return f"While setting the extra state, an exception occurred : {error.args}."
    return (
        f'While copying the parameter named "{change.key}", whose dimensions in the model are '
        f"{change.old.size()} and whose dimensions in the checkpoint are {change.new.size()}, "
        f"an exception occurred : {error.args}."
    )


def _run_post_hooks(hooked, keys, errors):
    """Post-hooks see the loaded values; when one raises, the load is taken back."""
    try:
        for hook, module in hooked:
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                    "expected to return new values, if incompatible_keys need to be modified, "
                    "it should be done inplace."
                )
    except BaseException:
        for change in reversed(errors.changes):
            change.undo()
        raise


def _name_keys(errors, missing, unexpected):
    """Put the unexpected, then before them the missing keys in front of the messages."""
    for label, keys in (("Unexpected", unexpected), ("Missing", missing)):
        if keys:
            names = ", ".join(f'"{key}"' for key in keys)
            errors.insert(0, f"{label} key(s) in state_dict: {names}. ")
