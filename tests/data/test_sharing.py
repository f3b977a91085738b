"""What travels between processes is the memory itself: kinds of tensors, strategies, clean-up."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys

import pytest

import rushlight as torch
import rushlight.multiprocessing as mp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /dev/shm")
STRATEGIES = ["file_descriptor", "file_system"]


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy(request.param)
    yield request.param
    mp.set_sharing_strategy(before)
    gc.collect()
    assert names() == []


def names():
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"torch_{os.getpid()}")]


class Marked(torch.Tensor):
    pass


def identity(x):
    return x


def serve(inbox, outbox):
    """Answer (function, x) with function(x) until None comes."""
    for function, x in iter(inbox.get, None):
        outbox.put(function(x))


@pytest.fixture(params=["fork", "spawn"])
def ask(request, strategy):
    """A function that has another process apply a function to something."""
    context = mp.get_context(request.param)
    inbox, outbox = context.Queue(), context.Queue()
    process = context.Process(target=serve, args=(inbox, outbox))
    process.start()

    def answer(x, function=identity):
        inbox.put((function, x))
        return outbox.get(timeout=30)

    yield answer
    inbox.put(None)
    process.join(30)
    assert process.exitcode == 0


MAKERS = {
    "bool": lambda: torch.tensor([True, False]),
    "bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    "complex": lambda: torch.tensor([1 + 2j, 3]),
    "float8": lambda: torch.ones(2).to(torch.float8_e4m3fn),
    "0-d": lambda: torch.tensor(3.5),
    "empty": lambda: torch.empty(0, 3),
    "transposed": lambda: torch.arange(6.0).view(2, 3).t(),
    "expanded": lambda: torch.ones(1).expand(4),
    "leaf": lambda: torch.ones(2, requires_grad=True),
    "parameter": lambda: torch.nn.Parameter(torch.ones(2)),
    "subclass": lambda: torch.ones(2).as_subclass(Marked),
    "coo": lambda: torch.eye(3).to_sparse(),
    "csr": lambda: torch.eye(3).to_sparse_csr(),
    "csc": lambda: torch.eye(3).to_sparse_csc(),
}


def make_all():
    return {name: make() for name, make in MAKERS.items()}


def test_every_kind_of_tensor_arrives(ask):
    sent = make_all()
    came = ask(sent)
    for name, x in sent.items():
        y = came[name]
        assert (type(y), y.dtype, y.shape, y.layout) == (type(x), x.dtype, x.shape, x.layout), name
        assert y.requires_grad == x.requires_grad, name
        dense = x.to_dense() if x.is_sparse or x.layout is not torch.strided else x
        assert torch.equal(y.to_dense() if y.layout is not torch.strided else y, dense), name
        if x.layout is torch.strided and x.numel():
            assert y.stride() == x.stride() and y.is_shared() and x.is_shared(), name


def add_to_the_first(pair):
    first, second = pair
    first.add_(1)
    return first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def test_views_of_one_storage_stay_views_of_one(ask):
    whole = torch.zeros(6)
    assert ask([whole[:3], whole[2:]], add_to_the_first)
    assert whole.tolist() == [1, 1, 1, 0, 0, 0]


def test_what_comes_back_is_the_memory_that_went(ask):
    x = torch.arange(4.0)
    y = ask(x)
    assert y.data_ptr() == x.data_ptr() and y.untyped_storage() is x.untyped_storage()


def train(model):
    for p in model.parameters():
        p.grad = torch.ones_like(p).share_memory_()
        p.data.sub_(p.grad)
    return [p.grad for p in model.parameters()]


def test_modules_and_gradients_are_shared(ask):
    model = torch.nn.Linear(2, 1).share_memory()
    before = [p.detach().clone() for p in model.parameters()]
    gradients = ask(model, train)
    assert all(torch.equal(p, old - 1) for p, old in zip(model.parameters(), before, strict=True))
    assert all(g.is_shared() and (g == 1).all() for g in gradients)


def test_the_state_of_an_optimizer_is_shared(ask):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = optimizer.state[model.weight]
    came = ask(optimizer.state_dict())["state"][0]
    assert came["exp_avg"].data_ptr() == state["exp_avg"].data_ptr()
    assert state["exp_avg"].is_shared() and came["step"].item() == 1


def test_storages_are_shared(ask):
    bare = torch.ones(4).untyped_storage()
    came = ask(bare)
    assert type(came) is type(bare) and came.is_shared() and came.nbytes() == 16
    came[0] = 7
    assert bare[0] == 7


@pytest.mark.parametrize("make", ["Pipe", "SimpleQueue", "Queue", "JoinableQueue"])
def test_ways_to_send(strategy, make):
    way = getattr(mp.get_context("fork"), make)()
    x = torch.ones(3)
    if make == "Pipe":
        way[0].send(x)
        y = way[1].recv()
    else:
        way.put(x)
        y = way.get()
    assert y.data_ptr() == x.data_ptr() and y.is_shared()


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_pools(strategy, start):
    with mp.get_context(start).Pool(2) as pool:
        tensors = [torch.full((3,), float(i)) for i in range(6)]
        assert [t.tolist() for t in pool.map(identity, tensors)] == [t.tolist() for t in tensors]
        pool.close()  # terminated workers would leave their names to the resource tracker
        pool.join()
    from rushlight.multiprocessing.pool import Pool

    with Pool(1) as pool:
        assert pool.map(identity, [torch.ones(2)])[0].tolist() == [1, 1]
        pool.close()
        pool.join()


def hold_and_add(lock, event, t, n):
    event.wait()
    for _ in range(n):
        with lock:
            t.add_(1)


def test_locks_and_events(strategy):
    context = mp.get_context("fork")
    lock, event, t = context.Lock(), context.Event(), torch.zeros(1).share_memory_()
    processes = [context.Process(target=hold_and_add, args=(lock, event, t, 200)) for _ in range(2)]
    for process in processes:
        process.start()
    assert t.item() == 0
    event.set()
    for process in processes:
        process.join()
    assert t.item() == 400


def test_names_need_no_descriptors():
    mp.set_sharing_strategy("file_system")
    try:
        before = len(os.listdir("/proc/self/fd"))
        tensors = [torch.ones(4).share_memory_() for _ in range(50)]
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # the resource tracker's
        assert len(names()) == 50
        queue = mp.get_context("fork").SimpleQueue()
        for t in tensors[:5]:
            queue.put(t)
        assert len(names()) == 55  # each message has one of its own
        assert [queue.get().tolist() for _ in range(5)] == [[1, 1, 1, 1]] * 5
        assert len(names()) == 50
        del tensors, t
        assert names() == []
    finally:
        mp.set_sharing_strategy("file_descriptor")


def test_descriptors_go_with_their_tensors():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        queue = mp.get_context("fork").SimpleQueue()
        queue.put([torch.ones(10), torch.zeros(3)])
        assert queue.get()[0].sum() == 10
    del queue
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_message_may_outlive_its_tensor(strategy):
    queue = mp.get_context("fork").SimpleQueue()
    queue.put(torch.arange(3.0))
    gc.collect()
    if strategy == "file_system":  # with descriptors PyTorch too needs the sender to keep it
        assert queue.get().tolist() == [0, 1, 2]


LEAVES = """
import os, signal, sys
import rushlight as torch, rushlight.multiprocessing as mp
mp.set_sharing_strategy("file_system")
if __name__ == "__main__":
    kept = torch.ones(3).share_memory_()
    queue = mp.get_context("fork").SimpleQueue()
    queue.put(torch.zeros(2))
    print(os.getpid(), sum(n.startswith(f"torch_{os.getpid()}") for n in os.listdir("/dev/shm")))
    sys.stdout.flush()
    END
"""


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)"])
def test_names_go_with_their_process(end):
    done = subprocess.run(
        [sys.executable, "-c", LEAVES.replace("END", end)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    pid, count = done.stdout.split()
    assert int(count) >= 2
    # The resource tracker of a killed process removes them when it sees the end.
    for _ in range(100):
        left = [n for n in os.listdir("/dev/shm") if n.startswith(f"torch_{pid}")]
        if not left:
            break
        signal.sigtimedwait([], 0.05)
    assert left == []


def test_a_strategy_that_does_not_exist():
    assert mp.get_all_sharing_strategies() == set(STRATEGIES)
    with pytest.raises(AssertionError, match="invalid sharing strategy 'x'"):
        mp.set_sharing_strategy("x")


def test_modules_of_pytorch_are_there():
    from rushlight.multiprocessing.pool import Pool, clean_worker
    from rushlight.multiprocessing.queue import ForkingPickler, Queue, SimpleQueue
    from rushlight.multiprocessing.spawn import ProcessRaisedException

    assert all(map(callable, (Pool, clean_worker, ForkingPickler, Queue, SimpleQueue)))
    assert ProcessRaisedException is mp.ProcessRaisedException and callable(mp.spawn)
