"""The lines of the group `layers`: a layer's forward pass in eval, and a training step.

A training step is forward and backward with a gradient for the output, to the input and every
parameter. Sizes go from where calls cost most to where arithmetic and memory do.
"""

from __future__ import annotations


def inference(model, x):
    """`model(x)` in eval without recording, as a function of the library."""

    def make(t):
        layer, given = model(t).eval(), x(t)

        def call():
            with t.no_grad():
                layer(*given)

        return call

    return make


def training(model, x):
    """Forward and backward of `model(x)`, as a function of the library."""

    def make(t):
        layer, given = model(t).train(), [part.requires_grad_() for part in x(t)]
        leaves = [*given, *layer.parameters()]
        g = t.rand(first(layer(*given)).shape)

        def step():
            first(layer(*given)).backward(g)
            for leaf in leaves:
                leaf.grad = None

        return step

    return make


def first(output):
    return output[0] if isinstance(output, tuple) else output


def attention(t, **options):
    """scaled_dot_product_attention as a module."""

    class Attention(t.nn.Module):
        def forward(self, query, key, value):
            attend = t.nn.functional.scaled_dot_product_attention
            return attend(query, key, value, **options)

    return Attention()


def itself(layer):
    """MultiheadAttention from a sequence to itself."""
    forward = layer.forward
    layer.forward = lambda x: forward(x, x, x, need_weights=False)
    return layer


def recurrent(name):
    """(batch, steps, inputs) and hidden size."""
    for shape, hidden in (((1, 8, 16), 16), ((16, 32, 128), 128), ((64, 64, 256), 512)):
        yield (
            f"{name}({shape[2]}, {hidden})",
            shape,
            lambda t, n=shape[2], h=hidden: getattr(t.nn, name)(n, h, batch_first=True),
        )


def per_row(name):
    for shape in ((8, 16), (512, 256), (8192, 1024)):
        yield f"{name}({shape[1]})", shape, lambda t, n=shape[1]: getattr(t.nn, name)(n)


def per_channel(name, *before):
    for shape in ((2, 8, 4, 4), (16, 32, 28, 28), (32, 128, 56, 56)):
        yield (
            f"{name}({', '.join(map(str, (*before, shape[1])))})",
            shape,
            lambda t, n=shape[1]: getattr(t.nn, name)(*before, n),
        )


def transformers():
    for (batch, steps, width), heads in (((1, 8, 16), 2), ((8, 64, 128), 4), ((16, 256, 512), 8)):
        shape = batch, steps, width
        yield (
            f"MultiheadAttention({width}, {heads})",
            shape,
            lambda t, w=width, h=heads: itself(t.nn.MultiheadAttention(w, h, batch_first=True)),
        )
        yield (
            f"TransformerEncoderLayer({width}, {heads})",
            shape,
            lambda t, w=width, h=heads: t.nn.TransformerEncoderLayer(
                w, h, 4 * w, dropout=0.0, batch_first=True
            ),
        )


def layers():
    yield from recurrent("RNN")
    yield from recurrent("GRU")
    yield from recurrent("LSTM")
    yield from per_row("LayerNorm")
    yield from per_row("RMSNorm")
    yield from per_channel("GroupNorm", 4)
    yield from per_channel("BatchNorm2d")
    yield from transformers()


def lines():
    """(text, make) of every line."""
    made = [(text, (shape,), model) for text, shape, model in layers()]
    for shape in (1, 2, 8, 16), (4, 8, 128, 64), (8, 8, 1024, 64):
        for causal in False, True:
            text = "attention, causal" if causal else "attention"
            made.append((text, (shape,) * 3, lambda t, c=causal: attention(t, is_causal=c)))
    for text, shapes, model in made:

        def x(t, shapes=shapes):
            return [t.rand(*shape) for shape in shapes]

        label = f"{text} on {' x '.join(map(str, shapes[0]))}"
        yield label, inference(model, x)
        yield f"{label}, training", training(model, x)
