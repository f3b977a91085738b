"""torch.batch_norm_update_stats: the statistics of a batch, mixed into running ones."""

from __future__ import annotations

from ..op import public


@public("torch.batch_norm_update_stats")
def batch_norm_update_stats(input, running_mean, running_var, momentum):
    """(mean, biased variance) per channel (dim 1); the running tensors, if given, move along."""
    dims = [d for d in range(input.dim()) if d != 1]
    mean = input.mean(dims)
    var = input.var(dims, correction=0)
    count = input.numel() // max(input.shape[1], 1)
    for running, fresh in (
        (running_mean, mean),
        (running_var, var * (count / max(count - 1, 1))),
    ):
        if running is not None:
            running.mul_(1 - momentum).add_(fresh.detach().to(running.dtype), alpha=momentum)
    return mean, var
