"""One table: whole steps and a few kernels in rushlight, PyTorch (eager, compiled), JAX and NumPy.

    python bench/compare.py                     every line; minutes, most of them compiling
    python bench/compare.py --select GPT --rounds 3 --threads 1

Each library runs in a process of its own, and the processes take turns. The table, in Markdown,
holds the median of microseconds a call, and its quotient to PyTorch eager. With one thread a call's
time is the process's own (all its threads), which others on the machine disturb less. A library
that is absent or has no such line shows `-`. Peak memory of a process includes the library itself.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time

from models import KERNELS, LINES, Library

LIBRARIES = {
    "rushlight": "rushlight",
    "optimize_for_inference": "ready",
    "PyTorch": "torch",
    "torch.compile": "compiled",
    "JAX jit": "jax",
    "NumPy": "numpy",
}
SECONDS = 0.15  # of one burst


# -- the workers ----------------------------------------------------------------------------------


def step_of(kind: str, name: str):
    """The step of a line in a library; KeyError where there is none."""
    if kind == "jax":
        import peers_jax

        return peers_jax.LINES[name]()
    if kind == "numpy":
        from peers import numpy_lines

        return numpy_lines()[name]()
    make = {**LINES, **KERNELS}[name]
    if kind == "ready" and "inference" not in name:
        raise KeyError(name)
    t = importlib.import_module({"compiled": "torch", "ready": "rushlight"}.get(kind, kind))
    t.manual_seed(0)
    t.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    prepare = {"compiled": "compile", "ready": "optimize_for_inference"}.get(kind)
    return make(Library(t, prepare and getattr(t, prepare)))


def serve(kind: str, name: str) -> None:
    """Answers each line of input with the seconds of a call and the peak memory so far."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    clock = time.process_time if os.environ["OMP_NUM_THREADS"] == "1" else time.perf_counter
    try:
        step = step_of(kind, name)
        for _ in range(3):
            step()
    except KeyError:
        print(json.dumps({"absent": True}), file=answers, flush=True)
        return
    except Exception as error:
        text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        print(json.dumps({"error": text[:200]}), file=answers, flush=True)
        return
    print(json.dumps({}), file=answers, flush=True)
    for _ in sys.stdin:
        started = clock()
        step()
        count = max(1, min(100_000, int(SECONDS / max(clock() - started, 1e-7))))
        started = clock()
        for _ in range(count):
            step()
        seconds = (clock() - started) / count
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak": peak}), file=answers, flush=True)


class Worker:
    def __init__(self, kind: str, name: str, threads: int):
        # Threads that wait for their process's next turn must not take another's.
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), GOMP_SPINCOUNT="10000")
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        if kind == "jax":
            environment["JAX_PLATFORMS"] = "cpu"
            environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
        command = [sys.executable, __file__, "--serve", kind, name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the process died"}

    def burst(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def measured(name: str, threads: int, rounds: int, wanted) -> dict:
    """By library: seconds (a list) and peak, or what is wrong."""
    found, workers = {}, {}
    for title in wanted:
        worker = Worker(LIBRARIES[title], name, threads)
        found[title] = worker.answer()
        if found[title]:
            worker.close()
        else:
            workers[title] = worker
    times = {title: [] for title in workers}
    for _ in range(rounds):
        for title, worker in workers.items():
            reply = worker.burst()
            if "seconds" in reply:
                times[title].append(reply["seconds"])
                found[title]["peak"] = reply["peak"]
    for title, worker in workers.items():
        worker.close()
        found[title]["seconds"] = times[title]
    return found


# -- the table ------------------------------------------------------------------------------------


def cell(result: dict, base: dict) -> str:
    if not result.get("seconds"):
        return "fails" if "error" in result else "-"
    text = f"{statistics.median(result['seconds']) * 1e6:,.0f}"
    if not base.get("seconds"):
        return text
    pairs = zip(result["seconds"], base["seconds"], strict=False)
    return f"{text} ({statistics.median(a / b for a, b in pairs):.2f})"


def memory(result: dict) -> str:
    return f"{result['peak'] / 1e6:,.0f}" if "peak" in result else "-"


def machine() -> str:
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            found = re.search(r"model name\s*: (.*)", file.read())
        name = found[1] if found else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def versions(wanted) -> str:
    """In processes of their own: what this one loads would count in the workers' peaks."""
    texts = []
    for kind in dict.fromkeys(LIBRARIES[title] for title in wanted):
        if kind in ("ready", "compiled"):
            continue
        command = [sys.executable, "-c", f"import {kind}; print({kind}.__version__)"]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        texts.append(f"{kind} {done.stdout.strip() or 'absent'}")
    return ", ".join(texts)


def slower(lines: dict) -> list[str]:
    """A sentence for each line on which another library is more than 5% faster than rushlight."""
    texts = []
    for name, found in lines.items():
        ours = found.get("rushlight", {}).get("seconds")
        for title, result in found.items():
            if (
                ours
                and result.get("seconds")
                and title not in ("rushlight", "optimize_for_inference")
            ):
                quotient = statistics.median(ours) / statistics.median(result["seconds"])
                if quotient > 1.05:
                    texts.append(f"- {name}: {title} is {quotient:.2f} times as fast")
    return texts


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--select", default=".", help="regular expression over the lines")
    parser.add_argument("--libraries", nargs="*", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--serve", nargs=2, metavar=("LIBRARY", "LINE"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.serve:
        serve(*args.serve)
        return 0
    print(f"{machine()}; {args.threads} threads; {args.rounds} rounds; {time.strftime('%Y-%m-%d')}")
    print(f"Python {platform.python_version()}, {versions(args.libraries)}\n")
    titles = args.libraries
    print(
        "| microseconds (to PyTorch eager) | " + " | ".join(titles) + " | peak MB: ours, PyTorch |"
    )
    print("|---|" + "---:|" * (len(titles) + 1))
    lines, problems = {}, []
    for name in [*LINES, *KERNELS]:
        if not re.search(args.select, name):
            continue
        lines[name] = found = measured(name, args.threads, args.rounds, titles)
        base = found.get("PyTorch", {})
        cells = [cell(found[title], base) for title in titles]
        peaks = f"{memory(found.get('rushlight', {}))}, {memory(base)}"
        print(f"| {name} | " + " | ".join(cells) + f" | {peaks} |", flush=True)
        problems += [f"- {name}, {t}: {r['error']}" for t, r in found.items() if "error" in r]
    for title, texts in (("Faster than rushlight", slower(lines)), ("What failed", problems)):
        if texts:
            print(f"\n{title}:\n" + "\n".join(texts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
