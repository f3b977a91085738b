"""Every layer of the table against what PyTorch gave, kept as sums: needs no PyTorch."""

from __future__ import annotations

import json

import pytest
from cases import CASES
from layer_runs import KEPT, sums

# PyTorch's gradient of this layer sums over channels that are shifted by one.
DIFFERS = {"CrossMapLRN2d"}


@pytest.fixture(scope="module")
def kept():
    return json.loads(KEPT.read_text())


def test_every_layer_of_the_table_is_kept(kept):
    assert list(kept) == list(CASES)


@pytest.mark.parametrize("name", [name for name in CASES if name not in DIFFERS])
@pytest.mark.filterwarnings("ignore")
def test_layer_gives_the_kept_sums(kept, name):
    want, got = kept[name], sums("rushlight", name)
    assert got["repr"] == want["repr"]
    assert got["state"] == want["state"]
    for mode in ("train", "eval"):
        assert got[mode] == pytest.approx(want[mode], rel=1e-6, abs=1e-8)
