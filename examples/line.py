"""Fit a line to noisy points with tensors and gradients alone: no module, no optimizer.

    python examples/line.py --steps 300

Change the import to `import torch` and the numbers stay the same.
"""

from __future__ import annotations

import argparse

import rushlight as torch


def points(n: int, slope: float, intercept: float):
    """n points of a line, with noise of standard deviation 0.3."""
    x = torch.rand(n) * 6 - 3
    return x, slope * x + intercept + 0.3 * torch.randn(n)


def fit(x, y, steps: int, lr: float):
    """Slope and intercept of least squares, by gradient descent."""
    slope = torch.zeros((), requires_grad=True)
    intercept = torch.zeros((), requires_grad=True)
    for step in range(1, steps + 1):
        loss = ((slope * x + intercept - y) ** 2).mean()
        slope_gradient, intercept_gradient = torch.autograd.grad(loss, (slope, intercept))
        with torch.no_grad():  # the update itself is no part of the function
            slope -= lr * slope_gradient
            intercept -= lr * intercept_gradient
        if step == 1 or step % max(1, steps // 10) == 0:
            print(f"step {step:>5}  loss {loss.item():.4f}")
    return slope.item(), intercept.item()


def exact(x, y):
    """The same by linear algebra: the normal equations."""
    columns = torch.stack((x, torch.ones_like(x)), dim=1)
    return torch.linalg.solve(columns.T @ columns, columns.T @ y).tolist()


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    x, y = points(200, slope=2.5, intercept=-1.0)
    slope, intercept = fit(x, y, args.steps, args.lr)
    print(f"found: y = {slope:.2f} x + {intercept:.2f}")
    slope, intercept = exact(x, y)
    print(f"exact: y = {slope:.2f} x + {intercept:.2f}   (made with 2.50 and -1.00)")


if __name__ == "__main__":
    main()
