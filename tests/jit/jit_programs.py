"""Programs that rushlight and PyTorch trace alike: `programs(lib)` gives (program, inputs)."""

from __future__ import annotations


def functions(torch):
    """Functions of tensors, with their example inputs."""
    F = torch.nn.functional

    def arithmetic(x):
        return (1 - x) / x + 2 / x - x**2 + (-x).exp() * 3.5

    def in_place(x, y):
        z = torch.cat([x, y], 1)
        z += 1
        z[0] = 2
        for _ in range(2):
            z = z * x.shape[0]
        return z.t().softmax(0), z.max(1)[0]

    def indexing(x):
        return x[0], x[:, 1:], x[..., None], x[None, :, ::2], x[x > 0].sum()

    def layers(x):
        y = F.relu(x)[:, None]
        return (
            F.softmax(y, -1).mean((0, 1)),
            F.gelu(x),
            F.layer_norm(x, (4,)),
            F.dropout(x, 0.5, False),
        )

    def pictures(x):
        y = x[None, None]
        return (
            F.max_pool2d(F.pad(y, (1, 1)), 2),
            F.interpolate(y, scale_factor=2),
            F.avg_pool2d(y, 2),
        )

    def shapes(x):
        n = x.shape[0]
        return (
            torch.zeros(n, 2) + x.shape[1] // 2,
            x.view(x.size(0), -1).expand(-1, 4).permute(1, 0).flatten(),
            x.repeat(1, 2).chunk(2, 1)[0].squeeze(),
        )

    def reductions(x):
        return x.sum(), x.sum(1, keepdim=True), x.std(), x.argmax(1), x.topk(2)[0], x.sort()[0]

    def joined(x):
        return torch.einsum("ij,kj->ik", x, x).clamp(min=0), torch.stack([x, x]).view(-1), x @ x.t()

    x = torch.arange(12.0).view(3, 4) / 7 - 0.5
    one = [arithmetic, indexing, layers, pictures, shapes, reductions, joined]
    return {f.__name__: (f, (x,)) for f in one} | {"in_place": (in_place, (x, x + 1))}


def modules(torch):
    """Modules in evaluation mode with weights that are the same everywhere, and example inputs."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3)
            self.norm = nn.BatchNorm2d(3)
            self.seq = nn.Sequential(nn.Linear(48, 5), nn.ReLU(), nn.Dropout(0.5))
            self.weight = nn.Parameter(torch.ones(5))
            self.last = nn.LayerNorm(5)

        def forward(self, x):
            x = nn.functional.relu(self.norm(self.conv(x)))
            x = x.view(x.size(0), -1)
            y = self.last(self.seq(x) * self.weight) + 1
            return y, y.sum(dim=1)

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(20, 8)
            self.lstm = nn.LSTM(8, 6, batch_first=True)
            self.head = nn.Linear(6, 20)

        def forward(self, x):
            hidden, (h, _) = self.lstm(self.embed(x))
            return self.head(hidden), h

    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
    made = {
        "net": (Net(), lambda n: (torch.arange(36.0 * n).view(n, 1, 6, 6) / 50,)),
        "words": (Words(), lambda n: (torch.arange(5 * n).view(n, 5) % 20,)),
        "encoder": (encoder, lambda n: (torch.arange(40.0 * n).view(n, 5, 8) / 50,)),
    }
    for module, _ in made.values():
        module.eval()
        with torch.no_grad():
            for k, p in enumerate(module.parameters()):
                p.copy_(torch.arange(float(p.numel())).view(p.shape).add(k).sin() / 2)
    return made
