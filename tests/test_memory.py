"""What tensors cost in memory, and what the allocator keeps and gives back."""

from __future__ import annotations

import gc
import random
import subprocess
import sys

import pytest

import rushlight as torch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def in_a_process(program: str) -> str:
    """What a fresh interpreter prints, with the size of its memory at hand as `resident()`."""
    head = (
        "import gc, random\n"
        "import rushlight as torch\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_size_of_a_tensor_object():
    assert sys.getsizeof(torch.tensor(1.0)) <= 112 < sys.getsizeof(torch.ones(2, 2)) <= 168


@LINUX
def test_numbers_take_at_most_160_bytes_each():
    program = (
        "kept = [None] * 300_000\n"
        "before = resident()\n"
        "for i in range(len(kept)): kept[i] = torch.tensor(1.0)\n"
        "print((resident() - before) / len(kept))\n"
    )
    assert float(in_a_process(program)) <= 160


@LINUX
def test_memory_is_flat_over_100000_random_shapes():
    program = (
        "random.seed(0)\n"
        "torch.set_num_threads(1)\n"
        "sizes = []\n"
        "for i in range(100_001):\n"
        "    shape = random.randint(1, 200), random.randint(1, 200)\n"
        "    y = torch.empty(shape) + 1\n"
        "    z = y.t().contiguous()\n"
        "    if i in (10_000, 100_000): sizes.append(resident())\n"
        "print(sizes[1] - sizes[0])\n"
    )
    assert int(in_a_process(program)) < 4 << 20


@LINUX
def test_empty_cache_returns_small_and_large_blocks():
    program = (
        "small = [torch.tensor(float(i)) for i in range(200_000)]\n"
        "large = [torch.ones(1 << 20) for _ in range(20)]\n"
        "before = resident()\n"
        "del small, large\n"
        "gc.collect()\n"
        "torch._C.empty_cache()\n"
        "print(before - resident(), torch._C.memory_stats()['cached_bytes'])\n"
    )
    freed, cached = map(int, in_a_process(program).split())
    assert freed > 80 << 20
    assert cached < 1 << 20


def test_blocks_are_used_again():
    shapes = [(1,), (3, 5), (700, 700), (1 << 21,)]
    for shape in shapes:
        torch.ones(shape)
    before = torch._C.memory_stats()["system_allocations"]
    for _ in range(100):
        for shape in shapes:
            torch.ones(shape)
    assert torch._C.memory_stats()["system_allocations"] == before


def test_statistics_add_up():
    gc.collect()
    stats = torch._C.memory_stats()
    x = torch.empty(1 << 20)
    with_x = torch._C.memory_stats()
    assert with_x["allocated_bytes"] - stats["allocated_bytes"] >= x.nbytes
    del x
    assert torch._C.memory_stats()["allocated_bytes"] == stats["allocated_bytes"]


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64, torch.complex128])
def test_few_elements_keep_their_values_beside_others(dtype):
    rng = random.Random(0)
    tensors = [torch.tensor([i % 2] * rng.randint(1, 3)).to(dtype) for i in range(1000)]
    for i, t in enumerate(tensors):
        t += 1 if dtype is not torch.bool else False
        assert t.tolist() == [(i % 2 + 1) if dtype is not torch.bool else bool(i % 2)] * len(t)
        assert t.data_ptr() % t.element_size() in (0, 8)


def test_a_storage_of_one_element_grows_and_shrinks():
    t = torch.tensor([7.0])
    t.resize_(1000).fill_(3)
    assert t.sum() == 3000
    t.untyped_storage().resize_(4)
    assert t.untyped_storage().nbytes() == 4


@pytest.mark.parametrize("make", [lambda: torch.tensor(1.0), lambda: torch.ones(3)])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 1, 3, 2), (1, 2, 1, 2, 1, 3)])
def test_short_objects_take_any_shape(make, shape):
    # Objects of up to one dim have no room for more: other dims get memory of their own.
    other = torch.arange(24.0)[: torch.Size(shape).numel()].reshape(shape)
    for change in (
        lambda t: t.resize_(shape).copy_(other),
        lambda t: t.set_(other.clone()),
        lambda t: setattr(t, "data", other.clone()),
        lambda t: torch.utils.swap_tensors(t, other.clone()),
    ):
        t = make()
        for _ in range(2):  # the second time the dims' memory is there already
            change(t)
            assert t.shape == shape and torch.equal(t, other) and t.is_contiguous()
        transposed = t.permute(tuple(reversed(range(t.ndim))))
        t.data = transposed
        assert t.shape == tuple(reversed(shape)) and t.stride() == transposed.stride()
        t.data = torch.tensor(7.0)
        assert t.item() == 7 and t.shape == ()


def test_rare_fields_move_with_their_tensor():
    rows = torch.ones(3, 2, requires_grad=True).unbind(0)
    assert [r.output_nr for r in rows] == [0, 1, 2]
    leaf = torch.ones(2, requires_grad=True)
    leaf.grad = torch.zeros(2)
    (leaf * rows[2].detach()).sum().backward()
    assert leaf.grad.tolist() == [1, 1]
    leaf.grad = None
    assert leaf.grad is None
