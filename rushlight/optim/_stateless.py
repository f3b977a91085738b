"""Running an optimizer on other tensors than its own, for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import Tensor
from .optimizer import Optimizer


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer,
    swapin_parameters: dict[str, Tensor],
    swapin_optim_state: dict[str, Any],
) -> Iterator[None]:
    """Let `optimizer` act on other parameters and another state inside the block.

    The parameters come in the order in which the optimizer has its own; the state has the
    shape of its `state_dict()`. Tensors are changed in place, and nothing else is.
    """
    params = list(swapin_parameters.values())
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    if len(params) != count:
        raise ValueError(
            f"swap_in_optimizer_params_and_state: got {len(params)} parameters, expected {count}"
        )
    state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
    for key, value in swapin_optim_state["state"].items():
        state[params[key] if isinstance(key, int) else key] = dict(value)
    groups = [
        {**group, "params": [params[i] for i in group["params"]]}
        for group in swapin_optim_state["param_groups"]
    ]
    own = optimizer.param_groups, optimizer.state
    optimizer.param_groups, optimizer.state = groups, state
    try:
        yield
    finally:
        optimizer.param_groups, optimizer.state = own
