"""Two networks that compete: one draws digits, the other tells drawn from real ones.

    python examples/dcgan.py --epochs 30

The layers follow Radford,
Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
adversarial networks" (2015). Change the imports of rushlight to torch's and it runs there.
"""

from __future__ import annotations

import argparse

from shared import curves, pictures, progress

import rushlight as torch
from rushlight.data import digits

nn, F = torch.nn, torch.nn.functional
DataLoader, TensorDataset = torch.utils.data.DataLoader, torch.utils.data.TensorDataset
SIDE = 16  # pixels along each edge of an image


def generator(codes: int, width: int) -> nn.Sequential:
    """(batch, codes, 1, 1) of noise to (batch, 1, 16, 16) of -1 to 1."""
    return nn.Sequential(
        nn.ConvTranspose2d(codes, 4 * width, 4, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def critic(width: int) -> nn.Sequential:
    """Images to (batch, 1): the logit of being real."""
    return nn.Sequential(
        nn.Conv2d(1, 2 * width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * width, 1, 4),
        nn.Flatten(),
    )


def initialise(module) -> None:
    """The paper's weights: normal, of deviation 0.02."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def real_images():
    """The shipped digits, (1797, 1, 16, 16) of -1 to 1."""
    shape, pixels, _ = digits()
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape[0], 1, *shape[1:])
    return F.interpolate(images / 8 - 1, size=SIDE, mode="bilinear")


def judge(logits, real: bool):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def train(draws, judges, args) -> tuple[list[float], list[float]]:
    """The mean losses of the generator and of the critic, an epoch each."""
    options = {"lr": args.lr, "betas": (0.5, 0.999)}
    optimizers = [torch.optim.Adam(net.parameters(), **options) for net in (draws, judges)]
    loader = DataLoader(TensorDataset(real_images()), args.batch, shuffle=True, drop_last=True)
    fixed = torch.randn(40, args.codes, 1, 1)
    history = [], []
    for epoch in range(1, args.epochs + 1):
        sums = torch.zeros(2)
        for (images,) in progress(loader, f"epoch {epoch}"):
            drawn = draws(torch.randn(len(images), args.codes, 1, 1))
            doubt = judge(judges(images), True) + judge(judges(drawn.detach()), False)
            optimizers[1].zero_grad()
            doubt.backward()
            optimizers[1].step()
            caught = judge(judges(drawn), True)
            optimizers[0].zero_grad()
            caught.backward()
            optimizers[0].step()
            sums += torch.stack((caught, doubt)).detach()
        means = (sums / len(loader)).tolist()
        for losses, mean in zip(history, means, strict=True):
            losses.append(mean)
        print(f"epoch {epoch:>3}  generator {means[0]:.3f}  critic {means[1]:.3f}", flush=True)
    with torch.no_grad():
        pictures(args.plot, ((draws.eval()(fixed)[:, 0] + 1) / 2).tolist())
    return history


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--codes", type=int, default=32, help="numbers that a drawing starts from")
    parser.add_argument("--width", type=int, default=32, help="channels of the widest image")
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="where to draw forty digits")
    parser.add_argument("--curves", metavar="FILE", help="where to draw the losses")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    networks = generator(args.codes, args.width), critic(args.width)
    for network in networks:
        network.apply(initialise)
    generator_losses, critic_losses = train(*networks, args)
    curves(args.curves, "epoch", generator=generator_losses, critic=critic_losses)


if __name__ == "__main__":
    main()
