"""Connectionist temporal classification: its losses and their gradient (Graves et al. 2006)."""

from __future__ import annotations

from .._lazy import np
from ..op import op


def _forward_scores(scores, states):
    """Log-probabilities (T, S) of being in state s at time t, given scores (T, C)."""
    emitted = scores[:, states]
    count = len(states)
    skip = np.zeros(count, bool)
    if count > 3:  # from one label to the next that differs
        skip[3::2] = states[3::2] != states[1:-2:2]
    alpha = np.full(emitted.shape, -np.inf, scores.dtype)
    alpha[:1, :2] = emitted[:1, :2]
    for t in range(1, len(scores)):
        paths = np.full((3, count), -np.inf, scores.dtype)
        paths[0] = alpha[t - 1]
        paths[1, 1:] = alpha[t - 1, :-1]
        paths[2, 2:] = np.where(skip[2:], alpha[t - 1, :-2], -np.inf)
        alpha[t] = np.logaddexp.reduce(paths) + emitted[t]
    return alpha


def _states(targets, lengths, blank):
    """For each sample its labels with blanks before, between and behind."""
    rows, start = [], 0
    for i, n in enumerate(lengths):
        labels = targets[i, :n] if targets.ndim == 2 else targets[start : start + n]
        start += n
        row = np.full(2 * n + 1, blank)
        row[1::2] = labels
        rows.append(row)
    return rows


@op("", name="ctc_loss", outputs=("losses", "log_alpha"), grad_outputs=1)
class _ctc_loss:
    """Minus the log-probability of the labels of each sample, and the forward scores behind it."""

    def forward(log_probs, targets, input_lengths, target_lengths, blank=0, zero_infinity=False):
        times, batch = log_probs.shape[:2]
        width = 2 * max(target_lengths) + 1
        alpha = np.full((batch, times, width), -np.inf, log_probs.dtype)
        losses = np.empty(batch, log_probs.dtype)
        for i, states in enumerate(_states(targets, target_lengths, blank)):
            steps = input_lengths[i]
            scores = _forward_scores(log_probs[:steps, i], states)
            alpha[i, :steps, : len(states)] = scores
            if steps:
                losses[i] = -np.logaddexp.reduce(scores[-1, -2:])
            else:
                losses[i] = 0 if len(states) == 1 else np.inf
        return losses, alpha

    def grad_log_probs(
        g,
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        losses,
        log_alpha,
        blank,
        zero_infinity,
    ):
        return ctc_loss_backward(
            g[0],
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            losses,
            log_alpha,
            blank,
            zero_infinity,
        )

    # The gradient is that of what came out of log_softmax, which finite differences of log_probs
    # are not: tests/ops/test_ctc.py holds it.
    def samples(make):
        labels = make(2, 3, dtype="int64", low=1, high=4)
        yield make(6, 2, 4, grad=False), labels, [6, 5], [3, 2]
        yield (
            make(7, 3, 3, grad=False),
            make(6, dtype="int64", low=0, high=2),
            [7, 0, 6],
            [4, 0, 2],
            2,
        )
        yield make(2, 2, 5, grad=False), labels, [2, 0], [3, 1]


@op("", differentiable=("grad", "log_probs"))
class ctc_loss_backward:
    """Each probability minus how likely the labels make it; zero behind a sample's end."""

    def forward(
        grad,
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        losses,
        log_alpha,
        blank,
        zero_infinity,
    ):
        result = np.zeros_like(log_probs)
        for i, states in enumerate(_states(targets, target_lengths, blank)):
            steps = input_lengths[i]
            if not losses[i] < np.inf:
                result[:steps, i] = 0 if zero_infinity and losses[i] == np.inf else np.nan
                continue
            scores = log_probs[:steps, i]
            beta = _forward_scores(scores[::-1], states[::-1])[::-1, ::-1]
            alpha = log_alpha[i, :steps, : len(states)]
            chances = np.exp(alpha + beta + losses[i] - scores[:, states])
            chances[scores[:, states] == -np.inf] = 0
            expected = np.zeros_like(scores)
            np.add.at(expected, (slice(None), states), chances)
            result[:steps, i] = (np.exp(scores) - expected) * grad[i]
        return result

    def backward(g, needs):
        raise RuntimeError("derivative for aten::_ctc_loss_backward is not implemented")

    def samples(make):
        labels = make(2, 3, dtype="int64", low=1, high=4)
        for dims, lengths, zero in (((6, 2, 4), [6, 5], False), ((4, 2, 4), [4, 0], True)):
            yield (
                make(2, grad=False),
                make(*dims, grad=False),
                labels,
                lengths,
                [3, 2],
                make(2, low=3, high=4, grad=False),
                make(2, dims[0], 7, low=-4, high=-3, grad=False),
                0,
                zero,
            )
