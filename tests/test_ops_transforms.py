"""More columns of the matrix: vmap, forward mode and Jacobians of every operator's samples."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
from matrix import cases, is_random
from vmap_cases import (
    LANES,
    SEED,
    choices,
    in_batch,
    one_lane,
    prepared,
    results,
    same,
    sampled,
    to_oracle,
    twin,
)

import rushlight as torch
from rushlight.op import operators

func = torch.func

# Their results have another shape for each lane.
DYNAMIC = {"nonzero", "masked_select", "bincount", "unique_runs"}
# What they see depends on how the batch lies in memory, in PyTorch too.
BY_STRIDES = {"as_strided", "view_as_complex"}
ALL = [(n, i) for n, i in cases() if not is_random(operators[n]) and n not in DYNAMIC]


def differentiable(name):
    block = operators[name].declaration.__dict__
    return not block.get("underivable") and (
        "backward" in block or any(k.startswith("grad_") for k in block)
    )


GRADIENTS = [(n, i) for n, i in ALL if differentiable(n)]


def call_of(op, build):
    def call(*tensors):
        args, kwargs = build(tensors)
        return tuple(results(op(*args, **kwargs)))

    return call


# -- vmap ----------------------------------------------------------------------------------------


def compare_with_loop(call, columns, chosen, dim, tolerance=1e-9):
    wants = [call(*one_lane(columns, chosen, k)) for k in range(LANES)]
    args, dims = in_batch(columns, chosen, dim)
    got = torch.vmap(call, in_dims=dims)(*args)
    assert len(got) == len(wants[0])
    for i, g in enumerate(got):
        same(g, torch.stack([w[i] for w in wants]), tolerance)


@pytest.mark.parametrize("name,index", ALL)
def test_vmap_is_the_loop_over_lanes(name, index):
    op, columns, build = prepared(name, index)
    for chosen in choices(len(columns)):
        compare_with_loop(call_of(op, build), columns, chosen, 0)
    if columns and name not in BY_STRIDES:
        compare_with_loop(call_of(op, build), columns, (True,) * len(columns), -1)


KINDS = {
    "zero dims": ({"shapes": [()]}, 1e-9),
    "ranks": ({"dtype": "float32", "shapes": [(3,), (2, 3)]}, 1e-5),
    "scalar lanes": ({"dtype": "float32", "shapes": [(2, 3), ()]}, 1e-5),
    "int64": ({"dtype": "int64"}, 1e-6),
    "bool": ({"dtype": "bool"}, 1e-6),
    "complex128": ({"dtype": "complex128"}, 1e-9),
    "bfloat16": ({"dtype": "bfloat16"}, 2e-2),
}
INTERNAL = ("_backward", "_scatter", "masked_dropout", "select_by", "cummax", "cummin")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name,index", sampled(ALL, 5), ids=lambda x: f"{x}-seed{SEED}")
def test_vmap_of_other_dtypes_and_ranks(name, index, kind):
    """Also that what a lane refuses is refused for all, with the same kind of error."""
    settings, tolerance = KINDS[kind]
    if name in BY_STRIDES or any(word in name for word in INTERNAL):
        return
    try:
        op, columns, build = prepared(name, index, **settings)
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
        return  # a sample that cannot be made so
    call, chosen = call_of(op, build), (True,) * len(columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for k in range(LANES):
                call(*one_lane(columns, chosen, k))
        except Exception as error:
            args, dims = in_batch(columns, chosen, 0)
            with pytest.raises(type(error)):
                torch.vmap(call, in_dims=dims)(*args)
            return
        if columns:
            compare_with_loop(call, columns, chosen, 0, tolerance)


INPLACE = [
    (n, i) for n, i in ALL if getattr(getattr(torch.Tensor, n + "_", None), "inplace", False)
]  # fmt: skip


@pytest.mark.parametrize("name,index", INPLACE)
def test_in_place_forms_write_into_every_lane(name, index):
    op, columns, build = prepared(name, index)
    write = getattr(torch.Tensor, name + "_")

    def call(*tensors):
        args, kwargs = build([tensors[0].clone(), *tensors[1:]])
        result = write(*args, **kwargs)
        assert result is args[0]
        return (args[0],)

    first = (True,) + (False,) * (len(columns) - 1)
    for chosen in {first, (True,) * len(columns)}:
        try:
            call(*one_lane(columns, chosen, 0))
        except RuntimeError:
            continue  # the result does not fit the target
        compare_with_loop(call, columns, chosen, 0)


# Tables of places.
STATIC = BY_STRIDES | {"resample", "resample_bytes", "csr_matmul", "csr_sampled", "csr_product"}


@pytest.mark.parametrize("name,index", sampled(ALL, 5), ids=lambda x: f"{x}-seed{SEED}")
def test_vmap_in_vmap_is_the_loop_in_a_loop(name, index):
    """Outer lanes, inner lanes, or both, by tensor."""
    op, columns, build = prepared(name, index, 6)
    if name in STATIC or not columns:
        return
    call, n = call_of(op, build), len(columns)
    plans = {(("both",) * n), *([("outer", *["inner"] * (n - 1))] if n > 1 else [])}
    for plan in plans:

        def of_lane(column, kind, i, k):
            return column[(i if kind != "inner" else 0) * 3 + (k if kind != "outer" else 0)]

        def batch(column, kind):
            rows = [torch.stack(list(r)) for r in (column[:3], column[3:])]
            whole = torch.stack(rows)
            return whole if kind == "both" else whole[0] if kind == "inner" else whole[:, 0]

        wants = [
            [call(*[of_lane(c, p, i, k) for c, p in zip(columns, plan, strict=True)])
             for k in range(3)] for i in range(2)
        ]  # fmt: skip
        inner = tuple(None if p == "outer" else 0 for p in plan)
        outer = tuple(None if p == "inner" else 0 for p in plan)
        args = [batch(c, p) for c, p in zip(columns, plan, strict=True)]
        got = torch.vmap(torch.vmap(call, in_dims=inner), in_dims=outer)(*args)
        for j, g in enumerate(got):
            same(g, torch.stack([torch.stack([w[j] for w in row]) for row in wants]))


# -- gradients in lanes --------------------------------------------------------------------------


@pytest.mark.parametrize("name,index", sampled(GRADIENTS, 3), ids=lambda x: f"{x}-seed{SEED}")
def test_vmap_of_gradients_is_the_loop(name, index):
    op, columns, build = prepared(name, index, grad=True)
    wanted = [k for k, c in enumerate(columns) if c[0].requires_grad]
    columns = [[t.detach() for t in c] for c in columns]
    if not wanted or name in STATIC:
        return

    def gradients(*tensors):
        def call(*inputs):
            own = list(tensors)
            for k, x in zip(wanted, inputs, strict=True):
                own[k] = x
            args, kwargs = build(own)
            return tuple(o for o in results(op(*args, **kwargs)) if is_real_or_complex(o))

        outputs, pull = func.vjp(call, *[tensors[k] for k in wanted])
        return pull(tuple(o.detach() * 0.3 + 0.7 for o in outputs))

    for chosen in choices(len(columns)):
        compare_with_loop(gradients, columns, chosen, 0)


@pytest.mark.parametrize("name,index", sampled(GRADIENTS, 4), ids=lambda x: f"{x}-seed{SEED}")
def test_ordinary_gradients_go_through_a_vmap(name, index):
    """The tape outside of the vmap records what the lanes ran."""
    op, columns, build = prepared(name, index, grad=True)
    wanted = [k for k, c in enumerate(columns) if c[0].requires_grad]
    if not wanted or name in STATIC:
        return
    columns = [[t.detach() for t in c] for c in columns]
    call, chosen = call_of(op, build), (True,) * len(columns)

    def total(outputs):
        terms = [(o * o.detach()).real if o.dtype.is_complex else o * (o.detach() + 1)
                 for o in outputs if o.requires_grad]  # fmt: skip
        return sum(t.sum() for t in terms)

    args, dims = in_batch(columns, chosen, 0)
    args = [a.requires_grad_() if k in wanted else a for k, a in enumerate(args)]
    got = torch.autograd.grad(total(torch.vmap(call, in_dims=dims)(*args)), [
        args[k] for k in wanted], allow_unused=True)  # fmt: skip
    for k in range(LANES):
        own = [t.clone() for t in one_lane(columns, chosen, k)]
        leaves = [own[w].requires_grad_() for w in wanted]
        want = torch.autograd.grad(total(call(*own)), leaves, allow_unused=True)
        for g, w in zip(got, want, strict=True):
            if g is None or w is None:  # either way nothing flows
                assert all(x is None or not x.any() for x in (g, w))
            else:
                same(g[k], w)


def is_real_or_complex(x):
    return x.dtype.is_floating_point or x.dtype.is_complex


# -- forward mode --------------------------------------------------------------------------------


def inputs_of(name, index):
    """(function of the differentiable inputs, those inputs, its declaration)."""
    op, columns, build = prepared(name, index, 1, grad=True)
    tensors = [c[0] for c in columns]
    wanted = [k for k, t in enumerate(tensors) if t.requires_grad]
    tensors = [t.detach() for t in tensors]

    def call(*inputs):
        own = list(tensors)
        for k, x in zip(wanted, inputs, strict=True):
            own[k] = x
        args, kwargs = build(own)
        return tuple(o for o in results(op(*args, **kwargs)) if is_real_or_complex(o))

    return call, tuple(tensors[k] for k in wanted), op.declaration


def random_like(random, t):
    values = random.uniform(-1, 1, tuple(t.shape))
    if t.dtype.is_complex:
        values = values + 1j * random.uniform(-1, 1, tuple(t.shape))
    return torch.from_numpy(np.asarray(values))


def inner(pairs):
    """The real inner product of two lists of tensors."""
    return sum(float((a.conj() * b).real.sum() if a.dtype.is_complex or b.dtype.is_complex
                     else (a * b).sum()) for a, b in pairs)  # fmt: skip


@pytest.mark.parametrize("name,index", GRADIENTS)
def test_forward_mode_is_dual_to_reverse_mode(name, index):
    call, inputs, declaration = inputs_of(name, index)
    if not inputs:
        pytest.skip("the sample has no differentiable input")
    random = np.random.default_rng(5)
    tangents = tuple(random_like(random, t) for t in inputs)
    if getattr(declaration, "symmetric", False):  # the operator reads one triangle only
        tangents = tuple(t + t.mT for t in tangents)
    outputs, moved = func.jvp(call, inputs, tangents)
    for o, d in zip(outputs, moved, strict=True):
        assert o.shape == d.shape and o.dtype == d.dtype
    recorded = [o.requires_grad for o in call(*[t.clone().requires_grad_() for t in inputs])]
    _, pull = func.vjp(call, *inputs)
    cotangents = tuple(random_like(random, o) for o in outputs)
    forward = inner((c, d) for c, d, r in zip(cotangents, moved, recorded, strict=True) if r)
    reverse = inner(zip(pull(cotangents), tangents, strict=True))
    assert forward == pytest.approx(reverse, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name,index", sampled(GRADIENTS, 2), ids=lambda x: f"{x}-seed{SEED}")
def test_jacobians_of_both_modes_agree(name, index):
    call, inputs, declaration = inputs_of(name, index)
    numbers = sum(t.numel() for t in inputs)
    if not inputs or numbers > 60 or getattr(declaration, "symmetric", False):
        pytest.skip("no differentiable input, too many, or a triangle that is not read")
    where = tuple(range(len(inputs)))
    recorded = [o.requires_grad for o in call(*[t.clone().requires_grad_() for t in inputs])]
    reverse, forward = (f(call, argnums=where)(*inputs) for f in (func.jacrev, func.jacfwd))
    for rows, columns, used in zip(reverse, forward, recorded, strict=True):
        for a, b in zip(rows, columns, strict=True):
            if used and a.dtype == b.dtype:  # of real inputs and complex results it is half
                same(a, b)


# -- PyTorch -------------------------------------------------------------------------------------

HAS_TORCH = importlib.util.find_spec("torch") is not None
TWINS = sampled(GRADIENTS, 2) if HAS_TORCH else []
PHASES = {"linalg_svd", "linalg_eig", "linalg_eigh", "linalg_qr", "lobpcg"}  # not unique


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch as the oracle")
@pytest.mark.parametrize("name,index", TWINS, ids=lambda x: f"{x}-seed{SEED}")
def test_transforms_are_pytorchs(name, index):
    import torch as oracle

    theirs = twin(oracle, name)
    if theirs is None or name in PHASES:
        return
    op, columns, build = prepared(name, index, grad=True)
    wanted = [k for k, c in enumerate(columns) if c[0].requires_grad]
    columns = [[t.detach() for t in c] for c in columns]
    args, dims = in_batch(columns, (True,) * len(columns), 0)
    if not wanted:
        return
    random = np.random.default_rng(3)
    tangents = [random_like(random, args[k]) for k in wanted]

    def transformed(m, function, tensors, tangents):
        def call(*own):
            args, kwargs = build(own)
            return tuple(r for r in results(function(*args, **kwargs)) if is_real_or_complex(r))

        def both(moves, *tensors):
            def by(*inputs):
                own = list(tensors)
                for k, x in zip(wanted, inputs, strict=True):
                    own[k] = x
                return call(*own)

            given = tuple(tensors[k] for k in wanted)
            outputs, moved = m.func.jvp(by, given, tuple(moves))
            _, pull = m.func.vjp(by, *given)
            return outputs, moved, pull(tuple(o * 0 + 1 for o in outputs))

        return m.vmap(both, in_dims=(0, *dims))(tangents, *tensors)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            want = transformed(
                oracle, theirs, [to_oracle(oracle, t) for t in args],
                [to_oracle(oracle, t) for t in tangents],
            )  # fmt: skip
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return  # no rule in PyTorch, or other arguments
    got = transformed(torch, op, args, tangents)
    for a, b in zip(got, want, strict=True):
        for x, y in zip(a, b, strict=True):
            same(x, torch.from_numpy(np.array(y.resolve_conj().numpy(force=True))), 1e-7)
