"""Several processes train one network at once, without locks: all write to the same memory.

    python examples/hogwild.py --processes 2 --epochs 3

The method is that of Recht, Ré, Wright and Niu, "Hogwild!" (2011). Each process sees its share of
the shipped digits and steps on the shared parameters as if it were alone; now and then one writes
over the other's step, which training survives.
"""

from __future__ import annotations

import argparse

import rushlight as torch
import rushlight.multiprocessing as mp
from rushlight.data import digits

nn, F = torch.nn, torch.nn.functional
DataLoader, TensorDataset = torch.utils.data.DataLoader, torch.utils.data.TensorDataset


def network():
    """Logits of ten digits from (batch, 64) pixels."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def train(rank: int, model, images, labels, epochs: int) -> None:
    """What each process does with its share of the images."""
    torch.manual_seed(rank)
    torch.set_num_threads(1)  # the processes are the threads
    loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for pixels, digit in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(pixels), digit)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(digit)
        print(f"process {rank}  epoch {epoch}  loss {total / len(images):.3f}", flush=True)


@torch.no_grad()
def accuracy(model, images, labels) -> float:
    """The part of the images that are named rightly."""
    return (model(images).argmax(1) == labels).float().mean().item()


def main(argv=None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args(argv)

    torch.manual_seed(0)
    shape, pixels, answers = digits()
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape[0], 64) / 16
    labels = torch.tensor(list(answers))
    model = network()
    model.share_memory()  # before the processes start: they get this memory, not copies of it
    processes = []
    for rank in range(args.processes):
        share = images[200 + rank :: args.processes], labels[200 + rank :: args.processes]
        process = mp.get_context("spawn").Process(
            target=train, args=(rank, model, *share, args.epochs)
        )
        process.start()
        processes.append(process)
    for process in processes:
        process.join()
    right = accuracy(model, images[:200], labels[:200])
    print(f"accuracy on 200 digits that nobody trained on: {100 * right:.1f} %")
    return right


if __name__ == "__main__":
    main()
