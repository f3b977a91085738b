"""Learn to read handwritten digits: a convolutional network, trained, checked and drawn.

    python examples/digits.py                      1,797 digits of 8 x 8 that come with rushlight
    python examples/digits.py --data DIR           MNIST or anything in its file format
    python examples/digits.py --resume             go on where the last run stopped

Each epoch ends with a validation and a checkpoint; the best model, the loss history and some
predictions are left in --out. Change the first import to `import torch` and the script runs there.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import time

import rushlight as torch
from rushlight.data import DataError, digits, read_images

nn, F = torch.nn, torch.nn.functional
DataLoader, TensorDataset = torch.utils.data.DataLoader, torch.utils.data.TensorDataset

CLASSES = 10
# What loading something that is no checkpoint of ours can raise.
UNREADABLE = (
    LookupError, TypeError, ValueError, RuntimeError, EOFError, OSError, pickle.PickleError,
)  # fmt: skip
SMALLEST = 12  # smaller images get a black border: two convolutions take four pixels away


class Net(nn.Module):
    """Two 3 x 3 convolutions of 32 and 64 channels, pooling, two linear layers."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout2d(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * ((height - 4) // 2) * ((width - 4) // 2), 128)
        self.fc2 = nn.Linear(128, CLASSES)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


# -- data ------------------------------------------------


def tensors(shape, pixels, labels):
    """Images (n, 1, height, width) of 0 to 1 and labels (n)."""
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(shape[0], 1, *shape[1:])
    images = images.float() / max(pixels)
    rows, columns = (max(0, SMALLEST - n) for n in shape[1:])
    if rows or columns:
        images = F.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return images, torch.tensor(list(labels))


def load(folder: str | None):
    """Training, validation and test sets; the split is the same in every run."""
    if folder is None:
        images, labels = tensors(*digits())
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1797))
        held_out = len(labels) // 5
    else:
        images, labels = tensors(*read_images(os.path.join(folder, "train")))
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(len(labels)))
        held_out = 0
        test = TensorDataset(*tensors(*read_images(os.path.join(folder, "t10k"))))
        if test.tensors[0].shape[1:] != images.shape[1:]:
            raise DataError(f"{folder}: training and test images differ in size")
    if folder is None:
        test = TensorDataset(images[order[:held_out]], labels[order[:held_out]])
    rest = order[held_out:]
    checked = max(1, len(rest) // 10)
    parts = rest[checked:], rest[:checked]
    return *(TensorDataset(images[part], labels[part]) for part in parts), test


def shifted(images, most: int):
    """Each image moved by up to `most` pixels along both axes, around the edges."""
    n, _, height, width = images.shape
    dy, dx = torch.randint(-most, most + 1, (2, n, 1))
    rows = (torch.arange(height) - dy) % height  # (n, height)
    columns = (torch.arange(width) - dx) % width
    each = torch.arange(n).reshape(n, 1, 1)
    return images[each, 0, rows.unsqueeze(2), columns.unsqueeze(1)].unsqueeze(1)


# -- one epoch ------------------------------------------------


def progress(loader, label: str):
    """A progress bar over the batches where tqdm is installed, else the plain loader."""
    try:
        from tqdm import tqdm
    except ImportError:
        return loader
    return tqdm(loader, desc=label, unit="batch", leave=False, disable=not sys.stderr.isatty())


def train_epoch(model, loader, optimizer, shift: int, label: str) -> float:
    """One pass over the training set; the mean loss of its images."""
    model.train()
    total = seen = 0
    started = time.perf_counter()
    bar = progress(loader, label)
    for images, labels in bar:
        optimizer.zero_grad()
        loss = F.nll_loss(model(shifted(images, shift)), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        seen += len(labels)
        if bar is not loader:
            rate = seen / (time.perf_counter() - started)
            bar.set_postfix_str(f"loss {total / seen:.4f}, {rate:,.0f} images/s", refresh=False)
    return total / seen


@torch.no_grad()
def evaluate(model, dataset):
    """Mean loss, share of right answers, and the predicted classes of every image."""
    model.eval()
    total, predicted = 0.0, []
    for images, labels in DataLoader(dataset, batch_size=500):
        scores = model(images)
        total += F.nll_loss(scores, labels, reduction="sum").item()
        predicted.append(scores.argmax(1))
    predicted = torch.cat(predicted)
    right = (predicted == dataset.tensors[1]).sum().item()
    return total / len(dataset), right / len(dataset), predicted


# -- files ------------------------------------------------


def write_whole(filename: str, write) -> None:
    """Let `write(temporary name)` finish before the file takes its name: never half a file."""
    temporary = f"{filename}.part"
    try:
        write(temporary)
        os.replace(temporary, filename)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def save_checkpoint(filename, model, optimizer, scheduler, history, settings) -> None:
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "rng": torch.get_rng_state(),
        "epoch": len(history),
        "history": history,
        "settings": settings,
    }
    write_whole(filename, lambda name: torch.save(state, name))


def load_checkpoint(filename, model, optimizer, scheduler, settings):
    """Put everything back as it stood after the last finished epoch; the history."""
    try:
        state = torch.load(filename)
        made_with = state["settings"]
        if made_with == settings:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            scheduler.load_state_dict(state["scheduler"])
            torch.set_rng_state(state["rng"])
            return state["history"]
    except FileNotFoundError:
        raise DataError(f"{filename}: no checkpoint to resume from") from None
    except UNREADABLE as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{filename}: not a checkpoint of this program: {reason}") from None
    raise DataError(f"{filename}: was made with {made_with}, this run has {settings}")


def draw_history(history, filename: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    epochs = range(1, len(history) + 1)
    for key, text in (("train_loss", "training"), ("loss", "validation")):
        left.plot(epochs, [h[key] for h in history], marker="o", label=text)
    left.set(xlabel="epoch", ylabel="loss")
    left.legend()
    right.plot(epochs, [100 * h["accuracy"] for h in history], marker="o", color="tab:green")
    right.set(xlabel="epoch", ylabel="validation accuracy, %")
    figure.tight_layout()
    write_whole(filename, lambda name: figure.savefig(name, format="png", dpi=120))
    pyplot.close(figure)


def draw_predictions(dataset, predicted, filename: str) -> None:
    """Twenty test images, the wrongly read ones first."""
    from matplotlib import pyplot

    images, labels = dataset.tensors
    wrong = (predicted != labels).nonzero().flatten().tolist()
    shown = (wrong + [i for i in range(len(labels)) if i not in set(wrong)])[:20]
    figure, axes = pyplot.subplots(4, 5, figsize=(7, 6.5))
    for axis in axes.flat:
        axis.axis("off")
    for axis, i in zip(axes.flat, shown, strict=False):
        axis.imshow(images[i, 0].tolist(), cmap="gray_r")
        answer, truth = int(predicted[i]), int(labels[i])
        title = f"{answer}" if answer == truth else f"{answer}, is {truth}"
        axis.set_title(title, color="black" if answer == truth else "crimson")
    figure.tight_layout()
    write_whole(filename, lambda name: figure.savefig(name, format="png", dpi=120))
    pyplot.close(figure)


def confusion_table(labels, predicted) -> str:
    """Rows: the digit shown; columns: the digit read."""
    counts = torch.bincount(labels * CLASSES + predicted, minlength=CLASSES * CLASSES)
    rows = counts.reshape(CLASSES, CLASSES).tolist()
    width = max(4, len(str(max(map(max, rows)))) + 1)
    head = "is \\ read" + "".join(f"{c:>{width}}" for c in range(CLASSES))
    lines = [
        f"{i:>9}" + "".join(f"{n if n else '.':>{width}}" for n in row)
        for i, row in enumerate(rows)
    ]
    return "\n".join([head, *lines])


# -- the program ------------------------------------------------


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", metavar="DIR", help="folder of MNIST-format files")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--shift", type=int, default=1, help="pixels to move training images by")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="digits-out", help="folder for results")
    parser.add_argument("--threads", type=int, help="processor threads")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument("--no-plots", action="store_true")
    args = parser.parse_args(argv)
    for name in ("epochs", "batch_size", "lr"):
        if getattr(args, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be positive, got {getattr(args, name)}")
    if args.threads is not None and args.threads < 1:
        parser.error(f"--threads must be positive, got {args.threads}")
    return args


def fit(args, train, checked) -> tuple[nn.Module, list[dict]]:
    """Train to the last epoch, leaving a checkpoint after each; the best model and the history."""
    torch.manual_seed(args.seed)
    model = Net(*train.tensors[0].shape[2:])
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    loader = DataLoader(train, batch_size=args.batch_size, shuffle=True)
    checkpoint, best = (os.path.join(args.out, n) for n in ("checkpoint.pt", "best.pt"))
    settings = {
        k: getattr(args, k) for k in ("data", "epochs", "batch_size", "lr", "shift", "seed")
    }
    objects = model, optimizer, scheduler
    history = load_checkpoint(checkpoint, *objects, settings) if args.resume else []
    os.makedirs(args.out, exist_ok=True)
    if not history:
        save_checkpoint(checkpoint, *objects, history, settings)
    for epoch in range(len(history) + 1, args.epochs + 1):
        started = time.perf_counter()
        train_loss = train_epoch(
            model, loader, optimizer, args.shift, f"epoch {epoch}/{args.epochs}"
        )
        seconds = time.perf_counter() - started
        scheduler.step()
        loss, accuracy, _ = evaluate(model, checked)
        if all(loss < h["loss"] for h in history):
            write_whole(best, lambda name: torch.save(model.state_dict(), name))
        history.append({"train_loss": train_loss, "loss": loss, "accuracy": accuracy})
        save_checkpoint(checkpoint, *objects, history, settings)
        print(
            f"epoch {epoch:>3}/{args.epochs}  loss {train_loss:.4f}  validation {loss:.4f}, "
            f"{accuracy:7.2%}  {len(train) / seconds:,.0f} images/s",
            flush=True,
        )
    model.load_state_dict(torch.load(best))
    return model, history


def report(args, model, history, test) -> None:
    loss, accuracy, predicted = evaluate(model, test)
    print(confusion_table(test.tensors[1], predicted))
    print(f"held-out images: {len(test)}, loss {loss:.4f}, accuracy {accuracy:.2%}")

    def write_json(name):
        with open(name, "w") as file:
            json.dump({"history": history, "test_loss": loss, "test_accuracy": accuracy}, file)

    write_whole(os.path.join(args.out, "history.json"), write_json)
    if args.no_plots:
        return
    try:
        draw_history(history, os.path.join(args.out, "history.png"))
        draw_predictions(test, predicted, os.path.join(args.out, "predictions.png"))
    except ImportError:
        print("no plots: matplotlib is not installed (pip install 'rushlight[plot]')")


def main(argv=None) -> int:
    args = arguments(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        train, checked, test = load(args.data)
        started = time.perf_counter()
        model, history = fit(args, train, checked)
        print(f"trained in {time.perf_counter() - started:.1f} s")
        report(args, model, history, test)
    except DataError as error:
        print(f"digits: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"\ndigits: stopped; {args.out}/checkpoint.pt holds every finished epoch, "
            "--resume continues from there",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
