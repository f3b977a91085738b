"""Take over what PyTorch trained: read its checkpoint, check it, train on, and write it back.

    python examples/from_pytorch.py                          the file that lies beside this program
    python examples/from_pytorch.py --checkpoint mine.pt     one of your own, of the same network

PyTorch 2.13 wrote examples/digits-pytorch.pt: the weights of a small network, the state of its
optimizer, and how many held-out digits it read. The file that this program writes loads in PyTorch.
"""

from __future__ import annotations

import argparse
import os

from shared import curves, progress

import rushlight as torch
from rushlight.data import digits

nn, F = torch.nn, torch.nn.functional
BESIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits-pytorch.pt")


def data():
    """Training and held-out parts of the shipped digits: pixels (n, 64) of 0 to 1, labels (n)."""
    shape, pixels, labels = digits()
    pixels = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape[0], 64) / 16
    labels = torch.tensor(list(labels))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1797))
    held_out, train = order[:359], order[359:]
    return (pixels[train], labels[train]), (pixels[held_out], labels[held_out])


@torch.no_grad()
def share_read(model, pixels, labels) -> float:
    return (model(pixels).argmax(1) == labels).float().mean().item()


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=BESIDE, help="what PyTorch saved")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", metavar="FILE", help="where to save what came of it")
    parser.add_argument("--plot", metavar="FILE", help="where to draw the share of digits read")
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    checkpoint = torch.load(args.checkpoint)  # builds data only: a file cannot run code
    for name, weight in checkpoint["model"].items():
        print(f"{name:<10} {tuple(weight.shape)!s:<10} {weight.dtype}")
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    model.load_state_dict(checkpoint["model"])
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.load_state_dict(checkpoint["optimizer"])

    (pixels, labels), held_out = data()
    shares = [share_read(model, *held_out)]
    print(
        f"PyTorch {checkpoint['pytorch']} read {checkpoint['held_out']:.2%} of the held-out digits"
    )
    print(f"here the same weights read {shares[0]:.2%}")
    for _ in progress(range(args.epochs), "training on"):
        for batch in torch.randperm(len(labels)).split(32):
            loss = F.cross_entropy(model(pixels[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        shares.append(share_read(model, *held_out))
    print(f"after {args.epochs} more epochs {shares[-1]:.2%}")
    curves(args.plot, "epoch", held_out_digits_read=shares)
    if args.out:
        checkpoint.update(model=model.state_dict(), optimizer=optimizer.state_dict(),
                          epoch=checkpoint["epoch"] + args.epochs, held_out=shares[-1])  # fmt: skip
        torch.save(checkpoint, args.out)
        print(f"saved: {args.out}")


if __name__ == "__main__":
    main()
