"""Old spellings and private names that packages still use, found by running their own tests."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight as torch

# index as a list, what it means, and whether it is a tuple in disguise
LISTS = [
    ([slice(0, 2), 1], (slice(0, 2), 1), True),
    ([0, None], (0, None), True),
    ([Ellipsis, 0], (Ellipsis, 0), True),
    ([slice(None)], (slice(None),), True),
    ([[0, 1], [1, 2]], ([0, 1], [1, 2]), True),
    ([[True, False, True], [0, 1]], ([True, False, True], [0, 1]), True),
    ([torch.tensor([0, 1]), 1], (torch.tensor([0, 1]), 1), True),
    ([torch.tensor(1)], (torch.tensor(1),), True),
    ([np.array([0, 1]), np.array([1, 2])], ([0, 1], [1, 2]), True),
    ([(0, 1)], ((0, 1),), True),
    ([0, 1], torch.tensor([0, 1]), False),
    ([True, False, True], torch.tensor([True, False, True]), False),
    ([[0], [1], [2]] * 11, torch.tensor([[0], [1], [2]] * 11), False),
    (np.array([[0, 1], [1, 2]]), torch.tensor([[0, 1], [1, 2]]), False),
]


@pytest.mark.parametrize("index, meant, disguised", LISTS, ids=range(len(LISTS)))
def test_lists_as_indices(index, meant, disguised):
    x = torch.arange(12.0).view(3, 4)
    expected, written = x[meant], x.clone()
    written[meant] = -1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got, y = x[index], x.clone()
        y[index] = -1
    assert got.shape == expected.shape and torch.equal(got, expected) and torch.equal(y, written)
    told = [str(w.message) for w in caught]
    assert len(told) == 2 * disguised
    assert all("Using a non-tuple sequence for multidimensional indexing" in t for t in told)


def test_typed_classes_of_sparse_tensors():
    at = torch.tensor([[0, 1], [1, 0]])
    s = torch.sparse.FloatTensor(at, torch.ones(2), torch.Size([2, 3]))
    assert s.is_sparse and s.to_dense().tolist() == [[0, 1, 0], [1, 0, 0]]
    assert isinstance(s, torch.sparse.FloatTensor) and not isinstance(s, torch.FloatTensor)
    assert not isinstance(s.to_dense(), torch.sparse.FloatTensor)
    assert not isinstance(s, torch.sparse.DoubleTensor)
    assert torch.sparse.DoubleTensor(2, 3).dtype == torch.float64
    assert torch.sparse.FloatTensor().shape == (0,)
    with pytest.raises(AttributeError, match="NoSuchTensor"):
        torch.sparse.NoSuchTensor  # noqa: B018


def test_parts_of_printing():
    from rushlight._tensor_str import _add_suffixes, _str_intern, _tensor_str

    x = torch.arange(6.0).view(2, 3)
    assert _tensor_str(x, 4) == "[[0., 1., 2.],\n     [3., 4., 5.]]"
    assert _tensor_str(torch.ones(0, 3), 4) == "[]"
    assert _add_suffixes("Index([1]", ["a=1", "b=2"], 6, False) == "Index([1], a=1, b=2)"
    assert _add_suffixes("Index([1]", ["a=1", "b=2"], 6, True) == "Index([1],\n      a=1, b=2)"
    assert _str_intern(x, tensor_contents="[..]") == "tensor([..])"


def test_marks_of_overloads_change_nothing():
    @torch.jit._overload
    def double(x: int) -> int: ...

    def double(x):  # noqa: F811, as TorchScript spells overloads
        return 2 * x

    assert double(3) == 6 and torch.jit._overload_method(double) is double


@pytest.mark.parametrize(
    "place, name",
    [
        ("optim", "ZeroRedundancyOptimizer"),
        ("fsdp", "FSDPModule"),
        ("fsdp", "FullyShardedDataParallel"),
        ("tensor", "DTensor"),
        ("_tensor", "DTensor"),
        ("_composable.fsdp", "FSDPModule"),
        ("rpc", "RRef"),
        ("device_mesh", "DeviceMesh"),
    ],
)
def test_distributed_types_can_be_asked_for(place, name):
    from importlib import import_module

    kind = getattr(import_module(f"rushlight.distributed.{place}"), name)
    assert not isinstance(torch.nn.Linear(1, 1), kind) and not isinstance(torch.ones(1), kind)
    with pytest.raises(RuntimeError, match=rf"{name}: this build has no distributed package"):
        kind()


def test_distributed_functions_say_why_they_cannot_work():
    assert not torch.distributed.is_available() and not torch.distributed.rpc.is_available()
    assert not isinstance(3, torch.distributed.ProcessGroup)
    with pytest.raises(RuntimeError, match="fully_shard: this build has no distributed package"):
        torch.distributed.fsdp.fully_shard(torch.nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="init_process_group: this build has no distributed"):
        torch.distributed.init_process_group("gloo")
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        torch.distributed.no_such_name  # noqa: B018


def test_a_lone_process_imports_the_names_of_distributed_programs(monkeypatch):
    import rushlight.distributed as dist
    from rushlight.distributed import Backend, ReduceOp, all_reduce, init_device_mesh, nn

    assert ReduceOp.SUM is not ReduceOp.AVG and dist.group.WORLD is None and nn.ReduceOp is ReduceOp
    assert Backend.NCCL == "nccl" and not dist.is_nccl_available()
    assert not dist.is_backend_available("gloo") and callable(init_device_mesh)
    for ask in (dist.get_rank, dist.get_world_size, dist.barrier, nn.all_gather):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            ask()
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        all_reduce(torch.ones(1), op=ReduceOp.SUM)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert dist.get_node_local_rank(3) == 3
    with pytest.raises(RuntimeError, match="LOCAL_RANK is not in the environment"):
        dist.get_node_local_rank()


def test_a_lone_program_runs_under_the_launchers_decorator():
    from rushlight.distributed import autograd, rpc
    from rushlight.distributed.elastic.multiprocessing.errors import record

    @record
    def main(x):
        return 1 / x

    assert main(2) == 0.5 and main.__name__ == "main"
    with pytest.raises(ZeroDivisionError):
        main(0)
    assert not rpc.is_available() and not autograd.is_available()
    for call in (rpc.rpc_sync, rpc.init_rpc, autograd.context):
        with pytest.raises(RuntimeError, match="this build has no distributed package"):
            call()


def test_float_models_carry_the_marks_of_quantization():
    from rushlight.ao.quantization import DeQuantStub, FakeQuantizeBase, ObserverBase, QuantWrapper

    model = QuantWrapper(torch.nn.Linear(2, 1).eval())
    x = torch.ones(1, 2)
    assert torch.equal(model(x), model.module(x)) and not model.training
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert [type(m).__name__ for m in model.children()] == ["QuantStub", "DeQuantStub", "Linear"]
    assert not isinstance(model.quant, DeQuantStub) and not hasattr(model.quant, "qconfig")
    assert torch.quantization.QuantStub(3).qconfig == 3
    assert torch.quantization.ObserverBase is ObserverBase is torch.ao.quantization.ObserverBase
    for base in (ObserverBase, FakeQuantizeBase):
        with pytest.raises(TypeError, match="abstract method"):
            base(torch.int8) if base is ObserverBase else base()

    class Rounding(FakeQuantizeBase):
        def forward(self, x):
            return x.round() if self.fake_quant_enabled[0] else x

        def calculate_qparams(self):
            return torch.ones(1), torch.zeros(1)

    module = Rounding.with_args()()
    assert module(torch.tensor(0.7)) == 1
    module.disable_fake_quant()
    module.disable_observer()
    assert module(torch.tensor(0.5)) == 0.5
    state = {"fake_quant_enabled": [0], "observer_enabled": [0]}
    assert {k: v.tolist() for k, v in module.state_dict().items()} == state


def test_types_of_the_loader_for_annotations():
    from rushlight.utils.data.dataloader import _collate_fn_t, _worker_init_fn_t

    assert _worker_init_fn_t.__args__ == (int, None)
    assert _collate_fn_t[int].__args__[0] == list[int]


def test_functions_know_their_names():
    assert torch.tensor.__name__ == "tensor"


@pytest.mark.parametrize(
    "place, name",
    [
        ("iter.callable", "MapperIterDataPipe"),
        ("iter.combinatorics", "ShufflerIterDataPipe"),
        ("iter.filelister", "FileListerIterDataPipe"),
        ("iter.fileopener", "FileOpenerIterDataPipe"),
        ("iter.selecting", "FilterIterDataPipe"),
        ("iter.sharding", "ShardingFilterIterDataPipe"),
        ("iter.streamreader", "StreamReaderIterDataPipe"),
        ("iter.utils", "IterableWrapperIterDataPipe"),
        ("map.callable", "MapperMapDataPipe"),
        ("map.combinatorics", "ShufflerIterDataPipe"),
        ("map.combining", "ZipperMapDataPipe"),
        ("map.grouping", "BatcherMapDataPipe"),
        ("map.utils", "SequenceWrapperMapDataPipe"),
    ],
)
def test_pipes_are_where_pytorch_has_them(place, name):
    from importlib import import_module

    kind = getattr(import_module(f"rushlight.utils.data.datapipes.{place}"), name)
    parent = import_module(f"rushlight.utils.data.datapipes.{place.split('.')[0]}")
    short = name.replace("IterDataPipe", "").replace("MapDataPipe", "")
    assert getattr(parent, short) is kind


def test_models_may_ask_whether_they_are_exported():
    assert torch.onnx.is_in_onnx_export() is False
    with pytest.raises(AttributeError, match="docs/gaps.md"):
        torch.onnx.export  # noqa: B018


def test_how_to_reads_its_arguments():
    from rushlight._binding_names import find

    functions = find("_nn")
    assert functions.relu is torch.nn.functional.relu
    read = functions._parse_to(torch.float64, non_blocking=True)
    assert read == (None, torch.float64, True, None)
    assert functions._parse_to("cpu")[0] == torch.device("cpu")


def test_no_memory_format_keeps_the_order():
    x = torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert x.clone(memory_format=None).stride() == x.stride() == (60, 1, 15, 3)
    assert torch.ones(3).clone(memory_format=None).tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="must be torch.memory_format, not NoneType"):
        x.contiguous(memory_format=None)
