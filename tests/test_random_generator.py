"""torch.random and Generator: names, devices, copies and errors as in PyTorch."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight as torch
from rushlight.utils.data._utils import worker


def test_the_module_has_pytorchs_names():
    assert torch.random.__all__ == [
        "set_rng_state", "get_rng_state", "manual_seed", "seed", "initial_seed", "fork_rng",
        "thread_safe_generator",
    ]  # fmt: skip
    for name in torch.random.__all__[:5]:
        assert getattr(torch, name) is getattr(torch.random, name)
    assert torch.random.Generator is torch.Generator
    assert torch.random.default_generator is torch.default_generator


def test_fork_rng_takes_pytorchs_arguments():
    torch.manual_seed(3)
    expected = torch.rand(2).tolist()
    torch.manual_seed(3)
    with torch.random.fork_rng(devices=[], device_type="cuda"):
        torch.rand(5)
    assert torch.rand(2).tolist() == expected
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.random.fork_rng(device_type="nowhere").__enter__()
    torch.manual_seed(3)
    with pytest.raises(KeyError), torch.random.fork_rng():
        torch.rand(5)
        raise KeyError
    assert torch.rand(2).tolist() == expected

    @torch.random.fork_rng()
    def draw():
        return torch.rand(2)

    torch.manual_seed(3)
    assert draw().tolist() == draw().tolist() == expected


def test_threads_of_a_data_loader_have_a_generator_of_their_own(monkeypatch):
    assert torch.random.thread_safe_generator() is None

    class Streams:
        torch_generator = torch.Generator().manual_seed(4)

    for method, expected in (("thread", Streams.torch_generator), ("multiprocessing", None)):
        info = worker.WorkerInfo(0, 1, 1, None, Streams(), method)
        monkeypatch.setattr(worker, "_worker_info", info)
        assert torch.random.thread_safe_generator() is expected


@pytest.mark.parametrize("device", [None, "cpu", "cpu:0", torch.device("cpu")])
def test_generators_are_made_for_a_device(device):
    generator = torch.Generator(device=device)
    assert generator.device == torch.device("cpu")
    assert generator.initial_seed() == 67280421310721


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: torch.Generator("cuda"), RuntimeError, "Cannot get CUDA generator"),
    (lambda: torch.Generator("nope"), RuntimeError, "at start of device string: nope"),
    (lambda: torch.Generator().graphsafe_get_state(), NotImplementedError, "graphsafe_get_state"),
    (lambda: torch.Generator().graphsafe_set_state(torch.Generator()), NotImplementedError,
     "graphsafe_set_state is not supported"),
    (lambda: torch.Generator().get_offset(), RuntimeError, "CPU Generator does not use offset"),
    (lambda: torch.Generator().manual_seed(torch.tensor(3)), RuntimeError,
     "manual_seed expected a long, but got Tensor$"),
    (lambda: torch.Generator().manual_seed(True), RuntimeError, "expected a long, but got bool"),
    (lambda: torch.manual_seed("a"), ValueError, "invalid literal for int"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_pytorchs_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_seeds_are_what_int_makes_of_them():
    for seed, number in ((3.9, 3), ("12", 12), (torch.tensor(7), 7), (-1, 2**64 - 1), (True, 1)):
        assert torch.manual_seed(seed).initial_seed() == number


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda g: g.clone_state(),
                                   lambda g: pickle.loads(pickle.dumps(g))])  # fmt: skip
def test_copies_go_on_from_where_the_original_stands(clone):
    generator = torch.Generator().manual_seed(9)
    torch.randn(3, generator=generator)  # leaves half a pair
    other = clone(generator)
    assert torch.randn(5, generator=other).tolist() == torch.randn(5, generator=generator).tolist()
    torch.rand(1, generator=other)
    assert not torch.equal(other.get_state(), generator.get_state())


def test_pickles_name_the_device():
    kind, args, (seed, offset, state) = torch.Generator().manual_seed(3).__reduce__()
    assert (kind, args) == (torch.Generator, (torch.device("cpu"),))
    assert (seed, offset, state.shape) == (3, None, (5056,))
