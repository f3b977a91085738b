"""Shared settings of the tests: warnings are errors, the seed is printed and fixed."""

from __future__ import annotations

import signal

import pytest
from seeds import seed

import rushlight as torch

# A shell starts background jobs with Ctrl-C ignored, and children inherit that; tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config):
    return f"rushlight {torch.__version__}, {torch.get_num_threads()} threads, seed {seed()}"


@pytest.fixture(autouse=True)
def _clean_state():
    torch.manual_seed(seed())
    yield
    assert torch.is_grad_enabled(), "a test left gradients disabled"
    torch.set_default_dtype(torch.float32)
