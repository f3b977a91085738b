"""Twenty steps of training with dropout give PyTorch's losses: kept ones, and live where it is."""

from __future__ import annotations

import importlib.util
import json
import warnings

import pytest
from trainings import KEPT, NETWORKS, STEPS, losses

ALLOWED = 1e-5


def close(got, want):
    return max(abs(a - b) for a, b in zip(got, want, strict=True)) <= ALLOWED


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_are_those_that_pytorch_gave(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "enable_nested_tensor")
        got = losses("rushlight", name)
    want = json.loads(KEPT.read_text())[name]
    assert len(got) == STEPS
    assert close(got, want)
    assert got[-1] < got[0]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="parity needs the oracle")
@pytest.mark.parametrize("name", NETWORKS)
def test_losses_are_those_that_pytorch_gives(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert close(losses("rushlight", name), losses("torch", name))
