"""The safetensors format: round trips, a file written by hand, and malformed ones."""

import json
import math
import random

import pytest

import rushlight as torch
from rushlight.serialization import safetensors
from rushlight.serialization.safetensors import SafetensorError


def file_of(table, data=b"") -> bytes:
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + data


GOOD = {"x": {"dtype": "I16", "shape": [2], "data_offsets": [0, 4]}}


def test_round_trip(tmp_path):
    tensors = {
        "a": torch.randn(3, 4),
        "b": torch.arange(5).to(torch.uint8),
        "turned": torch.randn(3, 4).t(),
        "c": torch.tensor(2.5, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False]),
        "ü": torch.tensor([1 + 2j]),
    }
    safetensors.save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    data = (tmp_path / "x.safetensors").read_bytes()
    assert data == safetensors.save(tensors, metadata={"format": "pt"})
    for loaded in (safetensors.load_file(tmp_path / "x.safetensors"), safetensors.load(data)):
        assert set(loaded) == set(tensors)
        for name, tensor in tensors.items():
            assert loaded[name].dtype == tensor.dtype and loaded[name].shape == tensor.shape
            assert loaded[name].tolist() == tensor.tolist()


def test_file_written_by_hand():
    assert safetensors.load(file_of(GOOD, b"\x01\x00\x02\x01"))["x"].tolist() == [1, 258]


def test_shared_memory_and_other_values_are_refused():
    x = torch.ones(4)
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save({"a": x, "b": x[1:]})
    with pytest.raises(ValueError, match="expected torch.Tensor"):
        safetensors.save({"a": 1})


def changed(**fields):
    return {"x": GOOD["x"] | fields}


@pytest.mark.parametrize(
    ("table", "data"),
    [
        (GOOD, b"\0" * 3),
        (GOOD, b"\0" * 5),
        (changed(shape=[3]), b"\0" * 4),
        (changed(shape=[-2]), b"\0" * 4),
        (changed(shape=[2**61, 2**61]), b"\0" * 4),
        (changed(shape="2"), b"\0" * 4),
        (changed(shape=[2.0]), b"\0" * 4),
        (changed(dtype="X"), b"\0" * 4),
        (changed(data_offsets=[0]), b"\0" * 4),
        (changed(data_offsets=[-4, 0]), b"\0" * 4),
        (changed(data_offsets=[4, 8]), b"\0" * 8),
        (changed(data_offsets=[0, 2**40]), b"\0" * 4),
        (GOOD | {"y": GOOD["x"]}, b"\0" * 4),
        ([], b""),
        ({"x": 1}, b""),
    ],
)
def test_malformed_tables(table, data):
    with pytest.raises(SafetensorError):
        safetensors.load(file_of(table, data))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 7, b"\xff" * 16, b"\2\0\0\0\0\0\0\0{", b"\1" + b"\0" * 8]
)
def test_malformed_files(data, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(data)
    for attempt in (lambda: safetensors.load(data), lambda: safetensors.load_file(path)):
        with pytest.raises(SafetensorError):
            attempt()


def test_names_must_not_repeat():
    entry = json.dumps(GOOD["x"])
    header = f'{{"x":{entry},"x":{entry}}}'.encode()
    with pytest.raises(SafetensorError, match="twice"):
        safetensors.load(len(header).to_bytes(8, "little") + header + b"\0" * 4)


def test_mutations_never_do_worse_than_raise():
    rng = random.Random(0)
    whole = safetensors.save({"a": torch.randn(3), "b": torch.arange(4)})
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 2, 5])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            safetensors.load(
                bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data)
            )
        except SafetensorError:
            continue


def test_exchange_with_the_reference_implementation():
    reference = pytest.importorskip("safetensors.numpy")
    np = pytest.importorskip("numpy")
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(4, dtype=np.int16)}
    loaded = safetensors.load(reference.save(arrays))
    assert {k: v.tolist() for k, v in loaded.items()} == {k: v.tolist() for k, v in arrays.items()}
    back = reference.load(safetensors.save(loaded))
    assert {k: v.tolist() for k, v in back.items()} == {k: v.tolist() for k, v in arrays.items()}


def test_tied_weights_of_a_module(tmp_path):
    def model():
        made = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
        made[1].weight = made[0].weight
        return made

    path = tmp_path / "m.safetensors"
    source, target = model(), model()
    safetensors.save_model(source, path, {"note": "x"})
    with safetensors.safe_open(path, framework="pt") as file:
        assert file.metadata() == {"note": "x", "1.weight": "0.weight"}
        assert file.keys() == ["0.bias", "0.weight", "1.bias"]
        assert torch.equal(file.get_tensor("0.bias"), source[0].bias)
        with pytest.raises(safetensors.SafetensorError, match="does not contain"):
            file.get_tensor("x")
    assert safetensors.load_model(target, path) == (set(), [])
    assert torch.equal(target[1].weight, source[0].weight) and target[1].weight is target[0].weight
    with pytest.raises(RuntimeError, match="Missing key.*\n.*Unexpected key"):
        safetensors.load_model(torch.nn.Linear(2, 2), path)
    other = torch.nn.Linear(2, 2)
    missing, unexpected = safetensors.load_model(other, path, strict=False)
    assert missing == {"weight", "bias"} and len(unexpected) == 4


def test_what_cannot_be_saved_is_named():
    x = torch.ones(2)
    for tensors, kind, text in (
        ([x], ValueError, "Expected a dict"),
        ({"a": 1}, ValueError, "Key `a` is invalid"),
        ({1: x}, TypeError, "must be text"),
        ({"a": x.to_sparse()}, ValueError, "sparse"),
        ({"a": x, "b": x[1:]}, RuntimeError, "share memory"),
    ):
        with pytest.raises(kind, match=text):
            safetensors.save(tensors)
    with pytest.raises(TypeError, match="must be text"):
        safetensors.save({"a": x}, {"n": 1})


def test_bytes_are_those_of_the_reference_implementation():
    reference = pytest.importorskip("safetensors.torch")
    theirs = pytest.importorskip("torch")
    rng = random.Random(0)
    for _ in range(150):
        both: tuple[dict, dict] = ({}, {})
        for number in range(rng.randint(0, 6)):
            name = rng.choice(["a", "layer.0.weight", "\u00fcn\u00ef", "x y"]) + str(number)
            dtype = rng.choice(list(safetensors._DTYPES.values()))
            shape = [rng.choice([0, 1, 2, 3]) for _ in range(rng.randint(0, 3))]
            size = math.prod(shape) * getattr(torch, dtype).itemsize
            data = [rng.randrange(2 if dtype == "bool" else 120) for _ in range(size)]
            for module, tensors in zip((theirs, torch), both, strict=True):
                whole = module.tensor(data, dtype=module.uint8)
                kind = getattr(module, dtype)
                whole = whole.view(kind) if data else module.empty(0, dtype=kind)
                tensors[name] = whole.reshape(shape)
        metadata = rng.choice([None, {}, {"format": "\u00fc"}])
        data = safetensors.save(both[1], metadata)
        if both[0] or metadata != {}:  # of nothing at all the reference makes no JSON
            assert data == reference.save(both[0], metadata)
        loaded = safetensors.load(data)
        assert all(str(loaded[name].dtype) == str(both[0][name].dtype) for name in both[0])
