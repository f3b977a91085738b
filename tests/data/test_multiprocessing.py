"""Tensors in shared memory, through queues, and `spawn`."""

from __future__ import annotations

import os
import signal

import pytest

import rushlight as torch
import rushlight.multiprocessing as mp


def add_and_answer(inbox, outbox):
    t = inbox.get()
    t.add_(5)
    outbox.put((t, torch.nn.Parameter(torch.ones(2))))
    inbox.get()  # stay until the answer has been taken: the receiver asks for descriptors


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_queues_carry_the_memory_itself(start):
    context = mp.get_context(start)
    inbox, outbox = context.Queue(), context.Queue()
    process = context.Process(target=add_and_answer, args=(inbox, outbox))
    process.start()
    whole = torch.arange(12.0).reshape(3, 4)
    inbox.put(whole.t())
    same, parameter = outbox.get(timeout=60)
    assert whole.tolist() == (torch.arange(12.0).reshape(3, 4) + 5).tolist()
    assert same.stride() == (1, 4) and torch.equal(same, whole.t()) and same.is_shared()
    assert type(parameter) is torch.nn.Parameter and parameter.requires_grad
    same.zero_()
    assert (whole == 0).all()
    inbox.put(None)
    process.join()
    assert process.exitcode == 0


def test_sharing_moves_a_storage_with_all_its_views():
    whole = torch.arange(6.0)
    view = whole[2:]
    assert not whole.is_shared()
    assert whole.share_memory_() is whole and view.is_shared()
    whole.add_(1)
    assert view.tolist() == [3, 4, 5, 6]
    assert torch.zeros(0).share_memory_().is_shared()


def write_number(i, t):
    t[i] = i + 1


def test_spawned_processes_write_to_the_same_tensor():
    t = torch.zeros(3)
    mp.spawn(write_number, (t,), nprocs=3)
    assert t.tolist() == [1, 2, 3]


def fail(i):
    if i == 1:
        raise ValueError("bad")


def leave(i):
    os._exit(3)


def kill(i):
    os.kill(os.getpid(), signal.SIGKILL)


def test_spawn_tells_how_a_process_failed():
    with pytest.raises(mp.ProcessRaisedException, match="Process 1 terminated with the") as raised:
        mp.spawn(fail, nprocs=2, start_method="fork")
    assert "ValueError: bad" in str(raised.value) and raised.value.error_index == 1
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 3"):
        mp.spawn(leave, start_method="fork")
    with pytest.raises(mp.ProcessExitedException, match="signal SIGKILL") as killed:
        mp.spawn(kill, start_method="fork")
    assert killed.value.signal_name == "SIGKILL" and killed.value.exit_code == -9


def test_history_stays_in_its_process():
    from rushlight.multiprocessing.reductions import reduce_tensor

    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        reduce_tensor(torch.ones(2, requires_grad=True) * 2)
