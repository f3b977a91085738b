"""python -m rushlight script.py args: run a program written for PyTorch on rushlight."""

from __future__ import annotations

import os
import runpy
import sys
from types import ModuleType

from .alias import install, pass_on
from .version import __version__

USAGE = """usage: python -m rushlight SCRIPT [ARGUMENT ...]
       python -m rushlight -m MODULE [ARGUMENT ...]
       python -m rushlight -c COMMAND [ARGUMENT ...]
       python -m rushlight - [ARGUMENT ...]        the program comes from standard input
       python -m rushlight --version

Runs a program written for PyTorch: its `import torch` finds rushlight, and so do the Python
processes that it starts.
"""


def main(arguments: list[str]) -> int:
    """Run the program that the arguments of the command line name."""
    if not arguments and not sys.stdin.isatty():
        arguments, sys.argv = ["-"], [""]  # as Python does
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"rushlight {__version__}")
        return 0
    kind = arguments[0] if arguments[0] in ("-m", "-c") else ""
    stdin = arguments[0] == "-"
    if kind and len(arguments) == 1 or not kind and not stdin and arguments[0].startswith("-"):
        print(f"rushlight: argument expected, got {arguments[0]}\n\n{USAGE}", file=sys.stderr)
        return 2
    install()
    pass_on()
    if kind == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *arguments[2:]]
        sys.path[0] = ""
        _run(compile(arguments[1], "<string>", "exec", dont_inherit=True), None)
    elif stdin:
        if sys.argv != [""]:
            sys.argv = arguments
        sys.path[0] = ""
        _run(compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True), None)
    else:
        _run_script(arguments)
    return 0


def _run_script(arguments):
    script = arguments[0]
    sys.argv = arguments
    if os.path.isdir(script):
        runpy.run_path(script, run_name="__main__")  # with a __main__.py inside
        return
    try:
        with open(script, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.exit(f"rushlight: can't open file {script!r}: [Errno {error.errno}] {error.strerror}")
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    _run(compile(source, script, "exec", dont_inherit=True), script)


def _run(code, path):
    """Execute code as the module `__main__`, which stays so after the last line."""
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    if path is not None:
        module.__file__ = path
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
