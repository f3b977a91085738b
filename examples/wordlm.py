"""An LSTM that guesses the next word of Python's reference manual, and writes some of its own.

    python examples/wordlm.py --epochs 6 --plot perplexity.png

The text is read in order by many readers at once; each keeps its state from one window to the next.
The input and output words share their vectors (Press and Wolf, "Using the output embedding to
improve language models", 2017). Change the import of rushlight to `import torch` and it runs there.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter

from shared import curves, manual, progress

import rushlight as torch

nn, F = torch.nn, torch.nn.functional


class WordLSTM(nn.Module):
    """Scores of the next word, (time, readers, words), from (time, readers) indices."""

    def __init__(self, words: int, width: int, layers: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, layers, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, words)
        self.head.weight = self.embedding.weight
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def forward(self, words, state=None):
        found, state = self.lstm(self.dropout(self.embedding(words)), state)
        return self.head(self.dropout(found)), state


def corpus(kept: int) -> tuple[torch.Tensor, list[str]]:
    """The manual as indices, and the `kept` most frequent words; the rest are <unknown>."""
    words = re.findall(r"\w+|[.,;:()=']", manual())
    names = ["<unknown>", *(word for word, _ in Counter(words).most_common(kept))]
    number = {word: i for i, word in enumerate(names)}
    return torch.tensor([number.get(word, 0) for word in words]), names


def readers(tokens, count: int):
    """(time, readers): the text cut into as many equal parts."""
    length = len(tokens) // count
    return tokens[: length * count].view(count, length).t().contiguous()


def run(model, text, window: int, label: str, optimizer=None) -> float:
    """One pass over (time, readers); the perplexity: how many words it hesitates between."""
    model.train(optimizer is not None)
    total, seen, state = 0.0, 0, None
    for start in progress(range(0, len(text) - 1, window), label):
        words, following = text[start : start + window], text[start + 1 : start + window + 1]
        scores, state = model(words[: len(following)], state)
        loss = F.cross_entropy(scores.flatten(0, 1), following.flatten())
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
        state = tuple(part.detach() for part in state)
        total, seen = total + loss.item() * following.numel(), seen + following.numel()
    return math.exp(total / seen)


@torch.no_grad()
def write(model, count: int, names: list[str]) -> str:
    """`count` words drawn one after the other."""
    model.eval()
    words, state = torch.randint(1, len(names), (1, 1)), None
    said = []
    for _ in range(count):
        scores, state = model(words, state)
        scores[..., 0] = -math.inf  # says no unknown words
        words = torch.multinomial(F.softmax(scores[-1], dim=1), 1)
        said.append(names[words.item()])
    return " ".join(said)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--words", type=int, default=3000, help="size of the vocabulary")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--window", type=int, default=35, help="words between two steps")
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="where to draw the perplexities")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    tokens, names = corpus(args.words)
    cut = len(tokens) * 9 // 10
    train, held_out = readers(tokens[:cut], args.readers), readers(tokens[cut:], args.readers)
    model = WordLSTM(len(names), args.width, layers=2, dropout=0.2)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    history = {"training": [], "held_out": []}
    for epoch in range(1, args.epochs + 1):
        history["training"].append(run(model, train, args.window, f"epoch {epoch}", optimizer))
        with torch.no_grad():
            history["held_out"].append(run(model, held_out, args.window, "held out"))
        print(f"epoch {epoch:>2}  perplexity {history['training'][-1]:7.1f}  "
              f"held out {history['held_out'][-1]:7.1f}", flush=True)  # fmt: skip
    print(write(model, 60, names))
    curves(args.plot, "epoch", **history)


if __name__ == "__main__":
    main()
