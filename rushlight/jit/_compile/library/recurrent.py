"""Recurrent layers: forward methods as programs compile them."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import Tensor

from ..operators import aten


class RNNBase:
    def check_input(self: Any, input: Tensor) -> None:
        if input.dim() != 2 and input.dim() != 3:
            raise ValueError(f"RNN: Expected input to be 2D or 3D, got {input.dim()}D instead")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.size(-1)}"
            )

    def check_hidden(self: Any, hx: Tensor, batch: int, size: int) -> None:
        layers = self.num_layers * (2 if self.bidirectional else 1)
        if list(hx.size()) != [layers, batch, size]:
            raise RuntimeError(f"Expected hidden size {[layers, batch, size]}, got {hx.size()}")

    def _weights(self: Any) -> list[Tensor]:
        return list(self.parameters())

    def _zeros(self: Any, input: Tensor, max_batch_size: int, size: int) -> Tensor:
        layers = self.num_layers * (2 if self.bidirectional else 1)
        return torch.zeros([layers, max_batch_size, size], dtype=input.dtype, device=input.device)

    def forward(self: Any, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.check_input(input)
        single = input.dim() == 2
        if single:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = hx.unsqueeze(1)
        max_batch_size = input.size(0) if self.batch_first else input.size(1)
        if hx is None:
            hx = self._zeros(input, max_batch_size, self.hidden_size)
        self.check_hidden(hx, max_batch_size, self.hidden_size)
        if self.mode == "RNN_TANH":
            output, hidden = aten.rnn_tanh(
                input, hx, self._weights(), self.bias, self.num_layers, self.dropout,
                self.training, self.bidirectional, self.batch_first,
            )  # fmt: skip
        elif self.mode == "RNN_RELU":
            output, hidden = aten.rnn_relu(
                input, hx, self._weights(), self.bias, self.num_layers, self.dropout,
                self.training, self.bidirectional, self.batch_first,
            )  # fmt: skip
        else:
            output, hidden = aten.gru(
                input, hx, self._weights(), self.bias, self.num_layers, self.dropout,
                self.training, self.bidirectional, self.batch_first,
            )  # fmt: skip
        if single:
            output = output.squeeze(0 if self.batch_first else 1)
            hidden = hidden.squeeze(1)
        return output, hidden


class LSTM:
    def forward(
        self: Any, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        self.check_input(input)
        single = input.dim() == 2
        if single:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = (hx[0].unsqueeze(1), hx[1].unsqueeze(1))
        max_batch_size = input.size(0) if self.batch_first else input.size(1)
        real = self.proj_size if self.proj_size > 0 else self.hidden_size
        if hx is None:
            hx = (
                self._zeros(input, max_batch_size, real),
                self._zeros(input, max_batch_size, self.hidden_size),
            )
        self.check_hidden(hx[0], max_batch_size, real)
        self.check_hidden(hx[1], max_batch_size, self.hidden_size)
        output, h, c = aten.lstm(
            input, [hx[0], hx[1]], self._weights(), self.bias, self.num_layers, self.dropout,
            self.training, self.bidirectional, self.batch_first,
        )  # fmt: skip
        if single:
            output = output.squeeze(0 if self.batch_first else 1)
            h = h.squeeze(1)
            c = c.squeeze(1)
        return output, (h, c)


class RNNCell:
    def forward(self: Any, input: Tensor, hx: Tensor | None = None) -> Tensor:
        single = input.dim() == 1
        x = input.unsqueeze(0) if single else input
        if hx is None:
            hx = torch.zeros([x.size(0), self.hidden_size], dtype=x.dtype, device=x.device)
        elif single:
            hx = hx.unsqueeze(0)
        if self.nonlinearity == "tanh":
            found = aten.rnn_tanh_cell(
                x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
            )
        else:
            found = aten.rnn_relu_cell(
                x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
            )
        return found.squeeze(0) if single else found


class GRUCell:
    def forward(self: Any, input: Tensor, hx: Tensor | None = None) -> Tensor:
        single = input.dim() == 1
        x = input.unsqueeze(0) if single else input
        if hx is None:
            hx = torch.zeros([x.size(0), self.hidden_size], dtype=x.dtype, device=x.device)
        elif single:
            hx = hx.unsqueeze(0)
        found = aten.gru_cell(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return found.squeeze(0) if single else found


class LSTMCell:
    def forward(
        self: Any, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        single = input.dim() == 1
        x = input.unsqueeze(0) if single else input
        if hx is None:
            zeros = torch.zeros([x.size(0), self.hidden_size], dtype=x.dtype, device=x.device)
            hx = (zeros, zeros)
        elif single:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = aten.lstm_cell(
            x, [hx[0], hx[1]], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        )
        if single:
            h = h.squeeze(0)
            c = c.squeeze(0)
        return h, c
