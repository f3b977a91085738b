"""The same seed gives PyTorch's losses: initialisation, shuffling and dropout, end to end."""

from __future__ import annotations

import pytest

import rushlight

# Made with PyTorch 2.13 by the code below.
CNN = [
    2.31916,
    2.325523,
    2.310447,
    2.29743,
    2.305986,
    2.335479,
    2.361833,
    2.330866,
    2.299441,
    2.343078,
]
TRANSFORMER = [
    2.628852,
    2.659421,
    2.56363,
    2.499999,
    2.519478,
    2.516322,
    2.524656,
    2.501847,
    2.479278,
    2.433215,
]


def cnn_losses(torch):
    """Ten steps of a small convolutional network on images that the seed makes."""
    nn = torch.nn
    torch.manual_seed(0)
    images, labels = torch.randn(200, 1, 12, 12), torch.randint(0, 10, (200,))
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(32, 10), nn.LogSoftmax(1),
    )  # fmt: skip
    dataset = torch.utils.data.TensorDataset(images, labels)
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return steps(torch, model, loader, optimizer, torch.nn.functional.nll_loss)


def transformer_losses(torch):
    """Ten steps of a small transformer that learns to reverse words."""
    nn = torch.nn
    torch.manual_seed(0)
    words = torch.randint(0, 12, (150, 9))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(12, 16)
            self.place = nn.Parameter(torch.randn(9, 16) * 0.1)
            layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.head = nn.Linear(16, 12)

        def forward(self, x):
            return self.head(self.encoder(self.embedding(x) + self.place))

    model = Model()
    dataset = torch.utils.data.TensorDataset(words, words.flip(1))
    loader = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def loss(out, y):
        return nn.functional.cross_entropy(out.flatten(0, 1), y.flatten())

    return steps(torch, model, loader, optimizer, loss)


def steps(torch, model, loader, optimizer, criterion, count=10):
    losses = []
    while len(losses) < count:
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses[:count]


@pytest.mark.parametrize(
    ("train", "expected"), [(cnn_losses, CNN), (transformer_losses, TRANSFORMER)]
)
def test_the_first_ten_losses_are_pytorchs(train, expected):
    assert train(rushlight) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("train", [cnn_losses, transformer_losses])
def test_the_first_ten_losses_equal_those_of_torch_beside_it(train):
    torch = pytest.importorskip("torch")
    assert train(rushlight) == pytest.approx(train(torch), abs=1e-5)
