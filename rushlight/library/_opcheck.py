"""torch.library.opcheck: whether what was registered for an operator fits together."""

from __future__ import annotations

from collections.abc import Sequence

import rushlight as torch

from .. import Tensor
from .._aten import OpOverload, OpOverloadPacket
from ..utils._pytree import tree_leaves, tree_map
from ._ops import Operator, Packet

_DEFAULT = (
    "test_schema",
    "test_autograd_registration",
    "test_faketensor",
    "test_aot_dispatch_dynamic",
)
_KNOWN = (*_DEFAULT[:3], "test_aot_dispatch_static", _DEFAULT[3])


class OpCheckError(Exception):
    """An operator that breaks a rule of `opcheck`."""


def opcheck(
    op,
    args: tuple,
    kwargs: dict | None = None,
    *,
    test_utils: str | Sequence[str] = _DEFAULT,
    raise_exception: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, str | Exception]:
    """Run an operator on sample arguments, and see whether its registrations agree.

    test_schema: it writes only into what its schema says; test_autograd_registration: its gradient
    is registered as one; test_faketensor: its fake kernel gives the shapes, strides and dtypes of
    the real one; test_aot_dispatch_*: a traced graph gives its numbers and gradients. A dict of
    "SUCCESS" or the exception by test; OpCheckError at the first that fails if `raise_exception`.
    """
    operator = _overload(op)
    wanted = (test_utils,) if isinstance(test_utils, str) else tuple(test_utils)
    if not set(wanted) <= set(_KNOWN):
        raise ValueError(
            f"opcheck(op, ..., test_utils={wanted}), expected test_utils to be subset of {_KNOWN} "
            "but it was not"
        )
    results: dict[str, str | Exception] = {}
    for name in wanted:
        try:
            _CHECKS[name](operator, tuple(args), dict(kwargs or {}), {"atol": atol, "rtol": rtol})
            results[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(
                    f"opcheck(op, ...): {name} failed with {error} (scroll up for stack trace)"
                ) from error
            results[name] = error
    return results


def _overload(op):
    op = getattr(op, "_opoverload", op)
    if isinstance(op, (Packet, OpOverloadPacket)):
        op = op.default
    if not isinstance(op, (Operator, OpOverload)):
        raise ValueError(
            "opcheck(op, ...): op must be instance of torch._ops.OpOverload, e.g. "
            f"torch.ops.aten.sin.default, got {type(op)}"
        )
    return op


def _fresh(values):
    """Copies that share nothing with the caller's tensors."""
    return tree_map(
        lambda t: (
            t.detach().clone().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t
        ),
        values,
    )


def _tensors(values) -> list[Tensor]:
    return [t for t in tree_leaves(values) if isinstance(t, Tensor)]


def _check_schema(op, args, kwargs, tolerances) -> None:
    args, kwargs = tree_map(
        lambda t: t.detach().clone() if isinstance(t, Tensor) else t, (args, kwargs)
    )
    before = _fresh((args, kwargs))
    op(*args, **kwargs)
    for place, parameter in enumerate(op._schema.arguments):
        if parameter.is_write:
            continue
        given, old = (
            values[0][place] if place < len(values[0]) else values[1].get(parameter.name)
            for values in ((args, kwargs), before)
        )
        for now, then in zip(_tensors(given), _tensors(old), strict=True):
            if not torch.allclose(now, then, rtol=0, atol=0, equal_nan=True):
                raise RuntimeError(
                    f"Argument {parameter.name} is not defined as mutable but was mutated"
                )


def _check_registration(op, args, kwargs, tolerances) -> None:
    """A kernel of a device must leave gradients to what is registered for them."""
    args, kwargs = _fresh((args, kwargs))
    tracked = any(t.requires_grad for t in _tensors((args, kwargs)))
    if not isinstance(op, Operator) or op.whole is not None or op.needs_fake or not tracked:
        return
    device = next(t.device.type for t in _tensors((args, kwargs)))
    made = op._kernel(device)(*args, **kwargs)
    if op.backward is None and any(t.requires_grad for t in _tensors(made)):
        raise RuntimeError(
            f"{op.name()}: the kernel of {device} brings a gradient of its own; register it as "
            "CompositeImplicitAutograd, or the gradient with register_autograd"
        )


def _check_fake(op, args, kwargs, tolerances) -> None:
    from .._subclasses.fake_tensor import FakeTensorMode

    args, kwargs = _fresh((args, kwargs))
    mode = FakeTensorMode()
    fakes = tree_map(lambda t: mode.from_tensor(t) if isinstance(t, Tensor) else t, (args, kwargs))
    with mode, torch.no_grad():
        found = _tensors(op(*fakes[0], **fakes[1]))
    with torch.no_grad():
        expected = _tensors(op(*args, **kwargs))
    what = (
        f"When comparing the output of {op} on FakeTensor and concrete Tensors, found mismatched "
        "tensor metadata: "
    )
    if len(found) != len(expected):
        raise RuntimeError(f"{what}{len(expected)} tensors and {len(found)} are not equal!")
    for fake, real in zip(found, expected, strict=True):
        for name, one, other in (
            ("Shapes", real.shape, fake.shape),
            ("Dtypes", real.dtype, fake.dtype),
            ("Strides", real.stride(), fake.stride()),
            ("Devices", real.device.type, fake.device.type),
        ):
            if one != other:
                raise RuntimeError(f"{what}{name} {one} and {other} are not equal!")


def _check_traced(op, args, kwargs, tolerances) -> None:
    from ..fx.experimental.proxy_tensor import make_fx

    wanted = _with_gradients(op, _fresh((args, kwargs)))
    leaves = _fresh((args, kwargs))

    def traced(*tensors):
        left = iter(tensors)
        given, named = tree_map(lambda t: next(left) if isinstance(t, Tensor) else t, leaves)
        return _tensors(op(*given, **named))

    order = [t.detach() for t in _tensors(leaves)]
    graph = make_fx(traced)(*_fresh(order))
    for found, expected in zip(graph(*_fresh(order)), wanted, strict=False):
        torch.testing.assert_close(found, expected.detach(), **tolerances)


def _with_gradients(op, values) -> list[Tensor]:
    """The outputs, once a gradient has gone back from them where one is asked for."""
    given, named = values
    outputs = _tensors(op(*given, **named))
    tracked = [t for t in outputs if t.requires_grad]
    if tracked:
        inputs = [t for t in _tensors(values) if t.requires_grad]
        torch.autograd.grad(
            tracked, inputs, [torch.ones_like(t) for t in tracked], allow_unused=True
        )
    return outputs


_CHECKS = {
    "test_schema": _check_schema,
    "test_autograd_registration": _check_registration,
    "test_faketensor": _check_fake,
    "test_aot_dispatch_static": _check_traced,
    "test_aot_dispatch_dynamic": _check_traced,
}
