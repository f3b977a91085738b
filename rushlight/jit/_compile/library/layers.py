"""Layers: forward methods of torch.nn modules as programs compile them.

A class here lends its methods and the types of its attributes to the module of the same name;
modules that are not named here compile as they are.
"""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import Tensor


class Linear:
    weight: Tensor

    def forward(self: Any, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)


class _ConvNd:
    bias: Tensor | None


class Conv1d:
    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None):
        if self.padding_mode != "zeros":
            wide = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return F.conv1d(wide, weight, bias, self.stride, 0, self.dilation, self.groups)
        return F.conv1d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d:
    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None):
        if self.padding_mode != "zeros":
            wide = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return F.conv2d(wide, weight, bias, self.stride, 0, self.dilation, self.groups)
        return F.conv2d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Conv3d:
    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode != "zeros":
            wide = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return F.conv3d(wide, weight, bias, self.stride, 0, self.dilation, self.groups)
        return F.conv3d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class _ConvTransposeNd:
    def _output_padding(
        self: Any,
        input: Tensor,
        output_size: list[int] | None,
        stride: list[int],
        padding: list[int],
        kernel_size: list[int],
        num_spatial_dims: int,
        dilation: list[int] | None = None,
    ) -> list[int]:
        """What to add on one side, so that the result has the size that is asked for."""
        if output_size is None:
            return self.output_padding
        dims = num_spatial_dims
        wanted = output_size
        batched = input.dim() == dims + 2
        leading = 2 if batched else 1
        if len(wanted) == leading + dims:
            wanted = wanted[leading:]
        if len(wanted) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.dim()}D input, output_size must have {dims} or "
                f"{leading + dims} elements (got {len(wanted)})"
            )
        found = torch.jit.annotate(list[int], [])
        for d in range(dims):
            step = dilation[d] if dilation is not None else 1
            least = (
                (input.size(d + leading) - 1) * stride[d]
                - 2 * padding[d]
                + step * (kernel_size[d] - 1)
                + 1
            )
            if wanted[d] < least or wanted[d] > least + stride[d] - 1:
                raise ValueError(
                    f"requested an output size of {wanted}, but valid sizes of dimension {d} range "
                    f"from {least} to {least + stride[d] - 1} (for an input of {input.size()})"
                )
            found.append(wanted[d] - least)
        return found


class ConvTranspose1d:
    def forward(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        extra = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, 1, self.dilation
        )
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose2d:
    def forward(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        extra = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, 2, self.dilation
        )
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose3d:
    def forward(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        extra = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, 3, self.dilation
        )
        return F.conv_transpose3d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


class _BatchNorm:
    def forward(self: Any, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if self.momentum is None:
            factor = 0.0
        else:
            factor = self.momentum
        if self.training and self.track_running_stats:
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if self.momentum is None:
                    factor = 1.0 / float(self.num_batches_tracked)
                else:
                    factor = self.momentum
        if self.training:
            by_batch = True
        else:
            by_batch = (self.running_mean is None) and (self.running_var is None)
        return F.batch_norm(
            input,
            self.running_mean if not self.training or self.track_running_stats else None,
            self.running_var if not self.training or self.track_running_stats else None,
            self.weight,
            self.bias,
            by_batch,
            factor,
            self.eps,
        )


class BatchNorm1d:
    def _check_input_dim(self: Any, input) -> None:
        if input.dim() != 2 and input.dim() != 3:
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class SyncBatchNorm:
    def forward(self: Any, input: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("SyncBatchNorm: a program runs in one process: use eval()")
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            self.running_mean is None and self.running_var is None, 0.0, self.eps,
        )  # fmt: skip


class _InstanceNorm:
    def forward(self: Any, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        dim = input.dim() - self._get_no_batch_dim()
        if input.size(dim) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={dim} to match num_features "
                    f"({self.num_features}), but got: {input.size(dim)}."
                )
            warnings.warn(
                f"input's size at dim={dim} does not match num_features. You can silence this "
                "warning by not passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        if input.dim() == self._get_no_batch_dim():
            return self._apply_instance_norm(input.unsqueeze(0)).squeeze(0)
        return self._apply_instance_norm(input)

    def _apply_instance_norm(self: Any, input: Tensor) -> Tensor:
        return F.instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0, self.eps,
        )  # fmt: skip


class InstanceNorm1d:
    def _get_no_batch_dim(self: Any) -> int:
        return 2

    def _check_input_dim(self: Any, input) -> None:
        if input.dim() != 2 and input.dim() != 3:
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class InstanceNorm2d:
    def _get_no_batch_dim(self: Any) -> int:
        return 3

    def _check_input_dim(self: Any, input) -> None:
        if input.dim() != 3 and input.dim() != 4:
            raise ValueError(f"expected 3D or 4D input (got {input.dim()}D input)")


class InstanceNorm3d:
    def _get_no_batch_dim(self: Any) -> int:
        return 4

    def _check_input_dim(self: Any, input) -> None:
        if input.dim() != 4 and input.dim() != 5:
            raise ValueError(f"expected 4D or 5D input (got {input.dim()}D input)")


class LayerNorm:
    def forward(self: Any, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class Sequential:
    def forward(self: Any, input):
        for module in self:
            input = module(input)
        return input


class _MaxUnpoolNd:
    def forward(
        self: Any, input: Tensor, indices: Tensor, output_size: list[int] | None = None
    ) -> Tensor:
        return self._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class RReLU:
    def forward(self: Any, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class GaussianNLLLoss:
    def forward(self: Any, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )
