"""torch.profiler and torch.autograd.profiler: what is recorded and how it is shown."""

from __future__ import annotations

import gzip
import json

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.autograd import profiler as autograd_profiler
from rushlight.autograd.profiler_util import _format_memory, _format_time
from rushlight.profiler import (
    ExecutionTraceObserver,
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)

KEEP, LAST, WARM, NONE = (
    ProfilerAction.RECORD,
    ProfilerAction.RECORD_AND_SAVE,
    ProfilerAction.WARMUP,
    ProfilerAction.NONE,
)


def step(**options):
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(4, 10)
    with profile(activities=[ProfilerActivity.CPU], **options) as recorded:
        with record_function("forward"):
            loss = model(x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return recorded


def by_name(recorded):
    found = {}
    for event in recorded.events():
        found.setdefault(event.name, []).append(event)
    return found


def test_operators_nodes_and_regions_have_pytorch_s_names():
    found = by_name(step())
    assert len(found["aten::linear"]) == len(found["aten::addmm"]) == 2
    assert len(found["aten::relu"]) == len(found["aten::clamp_min"]) == 1
    assert len(found["AddmmBackward0"]) == 2
    assert len(found["autograd::engine::evaluate_function: AddmmBackward0"]) == 2
    assert len(found["torch::autograd::AccumulateGrad"]) == 4
    assert {"forward", "Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad"} <= set(found)


def test_events_nest_and_times_add_up():
    recorded = step()
    events = recorded.events()
    for event in events:
        for child in event.cpu_children:
            assert child.cpu_parent is event
            assert child.time_range.start >= event.time_range.start
            assert child.time_range.end <= event.time_range.end
        assert 0 <= event.self_cpu_time_total <= event.cpu_time_total
    (forward,) = by_name(recorded)["forward"]
    assert [e.name for e in forward.cpu_children] == [
        "aten::linear", "aten::relu", "aten::linear", "aten::sum"
    ]  # fmt: skip
    tops = [e for e in events if e.cpu_parent is None]
    assert sum(e.cpu_time_total for e in tops) == pytest.approx(events.self_cpu_time_total)
    assert [e.id for e in events] == list(range(1, len(events) + 1))


def test_a_node_has_the_number_of_the_call_that_made_it():
    x = torch.ones(3, requires_grad=True)
    with profile() as recorded:
        (x * 2).sum().backward()
    found = by_name(recorded)
    call, (node,) = found["aten::mul"][0], found["MulBackward0"]
    assert call.sequence_nr == node.sequence_nr >= 0
    assert (call.scope, node.scope, node.fwd_thread) == (0, 1, 1)


def test_shapes_and_averages_by_shape():
    recorded = step(record_shapes=True)
    (first, second) = by_name(recorded)["aten::addmm"]
    assert first.input_shapes == [[20], [4, 10], [10, 20], [], []]
    assert second.input_shapes == [[5], [4, 20], [20, 5], [], []]
    together = [e for e in recorded.key_averages() if e.key == "aten::addmm"]
    apart = [e for e in recorded.key_averages(group_by_input_shape=True) if e.key == "aten::addmm"]
    assert [e.count for e in together] == [2] and [e.count for e in apart] == [1, 1]
    assert "Input Shapes" in recorded.key_averages(group_by_input_shape=True).table()
    assert "Input Shapes" not in recorded.key_averages().table()


def test_memory_is_counted_where_it_is_taken_and_given_back():
    with profile(profile_memory=True) as recorded:
        kept = torch.ones(100)
        with record_function("both"):
            other = kept * 2
            del other
    found = by_name(recorded)
    (made,), (product,), (region,) = (found[n] for n in ("aten::ones", "aten::mul", "both"))
    assert made.cpu_memory_usage == product.self_cpu_memory_usage == 400
    assert (region.cpu_memory_usage, region.self_cpu_memory_usage) == (0, -400)
    table = recorded.key_averages().table(sort_by="self_cpu_memory_usage")
    assert "CPU Mem" in table and "400 B" in table


def test_operations_of_products_and_convolutions():
    image, kernel = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
    with profile(with_flops=True) as recorded:
        torch.randn(4, 5) @ torch.randn(5, 6)
        torch.nn.functional.conv2d(image, kernel, stride=2, padding=1)
        torch.randn(3, 4) * torch.randn(4)
    found = by_name(recorded)
    assert found["aten::mm"][0].flops == 2 * 4 * 5 * 6
    assert found["aten::mkldnn_convolution"][0].flops == 2 * 2 * 4 * 3 * 9 * 16
    assert found["aten::mul"][0].flops == 12
    assert "FLOPs" in recorded.key_averages().table()


def test_the_table():
    recorded = step()
    table = recorded.key_averages().table(sort_by="cpu_time_total", row_limit=3).splitlines()
    titles = [t for t in table[1].split("  ") if t]
    assert [t.strip() for t in titles] == [
        "Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"
    ]  # fmt: skip
    assert table[0] == table[2] == table[6] and set(table[0]) == {"-", " "}
    assert table[7].startswith("Self CPU time total: ")
    assert len({len(line) for line in table[:7]}) == 1
    times = [e.cpu_time_total for e in recorded.key_averages()]
    top = max(recorded.key_averages(), key=lambda e: e.cpu_time_total)
    assert top.key in table[3].replace("...", top.key[-3:]) and max(times) == top.cpu_time_total
    with pytest.raises(AttributeError, match="no attribute 'fast'"):
        recorded.key_averages().table(sort_by="fast")
    assert recorded.key_averages().table(header="HEAD").splitlines()[1] == "HEAD"
    assert "ms" in recorded.key_averages().table(time_unit="ms").splitlines()[3]
    narrow = recorded.key_averages().table(max_name_column_width=12).splitlines()
    assert all(line[:12].strip() for line in narrow[3:-2]) and any("..." in n for n in narrow)


def test_times_and_sizes_in_words():
    assert [_format_time(t) for t in (0, 999.5, 1500, 2.5e6)] == [
        "0.000us", "999.500us", "1.500ms", "2.500s"
    ]  # fmt: skip
    assert [_format_memory(n) for n in (5, -400, 1300, 1 << 20, 1 << 31)] == [
        "5 B", "-400 B", "1.27 KB", "1.00 MB", "2.00 GB"
    ]  # fmt: skip


def test_stacks_say_where_calls_were_made(tmp_path):
    def inner(x):
        return x * 2

    with profile(with_stack=True) as recorded:
        inner(torch.ones(2000))
    (event,) = by_name(recorded)["aten::mul"]
    assert "test_profiler.py(" in event.stack[0] and event.stack[0].endswith("): inner")
    assert event.stack[1].endswith("): test_stacks_say_where_calls_were_made")
    assert "Source Location" in recorded.key_averages(group_by_stack_n=2).table()
    path = str(tmp_path / "stacks")
    recorded.export_stacks(path)
    with open(path) as file:
        lines = file.read().splitlines()
    assert any("):_inner " in line for line in lines)
    with pytest.raises(ValueError, match="metric should be one of"):
        recorded.export_stacks(path, "none")


@pytest.mark.parametrize("ending", ["json", "json.gz"])
def test_the_chrome_trace(tmp_path, ending):
    recorded = step(record_shapes=True, profile_memory=True)
    recorded.add_metadata("note", "mine")
    path = str(tmp_path / f"trace.{ending}")
    recorded.export_chrome_trace(path)
    with (gzip.open if ending.endswith("gz") else open)(path, "rt") as file:
        trace = json.load(file)
    spans = {e["name"]: e for e in trace["traceEvents"] if e["ph"] == "X"}
    assert trace["note"] == "mine" and trace["record_shapes"] == 1
    assert spans["aten::addmm"]["cat"] == "cpu_op" and spans["aten::addmm"]["dur"] > 0
    assert spans["aten::addmm"]["args"]["Input Dims"][0] in ([20], [5])
    assert spans["forward"]["cat"] == "user_annotation"
    arrows = [e for e in trace["traceEvents"] if e.get("cat") == "fwdbwd"]
    assert arrows and {e["ph"] for e in arrows} == {"s", "f"}
    assert any(e["name"] == "[memory]" and e["args"]["Bytes"] > 0 for e in trace["traceEvents"])


@pytest.mark.parametrize(
    "options, actions",
    [
        (
            {"wait": 1, "warmup": 1, "active": 2, "repeat": 2, "skip_first": 1},
            [NONE, NONE, WARM, KEEP, LAST, NONE, WARM, KEEP, LAST, NONE, NONE],
        ),
        (
            {"wait": 2, "warmup": 1, "active": 2, "skip_first": 1, "skip_first_wait": 1},
            [NONE, WARM, KEEP, LAST, NONE, NONE, WARM, KEEP, LAST],
        ),
    ],
)
def test_schedules(options, actions):
    chosen = schedule(**options)
    assert [chosen(i) for i in range(len(actions))] == actions


def test_schedules_refuse_nonsense_and_warn_without_warmup():
    with pytest.raises(AssertionError, match="Invalid profiler schedule arguments"):
        schedule(wait=-1, warmup=0, active=1)
    with pytest.warns(UserWarning, match="won't be using warmup"):
        schedule(wait=0, warmup=0, active=1)
    with pytest.raises(AssertionError, match="must be non-negative"):
        schedule(wait=0, warmup=1, active=1)(-1)


def test_steps_of_a_loop(tmp_path):
    traces = []

    def ready(recorded):
        traces.append([e.name for e in recorded.events() if e.name.startswith("ProfilerStep")])
        tensorboard_trace_handler(str(tmp_path), "worker")(recorded)

    x = torch.ones(3)
    with profile(
        schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready
    ) as p:
        for _ in range(9):
            x * 2
            p.step()
    assert traces == [["ProfilerStep#2", "ProfilerStep#3"], ["ProfilerStep#6", "ProfilerStep#7"]]
    names = sorted(f.name for f in tmp_path.iterdir())
    assert len(names) == 2 and all(n.startswith("worker.") for n in names)
    assert all(n.endswith(".pt.trace.json") for n in names)


def test_loading_data_is_marked():
    loader = torch.utils.data.DataLoader(torch.arange(4), batch_size=2)
    with profile() as recorded:
        list(loader)
    marks = by_name(recorded)["enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"]
    assert len(marks) == 3 and all(e.is_user_annotation for e in marks)


def test_layers_are_named_on_request():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    with profile(with_modules=True) as recorded:
        model(torch.ones(1, 2))
    names = [e.name for e in recorded.events()]
    assert [n for n in names if n.startswith("nn.Module")] == [
        "nn.Module: Sequential_0", "nn.Module: Linear_0", "nn.Module: Linear_1"
    ]  # fmt: skip


def test_execution_traces(tmp_path):
    path = str(tmp_path / "trace.json")
    observer = ExecutionTraceObserver().register_callback(path)
    with profile(execution_trace_observer=observer, record_shapes=True):
        torch.ones(2) * 3
    with open(path) as file:
        nodes = json.load(file)["nodes"]
    (product,) = [n for n in nodes if n["name"] == "aten::mul"]
    assert product["inputs"]["shapes"] == [[2], []]


def test_a_python_function_s_node_is_named_after_it():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with profile() as recorded:
        Double.apply(torch.ones(2, requires_grad=True)).sum().backward()
    assert "DoubleBackward" in by_name(recorded)


def test_nothing_is_recorded_outside_nor_twice():
    assert not torch._C.profiler_enabled()
    with record_function("unseen"):
        torch.ones(1) * 2
    with autograd_profiler.profile() as outer:
        with pytest.raises(RuntimeError, match="already enabled"):
            autograd_profiler.profile().__enter__()
        torch.ones(1) * 2
    assert not torch._C.profiler_enabled()
    assert [e.name for e in outer.function_events].count("aten::mul") == 1
    with autograd_profiler.profile(enabled=False) as off:
        assert off is None and not torch._C.profiler_enabled()


def test_each_thread_has_its_own_recorder():
    import threading

    counts = {}

    def work(n):
        with profile(profile_memory=True) as recorded:
            for _ in range(n):
                torch.ones(50) * 2
        counts[n] = len(by_name(recorded)["aten::mul"])

    threads = [threading.Thread(target=work, args=(n,)) for n in (10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == {10: 10, 20: 20, 30: 30}


def test_regions_that_outlive_their_recording():
    region, first = record_function("region"), autograd_profiler.profile()
    first.__enter__()
    region.__enter__()
    first.__exit__(None, None, None)
    with autograd_profiler.profile() as second:
        region.__exit__(None, None, None)
    assert [e.name for e in first.function_events] == ["region"] and not second.function_events
    with pytest.raises(RuntimeError, match="not enabled"):
        torch._C.profiler_stop()
    for token in ((1,), 3):
        with pytest.raises(TypeError):
            torch._C.profiler_exit(token)
    assert torch._C.profiler_exit((1, 99)) is None


def test_an_error_ends_what_it_leaves():
    with profile() as recorded:
        with pytest.raises(RuntimeError):
            torch.ones(2, 3) @ torch.ones(2, 3)
        with pytest.raises(KeyError), record_function("region"):
            raise KeyError
        torch.ones(1) * 2
    assert by_name(recorded)["aten::mul"][0].cpu_parent is None


def test_questions_before_there_is_anything():
    recorded = profile()
    for call in (recorded.events, recorded.key_averages):
        with pytest.raises(AssertionError, match="Profiler must be initialized"):
            call()
    with pytest.raises(AssertionError, match="No valid profiler activities"):
        profile(activities=[])
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        autograd_profiler.emit_nvtx().__enter__()


def test_a_table_reads_as_pytorch_s():
    pytest.importorskip("torch")
    from torch.autograd.profiler_util import EventList, FunctionEvent

    from rushlight.autograd.profiler_util import EventList as OurList
    from rushlight.autograd.profiler_util import FunctionEvent as OurEvent

    def events(kind, holder):
        made = [
            kind(i, f"aten::{n}", 1, i * 10.0, i * 10.0 + d, input_shapes=s, stack=[], flops=f,
                 cpu_memory_usage=m)
            for i, (n, d, s, f, m) in enumerate(
                [("mul", 5.5, [[2, 3], []], 6, 24), ("mm", 1500.25, [[2, 3], [3, 4]], 48, -1500),
                 ("a_very_long_name_indeed_" * 3, 0.125, [], 0, 0), ("mul", 2.0, [[5], []], 5, 20)]
            )
        ]  # fmt: skip
        return holder(made, profile_memory=True, with_flops=True)

    ours, theirs = events(OurEvent, OurList), events(FunctionEvent, EventList)
    ours._build_tree()
    theirs._build_tree()
    for options in ({}, {"sort_by": "cpu_time_total"}, {"row_limit": 1}, {"header": "h"},
                    {"max_name_column_width": 20, "max_shapes_column_width": 12}):  # fmt: skip
        for shapes in (False, True):
            a = ours.key_averages(group_by_input_shapes=shapes).table(**options)
            b = theirs.key_averages(group_by_input_shapes=shapes).table(**options)
            assert a == b, (options, shapes)
    assert repr(ours.total_average()) == repr(theirs.total_average())
