"""Single steps of recurrent networks."""

from __future__ import annotations

import math

import rushlight as torch
from rushlight import Tensor

from .. import init
from ..parameter import Parameter
from .module import Module


class RNNCellBase(Module):
    """Weights and checks of the single steps."""

    __constants__ = ["input_size", "hidden_size", "bias"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        kind = {"device": device, "dtype": dtype}
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(torch.empty((rows, input_size), **kind))
        self.weight_hh = Parameter(torch.empty((rows, hidden_size), **kind))
        for name in ("bias_ih", "bias_hh"):
            value = Parameter(torch.empty(rows, **kind)) if bias else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight uniformly within 1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _check_dims(self, tensor, name):
        if tensor.dim() not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected {name} to be 1D or 2D, got {tensor.dim()}D instead"
            )

    def _step(self, cell, input, states):
        """One step by the operator `cell`, on a batch of one where there is none."""
        single = input.dim() == 1
        if single:
            input = input.unsqueeze(0)
        if states is None:
            shape = (input.size(0), self.hidden_size)
            zeros = torch.zeros(shape, dtype=input.dtype, device=input.device)
            states = (zeros, zeros)
        elif single:
            states = tuple(s.unsqueeze(0) if s.dim() == 1 else s for s in states)
        hx = states if cell is torch.lstm_cell else states[0]
        result = cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if not single:
            return result
        if isinstance(result, tuple):
            return tuple(state.squeeze(0) for state in result)
        return result.squeeze(0)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of an RNN."""

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        self._check_dims(input, "input")
        if hx is not None:
            self._check_dims(hx, "hidden")
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        cell = torch.rnn_tanh_cell if self.nonlinearity == "tanh" else torch.rnn_relu_cell
        return self._step(cell, input, None if hx is None else (hx,))


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (h, c) to (h, c)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        self._check_dims(input, "input")
        if isinstance(hx, Tensor):
            raise TypeError("lstm_cell(): argument 'hx' must be tuple of Tensors, not Tensor")
        for i, state in enumerate(() if hx is None else hx):
            self._check_dims(state, f"hx[{i}]")
        return self._step(torch.lstm_cell, input, hx)


class GRUCell(RNNCellBase):
    """One step of a GRU."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        self._check_dims(input, "input")
        if hx is not None:
            self._check_dims(hx, "hidden")
        return self._step(torch.gru_cell, input, None if hx is None else (hx,))
