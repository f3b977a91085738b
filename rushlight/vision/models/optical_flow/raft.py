"""RAFT: recurrent all-pairs field transforms for optical flow (Teed, Deng 2020)."""

from __future__ import annotations

import math
from typing import Any

from .... import Tensor, cat, linspace, matmul, meshgrid, nn, stack
from ....nn import functional as F
from ...ops import Conv2dNormActivation
from .._api import load_into, model_builder, weights_enum
from ._utils import grid_sample, make_coords_grid, upsample_flow

__all__ = ("RAFT", "raft_large", "raft_small", "Raft_Large_Weights", "Raft_Small_Weights")


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, in_channels, out_channels, *, norm_layer, stride=1, always_project=False):
        super().__init__()
        kind = {"norm_layer": norm_layer, "bias": True}
        self.convnormrelu1 = Conv2dNormActivation(
            in_channels, out_channels, kernel_size=3, stride=stride, **kind
        )
        self.convnormrelu2 = Conv2dNormActivation(out_channels, out_channels, kernel_size=3, **kind)
        self.downsample: nn.Module
        if stride == 1 and not always_project:
            self.downsample = nn.Identity()
        else:
            self.downsample = Conv2dNormActivation(
                in_channels, out_channels, kernel_size=1, stride=stride, activation_layer=None,
                **kind,
            )  # fmt: skip
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        """The activated sum."""
        return self.relu(self.downsample(x) + self.convnormrelu2(self.convnormrelu1(x)))


class BottleneckBlock(nn.Module):
    """A convolution between two of 1 by 1, beside a shortcut."""

    def __init__(self, in_channels, out_channels, *, norm_layer, stride=1):
        super().__init__()
        kind, middle = {"norm_layer": norm_layer, "bias": True}, out_channels // 4
        self.convnormrelu1 = Conv2dNormActivation(in_channels, middle, kernel_size=1, **kind)
        self.convnormrelu2 = Conv2dNormActivation(
            middle, middle, kernel_size=3, stride=stride, **kind
        )
        self.convnormrelu3 = Conv2dNormActivation(middle, out_channels, kernel_size=1, **kind)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module
        if stride == 1:
            self.downsample = nn.Identity()
        else:
            self.downsample = Conv2dNormActivation(
                in_channels, out_channels, kernel_size=1, stride=stride, activation_layer=None,
                **kind,
            )  # fmt: skip

    def forward(self, x):
        """The activated sum."""
        y = self.convnormrelu3(self.convnormrelu2(self.convnormrelu1(x)))
        return self.relu(self.downsample(x) + y)


class FeatureEncoder(nn.Module):
    """Maps of an eighth of an image's size."""

    def __init__(
        self,
        *,
        block=ResidualBlock,
        layers=(64, 64, 96, 128, 256),
        strides=(2, 1, 2, 2),
        norm_layer=nn.BatchNorm2d,
    ):
        super().__init__()
        if len(layers) != 5:
            raise ValueError(f"The expected number of layers is 5, instead got {len(layers)}")
        self.convnormrelu = Conv2dNormActivation(
            3, layers[0], norm_layer=norm_layer, kernel_size=7, stride=strides[0], bias=True
        )
        for i in range(3):
            stage = self._make_2_blocks(block, *layers[i : i + 2], norm_layer, strides[i + 1])
            setattr(self, f"layer{i + 1}", stage)
        self.conv = nn.Conv2d(layers[3], layers[4], kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)):
                if module.weight is not None:
                    nn.init.constant_(module.weight, 1)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
        self.output_dim = layers[-1]
        self.downsample_factor = 2 ** sum(stride == 2 for stride in strides)

    def _make_2_blocks(self, block, in_channels, out_channels, norm_layer, first_stride):
        first = block(in_channels, out_channels, norm_layer=norm_layer, stride=first_stride)
        second = block(out_channels, out_channels, norm_layer=norm_layer, stride=1)
        return nn.Sequential(first, second)

    def forward(self, x):
        """The maps (N, layers[-1], H / 8, W / 8)."""
        return self.conv(self.layer3(self.layer2(self.layer1(self.convnormrelu(x)))))


class MotionEncoder(nn.Module):
    """What correlations and the flow so far say, together with that flow."""

    def __init__(
        self, *, in_channels_corr, corr_layers=(256, 192), flow_layers=(128, 64), out_channels=128
    ):
        super().__init__()
        if len(flow_layers) != 2:
            raise ValueError(
                f"The expected number of flow_layers is 2, instead got {len(flow_layers)}"
            )
        if len(corr_layers) not in (1, 2):
            raise ValueError(
                f"The number of corr_layers should be 1 or 2, instead got {len(corr_layers)}"
            )
        plain = {"norm_layer": None}
        self.convcorr1 = Conv2dNormActivation(
            in_channels_corr, corr_layers[0], kernel_size=1, **plain
        )
        if len(corr_layers) == 2:
            self.convcorr2 = Conv2dNormActivation(*corr_layers, kernel_size=3, **plain)
        else:
            self.convcorr2 = nn.Identity()
        self.convflow1 = Conv2dNormActivation(2, flow_layers[0], kernel_size=7, **plain)
        self.convflow2 = Conv2dNormActivation(*flow_layers, kernel_size=3, **plain)
        self.conv = Conv2dNormActivation(
            corr_layers[-1] + flow_layers[-1], out_channels - 2, kernel_size=3, **plain
        )
        self.out_channels = out_channels

    def forward(self, flow, corr_features):
        """Maps of `out_channels`; the last two are the flow."""
        corr = self.convcorr2(self.convcorr1(corr_features))
        moved = self.convflow2(self.convflow1(flow))
        return cat([self.conv(cat([corr, moved], dim=1)), flow], dim=1)


class ConvGRU(nn.Module):
    """A gated recurrent unit of convolutions."""

    def __init__(self, *, input_size, hidden_size, kernel_size, padding):
        super().__init__()
        both = hidden_size + input_size
        self.convz = nn.Conv2d(both, hidden_size, kernel_size=kernel_size, padding=padding)
        self.convr = nn.Conv2d(both, hidden_size, kernel_size=kernel_size, padding=padding)
        self.convq = nn.Conv2d(both, hidden_size, kernel_size=kernel_size, padding=padding)

    def forward(self, h, x):
        """The next hidden state."""
        hx = cat([h, x], dim=1)
        z, r = self.convz(hx).sigmoid(), self.convr(hx).sigmoid()
        q = self.convq(cat([r * h, x], dim=1)).tanh()
        return (1 - z) * h + z * q


def _pass_through_h(h, _):
    return h


class RecurrentBlock(nn.Module):
    """One unit, or two by turns along rows and columns."""

    def __init__(
        self, *, input_size, hidden_size, kernel_size=((1, 5), (5, 1)), padding=((0, 2), (2, 0))
    ):
        super().__init__()
        if len(kernel_size) != len(padding):
            raise ValueError(
                f"kernel_size should have the same length as padding, instead got "
                f"{len(kernel_size)} and {len(padding)}"
            )
        if len(kernel_size) not in (1, 2):
            raise ValueError(f"kernel_size should either 1 or 2, instead got {len(kernel_size)}")
        sizes = {"input_size": input_size, "hidden_size": hidden_size}
        self.convgru1 = ConvGRU(kernel_size=kernel_size[0], padding=padding[0], **sizes)
        if len(kernel_size) == 2:
            self.convgru2 = ConvGRU(kernel_size=kernel_size[1], padding=padding[1], **sizes)
        else:
            self.convgru2 = _pass_through_h
        self.hidden_size = hidden_size

    def forward(self, h, x):
        """The next hidden state."""
        return self.convgru2(self.convgru1(h, x), x)


class FlowHead(nn.Module):
    """A flow from a hidden state."""

    def __init__(self, *, in_channels, hidden_size):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden_size, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden_size, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        """The flow (N, 2, H, W)."""
        return self.conv2(self.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """One step: the hidden state and by how much the flow changes."""

    def __init__(self, *, motion_encoder, recurrent_block, flow_head):
        super().__init__()
        self.motion_encoder = motion_encoder
        self.recurrent_block = recurrent_block
        self.flow_head = flow_head
        self.hidden_state_size = recurrent_block.hidden_size

    def forward(self, hidden_state, context, corr_features, flow):
        """(the next hidden state, the flow's change)."""
        x = cat([context, self.motion_encoder(flow, corr_features)], dim=1)
        hidden_state = self.recurrent_block(hidden_state, x)
        return hidden_state, self.flow_head(hidden_state)


class MaskPredictor(nn.Module):
    """The weights that bring the flow to the image's size."""

    def __init__(self, *, in_channels, hidden_size, multiplier=0.25):
        super().__init__()
        self.convrelu = Conv2dNormActivation(
            in_channels, hidden_size, norm_layer=None, kernel_size=3
        )
        self.conv = nn.Conv2d(hidden_size, 8 * 8 * 9, 1, padding=0)
        self.multiplier = multiplier

    def forward(self, x):
        """The weights before the softmax; `multiplier` tames their gradients."""
        return self.multiplier * self.conv(self.convrelu(x))


class CorrBlock(nn.Module):
    """The products of all pairs of places, at several sizes, looked up around given places."""

    corr_pyramid: list[Tensor]

    def __init__(self, *, num_levels: int = 4, radius: int = 4):
        super().__init__()
        self.num_levels = num_levels
        self.radius = radius
        self.corr_pyramid = []
        self.out_channels = num_levels * (2 * radius + 1) ** 2

    def build_pyramid(self, fmap1: Tensor, fmap2: Tensor):
        """Compute the products of two maps (N, C, H, W), and their means over squares."""
        if fmap1.shape != fmap2.shape:
            raise ValueError(
                f"Input feature maps should have the same shape, instead got {fmap1.shape} "
                f"(fmap1.shape) != {fmap2.shape} (fmap2.shape)"
            )
        least = 2 * 2 ** (self.num_levels - 1)
        if min(fmap1.shape[-2:]) < least:
            raise ValueError(
                "Feature maps are too small to be down-sampled by the correlation pyramid. "
                f"H and W of feature maps should be at least {least}; got: {fmap1.shape[-2:]}. "
                "Remember that input images to the model are downsampled by 8, so that means "
                f"their dimensions should be at least 8 * {least} = {8 * least}."
            )
        volume = self._compute_corr_volume(fmap1, fmap2)
        n, h, w, channels, h2, w2 = volume.shape
        volume = volume.reshape(n * h * w, channels, h2, w2)
        self.corr_pyramid = [volume]
        for _ in range(self.num_levels - 1):
            volume = F.avg_pool2d(volume, kernel_size=2, stride=2)
            self.corr_pyramid.append(volume)

    def index_pyramid(self, centroids_coords: Tensor) -> Tensor:
        """The products around places (N, 2, H, W): (N, out_channels, H, W)."""
        side = 2 * self.radius + 1
        steps = linspace(-self.radius, self.radius, side, device=centroids_coords.device)
        around = stack(meshgrid(steps, steps, indexing="ij"), dim=-1).view(1, side, side, 2)
        n, _, h, w = centroids_coords.shape
        centres = centroids_coords.permute(0, 2, 3, 1).reshape(n * h * w, 1, 1, 2)
        found = []
        for volume in self.corr_pyramid:
            near = grid_sample(volume, centres + around, align_corners=True, mode="bilinear")
            found.append(near.view(n, h, w, -1))
            centres = centres / 2
        return cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()

    def _compute_corr_volume(self, fmap1, fmap2):
        n, channels, h, w = fmap1.shape
        first, second = fmap1.view(n, channels, h * w), fmap2.view(n, channels, h * w)
        corr = matmul(first.transpose(1, 2), second)
        return corr.view(n, h, w, 1, h, w) / math.sqrt(channels)


class RAFT(nn.Module):
    """Encoders of features and context, correlations, and steps that refine a flow."""

    def __init__(
        self, *, feature_encoder, context_encoder, corr_block, update_block, mask_predictor=None
    ):
        super().__init__()
        self.feature_encoder = feature_encoder
        self.context_encoder = context_encoder
        self.corr_block = corr_block
        self.update_block = update_block
        self.mask_predictor = mask_predictor
        if not hasattr(self.update_block, "hidden_state_size"):
            raise ValueError("The update_block parameter should expose a 'hidden_state_size'.")

    def forward(self, image1, image2, num_flow_updates: int = 12):
        """The flow (N, 2, H, W) after each of `num_flow_updates` steps."""
        n, _, h, w = image1.shape
        if [h, w] != list(image2.shape[-2:]):
            raise ValueError(
                f"input images should have the same shape, instead got ({h}, {w}) != "
                f"{image2.shape[-2:]}"
            )
        if h % 8 != 0 or w % 8 != 0:
            raise ValueError(
                f"input image H and W should be divisible by 8, instead got {h} (h) and {w} (w)"
            )
        fmap1, fmap2 = self.feature_encoder(cat([image1, image2], dim=0)).chunk(2, dim=0)
        self.corr_block.build_pyramid(fmap1, fmap2)
        context = self.context_encoder(image1)
        size = self.update_block.hidden_state_size
        if context.shape[1] <= size:
            raise ValueError(
                f"The context encoder outputs {context.shape[1]} channels, but it should have at "
                f"least hidden_state={size} channels"
            )
        hidden, context = context.split([size, context.shape[1] - size], dim=1)
        hidden, context = hidden.tanh(), F.relu(context)
        start = make_coords_grid(n, h // 8, w // 8, device=fmap1.device)
        places, flows = start, []
        for _ in range(num_flow_updates):
            places = places.detach()  # each step is trained by itself
            corr = self.corr_block.index_pyramid(centroids_coords=places)
            hidden, change = self.update_block(hidden, context, corr, places - start)
            places = places + change
            mask = None if self.mask_predictor is None else self.mask_predictor(hidden)
            flows.append(upsample_flow(flow=places - start, up_mask=mask))
        return flows


def _raft(
    *,
    weights=None,
    progress=False,
    feature_encoder_layers,
    feature_encoder_block,
    feature_encoder_norm_layer,
    context_encoder_layers,
    context_encoder_block,
    context_encoder_norm_layer,
    corr_block_num_levels,
    corr_block_radius,
    motion_encoder_corr_layers,
    motion_encoder_flow_layers,
    motion_encoder_out_channels,
    recurrent_block_hidden_state_size,
    recurrent_block_kernel_size,
    recurrent_block_padding,
    flow_head_hidden_size,
    use_mask_predictor,
    **kwargs,
):
    """A RAFT of parts of the given sizes, or of the parts in `kwargs`."""
    features = kwargs.pop("feature_encoder", None) or FeatureEncoder(
        block=feature_encoder_block,
        layers=feature_encoder_layers,
        norm_layer=feature_encoder_norm_layer,
    )
    context = kwargs.pop("context_encoder", None) or FeatureEncoder(
        block=context_encoder_block,
        layers=context_encoder_layers,
        norm_layer=context_encoder_norm_layer,
    )
    corr = kwargs.pop("corr_block", None) or CorrBlock(
        num_levels=corr_block_num_levels, radius=corr_block_radius
    )
    hidden, update = recurrent_block_hidden_state_size, kwargs.pop("update_block", None)
    if update is None:
        motion = MotionEncoder(
            in_channels_corr=corr.out_channels,
            corr_layers=motion_encoder_corr_layers,
            flow_layers=motion_encoder_flow_layers,
            out_channels=motion_encoder_out_channels,
        )
        recurrent = RecurrentBlock(
            input_size=motion.out_channels + context_encoder_layers[-1] - hidden,
            hidden_size=hidden,
            kernel_size=recurrent_block_kernel_size,
            padding=recurrent_block_padding,
        )
        head = FlowHead(in_channels=hidden, hidden_size=flow_head_hidden_size)
        update = UpdateBlock(motion_encoder=motion, recurrent_block=recurrent, flow_head=head)
    mask = kwargs.pop("mask_predictor", None)
    if mask is None and use_mask_predictor:
        mask = MaskPredictor(in_channels=hidden, hidden_size=256, multiplier=0.25)
    model = RAFT(
        feature_encoder=features,
        context_encoder=context,
        corr_block=corr,
        update_block=update,
        mask_predictor=mask,
        **kwargs,
    )
    return load_into(model, weights, progress)


Raft_Large_Weights = weights_enum("Raft_Large_Weights")
Raft_Small_Weights = weights_enum("Raft_Small_Weights")


@model_builder(Raft_Large_Weights, "C_T_SKHT_V2", loads=True)
def raft_large(weights: Any, progress: bool, **kwargs: Any) -> RAFT:
    """The RAFT of the paper."""
    return _raft(
        weights=weights,
        progress=progress,
        feature_encoder_layers=(64, 64, 96, 128, 256),
        feature_encoder_block=ResidualBlock,
        feature_encoder_norm_layer=nn.InstanceNorm2d,
        context_encoder_layers=(64, 64, 96, 128, 256),
        context_encoder_block=ResidualBlock,
        context_encoder_norm_layer=nn.BatchNorm2d,
        corr_block_num_levels=4,
        corr_block_radius=4,
        motion_encoder_corr_layers=(256, 192),
        motion_encoder_flow_layers=(128, 64),
        motion_encoder_out_channels=128,
        recurrent_block_hidden_state_size=128,
        recurrent_block_kernel_size=((1, 5), (5, 1)),
        recurrent_block_padding=((0, 2), (2, 0)),
        flow_head_hidden_size=256,
        use_mask_predictor=True,
        **kwargs,
    )


@model_builder(Raft_Small_Weights, "C_T_V2", loads=True)
def raft_small(weights: Any, progress: bool, **kwargs: Any) -> RAFT:
    """The small RAFT of the paper's appendix."""
    return _raft(
        weights=weights,
        progress=progress,
        feature_encoder_layers=(32, 32, 64, 96, 128),
        feature_encoder_block=BottleneckBlock,
        feature_encoder_norm_layer=nn.InstanceNorm2d,
        context_encoder_layers=(32, 32, 64, 96, 160),
        context_encoder_block=BottleneckBlock,
        context_encoder_norm_layer=None,
        corr_block_num_levels=4,
        corr_block_radius=3,
        motion_encoder_corr_layers=(96,),
        motion_encoder_flow_layers=(64, 32),
        motion_encoder_out_channels=82,
        recurrent_block_hidden_state_size=96,
        recurrent_block_kernel_size=(3,),
        recurrent_block_padding=(1,),
        flow_head_hidden_size=128,
        use_mask_predictor=False,
        **kwargs,
    )
