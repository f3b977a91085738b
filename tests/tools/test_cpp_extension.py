"""torch.utils.cpp_extension: extensions written for PyTorch compile and run on our tensors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.utils import cpp_extension

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
QUICK = ["-O0", "-g0", "-w"]

missing = (
    "no C++ compiler"
    if shutil.which(cpp_extension.get_cxx_compiler()) is None
    else "pybind11 is not installed"
    if __import__("importlib.util").util.find_spec("pybind11") is None
    else ""
)
compiles = pytest.mark.skipif(bool(missing), reason=missing)


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extension")
    functions = dict.fromkeys(("axpy", "misc", "square", "show"), "") | {"cell": 'A "gated" cell.'}
    return cpp_extension.load_inline(
        "rl_extension",
        (HERE / "extension.cpp").read_text(),
        functions=functions,
        extra_cflags=QUICK,
        build_directory=str(folder),
    )


@compiles
def test_operators_that_extensions_call(extension):
    torch.manual_seed(0)
    input, weights, bias, state = (torch.randn(*s) for s in ((2, 3), (12, 7), (1, 12), (2, 4)))
    next, total = extension.cell(input, weights, bias, state)
    parts = torch.addmm(bias, torch.cat([state, input], 1), weights.t()).chunk(3, 1)
    gate = parts[0].sigmoid()
    fresh = torch.nn.functional.elu(parts[1]) * (1 - gate)
    expected = torch.tanh(gate * state + fresh) * parts[2].sigmoid()
    torch.testing.assert_close(next, expected)
    torch.testing.assert_close(total, expected.sum(0, True).expand(2, 4))
    assert 'A "gated" cell.' in extension.cell.__doc__


@compiles
def test_elements_through_accessors_and_pointers(extension):
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    torch.testing.assert_close(extension.axpy(x, y, 3.0), y + 3 * x)
    doubled = extension.axpy(x.double().t(), y.double().t(), 2)  # strided
    torch.testing.assert_close(doubled, (y + 2 * x).double().t())
    expected = [[44, 48, 52], [54, 49, 60.5]]
    assert extension.misc(torch.ones(2)).tolist() == expected


@compiles
def test_errors_cross_over_as_python_s(extension):
    x = torch.ones(3, 4)
    for error, message, call in (
        (RuntimeError, r"sizes differ: \[3, 4\] and \[2, 4\]", lambda: extension.axpy(x, x[:2], 1)),
        (NotImplementedError, "\"axpy\" not implemented for 'Int'",
         lambda: extension.axpy(x.int(), x.int(), 1)),
        (ValueError, "need 2 dims", lambda: extension.axpy(x[0], x[0], 1)),
        (RuntimeError, "expected scalar type Float but found Double",
         lambda: extension.axpy(x, x.double(), 1)),
        (RuntimeError, "doesn't have storage",
         lambda: extension.axpy(*[torch.ones(2, 2, device="meta")] * 2, 1)),
        (TypeError, "incompatible function arguments", lambda: extension.axpy(1, 2, 1)),
        (RuntimeError, "cannot be multiplied", lambda: extension.cell(x, x, x, x)),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()


@compiles
def test_arguments_of_other_types(extension):
    text = extension.show(torch.ones(1), None, [1, 2], [3], torch.int64)
    assert text == "tensor([1.])02[3]LongFloatcpu"


@compiles
def test_gradients_written_in_cpp(extension):
    x = torch.randn(3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: extension.square(t, 2.0), (x,))
    y = extension.square(x, 2.0)
    y.sum().backward()
    torch.testing.assert_close(x.grad, 4 * x.detach())
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
    assert not extension.square(x.detach(), 2.0).requires_grad
    changed = x.detach().clone().requires_grad_() * 1
    y = extension.square(changed, 2.0)
    changed.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@compiles
def test_registered_operators_are_found_by_name(extension):
    a, b = torch.randn(3), torch.randn(3)
    assert torch.ops.rl_test.myadd(a, b, 2).equal(a + b * 2)
    assert torch.ops.rl_test.mymul(a, b).equal(a * b)
    assert str(torch.ops.rl_test.myadd) == "rl_test.myadd"
    assert str(torch.ops.rl_test.myadd.default) == "rl_test.myadd.default"


PLAIN = """
#include <Python.h>
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
static PyModuleDef module = {PyModuleDef_HEAD_INIT, TEXT(TORCH_EXTENSION_NAME)};
PyMODINIT_FUNC JOIN(PyInit_, TORCH_EXTENSION_NAME)() {
  PyObject* m = PyModule_Create(&module);
  PyModule_AddIntConstant(m, "factor", FACTOR);
  return m;
}
"""


@compiles
def test_only_what_changed_is_compiled_again(tmp_path):
    made, times = [], []
    source = tmp_path / "plain.cpp"
    for factor in (2, 2, 3):
        text = PLAIN.replace("FACTOR", str(factor))
        if not source.exists() or source.read_text() != text:
            source.write_text(text)
        module = cpp_extension.load("plain", str(source), QUICK, build_directory=str(tmp_path))
        made.append((module.__name__, module.factor))
        times.append((tmp_path / "plain.o").stat().st_mtime_ns)
    assert made == [("plain", 2), ("plain", 2), ("plain_v1", 3)]
    assert times[0] == times[1] < times[2]
    header = tmp_path / "part.h"
    for factor in (4, 5):  # a changed header counts too, for a process that looks afresh
        header.write_text(f"#define FACTOR {factor}\n")
        source.write_text('#include "part.h"\n' + PLAIN)
        cpp_extension._versions.clear()
        cpp_extension.load(f"header{factor}", str(source), QUICK, build_directory=str(tmp_path))
    assert (tmp_path / "plain.o").stat().st_mtime_ns > times[2]


@compiles
def test_libraries_that_only_register(tmp_path):
    source = tmp_path / "registers.cpp"
    source.write_text('#include <cstdlib>\nstatic int r = setenv("RL_REGISTERED", "1", 1);\n')
    path = cpp_extension.load(
        "registers", str(source), QUICK, build_directory=str(tmp_path), is_python_module=False
    )
    assert path == str(tmp_path / "registers.so") and path in torch.ops.loaded_libraries
    import ctypes

    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    assert getenv(b"RL_REGISTERED") == b"1"
    with pytest.raises(OSError, match="Could not load this library"):
        torch.ops.load_library(str(tmp_path / "none.so"))


@compiles
def test_the_compiler_s_words_are_passed_on(tmp_path):
    with pytest.raises(RuntimeError, match="(?s)Error building extension 'bad'.*expected"):
        cpp_extension.load_inline(
            "bad", "int f( {", extra_cflags=QUICK, build_directory=str(tmp_path),
            no_implicit_headers=True,
        )  # fmt: skip
    assert not list(tmp_path.glob("*.so"))


@compiles
@pytest.mark.slow
def test_the_example_builds_by_setup_py_and_has_a_gradient(tmp_path):
    folder = shutil.copytree(ROOT / "examples" / "scan", tmp_path / "scan")
    flags = "-O0 -g0 -w"
    environment = dict(os.environ, CFLAGS=flags, CXXFLAGS=flags, PYTHONPATH=str(ROOT))
    pytest.importorskip("setuptools")
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    code = (
        "import scan, rushlight as torch\n"
        "x = torch.randn(2, 5, dtype=torch.double, requires_grad=True)\n"
        "f = scan.make_scan(scan.compiled())\n"
        "assert torch.allclose(f(x, 0.5), scan.in_python(x, 0.5))\n"
        "assert torch.autograd.gradcheck(lambda t: f(t, 0.5), (x,))\n"
        "scan.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    python, cpp = (line.split("y ")[1] for line in ran.stdout.splitlines())
    assert python == cpp


def test_without_a_compiler_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    pytest.importorskip("pybind11")
    with pytest.raises(RuntimeError, match="no C\\+\\+ compiler.*Install one"):
        cpp_extension.load_inline("none", "", build_directory=str(tmp_path))


def test_there_is_no_cuda(tmp_path):
    source = tmp_path / "x.cu"
    source.write_text("")
    for call in (
        lambda: cpp_extension.CUDAExtension("x", ["x.cu"]),
        lambda: cpp_extension.include_paths("cuda"),
        lambda: cpp_extension.load("x", [str(source)]),
        lambda: cpp_extension.load_inline("x", "", cuda_sources="x"),
    ):
        with pytest.raises(OSError, match="CUDA_HOME environment variable is not set"):
            call()
    with pytest.raises(FileNotFoundError):
        cpp_extension.load("x", [str(tmp_path / "none.cpp")])


def test_questions_about_the_compiler():
    assert not cpp_extension.check_compiler_ok_for_platform("no-such-compiler")
    good, version = cpp_extension.get_compiler_abi_compatibility_and_version("no-such-compiler")
    assert (good, version) == (False, "0.0.0")
    assert cpp_extension.get_default_build_root().endswith("torch_extensions")
    header = Path(cpp_extension.include_paths()[0]) / "torch" / "extension.h"
    assert header.exists()


@compiles
def test_setup_py_pieces():
    pytest.importorskip("setuptools")
    made = cpp_extension.CppExtension("a", ["a.cpp"], include_dirs=["mine"])
    assert made.language == "c++" and made.include_dirs[0] == "mine"
    assert set(cpp_extension.include_paths()) <= set(made.include_dirs)
    options = cpp_extension.BuildExtension.with_options(no_python_abi_suffix=True)
    assert issubclass(options, cpp_extension.BuildExtension)
