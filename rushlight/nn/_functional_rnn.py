"""Recurrent networks: one layer and direction at a time, fused where the operator can.

Shapes: input (T, N, I), hidden (N, H), weights (G H, I) and (G H, H or P), where G is 1 for RNN,
4 for LSTM (input, forget, cell, output) and 3 for GRU (reset, update, new).
"""

from __future__ import annotations

import rushlight as torch

from ..ops.rnn import run_layer as fused_layer
from . import functional as F

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def rnn_step(activation, projected, hidden, w_hh, b_hh):
    """One step of a plain RNN; `projected` is the input times its weights, plus bias."""
    return activation(projected + F.linear(hidden, w_hh, b_hh))


def lstm_step(projected, hidden, cell, w_hh, b_hh, w_hr=None):
    """(hidden, cell) after one step of an LSTM."""
    gates = projected + F.linear(hidden, w_hh, b_hh)
    i, f, g, o = gates.chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    hidden = torch.sigmoid(o) * torch.tanh(cell)
    return (hidden if w_hr is None else F.linear(hidden, w_hr)), cell


def gru_step(projected, hidden, w_hh, b_hh):
    """One step of a GRU; the reset gate acts after the hidden projection."""
    i_r, i_z, i_n = projected.chunk(3, -1)
    h_r, h_z, h_n = F.linear(hidden, w_hh, b_hh).chunk(3, -1)
    reset = torch.sigmoid(i_r + h_r)
    update = torch.sigmoid(i_z + h_z)
    new = torch.tanh(i_n + reset * h_n)
    return new + update * (hidden - new)


def _step(mode, projected, state, w_hh, b_hh, w_hr):
    """The state tuple after one step of any kind."""
    if mode == "LSTM":
        return lstm_step(projected, *state, w_hh, b_hh, w_hr)
    if mode == "GRU":
        return (gru_step(projected, state[0], w_hh, b_hh),)
    activation = torch.tanh if mode == "RNN_TANH" else torch.relu
    return (rnn_step(activation, projected, state[0], w_hh, b_hh),)


def run_layer(mode, input, state, weights, reverse, batch_sizes=None):
    """One layer in one direction: (outputs, final state).

    `state` is (hidden,) or (hidden, cell), `weights` is (w_ih, w_hh, b_ih, b_hh, w_hr) with None
    for what is missing. With `batch_sizes` the input is packed: rows of all time steps in one
    (sum, I) matrix, the sequences sorted by falling length.
    """
    if batch_sizes is None:
        fused = fused_layer(mode, input, state, weights, reverse)
        if fused is not None:
            return fused
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    projected = F.linear(input, w_ih, b_ih)
    if batch_sizes is not None:
        run = _run_packed_reverse if reverse else _run_packed
        return run(mode, projected.split(batch_sizes), state, (w_hh, b_hh, w_hr), batch_sizes)
    outputs = []
    steps = projected.unbind(0)
    for x in reversed(steps) if reverse else steps:
        state = _step(mode, x, state, w_hh, b_hh, w_hr)
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    return torch.stack(outputs), state


def _run_packed(mode, steps, state, weights, batch_sizes):
    """Forward in time: sequences end, and their states are put aside."""
    finished, outputs = [], []
    for x, size in zip(steps, batch_sizes, strict=True):
        ending = state[0].shape[0] - size
        if ending:
            finished.append(tuple(s.narrow(0, size, ending) for s in state))
            state = tuple(s.narrow(0, 0, size) for s in state)
        state = _step(mode, x, state, *weights)
        outputs.append(state[0])
    finished.append(state)
    # The shortest sequences ended first and lie last in the batch.
    final = tuple(torch.cat(parts[::-1]) for parts in zip(*finished, strict=True))
    return torch.cat(outputs), final


def _run_packed_reverse(mode, steps, state, weights, batch_sizes):
    """Backward in time: sequences join as their last element is reached."""
    initial, outputs = state, []
    state = tuple(s.narrow(0, 0, batch_sizes[-1]) for s in initial)
    for x, size in zip(reversed(steps), reversed(batch_sizes), strict=True):
        have = state[0].shape[0]
        if size > have:
            joined = zip(state, initial, strict=True)
            state = tuple(torch.cat((s, s0.narrow(0, have, size - have))) for s, s0 in joined)
        state = _step(mode, x, state, *weights)
        outputs.append(state[0])
    outputs.reverse()
    return torch.cat(outputs), state


def run_network(mode, input, states, layers, directions, dropout, training, batch_sizes=None):
    """All layers: (outputs of the last, final states stacked).

    `states` holds (layers * directions, N, H) tensors; `layers` lists the weights in the same
    order. Dropout acts on the output of every layer but the last.
    """
    if batch_sizes is None:
        # The outputs lie as the input does: by time, in the order that PyTorch's dropout draws in.
        input = input.contiguous()
    finals = []
    depth = len(layers) // directions
    for layer in range(depth):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            initial = tuple(s[place] for s in states)
            output, final = run_layer(
                mode, input, initial, layers[place], direction == 1, batch_sizes
            )
            outputs.append(output)
            finals.append(final)
        input = outputs[0] if directions == 1 else torch.cat(outputs, -1)
        if dropout and training and layer < depth - 1:
            input = F.dropout(input, dropout, True)
    return input, tuple(torch.stack(parts) for parts in zip(*finals, strict=True))
