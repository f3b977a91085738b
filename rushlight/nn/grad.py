"""Gradients of convolutions with respect to one of their inputs."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from . import functional as F

__all__ = [
    "conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input",
    "conv3d_weight",
]  # fmt: skip


def _gradient(conv, wanted, input, weight, grad_output, *settings):
    with torch.enable_grad():
        input, weight = input.detach(), weight.detach()
        target = (input if wanted == "input" else weight).requires_grad_(True)
        output = conv(input, weight, None, *settings)
        return torch.autograd.grad(output, target, grad_output)[0]


def _input_gradient(conv, input_size, weight, grad_output, *settings):
    input = grad_output.new_zeros(tuple(input_size))
    return _gradient(conv, "input", input, weight, grad_output, *settings)


def _weight_gradient(conv, input, weight_size, grad_output, *settings):
    weight = grad_output.new_zeros(tuple(weight_size))
    return _gradient(conv, "weight", input, weight, grad_output, *settings)


def conv1d_input(
    input_size, weight: Tensor, grad_output: Tensor, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """Gradient of conv1d with respect to its input."""
    return _input_gradient(
        F.conv1d, input_size, weight, grad_output, stride, padding, dilation, groups
    )


def conv1d_weight(
    input: Tensor, weight_size, grad_output: Tensor, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """Gradient of conv1d with respect to its weight."""
    return _weight_gradient(
        F.conv1d, input, weight_size, grad_output, stride, padding, dilation, groups
    )


def conv2d_input(
    input_size, weight: Tensor, grad_output: Tensor, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """Gradient of conv2d with respect to its input."""
    return _input_gradient(
        F.conv2d, input_size, weight, grad_output, stride, padding, dilation, groups
    )


def conv2d_weight(
    input: Tensor, weight_size, grad_output: Tensor, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """Gradient of conv2d with respect to its weight."""
    return _weight_gradient(
        F.conv2d, input, weight_size, grad_output, stride, padding, dilation, groups
    )


def conv3d_input(
    input_size, weight: Tensor, grad_output: Tensor, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """Gradient of conv3d with respect to its input."""
    return _input_gradient(
        F.conv3d, input_size, weight, grad_output, stride, padding, dilation, groups
    )


def conv3d_weight(
    input: Tensor, weight_size, grad_output: Tensor, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """Gradient of conv3d with respect to its weight."""
    return _weight_gradient(
        F.conv3d, input, weight_size, grad_output, stride, padding, dilation, groups
    )
