"""Optimizer steps: 200 small parameters, and the layers of a small network."""

from __future__ import annotations

SMALL = [(64,)] * 200
NETWORK = [(256, 256), (256,), (256, 256), (256,), (10, 256), (10,)]
MATRICES = [(256, 256), (256, 256), (10, 256)]
RULES = {
    "SGD": {},
    "SGD, momentum": {"momentum": 0.9},
    "Adam": {},
    "AdamW": {},
    "RMSprop": {},
    "Adagrad": {},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "ASGD": {},
    "Rprop": {},
    "Adafactor": {},
    "Muon": {},
}


def step(name, shapes, dtype="float32", **options):
    """Make `step` of an optimizer over parameters of the given shapes."""

    def make(t):
        params = [t.nn.Parameter(t.rand(*s).to(getattr(t, dtype))) for s in shapes]
        optimizer = getattr(t.optim, name.split(",")[0])(params, **options)
        for p in params:
            p.grad = t.rand_like(p) * 1e-2
        optimizer.step()  # makes the state
        return optimizer.step

    return make


def lines():
    """Pairs of a text and what makes the function to time."""
    for name, options in RULES.items():
        if name != "Muon":
            yield f"{name}, 200 x 64", step(name, SMALL, **options)
        shapes = MATRICES if name == "Muon" else NETWORK
        yield f"{name}, 256-256-256-10", step(name, shapes, **options)
    yield "Adam, 256-256-256-10, bfloat16", step("Adam", NETWORK, "bfloat16")
