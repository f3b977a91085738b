"""Codes of 8-bit floats and complex halves: what they mean, and how numbers round to them.

What is expected is computed from the formats' definitions (number_formats.py).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from number_formats import FLOAT8, awkward_floats, codes, decoded, dtype, encoded

import rushlight as torch


@pytest.mark.parametrize("name", [*FLOAT8, "float8_e8m0fnu"])
def test_every_float8_code_means_the_number_of_its_format(name):
    want = np.array([decoded(name, c) for c in range(256)])
    x = codes(name)
    assert np.array_equal(x.to(torch.float64).numpy(), want, equal_nan=True)
    assert np.array_equal(np.signbit(x.float().numpy()), np.signbit(want) | _signed_nans(name))
    assert np.array_equal(np.array(x.tolist()), want, equal_nan=True)
    assert np.array_equal(x[:, None][3::7].float()[:, 0].numpy(), want[3::7], equal_nan=True)


def _signed_nans(name):
    signed = name in ("float8_e4m3fn", "float8_e5m2")
    return np.array([signed and c > 0x80 and math.isnan(decoded(name, c)) for c in range(256)])


@pytest.mark.parametrize("name", FLOAT8)
def test_float8_rounds_to_the_nearest_number_and_ties_to_even(name):
    values = awkward_floats(name)
    want = encoded(name, values)
    got = torch.from_numpy(values).to(dtype(name)).view(torch.uint8).numpy()
    assert np.array_equal(got, want)
    wide = torch.from_numpy(values.astype(np.float64)).to(dtype(name)).view(torch.uint8).numpy()
    assert np.array_equal(wide, want)
    every_other = torch.from_numpy(values)[::2].to(dtype(name)).view(torch.uint8).numpy()
    assert np.array_equal(every_other, want[::2])


def test_exponents_round_to_the_nearest_and_ties_go_up():
    name = "float8_e8m0fnu"
    fractions, exponents = np.array([1.0, 1.25, 1.4999, 1.5, 1.75, -1.0]), np.arange(-126, 127)
    values = np.ldexp(fractions[:, None], exponents)
    want = exponents + 127 + (fractions >= 1.5)[:, None]
    rest = np.array([0.0, np.inf, np.nan, 1.5 * 2.0**-127, 2.0**-127, 1e-40])
    values = np.append(values.ravel(), rest)
    got = torch.from_numpy(values).to(dtype(name)).view(torch.uint8).numpy()
    assert np.array_equal(got, [*want.ravel(), 0, 255, 255, 1, 0, 0])


@pytest.mark.parametrize("name", FLOAT8)
def test_every_half_rounds_to_float8(name):
    halves = np.arange(65536).astype(np.uint16).view(np.float16)
    got = torch.from_numpy(halves).to(dtype(name)).view(torch.uint8).numpy()
    assert np.array_equal(got, encoded(name, halves))


def test_every_code_survives_the_way_through_float32():
    for name in FLOAT8:
        back = codes(name).float().to(dtype(name)).view(torch.uint8).numpy()
        numbers = ~np.isnan([decoded(name, c) for c in range(256)])
        assert np.array_equal(back[numbers], np.arange(256)[numbers])


def test_every_pair_of_halves_makes_a_complex32():
    halves = np.arange(65536).astype(np.uint16).view(np.float16)
    pairs = torch.from_numpy(np.stack([halves, halves[::-1]], 1).copy())
    x = torch.view_as_complex(pairs)
    assert x.dtype is torch.complex32 and x.element_size() == 4
    wide = x.to(torch.complex64)
    assert np.array_equal(wide.real.numpy(), halves.astype(np.float32), equal_nan=True)
    assert np.array_equal(wide.imag.numpy(), halves[::-1].astype(np.float32), equal_nan=True)
    assert torch.view_as_real(wide.to(torch.complex32)).nan_to_num(7).equal(pairs.nan_to_num(7))
    assert x.real.dtype is torch.float16 and x.imag.nan_to_num(7).equal(pairs[:, 1].nan_to_num(7))
