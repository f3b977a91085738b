"""The loader with worker processes: order, errors, deaths, memory, and what is left behind."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
STARTS = ["fork", "spawn", "forkserver"]


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """No process, no descriptor and no file in /dev/shm outlives its loader."""
    gc.collect()  # what earlier tests left in cycles
    before = left_behind()
    yield
    gc.collect()
    assert left_behind() == before


def left_behind():
    import multiprocessing

    names = os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []
    # Ours, and those of the dead: another program's files come and go.
    makers = [(name, name.split("_")[1]) for name in names if name.startswith("torch_")]
    own = str(os.getpid())
    shared = [name for name, pid in makers if pid == own or not os.path.exists(f"/proc/{pid}")]
    sockets = [link for link in map(link_of, os.listdir("/proc/self/fd")) if "socket" in link]
    return len(multiprocessing.active_children()), sorted(shared), len(sockets)


def link_of(descriptor):
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


class Calls(Dataset):
    """Item i is `function(i)`."""

    def __init__(self, n, function):
        self.n, self.function = n, function

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.function(i)


def identity(items):
    return items


def sample(i):
    """Large and small tensors, a large array, text and a number."""
    return {
        "image": torch.full((150, 200), float(i)),
        "label": torch.tensor(i),
        "array": np.full((200, 200), i),
        "text": f"{i}" * 30000,
        "number": i,
    }


@pytest.mark.parametrize("start", STARTS)
def test_batches_come_in_order_and_whole(start):
    loader = DataLoader(Calls(21, sample), 4, num_workers=2, multiprocessing_context=start)
    batches = list(loader)
    assert [b["number"].tolist() for b in batches] == [
        list(range(k, min(k + 4, 21))) for k in range(0, 21, 4)
    ]
    for batch in batches:
        numbers = batch["number"]
        assert torch.equal(batch["image"][:, 149, 199].long(), numbers)
        assert torch.equal(batch["array"][:, 0, 7], numbers)
        assert torch.equal(batch["label"], numbers)
        assert batch["text"] == [f"{i}" * 30000 for i in numbers.tolist()]
        batch["image"].add_(1)  # the memory is ours to write to
    assert batches[0]["image"].is_shared()


def uneven(i):
    time.sleep(0.02 if i % 3 == 0 else 0)
    return i


def test_a_slow_item_does_not_change_the_order():
    assert list(DataLoader(Calls(20, uneven), None, num_workers=2)) == list(range(20))


def test_without_order_every_batch_still_comes_once():
    loader = DataLoader(Calls(20, uneven), 2, num_workers=2, in_order=False)
    assert sorted(i for batch in loader for i in batch.tolist()) == list(range(20))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_number_of_workers_changes_neither_order_nor_later_draws(workers):
    torch.manual_seed(0)
    loader = DataLoader(range(10), 5, shuffle=True, num_workers=workers)
    epochs = [[batch.tolist() for batch in loader] for _ in range(2)]
    assert epochs == [[[6, 7, 1, 4, 2], [0, 9, 8, 3, 5]], [[2, 4, 7, 0, 8], [9, 5, 3, 6, 1]]]
    assert torch.rand(1).item() == pytest.approx(0.4556, abs=1e-4)


def worker_draws(i):
    info = get_worker_info()
    return (
        info.id, info.num_workers, info.seed, random.random(), float(np.random.rand()),
        torch.rand(1).item(), torch.get_num_threads(), torch.initial_seed(),
    )  # fmt: skip


def test_workers_draw_what_torchs_workers_draw():
    torch.manual_seed(0)
    loader = DataLoader(Calls(4, worker_draws), None, num_workers=2, collate_fn=identity)
    # Read off PyTorch 2.13: id, random, NumPy, torch.
    golden = [
        (0, 0.21315340548154382, 0.8371640508861415, 0.7821398973464966),
        (1, 0.7733861492043289, 0.6702704958690073, 0.6938178539276123),
        (0, 0.2764485855185723, 0.38757835109739946, 0.053598999977111816),
        (1, 0.1634220007200502, 0.07589687641367027, 0.29795897006988525),
    ]
    for (number, count, seed, py, array, ours, threads, initial), expected in zip(
        loader, golden, strict=True
    ):
        assert (number, py, array, ours) == expected
        assert (count, threads) == (2, 1)
        assert seed == initial == 900450186894289455 + number


def searching_here():
    """The environment of a program that finds modules where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_numpy_is_seeded_also_when_a_worker_is_the_first_to_import_it(tmp_path):
    code = """
import sys
import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset
class Draws(Dataset):
    def __len__(self): return 2
    def __getitem__(self, i):
        assert 'numpy' not in sys.modules
        import numpy
        return float(numpy.random.rand())
torch.manual_seed(0)
print(*DataLoader(Draws(), None, num_workers=2))
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=searching_here(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.split() == ["0.8371640508861415", "0.6702704958690073"]


def initialise(number):
    os.environ["WORKER_TEST"] = str(number)


def initialised(i):
    return os.environ.get("WORKER_TEST")


def test_worker_init_fn_runs_in_each_worker():
    options = {"num_workers": 2, "worker_init_fn": initialise, "collate_fn": identity}
    assert list(DataLoader(Calls(4, initialised), None, **options)) == ["0", "1", "0", "1"]
    assert "WORKER_TEST" not in os.environ


def test_persistent_workers_stay_and_start_each_epoch_anew():
    loader = DataLoader(Calls(8, process_and_number), 1, num_workers=2, persistent_workers=True)
    first = [b[0].item() for b in loader]
    iterator = iter(loader)
    next(iterator)  # an epoch that is left early
    second = [(b[0].item(), b[1].item()) for b in loader]
    assert [p for p, _ in second] == first and [i for _, i in second] == list(range(8))


def process_and_number(i):
    return os.getpid(), i


# -- streams ------------------------------------------------------------------------------------
class Ranges(IterableDataset):
    """Worker w yields 3 + 2 w numbers from 10 w on."""

    def __iter__(self):
        w = get_worker_info().id
        return iter(range(10 * w, 10 * w + 3 + 2 * w))


@pytest.mark.parametrize("persistent", [False, True])
def test_streams_of_workers_take_turns(persistent):
    loader = DataLoader(Ranges(), 2, num_workers=2, persistent_workers=persistent)
    for _ in range(2):
        values = [batch.tolist() for batch in loader]
        assert values == [[0, 1], [10, 11], [2], [12, 13], [14]]
    assert list(DataLoader(Ranges(), None, num_workers=2)) == [0, 10, 1, 11, 2, 12, 13, 14]


def test_streams_without_order():
    loader = DataLoader(Ranges(), None, num_workers=2, in_order=False)
    assert sorted(loader) == [0, 1, 2, 10, 11, 12, 13, 14]


# -- errors ---------------------------------------------------------------------------------------
class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("x"), ValueError),
        (KeyError("k"), KeyError),
        (IndexError(3), IndexError),
        (TwoArguments(1, 2), RuntimeError),
        (UnicodeDecodeError("utf8", b"x", 0, 1, "r"), RuntimeError),
    ],
    ids=repr,
)
def test_an_exception_keeps_its_type_and_shows_the_workers_traceback(error, expected):
    def fails(i):
        if i == 1:
            raise error
        return i

    iterator = iter(DataLoader(Calls(4, fails), None, num_workers=1))
    assert next(iterator) == 0
    with pytest.raises(expected) as caught:
        next(iterator)
    text = str(caught.value)
    assert text.startswith(f"Caught {type(error).__name__} in DataLoader worker process 0.\n")
    assert "Original Traceback (most recent call last):" in text and "in fails" in text
    assert list(iterator) == [2, 3]  # the worker goes on


def test_an_exception_in_worker_init_fn_is_raised():
    def fails(number):
        raise ValueError("at the start")

    with pytest.raises(ValueError, match="at the start"):
        next(iter(DataLoader(range(3), num_workers=1, worker_init_fn=fails)))


def test_a_batch_that_cannot_be_pickled_says_so():
    def local(i):
        return lambda: i

    with pytest.raises(AttributeError, match="Can't pickle local object"):
        next(iter(DataLoader(Calls(2, local), 1, num_workers=1, collate_fn=identity)))


def test_history_does_not_cross_processes():
    leaf = torch.ones(2, requires_grad=True)
    options = {"num_workers": 1, "collate_fn": identity}
    batch = next(iter(DataLoader(Calls(1, lambda i: leaf), None, **options)))
    assert batch.requires_grad and batch.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        next(iter(DataLoader(Calls(1, lambda i: leaf * 2), None, **options)))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "is killed by signal: Killed"),
        (lambda: os._exit(3), "exited unexpectedly with exit code 3"),
    ],
    ids=["killed", "exited"],
)
def test_the_death_of_a_worker_is_noticed_at_once(end, words):
    def dies(i):
        if i == 1:
            end()
        time.sleep(0.05)
        return i

    began = time.monotonic()
    with pytest.raises(
        RuntimeError, match=r"worker \(pid\(s\) \d+\) exited unexpectedly"
    ) as caught:
        list(DataLoader(Calls(50, dies), None, num_workers=2))
    assert words in str(caught.value.__cause__)
    assert time.monotonic() - began < 4


def test_the_wait_for_a_worker_is_bounded_by_timeout():
    def hangs(i):
        time.sleep(1.5)
        return i

    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.2 seconds"):
        next(iter(DataLoader(Calls(2, hangs), num_workers=1, timeout=0.2)))


# -- tensors on the way --------------------------------------------------------------------------
@pytest.mark.parametrize("n", [3, 400])
@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "bfloat16", "complex64", "bool", "uint8", "int16"]
)
def test_every_dtype_arrives(n, dtype):
    x = (torch.arange(n * n).reshape(n, n) % 7).to(getattr(torch, dtype))
    y = next(iter(DataLoader(Calls(1, lambda i: x), None, num_workers=1)))
    assert y.dtype == x.dtype and torch.equal(x, y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.randn(2, 3, 80, 90).to(memory_format=torch.channels_last),
        lambda: torch.randn(2, 3, 80, 90).permute(1, 0, 3, 2),
        lambda: torch.randn(5, 4).t(),
        lambda: torch.randn(5, 400, 400)[::2, 1:, 3:],
        lambda: torch.ones(1, 1).expand(300, 300),
        lambda: torch.zeros(0, 3),
        lambda: torch.tensor(2.5),
    ],
)
def test_every_layout_arrives_and_dense_ones_keep_their_strides(make):
    x = make()
    y = next(iter(DataLoader(Calls(1, lambda i: x), None, num_workers=1)))
    assert y.shape == x.shape and torch.equal(x, y)
    if x.numel() == x.untyped_storage().nbytes() // x.element_size():
        assert y.stride() == x.stride()


def test_thousands_of_batches_may_be_kept():
    """Each holds memory, but none a descriptor."""
    loader = DataLoader(Calls(1500, lambda i: torch.full((150, 150), i)), None, num_workers=2)
    kept = list(loader)
    assert len(os.listdir("/proc/self/fd")) < 100
    assert all(int(batch[149, 149]) == i for i, batch in enumerate(kept))


def test_many_large_tensors_in_one_batch():
    items = [torch.full((130, 130), float(i)) for i in range(600)]
    batch = next(
        iter(DataLoader(Calls(1, lambda i: items), None, num_workers=1, collate_fn=identity))
    )
    assert [int(t[0, 0]) for t in batch] == list(range(600))


def test_long_index_lists_and_much_prefetching():
    indices = [list(range(k, k + 50000)) for k in range(40)]
    loader = DataLoader(range(60000), batch_sampler=indices, num_workers=2, prefetch_factor=30)
    assert [int(batch[-1]) for batch in loader] == [k + 49999 for k in range(40)]


# -- the end --------------------------------------------------------------------------------------
def test_an_abandoned_epoch_ends_its_workers():
    iterator = iter(DataLoader(Calls(10**6, uneven), 1, num_workers=2))
    next(iterator)
    pids = [worker.pid for worker in iterator._workers]
    began = time.monotonic()
    del iterator
    gc.collect()
    assert time.monotonic() - began < 2
    assert not any(map(is_running, pids))


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


PROGRAM = """
import time
from rushlight.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 10**6
    def __getitem__(self, i):
        time.sleep(0.02)
        return i
iterator = iter(DataLoader(Slow(), num_workers=2))
next(iterator)
print(*[worker.pid for worker in iterator._workers], flush=True)
for batch in iterator:
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_program(number, tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=searching_here(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 2
    if number == signal.SIGINT:
        os.killpg(program.pid, number)  # as a terminal does on Ctrl-C
    else:
        os.kill(program.pid, number)
    errors = program.communicate(timeout=20)[1]
    assert program.returncode == -number
    deadline = time.monotonic() + 6
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
    # Only the main process tells of the interrupt.
    assert errors.count("Traceback") == (1 if number == signal.SIGINT else 0)


def test_two_loaders_at_once():
    loader = DataLoader(Calls(12, uneven), 2, num_workers=2)
    for a, b in zip(loader, loader, strict=True):
        assert torch.equal(a, b)
