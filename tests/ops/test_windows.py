"""Window functions against SciPy's, their dtypes and their errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal.windows as scipy_windows

import rushlight as torch
from rushlight.signal import windows

PLAIN = [  # torch.<name>, SciPy's name and arguments
    ("hann_window", "hann", ()),
    ("hamming_window", "hamming", ()),
    ("blackman_window", "blackman", ()),
    ("bartlett_window", "bartlett", ()),
    ("kaiser_window", "kaiser", (12.0,)),
]
SIGNAL = [  # windows.<name>, its arguments, SciPy's name and arguments
    ("bartlett", {}, "bartlett", ()),
    ("blackman", {}, "blackman", ()),
    ("cosine", {}, "cosine", ()),
    ("exponential", {"tau": 2.0}, "exponential", (None, 2.0)),
    ("gaussian", {"std": 3.0}, "gaussian", (3.0,)),
    ("general_cosine", {"a": [0.4, 0.3, 0.2, 0.1]}, "general_cosine", ([0.4, 0.3, 0.2, 0.1],)),
    ("general_hamming", {"alpha": 0.6}, "general_hamming", (0.6,)),
    ("hamming", {}, "hamming", ()),
    ("hann", {}, "hann", ()),
    ("kaiser", {"beta": 5.0}, "kaiser", (5.0,)),
    ("nuttall", {}, "general_cosine", ([0.3635819, 0.4891775, 0.1365995, 0.0106411],)),
]


@pytest.mark.parametrize("name,theirs,arguments", PLAIN)
def test_windows_of_torch(name, theirs, arguments):
    function = getattr(torch, name)
    for length in (2, 3, 8, 51):
        for periodic in (True, False):
            want = getattr(scipy_windows, theirs)(length, *arguments, sym=not periodic)
            got = function(length, periodic, dtype=torch.float64)
            np.testing.assert_allclose(got.numpy(), want, atol=1e-14)
            np.testing.assert_allclose(function(length, periodic).numpy(), want, atol=2e-6)
    assert function(0).shape == (0,) and function(1).tolist() == [1]
    assert function(5, dtype=torch.bfloat16).dtype is torch.bfloat16
    assert function(5, requires_grad=True).requires_grad


@pytest.mark.parametrize("name", [row[0] for row in PLAIN])
def test_wrong_arguments(name):
    function = getattr(torch, name)
    for bad in (torch.int64, torch.bool, torch.complex64):
        with pytest.raises(RuntimeError, match="floating point"):
            function(5, dtype=bad)
    with pytest.raises(RuntimeError):
        function(-1)
    with pytest.raises(RuntimeError):
        function(5, layout=torch.sparse_coo)
    for bad in (5.0, "a"):
        with pytest.raises(TypeError):
            function(bad)


@pytest.mark.parametrize("name,given,theirs,arguments", SIGNAL)
def test_windows_of_signal(name, given, theirs, arguments):
    function = getattr(windows, name)
    for length in (2, 3, 8, 51):
        for sym in (True, False):
            want = getattr(scipy_windows, theirs)(length, *arguments, sym=sym)
            got = function(length, sym=sym, dtype=torch.float64, **given)
            np.testing.assert_allclose(got.numpy(), want, atol=1e-14)
    assert function(0, **given).shape == (0,) and function(1, **given).tolist() == [1]
    assert function(4, **given).dtype is torch.float32


@pytest.mark.parametrize("name,given", [(row[0], row[1]) for row in SIGNAL])
def test_wrong_arguments_of_signal(name, given):
    function = getattr(windows, name)
    for bad in (torch.float16, torch.bfloat16, torch.int64, torch.complex64):
        with pytest.raises(ValueError, match="expects float32 or float64 dtypes"):
            function(5, dtype=bad, **given)
    with pytest.raises(ValueError, match="non-negative"):
        function(-1, **given)
    with pytest.raises(ValueError, match="strided"):
        function(5, layout=torch.sparse_coo, **given)
    with pytest.raises(TypeError):
        function(5.0, **given)


@pytest.mark.parametrize(
    "error,call",
    [
        (ValueError, lambda: windows.exponential(5, tau=0)),
        (ValueError, lambda: windows.exponential(5, center=1)),
        (ValueError, lambda: windows.gaussian(5, std=-1)),
        (ValueError, lambda: windows.kaiser(5, beta=-1)),
        (ValueError, lambda: windows.general_cosine(5, a=[])),
        (TypeError, lambda: windows.general_cosine(5, a=1.0)),
    ],
)
def test_wrong_shapes_of_windows(error, call):
    with pytest.raises(error):
        call()
    assert windows.exponential(5, center=1, sym=False)[1] == 1
