"""MNIST, the usual way: torchvision's dataset and transforms, a DataLoader, a small network.

    python examples/mnist.py                     downloads MNIST (12 MB) into data/ the first time
    python examples/mnist.py --fake 2000         random images instead: shows that everything runs

Change the imports of rushlight to torch's and torchvision's and it runs there, to the same losses.
"""

from __future__ import annotations

import argparse
import time

from shared import curves, progress

import rushlight as torch
from rushlight import vision

nn, F = torch.nn, torch.nn.functional
transforms = vision.transforms


class Net(nn.Module):
    """Two convolutions, pooling, two linear layers: (batch, 1, 28, 28) to (batch, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(
            nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(64 * 12 * 12, 128), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, images):
        return self.classifier(self.features(images))


def datasets(args):
    """Training and test images, normalised to mean 0 and deviation 1."""
    normal = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    if args.fake:
        parts = (args.fake, max(1, args.fake // 10))
        return [vision.datasets.FakeData(n, (1, 28, 28), 10, normal) for n in parts]
    return [
        vision.datasets.MNIST(args.data, train, transform=normal, download=True)
        for train in (True, False)
    ]


def train(model, loader, optimizer, label: str) -> float:
    """One pass over the training set; the mean loss of its batches."""
    model.train()
    total = 0.0
    for images, labels in progress(loader, label):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def evaluate(model, loader) -> tuple[float, float]:
    """Mean loss and share of right answers."""
    model.eval()
    loss = right = seen = 0
    for images, labels in progress(loader, "test"):
        scores = model(images)
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        right += (scores.argmax(1) == labels).sum().item()
        seen += len(labels)
    return loss / seen, right / seen


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", metavar="DIR", help="where MNIST lies or goes")
    parser.add_argument("--fake", type=int, metavar="N", help="N random images instead")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=0, help="processes that load images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", metavar="FILE", help="where to keep the trained weights")
    parser.add_argument("--plot", metavar="FILE", help="where to draw the losses")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    known, unknown = datasets(args)
    options = {"num_workers": args.workers}
    train_loader = torch.utils.data.DataLoader(known, args.batch, shuffle=True, **options)
    test_loader = torch.utils.data.DataLoader(unknown, 500, **options)
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.7)
    history = {"training": [], "test": []}
    for epoch in range(1, args.epochs + 1):
        started = time.perf_counter()
        history["training"].append(train(model, train_loader, optimizer, f"epoch {epoch}"))
        rate = len(known) / (time.perf_counter() - started)
        loss, share = evaluate(model, test_loader)
        history["test"].append(loss)
        scheduler.step()
        print(f"epoch {epoch:>2}  loss {history['training'][-1]:.4f}  test {loss:.4f}, "
              f"{share:.2%} right  {rate:,.0f} images/s", flush=True)  # fmt: skip
    curves(args.plot, "epoch", **history)
    if args.save:
        torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
