"""What libraries reach for inside of torch.func: levels, steps of vmap, modules as functions."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rushlight as torch
from rushlight import functorch
from rushlight._functorch import bindings, vmap
from rushlight._functorch.apis import chunk_vmap


def test_levels_and_their_tensors():
    x = torch.arange(12.0).view(3, 4)
    level = bindings._vmap_increment_nesting(3, "error")
    try:
        y = bindings._add_batch_dim(x, 0, level)
        assert level == bindings.current_level() == bindings.maybe_get_level(y) == 1
        assert bindings.is_batchedtensor(y) and bindings.maybe_get_bdim(y) == 0
        assert y.shape == (4,) and bindings.get_unwrapped(y).shape == (3, 4)
        assert bindings.peek_interpreter_stack().key() is bindings.TransformType.Vmap
        assert bindings.peek_interpreter_stack().batchSize() == 3
        total = bindings._remove_batch_dim((y * 2).sum(), level, 3, 0)
        shared = bindings._remove_batch_dim(torch.ones(2), level, 3, 1)
        columns = bindings._add_batch_dim(x.t(), 1, level)
        assert columns.shape == (4,)
    finally:
        assert bindings._vmap_decrement_nesting() == 1
    assert total.tolist() == [12.0, 44.0, 76.0] and shared.shape == (2, 3)
    assert bindings.maybe_current_level() is None and bindings.is_dead_tensor_wrapper(y)
    assert bindings.maybe_get_bdim(x) == bindings.maybe_get_level(x) == -1
    with pytest.raises(RuntimeError, match="no vmap of level 1"):
        bindings._add_batch_dim(x, 0, 1)
    with pytest.raises(RuntimeError, match="no transform was opened"):
        bindings._vmap_decrement_nesting()


def test_gradients_pass_the_steps():
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    with vmap.vmap_increment_nesting(2, "error") as level:
        y = vmap._remove_batch_dim((bindings._add_batch_dim(x, 0, level) ** 2).sum(), level, 2, 0)
    y.sum().backward()
    assert x.grad.tolist() == (2 * x).tolist()


class Pair:
    """A container that vmap does not know."""

    def __init__(self, left, right):
        self.left, self.right = left, right


def test_a_replaced_step_is_taken(monkeypatch):
    create, process = vmap._create_batched_inputs, vmap._process_batched_inputs

    def processed(in_dims, args, func):
        (pair,) = args
        return process(in_dims, ((pair.left, pair.right),), func)

    def created(dims, leaves, level, spec):
        ((left, right),) = create(dims, leaves, level, spec)
        return (Pair(left, right),)

    pair = Pair(torch.arange(3.0), torch.ones(3))
    with pytest.raises(ValueError, match="cannot vmap over non-Tensor"):
        torch.vmap(lambda p: p.left + p.right)(pair)
    monkeypatch.setattr(vmap, "_process_batched_inputs", processed)
    monkeypatch.setattr(vmap, "_create_batched_inputs", created)
    assert torch.vmap(lambda p: p.left + p.right)(pair).tolist() == [1.0, 2.0, 3.0]
    assert torch.vmap(lambda p: p.left, chunk_size=2)(pair).tolist() == [0.0, 1.0, 2.0]
    assert torch.vmap(lambda p: (p.left, p.right), out_dims=(0, 0))(pair)[1].tolist() == [1.0] * 3


def test_vmap_in_pieces_and_restored():
    x = torch.arange(10.0).view(5, 2)
    assert torch.equal(chunk_vmap(lambda r: r.sum(), chunks=2)(x), x.sum(1))
    value, dim = vmap.restore_vmap(lambda r: r * 2, (0,), 5, "error")(x)
    assert torch.equal(value, x * 2) and dim == 0


def test_modules_as_functions():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())
    x = torch.randn(4, 3)
    function, params = functorch.make_functional(net)
    assert torch.equal(function(params, x), net(x))
    loss = functorch.grad(lambda p: function(p, x).pow(2).sum())
    net(x).pow(2).sum().backward()
    for mine, p in zip(loss(params), net.parameters(), strict=True):
        torch.testing.assert_close(mine, p.grad)
    with_buffers = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).eval()
    with pytest.raises(RuntimeError, match="has buffers"):
        functorch.make_functional(with_buffers)
    nets = [torch.nn.Linear(3, 2) for _ in range(3)]
    function, params, buffers = functorch.combine_state_for_ensemble(nets)
    outputs = torch.vmap(function, (0, 0, None))(params, buffers, x)
    torch.testing.assert_close(outputs, torch.stack([n(x) for n in nets]))


def test_under_pytorchs_names():
    code = (
        "import torch, functorch, torch._C._functorch\n"
        "from torch._C._functorch import is_batchedtensor\n"
        "from torch._functorch.vmap import _add_batch_dim\n"
        "x = torch.ones(2)\n"
        "print(is_batchedtensor(x), torch._C._functorch.maybe_get_level(x),\n"
        "      torch._C._are_functorch_transforms_active(), functorch.vmap is torch.vmap)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "-"], input=code, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "-1", "False", "True"], done.stderr


def test_vmap_stands_where_it_stood_before_func():
    from rushlight._vmap_internals import _vmap

    x = torch.arange(6.0).reshape(3, 2)
    assert _vmap(lambda row: row.sum())(x).tolist() == [1.0, 5.0, 9.0]
    doubled, nothing = _vmap(lambda row: (row * 2, None), allow_none_pass_through=True)(x)
    assert nothing is None and torch.equal(doubled, x * 2)
    with pytest.warns(FutureWarning, match="use torch.vmap instead"):
        together = torch._vmap_internals.vmap(torch.dot, in_dims=(0, None))
    assert together(x, x[0]).tolist() == [1.0, 3.0, 5.0]
