"""Training that is killed at any step and resumed gives the losses of training that was not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
import rushlight as torch
from rushlight import nn
from rushlight.utils.data import DataLoader, TensorDataset

name, path, stop = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.manual_seed(0)
x = torch.randn(64, 6)
y = (x.sum(1) > 0).long()
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.2), nn.Linear(16, 2))
options = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.5}}.get(name, {})
optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01, **options)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
order = torch.Generator().manual_seed(7)
loader = DataLoader(TensorDataset(x, y), 16, shuffle=True, generator=order, num_workers=WORKERS)
first = 0
if os.path.exists(path):
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["random"])
    order.set_state(state["order"])
    first = state["epoch"] + 1
for epoch in range(first, 6):
    for step, (a, b) in enumerate(loader):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        optimizer.step()
        if (epoch, step) == divmod(stop, 4):
            os.kill(os.getpid(), signal.SIGKILL)
        print(epoch, step, loss.item().hex(), flush=True)
    schedule.step()
    torch.save(
        {
            "epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(), "random": torch.get_rng_state(),
            "order": order.get_state(),
        },
        path,
    )
"""


def losses(name, path, stop=-1, workers=0):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("WORKERS", str(workers)), name, path, str(stop)],
        capture_output=True, text=True, timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "OMP_NUM_THREADS": "1",
        },
    )  # fmt: skip
    assert done.returncode == (-9 if stop >= 0 else 0), done.stderr
    return {tuple(line.split()[:2]): line.split()[2] for line in done.stdout.splitlines()}


# Steps at which the program is killed: in the second epoch, in the fourth.
KILLS = [("SGD", (6, 13)), ("Adam", (13,)), ("RMSprop", (6,)), ("Adagrad", (13,))]


@pytest.mark.parametrize("name, stops", KILLS)
def test_losses_go_on_as_if_nothing_had_happened(name, stops, tmp_path):
    whole = losses(name, str(tmp_path / "whole.pt"))
    assert len(whole) == 24
    path, seen = str(tmp_path / "resumed.pt"), {}
    for stop in stops:
        seen.update(losses(name, path, stop))
    seen.update(losses(name, path))
    assert seen == whole


def test_with_workers_too(tmp_path):
    whole = losses("Adam", str(tmp_path / "whole.pt"))
    path = str(tmp_path / "resumed.pt")
    first = losses("Adam", path, 9, workers=1)
    assert {**first, **losses("Adam", path, workers=1)} == whole
