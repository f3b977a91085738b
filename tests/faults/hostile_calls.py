"""Calls of every operator with arguments that nobody should give, in one process.

    python hostile_calls.py SEED RUNS PART PARTS LOG     what test_hostile_arguments.py starts
    python hostile_calls.py SEED NAME K                  one call again, with what it was given

Before each call its name and number go into LOG, so that a crash can be told and repeated. A call
may return or raise an ordinary exception; it may not take long, nor get absurd amounts of memory
(the process has a limit), nor raise SystemError, which is how broken C code shows.
"""

from __future__ import annotations

import faulthandler
import os
import random
import sys
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402
from matrix import Maker, leaves, sample_counts, split_sample  # noqa: E402

import rushlight as torch  # noqa: E402
from rushlight.op import functional_table, operators, torch_table  # noqa: E402

SECONDS = 5.0  # of processor time, for one call
HANGS = 120  # seconds for all calls of one name, after which the process shows where it stands
MEMORY = 2 << 30  # bytes of address space beyond what the start takes
DTYPES = (
    "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 bool complex64 complex128"
).split()
INTEGERS = (
    0, 1, -1, 2, -2, 3, 5, 7, -7, 64, 1000, 2**31 - 1, -(2**31), 2**31, 2**32, 2**32 + 1, 2**40,
    2**61, 2**62, -(2**62), 2**63 - 1, -(2**63), -(2**63) + 1, 2**63, 2**64, -(2**64), 10**30,
)  # fmt: skip
REALS = (0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, -1e308, float("nan"), float("inf"), -float("inf"))
WORDS = ("", "mean", "sum", "none", "amax", "reflect", "ij", "fro", "ortho", "\ud800", "x" * 1000)
SHAPES = (
    (),
    (0,),
    (1,),
    (3,),
    (5,),
    (0, 3),
    (3, 0),
    (3, 5),
    (5, 3),
    (1, 1),
    (4, 4),
    (2, 3, 4),
    (2, 0, 4),
    (1, 2, 5, 5),
    (2, 3, 6, 6),
    (1, 1, 2, 2, 2),
    (1,) * 12,
    (257,),
    (64, 65),
)


def one_of(rng, many):
    return many[rng.randrange(len(many))]


def any_tensor(rng):
    """A tensor of some shape, dtype and layout, with values from the ends of the range."""
    shape, dtype = one_of(rng, SHAPES), getattr(torch, one_of(rng, DTYPES))
    make = Maker(rng.randrange(1 << 30), dtype)
    kind = rng.randrange(8)
    if kind == 0 and dtype.is_floating_point:
        t = torch.full(shape, one_of(rng, REALS), dtype=torch.float64).to(dtype)
    elif kind == 1 and not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool):
        info = torch.iinfo(dtype)
        t = torch.from_numpy(
            np.full(shape, one_of(rng, (info.min, info.max, info.max // 2 + 1)), str(dtype)[6:])
        )
    else:
        t = make(*shape, low=-3, high=9)
    return rearranged(rng, t)


def rearranged(rng, t):
    """Another view of the same elements, or fewer or more of them."""
    kind = rng.randrange(12)
    if kind == 0 and t.dim() > 1:
        return t.transpose(0, -1)
    if kind == 1 and t.dim():
        return t[..., ::2]
    if kind == 2:
        return t.expand(one_of(rng, (1, 2, 3)), *t.shape)
    if kind == 3 and t.dim():
        return t[..., :0]
    if kind == 4 and t.dim():
        return t[1:]
    if kind == 5:
        return t.reshape(-1)
    if kind == 6:
        return t.unsqueeze(rng.randrange(t.dim() + 1))
    if kind == 7 and t.dim():
        return t.select(rng.randrange(t.dim()), 0) if t.numel() else t
    if kind == 8 and t.dtype.is_floating_point:
        return t.detach().clone().requires_grad_()
    return t


def any_number(rng):
    kind = rng.randrange(4)
    if kind < 2:
        return one_of(rng, INTEGERS)
    if kind == 2:
        return one_of(rng, REALS)
    return one_of(rng, (True, False, 1j, complex("nan+infj"), None))


def any_value(rng, depth=0):
    """Something of a type that Python has."""
    kind = rng.randrange(10)
    if kind < 3:
        return any_number(rng)
    if kind < 6:
        return any_tensor(rng)
    if kind == 6:
        return one_of(rng, WORDS)
    if kind == 7 and depth < 2:
        items = [any_value(rng, depth + 1) for _ in range(rng.randrange(5))]
        return items if rng.random() < 0.5 else tuple(items)
    if kind == 8:
        items = [one_of(rng, INTEGERS) for _ in range(rng.randrange(6))]
        return items if rng.random() < 0.5 else tuple(items)
    odd = (
        None,
        {},
        {"a": 1},
        b"abc",
        object(),
        int,
        ...,
        slice(None),
        set(),
        iter(()),
        range(3),
        torch.float32,
        torch.int64,
        torch.bool,
        torch.Size((2, 3)),
        torch.device("cpu"),
    )
    return one_of(rng, odd)


def spoiled(rng, value):
    """An argument near to `value` but wrong, or something else."""
    kind = rng.randrange(6)
    if kind == 0 and rng.random() < 0.4:
        return any_value(rng)
    if isinstance(value, torch.Tensor):
        if kind == 1:
            return any_tensor(rng)
        if kind == 2:
            value = value.detach().to(getattr(torch, one_of(rng, DTYPES)))
        if kind == 3 and value.numel() and not value.requires_grad and not value.dtype.is_complex:
            value = value.clone()
            wide = value.dtype in (torch.int64, torch.int32)
            value[(0,) * value.dim()] = one_of(rng, (-1, 100, -100)) if wide else 1
            return value
        return rearranged(rng, value)
    if isinstance(value, (tuple, list)) and value:
        made = list(value)
        if kind == 1:
            made.pop(rng.randrange(len(made)))
        elif kind == 2:
            made.append(one_of(rng, made))
        else:
            at = rng.randrange(len(made))
            made[at] = spoiled(rng, made[at])
        return type(value)(made) if type(value) in (tuple, list) else made
    if isinstance(value, int) and kind < 5:
        return one_of(rng, INTEGERS) if kind < 4 else value + rng.randrange(-3, 4)
    if isinstance(value, float) and kind < 5:
        return one_of(rng, REALS) if kind < 4 else any_number(rng)
    return any_value(rng) if kind < 4 else value


def any_out(rng, args):
    """What an out= should not be: the operand itself, a part of it, something unlike a result."""
    tensors = leaves(args)
    if not tensors or rng.random() < 0.3:
        return any_value(rng)
    t = one_of(rng, tensors).detach()
    kind = rng.randrange(5)
    if kind == 0 and t.dim():
        return t[1:]
    if kind == 1:
        return t.expand(2, *t.shape)
    if kind == 2:
        return (t, t)
    if kind == 3 and t.dim() > 1:
        return t.transpose(0, 1)
    return t


def hostile(name, k, seed):
    """(callable, args, kwargs): call `k` of an operator or a public function."""
    rng = random.Random(f"{seed} {name} {k}")
    space, _, leaf = name.rpartition(".")
    if space:  # a public function has no samples
        function = (torch_table if space == "torch" else functional_table)[leaf]
        code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
        count = rng.randrange((code.co_argcount if code else 3) + 1)
        args = [any_tensor(rng) if i == 0 and rng.random() < 0.7 else any_value(rng)
                for i in range(count)]  # fmt: skip
        names = (
            code.co_varnames[: code.co_argcount + code.co_kwonlyargcount][count:] if code else ()
        )
        kwargs = {n: any_value(rng) for n in names if rng.random() < 0.2}
        return function, args, kwargs
    op = operators[name]
    make = Maker(rng.randrange(1 << 30), one_of(rng, DTYPES if rng.random() < 0.3 else DTYPES[:2]),
                 grad=rng.random() < 0.3)  # fmt: skip
    index = rng.randrange(sample_counts()[name])
    args, kwargs = (), {}
    try:
        for i, sample in enumerate(op.declaration.samples(make)):
            if i == index:
                args, kwargs = split_sample(sample)
                break
    except (RuntimeError, TypeError, ValueError):
        pass  # no sample in this dtype: the arguments are anything
    args, kwargs = list(args), dict(kwargs)
    for _ in range(one_of(rng, (1, 1, 1, 2, 3))):
        kind = rng.randrange(16)
        if kind == 0 and args:
            args.pop()
        elif kind == 1:
            args.append(any_value(rng))
        elif kind == 2:
            kwargs[one_of(rng, ("dim", "input", "dtype", "keepdim", "nonsense"))] = any_value(rng)
        elif kind == 3:
            kwargs["out"] = any_out(rng, args)
        elif kind == 4 and kwargs:
            at = one_of(rng, sorted(kwargs))
            kwargs[at] = spoiled(rng, kwargs[at])
        elif args:
            at = rng.randrange(len(args))
            args[at] = spoiled(rng, args[at])
    inplace = getattr(torch.Tensor, name + "_", None)
    chosen = inplace if inplace is not None and rng.random() < 0.2 else op
    return chosen, args, kwargs


def perform(function, args, kwargs):
    """The call and, where there is a graph, its gradients: the exception's type, or None."""
    try:
        got = function(*args, **kwargs)
        total = [t for t in leaves(got) if t.requires_grad and t.numel() < 1 << 20]
        if total:
            torch.autograd.grad(total, [t for t in leaves((args, kwargs)) if t.requires_grad],
                                [torch.ones_like(t) for t in total], allow_unused=True)  # fmt: skip
    except SystemError:
        raise
    except Exception as error:
        return type(error)
    return None


def shown(value):
    """A short word for an argument."""
    if isinstance(value, torch.Tensor):
        return f"<{value.dtype} {tuple(value.shape)} strides {value.stride()}>"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(shown, value)) + "]"
    return repr(value)[:80]


def names():
    """Every operator, and every public function of torch and torch.nn.functional."""
    functions = [
        f"{space}.{leaf}"
        for space, table in (("torch", torch_table), ("F", functional_table))
        for leaf, f in table.items() if not isinstance(f, torch._C.Op)
    ]  # fmt: skip
    return sorted(n for n, count in sample_counts().items() if count) + sorted(functions)


def limit_memory():
    """Make this process fail to get absurd amounts of memory, instead of getting them."""
    if os.environ.get("LD_PRELOAD"):  # AddressSanitizer reserves terabytes and has its own limit
        return
    import resource

    with open("/proc/self/statm") as f:
        size = int(f.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))


def campaign(seed, runs, part, parts, log):
    """All calls of one part; exits with a list of what misbehaved."""
    limit_memory()
    faults, outcomes = [], {}
    for name in names()[part::parts]:
        faulthandler.dump_traceback_later(HANGS, exit=True)
        for k in range(runs):
            function, args, kwargs = hostile(name, k, seed)
            os.pwrite(log, f"{name} {k}".ljust(80).encode(), 0)
            start = time.process_time()
            try:
                kind = perform(function, args, kwargs)
            except BaseException as error:  # SystemError, or an exit
                faults.append(f"{name} {k}: {type(error).__name__}: {error}")
                continue
            took = time.process_time() - start
            if took > SECONDS:
                faults.append(f"{name} {k}: took {took:.1f} s")
            outcomes[kind and kind.__name__] = outcomes.get(kind and kind.__name__, 0) + 1
            if not torch.is_grad_enabled():
                faults.append(f"{name} {k}: left gradients disabled")
                torch.set_grad_enabled(True)
            torch.set_default_dtype(torch.float32)
    print(outcomes)
    if faults:
        sys.exit("\n".join(faults))


def main(arguments):
    faulthandler.enable()
    warnings.simplefilter("ignore")
    seed = int(arguments[0])
    if len(arguments) > 3:
        runs, part, parts = map(int, arguments[1:4])
        campaign(seed, runs, part, parts, os.open(arguments[4], os.O_WRONLY | os.O_CREAT))
        return
    function, args, kwargs = hostile(arguments[1], int(arguments[2]), seed)
    print(function, shown(args), {k: shown(v) for k, v in kwargs.items()}, flush=True)
    limit_memory()
    print(function(*args, **kwargs))


if __name__ == "__main__":
    main(sys.argv[1:])
