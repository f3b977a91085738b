"""`torch.testing`: what counts as close, the words when it is not, and made-up inputs."""

import pytest

import rushlight as torch
from rushlight.testing import assert_close, make_tensor

T = torch.tensor


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (T([1.0, 2.0]), T([1.0, 2.0 + 2e-6])),
        (T([1, 2]), T([1, 2])),
        ([T([1.0]), {"a": 1.0}], [T([1.0]), {"a": 1.0}]),
        (None, None),
        (True, True),
        (T([]), T([])),
        (T([float("inf")]), T([float("inf")])),
        (1 + 2j, 1 + 2j),
    ],
)
def test_close_values_pass(actual, expected):
    assert_close(actual, expected)


MESSAGES = [
    (
        T([1.0, 2.0, 3.0]),
        T([1.0, 2.125, 3.0]),
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 3 (33.3%)\n"
        "Greatest absolute difference: 0.125 at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.05882352963089943 at index (1,) (up to 1.3e-06 allowed)",
    ),
    (
        T([[1, 2], [3, 4]]),
        T([[1, 2], [3, 8]]),
        "Tensor-likes are not equal!\n\nMismatched elements: 1 / 4 (25.0%)\n"
        "Greatest absolute difference: 4 at index (1, 1)\n"
        "Greatest relative difference: 0.5 at index (1, 1)",
    ),
    (
        T(1.0),
        T(2.0),
        "Scalars are not close!\n\nExpected 2.0 but got 1.0.\n"
        "Absolute difference: 1.0 (up to 1e-05 allowed)\n"
        "Relative difference: 0.5 (up to 1.3e-06 allowed)",
    ),
    (
        [1, [2, 3]],
        [1, [2, 4]],
        "Scalars are not equal!\n\nExpected 4 but got 3.\nAbsolute difference: 1\n"
        "Relative difference: 0.25\n\nThe failure occurred for item [1][1]",
    ),
    (
        {"a": 1},
        {"b": 1},
        "The keys of the mappings do not match:\nMissing keys in the actual mapping: ['b']\n"
        "Additional keys in the actual mapping: ['a']",
    ),
    ([1], [1, 2], "The length of the sequences mismatch: 1 != 2"),
    (True, False, "Booleans mismatch: True is not False"),
    (1, 1.0, "The (d)types do not match: <class 'int'> != <class 'float'>."),
    (
        T([1.0]),
        T([[1.0]]),
        "The values for attribute 'shape' do not match: torch.Size([1]) != torch.Size([1, 1]).",
    ),
    (
        T([1.0]),
        T([1.0], dtype=torch.float64),
        "The values for attribute 'dtype' do not match: torch.float32 != torch.float64.",
    ),
]


@pytest.mark.parametrize(("actual", "expected", "message"), MESSAGES)
def test_messages(actual, expected, message):
    with pytest.raises(AssertionError) as caught:
        assert_close(actual, expected)
    assert str(caught.value) == message


def test_nan_is_equal_only_on_request():
    nan = T([float("nan")])
    with pytest.raises(AssertionError, match="nan"):
        assert_close(nan, nan)
    assert_close(nan, nan, equal_nan=True)


def test_tolerances_come_in_pairs():
    with pytest.raises(ValueError, match="got no atol"):
        assert_close(T([1.0]), T([1.0]), rtol=0.1)
    assert_close(T([1.0]), T([1.1]), rtol=0.2, atol=0)


def test_msg_replaces_or_changes_the_message():
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match="^before Scalars"):
        assert_close(1, 2, msg=lambda text: "before " + text)


def test_checks_can_be_switched_off():
    assert_close(T([1.0]), T([1.0], dtype=torch.float64), check_dtype=False)
    with pytest.raises(AssertionError, match="stride"):
        assert_close(torch.ones(2, 3).t(), torch.ones(3, 2), check_stride=True)


@pytest.mark.parametrize("pair", [("a", "a"), (T([1.0]), 1.0), ([1], {0: 1}), (1, "a")])
def test_unknown_types_are_type_errors(pair):
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(*pair)


def test_made_tensors_keep_to_their_range():
    for name in ("float32", "float64", "bfloat16", "int64", "uint8"):
        t = make_tensor(50, 4, dtype=getattr(torch, name), device="cpu", low=2, high=5)
        assert t.shape == (50, 4) and t.min().item() >= 2 and t.max().item() <= 5
    t = make_tensor((3, 4), dtype=torch.float32, device="cpu", noncontiguous=True)
    assert not t.is_contiguous()
    zero_free = make_tensor(1000, dtype=torch.int8, device="cpu", exclude_zero=True)
    assert not (zero_free == 0).any().item()
    assert make_tensor(2, dtype=torch.float32, device="cpu", requires_grad=True).requires_grad


def test_made_tensors_refuse_impossible_ranges():
    for options in ({"low": 3, "high": 2}, {"low": float("nan")}):
        with pytest.raises(ValueError, match="low"):
            make_tensor(2, dtype=torch.float32, device="cpu", **options)
    with pytest.raises(ValueError, match="only supports"):
        make_tensor(2, dtype=torch.int8, device="cpu", low=1000, high=2000)
    with pytest.raises(ValueError, match="requires_grad"):
        make_tensor(2, dtype=torch.int8, device="cpu", requires_grad=True)


def test_made_tensors_equal_pytorchs():
    theirs = pytest.importorskip("torch")
    names = "float32 float64 float16 bfloat16 complex64 complex128 int64 int8 uint8 bool"
    for name in names.split():
        for options in ({}, {"noncontiguous": True}, {"exclude_zero": True}):
            made = []
            for module in (torch, theirs):
                module.manual_seed(5)
                make = make_tensor if module is torch else theirs.testing.make_tensor
                dtype = getattr(module, name)
                made.append(make(3, 4, dtype=dtype, device="cpu", **options))
            assert made[0].tolist() == made[1].tolist() and made[0].stride() == made[1].stride()
