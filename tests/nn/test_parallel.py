"""The pieces of data parallelism, on several names of one processor."""

from __future__ import annotations

from collections import namedtuple

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.parallel import comm, gather, parallel_apply, replicate, scatter
from rushlight.nn.parallel.scatter_gather import scatter_kwargs

TWO = ["cpu", "cpu"]
Pair = namedtuple("Pair", ["x", "y"])


def test_structures_are_split_and_joined():
    x = torch.arange(6.0).view(3, 2)
    parts = scatter({"a": [x, 7], "b": Pair(x, "word")}, TWO)
    assert [part["a"][0].shape[0] for part in parts] == [2, 1]
    assert all(part["a"][1] == 7 and part["b"].y == "word" for part in parts)
    joined = gather([{"x": part["a"][0], "p": Pair(part["b"].x, None)} for part in parts], "cpu")
    assert joined["x"].equal(x) and joined["p"].x.equal(x) and joined["p"].y is None


def test_arguments_by_position_and_by_name_come_in_equal_numbers():
    args, kwargs = scatter_kwargs((torch.ones(2, 1),), {"flag": True}, TWO)
    assert len(args) == len(kwargs) == 2
    assert kwargs == ({"flag": True}, {"flag": True})
    assert scatter_kwargs((), {"flag": 1}, TWO)[0] == ((), ())


def test_copies_run_at_once_and_send_gradients_back():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    x = torch.randn(8, 3)
    copies = replicate(model, TWO)
    outputs = parallel_apply(copies, scatter((x,), TWO))
    gather(outputs, "cpu").sum().backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    sum(model(half).sum() for half in x.chunk(2)).backward()
    for a, p in zip(got, model.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad)
    assert not list(copies[0].parameters())


def test_an_error_in_a_copy_is_raised():
    def fail(x):
        raise ArithmeticError("in a copy")

    with pytest.raises(ArithmeticError, match="in a copy"):
        parallel_apply([nn.Identity(), fail], [(1,), (2,)])


def test_tensors_move_between_one_and_many():
    x = torch.arange(5.0)
    assert [c.tolist() for c in comm.scatter(x, TWO, [1, 4])] == [[0.0], [1.0, 2.0, 3.0, 4.0]]
    assert comm.gather(comm.scatter(x, TWO), 0).equal(x)
    assert comm.reduce_add(comm.broadcast(x, TWO)).equal(2 * x)
    assert comm.reduce_add_coalesced(comm.broadcast_coalesced([x, x + 1], TWO))[1].equal(2 * x + 2)
    place = torch.zeros(2), torch.zeros(3)
    assert comm.scatter(x, out=place)[1] is place[1] and place[1].tolist() == [2.0, 3.0, 4.0]
    with pytest.raises(RuntimeError, match="exactly one of 'devices' and 'out'"):
        comm.broadcast(x)
    with pytest.raises(ValueError, match="differ in size"):
        comm.reduce_add([x, x[:2]])


def test_without_a_gpu_the_module_just_runs():
    model = nn.Linear(2, 2)
    x = torch.ones(1, 2)
    assert nn.DataParallel(model)(x).equal(model(x))
    assert nn.parallel.data_parallel(model, x).equal(model(x))
