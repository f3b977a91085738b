"""What PyTorch's root and `torch._C` name beside graphs: keys, containers, timings, files."""

import io
import subprocess
import sys
import zipfile

import pytest

import rushlight as torch
from rushlight._jit_names import HOMES

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


def test_every_name_is_there_at_both_places():
    for name in HOMES:
        assert getattr(torch, name) is not None and name in dir(torch)
        if name != "Node":  # the core's own, of the tape
            assert getattr(torch._C, name) is getattr(torch, name)


def test_importing_the_package_loads_none_of_it():
    code = (
        "import sys, rushlight; "
        "print([m for m in sys.modules if m.startswith(('rushlight.jit', 'rushlight._jit', "
        "'rushlight._dispatch_keys', 'rushlight._cpp'))])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_dispatch_keys_and_sets():
    cpu = torch.DispatchKeySet(torch.DispatchKey.CPU)
    assert (repr(torch.DispatchKey.CPU), int(torch.DispatchKey.AutogradCPU)) == (
        "<DispatchKey.CPU: 49>", 134,
    )  # fmt: skip
    both = cpu.add(torch.DispatchKey.AutogradCPU)
    assert (cpu.raw_repr(), both.raw_repr()) == (65537, 68719542273)
    assert str(both) == "DispatchKeySet(CPU, AutogradCPU)"
    assert both.highestPriorityTypeId() is torch.DispatchKey.AutogradCPU
    assert str(both.remove(torch.DispatchKey.AutogradCPU)) == "DispatchKeySet(CPU)"
    assert both.has(torch.DispatchKey.CPU) and str(cpu - cpu) == "DispatchKeySet()"
    with pytest.raises(RuntimeError, match="stands for several keys"):
        torch.DispatchKeySet(torch.DispatchKey.Autograd)
    from rushlight._dispatch_keys import excluded_keys

    with torch.ExcludeDispatchKeyGuard(cpu):
        assert excluded_keys() == cpu
    assert excluded_keys().raw_repr() == 0


def test_enumerations_agree_with_pytorch():
    oracle = pytest.importorskip("torch")
    for name in ("DispatchKey", "Tag", "AggregationType"):
        ours, theirs = getattr(torch, name), getattr(oracle, name)
        members = [m for m in theirs.__members__ if m[0] != "_"]
        assert {m: int(getattr(ours, m)) for m in members} == {
            m: int(getattr(theirs, m).value) for m in members
        }
    for raw in (635655225345, 65537, 8454145, 1 << 36 | 3):
        assert str(torch.DispatchKeySet.from_raw_repr(raw)) == str(
            oracle.DispatchKeySet.from_raw_repr(raw)
        )


def test_lists_and_dicts_keep_their_type():
    items = torch.ScriptList([1, 2])
    items.append(3)
    items[0] = 5
    assert list(items) == [5, 2, 3] and str(items[1:]) == "[2, 3]" and 3 in items
    with pytest.raises(TypeError):
        items.append("a")
    assert list(items) == [5, 2, 3]
    words = torch.ScriptDict({"a": 1})
    words["b"] = 2
    assert list(words.items()) == [("a", 1), ("b", 2)] and str(words) == "{a: 1, b: 2}"
    with pytest.raises(TypeError):
        words["c"] = "x"
    with pytest.raises(KeyError):
        words["c"]
    assert isinstance(iter(items), torch.ScriptListIterator)


def test_views_of_compiled_modules():
    module = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)))
    assert [n for n, _ in torch.ModuleDict(module._c).items()] == ["0", "1"]
    inner = torch.ModuleDict(module._c).getattr("1")
    assert torch.ParameterDict(inner).contains("weight")
    assert not torch.ParameterDict(inner).contains("running_mean")
    assert {n for n, _ in torch.BufferDict(inner).items()} >= {"running_mean", "running_var"}
    kind = torch.ConcreteModuleType.from_jit_type(module._c._type())
    assert [n for n, _ in kind.get_modules()] == ["0", "1"]
    assert kind.get_modules()[1][1].get_attributes()["weight"][1]


def test_concrete_types_are_put_together():
    def built(constant):
        builder = torch.ConcreteModuleTypeBuilder(torch.nn.Linear)
        builder.add_attribute("weight", torch.TensorType.get(), True, False)
        builder.add_constant("k", constant)
        builder.add_ignored_attribute("hidden")
        return builder

    made = built(3).build()
    assert made.get_constants() == {"k": 3} and made.is_ignored_attribute("hidden")
    assert made.py_class is torch.nn.Linear and built(3).equals(built(3))
    assert not built(3).equals(built(4))


def test_counters_and_timings():
    logger = torch.LockingLogger()
    logger.set_aggregation_type("mean", torch.AVG)
    for value in (2, 4):
        logger.add_stat_value("sum", value)
        logger.add_stat_value("mean", value)
    assert [logger.get_counter_val(n) for n in ("sum", "mean", "none")] == [6, 3, 0]
    timing = torch.ThroughputBenchmark(torch.relu)
    config = torch.BenchmarkConfig()
    with pytest.raises(RuntimeError, match="provide benchmark inputs"):
        timing.benchmark(config)
    timing.add_input(torch.ones(2))
    config.num_calling_threads, config.num_iters = 2, 10
    found = timing.benchmark(config)
    assert found.num_iters == 10 and found.latency_avg_ms > 0
    failing = torch.ThroughputBenchmark(lambda x: x.no_such_name)
    failing.add_input(torch.ones(1))
    with pytest.raises(AttributeError):
        failing.benchmark(config)
    assert torch.StaticModule(torch.relu)(torch.tensor(-1.0)).item() == 0


def test_what_is_known_of_how_a_function_runs():
    def double(x):
        return x * 2

    state = torch.jit.script(double).get_debug_state()
    assert isinstance(state, torch.GraphExecutorState) and "aten::mul" in str(state.graph)
    (plan,) = state.execution_plans.values()
    assert isinstance(plan, torch.ExecutionPlan) and plan.code.num_bailouts() == 0
    one, other = torch.ones(2), torch.ones(3)
    assert torch.ArgumentSpec(one) == torch.ArgumentSpec(other)
    assert torch.CompleteArgumentSpec(one) != torch.CompleteArgumentSpec(other)


def test_tracing_state_keeps_scopes():
    state = torch.TracingState()
    state.push_scope("outer")
    state.push_scope("inner")
    x = state.graph().addInput("x")
    node = state.graph().insertNode(state.graph().create("aten::relu", [x]))
    assert node.scopeName() == state.current_scope() == "outer/inner"
    state.pop_scope()
    state.pop_scope()
    with pytest.raises(RuntimeError, match="no scope to leave"):
        state.pop_scope()


def test_records_are_written_and_read(tmp_path):
    buffer = io.BytesIO()
    with torch.PyTorchFileWriter(buffer) as writer:
        writer.write_record("a/b", b"xyz!", 3)
        writer.write_record("c", "hello", 5)
        with pytest.raises(RuntimeError, match="serialize file twice: c"):
            writer.write_record("c", b"", 0)
        writer.write_record("s", torch.ones(4).untyped_storage(), 16)
    reader = torch.PyTorchFileReader(io.BytesIO(buffer.getvalue()))
    assert reader.get_all_records()[:3] == ["a/b", "c", "s"]
    assert (reader.get_record("a/b"), reader.get_record_size("s")) == (b"xyz", 16)
    assert reader.get_storage_from_record("s", 4, torch.float32).tolist() == [1, 1, 1, 1]
    assert reader.serialization_id() == writer.serialization_id() and reader.has_record("version")
    assert reader.get_record_header_offset("a/b") == 0 < reader.get_record_offset("a/b")
    with pytest.raises(RuntimeError, match="failed locating file zz"):
        reader.get_record("zz")
    with pytest.raises(RuntimeError, match="errno 2"):
        torch.PyTorchFileReader(str(tmp_path / "none.pt"))
    with pytest.raises(RuntimeError, match="failed reading zip archive"):
        torch.PyTorchFileReader(io.BytesIO(b"123"))
    path = tmp_path / "file.pt"
    torch.PyTorchFileWriter(str(path)).write_end_of_file()
    assert zipfile.ZipFile(path).namelist()[0] == "file/version"


def test_records_are_exchanged_with_pytorch():
    oracle = pytest.importorskip("torch")
    for writing, reading in ((torch, oracle), (oracle, torch)):
        buffer = io.BytesIO()
        writer = writing.PyTorchFileWriter(buffer)
        writer.write_record("a/b", b"xyz", 3)
        writer.write_end_of_file()
        buffer.seek(0)
        reader = reading.PyTorchFileReader(buffer)
        assert reader.get_record("a/b") == b"xyz" and reader.has_record(".data/serialization_id")


def test_storages_are_counted():
    context, storage = torch.SerializationStorageContext(), torch.ones(2).untyped_storage()
    assert not context.has_storage(storage)
    assert (context.get_or_add_storage(storage), context.get_or_add_storage(storage)) == (0, 0)
    read = torch.DeserializationStorageContext()
    read.add_storage("a", torch.ones(2))
    assert read.has_storage("a") and read.get_storage("a", torch.float32).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="is there already"):
        read.add_storage("a", torch.ones(2))


def test_modules_come_from_archives():
    module = torch.jit.script(torch.nn.Linear(2, 3))
    data, x = module.save_to_buffer(), torch.ones(1, 2)
    made = torch.import_ir_module_from_buffer(torch.jit.CompilationUnit(), data, "cpu", {}, False)
    assert torch.equal(made.forward(x), module(x))
    lite = torch.LiteScriptModule(module)
    assert lite.find_method("forward") and not lite.find_method("none")
    assert torch.equal(lite.forward((x,)), module(x))
    with pytest.raises(RuntimeError, match="Method 'none' is not defined"):
        lite.run_method("none", ())
    buffer = io.BytesIO()
    writer = torch.PyTorchFileWriter(buffer)
    serializer = torch.ScriptModuleSerializer(writer)
    serializer.serialize(module._c, 0)
    serializer.write_files()
    writer.write_end_of_file()
    names = zipfile.ZipFile(buffer).namelist()
    assert "archive/.data/ts_code/0/data.pkl" in names and "archive/.data/0.storage" in names


def test_type_comments_read():
    found = torch.parse_type_comment("# type: (int, Dict[str, Tensor]) -> Tensor")
    assert (found.types, found.result) == (["int", "Dict[str, Tensor]"], "Tensor")
    own = torch.parse_type_comment("# type: (A, B, C) -> D")
    merged = torch.merge_type_from_type_comment(own, found, True)
    assert merged.types == ["A", "int", "Dict[str, Tensor]"] and merged.result == "Tensor"
    with pytest.raises(RuntimeError, match="does not match the number of parameters"):
        torch.merge_type_from_type_comment(own, found, False)
    with pytest.raises(RuntimeError, match="expected '# type:"):
        torch.parse_type_comment("# typo")


def test_small_passes_and_functions():
    def double(x):
        return x * 2

    def forked(x):
        return torch.jit.wait(torch.jit.fork(double, x))

    graph = torch.jit.script(forked).graph.copy()
    torch._C._jit_pass_inline_fork_wait(graph)
    graph.lint()
    assert graph.findNode("prim::fork") is None and graph.findNode("aten::wait") is None
    known = torch.parse_ir("graph(%x : Float(2)):\n  return (%x)")
    torch._C._jit_pass_erase_shape_information(known)
    assert next(known.inputs()).type() == torch.TensorType.get()
    made = torch._C._create_function_from_graph("made", torch.jit.script(double).graph)
    assert made(torch.ones(1)).item() == 2 and made.name == "made"
    logger = torch.LockingLogger()
    before = torch._C._logging_set_logger(logger)
    assert isinstance(before, torch.NoopLogger)
    assert torch._C._logging_set_logger(before) is logger


def test_small_things():
    assert torch.bit is torch.uint1 and issubclass(torch.cpp.nn.Module, torch.nn.Module)
    assert issubclass(torch.FatalError, Exception) and torch.JITException is torch.jit.Error
    made = torch.IODescriptor(([torch.ones(1)], {"a": 2}))
    assert made.unflatten([3, 4]) == ([3], {"a": 4})
    assert torch._C._jit_set_profiling_executor(False) in (True, False)
    assert torch._C._jit_set_profiling_executor(True) is False
    with pytest.raises(AttributeError, match="it is private"):
        _ = torch._C._no_such_name
