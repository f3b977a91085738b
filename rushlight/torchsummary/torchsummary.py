"""A table of a model's layers: the shape of what each returns, and how many parameters it has."""

from __future__ import annotations

from math import prod
from typing import Any

_MEGABYTE = 1024.0**2
_WIDE, _THIN = "=" * 64, "-" * 64


def _shapes(output, batch_size: int) -> Any:
    """The shape of an output with the batch's size in front; of several, a list of them."""
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        found = [_shapes(item, batch_size) for item in output]
        return [shape for shape in found if shape is not None]
    return [batch_size, *output.shape[1:]] if hasattr(output, "shape") else None


def _numbers(shape) -> list[int]:
    return [n for item in shape for n in (_numbers(item) if isinstance(item, list) else [item])]


def _parameters(module) -> list:
    """A layer's weight and bias; all that it holds itself where they are called otherwise."""
    own = module._parameters
    names = ["weight", "bias"] if own.get("weight") is not None else list(own)
    return [own[name] for name in names if own.get(name) is not None]


def summary(model, input_size, batch_size: int = -1, device: str = "cuda") -> None:
    """Print a table of the layers that a run on random input of `input_size` reaches.

    `input_size` is a shape without the batch, or a list of them for several inputs. The run takes
    place on the CPU where there is no CUDA, whatever `device` says.
    """
    import rushlight as torch

    device = device.lower()
    if device not in ("cuda", "cpu"):
        raise AssertionError("Input device is not valid, please specify 'cuda' or 'cpu'")
    place = "cuda" if device == "cuda" and torch.cuda.is_available() else "cpu"
    sizes = [input_size] if isinstance(input_size, tuple) else list(input_size)
    rows: list[tuple[str, Any, int]] = []
    counted: dict[int, tuple[int, bool]] = {}

    def note(module, inputs, output):
        parameters = _parameters(module)
        count = sum(p.numel() for p in parameters)
        shape = _shapes(output, batch_size)
        rows.append((f"{type(module).__name__}-{len(rows) + 1}", shape, count))
        counted[len(rows)] = (count, bool(parameters) and parameters[0].requires_grad)

    containers = (torch.nn.Sequential, torch.nn.ModuleList)
    hooks = [
        module.register_forward_hook(note)
        for module in model.modules()
        if not isinstance(module, containers) and module is not model
    ]
    try:
        model(*[torch.rand(2, *size, device=place) for size in sizes])
    finally:
        for hook in hooks:
            hook.remove()
    print(_THIN)
    print(f"{'Layer (type)':>20}  {'Output Shape':>25} {'Param #':>15}")
    print(_WIDE)
    for name, shape, count in rows:
        print(f"{name:>20}  {shape!s:>25} {count:>15,}")
    total = sum(count for count, _ in counted.values())
    trainable = sum(count for count, trains in counted.values() if trains)
    outputs = sum(prod(_numbers(shape)) for _, shape, _ in rows if shape is not None)
    inputs = abs(prod(n for size in sizes for n in size) * batch_size * 4.0 / _MEGABYTE)
    passes = abs(2.0 * outputs * 4.0 / _MEGABYTE)  # forward, and backward
    weights = abs(total * 4.0 / _MEGABYTE)
    print(_WIDE)
    print(f"Total params: {total:,}")
    print(f"Trainable params: {trainable:,}")
    print(f"Non-trainable params: {total - trainable:,}")
    print(_THIN)
    print(f"Input size (MB): {inputs:0.2f}")
    print(f"Forward/backward pass size (MB): {passes:0.2f}")
    print(f"Params size (MB): {weights:0.2f}")
    print(f"Estimated Total Size (MB): {weights + passes + inputs:0.2f}")
    print(_THIN)
