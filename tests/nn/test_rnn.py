"""Packed sequences and recurrent layers on them."""

from __future__ import annotations

import pickle

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.utils import rnn


def ragged(lengths, width=3):
    return [torch.randn(n, width) for n in lengths]


def test_packing_orders_rows_by_time():
    packed = rnn.pack_sequence(
        [torch.tensor([1.0, 2, 3]), torch.tensor([4.0, 5]), torch.tensor([6.0])]
    )
    assert packed.data.tolist() == [1, 4, 6, 2, 5, 3]
    assert packed.batch_sizes.tolist() == [3, 2, 1] and packed.sorted_indices is None


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", [[4, 2, 1], [2, 4, 1], [3, 3]])
def test_padding_undoes_packing(lengths, batch_first):
    sequences = ragged(lengths)
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    padded, counts = rnn.pad_packed_sequence(packed, batch_first, padding_value=-1.0)
    assert counts.tolist() == lengths
    if not batch_first:
        padded = padded.transpose(0, 1)
    assert padded.shape == (len(lengths), max(lengths), 3)
    for row, sequence in zip(padded, sequences, strict=True):
        assert torch.equal(row[: len(sequence)], sequence)
        assert (row[len(sequence) :] == -1).all()
    for got, want in zip(rnn.unpack_sequence(packed), sequences, strict=True):
        assert torch.equal(got, want)


def test_total_length_and_sides_of_padding():
    packed = rnn.pack_sequence(ragged([2, 1]))
    assert rnn.pad_packed_sequence(packed, total_length=5)[0].shape == (5, 2, 3)
    with pytest.raises(ValueError, match="total_length"):
        rnn.pad_packed_sequence(packed, total_length=1)
    left = rnn.pad_sequence([torch.ones(1), torch.ones(2)], True, 9.0, "left")
    assert left.tolist() == [[9, 1], [1, 1]]
    with pytest.raises(RuntimeError, match="padding_side"):
        rnn.pad_sequence([torch.ones(1)], padding_side="top")


@pytest.mark.parametrize(
    ("lengths", "message"),
    [([1, 2], "sorted in decreasing order"), ([2, 0], "greater than 0"), ([2], "batch_size")],
)
def test_wrong_lengths_are_refused(lengths, message):
    with pytest.raises(RuntimeError, match=message):
        rnn.pack_padded_sequence(torch.ones(2, 2, 1), lengths)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_rows_equal_each_sequence_alone(kind, bidirectional):
    lengths = [3, 5, 1, 4]
    net = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=bidirectional)
    sequences = ragged(lengths)
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    output, state = net(packed)
    hidden = state[0] if kind == "LSTM" else state
    for i, (row, sequence) in enumerate(zip(rnn.unpack_sequence(output), sequences, strict=True)):
        alone, last = net(sequence)
        assert torch.allclose(row, alone, atol=1e-6)
        last = last[0] if kind == "LSTM" else last
        assert torch.allclose(hidden[:, i], last, atol=1e-6)


def test_packed_gradients_equal_pytorchs():
    theirs = pytest.importorskip("torch")
    grads = []
    for framework in (torch, theirs):
        framework.manual_seed(0)
        net = framework.nn.LSTM(2, 3, bidirectional=True).double()
        x = framework.arange(24, dtype=framework.float64).reshape(4, 3, 2).sin()
        x.requires_grad_(True)
        packed = framework.nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1])
        output, (hidden, cell) = net(packed)
        (output.data.cos().sum() + (hidden * cell).sum()).backward()
        grads.append([x.grad.numpy(), *(p.grad.numpy() for p in net.parameters())])
    for ours, other in zip(*grads, strict=True):
        assert abs(ours - other).max() < 1e-12


def test_packed_sequence_is_a_tuple_that_converts_and_pickles():
    packed = rnn.pack_sequence(ragged([2, 1]))
    data, sizes, sorted_indices, unsorted = packed
    assert data is packed.data and not packed.is_cuda
    assert packed.double().data.dtype == torch.float64 and packed.to(torch.float32) is packed
    again = pickle.loads(pickle.dumps(packed))
    assert isinstance(again, rnn.PackedSequence) and torch.equal(again.data, data)
    assert repr(packed).startswith("PackedSequence(data=tensor(")


def test_dropout_acts_between_layers_only():
    net = nn.GRU(3, 4, num_layers=2, dropout=1.0)
    x = torch.randn(5, 2, 3)
    first = nn.GRU(4, 4)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(first, name + "_l0").data = getattr(net, name + "_l1").data
    zeros = torch.zeros(5, 2, 4)
    assert torch.allclose(net(x)[0], first(zeros)[0], atol=1e-6)
    assert not torch.allclose(net.eval()(x)[0], first(zeros)[0], atol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.LSTM(3, 4)(torch.ones(2, 2, 5)), RuntimeError, "must be equal to input_size"),
        (lambda: nn.LSTM(3, 4)(torch.ones(2, 2, 2, 3)), ValueError, "2D or 3D, got 4D"),
        (lambda: nn.GRU(3, 4)(torch.ones(2, 2, 3), torch.ones(2, 2, 4)), RuntimeError,
         r"Expected hidden size \(1, 2, 4\), got \[2, 2, 4\]"),
        (lambda: nn.GRU(3, 4)(torch.ones(2, 3), torch.ones(1, 1, 4)), RuntimeError,
         "For unbatched 2-D input, hx should also be 2-D"),
        (lambda: nn.LSTM(3, 4)(torch.ones(2, 2, 3).double()), ValueError, "does not match weight"),
        (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'"),
        (lambda: nn.RNN(0, 4), ValueError, "input_size must be greater than zero"),
        (lambda: nn.RNN(1.5, 4), TypeError, "input_size should be of type int"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "smaller than hidden_size"),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "dropout should be a number"),
        (lambda: nn.LSTMCell(3, 4)(torch.ones(2, 5)), RuntimeError, "inconsistent input_size"),
        (lambda: nn.GRUCell(3, 4)(torch.ones(2, 3), torch.ones(3, 4)), RuntimeError,
         "doesn't match hidden0 batch size"),
        (lambda: nn.RNNCell(3, 4)(torch.ones(2, 2, 3)), ValueError, "1D or 2D, got 3D"),
    ],
)  # fmt: skip
def test_misuse_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_one_layer_with_dropout_warns():
    with pytest.warns(UserWarning, match="dropout option adds dropout"):
        nn.LSTM(3, 4, dropout=0.5)


def test_weights_are_listed_by_layer_and_direction():
    net = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    assert len(net.all_weights) == 4 and [len(w) for w in net.all_weights] == [5] * 4
    assert net.all_weights[1][0] is net.weight_ih_l0_reverse
    assert net.flatten_parameters() is None


@pytest.mark.parametrize("batch", [2, 30])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_layer_that_keeps_nothing_computes_the_same(kind, batch):
    from rushlight.ops.rnn import gru_layer, lstm_layer, rnn_layer

    layer = kind(4, 7, batch_first=True)
    x = torch.randn(batch, 5, 4, requires_grad=True)
    kept = layer(x)[0]
    with torch.no_grad():
        assert torch.allclose(layer(x)[0], kept, atol=1e-6)
    (wanted,) = torch.autograd.grad(kept.square().sum(), x)
    number, run = {nn.RNN: (0, rnn_layer), nn.GRU: (3, gru_layer), nn.LSTM: (2, lstm_layer)}[kind]
    state = torch.zeros(batch, 7)
    cell = state if number == 2 else None
    weights = [p.detach() for p in layer.parameters()]
    output = run(number, x.transpose(0, 1), state, cell, *weights, False, False)[0]
    (got,) = torch.autograd.grad(output.square().sum(), x)
    assert torch.allclose(got, wanted, atol=1e-6)
