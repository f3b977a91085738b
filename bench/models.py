"""Whole training and inference steps, written once for every library that speaks PyTorch.

Each of LINES is a name and a function of a Library that gives the step to time: no arguments,
weights and inputs inside.
"""

from __future__ import annotations


class Library:
    """`torch` or `rushlight`, and what is done to a model (or function) before it is timed."""

    def __init__(self, module, prepare=None):
        self.module = module
        self.prepare = prepare or (lambda model: model)

    def __getattr__(self, name):
        return getattr(self.module, name)


def training(t, model, x, y, optimizer="Adam", loss=None):
    """One step: zero_grad, forward, loss, backward, update."""
    rule = getattr(t.optim, optimizer)(model.train().parameters(), lr=1e-3)
    model = t.prepare(model)
    loss = loss or t.nn.CrossEntropyLoss()

    def step():
        rule.zero_grad()
        loss(model(x), y).backward()
        rule.step()

    return step


def inference(t, model, x):
    model = t.prepare(model.eval())

    def step():
        with t.no_grad():
            return model(x)

    return step


def mlp(t):
    nn = t.nn
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def digits(t):
    nn = t.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, 10), nn.LogSoftmax(dim=1),
    )  # fmt: skip


def lenet(t):
    nn = t.nn
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


STAGES = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))


def resnet18(t):
    nn = t.nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.relu, self.short = nn.ReLU(inplace=True), nn.Identity()
            if stride > 1 or inputs != outputs:
                short = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                self.short = nn.Sequential(short, nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(y)) + self.short(x))

    layers, inputs = [], 64
    for outputs, stride in STAGES:
        layers.append(Block(inputs, outputs, stride))
        inputs = outputs
    stem = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
    return nn.Sequential(*stem, *layers, *head)


def gpt(t, layers=4, width=256, heads=8, words=1000, length=128):
    nn, attend = t.nn, t.nn.functional.scaled_dot_product_attention

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            n, s, _ = x.shape
            parts = self.qkv(self.before(x)).split(width, dim=2)
            q, k, v = [p.view(n, s, heads, -1).transpose(1, 2) for p in parts]
            seen = attend(q, k, v, is_causal=True).transpose(1, 2).reshape(n, s, width)
            x = x + self.out(seen)
            return x + self.down(nn.functional.gelu(self.up(self.between(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
            self.layers = nn.Sequential(*[Layer() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

        def forward(self, i):
            x = self.words(i) + self.places(t.arange(i.size(1)))
            return self.head(self.norm(self.layers(x))).view(-1, words)

    return Model()


def lstm(t):
    nn = t.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(1000, 128)
            self.cells = nn.LSTM(128, 128, 2, batch_first=True)
            self.head = nn.Linear(128, 1000)

        def forward(self, i):
            return self.head(self.cells(self.words(i))[0]).reshape(-1, 1000)

    return Model()


def encoder_step(t):
    nn = t.nn
    layer = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 2), t.randn(16, 64, 128)
    rule = t.optim.Adam(model.parameters())
    model = t.prepare(model)

    def step():
        rule.zero_grad()
        model(x).pow(2).mean().backward()
        rule.step()

    return step


def text_step(t, model, rows, length, optimizer):
    i = t.randint(0, 1000, (rows, length + 1))
    return training(t, model, i[:, :-1], i[:, 1:].reshape(-1), optimizer)


def classes(t, n):
    return t.randint(0, 10, (n,))


LINES = {
    "MLP 784-128-10, batch 64, Adam": lambda t: training(
        t, mlp(t), t.randn(64, 784), classes(t, 64)
    ),
    "digits CNN, batch 64, Adam": lambda t: training(
        t, digits(t), t.randn(64, 1, 28, 28), classes(t, 64), loss=t.nn.NLLLoss()
    ),
    "LeNet, batch 4, SGD": lambda t: training(
        t, lenet(t), t.randn(4, 3, 32, 32), classes(t, 4), "SGD"
    ),
    "ResNet-18 32x32, batch 8, SGD": lambda t: training(
        t, resnet18(t), t.randn(8, 3, 32, 32), classes(t, 8), "SGD"
    ),
    "GPT 4 x 256, batch 4 of 128, AdamW": lambda t: text_step(t, gpt(t), 4, 128, "AdamW"),
    "Transformer encoder, batch 16 of 64, Adam": encoder_step,
    "LSTM 2 x 128, batch 16 of 32, Adam": lambda t: text_step(t, lstm(t), 16, 32, "Adam"),
    "ResNet-18 32x32, inference, batch 1": lambda t: inference(
        t, resnet18(t), t.randn(1, 3, 32, 32)
    ),
    "GPT 4 x 256, inference, 1 of 32": lambda t: inference(t, gpt(t), t.randint(0, 1000, (1, 32))),
    "MLP 784-128-10, inference, batch 1": lambda t: inference(t, mlp(t), t.randn(1, 784)),
    "LSTM 2 x 128, inference, 1 of 32": lambda t: inference(
        t, lstm(t), t.randint(0, 1000, (1, 32))
    ),
}
KERNELS = {
    "a @ b, 1024": lambda t: product(t, 1024),
    "a @ b, 256": lambda t: product(t, 256),
    "softmax, (4096, 1024)": lambda t: bound(t, t.softmax, t.randn(4096, 1024), -1),
    "layer_norm, (4096, 768)": lambda t: bound(
        t, t.nn.functional.layer_norm, t.randn(4096, 768), (768,), t.rand(768), t.rand(768)
    ),
}


def product(t, n):
    return bound(t, t.matmul, t.randn(n, n), t.randn(n, n))


def bound(t, function, *args):
    return t.prepare(lambda: function(*args))
