"""What is saved comes back: tensors, containers, modules, shared memory."""

import io
import pathlib
import pickle
from collections import Counter, OrderedDict

import pytest

import rushlight as torch

DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"


def roundtrip(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    buffer.seek(0)
    return torch.load(buffer, **options)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


@pytest.mark.parametrize("name", DTYPES.split())
def test_every_dtype_comes_back(name):
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(getattr(torch, name))
    assert same(roundtrip(tensor), tensor)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (2, 3, 4)])
def test_every_shape_comes_back(shape):
    tensor = torch.randn(shape)
    assert same(roundtrip(tensor), tensor)


def test_views_share_memory_after_loading():
    base = torch.arange(10.0)
    loaded = roundtrip({"base": base, "part": base[2:5], "turned": base.reshape(2, 5).t()})
    loaded["base"][3] = 100.0
    assert loaded["part"].tolist() == [2.0, 100.0, 4.0]
    assert loaded["turned"].stride() == (1, 5)
    assert loaded["turned"][3, 0].item() == 100.0


def test_the_same_tensor_is_one_object():
    x = torch.ones(2)
    a, b = roundtrip([x, x])
    assert a is b


def test_containers_and_plain_values():
    value = {
        "list": [1, 2.5, None, True, "text", b"bytes", 3 + 4j, 10**30, -1],
        "tuple": (1, (2, (3,))),
        "set": {1, 2},
        ("a", 1): "tuple key",
        "ordered": OrderedDict([("x", 1)]),
        "count": Counter("aab"),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "size": torch.Size([2, 3]),
        "bytearray": bytearray(b"abc"),
    }
    loaded = roundtrip(value)
    assert loaded == value
    assert type(loaded["size"]) is torch.Size and type(loaded["ordered"]) is OrderedDict


def test_list_that_contains_itself():
    value = [1]
    value.append(value)
    loaded = roundtrip(value)
    assert loaded[1] is loaded


def test_requires_grad_comes_back():
    assert roundtrip(torch.ones(2, requires_grad=True)).requires_grad


def test_parameter_and_state_dict():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    state = model.state_dict()
    loaded = roundtrip(state)
    assert list(loaded) == list(state) and loaded._metadata == state._metadata
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    other.load_state_dict(loaded)
    x = torch.randn(5, 3)
    assert same(model.eval()(x), other.eval()(x))
    parameter = roundtrip(model[0].weight)
    assert type(parameter) is torch.nn.Parameter and parameter.requires_grad


def test_optimizer_state_comes_back():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    state = roundtrip({"optimizer": optimizer.state_dict(), "epoch": 3})
    fresh = torch.optim.Adam(model.parameters(), lr=0.5)
    fresh.load_state_dict(state["optimizer"])
    assert fresh.param_groups[0]["lr"] == 0.1
    old, new = optimizer.state_dict()["state"][0], fresh.state_dict()["state"][0]
    assert same(old["exp_avg"], new["exp_avg"])


def test_whole_module_needs_trust():
    model = torch.nn.Linear(2, 2)
    loaded = roundtrip(model, weights_only=False)
    assert same(loaded.weight, model.weight)
    assert loaded(torch.ones(1, 2)).tolist() == model(torch.ones(1, 2)).tolist()


def test_storages_come_back():
    x = torch.arange(4.0)
    loaded = roundtrip([x.storage(), x])
    assert loaded[0].nbytes() == 16 and loaded[0].data_ptr() == loaded[1].data_ptr()
    assert roundtrip(x.untyped_storage()).tolist() == x.untyped_storage().tolist()
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        roundtrip([x.untyped_storage(), x])


def test_paths_and_open_files(tmp_path):
    x = torch.arange(3)
    for path in (tmp_path / "a.pt", str(tmp_path / "b.pt")):
        torch.save(x, path)
        assert same(torch.load(path), x)
        with pathlib.Path(path).open("rb") as file:
            assert same(torch.load(file), x)
    with (tmp_path / "c.pt").open("wb") as file:
        torch.save(x, file)
    assert same(torch.load(tmp_path / "c.pt"), x)


def test_file_that_does_not_start_at_zero():
    buffer = io.BytesIO()
    buffer.write(b"header")
    torch.save(torch.arange(3), buffer)
    buffer.seek(6)
    assert torch.load(buffer).tolist() == [0, 1, 2]


def test_mmap_gives_private_memory(tmp_path):
    path = tmp_path / "big.pt"
    torch.save({"x": torch.arange(1000.0), "y": torch.zeros(0)}, path)
    loaded = torch.load(path, mmap=True)
    assert loaded["x"].sum().item() == 499500.0 and loaded["y"].numel() == 0
    loaded["x"][0] = 7.0
    assert torch.load(path)["x"][0].item() == 0.0
    with pytest.raises(ValueError, match="file path"):
        torch.load(io.BytesIO(path.read_bytes()), mmap=True)


@pytest.mark.parametrize(
    "location",
    ["cpu", torch.device("cpu"), {"cpu": "cpu"}, lambda storage, place: storage, lambda s, p: None],
)
def test_every_form_of_map_location(location):
    assert roundtrip(torch.arange(3), map_location=location).tolist() == [0, 1, 2]


def test_map_location_function_sees_location():
    seen = []
    roundtrip(torch.arange(3), map_location=lambda s, place: seen.append((s.nbytes(), place)))
    assert seen == [(24, "cpu")]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol(protocol):
    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3), "b": b"bytes", "s": {1}}, buffer, pickle_protocol=protocol)
    buffer.seek(0)
    loaded = torch.load(buffer)
    assert loaded["x"].tolist() == [0, 1, 2] and loaded["b"] == b"bytes" and loaded["s"] == {1}


def test_attributes_of_tensors_come_back():
    x = torch.ones(2)
    x.note = "kept"
    assert roundtrip(x).note == "kept"


def test_subclass_needs_to_be_allowed():
    x = torch.ones(2).as_subclass(Special)
    with pytest.raises(pickle.UnpicklingError, match="Special"):
        roundtrip(x)
    with torch.serialization.safe_globals([Special]):
        assert type(roundtrip(x)) is Special
    assert torch.serialization.get_safe_globals() == []


class Special(torch.Tensor):
    pass


def test_what_nobody_can_import_is_refused_in_pythons_words():
    class Local(torch.nn.Module):
        pass

    for thing in (Local(), torch.nn.Sequential(Local()), Local, lambda x: x):
        with pytest.raises((AttributeError, pickle.PicklingError)) as ours:
            torch.save(thing, io.BytesIO())
        with pytest.raises((AttributeError, pickle.PicklingError)) as pythons:
            pickle.dumps(thing if not isinstance(thing, torch.nn.Module) else Local)
        assert type(ours.value) is type(pythons.value) and str(ours.value) == str(pythons.value)
