"""Four small networks trained for twenty steps with dropout, under either framework.

Each function gives the optimizer, what computes the loss of a new batch, and what to call before
and after a step of the optimizer (or None).

    python tests/nn/trainings.py     writes the losses that PyTorch gives; needs PyTorch
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

KEPT = Path(__file__).parent / "trainings.json"
STEPS = 20


def mlp(torch):
    """A perceptron on points in 20 dimensions, with Adam."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 64), nn.GELU(),
        nn.Dropout(0.2), nn.LayerNorm(64), nn.Linear(64, 5),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def batch():
        x = torch.randn(32, 20)
        return nn.functional.cross_entropy(model(x), x[:, :5].argmax(1))

    return optimizer, batch, None, None


def cnn(torch):
    """A convolutional network on noisy images, with SGD and momentum."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout2d(0.25), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 4),
    )  # fmt: skip
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True
    )

    def batch():
        y = torch.randint(0, 4, (16,))
        x = torch.randn(16, 1, 16, 16) * 0.5 + y.view(-1, 1, 1, 1)
        return nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)

    return optimizer, batch, None, None


def language_model(torch):
    """Two LSTM layers that predict the next of 30 words, gradients clipped, with AdamW."""
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(30, 16)
            self.dropout = nn.Dropout(0.2)
            self.lstm = nn.LSTM(16, 32, num_layers=2, dropout=0.3, batch_first=True)
            self.head = nn.Linear(32, 30)

        def forward(self, x):
            output, _ = self.lstm(self.dropout(self.embedding(x)))
            return self.head(self.dropout(output))

    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)

    def batch():
        start = torch.randint(0, 30, (8, 1))
        words = (start + torch.arange(13) * 3) % 30
        scores = model(words[:, :-1])
        return nn.functional.cross_entropy(scores.reshape(-1, 30), words[:, 1:].reshape(-1))

    return optimizer, batch, lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.5), None


def transformer(torch):
    """An encoder and a decoder that reverse a sequence, with Adam and a warm-up."""
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(12, 16)
            self.places = nn.Parameter(torch.randn(10, 1, 16) * 0.1)
            self.core = nn.Transformer(16, 4, 2, 2, 32, dropout=0.1)
            self.head = nn.Linear(16, 12)

        def forward(self, source, target):
            mask = nn.Transformer.generate_square_subsequent_mask(len(target))
            source = self.embedding(source) + self.places[: len(source)]
            target = self.embedding(target) + self.places[: len(target)]
            return self.head(self.core(source, target, tgt_mask=mask))

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 5))

    def batch():
        source = torch.randint(1, 12, (7, 8))
        target = torch.cat([torch.zeros(1, 8, dtype=torch.long), source.flip(0)])
        scores = model(source, target[:-1])
        return nn.functional.cross_entropy(scores.reshape(-1, 12), target[1:].reshape(-1))

    return optimizer, batch, None, warm_up.step


NETWORKS = {f.__name__: f for f in (mlp, cnn, language_model, transformer)}


def losses(framework, name):
    """The loss of each step."""
    torch = importlib.import_module(framework)
    torch.manual_seed(7)
    optimizer, batch, before_step, after_step = NETWORKS[name](torch)
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = batch()
        loss.backward()
        if before_step is not None:
            before_step()
        optimizer.step()
        if after_step is not None:
            after_step()
        found.append(loss.item())
    return found


if __name__ == "__main__":
    KEPT.write_text(json.dumps({name: losses("torch", name) for name in NETWORKS}, indent=0) + "\n")
