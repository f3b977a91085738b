"""One step of an update rule over plain lists of tensors, without an optimizer."""

from __future__ import annotations

from typing import Any

from .. import Tensor


def run_rule(
    rule: Any,
    params: list[Tensor],
    grads: list[Tensor],
    states: dict[str, list],
    group: dict[str, Any],
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
) -> None:
    """Update `params` as the optimizer `rule` would, with each one's state out of `states`.

    Gradients were multiplied by `grad_scale`; nothing happens where `found_inf` is not zero.
    """
    if found_inf is not None and found_inf.item():
        return
    optimizer = rule.__new__(rule)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state = {
            name: values[i]
            for name, values in states.items()
            if len(values) and values[i] is not None
        }
        optimizer._check(p, g, group)
        if grad_scale is not None:
            g = g / grad_scale
        optimizer._update_one(p, -g if group.get("maximize") else g, state, group)
        if "momentum_buffer" in state:  # the first velocity is new
            states["momentum_buffer"][i] = state["momentum_buffer"]
