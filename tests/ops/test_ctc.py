"""ctc_loss: gradients, lengths, what is refused. Samples of both operators are in the matrix."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight
from rushlight.nn import functional as F


def problem(seed=0, dtype="float64", times=9, batch=4, classes=5):
    """Logits, labels of a batch, and lengths among which are the shortest and the longest."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(times, batch, classes)).astype(dtype)
    labels = random.integers(1, classes, (batch, 3))
    return logits, labels, [times, times - 2, 4, times], [3, 1, 0, 2]


def loss_of(logits, labels, inputs, lengths, **more):
    log_probs = rushlight.as_tensor(logits).log_softmax(-1)
    return F.ctc_loss(log_probs, rushlight.as_tensor(labels), inputs, lengths, **more)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_gradient_of_logits_agrees_with_finite_differences(reduction):
    logits, *rest = problem(1)
    x = rushlight.tensor(logits, requires_grad=True)
    loss_of(x, *rest, reduction=reduction).sum().backward()
    direction = np.random.default_rng(2).normal(size=logits.shape)
    up, down = (
        loss_of(logits + step * direction, *rest, reduction=reduction).sum().item()
        for step in (1e-6, -1e-6)
    )
    assert (x.grad.numpy() * direction).sum() == pytest.approx((up - down) / 2e-6, rel=1e-6)
    assert (x.grad[4:, 2] == 0).all()


def test_forms_of_targets_and_lengths_mean_the_same():
    logits, labels, inputs, lengths = problem(3)
    want = loss_of(logits, labels, inputs, lengths, reduction="none").numpy()
    joined = np.concatenate([row[:n] for row, n in zip(labels, lengths, strict=True)])
    as_tensors = rushlight.tensor(inputs, dtype=rushlight.int32), rushlight.tensor(lengths)
    for targets in (labels, joined, joined.astype("uint8"), labels[:, ::-1].copy()[:, ::-1].copy()):
        for both in ((inputs, lengths), as_tensors, (tuple(inputs), tuple(lengths))):
            got = loss_of(logits, targets, *both, reduction="none").numpy()
            np.testing.assert_array_equal(got, want)
    for i in range(4):  # a single sample has no batch dim
        one = loss_of(logits[:, i], labels[i, : lengths[i]], [inputs[i]], [lengths[i]],
                      reduction="none")  # fmt: skip
        assert one.shape == () and one.item() == want[i]


def test_labels_behind_the_target_length_do_not_count():
    logits, labels, inputs, lengths = problem(4)
    want = loss_of(logits, labels, inputs, lengths)
    labels = labels.copy()
    labels[1, 1:], labels[2] = -77, 1 << 40
    assert loss_of(logits, labels, inputs, lengths).item() == want.item()


def test_layouts_and_threads_change_nothing():
    logits, labels, inputs, lengths = problem(5, "float32", times=60, batch=4, classes=70)
    results = []
    for threads in (1, 2):
        for layout in (lambda t: t, lambda t: t.transpose(0, 2).contiguous().transpose(0, 2),
                       lambda t: t.transpose(0, 1).contiguous().transpose(0, 1)):  # fmt: skip
            before = rushlight.get_num_threads()
            rushlight.set_num_threads(threads)
            x = layout(rushlight.tensor(logits).log_softmax(-1)).requires_grad_()
            loss = F.ctc_loss(x, rushlight.tensor(labels), inputs, lengths)
            loss.backward()
            rushlight.set_num_threads(before)
            results.append((loss.item(), x.grad.numpy()))
    for loss, grad in results[1:]:
        assert loss == results[0][0]
        np.testing.assert_array_equal(grad, results[0][1])


def test_impossible_targets_are_infinite_or_nothing():
    logits = np.random.default_rng(6).normal(size=(3, 2, 4))
    labels = np.array([[1, 1, 1], [1, 2, 3]])
    for zero in (False, True):
        x = rushlight.tensor(logits, requires_grad=True)
        log_probs = x.log_softmax(-1)
        log_probs.retain_grad()
        loss = F.ctc_loss(
            log_probs,
            rushlight.tensor(labels),
            [3, 3],
            [3, 3],
            reduction="none",
            zero_infinity=zero,
        )
        assert loss[0].item() == (0 if zero else float("inf"))
        loss.sum().backward()
        lost = log_probs.grad[:, 0]
        assert (lost == 0).all() if zero else lost.isnan().all()
        assert log_probs.grad[:, 1].isfinite().all()
        if zero:
            assert (x.grad[:, 0] == 0).all()


def test_certain_and_forbidden_classes():
    """The only path has probability 1; classes of probability 0 give no NaN."""
    log_probs = rushlight.full((3, 1, 3), float("-inf"), dtype=rushlight.float64)
    for t, c in enumerate((1, 0, 2)):
        log_probs[t, 0, c] = 0.0
    log_probs.requires_grad_()
    loss = F.ctc_loss(log_probs, rushlight.tensor([[1, 2]]), [3], [2], reduction="sum")
    loss.backward()
    assert loss.item() == 0 and (log_probs.grad == 0).all()


def test_no_time_steps_and_no_labels():
    x = rushlight.zeros(2, 2, 3, dtype=rushlight.float64, requires_grad=True)
    labels = rushlight.tensor([[1], [1]])
    loss = F.ctc_loss(x, labels, [0, 0], [0, 1], reduction="none")
    assert loss.tolist() == [0, float("inf")]
    loss[0].backward()
    assert (x.grad == 0).all()


BAD = {
    "label too large": (IndexError, {"targets": [[1, 2, 5]] * 2}),
    "label below zero": (IndexError, {"targets": [[1, -1, 2]] * 2}),
    "blank": (RuntimeError, {"blank": 5}),
    "blank below zero": (RuntimeError, {"blank": -1}),
    "input too long": (RuntimeError, {"input_lengths": [6, 7]}),
    "input below zero": (RuntimeError, {"input_lengths": [6, -1]}),
    "target too long": (RuntimeError, {"target_lengths": [4, 1]}),
    "target below zero": (RuntimeError, {"target_lengths": [2, -1]}),
    "target far too long": (RuntimeError, {"target_lengths": [2**62, 2**62]}),
    "joined targets": (RuntimeError, {"targets": [1, 2, 3]}),
    "joined far too long": (
        RuntimeError, {"targets": [1, 2, 3], "target_lengths": [2**62 - 1, 2**62 - 1]}
    ),
    "lengths": (RuntimeError, {"input_lengths": [6]}),
    "float lengths": (TypeError, {"input_lengths": [6.0, 6.0]}),
    "float length tensor": (RuntimeError, {"target_lengths": rushlight.tensor([1.0, 2.0])}),
    "rows": (RuntimeError, {"targets": [[1, 2, 3]]}),
    "three dims": (RuntimeError, {"targets": [[[1, 2, 3]] * 2]}),
    "reduction": (ValueError, {"reduction": "all"}),
    "half": (NotImplementedError, {"dtype": rushlight.float16}),
    "empty": (RuntimeError, {"shape": (0, 2, 5)}),
    "one dim": (RuntimeError, {"shape": (6,)}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case):
    error, changes = BAD[case]
    arguments = {"targets": [[1, 2, 3], [3, 1, 1]], "input_lengths": [6, 6],
                 "target_lengths": [2, 3], **changes}  # fmt: skip
    shape, dtype = arguments.pop("shape", (6, 2, 5)), arguments.pop("dtype", None)
    arguments["targets"] = rushlight.tensor(arguments["targets"])
    with pytest.raises(error):
        F.ctc_loss(rushlight.zeros(shape, dtype=dtype), **arguments)


def test_the_gradient_has_no_derivative():
    x = rushlight.zeros(4, 1, 3, requires_grad=True)
    loss = F.ctc_loss(x, rushlight.tensor([[1, 2]]), [4], [2])
    (g,) = rushlight.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for aten::_ctc_loss_backward"):
        g.sum().backward()


@pytest.mark.parametrize("dtype,tolerance", [("float64", 1e-10), ("float32", 2e-5)])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_torch(seed, dtype, tolerance):
    torch = pytest.importorskip("torch")
    logits, labels, inputs, lengths = problem(seed, dtype, times=40, batch=4, classes=7)
    labels %= 6
    labels[:, 1:] += labels[:, 1:] == 0
    labels[0, 0], labels[1, 0] = 0, 2  # a label may even be the blank, if it is not the last
    for blank in (0, 6):
        for reduction in ("none", "mean"):
            got = []
            for framework in (rushlight, torch):
                x = framework.tensor(logits, requires_grad=True)
                loss = framework.nn.functional.ctc_loss(
                    x.log_softmax(-1), framework.tensor(labels), inputs, lengths, blank, reduction
                )
                loss.sum().backward()
                got.append((loss.detach().numpy(), x.grad.numpy()))
            for mine, theirs in zip(*got, strict=True):
                np.testing.assert_allclose(mine, theirs, tolerance, tolerance)
