"""Functions of torch.nn.functional: primitive operators, and what is written from them."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ..op import front as _front
from ..op import functional_table
from ..overrides import (  # noqa: F401
    handle_torch_function,
    has_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
)
from ._functional_attention import *  # noqa: F403
from ._functional_attention import (  # noqa: F401
    _canonical_mask,
    _in_projection,
    _in_projection_packed,
    _mha_shape_check,
    _none_or_dtype,
)
from ._functional_blocks import *  # noqa: F403
from ._functional_ctc import *  # noqa: F403
from ._functional_distance import *  # noqa: F403
from ._functional_grid import *  # noqa: F403
from ._functional_grouped import *  # noqa: F403
from ._functional_interpolate import *  # noqa: F403
from ._functional_losses import *  # noqa: F403
from ._functional_padding import *  # noqa: F403
from ._functional_pooling import *  # noqa: F403
from ._functional_random import *  # noqa: F403
from ._functional_scaled import *  # noqa: F403
from ._functional_sparse import *  # noqa: F403

tanh = torch.tanh
sigmoid = torch.sigmoid

# A primitive operator, where there is one, is what users get.
globals().update(functional_table)


def _in_place(name):
    """The function of this name working in place, as `name_`."""
    function = globals()[name]

    def in_place(input: Tensor, *args, **kwargs) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    in_place.__name__ = in_place.__qualname__ = name + "_"
    in_place.__doc__ = f"`{name}` in place."
    return in_place


for _name in ("relu", "elu", "selu", "celu", "leaky_relu", "hardtanh", "threshold"):
    if _name + "_" not in globals() and _name in globals():
        globals()[_name + "_"] = _in_place(_name)


def _max_pool_with_indices(name):
    """The pooling of this name, always with the places of the maxima."""
    pool = globals()[name]

    def with_indices(
        input: Tensor,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    with_indices.__name__ = with_indices.__qualname__ = name + "_with_indices"
    with_indices.__doc__ = f"`{name}` and the places of the maxima."
    return with_indices


def _adaptive_with_indices(name):
    """The adaptive pooling of this name, always with the places of the maxima."""
    pool = globals()[name]

    def with_indices(
        input: Tensor, output_size, return_indices: bool = False
    ) -> tuple[Tensor, Tensor]:
        return pool(input, output_size, True)

    with_indices.__name__ = with_indices.__qualname__ = name + "_with_indices"
    with_indices.__doc__ = f"`{name}` and the places of the maxima."
    return with_indices


for _n in (1, 2, 3):
    for _name, _make in (
        (f"max_pool{_n}d", _max_pool_with_indices),
        (f"adaptive_max_pool{_n}d", _adaptive_with_indices),
    ):
        if _name in globals() and _name + "_with_indices" not in globals():
            globals()[_name + "_with_indices"] = _make(_name)

del _name, _make

# Functions written here are seen by subclasses of Tensor and by interpreters, as operators are.
_plain = type(_in_place)
for _n, _value in list(globals().items()):
    if type(_value) is _plain and not _n.startswith(("_", "has_torch_function")):
        globals()[_n] = functional_table[_n] = _front(_value, "F." + _n)

del _n, _value, _plain
