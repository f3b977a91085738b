"""Fused recurrent layers and steps against PyTorch and against their composition."""

from __future__ import annotations

import numpy as np
import pytest
from parity import oracle, pair, same

import rushlight as torch

LAYERS = [("LSTM", {}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]
CELLS = {"lstm_cell": 4, "gru_cell": 3, "rnn_tanh_cell": 1, "rnn_relu_cell": 1}
SIZES = [(3, 4, 2, 5), (16, 32, 30, 9), (5, 7, 1, 1)]  # input, hidden, batch, steps


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def layer_pair(name, inputs, hidden, dtype, **kwargs):
    theirs = getattr(oracle.nn, name)(inputs, hidden, dtype=getattr(oracle, dtype), **kwargs)
    ours = getattr(torch.nn, name)(inputs, hidden, dtype=getattr(torch, dtype), **kwargs)
    state = {k: torch.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    return theirs, ours


def results(m, layer, x, weights):
    """Output, states, and the gradients of a weighted sum of them all."""
    out, state = layer(x)
    states = state if isinstance(state, tuple) else (state,)
    total = sum(
        (t * m.from_numpy(w).to(t.dtype)).sum()
        for t, w in zip((out, *states), weights, strict=False)
    )
    total.backward()
    return out, *states, x.grad, *[p.grad for p in layer.parameters()]


@pytest.mark.parametrize("name,kwargs", LAYERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bidirectional", (False, True))
@pytest.mark.parametrize("batch_first,bias", ((False, True), (True, True), (False, False)))
def test_layers_and_all_gradients(name, kwargs, size, bidirectional, batch_first, bias):
    inputs, hidden, batch, steps = size
    layers = layer_pair(name, inputs, hidden, "float64", num_layers=2, bias=bias,
                        batch_first=batch_first, bidirectional=bidirectional, **kwargs)  # fmt: skip
    shape = (batch, steps, inputs) if batch_first else (steps, batch, inputs)
    xs = pair(normal(*shape), grad=True)
    d = 2 if bidirectional else 1
    weights = [normal(*shape[:2], d * hidden, seed=1)]
    weights += [normal(2 * d, batch, hidden, seed=i) for i in (2, 3)]
    theirs, ours = (
        results(m, layer, x, weights)
        for m, layer, x in zip((oracle, torch), layers, xs, strict=True)
    )
    same(theirs, ours, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name,gates", CELLS.items())
@pytest.mark.parametrize("bias", (False, True))
def test_cells_with_two_derivatives(name, gates, bias):
    shapes = [(2, 3), (2, 4), (2, 4), (gates * 4, 3), (gates * 4, 4)] + [(gates * 4,)] * (2 * bias)
    found = []
    for i, m in ((0, oracle), (1, torch)):
        x, h, c, *rest = (pair(normal(*s, seed=k), grad=True)[i] for k, s in enumerate(shapes))
        out = getattr(m, name)(x, (h, c) if gates == 4 else h, *rest)
        outs = out if isinstance(out, tuple) else (out,)
        used = [x, h, *([c] if gates == 4 else []), *rest]
        first = m.autograd.grad(sum(o.pow(3).sum() for o in outs), used, create_graph=True)
        second = m.autograd.grad(sum(g.pow(2).sum() for g in first), used)
        found.append([*outs, *first, *second])
    same(*found, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype,bound", (("float32", 1e-5), ("bfloat16", 5e-2), ("float16", 1e-2)))
@pytest.mark.parametrize("name,kwargs", LAYERS)
def test_other_dtypes(name, kwargs, dtype, bound):
    layers = layer_pair(name, 6, 8, "float32", **kwargs)
    for i, m in ((0, oracle), (1, torch)):
        layers[i].to(getattr(m, dtype))
    xs = pair(normal(5, 3, 6), dtype, grad=True)
    weights = [normal(5, 3, 8), normal(1, 3, 8), normal(1, 3, 8)]
    theirs, ours = (
        results(m, layer, x, weights)
        for m, layer, x in zip((oracle, torch), layers, xs, strict=True)
    )
    same(theirs[0], ours[0], rtol=bound, atol=bound)
    size = max(float(t.detach().float().abs().max()) for t in theirs)
    same(theirs, ours, rtol=bound, atol=2 * bound * size)


def test_packed_sequences_agree_with_running_each_alone():
    torch.manual_seed(0)
    for name in ("LSTM", "GRU", "RNN"):
        layer = getattr(torch.nn, name)(3, 4, dtype=torch.float64)
        x = torch.from_numpy(normal(6, 3, 3))
        lengths = [6, 4, 1]
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths)
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0])
        for b, n in enumerate(lengths):
            alone = layer(x[:n, b : b + 1])[0][:, 0]
            assert torch.allclose(out[:n, b], alone, rtol=1e-12, atol=0)


def test_a_retained_graph_runs_twice():
    layer = torch.nn.LSTM(3, 4)
    x = torch.ones(2, 1, 3, requires_grad=True)
    loss = layer(x)[0].sum()
    loss.backward(retain_graph=True)
    first = x.grad.clone()
    loss.backward()
    assert torch.allclose(x.grad, 2 * first)


def test_threads_give_the_same_numbers():
    layer = torch.nn.GRU(64, 96)
    x = torch.from_numpy(normal(6, 64, 64).astype("float32"))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = layer(x)[0].detach().numpy()
        torch.set_num_threads(2)
        np.testing.assert_allclose(layer(x)[0].detach().numpy(), alone, rtol=1e-5, atol=1e-6)
    finally:
        torch.set_num_threads(before)


def test_shapes_that_do_not_fit_are_refused():
    w, u, b = torch.ones(12, 3), torch.ones(12, 4), torch.ones(12)
    with pytest.raises(RuntimeError, match="inconsistent input_size: got 5 expected 3"):
        torch.gru_cell(torch.ones(2, 5), torch.ones(2, 4), w, u, b, b)
    with pytest.raises(RuntimeError, match="doesn't match hidden0 batch size 3"):
        torch.gru_cell(torch.ones(2, 3), torch.ones(3, 4), w, u, b, b)
    with pytest.raises(RuntimeError, match="do not fit"):
        torch.gru_cell(torch.ones(2, 3), torch.ones(2, 4), w[:9], u, b, b)
