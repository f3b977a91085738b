"""What distributions with either `probs` or `logits` share."""

from __future__ import annotations

import rushlight as torch

from .utils import lazy_property, logits_to_probs, probs_to_logits


class Parametrised:
    """`_param` is the one that was given; the other is computed when asked for."""

    _binary = False

    def _new(self, *args, **kwargs):
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self) -> torch.Tensor:
        """Log odds, or logarithms of the probabilities."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> torch.Tensor:
        """Probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def param_shape(self) -> torch.Size:
        """The shape of `probs` and `logits`."""
        return self._param.size()

    def _enumerated(self, count, expand, dtype=None):
        """0 .. count - 1 along a first dim."""
        values = torch.arange(count, dtype=dtype or self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values


class Binary(Parametrised):
    """Of two outcomes."""

    _binary = True
