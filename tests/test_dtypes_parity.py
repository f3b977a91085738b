"""The rarer dtypes beside PyTorch: conversions, promotion, files, facts."""

from __future__ import annotations

import numpy as np
import pytest
from number_formats import COMMON, NUMBERS, OPAQUE, UNSIGNED, dtype

import rushlight as torch

pytest.importorskip("torch")


def _theirs(oracle, x):
    """The same bytes in PyTorch."""
    raw = x.contiguous().view(torch.uint8).numpy()
    return oracle.from_numpy(raw.copy()).view(getattr(oracle, str(x.dtype)[6:]))


@pytest.mark.filterwarnings("ignore:ComplexHalf support", "ignore:Casting complex values")
def test_conversions_between_all_number_types_equal_pytorchs():
    oracle = pytest.importorskip("torch")
    values = torch.tensor([0.0, 1, 2, 3.5, 100, 240, 17.25, 5e4, 6e4, 1e5, 1e-3, 0.0625, 7e8])
    for a in [*COMMON, *NUMBERS]:
        x = values.to(dtype(a))
        want = _theirs(oracle, x)
        for b in [*COMMON, *NUMBERS]:
            got = x.to(dtype(b)).view(torch.uint8).numpy()
            expected = want.to(getattr(oracle, b)).view(oracle.uint8).numpy()
            nan = np.isnan(want.to(oracle.complex64).numpy()) | np.isinf(
                want.to(oracle.complex64).numpy()
            )
            width = dtype(b).itemsize
            keep = np.repeat(~nan, width)
            assert np.array_equal(got[keep], expected[keep]), (a, b)


def test_promotion_and_casts_equal_pytorchs():
    oracle = pytest.importorskip("torch")
    names = [*COMMON, *NUMBERS, *OPAQUE]
    for a in names:
        for b in names:
            ours, theirs = (dtype(a), dtype(b)), (getattr(oracle, a), getattr(oracle, b))
            assert torch.can_cast(*ours) == oracle.can_cast(*theirs), (a, b)
            try:
                want = str(oracle.promote_types(*theirs))
            except RuntimeError:
                continue  # test_promotion_of_every_pair says which
            assert str(torch.promote_types(*ours)) == want, (a, b)
        for number in (True, 1, 1.5, 1j):
            for shape in ((2,), ()):
                try:
                    want = str(
                        oracle.result_type(oracle.zeros(shape, dtype=getattr(oracle, a)), number)
                    )
                except RuntimeError:
                    with pytest.raises(RuntimeError):
                        torch.result_type(torch.zeros(shape, dtype=dtype(a)), number)
                    continue
                got = torch.result_type(torch.zeros(shape, dtype=dtype(a)), number)
                assert str(got) == want, (a, number)


@pytest.mark.filterwarnings("ignore:ComplexHalf support")
@pytest.mark.parametrize("name", [*NUMBERS, "float4_e2m1fn_x2", "bits8"])
def test_files_are_read_both_ways(name, tmp_path):
    oracle = pytest.importorskip("torch")
    ours = torch.arange(48).to(torch.uint8).view(dtype(name)).reshape(2, -1)
    torch.save(ours, tmp_path / "ours.pt")
    read = oracle.load(tmp_path / "ours.pt")
    assert str(read.dtype) == f"torch.{name}" and tuple(read.shape) == tuple(ours.shape)
    assert read.view(oracle.uint8).flatten().tolist() == list(range(48))
    oracle.save(read, tmp_path / "theirs.pt")
    again = torch.load(tmp_path / "theirs.pt")
    assert again.dtype is ours.dtype and again.view(torch.uint8).equal(ours.view(torch.uint8))


@pytest.mark.filterwarnings("ignore:ComplexHalf support")
@pytest.mark.parametrize("name", [*NUMBERS, "float4_e2m1fn_x2"])
def test_facts_prints_and_capsules_equal_pytorchs(name):
    oracle = pytest.importorskip("torch")
    d, theirs = dtype(name), getattr(oracle, name)
    for fact in ("itemsize", "is_floating_point", "is_complex", "is_signed"):
        assert getattr(d, fact) == getattr(theirs, fact)
    assert str(d.to_real()) == str(theirs.to_real())
    if name in UNSIGNED:
        assert repr(torch.iinfo(d)) == repr(oracle.iinfo(theirs))
    elif name != "float4_e2m1fn_x2":
        assert repr(torch.finfo(d)) == repr(oracle.finfo(theirs))
    ours = torch.arange(40).to(torch.uint8).view(d)
    other = _theirs(oracle, ours)
    assert repr(ours) == repr(other) and ours.type() == other.type()
    capsule = torch.from_dlpack(other)
    assert capsule.dtype is d and capsule.view(torch.uint8).tolist() == list(range(40))
    back = oracle.from_dlpack(ours)
    assert back.dtype == theirs and back.view(oracle.uint8).tolist() == list(range(40))
