"""`torch.ops.aten`: PyTorch's own names of operators, for policies that name them.

PyTorch sees an operator as several of its own; here each has one counterpart, whatever the
overload: `aten.mul.Tensor` and `aten.mul.Scalar` are the same.
"""

from __future__ import annotations

# What PyTorch calls an operator of ours, where it is not the same name.
_NAMES = {
    "linear_mm": "mm",
    "linear_addmm": "addmm",
    "matmul_batched": "bmm",
    "sdpa_flash": "_scaled_dot_product_flash_attention_for_cpu",
    "conv1d": "convolution",
    "conv2d": "convolution",
    "conv3d": "convolution",
    "layer_norm": "native_layer_norm",
    "group_norm": "native_group_norm",
    "batch_norm": "native_batch_norm",
    "fused_dropout": "native_dropout",
    "softmax": "_softmax",
    "log_softmax": "_log_softmax",
    "cross_entropy": "nll_loss_forward",
    "pow_scalar": "pow",
}
_ATTENTION = "_scaled_dot_product_flash_attention"
# Names of one operation on different devices.
_SAME = {
    "_scaled_dot_product_flash_attention_for_cpu": _ATTENTION,
    "_scaled_dot_product_efficient_attention": _ATTENTION,
    "_scaled_dot_product_cudnn_attention": _ATTENTION,
}
_OVERLOADS = dict.fromkeys(
    ("add", "sub", "mul", "div", "eq", "ne", "lt", "gt", "le", "ge"), "Tensor"
)
_OVERLOADS |= {"pow": "Tensor_Scalar", "slice": "Tensor", "select": "int", "transpose": "int"}


class OpOverload:
    """One operator under PyTorch's name; equal to every other overload of it."""

    __slots__ = ("_key", "_name", "_overload")

    def __init__(self, name: str, overload: str):
        self._name = name
        self._overload = overload
        self._key = _SAME.get(name, name)

    def __eq__(self, other) -> bool:
        return isinstance(other, OpOverload) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return f"aten.{self._name}.{self._overload}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='aten.{self._name}', overload='{self._overload}')>"

    @property
    def __name__(self) -> str:
        return f"{self._name}.{self._overload}"

    def name(self) -> str:
        """The name with its namespace: aten::mul.Tensor, aten::mm."""
        overload = "" if self._overload == "default" else f".{self._overload}"
        return f"aten::{self._name}{overload}"

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        """The operator with all its overloads."""
        return OpOverloadPacket(self._name)

    def __call__(self, *args, **kwargs):
        return self.overloadpacket(*args, **kwargs)


class OpOverloadPacket:
    """An operator under PyTorch's name; its overloads are attributes."""

    def __init__(self, name: str):
        self._name = name

    def __eq__(self, other) -> bool:
        return isinstance(other, OpOverloadPacket) and self._name == other._name

    def __hash__(self) -> int:
        return hash(("aten", self._name))

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("__"):
            raise AttributeError(overload)
        return OpOverload(self._name, overload)

    def __str__(self) -> str:
        return f"aten.{self._name}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self._name}')>"

    def __call__(self, *args, **kwargs):
        import rushlight as torch

        function = getattr(torch, self._name, None) or getattr(torch.Tensor, self._name, None)
        if function is None:
            raise AttributeError(f"aten.{self._name}: there is no function of this name to call")
        return function(*args, **kwargs)


class _Namespace:
    """`torch.ops.aten`."""

    def __getattr__(self, name: str) -> OpOverloadPacket:
        if name.startswith("__"):
            raise AttributeError(name)
        return OpOverloadPacket(name)


aten = _Namespace()


def overload_of(op) -> OpOverload:
    """An operator of ours under PyTorch's name."""
    name = _NAMES.get(op.__name__, op.__name__)
    return OpOverload(name, _OVERLOADS.get(name, "default"))
