"""Random calls in rushlight and in PyTorch, compared in everything that a caller can see.

    python fuzz_run.py SEED CALLS SECONDS LOG [REGEX]   what test_fuzz.py starts
    python fuzz_run.py SEED --layouts CALLS             without PyTorch: strided against packed
    python fuzz_run.py SEED --call NAME K               one call again, with what came of it

Every difference is printed: first those that a program would not notice and fuzz_known.py does
not list, which make the exit status 1, then the others. Before each call its name and number go
into LOG, so that a crash can be told and repeated.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import re
import sys
import time
import traceback
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402
from fuzz_calls import call_of, elementwise, names  # noqa: E402
from fuzz_known import SILENT, known  # noqa: E402
from fuzz_tensors import Named, Part, Spec, built  # noqa: E402

import rushlight  # noqa: E402

TOLERANCE = {
    "float64": 1e-7,
    "float32": 2e-4,
    "complex128": 1e-7,
    "complex64": 2e-4,
    "float16": 6e-3,
    "bfloat16": 4e-2,
}
LIMIT = 20  # seconds for one call


def resolve(framework, path):
    """The function that `path` names: torch.f, nn.functional.f, Tensor.f."""
    place = framework
    for part in path.split("."):
        place = getattr(place, part)
    return place


def attach_outputs(framework, args, kwargs):
    """Outputs that share memory with an argument."""
    out = kwargs.get("out")
    if isinstance(out, Part):
        base = args[out.at]
        if out.shifted:
            flat = base.detach().reshape(-1)
            wide = framework.cat([flat[:1], flat])
            count = base.numel()
            args[out.at] = wide[len(wide) - count :].reshape(base.shape)
            kwargs["out"] = wide[:count].reshape(base.shape)
        else:
            kwargs["out"] = base


class Outcome:
    """What a call in one framework gave: an error, or results, arguments after it, gradients."""

    def __init__(self, framework, path, args, kwargs):
        self.error = self.message = None
        self.results = self.after = self.grads = None
        self.note = ""
        args = list(built(list(args), framework))
        kwargs = dict(built(kwargs, framework))
        attach_outputs(framework, args, kwargs)
        try:
            got = resolve(framework, path)(*args, **kwargs)
        except Exception as error:
            self.error, self.message = type(error), str(error)
            return
        self.results = list(flattened(framework, got))
        self.grads = self.gradients(framework, args, kwargs)
        self.after = [described(framework, t, False) for t in tensors(framework, (args, kwargs))]
        self.results = [described(framework, r, True) for r in self.results]

    def gradients(self, framework, args, kwargs):
        """Gradients of the leaves for fixed gradients of the results, or the error's class."""
        made = [r for r in self.results if isinstance(r, framework.Tensor) and r.requires_grad]
        leaves = [t for t in tensors(framework, (args, kwargs)) if t.requires_grad and t.is_leaf]
        if not made or not leaves:
            return []
        cotangents = []
        try:
            for t in made:
                steps = np.arange(t.numel(), dtype=np.float64).reshape(tuple(t.shape))
                values = framework.from_numpy(np.asarray(np.cos(steps) + 0.25))
                cotangents.append(values.to(t.dtype))
            grads = framework.autograd.grad(made, leaves, cotangents, allow_unused=True)
        except Exception as error:
            self.note = str(error)
            return type(error)
        return [None if g is None else described(framework, g, True) for g in grads]


def tensors(framework, tree):
    """The tensors of a tree."""
    if isinstance(tree, framework.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        return [t for item in tree for t in tensors(framework, item)]
    return []


def flattened(framework, tree):
    """The leaves of a result: tensors, numbers, and the lengths of its tuples."""
    if isinstance(tree, (list, tuple)):
        yield (type(tree).__name__, len(tree))
        for item in tree:
            yield from flattened(framework, item)
    else:
        yield tree


def described(framework, value, with_layout):
    """A tensor as (array, dtype, strides that matter, requires_grad); the rest as it is."""
    if isinstance(value, framework.dtype):
        return str(value)
    if not isinstance(value, framework.Tensor):
        return value
    t = value.detach()
    dtype = str(t.dtype)[6:]
    wider = {"bfloat16": framework.float32, "complex32": framework.complex64}.get(dtype)
    array = (t if wider is None else t.to(wider)).numpy(force=True).copy()
    strides = tuple(s for n, s in zip(t.shape, t.stride(), strict=True) if n != 1)
    layout = (strides if t.numel() else ()) if with_layout else None
    return array, dtype, layout, value.requires_grad


def difference(ours, theirs, extent):
    """(kind, words) of how two described values differ, or None."""
    if not isinstance(theirs, tuple) or len(theirs) != 4:
        same = ours == theirs or (ours != ours and theirs != theirs)
        if isinstance(theirs, float) and isinstance(ours, float) and not same:
            same = abs(ours - theirs) <= 1e-5 * abs(theirs)
        same = same and type(ours) is type(theirs)
        return None if same else ("value", f"{ours!r}, expected {theirs!r}")
    if not isinstance(ours, tuple) or len(ours) != 4:
        return "type", f"{type(ours).__name__}, expected a tensor"
    if ours[0].shape != theirs[0].shape:
        return "shape", f"{ours[0].shape}, expected {theirs[0].shape}"
    if ours[1] != theirs[1]:
        return "dtype", f"{ours[1]}, expected {theirs[1]}"
    found = unequal(ours[0], theirs[0], extent)
    if found:
        return found
    if ours[3] != theirs[3]:
        return "requires_grad", f"{ours[3]}, expected {theirs[3]}"
    if ours[2] != theirs[2]:
        return "strides", f"{ours[2]} for {ours[0].shape}, expected {theirs[2]}"
    return None


def unequal(ours, theirs, extent):
    """(kind, words) where the numbers of two arrays of one shape and dtype differ, or None."""
    if ours.dtype.kind == "c":
        wild = extent[0], True, extent[2]
        return unequal(ours.real, theirs.real, wild) or unequal(ours.imag, theirs.imag, wild)
    if ours.dtype.kind != "f":
        wrong, zeros = ours != theirs, np.zeros(ours.shape, bool)
    else:
        tolerance, wild, summed = extent
        tolerance = max(tolerance, {2: 6e-3, 4: 2e-4}.get(ours.dtype.itemsize, 0.0))
        if summed and wild:  # what overflows on the way depends on the order of the terms
            return None
        if summed and tolerance > 1e-3:
            tolerance *= 3  # some sums are rounded to the half type on the way, some are not
        finite = np.isfinite(theirs) & np.isfinite(ours)
        size = np.abs(theirs[finite]).max(initial=0.0).astype(np.float64)
        with np.errstate(all="ignore"):
            near = np.abs(ours.astype(np.float64) - theirs) <= tolerance * (
                np.abs(theirs) + max(0.1 * min(size, 1e4), 0.01)
            )
        odd = wild | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if summed:  # infinities that meet: NaN, or one of them, by the order of the terms
            odd = odd | ~(np.isfinite(ours) | np.isfinite(theirs))
        wrong = ~np.where(finite, near, odd)
        zeros = (ours == 0) & (theirs == 0) & (np.signbit(ours) != np.signbit(theirs))
    for kind, where in (("value", wrong), ("zero", zeros)):
        if where.any():
            at = tuple(int(i) for i in np.argwhere(where)[0])
            return kind, f"{ours[at]!r} at {at}, expected {theirs[at]!r}"
    return None


def extent_of(call):
    """(tolerance, whether numbers may overflow on the way, whether terms are summed) of a call."""
    tolerance, wild = 1e-7, False
    for spec in specs((call[1], call[2])):
        tolerance = max(tolerance, TOLERANCE.get(spec.dtype, 0.0))
    for word in [v.name for v in call[2].values() if isinstance(v, Named)]:
        tolerance = max(tolerance, TOLERANCE.get(word, 0.0))
    for spec in specs((call[1], call[2])):
        if spec.flat.dtype.kind in "fc":
            finite = np.abs(spec.flat[np.isfinite(spec.flat)]).max(initial=0.0)
            wild = wild or finite > (1e3 if spec.dtype == "float16" else 1e18)
    return tolerance, wild, not elementwise(call[0])


def specs(tree):
    """The Specs in a tree."""
    if isinstance(tree, Spec):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        return [s for item in tree for s in specs(item)]
    return []


def compare(ours, theirs, call):
    """(kind, words) of the first difference between two outcomes, or None."""
    extent = extent_of(call)
    if theirs.error or ours.error:
        if ours.error is None:
            return "accepts", f"{theirs.error.__name__}: {theirs.message.splitlines()[0][:200]}"
        if theirs.error is None:
            return "refuses", f"{ours.error.__name__}: {ours.message[:200]}"
        if ours.error.__name__ != theirs.error.__name__:
            return "error", (
                f"{ours.error.__name__}: {ours.message[:150]}, expected "
                f"{theirs.error.__name__}: {(theirs.message.splitlines() or [''])[0][:150]}"
            )
        return None
    if len(ours.results) != len(theirs.results):
        return "count", f"{len(ours.results)}, expected {len(theirs.results)}"
    for a, b in zip(ours.results, theirs.results, strict=True):
        found = difference(a, b, extent)
        if found:
            return found
    for a, b in zip(ours.after, theirs.after, strict=True):
        found = difference(a, b, extent)
        if found:
            return "argument " + found[0], found[1]
    return compare_gradients(ours, theirs, extent)


def compare_gradients(ours, theirs, extent):
    a, b = ours.grads, theirs.grads
    if not isinstance(a, list) or not isinstance(b, list):
        if isinstance(a, list) != isinstance(b, list):
            return "gradient error", f"{ours.note or 'none'!r}, expected {theirs.note or 'none'!r}"
        return None
    if len(a) != len(b):
        return "gradient count", f"{len(a)}, expected {len(b)}"
    for x, y in zip(a, b, strict=True):
        if (x is None) != (y is None):
            return "gradient None", f"{x}, expected {y}"
        found = x is not None and difference(x, y, extent)
        if found:
            return "gradient " + found[0], found[1]
    return None


def call_number(seed, name, k):
    """(path, args, kwargs) of call `k` of a name."""
    return call_of(name, random.Random(f"{seed} {name} {k}"))


def attempt(oracle, seed, name, k, stage):
    """Both outcomes of one call, and the call."""
    path, args, kwargs = call_number(seed, name, k)
    stage("ours")
    ours = Outcome(rushlight, path, args, kwargs)
    rushlight.set_default_dtype(rushlight.float32)
    stage("oracle")
    return ours, Outcome(oracle, path, args, kwargs), (path, args, kwargs)


def shown(call):
    path, args, kwargs = call
    words = [repr(a) for a in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
    return f"{path}({', '.join(words)})"


def campaign(oracle, seed, calls, seconds, log, pattern):
    """So many calls round the names, in so much time: (differences by name and kind, calls).

    A child makes the calls, because PyTorch itself divides some integers by zero and dies; the
    next child goes on after the call that killed the last.
    """
    chosen = [n for n in names() if re.search(pattern, n) and resolves(oracle, n)]
    random.Random(seed).shuffle(chosen)
    end, first = time.monotonic() + seconds, 0
    found, pid = {}, -1
    with open(log, "w+b", buffering=0) as journal:
        while pid and first < calls and time.monotonic() < end:
            pid = os.fork()
            if not pid:
                make_calls(oracle, seed, chosen, range(first, calls), end, journal)
            status = os.waitpid(pid, 0)[1]
            journal.seek(0)
            lines = journal.read().decode().splitlines()
            at, stage, name, k = lines[-1].split()
            first, pid = int(at) + 1, 0 if status == 0 else pid
            if status and stage == "ours":
                call = shown(call_number(seed, name, int(k)))
                found[name, "crash"] = [(f"status {status}", int(k), call)]
    for line in lines:
        if line.startswith("["):
            name, kind, *case = json.loads(line)
            found.setdefault((name, kind), []).append(case)
    return found, first


def make_calls(oracle, seed, chosen, numbers, end, journal):
    """The calls of these numbers, in a process of their own; ends it."""
    status = 1
    try:
        for at in numbers:
            if time.monotonic() > end:
                break
            name, k = chosen[at % len(chosen)], at // len(chosen)
            faulthandler.dump_traceback_later(LIMIT, exit=True)
            stage = lambda word: journal.write(f"{at} {word} {name} {k}\n".encode())  # noqa: B023, E731
            ours, theirs, call = attempt(oracle, seed, name, k, stage)
            wrong = compare(ours, theirs, call)
            if wrong:
                case = json.dumps([name, *wrong, k, shown(call)])
                journal.write((case + "\n").encode())
        journal.write(f"{at} end {name} {k}\n".encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def resolves(oracle, name):
    """Whether both frameworks have the function."""
    try:
        path, _, _ = call_number(0, name, 0)
        resolve(oracle, path)
        resolve(rushlight, path)
    except AttributeError:
        return False
    return True


def layouts(seed, calls):
    """Operators on strided tensors and on packed copies of them: the differences."""
    rng, found = random.Random(seed), []
    drawn = [n for n in names() if n.startswith("op.")]
    for k in range(calls):
        name = drawn[k % len(drawn)]
        path, args, kwargs = call_number(rng.random(), name, k)
        kwargs.pop("out", None)
        if not resolves(rushlight, name) or path.endswith("_"):
            continue
        ours = Outcome(rushlight, path, args, kwargs)
        packed = Outcome(rushlight, path, packed_tree(args), packed_tree(kwargs))
        wrong = compare(ours, packed, (path, args, kwargs))
        if wrong and wrong[0] in SILENT and not known(name, wrong[0]):
            found.append(f"{name} [{wrong[0]}]: {wrong[1]}\n    {shown((path, args, kwargs))}")
    return found


def packed_tree(tree):
    """The tree with contiguous Specs of the same values."""
    if isinstance(tree, Spec):
        return tree.packed()
    if type(tree) in (list, tuple):
        return type(tree)(packed_tree(item) for item in tree)
    if type(tree) is dict:
        return {k: packed_tree(v) for k, v in tree.items()}
    return tree


def report(found, count):
    """Print all differences; whether there is a silent one that is not known."""
    silent = {key for key in found if key[1] in SILENT and not known(*key)}
    print(f"{count} calls, {len(found)} kinds of difference, {len(silent)} silent and not known")
    for key in sorted(found, key=lambda key: (key not in silent, key[1], key[0])):
        words, k, call = min(found[key], key=lambda case: len(case[2]))
        print(
            f"{key[0]} [{key[1]}] x{len(found[key])}: {words}\n    {call}\n    --call {key[0]} {k}"
        )
    return bool(silent)


def call_again(oracle, seed, name, k):
    """One call, with what came of it in both frameworks."""
    print(shown(call_number(seed, name, k)), flush=True)
    ours, theirs, call = attempt(oracle, seed, name, k, lambda word: print(word, flush=True))
    for label, o in (("ours", ours), ("oracle", theirs)):
        print(label, o.error and (o.error.__name__, o.message), o.results, o.grads, o.note)
    print(compare(ours, theirs, call))


def main(arguments):
    faulthandler.enable()
    warnings.simplefilter("ignore")
    seed = arguments[0]
    if arguments[1] == "--layouts":
        found = layouts(seed, int(arguments[2]))
        sys.exit("\n".join(found) or None)
    import torch as oracle

    oracle.set_num_threads(1)
    if arguments[1] == "--call":
        return call_again(oracle, seed, arguments[2], int(arguments[3]))
    pattern = arguments[4] if len(arguments) > 4 else ""
    calls, seconds = int(arguments[1]), float(arguments[2])
    found, count = campaign(oracle, seed, calls, seconds, arguments[3], pattern)
    sys.exit(report(found, count))


if __name__ == "__main__":
    main(sys.argv[1:])
