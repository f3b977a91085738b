"""The base of every optimizer: groups, state, hooks, and the loop over the parameters."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import rushlight as torch

from .. import _C, Tensor
from ._for_subclasses import *  # noqa: F403 (for optimizers written elsewhere)
from ._hooks import Hooks
from ._hooks import _global_optimizer_post_hooks as _global_optimizer_post_hooks
from ._hooks import _global_optimizer_pre_hooks as _global_optimizer_pre_hooks
from ._hooks import register_optimizer_step_post_hook as register_optimizer_step_post_hook
from ._hooks import register_optimizer_step_pre_hook as register_optimizer_step_pre_hook
from ._options import check_mode, scalar_dtype

StateDict = dict[str, Any]
ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class _RequiredParameter:
    """Marks an option that every group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


class Optimizer(Hooks):
    """Base of all optimizers: owns groups, state, hooks and loops; a subclass owns one rule.

    A subclass of ours defines `_update(p, g, state, group)`, one update of one real
    parameter in tensor operators, `_init_state(p, group)` and, where there is one, the
    kernel that updates all parameters of a group at once. A subclass of the user's may
    define `step` instead.
    """

    # kernel(group, state) updates what it can and returns the parameters that it left, or
    # None: those whose state is not there yet, and those of a layout or type it lacks.
    _kernel: Callable[[dict, dict], list | None] | None = None
    _sparse_message = "{} does not support sparse gradients"
    _sparse_gradients = False
    # What `capturable=True` asks to be on a device whose work can be captured.
    _captured: str | None = "params and state_steps"
    # Options that checkpoints of old versions lack, with the value that they stood for.
    _late_options: dict[str, Any] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
        "fused": None,
    }
    # State entries that checkpoints of old versions hold as numbers.
    _tensor_state: tuple[str, ...] = ("step",)

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {torch.typename(params)}"
            )
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if len(groups) == 0:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        self._warned_capturable_if_run_uncaptured = True

    # -- pickling and printing -----------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hooks()
        self._patch_step_function()
        for group in self.param_groups:
            for name, value in self._late_options.items():
                if name in self.defaults:
                    group.setdefault(name, value)
            for p in group["params"]:
                self._upgrade_state(self.state.get(p) or {})

    def _upgrade_state(self, state):
        for name in self._tensor_state:
            if name in state and not isinstance(state[name], Tensor):
                state[name] = torch.tensor(float(state[name]), dtype=scalar_dtype())

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            for key in sorted(group):
                if key != "params":
                    lines.append(f"    {key}: {group[key]}")
            lines.append("")
        return "\n".join(lines[:-1]) + "\n)"

    # -- the step ------------------------------------------------------------------------
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, once.

        `closure`, when given, evaluates the model anew first (with gradients recorded) and
        its value is returned.
        """
        kernel, state = self._kernel, self.state
        if kernel is None and type(self)._update is Optimizer._update:
            raise NotImplementedError
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if kernel is None:
                self._update_each(group, [p for p in group["params"] if p.grad is not None])
                continue
            rest = kernel(group, state)
            if rest is not None:
                self._update_rest(kernel, group, rest)
        return loss

    def _update_rest(self, kernel, group, params):
        """Update what the kernel returned: parameters new to it, or not fit for it."""
        fresh = False
        for p in params:
            self._check(p, p.grad, group)
            state = None if self.state.get(p) else self._init_state(p, group)
            if state:
                self.state[p] = state
                fresh = True
        if fresh:
            params = kernel({**group, "params": params}, self.state) or ()
        self._update_each(group, params)

    def _update_each(self, group, params):
        """The same update in tensor operators, one parameter after another."""
        recorded = bool(self.defaults.get("differentiable", False))
        update = self._update_recorded if recorded else self._update_one
        previous = _C.set_grad_enabled(recorded)
        try:
            for p in params:
                self._check(p, p.grad, group)
                state = self.state.get(p)
                if not state:
                    state = self._init_state(p, group)
                update(p, -p.grad if group.get("maximize") else p.grad, state, group)
                if state:
                    self.state[p] = state
        finally:
            _C.set_grad_enabled(previous)

    def _update_recorded(self, p, g, state, group):
        """An update that gradients flow through.

        It works on copies, for what one step saved has to survive the next.
        """
        copies = {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}
        copy = p.clone()
        self._update_one(copy, g, copies, group)
        p.copy_(copy)
        for name, value in copies.items():
            if not isinstance(value, Tensor):
                state[name] = value
            elif name in state:
                state[name].copy_(value)
            else:
                state[name] = value.clone()

    def _update_one(self, p, g, state, group):
        if not p.is_complex():
            self._update(p, g, state, group)
            return
        # A complex parameter is a real one with one more dimension of size 2.
        real = {
            key: torch.view_as_real(value)
            if isinstance(value, Tensor) and value.is_complex()
            else value
            for key, value in state.items()
        }
        self._update(torch.view_as_real(p), torch.view_as_real(g), real, group)
        for key in real.keys() - state.keys():
            state[key] = torch.view_as_complex(real[key])

    def _check(self, p, g, group):
        if not self._sparse_gradients and g.is_sparse:
            raise RuntimeError(self._sparse_message.format(type(self).__name__))
        check_mode(p, group, self._captured)

    def _init_state(self, p, group) -> dict[str, Any]:
        return {}

    def _update(self, p, g, state, group) -> None:
        raise NotImplementedError

    # -- checkpoints ---------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """The state, with parameters numbered in order, and the groups' options.

        The tensors are the optimizer's own, not copies.
        """
        for hook in list(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in list(self._optimizer_state_dict_post_hooks.values()):
            result = hook(self, result) or result
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take state and options over; floating-point state is cast to its parameter's dtype."""
        state_dict = state_dict.copy()
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):
            state_dict = hook(self, state_dict) or state_dict
        saved = deepcopy(state_dict["param_groups"])
        self._check_groups(saved)
        parameters = dict(
            zip(
                chain.from_iterable(group["params"] for group in saved),
                chain.from_iterable(group["params"] for group in self.param_groups),
                strict=True,
            )
        )
        groups = {key: group for group in saved for key in group["params"]}
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameters:
                p = parameters[key]
                state[p] = {k: self._fit(p, k, v, groups[key]) for k, v in value.items()}
            else:
                state[key] = value
        for group, new in zip(self.param_groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def _check_groups(self, saved):
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for group, new in zip(self.param_groups, saved, strict=True):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group "
                    "that doesn't match the size of optimizer's group"
                )

    def _fit(self, p, key, value, group):
        """A loaded value on the parameter's device, in its dtype unless it counts steps."""
        if isinstance(value, Tensor):
            return self._process_value_according_to_param_policy(p, value, 0, [group], key)
        if isinstance(value, dict):
            return {k: self._fit(p, k, v, group) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._fit(p, key, v, group) for v in value)
        return value

    @staticmethod
    def _process_value_according_to_param_policy(
        param: Tensor,
        value: Tensor,
        param_id: int,
        param_groups: list[dict[str, Any]],
        key: Any = None,
    ) -> Tensor:
        if key == "step":
            group = next((g for g in param_groups if param_id in g["params"]), param_groups[0])
            if group.get("capturable") or group.get("fused"):
                return value.to(dtype=torch.float32, device=param.device)
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)

    # -- gradients and groups ------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        record = _C.profiler_enter(self._zero_grad_profile_name)
        if set_to_none:
            for group in self.param_groups:
                _C.clear_grads(group["params"])
            _C.profiler_exit(record)
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.grad_fn is not None:
                    p.grad.detach_()
                else:
                    p.grad.requires_grad_(False)
                p.grad.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        names, params = _split_names(list(params))
        names = names or param_group.get("param_names")
        for p in params:
            self._check_parameter(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
        self._check_duplicates(params)
        self._check_names(names)
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    def _check_parameter(self, p):
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {torch.typename(p)}"
            )
        if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_duplicates(self, params):
        ids = {id(p) for p in params}
        if len(ids) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, "
                "this will cause an error; see github.com/pytorch/pytorch/issues/40967 for "
                "more information",
                stacklevel=3,
            )
        if any(id(p) in ids for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    def _check_names(self, names):
        if self.param_groups and ("param_names" in self.param_groups[0]) != bool(names):
            kind = "with" if names else "without"
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {kind} names to the optimizer"
            )


def _split_names(params):
    """Names and tensors of a list of tensors, or of (name, tensor) pairs."""
    names = [item[0] for item in params if isinstance(item, tuple)]
    tensors = [item[1] if isinstance(item, tuple) else item for item in params]
    if names and len(names) != len(tensors):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return names, tensors
