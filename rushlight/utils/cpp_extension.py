"""torch.utils.cpp_extension: operators written in C++, compiled by a program or by setup.py.

Sources include <torch/extension.h>, as for PyTorch; the headers are in rushlight/include, need
pybind11 (`pip install rushlight[cpp]`) and nothing to link with. There is no CUDA here.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import sysconfig
from types import ModuleType
from typing import Any

from ._cpp_build import build, find_compiler, run

__all__ = [
    "BuildExtension",  # noqa: F822 (made by __getattr__)
    "CUDAExtension",
    "CppExtension",
    "SyclExtension",
    "check_compiler_is_gcc",
    "check_compiler_ok_for_platform",
    "get_compiler_abi_compatibility_and_version",
    "get_cxx_compiler",
    "get_default_build_root",
    "include_paths",
    "is_ninja_available",
    "library_paths",
    "load",
    "load_inline",
    "remove_extension_h_precompiler_headers",
    "verify_ninja_availability",
]

logger = logging.getLogger(__name__)
IS_WINDOWS = sys.platform == "win32"
IS_MACOS = sys.platform == "darwin"
IS_LINUX = sys.platform.startswith("linux")
IS_HIP_EXTENSION = False
CUDA_HOME = CUDNN_HOME = ROCM_HOME = SYCL_HOME = None
LIB_EXT = ".pyd" if IS_WINDOWS else ".so"
EXEC_EXT = ".exe" if IS_WINDOWS else ""
SHARED_FLAG = "/DLL" if IS_WINDOWS else "-shared"

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NO_CUDA = "CUDA_HOME environment variable is not set. Please set it to your CUDA install root."
_FLAGS = ["-std=c++17", "-fPIC", "-fvisibility=hidden"]


def get_default_build_root() -> str:
    """The folder under which extensions are built: ~/.cache/torch_extensions."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "torch_extensions")


def _get_build_directory(name: str, verbose: bool) -> str:
    root = os.environ.get("TORCH_EXTENSIONS_DIR")
    if root is None:
        version = f"py{sys.version_info.major}{sys.version_info.minor}_rushlight"
        root = os.path.join(get_default_build_root(), version)
    folder = os.path.join(root, name)
    if verbose:
        print(f"Using {folder} as PyTorch extension folder...", file=sys.stderr)
    os.makedirs(folder, exist_ok=True)
    return folder


def _pybind11_include() -> str:
    try:
        import pybind11
    except ImportError as error:
        raise ImportError(
            "torch.utils.cpp_extension needs pybind11's headers: pip install rushlight[cpp]"
        ) from error
    return pybind11.get_include()


def include_paths(device_type: str = "cpu", torch_include_dirs: bool = True) -> list[str]:
    """The folders with headers that extensions include; OSError for devices other than the CPU."""
    if device_type == "cuda":
        raise OSError(_NO_CUDA)
    if device_type != "cpu":
        raise OSError(f"include_paths: got device type {device_type!r}: there is only 'cpu' here")
    return [os.path.join(_ROOT, "include"), _pybind11_include()] if torch_include_dirs else []


def library_paths(
    device_type: str = "cpu",
    torch_include_dirs: bool = True,
    cross_target_platform: str | None = None,
) -> list[str]:
    """The folders with libraries: nothing in them needs to be linked with."""
    if device_type == "cuda":
        raise OSError(_NO_CUDA)
    return [_ROOT] if torch_include_dirs else []


def is_ninja_available() -> bool:
    """Whether the ninja build system is there; setup.py and `load` do without it."""
    return shutil.which("ninja") is not None


def verify_ninja_availability() -> None:
    """RuntimeError when ninja is not there."""
    if not is_ninja_available():
        raise RuntimeError("Ninja is required to load C++ extensions (pip install ninja to get it)")


def get_cxx_compiler() -> str:
    """The C++ compiler: what CXX says, else c++."""
    return os.environ.get("CXX", "cl" if IS_WINDOWS else "c++")


def check_compiler_is_gcc(compiler: str) -> bool:
    """Whether a compiler is GCC's, by what it says of itself."""
    found = shutil.which(shlex.split(compiler)[0]) if compiler else None
    if not IS_LINUX or found is None:
        return False
    text = run([*shlex.split(compiler), "-v"])[1]
    return "gcc version" in text


def check_compiler_ok_for_platform(compiler: str) -> bool:
    """Whether a compiler can build extensions on this platform."""
    found = shutil.which(shlex.split(compiler)[0]) if compiler else None
    if found is None:
        return False
    text = run([*shlex.split(compiler), "-v"])[1]
    return "gcc version" in text or "clang version" in text or IS_WINDOWS


def get_compiler_abi_compatibility_and_version(compiler: str) -> tuple[bool, Any]:
    """Whether a compiler will do, and its version ("0.0.0" where it is not known)."""
    from ..torch_version import TorchVersion

    if not check_compiler_ok_for_platform(compiler):
        logger.warning("The compiler (%s) was not found, or is none that extensions need", compiler)
        return False, TorchVersion("0.0.0")
    status, text = run([*shlex.split(compiler), "-dumpfullversion", "-dumpversion"])
    return True, TorchVersion(text.strip() if status == 0 else "0.0.0")


def remove_extension_h_precompiler_headers() -> None:
    """Remove compiled headers that `use_pch` left: none are made here."""
    shutil.rmtree(os.path.join(get_default_build_root(), "pch"), ignore_errors=True)


# -- setup.py -----------------------------------------------------------------------------


def CppExtension(name: str, sources: list[str], *args: Any, **kwargs: Any):
    """A setuptools.Extension for a module in C++, with what its headers need."""
    import setuptools

    kwargs["include_dirs"] = [*kwargs.get("include_dirs", []), *include_paths()]
    kwargs["library_dirs"] = [*kwargs.get("library_dirs", []), *library_paths()]
    kwargs["language"] = "c++"
    return setuptools.Extension(name, sources, *args, **kwargs)


def CUDAExtension(name: str, sources: list[str], *args: Any, **kwargs: Any):
    """OSError: there is no CUDA here."""
    raise OSError(_NO_CUDA)


def SyclExtension(name: str, sources: list[str], *args: Any, **kwargs: Any):
    """OSError: there is no SYCL here."""
    raise OSError("SyclExtension: there is no SYCL runtime here: CppExtension builds for the CPU")


def _make_build_extension() -> type:
    from setuptools.command.build_ext import build_ext

    class BuildExtension(build_ext):
        """setuptools' build_ext with the flags that extensions need.

        `extra_compile_args` may be a list, or a dict with a list under "cxx".
        """

        @classmethod
        def with_options(cls, **options: Any) -> type:
            """The same class with other defaults: no_python_abi_suffix, use_ninja."""

            class WithOptions(cls):  # type: ignore[misc, valid-type]
                def __init__(self, *args, **kwargs):
                    super().__init__(*args, **{**kwargs, **options})

            return WithOptions

        def __init__(self, *args: Any, **kwargs: Any):
            self.no_python_abi_suffix = kwargs.pop("no_python_abi_suffix", False)
            self.use_ninja = kwargs.pop("use_ninja", False)
            super().__init__(*args, **kwargs)

        def build_extensions(self) -> None:
            """Compile every extension."""
            find_compiler(get_cxx_compiler())
            for extension in self.extensions:
                given = extension.extra_compile_args or []
                if isinstance(given, dict):
                    given = given.get("cxx", [])
                leaf = extension.name.rpartition(".")[2]
                defines = [f"-DTORCH_EXTENSION_NAME={leaf}", "-DTORCH_API_INCLUDE_EXTENSION_H"]
                own = [f for f in _FLAGS if not f.startswith("-std") or not _has_standard(given)]
                extension.extra_compile_args = [*own, *given, *defines]
            super().build_extensions()

        def get_ext_filename(self, ext_name: str) -> str:
            """The file's name, without Python's suffix where that is wanted."""
            name = super().get_ext_filename(ext_name)
            if self.no_python_abi_suffix:
                stem, *_, ending = name.split(".")
                return f"{stem}.{ending}"
            return name

    BuildExtension.__module__ = __name__
    BuildExtension.__qualname__ = "BuildExtension"
    return BuildExtension


def _has_standard(flags) -> bool:
    return any(flag.startswith("-std=") for flag in flags)


def __getattr__(name: str) -> Any:
    if name == "BuildExtension":  # setuptools is heavy: only where it is asked for
        globals()[name] = made = _make_build_extension()
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# -- at run time --------------------------------------------------------------------------
_versions: dict[str, tuple[str, int]] = {}  # of modules that this process has loaded


def load(
    name: str,
    sources: str | list[str],
    extra_cflags: list[str] | None = None,
    extra_cuda_cflags: list[str] | None = None,
    extra_sycl_cflags: list[str] | None = None,
    extra_ldflags: list[str] | None = None,
    extra_include_paths: list[str] | None = None,
    build_directory: str | None = None,
    verbose: bool = False,
    with_cuda: bool | None = None,
    with_sycl: bool | None = None,
    is_python_module: bool = True,
    is_standalone: bool = False,
    keep_intermediates: bool = True,
) -> ModuleType | str:
    """Compile sources and import the module; what has not changed is not compiled again.

    With `is_python_module=False` the library is loaded for the operators that it registers, and
    its path is returned. RuntimeError with the compiler's words when it refuses the sources, and
    where there is no compiler; OSError for CUDA sources.
    """
    if isinstance(sources, str):
        sources = [sources]
    sources = [os.path.abspath(source) for source in sources]
    for source in sources:
        if not os.path.exists(source):
            raise FileNotFoundError(2, os.strerror(2), source)
    if with_cuda or any(source.endswith((".cu", ".cuh")) for source in sources):
        raise OSError(_NO_CUDA)
    if with_sycl:
        SyclExtension(name, sources)
    if is_standalone:
        raise RuntimeError(
            "load: is_standalone: a program of its own cannot use tensors, which live in Python: "
            "load a module (is_python_module=True) and call it"
        )
    folder = build_directory or _get_build_directory(name, verbose)
    python = sysconfig.get_path("include")
    paths = [*(extra_include_paths or []), *include_paths(), python]
    given = list(extra_cflags or [])
    flags = [f for f in _FLAGS if not f.startswith("-std") or not _has_standard(given)]
    flags += ["-O2"] if not any(f.startswith("-O") for f in given) else []
    flags += [f"-I{path}" if k < len(extra_include_paths or []) else f"-isystem{path}"
              for k, path in enumerate(paths)]  # fmt: skip
    flags += ["-DTORCH_API_INCLUDE_EXTENSION_H", *given]
    path, key = build(
        name, sources, get_cxx_compiler(), flags, list(extra_ldflags or []), folder, verbose,
        _versions, keep_intermediates,
    )  # fmt: skip
    if not is_python_module:
        from ..ops import load_library

        load_library(path)
        return path
    return _import(path, key)


def _import(path: str, name: str) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"load: {path} is no module that Python can import")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_inline(
    name: str,
    cpp_sources: str | list[str],
    cuda_sources: str | list[str] | None = None,
    sycl_sources: str | list[str] | None = None,
    functions: str | list[str] | dict[str, str] | None = None,
    extra_cflags: list[str] | None = None,
    extra_cuda_cflags: list[str] | None = None,
    extra_sycl_cflags: list[str] | None = None,
    extra_ldflags: list[str] | None = None,
    extra_include_paths: list[str] | None = None,
    build_directory: str | None = None,
    verbose: bool = False,
    with_cuda: bool | None = None,
    with_sycl: bool | None = None,
    is_python_module: bool = True,
    with_pytorch_error_handling: bool = True,
    keep_intermediates: bool = True,
    use_pch: bool = False,
    no_implicit_headers: bool = False,
) -> ModuleType | str:
    """Compile sources that are given as text; `functions` names those that Python may call.

    A dict in `functions` holds their docstrings. #include <torch/extension.h> is added.
    """
    if cuda_sources or with_cuda:
        raise OSError(_NO_CUDA)
    if sycl_sources or with_sycl:
        SyclExtension(name, [])
    texts = [cpp_sources] if isinstance(cpp_sources, str) else list(cpp_sources)
    if not no_implicit_headers:
        texts.insert(0, "#include <torch/extension.h>")
    if functions is not None:
        if isinstance(functions, str):
            functions = [functions]
        if isinstance(functions, (list, tuple)):
            functions = {f: f for f in functions}
        elif not isinstance(functions, dict):
            raise ValueError(
                f"Expected 'functions' to be a list or dict, but was {type(functions)}"
            )
        texts.append("PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {")
        for function, doc in functions.items():
            words = doc.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            called = f"torch::wrap_pybind_function({function})"
            texts.append(f'm.def("{function}", {called}, "{words}");')
        texts.append("}")
    folder = build_directory or _get_build_directory(name, verbose)
    path = os.path.join(folder, "main.cpp")
    text = "\n".join(texts) + "\n"
    old = None
    if os.path.exists(path):
        with open(path) as file:
            old = file.read()
    if old != text:
        with open(path, "w") as file:
            file.write(text)
    return load(
        name, [path], extra_cflags, None, None, extra_ldflags, extra_include_paths, folder,
        verbose, False, False, is_python_module, False, keep_intermediates,
    )  # fmt: skip
