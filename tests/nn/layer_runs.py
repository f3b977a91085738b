"""Running the layers of the table under either framework, and sums that stand for the results.

python tests/nn/layer_runs.py     writes the sums that PyTorch gives; needs PyTorch
"""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path

import numpy as np
from cases import CASES, Feed

KEPT = Path(__file__).parent / "layer_sums.json"


def array(t):
    return t.detach().numpy()


def flat(result):
    """All floating tensors of an output, in order."""
    if isinstance(result, (tuple, list)):
        return [t for item in result for t in flat(item)]
    return [] if result is None or not result.is_floating_point() else [result]


def build(framework, make):
    framework.manual_seed(3)
    return make(framework.nn)


def run(framework, module, arguments, mode):
    """(outputs, gradients of the arguments, gradients of the parameters, state afterwards)."""
    module = module.double().train(mode)
    feed = Feed(framework)
    args = arguments(feed)
    framework.manual_seed(5)
    outputs = flat(module(*args))
    total = sum((out * (i + 1) * (out.detach() + 1)).sum() for i, out in enumerate(outputs))
    if total.requires_grad:
        total.backward()
    return (
        [array(out) for out in outputs],
        [None if t.grad is None else array(t.grad) for t in feed.leaves],
        {n: None if p.grad is None else array(p.grad) for n, p in module.named_parameters()},
        {n: array(t) for n, t in module.state_dict().items()},
    )


def second_gradients(framework, module, arguments):
    """Gradients of the squared length of the gradients, by arguments and parameters."""
    module = module.double()
    feed = Feed(framework)
    args = arguments(feed)
    framework.manual_seed(5)
    outputs = flat(module(*args))
    total = sum((out * (i + 1) * (out + 1)).sum() for i, out in enumerate(outputs))
    leaves = [*feed.leaves, *module.parameters()]
    leaves = [leaf for leaf in leaves if leaf.requires_grad]
    if not leaves or not total.requires_grad:
        return []
    grad = framework.autograd.grad
    first = grad(total, leaves, create_graph=True, allow_unused=True)
    first = [g for g in first if g is not None and g.requires_grad]
    if not first:
        return []
    second = grad(sum((g * g).sum() for g in first), leaves, allow_unused=True)
    return [None if g is None else array(g) for g in second]


def _sum(values):
    """One number that any change of the values would change."""
    values = np.asarray(values, dtype=np.float64).ravel()
    return float(f"{(values * np.cos(np.arange(values.size))).sum():.9g}")


def sums(framework_name, name):
    """What a layer prints and saves, and the sums of all it computes, in training and after."""
    framework = importlib.import_module(framework_name)
    make, arguments = CASES[name]
    module = build(framework, make)
    text = repr(module).replace("rushlight", "torch")
    results = {"repr": text, "state": list(module.state_dict())}
    for mode in (True, False):
        outputs, gradients, of_parameters, state = run(
            framework, build(framework, make), arguments, mode
        )
        parts = [*outputs, *gradients, *of_parameters.values(), *state.values()]
        results["train" if mode else "eval"] = [None if p is None else _sum(p) for p in parts]
    return results


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    kept = {name: sums("torch", name) for name in CASES}
    KEPT.write_text(json.dumps(kept, indent=0, ensure_ascii=False) + "\n")
