"""torch.utils.benchmark: measurements, tables, fuzzers; torch.utils.flop_counter."""

from __future__ import annotations

import shutil

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils import benchmark
from rushlight.utils.benchmark import (
    Compare,
    FuzzedParameter,
    FuzzedTensor,
    Fuzzer,
    Measurement,
    ParameterAlias,
    TaskSpec,
    Timer,
)
from rushlight.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula


def measured(times, number=1, **names):
    spec = TaskSpec(stmt=names.pop("stmt", "x+1"), setup=names.pop("setup", "pass"), **names)
    return Measurement(number, times, spec)


def test_a_measurement_says_how_sure_it_is():
    m = measured([1.0, 2.0, 3.0, 4.0, 50.0])
    assert (m.mean, m.median, m.iqr, m.significant_figures) == (12, 3, 2, 1)
    assert m.has_warnings and not m.meets_confidence() and m.stmt == "x+1"
    assert repr(m).splitlines()[1:] == [
        "x+1",
        "  Median: 3.00 s",
        "  IQR:    2.00 s (2.00 to 4.00)",
        "  5 measurements, 1 runs per measurement, 1 thread",
        "  WARNING: Interquartile range is 66.7% of the median measurement.",
        "           This suggests significant environmental influence.",
    ]
    one = measured([1e-3], label="L", sub_label="s", description="d", setup="y = 2")
    assert repr(one).splitlines()[1:5] == ["L: s", "d", "setup: y = 2", "  1.00 ms"]
    assert one.significant_figures == 4 and not one.has_warnings
    merged = Measurement.merge([measured([2.0], 2), measured([3.0], 1)])
    assert [m.raw_times for m in merged] == [[1.0, 3.0]]


def test_units_and_digits():
    assert [benchmark.select_unit(t)[0] for t in (3e-9, 1e-6, 2e-3, 1.0, 100.0)] == [
        "ns", "us", "ms", "s", "s"
    ]  # fmt: skip
    assert benchmark.trim_sigfig(1234.5, 2) == 1200
    assert benchmark.trim_sigfig(0.00123456, 3) == pytest.approx(0.00123)
    assert benchmark.unit_to_english("us") == "microsecond"


def test_tables_of_measurements():
    results = [
        measured([1e-6 * 10, 1.1e-6 * 10], 10, label="add", sub_label=row, description=column,
                 num_threads=threads)
        for row, column, threads in (("a", "f32", 1), ("a", "f64", 1), ("b", "f32", 2))
    ]  # fmt: skip
    assert str(Compare(results)).splitlines() == [
        "[-------- add --------]",
        "         |  f32  |  f64",
        "1 threads: ------------",
        "      a  |  1.1  |  1.1",
        "2 threads: ------------",
        "      b  |  1.1  |     ",
        "",
        "Times are in microseconds (us).",
    ]
    table = Compare(
        [measured([t], description="t", sub_label=s) for s, t in (("x", 1.0), ("y", 6.0))]
    )
    table.colorize()
    assert "\033[92m\033[1m1.0\033[0m\033[0m" in str(table)
    assert "\033[31m\033[1m6.0\033[0m\033[0m" in str(table)
    with pytest.raises(ValueError, match="Expected an instance of `Measurement`"):
        Compare([1])


def test_a_timer_runs_a_statement():
    runs = []
    timer = Timer("runs.append(x + y)", setup="x = torch.ones(1)", globals={"runs": runs, "y": 2})
    m = timer.timeit(10)
    assert (m.number_per_run, len(m.times), len(runs)) == (10, 1, 12)
    assert runs[0].tolist() == [3.0]
    blocked = Timer("x + 1", "x = torch.ones(1)").blocked_autorange(min_run_time=0.01)
    assert blocked.number_per_run > 1 and sum(blocked.raw_times) >= 0.01
    calls = []
    timer = Timer("x + 1", "x = torch.ones(1)", num_threads=2)
    adaptive = timer.adaptive_autorange(
        threshold=10, min_run_time=0.001, callback=lambda n, t: calls.append(n)
    )
    assert len(calls) == len(adaptive.raw_times) >= 4 and adaptive.num_threads == 2
    assert torch.get_num_threads() != 0


def test_timers_refuse_what_they_cannot_time():
    for arguments, message in (
        ({"language": "zz"}, "Invalid language"),
        ({"stmt": 1}, "Currently only a `str`"),
        ({"global_setup": "int i;"}, "global_setup is C"),
    ):
        with pytest.raises(ValueError, match=message):
            Timer(**arguments)
    with pytest.raises(IndentationError):
        Timer("  a\nb")


@pytest.mark.skipif(shutil.which("valgrind") is not None, reason="valgrind is installed")
def test_counting_instructions_needs_valgrind():
    with pytest.raises(OSError, match="valgrind"):
        Timer("1").collect_callgrind()


def test_counts_of_instructions_add_and_subtract(tmp_path):
    from rushlight.utils.benchmark.utils.valgrind_wrapper.timer_interface import _read

    (tmp_path / "out").write_text(
        "version: 1\nfl=a.c\nfn=f\n3 100\n4 20\ncfn=g\ncalls=2 9\n5 1000\nfl=b.c\nfn=g\n1 50\n"
    )
    counts = _read(tmp_path / "out")
    assert [(c, f) for c, f in counts] == [(120, "a.c:f"), (50, "b.c:g")] and counts.sum() == 170
    assert (counts - counts).sum() == 0 and (counts + counts).sum() == 340
    assert [f for _, f in counts.filter(lambda f: "b.c" in f)] == ["b.c:g"]
    assert len(counts.transform(lambda f: "one")) == 1


def test_fuzzers_keep_their_constraints():
    fuzzer = Fuzzer(
        parameters=[
            FuzzedParameter("n", 4, 64, distribution="loguniform"),
            FuzzedParameter("m", 1, 9, distribution="uniform"),
            FuzzedParameter("step", distribution={1: 0.5, 2: 0.5}),
            FuzzedParameter("same", distribution={ParameterAlias("n"): 1.0}),
        ],
        tensors=[FuzzedTensor("x", ("n", "m"), ("step", 1), min_elements=20, max_elements=200)],
        constraints=[lambda params: params["n"] > 5],
        seed=0,
    )
    taken = list(fuzzer.take(20))
    for tensors, properties, params in taken:
        x = tensors["x"]
        assert tuple(x.shape) == (params["n"], params["m"]) and params["same"] == params["n"]
        assert 20 <= x.numel() <= 200 and params["n"] > 5
        assert properties["x"]["is_contiguous"] == x.is_contiguous()
    assert {p["x"]["is_contiguous"] for _, p, _ in taken} == {True, False}
    again = list(fuzzer.take(20))
    assert all(a[0]["x"].equal(b[0]["x"]) for a, b in zip(taken, again, strict=True))
    assert 0 < fuzzer.rejection_rate < 1
    with pytest.raises(AssertionError, match="not normalized"):
        FuzzedParameter("x", distribution={1: 0.4})


@pytest.mark.parametrize("kind", ["unary", "binary"])
def test_fuzzers_of_operators(kind):
    from importlib import import_module

    module = import_module(f"rushlight.utils.benchmark.op_fuzzers.{kind}")
    fuzzer = getattr(module, kind.capitalize() + "OpFuzzer")(seed=0)
    for tensors, _, _ in fuzzer.take(2):
        for tensor in tensors.values():
            assert 1 <= tensor.dim() <= 3
        if kind == "binary":
            assert (tensors["x"] + tensors["y"]).shape == tensors["x"].shape


# -- operations ---------------------------------------------------------------------------


def test_operations_forward_and_backward_by_module(capsys):
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
    )
    x = torch.randn(2, 3, 8, 8)
    with FlopCounterMode() as counter:
        model(x).sum().backward()
    assert counter.get_total_flops() == 43008
    found = {k: {str(p): n for p, n in v.items()} for k, v in counter.get_flop_counts().items()}
    conv = {"aten.convolution": 13824, "aten.convolution_backward": 13824}
    linear = {"aten.addmm": 5120, "aten.mm": 10240}
    assert found == {
        "Global": conv | linear, "Sequential": conv | linear, "Sequential.0": conv,
        "Sequential.3": linear,
    }  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "Module                          FLOP    % Total",
        "---------------------------  -------  ---------",
        "Sequential                   43.008K    100.00%",
    ]


def test_operations_of_products():
    a, b = torch.randn(2, 3, 4), torch.randn(2, 4, 5)
    with FlopCounterMode(display=False) as counter:
        a[0] @ b[0]
        a @ b
        torch.baddbmm(torch.randn(2, 3, 5), a, b)
        torch.addmm(torch.randn(5), a[0], b[0])
        nn.functional.conv_transpose2d(torch.randn(1, 2, 4, 4), torch.randn(2, 3, 3, 3))
        a * 3
    assert {str(k): v for k, v in counter.get_flop_counts()["Global"].items()} == {
        "aten.mm": 120, "aten.bmm": 240, "aten.baddbmm": 240, "aten.addmm": 120,
        "aten.convolution": 1728,
    }  # fmt: skip


def test_formulas_of_one_s_own():
    aten = torch.ops.aten
    with FlopCounterMode(display=False, custom_mapping={aten.add: lambda *a, **k: 7}) as counter:
        torch.ones(2) + torch.ones(2)
    assert counter.get_total_flops() == 7
    with pytest.raises(RuntimeError, match="duplicate registrations for aten.mm"):
        register_flop_formula(aten.mm)(lambda *a, **k: 0)

    @register_flop_formula(aten.sub)
    def of_sub(a_shape, b_shape, out_shape=None, **kwargs):
        return a_shape[0] + out_shape[0]

    try:
        with FlopCounterMode(display=False) as counter:
            torch.ones(2) - torch.ones(2)
        assert counter.get_total_flops() == 4
    finally:
        del flop_registry[aten.sub]
    assert "0%" in FlopCounterMode(display=False).get_table()


def test_the_fuzzer_draws_what_pytorch_draws():
    fuzzer = benchmark.Fuzzer(
        parameters=[
            benchmark.FuzzedParameter("k0", 1, 100, "uniform"),
            benchmark.FuzzedParameter("k1", 1, 50, "loguniform"),
        ],
        tensors=[benchmark.FuzzedTensor("x", size=("k0", "k1"), probability_contiguous=0.5)],
        seed=3,
    )
    drawn = [tensors["x"] for tensors, *_ in fuzzer.take(4)]
    assert [tuple(x.shape) for x in drawn] == [(4, 3), (42, 2), (97, 15), (15, 12)]
    assert [x.stride() for x in drawn] == [(1, 4), (2, 1), (15, 1), (12, 1)]
    assert drawn[0].sum().item() == pytest.approx(7.231884, abs=1e-5)
