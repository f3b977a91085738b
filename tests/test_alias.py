"""`import torch` means rushlight: inside a process, for a program, in new processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rushlight
from rushlight import alias

ROOT = str(Path(rushlight.__file__).parent.parent)


def run(*arguments, cwd=None, code=0):
    """A fresh interpreter; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment, cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def in_fresh_process(code):
    return run("-c", textwrap.dedent(code))


def test_modules_are_the_same_objects():
    in_fresh_process("""
        import sys, rushlight, rushlight.alias
        assert "torch" not in sys.modules
        rushlight.alias.install()
        rushlight.alias.install()
        import torch
        import torch.nn.functional as F
        import torch.nn.modules.conv
        from torch.utils.data import DataLoader
        from torch import nn, Tensor
        import rushlight.utils.data
        assert torch is rushlight is sys.modules["torch"]
        assert F is rushlight.nn.functional is sys.modules["torch.nn.functional"]
        assert torch.nn.modules.conv.Conv2d is nn.Conv2d
        assert DataLoader is rushlight.utils.data.DataLoader
        assert rushlight.__spec__.name == "rushlight" and torch.__name__ == "torch"
        assert isinstance(nn.Linear(2, 1)(torch.ones(1, 2)), Tensor)
    """)


def test_classes_say_pytorchs_names():
    in_fresh_process("""
        import io, pickle, sys, typing, rushlight
        import rushlight.alias
        rushlight.alias.install()
        import torch, torchvision
        from torch import nn
        model = nn.Sequential(nn.Linear(2, 2), nn.MultiheadAttention(2, 1))
        for thing, name in (
            (torch.float32, "torch.dtype"), (torch.Size(), "torch.Size"), (torch, "module"),
            (model[0], "torch.nn.modules.linear.Linear"), (nn, "module"),
            (model[0].weight, "torch.nn.parameter.Parameter"),
            (torch.optim.SGD(model.parameters()), "torch.optim.sgd.SGD"),
            (torch.utils.data.SequentialSampler([1]), "torch.utils.data.sampler.SequentialSampler"),
            (torch.Generator(), "torch._C.Generator"),
            (torchvision.ops.RoIAlign(1, 1.0, 1), "torchvision.ops.roi_align.RoIAlign"),
        ):
            assert str(type(thing)) == f"<class '{name}'>", type(thing)
            home = sys.modules[type(thing).__module__]
            assert isinstance(thing, (torch.Generator, type(home))) or (
                getattr(home, type(thing).__name__) is type(thing))
        assert b"rushlight" not in pickle.dumps(model[0].__class__)
        assert pickle.loads(pickle.dumps(model[0].__class__)) is nn.Linear
        file = io.BytesIO()
        torch.save(model, file)
        assert b"rushlight" not in file.getvalue() and b"modules.attention" not in file.getvalue()
        file.seek(0)
        read = torch.load(file, weights_only=False)
        assert torch.equal(read[0].weight, model[0].weight) and type(read[1]) is type(model[1])
        file = io.BytesIO()
        torch.save(torchvision.ops.RoIAlign(1, 1.0, 1), file)
        file.seek(0)
        assert type(torch.load(file, weights_only=False)) is torchvision.ops.RoIAlign
        assert typing.get_type_hints(nn.Linear.forward)["input"] is torch.Tensor
        assert torch.equal(torch.jit.script(model[0])(torch.ones(2)), model[0](torch.ones(2)))
        assert torch.fx.symbolic_trace(nn.Sequential(nn.ReLU())).code.count("self") == 2
        normal = torch.distributions.Normal(0.0, 1.0)
        assert normal.expand([3]).batch_shape == (3,)
        rushlight.alias.uninstall()
        assert str(type(model[0])) == "<class 'rushlight.nn.modules.linear.Linear'>"
        assert str(torch.Size) == "<class 'rushlight.Size'>"
    """)


def test_parts_of_the_standard_library_that_come_with_torch():
    in_fresh_process("""
        import multiprocessing, urllib, rushlight.alias
        rushlight.alias.install()
        import torch, concurrent, importlib
        assert callable(multiprocessing.connection.Connection)
        assert callable(urllib.request.urlopen) and callable(urllib.parse.quote)
        assert callable(concurrent.futures.ThreadPoolExecutor)
        assert importlib.metadata.version("torch") == "2.13.0"
        assert not hasattr(urllib, "no_such_part") and torch.serialization.pickle.dumps
        rushlight.alias.uninstall()
        assert "__getattr__" not in vars(urllib)
    """)


def test_versions_and_questions_whether_it_is_there():
    in_fresh_process("""
        import importlib.metadata, importlib.util, rushlight.alias
        rushlight.alias.install()
        assert importlib.metadata.version("torch") == "2.13.0"
        assert "torch" in {d.metadata["Name"] for d in importlib.metadata.distributions()}
        assert importlib.metadata.distribution("torch").read_text("nothing") is None
        assert importlib.util.find_spec("torch") is not None
        assert importlib.util.find_spec("torch.nn.functional") is not None
        assert importlib.util.find_spec("torch.no_such_part") is None
        import torch
        assert torch.__spec__ is not None and torch.__version__.startswith("2.13.0")
        assert importlib.util.find_spec("torch") is not None
    """)


def test_what_is_missing_says_where_the_gaps_are_listed():
    in_fresh_process("""
        import rushlight.alias
        rushlight.alias.install()
        import torch
        for name, error in (
            ("import torch.no_such_part", ModuleNotFoundError),
            ("from torch.nn.no_such_part import x", ModuleNotFoundError),
            ("torch.no_such_name", AttributeError),
            ("torch.nn.NoSuchLayer", AttributeError),
            ("torch.nn.functional.no_such_function", AttributeError),
            ("torch.optim.NoSuchRule", AttributeError),
        ):
            try:
                exec(name)
            except error as caught:
                assert "no_such" in str(caught).lower() or "NoSuch" in str(caught)
                assert "docs/gaps.md" in str(caught), str(caught)
            else:
                raise AssertionError(name)
        assert not hasattr(torch, "no_such_name") and not hasattr(torch, "__no_such__")
        try:
            from torch.nn import NoSuchLayer
        except ImportError as caught:
            assert "NoSuchLayer" in str(caught)
    """)


def test_private_names_of_the_extension_answer():
    in_fresh_process("""
        import rushlight.alias
        rushlight.alias.install()
        import torch
        assert torch._C._get_tracing_state() is None
        assert torch._C.TensorBase is torch.Tensor
        assert torch._C._nn.relu(torch.tensor(-1.0)).item() == 0
        assert torch._C._VariableFunctions.add(1, torch.tensor(2)).item() == 3
        assert not isinstance(torch.ones(1), torch._C.Value)
        assert torch._C.Value is torch._C.Value is torch.Value
        assert isinstance(torch.ones(1), torch._C.TensorBase)
        assert isinstance(torch.Tensor, torch._C._TensorMeta)
        assert not hasattr(torch._C, "_no_such_binding")
    """)


def test_uninstall_leaves_nothing_behind():
    in_fresh_process("""
        import sys, importlib.util, types
        from multiprocessing import util
        finders, spawn = list(sys.meta_path), util.spawnv_passfds
        import rushlight.alias as alias
        alias.install()
        import torch.nn
        assert alias.is_installed()
        alias.uninstall()
        alias.uninstall()
        assert not alias.is_installed()
        assert sys.meta_path == finders and util.spawnv_passfds is spawn
        assert not [name for name in sys.modules if name.split(".")[0] == "torch"]
        import rushlight
        assert type(rushlight) is types.ModuleType is type(rushlight.nn)
        assert rushlight.__name__ == "rushlight" and rushlight.nn.__name__ == "rushlight.nn"
        spec = importlib.util.find_spec("torch")
        assert spec is None or "rushlight" not in spec.origin
        alias.install()
        import torch
        assert torch is rushlight
    """)


def test_another_torch_that_is_loaded_is_not_replaced(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    with pytest.raises(RuntimeError, match="torch is imported already"):
        alias.install()
    assert not alias.is_installed()


def test_pickles_with_pytorchs_names_load():
    in_fresh_process("""
        import pickle, rushlight.alias
        rushlight.alias.install()
        import torch
        text = pickle.dumps(torch.nn.Linear(2, 3), protocol=2)
        theirs = text.replace(b"crushlight.", b"ctorch.")
        assert theirs != text
        for pickled in (text, theirs):
            assert type(pickle.loads(pickled)) is torch.nn.Linear
    """)


PROGRAM = """
import sys, torch, helper
if __name__ == "__main__":
    print(torch.__version__.split("+")[0], helper.double(torch.ones(2)).tolist(), sys.argv[1:])
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "helper.py").write_text("import torch\ndef double(x):\n    return x * 2\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("import torch, sys\nprint(torch.ones(1), sys.argv[1:])\n")
    return tmp_path


def test_a_script_a_module_and_a_command(program, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    out = run("-m", "rushlight", program / "program.py", "-a", "b", cwd=elsewhere)
    assert out == "2.13.0 [2.0, 2.0] ['-a', 'b']\n"
    out = run("-m", "rushlight", "-m", "package", "x", cwd=program)
    assert out == "tensor([1.]) ['x']\n"
    out = run("-m", "rushlight", "-c", "import torch; print(torch.ones(1))", cwd=program)
    assert out == "tensor([1.])\n"
    assert "usage" in run("-m", "rushlight", "--help")
    assert run("-m", "rushlight", "--version").startswith("rushlight 2.13.0")


def test_command_lines_that_name_nothing():
    assert "usage" in run("-m", "rushlight", "--help")
    assert "argument expected" in run("-m", "rushlight", "-m", code=2)
    assert "can't open file" in run("-m", "rushlight", "no_such_file.py", code=1)


@pytest.mark.parametrize("arguments, argv", [([], [""]), (["-", "a"], ["-", "a"])])
def test_a_program_from_standard_input(arguments, argv):
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", *arguments],
        input="import sys, torch\nprint(torch.__name__, __name__, sys.argv)",
        env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == f"torch __main__ {argv}\n", done.stderr


CHILD = """
import subprocess, sys
def child(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
print(child("import torch; print(torch.ones(2).sum().item(), torch.__name__)"))
print(child("from importlib.metadata import version as v; print(v('torch'), v('torchvision'))"))
print(child("import torch.nn.functional as F; print(F.__name__)"))
print(child("import sys; print('rushlight' in sys.modules)"))
print(child("import sitecustomize, other; print(other.seen)"))
"""


def test_processes_that_the_program_starts_have_the_alias(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import other; other.seen = 'the other ran too'")
    (tmp_path / "other.py").write_text("seen = 'nothing'")
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "-c", CHILD], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, str(tmp_path)])}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2.0 torch",
        "2.13.0 0.28.0",
        "rushlight.nn.functional",
        "False",  # nothing is loaded where nobody asks
        "the other ran too",
    ]


def test_old_ways_to_ask_for_versions():
    pytest.importorskip("pkg_resources")
    for order in ("import pkg_resources, torch", "import torch, pkg_resources"):
        shown = run(
            "-W",
            "ignore",
            "-m",
            "rushlight",
            "-c",
            f"""if True:
            {order}
            print(pkg_resources.get_distribution("torch").version)
            pkg_resources.require("torchvision>=0.20")
        """,
        )
        assert shown == "2.13.0\n"
    assert (
        run(
            "-m",
            "rushlight",
            "-c",
            """if True:
        from importlib.metadata import distribution, packages_distributions
        print(packages_distributions()["torch"], distribution("torch").metadata["Name"])
    """,
        )
        == "['torch'] torch\n"
    )


def test_errors_and_exit_codes_are_the_programs(program):
    (program / "bad.py").write_text("import torch\nraise ValueError('mine')\n")
    out = run("-m", "rushlight", program / "bad.py", code=1)
    assert "bad.py" in out and "ValueError: mine" in out
    (program / "exit.py").write_text("import sys\nsys.exit(7)\n")
    run("-m", "rushlight", program / "exit.py", code=7)


SPAWN = """
import multiprocessing, sys, torch

class Job:  # found again by its name in __main__
    def __init__(self, x):
        self.x = x

def work(job, queue):
    queue.put((torch.__package__, (job.x * 2).tolist()))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=work, args=(Job(torch.ones(2)), queue))
    process.start()
    print(queue.get(timeout=60))
    process.join()
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_new_processes_have_the_alias_too(program, method):
    if sys.platform == "win32":
        pytest.skip("starts processes in another way")
    (program / "spawn.py").write_text(SPAWN)
    out = run("-m", "rushlight", program / "spawn.py", method)
    assert out == "('rushlight', [2.0, 2.0])\n"


def test_annotations_of_a_program_are_what_it_wrote(tmp_path):
    code = "def f(x: int): ...\nprint(f.__annotations__)"
    (tmp_path / "typed.py").write_text(code)
    for arguments in (["-c", code], [tmp_path / "typed.py"]):
        assert run("-m", "rushlight", *arguments) == "{'x': <class 'int'>}\n"
