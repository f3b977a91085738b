"""Recurrent layers and single steps as fused operators."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .linear import linear

MODES = {"RNN_TANH": 0, "RNN_RELU": 1, "LSTM": 2, "GRU": 3}
_INPUTS = ("input", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh")


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _reference_step(mode, x, h, c, w_ih, w_hh, b_ih, b_hh):
    """(hidden, cell, what the gradient keeps) after one step on arrays."""
    left = x @ w_ih.T + (0 if b_ih is None else b_ih)
    right = h @ w_hh.T + (0 if b_hh is None else b_hh)
    if mode == 2:
        i, f, g, o = np.split(left + right, 4, -1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c = f * c + i * g
        return o * np.tanh(c), c, np.concatenate([i, f, g, o, c], -1)
    if mode == 3:
        (xr, xz, xn), (hr, hz, hn) = np.split(left, 3, -1), np.split(right, 3, -1)
        r, z = _sigmoid(xr + hr), _sigmoid(xz + hz)
        n = np.tanh(xn + r * hn)
        return n + z * (h - n), c, np.concatenate([r, z, n, hn], -1)
    s = left + right
    return (np.maximum(s, 0) if mode else np.tanh(s)), c, s


def _reference(mode, input, h, c, weights, reverse=False):
    outputs, kept = [], []
    for x in input[::-1] if reverse else input:
        h, c, gates = _reference_step(mode, x, h, c, *weights)
        outputs.append(h)
        kept.append(gates)
    order = slice(None, None, -1 if reverse else 1)
    kept = np.stack(kept[order]).reshape(-1, kept[0].shape[-1])
    cell = c if mode == 2 else np.empty(0, h.dtype)
    return np.stack(outputs[order]), h, cell, kept


def _step(mode, projected, h, c, w_hh, b_hh):
    """One step in tensor operators."""

    side = linear(h, w_hh, b_hh)
    if mode == 2:
        i, f, g, o = (projected + side).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    if mode == 3:
        (xr, xz, xn), (hr, hz, hn) = projected.chunk(3, -1), side.chunk(3, -1)
        n = (xn + (xr + hr).sigmoid() * hn).tanh()
        return n + (xz + hz).sigmoid() * (h - n), c
    s = projected + side
    return (s.relu() if mode else s.tanh()), c


def _composed(mode, inputs, reverse):
    """(output, hidden, cell) in tensor operators: differentiable as often as wanted."""
    from .. import stack

    input, h, c, w_ih, w_hh, b_ih, b_hh = inputs
    projected = linear(input, w_ih, b_ih)
    if input.ndim == 2:
        h, c = _step(mode, projected, h, c, w_hh, b_hh)
        return None, h, c
    outputs = []
    steps = projected.unbind(0)
    for x in reversed(steps) if reverse else steps:
        h, c = _step(mode, x, h, c, w_hh, b_hh)
        outputs.append(h)
    if reverse:
        outputs.reverse()
    return stack(outputs), h, c


def _composed_gradients(mode, grads, inputs, reverse, needs):
    """Gradients that can be differentiated again: the layer is run once more from operators."""
    from ..autograd import grad

    results = [(y, g) for y, g in zip(_composed(mode, inputs, reverse), grads, strict=True)
               if g is not None]  # fmt: skip
    wanted = [x for x, need in zip(inputs, needs, strict=True) if need]
    found = iter(
        grad(
            [y for y, _ in results], wanted, [g for _, g in results],
            create_graph=True, allow_unused=True,
        )
    )  # fmt: skip
    return tuple(next(found) if need else None for need in needs)


def _gradients(mode, grads, inputs, output, gates, reverse, needs):
    if grads[0] is None and grads[1] is None and grads[2] is None:
        return (None,) * 7
    if _C.differentiates():
        return _composed_gradients(mode, grads, inputs, reverse, needs)
    parts = iter(rnn_backward(mode, *grads, *inputs, output, gates, reverse, needs))
    return tuple(next(parts) if need else None for need in needs)


@op("", outputs="tuple")
class rnn_backward:
    """The wanted gradients of a layer or step, in the order of its tensors."""

    def forward(
        mode, g_output, g_hidden, g_cell, input, h0, c0, w_ih, w_hh, b_ih, b_hh, output, gates,
        reverse, needs,
    ):  # fmt: skip
        return _reference_gradients(
            mode, (g_output, g_hidden, g_cell), input, h0, c0, w_ih, w_hh, output, gates, reverse,
            needs,
        )  # fmt: skip

    def samples(make):
        dtype = make(1).dtype if make(1).is_floating_point() else _C.float64
        shapes = (3, 2, 4), (2, 5), (15, 4), (15, 5), (15,), (3, 2, 5)
        x, h, w_ih, w_hh, b, g = (make(*s, grad=False, dtype=dtype) for s in shapes)
        out, _, _, gates = gru_layer(3, x, h, None, w_ih, w_hh, b, b, False)
        needs = (1, 1, 0, 1, 1, 1, 1)
        yield 3, g, None, None, x, h, None, w_ih, w_hh, b, b, out, gates, False, needs


def _reference_gradients(mode, grads, input, h0, c0, w_ih, w_hh, output, gates, reverse, needs):
    x = input if input.ndim == 3 else input[None]
    steps, batch, _ = x.shape
    n = h0.shape[-1]
    y = output.reshape(steps, batch, n)
    kept = gates.reshape(steps, batch, -1)
    g_output, g_hidden, g_cell = grads
    dh = np.zeros_like(h0) if g_hidden is None else g_hidden.copy()
    dc = np.zeros_like(h0) if g_cell is None else g_cell.copy()
    totals = [np.zeros_like(x), None, None, np.zeros_like(w_ih), np.zeros_like(w_hh)]
    totals += [np.zeros_like(w_ih[:, 0]), np.zeros_like(w_ih[:, 0])]
    order = range(steps) if reverse else range(steps - 1, -1, -1)
    for t in order:
        before = t + 1 if reverse else t - 1
        first = not 0 <= before < steps
        h = h0 if first else y[before]
        if g_output is not None:
            dh = dh + g_output.reshape(steps, batch, n)[t]
        c = None
        if mode == 2:
            c = c0 if first else kept[before][:, 4 * n :]
        left, right, dh, dc = _reference_step_back(mode, kept[t], y[t], h, c, dh, dc, n)
        dh = dh + right @ w_hh
        totals[0][t] = left @ w_ih
        totals[3] += left.T @ x[t]
        totals[4] += right.T @ h
        totals[5] += left.sum(0)
        totals[6] += right.sum(0)
    totals[0] = totals[0].reshape(input.shape)
    totals[1], totals[2] = dh, dc
    return tuple(v for v, need in zip(totals, needs, strict=True) if need)


def _reference_step_back(mode, kept, y, h, c, dh, dc, n):
    """Gradients of the input's and the hidden part of the gates; what h and c keep."""
    if mode == 2:
        i, f, g, o, now = np.split(kept, 5, -1)
        tc = np.tanh(now)
        d = dc + dh * o * (1 - tc * tc)
        parts = [d * g * i * (1 - i), d * c * f * (1 - f), d * i * (1 - g * g)]
        both = np.concatenate([*parts, dh * tc * o * (1 - o)], -1)
        return both, both, np.zeros_like(dh), d * f
    if mode == 3:
        r, z, c, side = np.split(kept, 4, -1)
        dn = dh * (1 - z) * (1 - c * c)
        dr = dn * side * r * (1 - r)
        dz = dh * (h - c) * z * (1 - z)
        left = np.concatenate([dr, dz, dn], -1)
        return left, np.concatenate([dr, dz, dn * r], -1), dh * z, dc
    d = dh * (y > 0) if mode else dh * (1 - y * y)
    return d, d, np.zeros_like(dh), dc


def _declare_layer(own, node, default):
    @op("", kernel="rnn_layer", name=own, node=node, differentiable=_INPUTS,
        outputs=("output", "hidden", "cell", "gates"),
        grad_outputs=3 if default == 2 else 2)  # fmt: skip
    class layer:
        """One layer in one direction over a sequence (T, B, I).

        Returns the outputs (T, B, H), the last hidden and cell state, and what the gradient keeps,
        which may be empty without `keep`.
        """

        def forward(mode, input, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse, keep=True):
            return _reference(mode, input, h0, c0, (w_ih, w_hh, b_ih, b_hh), reverse)

        def backward(g, mode, input, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse, output, gates, needs):
            inputs = input, h0, c0, w_ih, w_hh, b_ih, b_hh
            if not gates.numel():
                *_, gates = layer(mode, *inputs, reverse)
            return _gradients(mode, g[:3], inputs, output, gates, reverse, needs)

        def samples(make):
            yield from _layer_samples(make, default)

    return layer


def _layer_samples(make, mode):
    rows = (1, 1, 4, 3)[mode] * 5
    cell = make(2, 5) if mode == 2 else None
    weights = make(rows, 4), make(rows, 5)
    yield mode, make(3, 2, 4), make(2, 5), cell, *weights, make(rows), make(rows), False
    yield mode, make(3, 2, 4), make(2, 5), cell, *weights, None, None, True


lstm_layer = _declare_layer("lstm_layer", "MkldnnRnnLayer", 2)
gru_layer = _declare_layer("gru_layer", "Stack", 3)
rnn_layer = _declare_layer("rnn_layer", "Stack", 0)


def _declare_cell(own, node, default):
    @op("", kernel="rnn_cell", name=own, node=node, differentiable=_INPUTS,
        outputs=("hidden", "cell", "gates"), grad_outputs=2 if default == 2 else 1)  # fmt: skip
    class step:
        """One step (B, I): the new hidden and cell state, and what the gradient keeps."""

        def forward(mode, input, h0, c0, w_ih, w_hh, b_ih, b_hh):
            return _reference(mode, input[None], h0, c0, (w_ih, w_hh, b_ih, b_hh))[1:]

        def backward(g, mode, input, h0, c0, w_ih, w_hh, b_ih, b_hh, hidden, gates, needs):
            inputs = input, h0, c0, w_ih, w_hh, b_ih, b_hh
            return _gradients(mode, (None, g[0], g[1]), inputs, hidden, gates, False, needs)

        def samples(make):
            for x in _layer_samples(make, default):
                yield x[0], make(2, 4), *x[2:8]

    return step


lstm_step = _declare_cell("lstm_step", "Mul", 2)
gru_step = _declare_cell("gru_step", "Add", 3)
tanh_step = _declare_cell("tanh_step", "Tanh", 0)
relu_step = _declare_cell("relu_step", "Relu", 1)


def run_layer(mode, input, state, weights, reverse):
    """(outputs, final state) of one layer in one direction, or None where it must be composed.

    `mode` is a name of MODES, `state` (hidden,) or (hidden, cell), `weights` (w_ih, w_hh, b_ih,
    b_hh, w_hr).
    """
    if weights[4] is not None or input.shape[0] == 0:
        return None
    number = MODES[mode]
    layer = lstm_layer if number == 2 else gru_layer if number == 3 else rnn_layer
    cell = state[1] if number == 2 else None
    tensors = input, state[0], cell, *weights[:4]
    keep = _C.any_requires_grad(tensors)
    output, hidden, cell, _ = layer(number, *tensors, reverse, keep)
    return output, ((hidden, cell) if number == 2 else (hidden,))


def _check_cell(input, hx, w_ih, w_hh):
    """Complain in PyTorch's words."""
    if input.ndim != 2 or hx.ndim != 2:
        raise RuntimeError(
            f"cell: input and hidden state must be matrices, got {input.ndim}-d and {hx.ndim}-d"
        )
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}"
        )
    if hx.shape[1] != w_hh.shape[1]:
        raise RuntimeError(
            f"hidden0 has inconsistent hidden_size: got {hx.shape[1]}, expected {w_hh.shape[1]}"
        )
    if input.shape[0] != hx.shape[0]:
        raise RuntimeError(
            f"Input batch size {input.shape[0]} doesn't match hidden0 batch size {hx.shape[0]}"
        )


@public("torch.lstm_cell")
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """(hidden, cell) after one step of an LSTM from hx = (hidden, cell)."""
    hidden, cell = hx
    _check_cell(input, hidden, w_ih, w_hh)
    hidden, cell, _ = lstm_step(2, input, hidden, cell, w_ih, w_hh, b_ih, b_hh)
    return hidden, cell


@public("torch.gru_cell")
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """The hidden state after one step of a GRU."""
    _check_cell(input, hx, w_ih, w_hh)
    return gru_step(3, input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


@public("torch.rnn_tanh_cell")
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """The hidden state after one step of an RNN with tanh."""
    _check_cell(input, hx, w_ih, w_hh)
    return tanh_step(0, input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


@public("torch.rnn_relu_cell")
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """The hidden state after one step of an RNN with relu."""
    _check_cell(input, hx, w_ih, w_hh)
    return relu_step(1, input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]
