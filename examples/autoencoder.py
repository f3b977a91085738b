"""A variational autoencoder of the shipped digits: images to 8 numbers and back, then new ones.

    python examples/autoencoder.py --steps 2000

The last lines are digits that nobody wrote: random codes, decoded. The method is that of Kingma
and Welling, "Auto-Encoding Variational Bayes" (2013).
"""

from __future__ import annotations

import argparse

import rushlight as torch
from rushlight.data import digits

nn, F = torch.nn, torch.nn.functional
DataLoader, TensorDataset = torch.utils.data.DataLoader, torch.utils.data.TensorDataset
SHADES = " .:-=+*#%@"


class Autoencoder(nn.Module):
    """Encodes (batch, 64) pixels of 0 to 1 as means and log variances of `codes` numbers."""

    def __init__(self, codes: int, hidden: int = 128):
        super().__init__()
        self.codes = codes
        self.encoder = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 2 * codes))
        self.decoder = nn.Sequential(nn.Linear(codes, hidden), nn.ReLU(), nn.Linear(hidden, 64))

    def forward(self, pixels):
        mean, log_variance = self.encoder(pixels).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(code).sigmoid(), mean, log_variance

    @torch.no_grad()
    def dream(self, count: int):
        """(count, 64) pixels of random codes."""
        return self.decoder(torch.randn(count, self.codes)).sigmoid()


def draw(images) -> str:
    """Images (n, 64) side by side, in characters."""
    levels = (images.clamp(0, 1) * (len(SHADES) - 1)).round().int().view(-1, 8, 8)
    lines = levels.permute(1, 0, 2).tolist()  # row, image, column
    return "\n".join("  ".join("".join(SHADES[v] * 2 for v in row) for row in r) for r in lines)


def train(model, loader, steps: int, lr: float, weight: float) -> None:
    """Little error and codes near a standard normal distribution, `weight` against each other."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    step = 0
    while step < steps:
        for (pixels,) in loader:
            step += 1
            seen, mean, log_variance = model(pixels)
            error = F.mse_loss(seen, pixels)
            divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
            optimizer.zero_grad()
            (error + weight * divergence).backward()
            optimizer.step()
            if step == 1 or step % max(1, steps // 10) == 0:
                print(f"step {step:>5}  error {error.item():.4f}  "
                      f"divergence {divergence.item():.2f}", flush=True)  # fmt: skip
            if step == steps:
                break


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--codes", type=int, default=8)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    shape, pixels, _ = digits()
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape[0], 64) / 16
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)
    model = Autoencoder(args.codes)
    train(model, loader, args.steps, args.lr, weight=2e-3)
    with torch.no_grad():
        print("given:", draw(images[:5]), "kept:", draw(model(images[:5])[0]), sep="\n")
    print("dreamt:", draw(model.dream(5)), sep="\n")


if __name__ == "__main__":
    main()
