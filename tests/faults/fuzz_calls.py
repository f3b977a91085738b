"""Where random calls come from: the samples of every declaration, changed, and the catalogue."""

from __future__ import annotations

import functools
import random
import re

import fuzz_layers  # noqa: F401 (registers its recipes)
import fuzz_shapes  # noqa: F401
import numpy as np
from fuzz_catalogue import RECIPES
from fuzz_tensors import (
    COMPLEX,
    EVERY,
    FLOATS,
    INTEGERS,
    Named,
    Part,
    Spec,
    number,
    spec_of,
    tensor,
    values_of,
)
from matrix import Maker, sample_counts, split_sample

import rushlight as torch
from rushlight.op import functional_table, namespace_tables, operators, to_array, torch_table

# Not drawn from samples: what PyTorch leaves open there (the places of ties, unsorted boundaries,
# factors up to a sign), and special functions, which have tests of their own.
LEFT_OUT = re.compile(
    "kthvalue|topk|mode|median|searchsorted|geqrf|qr|svd|eig|lstsq|lu|ldl|inv|solve|cholesky|orgqr"
    "|bessel|polynomial|airy|igamma|zeta|polygamma|digamma|ndtr|erfc|entr|i0|i1|special|fft|convolution"
    "|histc|embedding_renorm|renorm|bincount"
)
OPTIONS = {
    "dim": (0, 1, -1, -2, 2, None, (0,), (0, 1), (), 5),
    "keepdim": (True, False),
    "dtype": tuple(
        Named(d) for d in ("float32", "float64", "int64", "int32", "float16", "bool", "complex64")
    ),
    "reduction": ("mean", "sum", "none"),
    "correction": (0, 1, 2),
    "unbiased": (True, False),
    "largest": (True, False),
    "descending": (True, False),
    "stable": (True, False),
    "right": (True, False),
    "ceil_mode": (True, False),
    "count_include_pad": (True, False),
    "align_corners": (True, False),
    "ignore_index": (-100, 0, 1),
    "label_smoothing": (0.0, 0.1),
    "reduce": ("amax", "amin", "sum", "prod", "mean"),
    "include_self": (True, False),
    "accumulate": (True, False),
    "rounding_mode": (None, "floor", "trunc"),
    "alpha": (1, 2, 2.5, -1, True),
    "value": (1, 2, -0.5),
    "beta": (1, 0, 0.5),
    "eps": (1e-5, 1e-3, 0.0),
    "p": (1, 2, 0.5, 0, 3, float("inf")),
    "return_inverse": (True, False),
    "return_counts": (True, False),
    "padding": (0, 1, 2),
    "stride": (1, 2, 3),
    "dilation": (1, 2),
    "diagonal": (0, 1, -1, 5),
    "log_target": (True, False),
    "full": (True, False),
    "decimals": (0, 1, -1, 2),
}


class FuzzMaker(Maker):
    """`make` for samples whose sizes, dtypes, layouts and values have been tampered with."""

    def __init__(self, rng):
        super().__init__(rng.randrange(1 << 30))
        self.rng = rng
        kind = rng.random()
        self.main = "float32" if kind < 0.4 else "float64" if kind < 0.5 else rng.choice(EVERY)
        self.mixed = rng.random() < 0.15
        self.spoil = rng.random() < 0.4
        self.sizes = {}
        self.reshape = rng.random() < 0.3
        self.all_grad = rng.random() < 0.4

    def __call__(self, *shape, dtype=None, low=-1, high=1, grad=True):
        if self.reshape and shape and not self.sizes:
            self.sizes = {self.rng.choice(shape): self.rng.choice((0, 1, 1, 2, 6))}
        shape = tuple(self.sizes.get(n, n) for n in shape)
        self.dtype = self.rng.choice(EVERY) if self.mixed else self.main
        return super().__call__(*shape, dtype=dtype, low=low, high=high, grad=False)

    def frozen(self, tree):
        """The sample with Specs in place of tensors."""
        if isinstance(tree, torch.Tensor):
            return self.frozen_tensor(tree)
        if isinstance(tree, torch.dtype):
            return Named(str(tree)[6:])
        if type(tree) in (list, tuple, torch.Size):
            made = [self.frozen(item) for item in tree]
            return made if type(tree) is list else tuple(made)
        if type(tree) is dict:
            return {k: self.frozen(v) for k, v in tree.items()}
        return tree

    def frozen_tensor(self, t):
        dtype, rng = str(t.dtype)[6:], self.rng
        values = np.array(to_array(t))
        if self.spoil and values.size and dtype not in INTEGERS:
            odd = values_of(rng, values.shape, dtype)
            if rng.random() < 0.5:
                keep = np.random.default_rng(rng.randrange(1 << 30)).random(values.shape) < 0.6
                odd = np.where(keep, values, odd)
            values = odd
        elif self.spoil and rng.random() < 0.3:
            values = values_of(rng, values.shape, dtype)
        grad = self.all_grad and rng.random() < 0.8 and dtype in (*FLOATS, *COMPLEX)
        return spec_of(rng, values, dtype, grad=grad)


@functools.cache
def paths():
    """{operator name: its public names}, the in-place ones included."""
    found = {}
    spaces = {
        "": torch_table,
        "nn.functional.": functional_table,
        **{space + ".": table for space, table in namespace_tables.items()},
    }
    for space, table in spaces.items():
        for leaf, function in table.items():
            if isinstance(function, torch._C.Op) and not leaf.startswith("_"):
                found.setdefault(function.__qualname__.rstrip("_"), []).append(space + leaf)
    for leaf in dir(torch.Tensor):
        function = getattr(torch.Tensor, leaf, None)
        if isinstance(function, torch._C.Op) and not leaf.startswith("_"):
            found.setdefault(function.__qualname__.rstrip("_"), []).append("Tensor." + leaf)
    return {n: sorted(p) for n, p in found.items() if n in operators and not LEFT_OUT.search(n)}


def names():
    """Operators that PyTorch has under the same name, and the recipes."""
    counts = sample_counts()
    drawn = [
        n
        for n in sorted(paths())
        if counts[n] and not getattr(operators[n].declaration, "random", False)
    ]
    return ["op." + n for n in drawn] + sorted(RECIPES)


def call_of(name, rng):
    """(path, args, kwargs) of one call of a name."""
    if name.startswith("op."):
        return sampled(name[3:], rng)
    path, args, kwargs = RECIPES[name](rng)
    return path, *with_outputs(rng, path, list(args), kwargs, 0.06)


def sampled(name, rng):
    """A sample of an operator, with a few changes."""
    index = rng.randrange(sample_counts()[name])
    for _ in range(20):  # until the drawn dtype suits the sample
        make = FuzzMaker(random.Random(rng.random()))
        try:
            for i, sample in enumerate(operators[name].declaration.samples(make)):
                if i == index:
                    args, kwargs = split_sample(sample)
                    args, kwargs = [make.frozen(a) for a in args], make.frozen(kwargs)
                    return changed(name, rng, args, kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            continue
    return rng.choice(paths()[name]), [], {}


def changed(name, rng, args, kwargs):
    """Some arguments nudged, some options added, one of the operator's public names."""
    code = operators[name].declaration.forward.__code__
    params = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for i, value in enumerate(args):
        if rng.random() < 0.15:
            args[i] = nudged(rng, value, params[i] if i < len(params) else "")
    for p in params[len(args) :]:
        if p in OPTIONS and rng.random() < 0.3:
            kwargs[p] = rng.choice(OPTIONS[p])
    path = rng.choice(paths()[name])
    if path.startswith("Tensor.") and not (args and isinstance(args[0], Spec)):
        path = rng.choice(paths()[name])
    return path, *with_outputs(rng, path, args, kwargs, 0.1)


def nudged(rng, value, param):
    """Something else that is likely to be allowed."""
    if param in OPTIONS and rng.random() < 0.6:
        return rng.choice(OPTIONS[param])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, 0, 1, 100))
    if isinstance(value, float):
        return number(rng)
    if isinstance(value, Spec) and rng.random() < 0.6:
        kind = rng.random()
        if kind < 0.3:
            return tensor(rng, value.shape)
        if kind < 0.5:
            return tensor(rng, value.shape[1:], value.dtype)
        if kind < 0.7:
            return tensor(rng, (), dtypes=EVERY)
        if kind < 0.8:
            return tensor(rng, (1, *value.shape), value.dtype)
        return number(rng)
    return value


def with_outputs(rng, path, args, kwargs, chance):
    """Now and then an out=: of some dtype and shape, or sharing memory with an argument."""
    if path.startswith("Tensor.") or path.endswith("_") or "out" in kwargs or rng.random() > chance:
        return args, kwargs
    places = [i for i, a in enumerate(args) if isinstance(a, Spec)]
    kind, out = rng.random(), None
    if places and kind < 0.35 and elementwise(path):
        shapes = [args[i].shape for i in places]
        whole = [i for i in places if covers(args[i].shape, shapes)]
        if not whole:
            return args, kwargs
        out = Part(rng.choice(whole), kind < 0.2)
        args[out.at].grad = False
    elif kind < 0.7:
        out = tensor(
            rng,
            (0,),
            rng.choice(
                ("float32", args[places[0]].dtype if places else "int64", rng.choice(EVERY))
            ),
            grad=False,
        )
    else:
        shape = args[places[0]].shape if places and rng.random() < 0.7 else None
        out = tensor(rng, shape, args[places[0]].dtype if places else None, grad=False)
    return args, {**kwargs, "out": out}


@functools.cache
def elementwise(path):
    """Whether an output over an operand means something (elsewhere PyTorch leaves it open)."""
    return any(
        path in many and getattr(operators[n], "pointwise", 0) for n, many in paths().items()
    )


def covers(shape, shapes):
    """Whether all shapes broadcast to `shape`."""
    try:
        return np.broadcast_shapes(*shapes) == shape
    except ValueError:
        return False
