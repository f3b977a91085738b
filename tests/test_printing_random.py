"""Thousands of random tensors under random settings print as in PyTorch; RUSHLIGHT_TEST_SEED."""

import math
import random
import struct

import pytest
from seeds import seed

import rushlight as torch

theirs = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")
DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 "
    "complex32 uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu"
).split()
STYLES = {
    "nice": lambda r: r.choice([0.0, 1.0, 2.0, -1.0, 0.5, 10.0, 100.0, -3.0, 1000.0]),
    "whole": lambda r: float(r.randint(-(10 ** r.randint(0, 12)), 10 ** r.randint(0, 12))),
    "unit": lambda r: r.uniform(-1, 1),
    "wide": lambda r: r.uniform(-1, 1) * 10 ** r.uniform(-12, 12),
    "tiny": lambda r: r.uniform(-1, 1) * 10 ** r.uniform(-45, -3),
    "huge": lambda r: r.uniform(-1, 1) * 10 ** r.uniform(3, 38),
    "special": lambda r: r.choice([math.nan, math.inf, -math.inf, 0.0, -0.0, 0.1, 1e-8, 1e10]),
    "edge": lambda r: single(r.choice([1e8, 99999999.0, 1e-4, 1.0001e-4, 1e3, 1001.0, 0.99995])),
    "money": lambda r: round(r.uniform(0, 1000), r.randint(0, 4)),
}
SPECS = [".2f", "10.3e", ">12", "+.1f", "d", "05d", "x", "g", "s", "%", ",", "b", "^20", ""]


def single(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


def a_shape(rng) -> tuple:
    shape = [rng.choice([0, 1, 1, 2, 3, 5, 8]) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))]
    if shape and rng.random() < 0.2:
        shape[rng.randrange(len(shape))] = rng.choice([11, 20, 101])
    if rng.random() < 0.05:
        shape = [rng.choice([1001, 1200])]
    while math.prod(shape) > 3000:
        shape[shape.index(max(shape))] = 2
    return tuple(max(n, 1) for n in shape) if rng.random() < 0.7 else tuple(shape)


def a_pair(rng):
    """The same bits as a tensor of both libraries."""
    dtype, shape = rng.choice(DTYPES), a_shape(rng)
    style = STYLES[rng.choice(list(STYLES))]
    values = [style(rng) for _ in range(math.prod(shape))]
    kind = getattr(theirs, dtype)
    if dtype.startswith("complex"):
        other = STYLES[rng.choice(list(STYLES))]
        wide = theirs.complex128 if dtype == "complex128" else theirs.complex64
        values = [complex(v, other(rng)) for v in values]
        tensor = theirs.tensor(values, dtype=wide).to(kind)
    elif "float" in dtype:
        tensor = theirs.tensor(values, dtype=theirs.float64).to(kind)
    elif dtype == "bool":
        tensor = theirs.tensor([v > 0 for v in values], dtype=theirs.bool)
    else:
        least, most = theirs.iinfo(kind).min, theirs.iinfo(kind).max
        whole = [int(min(max(v, -1e18), 1e18)) if v == v else 0 for v in values]
        tensor = theirs.tensor([min(max(v, least), most) for v in whole], dtype=kind)
    if not values:
        return tensor.reshape(shape), torch.empty(shape, dtype=getattr(torch, dtype))
    data = torch.tensor(tensor.view(theirs.uint8).tolist(), dtype=torch.uint8)
    return tensor.reshape(shape), data.view(getattr(torch, dtype)).reshape(shape)


def settings(rng) -> dict:
    choices = {
        "profile": ["default", "short", "full"],
        "precision": [0, 1, 2, 3, 5, 8, 12],
        "threshold": [0, 1, 3, 10, 50, 1000, math.inf],
        "edgeitems": [0, 1, 2, 3, 5],
        "linewidth": [10, 20, 40, 60, 80, 100, 200],
        "sci_mode": [True, False, None],
    }
    return {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.35}


def varied(module, tensor, way: float):
    """The tensor as a leaf, a parameter, a result or a transpose."""
    if tensor.is_floating_point() and tensor.element_size() > 1:
        if way < 0.1:
            return tensor.requires_grad_()
        if way < 0.15:
            return module.nn.Parameter(tensor)
        if way < 0.2 and tensor.element_size() > 2:
            return tensor.requires_grad_() * 1
    return tensor.transpose(0, -1) if way > 0.9 and tensor.dim() > 1 else tensor


def outcome(function, tensor) -> str:
    try:
        return function(tensor)
    except Exception as error:
        return type(error).__name__


@pytest.fixture(autouse=True)
def usual_settings():
    yield
    for module in (torch, theirs):
        module.set_printoptions(profile="default")
        module.set_default_dtype(module.float32)


def test_random_tensors_print_alike():
    for number in range(2500):
        rng = random.Random(f"{seed()} {number}")
        chosen = settings(rng) if rng.random() < 0.6 else {}
        ways = [repr]
        if rng.random() < 0.2:
            ways += [str, lambda t: f"{t}", lambda t: repr([t, {"a": (t,)}])]
        pair, way, wide = a_pair(rng), rng.random(), rng.random() < 0.1
        if pair[0].dim() == 0:
            ways += [lambda t, spec=spec: format(t, spec) for spec in SPECS]
        texts = []
        for module, tensor in zip((theirs, torch), pair, strict=True):
            module.set_printoptions(profile="default")
            module.set_printoptions(**chosen)
            module.set_default_dtype(module.float64 if wide else module.float32)
            tensor = varied(module, tensor, way)
            texts.append([outcome(function, tensor) for function in ways])
        assert texts[1] == texts[0], f"{seed()} {number}: {chosen}"


def test_numbers_at_the_limits_print_alike():
    """Where the style changes: below 1e-4, above 1e8, a ratio above 1000."""
    rng = random.Random(seed())
    numbers = [1e-4, 1e8, 1.0, 1000.0, 0.1, 1e5, 1e11, 5e-4, 1e-7, 100.0, 0.5, 1e-3]

    def number() -> float:
        value = rng.choice(numbers) * rng.choice([1, 1, -1])
        return single(value) * rng.choice([1, 1, 1 + 2**-22, 1 - 2**-22])

    for _ in range(3000):
        name = rng.choice("float32 float32 float64 float16 bfloat16 complex64 complex128".split())
        make = (lambda: complex(number(), number())) if "c" in name else number
        values = [make() for _ in range(rng.choice([1, 2, 3]))]
        texts = [repr(m.tensor(values, dtype=getattr(m, name))) for m in (theirs, torch)]
        assert texts[1] == texts[0], (name, values)
