"""Whatever draws random numbers draws PyTorch's: bytes and states against stored checksums."""

from __future__ import annotations

import json
import platform
import sys

import pytest
import random_table

import rushlight

linux_x86 = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and platform.machine() == "x86_64"),
    reason="the last bits of logarithms and sines are glibc's",
)


@linux_x86
def test_all_numbers_are_those_stored_from_pytorch():
    stored = json.loads(random_table.STORED.read_text())
    assert len(stored) > 270
    got = random_table.table(rushlight)
    assert got.keys() == stored.keys()
    assert [name for name in stored if got[name] != stored[name]] == []


@linux_x86
def test_the_stored_checksums_are_current():
    torch = pytest.importorskip("torch")
    assert random_table.table(torch) == json.loads(random_table.STORED.read_text())


@linux_x86
def test_the_checksums_tell_numbers_and_states_apart():
    rushlight.manual_seed(1)
    x = rushlight.rand(5)
    before = random_table.checksum(rushlight, [x])
    assert random_table.checksum(rushlight, [x.flip(0)]) != before
    rushlight.rand(1)
    after = random_table.checksum(rushlight, [x])
    assert after[:8] == before[:8] and after[8:] != before[8:]


@linux_x86
def test_long_fills_are_the_same_in_threads():
    def drawn(threads):
        rushlight.set_num_threads(threads)
        rushlight.manual_seed(3)
        rushlight.randn(1)  # leaves half a pair
        wide = rushlight.empty(150_003, dtype=rushlight.float64)
        made = [wide.normal_().clone(), wide.exponential_().clone(), wide.log_normal_().clone()]
        made.append(rushlight.empty(300, 501).t()[1:].normal_())
        made.append(rushlight.empty(1_200_001).cauchy_())
        return random_table.checksum(rushlight, made)

    before = rushlight.get_num_threads()
    try:
        assert drawn(1) == drawn(4)
    finally:
        rushlight.set_num_threads(before)
