"""Sobol sequences, FileCheck, monitor, summaries of models, reports of the environment."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight import monitor, nn
from rushlight.quasirandom import SobolEngine
from rushlight.testing import FileCheck
from rushlight.torchsummary import summary
from rushlight.utils import collect_env

ROOT = Path(__file__).parent.parent.parent


# -- Sobol --------------------------------------------------------------------------------


def test_the_first_sobol_points():
    engine = SobolEngine(3)
    assert engine.draw(4).tolist() == [
        [0, 0, 0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25], [0.25, 0.75, 0.75]
    ]  # fmt: skip
    assert engine.draw(1).tolist() == [[0.375, 0.375, 0.625]]
    assert engine.reset().draw().tolist() == [[0, 0, 0]]
    assert engine.fast_forward(3).draw(1).tolist() == [[0.375, 0.375, 0.625]]
    assert SobolEngine(2).draw(2, dtype=torch.float64).dtype is torch.float64
    assert repr(SobolEngine(3, scramble=True, seed=7)) == (
        "SobolEngine(dimension=3, scramble=True, seed=7)"
    )


def test_scrambled_sobol_points_are_pytorch_s():
    engine = SobolEngine(3, scramble=True, seed=7)
    assert engine.shift.tolist() == [214182645, 183537049, 804615878]
    expected = [[0.1995, 0.1709, 0.7494], [0.6922, 0.7115, 0.4898], [0.8505, 0.2963, 0.7880]]
    np.testing.assert_allclose(engine.draw(3).numpy(), expected, atol=5e-5)


@pytest.mark.parametrize("scramble", [False, True])
def test_sobol_points_fill_the_cube_evenly(scramble):
    points = SobolEngine(40, scramble=scramble, seed=1).draw_base2(8).numpy()
    for dim in range(40):  # one point in each of 256 equal parts of every axis
        assert len(set(np.floor(points[:, dim] * 256).astype(int))) == 256


@pytest.mark.parametrize(
    "dimension, scramble, seed", [(1, False, None), (50, True, 3), (9, True, None)]
)
def test_sobol_as_in_pytorch(dimension, scramble, seed):
    oracle = pytest.importorskip("torch")
    from torch.quasirandom import SobolEngine as Theirs

    torch.manual_seed(5)
    oracle.manual_seed(5)
    ours, theirs = SobolEngine(dimension, scramble, seed), Theirs(dimension, scramble, seed)
    np.testing.assert_array_equal(ours.sobolstate.numpy(), theirs.sobolstate.numpy())
    for n in (1, 3, 16, 5):
        np.testing.assert_array_equal(ours.draw(n).numpy(), theirs.draw(n).numpy())
        ours.fast_forward(n)
        theirs.fast_forward(n)
    np.testing.assert_array_equal(ours.quasi.numpy(), theirs.quasi.numpy())


def test_the_directions_of_all_dimensions():
    oracle = pytest.importorskip("torch")
    theirs = oracle.quasirandom.SobolEngine(SobolEngine.MAXDIM).sobolstate.numpy()
    np.testing.assert_array_equal(SobolEngine(SobolEngine.MAXDIM).sobolstate.numpy(), theirs)


def test_sobol_engines_refuse():
    for dimension in (0, 21202):
        with pytest.raises(ValueError, match=r"Supported range of dimensionality .* \[1, 21201\]"):
            SobolEngine(dimension)
    engine = SobolEngine(2)
    engine.draw(3)
    with pytest.raises(ValueError, match="require n to be a power of 2"):
        engine.draw_base2(2)


def test_packing_the_published_numbers():
    spec = importlib.util.spec_from_file_location("pack_sobol", ROOT / "tools" / "pack_sobol.py")
    packer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packer)
    lines = ["d s a m_i", "2 1 0 1", "3 2 1 1 3", "4 3 1 1 3 1", "5 3 2 1 1 1"]
    packed = packer.pack(lines)
    assert packed[:8] == bytes([1, 0, 1, 0, 2, 0, 0, 0])
    assert np.unpackbits(np.frombuffer(packed[8:], np.uint8))[:12].tolist() == [
        1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0
    ]  # fmt: skip


# -- FileCheck ----------------------------------------------------------------------------

TEXT = "one two\nthree two four\nfive"


def test_checks_that_hold():
    FileCheck().check("two").check_next("three").check_not("zz").check("five").run(TEXT)
    FileCheck().check_count("two", 2, exactly=True).run(TEXT)
    FileCheck().check("one").check_same("two").check_dag("five").check_dag("four").run(TEXT)
    FileCheck().check_regex("t.o f").run(TEXT)
    FileCheck().run("# CHECK: one\n# CHECK-NEXT: three\n# CHECK-COUNT-1: two", TEXT)
    FileCheck().check_source_highlighted("two").run("x two\n  ~~~ <--- HERE\n")


@pytest.mark.parametrize(
    "checks, message",
    [
        (lambda c: c.check("six"), 'Expected to find "six" but did not find it'),
        (lambda c: c.check("three").check("one"), "From CHECK: one"),
        (lambda c: c.check_not("two"), 'Expected to not find "two" but found it\none two\n    ~~~'),
        (lambda c: c.check_count("two", 3), "From CHECK-COUNT-3: two"),
        (lambda c: c.check_count("two", 1, exactly=True), "From CHECK-NOT: two"),
        (lambda c: c.check("one").check_next("five"), "From CHECK-NEXT: five"),
        (lambda c: c.check("one").check_same("three"), "From CHECK-SAME: three"),
        (lambda c: c.check_regex("z+"), 'Expected to find regex "z+" but did not find it'),
        (lambda c: c.check_source_highlighted("two"), "highlighted but it is not"),
        (lambda c: c, "No checks have been added"),
    ],
)
def test_checks_that_fail(checks, message):
    with pytest.raises(RuntimeError) as error:
        checks(FileCheck()).run(TEXT)
    assert message in str(error.value)


# -- monitor ------------------------------------------------------------------------------


def test_statistics_are_logged_when_a_window_is_over():
    events = []
    handle = monitor.register_event_handler(events.append)
    try:
        kinds = [monitor.SUM, monitor.COUNT, monitor.MEAN, monitor.MAX, monitor.MIN, monitor.VALUE]
        stat = monitor.Stat("n", kinds, timedelta(days=10000), max_samples=3)
        for value in (2, 4, 3):
            stat.add(value)
        stat.add(9)
        assert stat.count == 1 and stat.get()[monitor.Aggregation.MEAN] == 3
        (event,) = events
        assert event.name == monitor.STAT_EVENT
        assert event.data == {
            "n.sum": 9, "n.count": 3, "n.mean": 3, "n.max": 4, "n.min": 2, "n.value": 3
        }  # fmt: skip
        monitor.log_event(monitor.Event("mine", datetime.now(), {"x": 1}))
        assert events[-1].name == "mine"
    finally:
        monitor.unregister_event_handler(handle)
    monitor.log_event(monitor.Event("unheard", datetime.now(), {}))
    assert events[-1].name == "mine"


# -- summaries and reports ----------------------------------------------------------------


def test_the_summary_of_a_model(capsys):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
    )
    model[0].weight.requires_grad = False
    summary(model, (1, 8, 8))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "        Layer (type)               Output Shape         Param #"
    assert lines[3] == "            Conv2d-1              [-1, 2, 6, 6]              20"
    assert lines[7] == "            Linear-5                   [-1, 10]             730"
    assert lines[9:12] == ["Total params: 754", "Trainable params: 734", "Non-trainable params: 20"]
    assert not any(module._forward_hooks for module in model.modules())
    summary(nn.LSTM(3, 4), (5, 3), batch_size=2)  # several outputs
    with pytest.raises(AssertionError, match="Input device is not valid"):
        summary(model, (1, 8, 8), device="tpu")


def test_the_summary_is_torchsummary_s(capsys):
    pytest.importorskip("torch")
    package = pytest.importorskip("torchsummary")

    def model(torch):
        nn = torch.nn

        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(3, 4)
                self.rest = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU())])

            def forward(self, x, y):
                return self.rest[0](self.a(x) + self.a(y))

        return Two()

    import torch as oracle

    summary(model(torch), [(3,), (3,)], 2, "cpu")
    ours = capsys.readouterr().out
    package.summary(model(oracle), [(3,), (3,)], 2, "cpu")
    assert ours == capsys.readouterr().out


def test_the_report_of_the_environment():
    info = collect_env.get_env_info()
    text = collect_env.pretty_str(info)
    assert text.startswith(f"PyTorch version: {torch.__version__}\nIs debug build: False\n")
    assert f"Is CUDA available: {torch.cuda.is_available()}" in text
    assert "Python version: " + sys.version.replace("\n", " ") in text
    assert "numpy==" in text and "GCC version: " in text
    assert collect_env.run(["no-such-command"])[0] == 127


def test_bottlenecks_of_a_program(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nimport rushlight as torch\n"
        "def slow():\n    for _ in range(100):\n        torch.ones(4, 4) @ torch.ones(4, 4)\n"
        "slow()\nprint('arguments', sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rushlight.utils.bottleneck", str(script), "--fast", "1"],
        capture_output=True, text=True, timeout=120, env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("arguments ['--fast', '1']") == 2
    python, autograd = done.stdout.split("autograd profiler output")
    assert "cProfile output" in python and "(slow)" in python
    assert "aten::mm" in autograd and "Self CPU time total" in autograd


# -- modules and batons -------------------------------------------------------------------


def test_the_modules_that_are_running():
    from rushlight.utils.module_tracker import ModuleTracker

    seen = []

    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append((sorted(tracker.parents), tracker.is_bw))
            return x * 1

        @staticmethod
        def backward(ctx, g):
            seen.append((sorted(tracker.parents), tracker.is_bw))
            return g

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            return Spy.apply(self.linear(x))

    class Outer(Inner):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            return self.inner(Spy.apply(self.linear(x)))

    with ModuleTracker() as tracker:
        Outer()(torch.ones(1, 2)).sum().backward()
        assert tracker.parents == {"Global"}
    outer, inner = ["Global", "Outer"], ["Global", "Outer", "Outer.inner"]
    assert seen == [(outer, False), (inner, False), (inner, True), (outer, True)]


def test_one_process_at_a_time_has_the_baton(tmp_path):
    from rushlight.utils.file_baton import FileBaton

    first, second = (FileBaton(str(tmp_path / "lock"), 0.01) for _ in range(2))
    assert first.try_acquire() and not second.try_acquire()
    first.release()
    second.wait()
    assert second.try_acquire()
    second.release()
    assert not list(tmp_path.iterdir())


def test_dictionaries_with_weak_tensors_as_keys():
    from rushlight.utils.weak import TensorWeakRef, WeakIdRef, WeakTensorKeyDictionary

    a, b = torch.ones(2), torch.ones(2)
    table = WeakTensorKeyDictionary({a: 1, b: 2})
    assert (len(table), table[a], table[b]) == (2, 1, 2)
    assert torch.ones(2) not in table and 3 not in table
    reference = TensorWeakRef(a)
    assert reference() is a and WeakIdRef(a) == WeakIdRef(a) != WeakIdRef(b)
    del a
    assert reference() is None and list(table.items()) == [(b, 2)]
    assert table.copy() == table and len(table.keyrefs()) == 1
    with pytest.raises(AssertionError, match=r"expected torch\.Tensor"):
        TensorWeakRef(3)
