"""Printing, to the character: stored texts, and random tensors beside PyTorch's own printing."""

import random
import time

import pytest

import rushlight as torch
from rushlight._tensor_str import printoptions

# Expression, print options, text; the texts were printed by PyTorch 2.13.
GOLDEN = [
    (
        "torch.tensor(3.5)",
        {},
        "tensor(3.5000)",
    ),
    (
        "torch.tensor([1, 20, -300])",
        {},
        "tensor([   1,   20, -300])",
    ),
    (
        "torch.tensor([True, False])",
        {},
        "tensor([ True, False])",
    ),
    (
        "torch.tensor([1.0, 2.0, 3.0])",
        {},
        "tensor([1., 2., 3.])",
    ),
    (
        "torch.tensor([1.5, -2.25, 1000.0])",
        {},
        "tensor([   1.5000,   -2.2500, 1000.0000])",
    ),
    (
        "torch.tensor([1e-5, 1.0])",
        {},
        "tensor([1.0000e-05, 1.0000e+00])",
    ),
    (
        "torch.tensor([1e9, 1.0])",
        {},
        "tensor([1.0000e+09, 1.0000e+00])",
    ),
    (
        "torch.tensor([0.0, float('inf'), float('nan'), -1.5])",
        {},
        "tensor([ 0.0000,     inf,     nan, -1.5000])",
    ),
    (
        "torch.zeros(0)",
        {},
        "tensor([])",
    ),
    (
        "torch.zeros(0, 3)",
        {},
        "tensor([], size=(0, 3))",
    ),
    (
        "torch.zeros(0, 3, dtype=torch.int64)",
        {},
        "tensor([], size=(0, 3), dtype=torch.int64)",
    ),
    (
        "torch.arange(6.0).reshape(2, 3)",
        {},
        "\n".join(
            [
                "tensor([[0., 1., 2.],",
                "        [3., 4., 5.]])",
            ]
        ),
    ),
    (
        "torch.arange(24).reshape(2, 3, 4)",
        {},
        "\n".join(
            [
                "tensor([[[ 0,  1,  2,  3],",
                "         [ 4,  5,  6,  7],",
                "         [ 8,  9, 10, 11]],",
                "",
                "        [[12, 13, 14, 15],",
                "         [16, 17, 18, 19],",
                "         [20, 21, 22, 23]]])",
            ]
        ),
    ),
    (
        "torch.arange(1001)",
        {},
        "tensor([   0,    1,    2,  ...,  998,  999, 1000])",
    ),
    (
        "torch.arange(2000.0).reshape(40, 50)",
        {},
        "\n".join(
            [
                "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 4.7000e+01, 4.8000e+01,",
                "         4.9000e+01],",
                "        [5.0000e+01, 5.1000e+01, 5.2000e+01,  ..., 9.7000e+01, 9.8000e+01,",
                "         9.9000e+01],",
                "        [1.0000e+02, 1.0100e+02, 1.0200e+02,  ..., 1.4700e+02, 1.4800e+02,",
                "         1.4900e+02],",
                "        ...,",
                "        [1.8500e+03, 1.8510e+03, 1.8520e+03,  ..., 1.8970e+03, 1.8980e+03,",
                "         1.8990e+03],",
                "        [1.9000e+03, 1.9010e+03, 1.9020e+03,  ..., 1.9470e+03, 1.9480e+03,",
                "         1.9490e+03],",
                "        [1.9500e+03, 1.9510e+03, 1.9520e+03,  ..., 1.9970e+03, 1.9980e+03,",
                "         1.9990e+03]])",
            ]
        ),
    ),
    (
        "torch.arange(40)",
        {},
        "\n".join(
            [
                "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,",
                "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,",
                "        36, 37, 38, 39])",
            ]
        ),
    ),
    (
        "torch.ones(2, dtype=torch.float64)",
        {},
        "tensor([1., 1.], dtype=torch.float64)",
    ),
    (
        "torch.ones(2, dtype=torch.bfloat16)",
        {},
        "tensor([1., 1.], dtype=torch.bfloat16)",
    ),
    (
        "torch.ones(2, dtype=torch.uint8)",
        {},
        "tensor([1, 1], dtype=torch.uint8)",
    ),
    (
        "torch.tensor([1 + 2j, -0.5j])",
        {},
        "tensor([1.+2.0000j, -0.-0.5000j])",
    ),
    (
        "torch.tensor([1.5, 2.5], requires_grad=True)",
        {},
        "tensor([1.5000, 2.5000], requires_grad=True)",
    ),
    (
        "torch.tensor([1.5, 2.5], requires_grad=True) * 2",
        {},
        "tensor([3., 5.], grad_fn=<MulBackward0>)",
    ),
    (
        "torch.arange(12.0) / 7",
        {"precision": 2},
        "tensor([0.00, 0.14, 0.29, 0.43, 0.57, 0.71, 0.86, 1.00, 1.14, 1.29, 1.43, 1.57])",
    ),
    (
        "torch.arange(12.0) / 7",
        {"sci_mode": True},
        "\n".join(
            [
                "tensor([0.0000e+00, 1.4286e-01, 2.8571e-01, 4.2857e-01, 5.7143e-01, 7.1429e-01,",
                "        8.5714e-01, 1.0000e+00, 1.1429e+00, 1.2857e+00, 1.4286e+00, 1.5714e+00])",
            ]
        ),
    ),
    (
        "torch.arange(100.0) / 7",
        {"linewidth": 40},
        "\n".join(
            [
                "tensor([ 0.0000,  0.1429,  0.2857,",
                "         0.4286,  0.5714,  0.7143,",
                "         0.8571,  1.0000,  1.1429,",
                "         1.2857,  1.4286,  1.5714,",
                "         1.7143,  1.8571,  2.0000,",
                "         2.1429,  2.2857,  2.4286,",
                "         2.5714,  2.7143,  2.8571,",
                "         3.0000,  3.1429,  3.2857,",
                "         3.4286,  3.5714,  3.7143,",
                "         3.8571,  4.0000,  4.1429,",
                "         4.2857,  4.4286,  4.5714,",
                "         4.7143,  4.8571,  5.0000,",
                "         5.1429,  5.2857,  5.4286,",
                "         5.5714,  5.7143,  5.8571,",
                "         6.0000,  6.1429,  6.2857,",
                "         6.4286,  6.5714,  6.7143,",
                "         6.8571,  7.0000,  7.1429,",
                "         7.2857,  7.4286,  7.5714,",
                "         7.7143,  7.8571,  8.0000,",
                "         8.1429,  8.2857,  8.4286,",
                "         8.5714,  8.7143,  8.8571,",
                "         9.0000,  9.1429,  9.2857,",
                "         9.4286,  9.5714,  9.7143,",
                "         9.8571, 10.0000, 10.1429,",
                "        10.2857, 10.4286, 10.5714,",
                "        10.7143, 10.8571, 11.0000,",
                "        11.1429, 11.2857, 11.4286,",
                "        11.5714, 11.7143, 11.8571,",
                "        12.0000, 12.1429, 12.2857,",
                "        12.4286, 12.5714, 12.7143,",
                "        12.8571, 13.0000, 13.1429,",
                "        13.2857, 13.4286, 13.5714,",
                "        13.7143, 13.8571, 14.0000,",
                "        14.1429])",
            ]
        ),
    ),
    (
        "torch.arange(100).reshape(10, 10)",
        {"threshold": 20, "edgeitems": 2},
        "\n".join(
            [
                "tensor([[ 0,  1,  ...,  8,  9],",
                "        [10, 11,  ..., 18, 19],",
                "        ...,",
                "        [80, 81,  ..., 88, 89],",
                "        [90, 91,  ..., 98, 99]])",
            ]
        ),
    ),
    (
        "torch.arange(12.0) / 7",
        {"profile": "short"},
        "tensor([0.00, 0.14, 0.29, 0.43, 0.57, 0.71, 0.86, 1.00, 1.14, 1.29, 1.43, 1.57])",
    ),
    (
        "torch.full((30,), 0.12345, dtype=torch.float64, requires_grad=True)",
        {},
        "\n".join(
            [
                "tensor([0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235,",
                "        0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235,",
                "        0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235, 0.1235,",
                "        0.1235, 0.1235, 0.1235], dtype=torch.float64, requires_grad=True)",
            ]
        ),
    ),
]


@pytest.fixture(autouse=True)
def default_options():
    torch.set_printoptions(profile="default")
    yield
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize(("expression", "options", "text"), GOLDEN)
def test_text_is_as_pytorch_prints(expression, options, text):
    torch.set_printoptions(**options)
    assert repr(eval(expression)) == text


def test_default_dtype_is_not_named():
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(torch.tensor([1.5])) == "tensor([1.5000])"
        single = torch.tensor([1.5], dtype=torch.float32)
        assert repr(single) == "tensor([1.5000], dtype=torch.float32)"
    finally:
        torch.set_default_dtype(torch.float32)


def test_subclass_names_itself():
    class Special(torch.Tensor):
        pass

    assert repr(torch.ones(2).as_subclass(Special)) == "Special([1., 1.])"


def test_huge_tensor_prints_quickly():
    big = torch.zeros(3000, 3000)
    start = time.perf_counter()
    text = repr(big)
    assert time.perf_counter() - start < 0.05
    assert "..." in text and len(text) < 500


def test_printing_records_nothing():
    x = torch.ones(2000, requires_grad=True)
    repr(x)
    assert x.grad_fn is None and x.grad is None


DTYPES = "float32 float64 float16 bfloat16 uint8 int8 int16 int32 int64 bool complex64 complex128"


def random_case(theirs, rng):
    """A tensor of PyTorch's with awkward values, and options to print it with."""
    ndim = rng.choice([0, 1, 1, 2, 2, 3, 4])
    sizes = [0, 1, 2, 3, 5, 7, 12, 40] if ndim < 3 else [1, 2, 3, 7]
    shape = [rng.choice(sizes) for _ in range(ndim)]
    if rng.random() < 0.1:
        shape = [rng.choice([1001, 7, 1]) for _ in range(min(ndim, 2))]
    values = theirs.randn(shape, dtype=theirs.float64) * 10.0 ** rng.choice([-8, -4, 0, 0, 3, 9])
    if rng.random() < 0.3:
        values = values.round()
    if rng.random() < 0.3:
        chance = theirs.rand(shape)
        values[chance < 0.1] = float("inf")
        values[(chance > 0.1) & (chance < 0.2)] = float("nan")
        values[(chance > 0.2) & (chance < 0.4)] = 0.0
    dtype = getattr(theirs, rng.choice(DTYPES.split()))
    if dtype.is_complex:
        imaginary = theirs.randn(shape, dtype=theirs.float64) * 10.0 ** rng.choice([-5, 0, 3])
        values = theirs.complex(values, imaginary)
    elif not dtype.is_floating_point:
        values = theirs.nan_to_num(values).clamp(-100, 100)
    options = {"profile": "default"}
    if rng.random() < 0.4:
        options |= {
            "precision": rng.choice([None, 0, 2, 7]),
            "threshold": rng.choice([None, 5, 10**6]),
            "edgeitems": rng.choice([None, 1, 4]),
            "linewidth": rng.choice([None, 20, 120]),
            "sci_mode": rng.choice([None, True, False]),
        }
    return values.to(dtype), options


def ours_from(tensor):
    dtype = getattr(torch, str(tensor.dtype).partition(".")[2])
    return torch.tensor(tensor.tolist(), dtype=dtype).reshape(tuple(tensor.shape))


@pytest.mark.parametrize("seed", range(5))
def test_random_tensors_print_like_pytorch(seed):
    theirs = pytest.importorskip("torch")
    rng = random.Random(seed)
    theirs.manual_seed(seed)
    try:
        for _ in range(100):
            tensor, options = random_case(theirs, rng)
            theirs.set_printoptions(**options)
            torch.set_printoptions(**options)
            assert repr(ours_from(tensor)) == repr(tensor), (tensor.dtype, options)
    finally:
        theirs.set_printoptions(profile="default")


def test_profiles_and_options_combine():
    torch.set_printoptions(profile="short", precision=3)
    assert repr(torch.tensor([1 / 3])) == "tensor([0.333])"
    torch.set_printoptions(profile="full")
    assert "..." not in repr(torch.arange(2000))


def test_without_edge_items_the_size_is_told():
    with printoptions(edgeitems=0):
        assert repr(torch.arange(3)) == "tensor([0, 1, 2], size=(3,))"
        assert repr(torch.arange(2000)) == "tensor([...], size=(2000,))"
        assert repr(torch.tensor(2.0)) == "tensor(2., size=())"


def test_small_numbers_are_compared_in_double_precision():
    assert repr(torch.tensor([1e-4])) == "tensor([1.0000e-04])"
    assert (
        repr(torch.tensor([1e-4], dtype=torch.float64)) == "tensor([0.0001], dtype=torch.float64)"
    )
    assert repr(torch.tensor([100 + 1e-4j])) == "tensor([100.+1.0000e-04j])"


def test_powers_of_two_without_a_zero():
    codes = torch.tensor([0, 127, 129, 255], dtype=torch.uint8)
    text = "tensor([0.0000, 1.0000, 4.0000,    nan], dtype=torch.float8_e8m0fnu)"
    assert repr(codes.view(torch.float8_e8m0fnu)) == text
    assert (
        repr(codes[:3].view(torch.float8_e8m0fnu))
        == "tensor([0., 1., 4.], dtype=torch.float8_e8m0fnu)"
    )
