"""Damaged checkpoints for a bounded time; RUSHLIGHT_TEST_SEED chooses others."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import mutate  # noqa: E402
from seeds import seed  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
SECONDS = float(os.environ.get("RUSHLIGHT_FUZZ_SECONDS", "3"))


def test_damaged_files_raise_or_load(tmp_path):
    files = mutate.corpus([torch])
    assert len(files) > 800
    end = time.perf_counter() + SECONDS
    number = 0
    loaded = 0
    while time.perf_counter() < end:
        source = f"{seed()} {number}"
        try:
            loaded += mutate.once(random.Random(source), files, tmp_path / "x.pt")[1]
        except Exception as error:
            raise AssertionError(f"Random({source!r}): {error!r}") from error
        number += 1
    print(f"seed {seed()}: {number} files, of which {loaded} still load")
    assert number > 50 and 0 < loaded < number


LARGE = """
import gc, io, pickle, random, resource, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import mutate
import rushlight as torch
from rushlight.serialization import safetensors

size = 6 << 20
tensors = {"a": torch.arange(size // 8, dtype=torch.int64), "b": torch.ones(3)}
tensors["part"] = tensors["a"][5:]
files = []
for new in (True, False):
    buffer = io.BytesIO()
    torch.save(tensors, buffer, _use_new_zipfile_serialization=new)
    files.append(("zip" if new else "old", buffer.getvalue()))
files.append(("safetensors", safetensors.save({"a": tensors["a"], "b": tensors["b"]})))
del tensors, buffer
ways = {"zip": (mutate.damaged_zip_pickle, mutate.damaged_directory),
        "old": (mutate.damaged_old,), "safetensors": (mutate.damaged_table,)}
for kind, data in files:
    assert mutate.attempt(kind, data)
rng = random.Random(sys.argv[2])
damaged = [(kind, way(rng, data)) for kind, data in files for way in ways[kind] for _ in range(12)]
gc.collect()
mutate.limit_memory(2 * size + (4 << 20))
loaded = sum(mutate.attempt(kind, data) for kind, data in damaged)
try:
    bytearray(3 * size)
    print("the limit does not hold")
except MemoryError:
    print("done", loaded)
"""


def test_memory_stays_within_twice_the_file():
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", LARGE, here, str(seed())]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("done"), done.stdout
