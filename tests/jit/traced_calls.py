"""Calls of nn.functional and layers whose graphs are those of PyTorch, operator by operator.

In the calls `v` is a vector, `m`, `n` matrices, `p` a positive one, `s` signals, `i` images, `k`
volumes, `y` labels and `w` the weight of a convolution.
"""

from __future__ import annotations

FUNCTIONS = """
F.relu(m)
F.relu(m + 1, inplace=True)
F.hardtanh(m, -2, 2)
F.leaky_relu(m)
F.rrelu(m)
F.celu(m)
F.logsigmoid(m)
F.softsign(m)
F.tanhshrink(m)
F.glu(m)
F.softmax(m, 1)
F.log_softmax(m, -1, dtype=torch.float64)
F.softmin(m, 0)
F.gumbel_softmax(m, hard=True)
F.dropout(m, 0.5, False)
F.dropout1d(m)
F.dropout2d(i)
F.max_pool1d(s, 2)
F.max_pool2d(i, 2, return_indices=True)
F.max_pool3d(k, 2, stride=None, ceil_mode=True)
F.max_unpool2d(*F.max_pool2d(i, 2, return_indices=True), 2, output_size=(6, 6))[0:1]
F.avg_pool2d(i, 2, None)
F.adaptive_avg_pool2d(i, (None, 2))
F.adaptive_max_pool1d(s, 2)
F.adaptive_max_pool3d(k, (None, 2, 1))
F.fractional_max_pool2d(i, 2, output_size=(3, 3))
F.lp_pool2d(i.abs(), 2, 2)
F.conv2d(i, w, padding="same")
F.conv_transpose2d(i, w.transpose(0, 1), stride=2)
F.pad(i, (1, 1, 1, 1), "circular")
F.interpolate(i, scale_factor=2)
F.interpolate(i, size=(i.shape[2] * 2, 5), mode="bilinear")
F.interpolate(s, size=4, mode="area")
F.interpolate(i, size=4, mode="bilinear", antialias=True)
F.upsample(k, scale_factor=2)
F.grid_sample(i, i[:, :2].permute(0, 2, 3, 1))
F.unfold(i, 3)
F.batch_norm(i, v[:3], v[:3].abs() + 1)
F.batch_norm(i, None, None, training=True)
F.instance_norm(i)
F.layer_norm(m, (6,))
F.group_norm(i, 3)
F.local_response_norm(i, 2)
F.normalize(m)
F.embedding(y, m, padding_idx=-1)
F.embedding(y, m.clone(), max_norm=1.0)
F.embedding_bag(y[None], m)
F.mse_loss(m, n)
F.mse_loss(m, n, size_average=False)
F.mse_loss(p, n, weight=p)
F.l1_loss(m, n, reduction="none")
F.smooth_l1_loss(m, n, beta=0.0)
F.huber_loss(p, n, weight=p)
F.kl_div(m, n, reduction="batchmean")
F.cross_entropy(m, y, label_smoothing=0.1)
F.nll_loss(m, y, reduction="sum")
F.binary_cross_entropy_with_logits(m, n, pos_weight=v)
F.poisson_nll_loss(m, p)
F.gaussian_nll_loss(m, n, p, full=True)
F.hinge_embedding_loss(m, n)
F.triplet_margin_loss(m, n, p)
F.multi_margin_loss(m, y)
F.multilabel_soft_margin_loss(m, n.sign())
m.norm(dim=1, keepdim=True)
m.split([2, 4], 1)[0]
m.expand_as(m)
m.double().float(memory_format=torch.preserve_format)
i.to(memory_format=torch.channels_last)
torch.broadcast_tensors(v, m)[0]
"""

LAYERS = """
nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"): i
nn.BatchNorm2d(3, momentum=None): i
nn.InstanceNorm1d(3): s
nn.Softmax2d(): i
nn.LPPool1d(2, 2): s
nn.FractionalMaxPool2d(2, output_ratio=0.5): i
nn.LocalResponseNorm(2): s
nn.EmbeddingBag(3, 4): y[None]
nn.RNN(8, 3, nonlinearity="relu"): s
nn.GRU(8, 3, 2, bidirectional=True, batch_first=True): s
nn.LSTM(8, 3, proj_size=2): s
nn.LSTM(8, 3): s[0]
nn.LSTM(8, 3, bias=False): s, (s[:1, :, :3], s[:1, :, :3])
nn.MultiheadAttention(8, 2): s, s, s
nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True): s, s, s
nn.MultiheadAttention(8, 2, kdim=8, vdim=8, batch_first=True): s, s, s
nn.TransformerEncoderLayer(8, 2, 16): s
nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, norm_first=True), 1): s, s
"""


def tensors(torch) -> dict:
    """The tensors that calls name."""

    def made(*shape):
        return torch.arange(float(torch.Size(shape).numel())).mul(0.37).sin().reshape(shape)

    m = made(3, 6)
    return {
        "v": made(6), "m": m, "n": m.cos(), "p": m.abs() + 0.1, "s": made(2, 3, 8),
        "i": made(2, 3, 6, 6), "k": made(1, 2, 4, 4, 4), "y": torch.tensor([1, 0, 2]),
        "w": made(4, 3, 3, 3),
    }  # fmt: skip


def function(torch, call: str):
    """(program, inputs) of a call."""
    given = tensors(torch)
    names = {"torch": torch, "F": torch.nn.functional, "__name__": "calls"}
    return eval(f"lambda {', '.join(given)}: {call}", names), tuple(given.values())


def layer(torch, line: str):
    """(module, inputs) of a layer: weights are the same everywhere."""
    made, _, inputs = line.partition("): ")
    module = eval(made + ")", {"nn": torch.nn})
    with torch.no_grad():
        for number, p in enumerate(module.parameters()):
            p.copy_(torch.arange(float(p.numel())).view(p.shape).add(number).sin() / 2)
    found = eval(f"({inputs},)", {}, tensors(torch))
    return module, tuple(x.clone() if hasattr(x, "clone") else x for x in found)


def kinds(made) -> list[list[str]]:
    """The operators of a traced function, or of every method of a traced module."""
    if not hasattr(made, "named_modules"):
        return [[n.kind() for n in made.graph.nodes()]]
    methods = [
        module._c._get_method(name)
        for _, module in made.named_modules()
        for name in module._c._method_names()
    ]
    return [[n.kind() for n in method.graph.nodes()] for method in methods]
