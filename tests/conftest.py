"""Shared settings of the tests: warnings are errors, the seed is printed and fixed."""

from __future__ import annotations

import os

import pytest

import rushlight as torch


def pytest_report_header(config):
    return f"rushlight {torch.__version__}, {torch.get_num_threads()} threads, seed {seed()}"


def seed() -> int:
    return int(os.environ.get("RUSHLIGHT_TEST_SEED", "20261121"))


@pytest.fixture(autouse=True)
def _clean_state():
    torch.manual_seed(seed())
    yield
    assert torch.is_grad_enabled(), "a test left gradients disabled"
    torch.set_default_dtype(torch.float32)
