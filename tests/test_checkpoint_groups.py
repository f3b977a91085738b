"""utils.checkpoint.GraphExecGroup: several backward runs share one recomputation."""

import pytest

import rushlight as torch
from rushlight.utils.checkpoint import CheckpointError, GraphExecGroup, checkpoint


def two_branches():
    runs = []

    def function(x):
        runs.append(1)
        return x.sin(), x.exp().cos()

    x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    return x, checkpoint(function, x, use_reentrant=False), runs


def test_runs_in_a_group_compute_a_region_once():
    x, (a, b), runs = two_branches()
    with GraphExecGroup():
        a.sum().backward()
        b.sum().backward()
    assert len(runs) == 2  # forward, and one recomputation
    want = x.detach().cos() - x.detach().exp().sin() * x.detach().exp()
    torch.testing.assert_close(x.grad, want)
    x, (a, b), runs = two_branches()
    a.sum().backward()
    b.sum().backward()
    assert len(runs) == 3  # without a group each run recomputes
    torch.testing.assert_close(x.grad, want)


def test_runs_of_a_group_must_not_need_the_same_tensor():
    x, (a, _), runs = two_branches()
    with GraphExecGroup():
        a.sum().backward(retain_graph=True)
        with pytest.raises(CheckpointError, match="already unpacked once"):
            a.sum().backward()
    x.grad = None
    a.sum().backward()  # outside it computes again
    torch.testing.assert_close(x.grad, x.detach().cos())


def test_groups_are_not_nested():
    with GraphExecGroup(), pytest.raises(RuntimeError, match="cannot be nested"):
        GraphExecGroup().__enter__()
    with GraphExecGroup():
        pass
