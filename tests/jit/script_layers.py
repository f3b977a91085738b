# ruff: noqa: UP007, UP045 (as users of the language write)
"""Modules that the tests of scripting compile: under rushlight, and under PyTorch where it is.

`MODULES` names makers of modules and arguments for them; `LAYERS` makers of torch.nn's layers.
"""

from typing import Optional

import rushlight as torch

Tensor = torch.Tensor
nn = torch.nn
F = torch.nn.functional


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(3, 3))
        self.register_buffer("b", torch.zeros(3))
        self.k = 3
        self.none = None

    def helper(self, x, y: int):
        return x + y

    def forward(self, x: Tensor):
        if self.training:
            x = self.helper(x, self.k)
        if self.none is not None:
            x = self.none(x)
        return torch.matmul(x, self.w) + self.b


class Containers(nn.Module):
    __constants__ = ["n"]
    f: torch.jit.Final[int]
    opt: Optional[Tensor]

    def __init__(self):
        super().__init__()
        self.n = 4
        self.f = 5
        self.opt = None
        self.one = Plain()
        self.layers = nn.ModuleList([Plain(), Plain()])
        self.named = nn.ModuleDict({"x": Plain(), "y": Plain()})
        self.seq = nn.Sequential(Plain(), nn.ReLU())
        self.values = nn.ParameterList([nn.Parameter(torch.ones(3))])

    def forward(self, x: Tensor, flag: bool = False) -> Tensor:
        x = self.one(x)
        for layer in self.layers:
            x = layer(x)
        for i, layer in enumerate(self.layers):
            x = layer(x) + i
        x = self.layers[0](x)
        for _, v in self.named.items():
            x = v(x)
        y = [inner(x) for inner in self.layers]
        o = self.opt
        if o is not None:
            x = x + o
        x = x + self.n + self.f
        for p in self.values:
            x = x + p
        return self.seq(self.named["x"](x)) + y[0]


class Methods(nn.Module):
    seen: list[int]

    def __init__(self):
        super().__init__()
        self.count = 0
        self.act = F.relu
        self.table: dict[str, int] = {"a": 1}
        self.seen = []

    @torch.jit._overload_method
    def add(self, x: int) -> int:
        pass

    @torch.jit._overload_method  # noqa: F811
    def add(self, x: Tensor) -> Tensor:  # noqa: F811
        pass

    def add(self, x):  # noqa: F811
        return x + 1

    @torch.jit.export
    def infer(self, x: Tensor, t: Optional[int] = None) -> int:
        self.count += 1
        return self.count if t is None else t

    @staticmethod
    def double(x: Tensor) -> Tensor:
        return x * 2

    @torch.jit.unused
    def left_out(self, x: int) -> int:
        return [object()][0]

    def forward(self, x: Tensor):
        self.seen.append(self.add(3))
        if self.count > 100:
            self.left_out(3)
        return self.double(self.act(self.add(x))) + self.table["a"], len(self.seen)


@torch.jit.interface
class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Up(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1


class Interfaced(nn.Module):
    step: Step

    def __init__(self):
        super().__init__()
        self.step = Up()

    def forward(self, x: Tensor) -> Tensor:
        return self.step.forward(x)


class Inherited(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.helper(x, 1) * 2


class Attention(nn.Module):
    __constants__ = ["heads"]

    def __init__(self):
        super().__init__()
        self.heads = 2
        self.qkv = nn.Linear(4, 12)
        self.proj = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.0)
        self.register_buffer("mask", torch.tril(torch.ones(8, 8)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = q.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        k = k.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        v = v.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / (k.size(-1) ** 0.5))
        att = att.masked_fill(self.mask[:t, :t] == 0, float("-inf"))
        att = self.drop(F.softmax(att, dim=-1))
        return self.proj((att @ v).transpose(1, 2).contiguous().view(b, t, c))


class Functional(nn.Module):
    def forward(self, x: Tensor, w: Tensor, t: Tensor):
        x = F.batch_norm(x, None, None, training=True)
        y = F.max_pool2d(F.dropout(x, 0.0, self.training), 2)
        p, i = F.max_pool2d(x, 2, return_indices=True)
        z = F.softmax(F.linear(x, w), dim=-1)
        return y, p, i, z, F.pad(x, (1, 1)), F.conv2d(x, t), F.gelu(x), F.normalize(x)


def seeded(*shape):
    """Numbers that both libraries draw alike."""
    torch.manual_seed(0)
    return torch.randn(*shape)


MODULES = {
    "plain": (Plain, (seeded(2, 3),)),
    "containers": (Containers, (seeded(2, 3),)),
    "methods": (Methods, (seeded(2, 3),)),
    "interfaced": (Interfaced, (seeded(2, 3),)),
    "inherited": (Inherited, (seeded(2, 3),)),
    "attention": (Attention, (seeded(2, 5, 4),)),
    "functional": (Functional, (seeded(2, 3, 4, 4), seeded(4, 4), seeded(3, 3, 1, 1))),
}

R = seeded
LAYERS = {
    "linear": lambda: (nn.Linear(3, 4), R(2, 3)),
    "bilinear": lambda: (nn.Bilinear(3, 4, 5), R(2, 3), R(2, 4)),
    "conv1d": lambda: (nn.Conv1d(3, 4, 3), R(1, 3, 8)),
    "conv2d": lambda: (nn.Conv2d(3, 4, 3, padding="same"), R(1, 3, 8, 8)),
    "conv2d reflect": lambda: (nn.Conv2d(3, 4, 3, 1, 1, padding_mode="reflect"), R(1, 3, 8, 8)),
    "conv transposed": lambda: (nn.ConvTranspose2d(3, 4, 3, stride=2), R(1, 3, 5, 5)),
    "batch norm": lambda: (nn.BatchNorm2d(3), R(4, 3, 2, 2)),
    "batch norm, all": lambda: (nn.BatchNorm1d(3, momentum=None), R(4, 3)),
    "instance norm": lambda: (nn.InstanceNorm2d(3, affine=True), R(4, 3, 2, 2)),
    "layer norm": lambda: (nn.LayerNorm(3), R(4, 3)),
    "group norm": lambda: (nn.GroupNorm(2, 4), R(2, 4, 3)),
    "max pool": lambda: (nn.MaxPool2d(2, return_indices=True), R(1, 2, 8, 8)),
    "adaptive": lambda: (nn.AdaptiveAvgPool2d((2, 3)), R(1, 2, 8, 8)),
    "unpool": lambda: (nn.MaxUnpool1d(2), *nn.MaxPool1d(2, return_indices=True)(R(1, 2, 8))),
    "lp pool": lambda: (nn.LPPool2d(2, 2), R(1, 2, 8, 8).abs()),
    "softmax": lambda: (nn.Softmax(dim=1), R(2, 4)),
    "prelu": lambda: (nn.PReLU(), R(2, 4)),
    "embedding": lambda: (nn.Embedding(5, 3, padding_idx=0), torch.tensor([1, 2])),
    "bag": lambda: (nn.EmbeddingBag(5, 3), torch.tensor([1, 2, 3]), torch.tensor([0, 2])),
    "flatten": lambda: (nn.Flatten(), R(2, 3, 4)),
    "upsample": lambda: (nn.Upsample(scale_factor=2.5, mode="bilinear"), R(1, 2, 3, 3)),
    "circular": lambda: (nn.CircularPad2d(1), R(1, 2, 4, 4)),
    "rnn": lambda: (nn.RNN(3, 4, 2), R(5, 2, 3)),
    "lstm": lambda: (nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True), R(2, 5, 3)),
    "lstm, state": lambda: (nn.LSTM(3, 4), R(5, 2, 3), (R(1, 2, 4), R(1, 2, 4))),
    "gru": lambda: (nn.GRU(3, 4), R(5, 3)),
    "lstm cell": lambda: (nn.LSTMCell(3, 4), R(2, 3)),
    "attention": lambda: (nn.MultiheadAttention(4, 2), R(5, 2, 4), R(5, 2, 4), R(5, 2, 4)),
    "encoder": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2).eval(), R(5, 2, 4),
    ),
    "transformer": lambda: (nn.Transformer(4, 2, 1, 1, 8).eval(), R(5, 2, 4), R(5, 2, 4)),
    "cross entropy": lambda: (
        nn.CrossEntropyLoss(label_smoothing=0.1), R(3, 4), torch.tensor([1, 0, 2]),
    ),
    "kl": lambda: (nn.KLDivLoss(reduction="batchmean"), R(3, 2), R(3, 2).softmax(1)),
    "gaussian": lambda: (nn.GaussianNLLLoss(), R(3, 2), R(3, 2) + 1, R(3, 2).exp()),
    "triplet": lambda: (nn.TripletMarginLoss(), R(3, 2), R(3, 2) + 1, R(3, 2) - 1),
}  # fmt: skip
