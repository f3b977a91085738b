"""out=: which operators insist on the dtype of their result, and which convert."""

from __future__ import annotations

import pytest

import rushlight as torch

X = torch.ones(3, 3)
ROW = torch.zeros(1, 3, dtype=torch.int64)


@pytest.mark.parametrize(
    "call",
    [
        lambda out: torch.gather(X, 0, ROW, out=out),
        lambda out: torch.mm(X, X, out=out),
        lambda out: torch.matmul(X, X, out=out),
        lambda out: torch.index_select(X, 0, ROW[0], out=out),
        lambda out: torch.amax(X, 0, out=out),
        lambda out: torch.argmax(X, 0, out=out),
        lambda out: torch.multinomial(X, 2, out=out),
        lambda out: torch.sort(X, out=(out, ROW[:0])),
        lambda out: torch.tril(X, out=out),
        lambda out: torch.abs(X, out=out),
        lambda out: torch.squeeze_copy(X, out=out),
    ],
)
def test_outputs_of_another_dtype_are_refused(call):
    out = torch.zeros(0, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype"):
        call(out)
    assert out.shape == (0,)


@pytest.mark.parametrize(
    "call",
    [
        lambda out: torch.add(X, X, out=out),
        lambda out: torch.exp(X, out=out),
        lambda out: torch.sum(X, 0, out=out),
        lambda out: torch.mean(X, 0, out=out),
        lambda out: torch.var(X, 0, out=out),
        lambda out: torch.cumsum(X, 0, out=out),
        lambda out: torch.cat([X, X], out=out),
        lambda out: torch.max(X, out=out),
    ],
)
def test_outputs_of_a_wider_dtype_are_converted(call):
    out = torch.zeros(0, dtype=torch.float64)
    assert call(out) is out
    assert out.dtype is torch.float64 and out.numel() > 0
    with pytest.raises(RuntimeError, match="can't be cast"):
        call(torch.zeros(0, dtype=torch.int64))


def test_narrow_takes_a_scalar_tensor_of_integers_only():
    assert torch.narrow(X, 0, torch.tensor(-1), 1).shape == (1, 3)
    for start in (torch.tensor([1]), torch.tensor(1.0), torch.tensor(True)):
        with pytest.raises(RuntimeError, match="0-dim integral"):
            torch.narrow(X, 0, start, 1)
    with pytest.raises(IndexError):
        torch.narrow(X, 2, 0, 1)
    with pytest.raises(RuntimeError):
        torch.narrow_copy(X, 2, 0, 1)
    with pytest.raises(IndexError, match="no dimensions"):
        torch.tensor(1.0).unbind()


COMPOSITES = {
    "diff": lambda out: torch.diff(torch.ones(4), out=out),
    "quantile": lambda out: torch.quantile(torch.ones(4), 0.5, out=out),
    "msort": lambda out: torch.msort(torch.ones(4), out=out),
    "scatter": lambda out: torch.scatter(
        torch.ones(4), 0, torch.tensor([1]), torch.zeros(1), out=out
    ),
    "tensordot": lambda out: torch.tensordot(torch.ones(2, 2), torch.ones(2, 2), 1, out=out),
    "inner": lambda out: torch.inner(torch.ones(2, 2), torch.ones(2, 2), out=out),
    "renorm": lambda out: torch.renorm(torch.ones(2, 2), 2, 0, 1.0, out=out),
    "norm": lambda out: torch.norm(torch.ones(2, 2), 2, 0, out=out),
    "expand_copy": lambda out: torch.expand_copy(torch.ones(1), (3,), out=out),
    "round": lambda out: torch.round(torch.ones(3), out=out),
    "isposinf": lambda out: torch.isposinf(torch.ones(3), out=out),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_composites_refuse_outputs_of_another_dtype(name):
    for dtype in (torch.float64, torch.int64):
        given = torch.zeros(3, dtype=dtype)
        with pytest.raises(RuntimeError, match="Expected out tensor to have dtype|result type"):
            COMPOSITES[name](given)
        assert torch.equal(given, torch.zeros(3, dtype=dtype))


@pytest.mark.parametrize("name", sorted(set(COMPOSITES) - {"isposinf"}))
def test_composites_resize_outputs_with_a_warning(name):
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        got = COMPOSITES[name](torch.zeros(2, 3, 5))
    assert torch.equal(got, COMPOSITES[name](None))


def test_of_several_outputs_none_is_written_when_one_cannot_be():
    hist, edges = torch.zeros(3), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="Expected out tensor"):
        torch.histogram(torch.arange(5.0), 3, out=(hist, edges))
    assert hist.tolist() == [0, 0, 0]
