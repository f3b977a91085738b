"""Predict a chaotic series: an LSTM reads a window and says what comes next.

    python examples/timeseries.py --plot forecast.png

The series is the benchmark of Mackey and Glass, "Oscillation and chaos in physiological control
systems" (1977). The last part of it is never trained on: there the network goes on from its own
predictions. Change the import of rushlight to `import torch` and the losses stay the same.
"""

from __future__ import annotations

import argparse

from shared import curves, progress

import rushlight as torch

nn, F = torch.nn, torch.nn.functional


def mackey_glass(count: int, delay: int = 17, parts: int = 10) -> torch.Tensor:
    """`count` values, one a unit of time, of x' = 0.2 y / (1 + y^10) - 0.1 x, y = x(t - delay)."""
    values = [1.2] * (delay * parts + 1)
    for _ in range((count + 100) * parts):
        late = values[-delay * parts - 1]
        values.append(values[-1] + (0.2 * late / (1 + late**10) - 0.1 * values[-1]) / parts)
    return torch.tensor(values[::parts][-count:])


class Forecaster(nn.Module):
    """(batch, time) values to the next value after each of them, same shape."""

    def __init__(self, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, values, state=None):
        found, state = self.lstm(values.unsqueeze(-1), state)
        return values + self.head(found).squeeze(-1), state

    @torch.no_grad()
    def go_on(self, values, count: int) -> torch.Tensor:
        """`count` predictions after `values` (time), each made from the ones before."""
        predicted, state = self(values.unsqueeze(0))
        results = [predicted[:, -1:]]
        for _ in range(count - 1):
            predicted, state = self(results[-1], state)
            results.append(predicted)
        return torch.cat(results, dim=1)[0]


def train(model, series, args) -> list[float]:
    """Losses of all steps, over random windows of the series."""
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.steps)
    windows = series.unfold(0, args.window + 1, 1)
    losses = []
    for step in progress(range(1, args.steps + 1), "training"):
        batch = windows[torch.randint(len(windows), (args.batch,))]
        predicted, _ = model(batch[:, :-1])
        loss = F.mse_loss(predicted, batch[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step == 1 or step % max(1, args.steps // 10) == 0:
            print(f"step {step:>5}  loss {loss.item():.6f}", flush=True)
    return losses


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--ahead", type=int, default=100, help="values to predict at the end")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="where to draw the forecast")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    series = mackey_glass(1500)
    series = (series - series.mean()) / series.std()
    known, truth = series[: -args.ahead], series[-args.ahead :]
    model = Forecaster(args.hidden)
    train(model, known, args)
    forecast = model.go_on(known[-args.window :], args.ahead)
    error, blind = (
        F.l1_loss(guess, truth).item() for guess in (forecast, known[-1:].expand_as(truth))
    )
    print(f"{args.ahead} values ahead: mean error {error:.3f} ({blind:.3f} by repeating the last)")
    after = list(range(200, 200 + args.ahead))
    curves(args.plot, "time", known=known[-200:].tolist(), truth=(after, truth.tolist()),
           forecast=(after, forecast.tolist()))  # fmt: skip


if __name__ == "__main__":
    main()
