"""One table of layers for the parity tests: how to build each, and what to call it with."""

from __future__ import annotations

import numpy as np


class Feed:
    """Arrays for one case, the same for every framework, as that framework's tensors."""

    def __init__(self, torch, seed=0):
        self.torch, self.rng = torch, np.random.default_rng(seed)
        self.leaves = []

    def real(self, *shape, low=-2.0, high=2.0):
        """Float64 values that gradients flow to."""
        t = self.torch.from_numpy(self.rng.uniform(low, high, shape)).requires_grad_(True)
        self.leaves.append(t)
        return t

    def fixed(self, *shape, low=0.1, high=0.9):
        """Float64 values without gradient."""
        return self.torch.from_numpy(self.rng.uniform(low, high, shape))

    def ints(self, *shape, high):
        return self.torch.from_numpy(self.rng.integers(0, high, shape))

    def signs(self, *shape):
        return self.torch.from_numpy(self.rng.choice([-1.0, 1.0], shape))


# name: (constructor of nn, arguments of the call from a Feed)
CASES = {
    "Identity": (lambda nn: nn.Identity(3, x=2), lambda f: (f.real(2, 3),)),
    "Linear": (lambda nn: nn.Linear(3, 4), lambda f: (f.real(2, 5, 3),)),
    "Linear no bias": (lambda nn: nn.Linear(3, 4, bias=False), lambda f: (f.real(3),)),
    "Bilinear": (lambda nn: nn.Bilinear(3, 4, 5), lambda f: (f.real(2, 3), f.real(2, 4))),
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3, 2, 1, groups=2), lambda f: (f.real(2, 4, 9),)),
    "Conv2d same": (
        lambda nn: nn.Conv2d(2, 3, (3, 2), padding="same", dilation=2),
        lambda f: (f.real(2, 2, 6, 7),),
    ),
    "Conv2d circular": (
        lambda nn: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="circular"),
        lambda f: (f.real(2, 5, 6),),
    ),
    "Conv2d reflect": (
        lambda nn: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False),
        lambda f: (f.real(1, 2, 5, 6),),
    ),
    "Conv3d": (lambda nn: nn.Conv3d(2, 3, 2), lambda f: (f.real(1, 2, 3, 4, 4),)),
    "ConvTranspose1d": (
        lambda nn: nn.ConvTranspose1d(2, 3, 3, 2, 1, 1),
        lambda f: (f.real(2, 2, 5),),
    ),
    "ConvTranspose2d": (
        lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, groups=2),
        lambda f: (f.real(2, 4, 3, 3), [8, 7]),
    ),
    "ConvTranspose3d": (
        lambda nn: nn.ConvTranspose3d(2, 3, 2, bias=False),
        lambda f: (f.real(1, 2, 3, 3, 3),),
    ),
    "MaxPool1d": (lambda nn: nn.MaxPool1d(3, 2, 1), lambda f: (f.real(2, 3, 9),)),
    "MaxPool2d": (
        lambda nn: nn.MaxPool2d(3, 2, ceil_mode=True, return_indices=True),
        lambda f: (f.real(2, 3, 8, 8),),
    ),
    "MaxPool3d": (lambda nn: nn.MaxPool3d(2), lambda f: (f.real(1, 2, 4, 4, 4),)),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(3, 2), lambda f: (f.real(2, 3, 9),)),
    "AvgPool2d": (
        lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        lambda f: (f.real(2, 3, 7, 7),),
    ),
    "AvgPool3d": (
        lambda nn: nn.AvgPool3d(2, divisor_override=3),
        lambda f: (f.real(1, 2, 4, 4, 4),),
    ),
    "AdaptiveAvgPool2d": (
        lambda nn: nn.AdaptiveAvgPool2d((None, 3)),
        lambda f: (f.real(2, 3, 5, 7),),
    ),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d(2), lambda f: (f.real(2, 3, 5, 7),)),
    "LPPool1d": (lambda nn: nn.LPPool1d(3, 2), lambda f: (f.real(2, 3, 8, low=0.5),)),
    "LPPool2d": (lambda nn: nn.LPPool2d(2, 2, 3), lambda f: (f.real(2, 3, 8, 8),)),
    "FractionalMaxPool2d": (
        lambda nn: nn.FractionalMaxPool2d(2, output_ratio=(0.5, 0.7)),
        lambda f: (f.real(2, 3, 9, 8),),
    ),
    "FractionalMaxPool3d": (
        lambda nn: nn.FractionalMaxPool3d(2, output_size=(3, 2, 2)),
        lambda f: (f.real(2, 2, 6, 5, 4),),
    ),
    "ConstantPad2d": (
        lambda nn: nn.ConstantPad2d((1, -1, 2, 0), 3.5),
        lambda f: (f.real(2, 4, 4),),
    ),
    "ZeroPad3d": (lambda nn: nn.ZeroPad3d(1), lambda f: (f.real(2, 2, 2, 2),)),
    "ReflectionPad2d": (lambda nn: nn.ReflectionPad2d((1, 2, 0, 3)), lambda f: (f.real(2, 4, 5),)),
    "ReplicationPad1d": (lambda nn: nn.ReplicationPad1d((3, -1)), lambda f: (f.real(2, 4),)),
    "CircularPad3d": (lambda nn: nn.CircularPad3d(1), lambda f: (f.real(1, 2, 3, 3, 3),)),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(3), lambda f: (f.real(4, 3, 5),)),
    "BatchNorm2d average": (
        lambda nn: nn.BatchNorm2d(3, momentum=None),
        lambda f: (f.real(4, 3, 5, 5),),
    ),
    "BatchNorm3d": (lambda nn: nn.BatchNorm3d(3, bias=False), lambda f: (f.real(2, 3, 2, 2, 2),)),
    "BatchNorm1d stateless": (
        lambda nn: nn.BatchNorm1d(3, track_running_stats=False),
        lambda f: (f.real(4, 3),),
    ),
    "SyncBatchNorm": (lambda nn: nn.SyncBatchNorm(3), lambda f: (f.real(4, 3),)),
    "InstanceNorm1d": (lambda nn: nn.InstanceNorm1d(3, affine=True), lambda f: (f.real(2, 3, 5),)),
    "InstanceNorm2d": (
        lambda nn: nn.InstanceNorm2d(3, track_running_stats=True),
        lambda f: (f.real(3, 5, 5),),
    ),
    "LayerNorm": (lambda nn: nn.LayerNorm((3, 4)), lambda f: (f.real(2, 3, 4),)),
    "LayerNorm no bias": (lambda nn: nn.LayerNorm(4, bias=False), lambda f: (f.real(2, 3, 4),)),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), lambda f: (f.real(2, 4, 3),)),
    "RMSNorm": (lambda nn: nn.RMSNorm(4), lambda f: (f.real(2, 3, 4),)),
    "LocalResponseNorm": (lambda nn: nn.LocalResponseNorm(3), lambda f: (f.real(2, 5, 4),)),
    "CrossMapLRN2d": (lambda nn: nn.CrossMapLRN2d(3), lambda f: (f.real(2, 5, 4, 4),)),
    "Dropout": (lambda nn: nn.Dropout(0.3), lambda f: (f.real(5, 6),)),
    "Dropout2d": (lambda nn: nn.Dropout2d(0.5), lambda f: (f.real(4, 5, 2, 2),)),
    "AlphaDropout": (lambda nn: nn.AlphaDropout(0.5), lambda f: (f.real(5, 6),)),
    "Embedding": (
        lambda nn: nn.Embedding(7, 3, padding_idx=2, scale_grad_by_freq=True),
        lambda f: (f.ints(4, 5, high=7),),
    ),
    "EmbeddingBag": (lambda nn: nn.EmbeddingBag(7, 3), lambda f: (f.ints(4, 5, high=7),)),
    "EmbeddingBag max": (
        lambda nn: nn.EmbeddingBag(7, 3, mode="max", padding_idx=1),
        lambda f: (f.ints(9, high=7), f.torch.tensor([0, 2, 2, 6])),
    ),
    "EmbeddingBag sum": (
        lambda nn: nn.EmbeddingBag(7, 3, mode="sum", include_last_offset=True),
        lambda f: (f.ints(9, high=7), f.torch.tensor([0, 4, 9]), f.real(9)),
    ),
    "PairwiseDistance": (
        lambda nn: nn.PairwiseDistance(3, keepdim=True),
        lambda f: (f.real(4, 3), f.real(4, 3)),
    ),
    "CosineSimilarity": (
        lambda nn: nn.CosineSimilarity(),
        lambda f: (f.real(4, 3, 2), f.real(4, 3, 2)),
    ),
    "Flatten": (lambda nn: nn.Flatten(), lambda f: (f.real(2, 3, 4),)),
    "Unflatten": (lambda nn: nn.Unflatten(1, (2, 3)), lambda f: (f.real(2, 6),)),
    "Upsample nearest": (lambda nn: nn.Upsample(scale_factor=1.7), lambda f: (f.real(1, 2, 5, 4),)),
    "Upsample linear": (lambda nn: nn.Upsample(7, mode="linear"), lambda f: (f.real(2, 2, 4),)),
    "Upsample bicubic": (
        lambda nn: nn.Upsample((5, 9), mode="bicubic", align_corners=True),
        lambda f: (f.real(1, 2, 4, 4),),
    ),
    "Upsample trilinear": (
        lambda nn: nn.Upsample(scale_factor=2, mode="trilinear"),
        lambda f: (f.real(1, 2, 2, 3, 2),),
    ),
    "PixelShuffle": (lambda nn: nn.PixelShuffle(2), lambda f: (f.real(2, 8, 3, 2),)),
    "PixelUnshuffle": (lambda nn: nn.PixelUnshuffle(2), lambda f: (f.real(2, 4, 6),)),
    "ChannelShuffle": (lambda nn: nn.ChannelShuffle(2), lambda f: (f.real(2, 6, 3),)),
    "Fold": (lambda nn: nn.Fold((4, 5), 2, padding=1), lambda f: (f.real(2, 8, 30),)),
    "Unfold": (
        lambda nn: nn.Unfold((2, 3), dilation=2, stride=(1, 2)),
        lambda f: (f.real(2, 3, 6, 8),),
    ),
    "RNN": (lambda nn: nn.RNN(3, 4, nonlinearity="relu"), lambda f: (f.real(5, 2, 3),)),
    "LSTM": (
        lambda nn: nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True),
        lambda f: (f.real(2, 5, 3),),
    ),
    "LSTM projected": (
        lambda nn: nn.LSTM(3, 4, proj_size=2),
        lambda f: (f.real(5, 3), (f.real(1, 2), f.real(1, 4))),
    ),
    "GRU": (lambda nn: nn.GRU(3, 4, bias=False), lambda f: (f.real(5, 2, 3), f.real(1, 2, 4))),
    "RNNCell": (lambda nn: nn.RNNCell(3, 4), lambda f: (f.real(2, 3),)),
    "LSTMCell": (
        lambda nn: nn.LSTMCell(3, 4),
        lambda f: (f.real(2, 3), (f.real(2, 4), f.real(2, 4))),
    ),
    "GRUCell": (lambda nn: nn.GRUCell(3, 4), lambda f: (f.real(3),)),
    "MultiheadAttention": (
        lambda nn: nn.MultiheadAttention(6, 2, add_bias_kv=True, add_zero_attn=True),
        lambda f: (f.real(3, 2, 6), f.real(4, 2, 6), f.real(4, 2, 6)),
    ),
    "MultiheadAttention kdim": (
        lambda nn: nn.MultiheadAttention(6, 3, kdim=4, vdim=5, batch_first=True),
        lambda f: (f.real(2, 3, 6), f.real(2, 4, 4), f.real(2, 4, 5)),
    ),
    "TransformerEncoderLayer": (
        lambda nn: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, norm_first=True),
        lambda f: (f.real(3, 2, 4),),
    ),
    "TransformerDecoderLayer": (
        lambda nn: nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, activation="gelu"),
        lambda f: (f.real(3, 2, 4), f.real(5, 2, 4)),
    ),
    "Transformer": (
        lambda nn: nn.Transformer(4, 2, 2, 2, 8, dropout=0.0, batch_first=True),
        lambda f: (f.real(2, 3, 4), f.real(2, 4, 4)),
    ),
    "AdaptiveLogSoftmaxWithLoss": (
        lambda nn: nn.AdaptiveLogSoftmaxWithLoss(16, 12, [4, 8], head_bias=True),
        lambda f: (f.real(6, 16), f.ints(6, high=12)),
    ),
}

_ACTIVATIONS = {
    "Threshold": (0.1, 20), "ReLU": (), "Hardtanh": (-1, 0.5), "ReLU6": (), "Sigmoid": (),
    "Hardsigmoid": (), "Tanh": (), "SiLU": (), "Mish": (), "Hardswish": (), "ELU": (0.7,),
    "CELU": (1.3,), "SELU": (), "GLU": (), "GELU": ("tanh",), "Hardshrink": (), "LeakyReLU": (0.2,),
    "LogSigmoid": (), "Softplus": (2, 1), "Softshrink": (), "PReLU": (4,), "Softsign": (),
    "Tanhshrink": (), "Softmin": (1,), "Softmax": (1,), "LogSoftmax": (-1,), "RReLU": (),
}  # fmt: skip
for _name, _args in _ACTIVATIONS.items():
    CASES[_name] = (
        lambda nn, name=_name, args=_args: getattr(nn, name)(*args),
        lambda f: (f.real(3, 4),),
    )
CASES["Softmax2d"] = (lambda nn: nn.Softmax2d(), lambda f: (f.real(2, 3, 2, 2),))

_LOSSES = {
    "L1Loss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "MSELoss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "SmoothL1Loss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "HuberLoss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "SoftMarginLoss": lambda f: (f.real(3, 4), f.signs(3, 4)),
    "HingeEmbeddingLoss": lambda f: (f.real(3, 4), f.signs(3, 4)),
    "PoissonNLLLoss": lambda f: (f.real(3, 4), f.fixed(3, 4, high=5.0)),
    "MarginRankingLoss": lambda f: (f.real(4), f.real(4), f.signs(4)),
    "CosineEmbeddingLoss": lambda f: (f.real(4, 3), f.real(4, 3), f.signs(4)),
    "TripletMarginLoss": lambda f: (f.real(4, 3), f.real(4, 3), f.real(4, 3)),
    "TripletMarginWithDistanceLoss": lambda f: (f.real(4, 3), f.real(4, 3), f.real(4, 3)),
    "MultiLabelSoftMarginLoss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "MultiLabelMarginLoss": lambda f: (
        f.real(2, 4),
        f.torch.tensor([[3, 0, -1, 1], [2, -1, -1, -1]]),
    ),
    "MultiMarginLoss": lambda f: (f.real(3, 4), f.ints(3, high=4)),
    "NLLLoss": lambda f: (f.real(3, 4), f.ints(3, high=4)),
    "CrossEntropyLoss": lambda f: (f.real(3, 4), f.ints(3, high=4)),
    "BCELoss": lambda f: (f.real(3, 4, low=0.1, high=0.9), f.fixed(3, 4)),
    "BCEWithLogitsLoss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "GaussianNLLLoss": lambda f: (f.real(3, 4), f.fixed(3, 4), f.real(3, 4, low=0.2)),
    "KLDivLoss": lambda f: (f.real(3, 4), f.fixed(3, 4)),
    "CTCLoss": lambda f: (
        f.real(7, 2, 5).log_softmax(-1),
        f.ints(2, 3, high=4) + 1,
        f.torch.tensor([7, 6]),
        f.torch.tensor([3, 2]),
    ),
}
for _name, _feed in _LOSSES.items():
    for _reduction in ("sum", "none") if _name == "KLDivLoss" else ("mean", "sum", "none"):
        CASES[f"{_name} {_reduction}"] = (
            lambda nn, name=_name, reduction=_reduction: getattr(nn, name)(reduction=reduction),
            _feed,
        )
CASES["NLLLoss weighted"] = (
    lambda nn: nn.NLLLoss(nn.Parameter(nn.init.constant_(nn.Linear(1, 4).bias, 0.5)).detach(),
                          ignore_index=1),
    _LOSSES["NLLLoss"],
)  # fmt: skip
CASES["CrossEntropyLoss smooth"] = (
    lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1), _LOSSES["CrossEntropyLoss"],
)  # fmt: skip
