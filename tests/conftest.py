"""Shared settings of the tests: warnings are errors, the seed is printed and fixed."""

from __future__ import annotations

import pytest
from seeds import seed

import rushlight as torch


def pytest_report_header(config):
    return f"rushlight {torch.__version__}, {torch.get_num_threads()} threads, seed {seed()}"


@pytest.fixture(autouse=True)
def _clean_state():
    torch.manual_seed(seed())
    yield
    assert torch.is_grad_enabled(), "a test left gradients disabled"
    torch.set_default_dtype(torch.float32)
