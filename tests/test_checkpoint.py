"""utils.checkpoint: the same gradients with less memory, and every way to say what is kept."""

from __future__ import annotations

from functools import partial

import pytest

import rushlight as torch
from rushlight import _C, nn
from rushlight.autograd import Function
from rushlight.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
    detach_variable,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

both = pytest.mark.parametrize("reentrant", [False, True])
aten = torch.ops.aten


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Counted:
    """A function that counts its runs."""

    def __init__(self, function):
        self.function = function
        self.runs = 0

    def __call__(self, *args, **kwargs):
        self.runs += 1
        return self.function(*args, **kwargs)


def gradient_of(function, x):
    x.grad = None
    function(x).sum().backward()
    return x.grad.tolist()


# Equal to the plain run


@both
def test_gradients_are_those_of_the_plain_run(reentrant):
    block = Counted(lambda x: (x * x).sin().exp())
    x = leaf(0.5, 1.5)
    expected = gradient_of(block, x)
    block.runs = 0
    assert gradient_of(lambda v: checkpoint(block, v, use_reentrant=reentrant), x) == expected
    assert block.runs == 2


@both
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(reentrant, segments):
    functions = [torch.sin, torch.exp, torch.tanh]
    x = leaf(0.5, 1.5)
    expected = gradient_of(lambda v: torch.tanh(torch.exp(torch.sin(v))), x)
    found = gradient_of(
        lambda v: checkpoint_sequential(functions, segments, v, use_reentrant=reentrant), x
    )
    assert found == expected


def test_sequential_arguments():
    x = leaf(1.0)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo"):
        checkpoint_sequential([torch.sin], 1, x, use_reentrant=False, foo=1)
    with pytest.raises(ValueError, match="must not be zero"):
        checkpoint_sequential([torch.sin], 3, x, use_reentrant=False)
    with pytest.warns(UserWarning, match="checkpoint_sequential: the use_reentrant parameter"):
        checkpoint_sequential([torch.sin, torch.cos], 2, x)


@both
def test_dropout_draws_the_same_and_the_stream_goes_on(reentrant):
    net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Tanh(), nn.Dropout(0.3))

    def run(how):
        torch.manual_seed(3)
        net.zero_grad()
        x = torch.ones(4, 8, requires_grad=True)
        how(x).square().sum().backward()
        return x.grad.tolist(), net[0].weight.grad.tolist(), torch.rand(2).tolist()

    assert run(lambda x: checkpoint(net, x, use_reentrant=reentrant)) == run(net)


def test_without_the_random_state_other_numbers_are_drawn():
    masks = []

    def noisy(v):
        masks.append(torch.rand(8).tolist())
        return (v * v).sin()

    x = torch.ones(8, requires_grad=True)
    checkpoint(noisy, x, use_reentrant=False, preserve_rng_state=False).sum().backward()
    checkpoint(noisy, x, use_reentrant=False).sum().backward()
    assert masks[0] != masks[1] and masks[2] == masks[3]


def test_nested():
    def inner(x):
        return checkpoint(lambda v: v.sin().exp(), x * x, use_reentrant=False).cos()

    def outer(x):
        return checkpoint(inner, x.exp(), use_reentrant=False).tanh()

    x = leaf(0.1, 0.7)
    expected = gradient_of(lambda v: (v.exp() * v.exp()).sin().exp().cos().tanh(), x)
    assert gradient_of(lambda v: checkpoint(outer, v, use_reentrant=False), x) == expected
    mixed = gradient_of(lambda v: checkpoint(inner, v.exp(), use_reentrant=True).tanh(), x)
    assert mixed == expected


def test_keywords_nested_containers_and_grad():
    x = leaf(2.0)
    out = checkpoint(lambda v, power: v**power, x, power=3, use_reentrant=False)
    assert torch.autograd.grad(out.sum(), x)[0].tolist() == [12.0]
    out = checkpoint(lambda d: {"y": [d["x"].exp(), 5]}, {"x": x}, use_reentrant=False)
    assert torch.autograd.grad(out["y"][0].sum(), x)[0].item() == pytest.approx(7.389056)


def test_double_backward():
    x = leaf(0.5, 1.5)
    y = checkpoint(lambda v: (v**3).exp(), x, use_reentrant=False).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    v = x.detach()
    assert torch.allclose(h, (v**3).exp() * (9 * v**4 + 6 * v))


def test_each_backward_run_computes_again():
    block = Counted(lambda x: (x.exp(), x.sin()))
    x = leaf(1.0, 2.0)
    a, b = checkpoint(block, x, use_reentrant=False)
    a.sum().backward()
    b.sum().backward()
    assert block.runs == 3
    y = checkpoint(block, x, use_reentrant=False)[0].sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_a_function_may_look_at_its_saved_tensors_twice():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0] * (ctx.saved_tensors[0] / ctx.saved_tensors[0])

    x = leaf(1.0, 3.0)
    assert gradient_of(
        lambda v: checkpoint(lambda w: Square.apply(w.exp()), v, use_reentrant=False), x
    ) == gradient_of(lambda v: v.exp() ** 2, x)


# Memory


def peak_of(how) -> int:
    """The most bytes held at once while `how` runs forward and backward."""
    torch.manual_seed(0)
    blocks = [
        nn.Sequential(
            nn.Linear(64, 64), nn.Tanh(), nn.GELU(), nn.Sigmoid(), nn.Linear(64, 64), nn.Softsign()
        )
        for _ in range(12)
    ]
    x = torch.randn(1024, 64, requires_grad=True)
    most = [0]

    def look(gradient=None):
        most[0] = max(most[0], _C.memory_stats()["allocated_bytes"])

    before = _C.memory_stats()["allocated_bytes"]
    h = x
    for block in blocks:
        block[-2].register_forward_hook(lambda m, i, o: look())
        h = how(block, h)
        h.register_hook(look)
    look()
    h.square().sum().backward()
    return most[0] - before, x.grad


@pytest.mark.parametrize(
    "how",
    [
        lambda block, x: checkpoint(block, x, use_reentrant=False),
        lambda block, x: checkpoint(block, x, use_reentrant=True),
        lambda block, x: checkpoint(block, x, use_reentrant=False, early_stop=False),
        lambda block, x: checkpoint(
            block,
            x,
            use_reentrant=False,
            context_fn=partial(create_selective_checkpoint_contexts, [aten.tanh.default]),
        ),
    ],
    ids=["plain", "reentrant", "whole", "selective"],
)
def test_peak_memory_is_lower_and_gradients_equal(how):
    expected_peak, expected = peak_of(lambda block, x: block(x))
    peak, found = peak_of(how)
    assert torch.equal(found, expected)
    # Of each block's five activations one or two are kept.
    assert peak < 0.7 * expected_peak, (peak, expected_peak)


def test_plain_checkpointing_keeps_block_inputs_alone():
    everything, _ = peak_of(lambda block, x: block(x))
    kept, _ = peak_of(lambda block, x: checkpoint(block, x, use_reentrant=False))
    one = 1024 * 64 * 4
    assert kept < everything - 8 * one, (kept // one, everything // one)


def test_recomputed_values_are_dropped_as_they_are_used():
    from weakref import ref

    held = []

    def block(x):
        h = x.exp()
        held.append(ref(h))
        return (h * h).sin()

    x = leaf(1.0, 2.0)
    y = checkpoint(block, x, use_reentrant=False)
    assert held[0]() is None
    y.sum().backward()
    assert held[1]() is None


# What may go wrong


def test_a_different_second_run_is_noticed():
    block = Counted(lambda x: (x if block.runs == 1 else x[:1]).sin().exp())
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(block, leaf(1.0, 2.0), use_reentrant=False).sum().backward()
    shorter = Counted(lambda x: x.sin().exp() if shorter.runs == 1 else x.sin())
    with pytest.raises(CheckpointError, match="different number of tensors"):
        checkpoint(shorter, leaf(1.0), use_reentrant=False).sum().backward()
    longer = Counted(lambda x: x.sin() if longer.runs == 1 else x.sin().exp())
    with pytest.raises(CheckpointError, match="trying to save more tensors during recomputation"):
        y = checkpoint(longer, leaf(1.0), use_reentrant=False, early_stop=False)
        y.sum().backward()
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(torch.sin, leaf(1.0), use_reentrant=False, determinism_check="some")


def test_the_check_can_be_left_out():
    block = Counted(lambda x: x.sin() * 1 if block.runs == 1 else x.sin().view(1, -1) * 1)
    x = leaf(1.0, 2.0)
    y = checkpoint(block, x, use_reentrant=False, determinism_check="none")
    y.sum().backward()
    assert torch.allclose(x.grad, x.detach().cos())


@both
def test_an_input_changed_in_between_is_noticed(reentrant):
    x = leaf(1.0, 2.0) * 1
    y = checkpoint(lambda v: v.exp(), x, use_reentrant=reentrant)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_an_exception_of_the_second_run_passes_and_can_be_repeated():
    block = Counted(lambda x: 1 / 0 if block.runs == 2 else x.exp() * x)
    x = leaf(1.0)
    y = checkpoint(block, x, use_reentrant=False).sum()
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert torch.is_grad_enabled()
    y.backward()
    assert x.grad.item() == pytest.approx(2 * 2.718281828)


def test_debugging_lists_operators():
    def make():
        return Counted(lambda x: x.sin().exp() if block.runs == 1 else x.sin())

    block = make()
    out = checkpoint(block, leaf(1.0), use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError, match="Operators of the forward: sin, exp"):
        out.sum().backward()
    block = make()
    with set_checkpoint_debug_enabled(True):
        out = checkpoint(block, leaf(1.0), use_reentrant=False)
    with pytest.raises(CheckpointError, match="because you passed `debug=True`"):
        out.sum().backward()


def test_the_reentrant_form_needs_all_leaves():
    x = leaf(1.0)
    y = checkpoint(torch.exp, x, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match="incompatible with .grad"):
        torch.autograd.grad(y, x)
    with pytest.raises(RuntimeError, match="incompatible with .grad"):
        y.backward(inputs=[x])
    with pytest.raises(ValueError, match="Unexpected keyword arguments: k"):
        checkpoint(torch.exp, x, use_reentrant=True, k=1)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(torch.exp, x, use_reentrant=True, debug=True)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(torch.exp, x.detach(), use_reentrant=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(torch.exp, x)


# Switches


def test_recomputation_stops_early():
    log = []

    def block(x):
        a = x.exp()
        log.append(1)
        b = a.exp()
        log.append(2)
        return b + 1

    def second_run(make):
        y = make().sum()
        log.clear()
        y.backward()
        return log.copy()

    x = leaf(0.5)
    plain = partial(checkpoint, block, x, use_reentrant=False)
    assert second_run(plain) == [1]
    assert second_run(partial(plain, early_stop=False)) == [1, 2]

    def within(enabled, **options):
        with set_checkpoint_early_stop(enabled):
            return plain(**options)

    assert second_run(partial(within, False)) == [1, 2]
    assert second_run(partial(within, True, early_stop=False)) == [1]


def test_contexts_surround_both_runs():
    log = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append("+" + self.name)

        def __exit__(self, *exc):
            log.append("-" + self.name)

    x = leaf(1.0)
    contexts = lambda: (Note("first"), Note("second"))  # noqa: E731
    y = checkpoint(torch.exp, x, use_reentrant=False, context_fn=contexts)
    y.sum().backward()
    assert log == ["+first", "-first", "+second", "-second"]


def test_outer_hooks_keep_the_inputs():
    log = []
    x = leaf(1.0, 2.0)
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: (log.append("pack"), t)[1], lambda t: (log.append("unpack"), t)[1]
    )
    with hooks:
        y = checkpoint(lambda v: v.exp().sin(), x, use_reentrant=False)
    assert log == ["pack"]
    y.sum().backward()
    assert log == ["pack", "unpack"]


def test_autocast_is_the_same_in_the_second_run():
    dtypes = []

    def block(x):
        y = x @ x
        dtypes.append(y.dtype)
        return y.exp()

    x = torch.ones(2, 2, requires_grad=True)
    for reentrant in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = checkpoint(block, x, use_reentrant=reentrant)
        y.float().sum().backward()
    assert dtypes == [torch.bfloat16] * 4


def test_detach_variable():
    x = leaf(1.0)
    copy, number = detach_variable((x * 2, 3))
    assert copy.requires_grad and copy.is_leaf and number == 3
    with pytest.raises(RuntimeError, match="Only tuple of tensors is supported"):
        detach_variable([x])
