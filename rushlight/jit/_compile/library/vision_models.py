"""Classification models: methods of rushlight.vision.models as programs compile them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import Tensor
from rushlight.vision.models.googlenet import GoogLeNetOutputs
from rushlight.vision.models.inception import InceptionOutputs

HOMES: dict[str, list[str]] = {
    "rushlight.vision.models.swin_transformer": [
        "shifted_window_attention", "_get_relative_position_bias", "_patch_merging_pad",
    ],
}  # fmt: skip
GoogLeNetOutputs.__annotations__ = {
    "logits": Tensor, "aux_logits2": Tensor | None, "aux_logits1": Tensor | None,
}  # fmt: skip
InceptionOutputs.__annotations__ = {"logits": Tensor, "aux_logits": Tensor | None}


class GoogLeNet:
    def forward(self: Any, x: Tensor) -> GoogLeNetOutputs:
        x, aux1, aux2 = self._forward(self._transform_input(x))
        if not (self.training and self.aux_logits):
            warnings.warn("Scripted GoogleNet always returns GoogleNetOutputs Tuple", stacklevel=2)
        return GoogLeNetOutputs(x, aux2, aux1)


class Inception3:
    def forward(self: Any, x: Tensor) -> InceptionOutputs:
        x, aux = self._forward(self._transform_input(x))
        if not (self.training and self.aux_logits):
            warnings.warn("Scripted Inception3 always returns Inception3 Tuple", stacklevel=2)
        return InceptionOutputs(x, aux)


class _DenseLayer:
    def any_requires_grad(self: Any, input: list[Tensor]) -> bool:
        for x in input:
            if x.requires_grad:
                return True
        return False

    @torch.jit.unused
    def call_checkpoint_bottleneck(self: Any, input: list[Tensor]) -> Tensor:
        return input[0]

    def forward(self: Any, input: list[Tensor]) -> Tensor:
        if self.memory_efficient and self.any_requires_grad(input):
            out = self.call_checkpoint_bottleneck(input)
        else:
            out = self.bn_function(input)
        out = self.conv2(self.relu2(self.norm2(out)))
        if self.drop_rate > 0:
            out = F.dropout(out, p=self.drop_rate, training=self.training)
        return out


class _DenseBlock:
    def forward(self: Any, init_features: Tensor) -> Tensor:
        features = [init_features]
        for _, layer in self.items():
            features.append(layer(features))
        return torch.cat(features, 1)


# -- Swin ------------------------------------------------------------------------------------


def _patch_merging_pad(x: Tensor) -> Tensor:
    height, width = x.size(-3), x.size(-2)
    x = F.pad(x, [0, 0, 0, width % 2, 0, height % 2])
    return torch.cat(
        [
            x[..., 0::2, 0::2, :], x[..., 1::2, 0::2, :], x[..., 0::2, 1::2, :],
            x[..., 1::2, 1::2, :],
        ],
        -1,
    )  # fmt: skip


def _get_relative_position_bias(
    relative_position_bias_table: Tensor,
    relative_position_index: Tensor,
    window_size: list[int],
) -> Tensor:
    places = window_size[0] * window_size[1]
    bias = relative_position_bias_table[relative_position_index].view(places, places, -1)
    return bias.permute(2, 0, 1).contiguous().unsqueeze(0)


def _windows(x: Tensor, size: list[int]) -> Tensor:
    """(N, H, W, C) cut into windows: (N windows, places, C)."""
    rows, columns = x.size(1) // size[0], x.size(2) // size[1]
    x = x.view(x.size(0), rows, size[0], columns, size[1], x.size(3))
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, size[0] * size[1], x.size(-1))


def _shift_mask(x: Tensor, size: list[int], shift: list[int]) -> Tensor:
    """-100 for places that a shift brought into one window from far apart, else 0."""
    mask = x.new_zeros([x.size(1), x.size(2)])
    count = 0
    tops = [0, -size[0], -shift[0]]
    lefts = [0, -size[1], -shift[1]]
    for i in range(3):
        for j in range(3):
            bottom = tops[i + 1] if i < 2 else x.size(1)
            right = lefts[j + 1] if j < 2 else x.size(2)
            mask[tops[i] : bottom, lefts[j] : right] = count
            count += 1
    parts = _windows(mask.unsqueeze(0).unsqueeze(-1), size).squeeze(-1)
    gap = parts.unsqueeze(1) - parts.unsqueeze(2)
    return gap.masked_fill(gap != 0, -100.0).masked_fill(gap == 0, 0.0)


def shifted_window_attention(
    input: Tensor,
    qkv_weight: Tensor,
    proj_weight: Tensor,
    relative_position_bias: Tensor,
    window_size: list[int],
    num_heads: int,
    shift_size: list[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Tensor | None = None,
    proj_bias: Tensor | None = None,
    logit_scale: Tensor | None = None,
    training: bool = True,
) -> Tensor:
    height, width = input.size(1), input.size(2)
    more = [(window_size[0] - height % window_size[0]) % window_size[0]]
    more.append((window_size[1] - width % window_size[1]) % window_size[1])
    x = F.pad(input, [0, 0, 0, more[1], 0, more[0]])
    size = x.size()
    shift = [shift_size[0], shift_size[1]]
    for d in range(2):
        if window_size[d] >= size[d + 1]:
            shift[d] = 0
    if shift[0] + shift[1] > 0:
        x = torch.roll(x, [-shift[0], -shift[1]], [1, 2])
    if logit_scale is not None and qkv_bias is not None:
        third = qkv_bias.numel() // 3
        qkv_bias = qkv_bias.clone()
        qkv_bias[third : 2 * third] = 0.0
    parts = _windows(x, window_size)
    count, places, channels = parts.size(0), parts.size(1), parts.size(2)
    qkv = F.linear(parts, qkv_weight, qkv_bias)
    qkv = qkv.reshape(count, places, 3, num_heads, channels // num_heads).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]
    if logit_scale is not None:
        scores = F.normalize(q, dim=-1).matmul(F.normalize(k, dim=-1).transpose(-2, -1))
        scores = scores * torch.clamp(logit_scale, max=math.log(100.0)).exp()
    else:
        scores = (q * (float(channels // num_heads) ** -0.5)).matmul(k.transpose(-2, -1))
    scores = scores + relative_position_bias
    if shift[0] + shift[1] > 0:
        mask = _shift_mask(x, window_size, shift)
        scores = scores.view(-1, mask.size(0), num_heads, places, places)
        scores = scores + mask.unsqueeze(1).unsqueeze(0)
        scores = scores.view(-1, num_heads, places, places)
    shares = F.dropout(F.softmax(scores, dim=-1), attention_dropout, training)
    found = shares.matmul(v).transpose(1, 2).reshape(count, places, channels)
    found = F.dropout(F.linear(found, proj_weight, proj_bias), dropout, training)
    rows, columns = size[1] // window_size[0], size[2] // window_size[1]
    found = found.view(size[0], rows, columns, window_size[0], window_size[1], channels)
    found = found.permute(0, 1, 3, 2, 4, 5).reshape(size)
    if shift[0] + shift[1] > 0:
        found = torch.roll(found, [shift[0], shift[1]], [1, 2])
    return found[:, :height, :width, :].contiguous()


class ShiftedWindowAttention:
    def forward(self: Any, x: Tensor) -> Tensor:
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(),
            self.window_size, self.num_heads, self.shift_size, self.attention_dropout,
            self.dropout, self.qkv.bias, self.proj.bias, None, self.training,
        )  # fmt: skip


class ShiftedWindowAttentionV2:
    def forward(self: Any, x: Tensor) -> Tensor:
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(),
            self.window_size, self.num_heads, self.shift_size, self.attention_dropout,
            self.dropout, self.qkv.bias, self.proj.bias, self.logit_scale, self.training,
        )  # fmt: skip
