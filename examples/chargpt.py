"""A small GPT that learns to write like a text file, character by character.

    python examples/chargpt.py                         learns from Python's reference manual
    python examples/chargpt.py --text book.txt --steps 5000 --plot loss.png

Change the import to `import torch` and it runs there.
"""

from __future__ import annotations

import argparse
import time

from shared import curves, manual

import rushlight as torch

nn, F = torch.nn, torch.nn.functional


class Block(nn.Module):
    """Attention to what came before, then two linear layers; both added to the input."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):  # (batch, time, width)
        batch, time_, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, time_, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, width of a head)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, time_, width))
        return x + self.mlp(self.norm2(x))


class CharGPT(nn.Module):
    """Scores of the next character, (batch, time, characters), from (batch, time) indices."""

    def __init__(self, characters: int, context: int, width: int, heads: int, layers: int):
        super().__init__()
        self.context = context
        self.token = nn.Embedding(characters, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1])
        return self.head(self.norm(self.blocks(self.token(tokens) + self.position(places))))

    @torch.no_grad()
    def sample(self, tokens, count: int, temperature: float):
        """`tokens` (time) continued by `count` drawn characters."""
        self.eval()
        for _ in range(count):
            scores = self(tokens[-self.context :].unsqueeze(0))[0, -1]
            drawn = torch.multinomial(F.softmax(scores / temperature, dim=0), 1)
            tokens = torch.cat((tokens, drawn))
        return tokens


def train(model, tokens, steps: int, batch: int, lr: float) -> list[float]:
    """Learn to guess each next character of random passages; the loss of each step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    window = torch.arange(model.context + 1)
    started, losses = time.perf_counter(), []
    for step in range(1, steps + 1):
        starts = torch.randint(0, len(tokens) - model.context, (batch, 1))
        passages = tokens[starts + window]
        scores = model(passages[:, :-1])
        loss = F.cross_entropy(scores.flatten(0, 1), passages[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step == 1 or step % max(1, steps // 10) == 0:
            rate = step * batch * model.context / (time.perf_counter() - started)
            print(f"step {step:>5}  loss {losses[-1]:.3f}  {rate:,.0f} characters/s", flush=True)
    return losses


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", metavar="FILE", help="what to learn from")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sample", type=int, default=400, help="characters to write at the end")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="where to draw the loss")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    text = manual()
    if args.text:
        with open(args.text, encoding="utf-8") as file:
            text = file.read()
    alphabet = sorted(set(text))
    number = {c: i for i, c in enumerate(alphabet)}
    tokens = torch.tensor([number[c] for c in text])
    model = CharGPT(len(alphabet), context=min(64, len(text) - 1), width=64, heads=4, layers=2)
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(text):,} characters of {len(alphabet)} kinds, {count:,} parameters")
    curves(args.plot, "step", loss=train(model, tokens, args.steps, args.batch, lr=3e-3))
    written = model.sample(tokens[:1], args.sample, args.temperature)
    print("".join(alphabet[i] for i in written.tolist()))


if __name__ == "__main__":
    main()
