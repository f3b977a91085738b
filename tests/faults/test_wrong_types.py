"""Arguments of the wrong type: a TypeError that names the argument, whoever notices it."""

from __future__ import annotations

import pytest

import rushlight as torch

X = torch.ones(3, 4)


@pytest.mark.parametrize(
    "words, call",
    [
        ("'input' .position 1. must be Tensor, not str", lambda: torch.real("a")),
        ("'input' .position 1. must be Tensor, not NoneType", lambda: torch.argsort(None)),
        ("must be Tensor, not str", lambda: torch.atleast_1d("a")),
        ("'tensors' .position 2. must be Tensor, not str", lambda: torch.block_diag(X, "a")),
        ("'n' .position 2. must be a number or a size", lambda: torch.diff(X, X)),
        ("'upper' .position 2. must be bool", lambda: torch.cholesky(torch.eye(2), None)),
        ("must be Tensor, not int", lambda: torch.permute_copy(3, (0,))),
        ("invalid data type 'str'", lambda: X["a"]),
        ("only implemented on integer", lambda: ~X),
        ("must be bool, not rushlight.Tensor", lambda: torch.sum(X, 0, X)),
        ("must be tuple of Tensors, not Tensor", lambda: torch.hstack(X)),
        ("set_", lambda: X.clone().set_(X, 9)),
    ],
)
def test_wrong_types_are_type_errors(words, call):
    with pytest.raises(TypeError, match=words):
        call()


def test_other_failures_stay_what_they_are():
    with pytest.raises(RuntimeError, match="expand"):
        torch.broadcast_to(X, (2, 2))
    with pytest.raises(IndexError):
        torch.argsort(X, 5)
    with pytest.raises(RuntimeError, match="infer dtype of object"):
        torch.tensor(object())
    for convert in (int, float):
        with pytest.raises(ValueError, match="only one element"):
            convert(X)
    with pytest.raises(RuntimeError, match="cannot be converted to Scalar"):
        X.item()
    with pytest.raises(ValueError, match="size or scale_factor"):
        torch.nn.functional.interpolate(X)


class Broken(torch.Tensor):
    """A subclass whose own code fails."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise AttributeError("'Broken' object has no attribute 'plan'")


def test_errors_of_users_code_are_not_touched():
    with pytest.raises(AttributeError, match="plan"):
        torch.argsort(X.as_subclass(Broken))
