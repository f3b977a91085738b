"""The safetensors format: round trips, a file written by hand, and malformed ones."""

import json
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
    with pytest.raises(ValueError, match="names to tensors"):
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
