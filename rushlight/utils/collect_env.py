"""What a program runs on, for reports of errors: python -m rushlight.utils.collect_env."""

from __future__ import annotations

import locale
import os
import platform
import re
import subprocess
import sys
from typing import NamedTuple

_PACKAGES = ("torch", "numpy", "mypy", "flake8", "onnx", "rushlight", "openblas")
PIP_PATTERNS = ["mypy", "flake8", "onnx"]
COMMON_PATTERNS = ["torch", "numpy", "rushlight"]
CONDA_PATTERNS = ["cudatoolkit", "soumith", "mkl", "magma"]
NVIDIA_PATTERNS = ["cuda-cudart", "cuda-nvrtc", "cublas", "cudnn"]
TORCH_AVAILABLE = True
_NOTHING = "Could not collect"


class SystemEnv(NamedTuple):
    """Everything that is collected; None where it could not be."""

    torch_version: str | None
    is_debug_build: str | None
    cuda_compiled_version: str | None
    gcc_version: str | None
    clang_version: str | None
    cmake_version: str | None
    os: str | None
    libc_version: str | None
    python_version: str | None
    python_platform: str | None
    is_cuda_available: str | None
    cuda_runtime_version: str | None
    cuda_module_loading: str | None
    nvidia_driver_version: str | None
    nvidia_gpu_models: str | None
    cudnn_version: str | None
    is_xpu_available: str | None
    pip_version: str | None
    pip_packages: str | None
    conda_packages: str | None
    hip_compiled_version: str | None
    hip_runtime_version: str | None
    miopen_runtime_version: str | None
    caching_allocator_config: str | None
    is_xnnpack_available: str | None
    cpu_info: str | None


env_info_fmt = """
PyTorch version: {torch_version}
Is debug build: {is_debug_build}
CUDA used to build PyTorch: {cuda_compiled_version}
ROCM used to build PyTorch: {hip_compiled_version}

OS: {os}
GCC version: {gcc_version}
Clang version: {clang_version}
CMake version: {cmake_version}
Libc version: {libc_version}

Python version: {python_version}
Python platform: {python_platform}
Is CUDA available: {is_cuda_available}
CUDA runtime version: {cuda_runtime_version}
CUDA_MODULE_LOADING set to: {cuda_module_loading}
GPU models and configuration: {nvidia_gpu_models}
Nvidia driver version: {nvidia_driver_version}
cuDNN version: {cudnn_version}
Is XPU available: {is_xpu_available}
HIP runtime version: {hip_runtime_version}
MIOpen runtime version: {miopen_runtime_version}
Is XNNPACK available: {is_xnnpack_available}
Caching allocator config: {caching_allocator_config}

CPU:
{cpu_info}

Versions of relevant libraries:
{pip_packages}
{conda_packages}
""".strip()


def run(command: str | list[str]) -> tuple[int, str, str]:
    """The status, the output and the errors of a command; 127 where it is not there."""
    shell = isinstance(command, str)
    try:
        done = subprocess.run(command, shell=shell, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    encoding = locale.getpreferredencoding(False)
    output, errors = (
        text.decode(encoding, "replace").strip() for text in (done.stdout, done.stderr)
    )
    return done.returncode, output, errors


def run_and_read_all(run_lambda, command) -> str | None:
    """The output of a command; None when it fails."""
    status, output, _ = run_lambda(command)
    return output if status == 0 else None


def run_and_parse_first_match(run_lambda, command, regex: str) -> str | None:
    """The group of the first match in a command's output."""
    output = run_and_read_all(run_lambda, command)
    match = re.search(regex, output) if output is not None else None
    return match.group(1) if match else None


def run_and_return_first_line(run_lambda, command) -> str | None:
    """The first line of a command's output."""
    output = run_and_read_all(run_lambda, command)
    return output.split("\n")[0] if output is not None else None


def get_gcc_version(run_lambda) -> str | None:
    """The version of gcc."""
    return run_and_parse_first_match(run_lambda, ["gcc", "--version"], r"gcc (.*)")


def get_clang_version(run_lambda) -> str | None:
    """The version of clang."""
    return run_and_parse_first_match(run_lambda, ["clang", "--version"], r"clang version (.*)")


def get_cmake_version(run_lambda) -> str | None:
    """The version of cmake."""
    return run_and_parse_first_match(run_lambda, ["cmake", "--version"], r"cmake (.*)")


def get_nvidia_driver_version(run_lambda) -> str | None:
    """The version of NVIDIA's driver."""
    return run_and_parse_first_match(run_lambda, ["nvidia-smi"], r"Driver Version: (.*?) ")


def get_gpu_info(run_lambda) -> str | None:
    """The GPUs of NVIDIA."""
    text = run_and_read_all(run_lambda, ["nvidia-smi", "-L"])
    return re.sub(r" \(UUID: .+?\)", "", text) if text else None


def get_running_cuda_version(run_lambda) -> str | None:
    """The version of the CUDA toolkit."""
    return run_and_parse_first_match(run_lambda, ["nvcc", "--version"], r"release .+ V(.*)")


def get_libc_version() -> str:
    """The C library, on Linux."""
    return "-".join(platform.libc_ver()) if sys.platform.startswith("linux") else "N/A"


def get_platform() -> str:
    """linux, win32, darwin or whatever Python calls it."""
    return "linux" if sys.platform.startswith("linux") else sys.platform


def get_os(run_lambda) -> str:
    """The operating system and its version."""
    machine = platform.machine()
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]} ({machine})"
    if sys.platform == "win32":
        return f"{platform.platform()} ({machine})"
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = sys.platform
    return f"{name} ({machine})"


def get_python_platform() -> str:
    """What Python calls the platform."""
    return platform.platform()


def get_cpu_info(run_lambda) -> str:
    """What is known of the processor."""
    if sys.platform == "darwin":
        return run_and_read_all(run_lambda, ["sysctl", "-n", "machdep.cpu.brand_string"]) or ""
    return run_and_read_all(run_lambda, ["lscpu"]) or platform.processor()


def get_pip_packages(run_lambda, patterns: list[str] | None = None) -> tuple[str, str | None]:
    """ "pip3", and the packages that matter with their versions, a line each."""
    from importlib import metadata

    wanted = tuple(patterns) if patterns is not None else _PACKAGES
    found = {
        f"{d.metadata['Name']}=={d.version}"
        for d in metadata.distributions()
        if any(name in (d.metadata["Name"] or "").lower() for name in wanted)
    }
    return "pip3" if sys.version_info[0] == 3 else "pip", "\n".join(sorted(found))


def get_conda_packages(run_lambda, patterns: list[str] | None = None) -> str | None:
    """The packages of conda that matter; None without conda."""
    conda = os.environ.get("CONDA_EXE")
    text = run_and_read_all(run_lambda, [conda, "list"]) if conda else None
    wanted = patterns if patterns is not None else CONDA_PATTERNS + COMMON_PATTERNS
    if text is None:
        return None
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(line for line in lines if any(name in line for name in wanted))


def get_env_info() -> SystemEnv:
    """Collect everything."""
    from .. import __version__, cuda

    pip_version, pip_packages = get_pip_packages(run)
    bits = 64 if sys.maxsize > 2**32 else 32
    version = sys.version.replace("\n", " ")
    return SystemEnv(
        torch_version=str(__version__),
        is_debug_build="False",
        cuda_compiled_version=None,
        gcc_version=get_gcc_version(run),
        clang_version=get_clang_version(run),
        cmake_version=get_cmake_version(run),
        os=get_os(run),
        libc_version=get_libc_version(),
        python_version=f"{version} ({bits}-bit runtime)",
        python_platform=get_python_platform(),
        is_cuda_available=str(cuda.is_available()),
        cuda_runtime_version=get_running_cuda_version(run),
        cuda_module_loading="N/A",
        nvidia_driver_version=get_nvidia_driver_version(run),
        nvidia_gpu_models=get_gpu_info(run),
        cudnn_version=None,
        is_xpu_available="False",
        pip_version=pip_version,
        pip_packages=pip_packages,
        conda_packages=get_conda_packages(run),
        hip_compiled_version="N/A",
        hip_runtime_version="N/A",
        miopen_runtime_version="N/A",
        caching_allocator_config="N/A",
        is_xnnpack_available="False",
        cpu_info=get_cpu_info(run),
    )


def pretty_str(envinfo: SystemEnv) -> str:
    """The report as text."""
    values = {k: _NOTHING if v is None else v for k, v in envinfo._asdict().items()}
    for field, prefix in (
        ("pip_packages", f"[{envinfo.pip_version}] "),
        ("conda_packages", "[conda] "),
    ):
        text = getattr(envinfo, field)
        lines = text.split("\n") if text else []
        values[field] = "\n".join(prefix + line for line in lines) or f"{prefix}{_NOTHING}"
    return env_info_fmt.format(**values)


def get_pretty_env_info() -> str:
    """The report as text."""
    return pretty_str(get_env_info())


def main() -> None:
    """Print the report."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
