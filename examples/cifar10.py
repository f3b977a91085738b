"""Pictures of ten kinds of things: a small residual network learns CIFAR-10 with augmentation.

    python examples/cifar10.py                   downloads CIFAR-10 (170 MB) into data/ once
    python examples/cifar10.py --fake 500        random images instead: shows that everything runs

Residual blocks are those of He et al., "Deep residual learning for image recognition" (2015); the
learning rate goes up and down once (Smith, 2017). Change the imports of rushlight to torch's and
torchvision's and it runs there.
"""

from __future__ import annotations

import argparse

from shared import curves, progress

import rushlight as torch
from rushlight import vision

nn, F = torch.nn, torch.nn.functional
transforms = vision.transforms
KINDS = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def convolution(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, x):
        return x + self.body(x)


def network(width: int) -> nn.Sequential:
    """(batch, 3, 32, 32) to (batch, 10)."""
    return nn.Sequential(
        convolution(3, width),
        convolution(width, 2 * width),
        nn.MaxPool2d(2),
        Residual(2 * width),
        convolution(2 * width, 4 * width),
        nn.MaxPool2d(2),
        Residual(4 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, len(KINDS)),
    )


def datasets(args):
    """Training images, moved and mirrored at random, and test images as they are."""
    normal = [
        transforms.ToTensor(),
        transforms.Normalize((0.491, 0.482, 0.447), (0.25, 0.24, 0.26)),
    ]
    moved = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    for train, steps in ((True, moved + normal), (False, normal)):
        seen = transforms.Compose(steps)
        if args.fake:
            count = args.fake if train else args.fake // 10 + 1
            yield vision.datasets.FakeData(count, (3, 32, 32), len(KINDS), seen)
        else:
            yield vision.datasets.CIFAR10(args.data, train, transform=seen, download=True)


def train(model, loader, optimizer, scheduler, label: str) -> float:
    """One pass over the training set; the mean loss of its batches."""
    model.train()
    total = 0.0
    for images, labels in progress(loader, label):
        loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def recognised(model, loader):
    """(10): the share of each kind that is recognised."""
    model.eval()
    kinds = [(model(images).argmax(1), labels) for images, labels in progress(loader, "test")]
    guessed, true = (torch.cat(part) for part in zip(*kinds, strict=True))
    right, seen = (torch.bincount(true[chosen], minlength=len(KINDS))
                   for chosen in (guessed == true, slice(None)))  # fmt: skip
    return right / seen.clamp(min=1)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", metavar="DIR", help="where CIFAR-10 lies or goes")
    parser.add_argument("--fake", type=int, metavar="N", help="N random images instead")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=32, help="channels of the first layer")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--workers", type=int, default=0, help="processes that load images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="where to draw loss and share recognised")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    known, unknown = datasets(args)
    options = {"batch_size": args.batch, "num_workers": args.workers}
    train_loader = torch.utils.data.DataLoader(known, shuffle=True, **options)
    test_loader = torch.utils.data.DataLoader(unknown, **options)
    model = network(args.width)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, epochs=args.epochs, steps_per_epoch=len(train_loader)
    )
    history = {"loss": [], "recognised": []}
    for epoch in range(1, args.epochs + 1):
        loss = train(model, train_loader, optimizer, scheduler, f"epoch {epoch}")
        shares = recognised(model, test_loader)
        history["loss"].append(loss)
        history["recognised"].append(shares.mean().item())
        print(f"epoch {epoch:>2}  loss {loss:.4f}  recognised {shares.mean():.2%}", flush=True)
    print(
        "  ".join(f"{kind} {share:.0%}" for kind, share in zip(KINDS, shares.tolist(), strict=True))
    )
    curves(args.plot, "epoch", **history)


if __name__ == "__main__":
    main()
