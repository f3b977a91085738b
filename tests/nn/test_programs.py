"""Programs around modules do what PyTorch does: against kept results, and live where it is."""

from __future__ import annotations

import importlib.util

import pytest
from program_runner import FOLDER, Run, golden, programs, same

CASES = [
    pytest.param(name, i, id=f"{name}-{i}")
    for name in sorted(path.stem for path in FOLDER.glob("*.txt"))
    for i in range(len(programs(name)))
]


def check(framework, name, i):
    source = programs(name)[i]
    lines, heard = golden(name)[i]
    got, heard_here = Run(framework, source).go()
    assert len(lines) == len(got), source
    for want, line in zip(lines, got, strict=True):
        assert same(want, line), f"{source}\n\nwant {want}\ngot  {line}"
    assert heard_here == heard, source


@pytest.mark.parametrize(("name", "i"), CASES)
def test_program_does_what_pytorch_did(name, i):
    check("rushlight", name, i)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="parity needs the oracle")
@pytest.mark.parametrize(("name", "i"), CASES)
def test_kept_result_is_what_pytorch_does(name, i):
    check("torch", name, i)
