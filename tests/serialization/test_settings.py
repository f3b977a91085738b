"""What can be set about saving and loading, and files that other programs would write."""

import collections
import enum
import io
import mmap
import os
import pickle
import struct
import tarfile

import pytest

import rushlight as torch
from rushlight import serialization
from rushlight.utils.serialization import config


def saved(obj, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def swapped(buffer) -> io.BytesIO:
    """The file with every 4-byte number reversed and without a byte order record."""
    import zipfile

    result = io.BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if "/data/" in name:
                data = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
            new.writestr(name, data)
    result.seek(0)
    return result


def test_byte_order_of_files_that_do_not_say():
    x = torch.tensor([1.0, -2.5])
    file = swapped(saved(x, _disable_byteorder_record=True))
    order = serialization.LoadEndianness
    assert serialization.get_default_load_endianness() is None
    try:
        for chosen, same in ((order.BIG, True), (order.LITTLE, False), (order.NATIVE, False)):
            serialization.set_default_load_endianness(chosen)
            assert serialization.get_default_load_endianness() is chosen
            file.seek(0)
            assert (torch.load(file).tolist() == x.tolist()) == same
    finally:
        serialization.set_default_load_endianness(None)
    with pytest.raises(TypeError, match="Invalid argument type"):
        serialization.set_default_load_endianness("big")


def test_shared_mapping_writes_to_the_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(4), path)
    torch.load(path, mmap=True).fill_(1)
    assert torch.load(path).tolist() == [0, 0, 0, 0]
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        torch.load(path, mmap=True).fill_(2)
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    with config.patch("load.mmap", True):
        assert torch.load(path).tolist() == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="expected mmap.MAP_PRIVATE"):
        serialization.set_default_mmap_options(77)


def test_skipped_data_keeps_the_layout():
    x = {"a": torch.arange(300.0), "b": torch.ones(5)}
    whole = saved(x).getvalue()
    with serialization.skip_data():
        hollow = saved(x)
    assert len(hollow.getvalue()) == len(whole)
    loaded = torch.load(hollow)
    assert loaded["a"].tolist() == [0.0] * 300 and loaded["b"].shape == (5,)
    with serialization.skip_data():
        loaded = torch.load(io.BytesIO(whole))
    assert loaded["a"].shape == (300,) and loaded["a"].dtype == torch.float32
    assert torch.load(io.BytesIO(whole))["b"].tolist() == [1.0] * 5


def test_unknown_settings_are_refused():
    with pytest.raises(AttributeError, match="no setting"):
        config.load.maps = True
    with config.patch({"save.storage_alignment": 4096}):
        data = saved(torch.arange(3.0)).getvalue()
    assert data.index(struct.pack("<3f", 0, 1, 2)) % 4096 == 0
    assert torch.load(io.BytesIO(data)).tolist() == [0, 1, 2]


def test_registered_packages_are_asked_in_order(monkeypatch):
    from rushlight.serialization import _settings

    monkeypatch.setattr(_settings, "_registry", list(_settings._registry))
    asked = []

    def restore(storage, location):
        asked.append(location)
        return storage if location == "drawer" else None

    serialization.register_package(5, lambda storage: "drawer", restore)
    file = saved([torch.arange(2.0), torch.ones(1)])
    assert b"drawer" in file.getvalue()
    assert [t.tolist() for t in torch.load(file)] == [[0, 1], [1]]
    assert asked == ["drawer", "drawer"]
    assert serialization.location_tag(torch.ones(1).untyped_storage()) == "drawer"
    monkeypatch.undo()
    file.seek(0)
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        torch.load(file)
    file.seek(0)
    assert torch.load(file, map_location={"drawer": "cpu"})[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "place",
    [
        "cpu", torch.device("cpu"), {"cpu": "cpu"}, {}, b"cpu", None,
        lambda storage, location: storage, lambda storage, location: None,
        lambda storage, location: storage.cpu(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("new", [True, False])
def test_every_form_of_map_location(place, new):
    x = torch.arange(4.0)
    loaded = torch.load(saved([x, x[1:]], _use_new_zipfile_serialization=new), map_location=place)
    loaded[0][2] = 9
    assert loaded[1].tolist() == [1, 9, 3]


def test_wrong_map_locations():
    for place, kind, text in (
        ("cuda", RuntimeError, "torch.cuda.is_available"),
        (5, TypeError, "not callable"),
        ({"cpu": "nowhere"}, RuntimeError, "don't know how to restore"),
    ):
        if place != "cuda" or not torch.cuda.is_available():
            with pytest.raises(kind, match=text):
                torch.load(saved(torch.ones(1)), map_location=place)


def test_environment_decides_about_weights_only(monkeypatch):
    file = saved([range(3)])
    with pytest.raises(pickle.UnpicklingError, match="range"):
        torch.load(file)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    file.seek(0)
    assert torch.load(file) == [range(3)]
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        torch.load(file)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="range"):
        torch.load(file, weights_only=False)


class Colour(enum.Enum):
    RED = 1


def test_safe_globals_in_every_form():
    file = saved({"c": Colour.RED, "d": collections.defaultdict(list, a=[1])})
    names = serialization.get_unsafe_globals_in_checkpoint(file)
    assert "collections.defaultdict" in names and any(name.endswith("Colour") for name in names)
    file.seek(0)
    allowed = [Colour, collections.defaultdict, list]
    with serialization.safe_globals(allowed):
        assert set(serialization.get_safe_globals()) == set(allowed)
        assert torch.load(file) == {"c": Colour.RED, "d": {"a": [1]}}
    assert serialization.get_safe_globals() == []
    file.seek(0)
    alias = [(Colour, f"{__name__}.Colour"), collections.defaultdict, (list, "builtins.list")]
    with serialization.safe_globals(alias):
        assert torch.load(file)["c"] is Colour.RED
    with pytest.raises(ValueError, match="Expected tuple of length 2"):
        serialization.add_safe_globals([(Colour,)])


def test_other_picklers_and_protocols():
    class C:  # a module whose Pickler is written in C
        Pickler, Unpickler = pickle.Pickler, pickle.Unpickler
        __name__ = "c"

    x = torch.arange(6.0).reshape(2, 3)
    value = {"x": x, "part": x[1], "n": [1, "a"], "p": torch.nn.Parameter(x)}
    for module in (C, pickle):
        for protocol in range(1, 6):
            file = saved(value, pickle_module=module, pickle_protocol=protocol)
            loaded = torch.load(file, weights_only=False, pickle_module=module)
            loaded["x"][1, 1] = 7
            assert loaded["part"].tolist() == [3, 7, 5] and loaded["n"] == [1, "a"]
            assert loaded["p"].data_ptr() == loaded["x"].data_ptr()
            if module is pickle:
                file.seek(0)
                assert torch.load(file)["part"].tolist() == [3, 4, 5]


def test_files_that_only_read():
    class Reader:
        def __init__(self, data):
            self._file = io.BytesIO(data)
            self.seek, self.tell = self._file.seek, self._file.tell

        def read(self, size=-1):
            return self._file.read(min(size, 50) if size > 0 else size)

    for new in (True, False):
        data = saved([torch.arange(100.0), 1], _use_new_zipfile_serialization=new).getvalue()
        assert torch.load(Reader(data))[0].sum().item() == 4950


def test_several_checkpoints_in_one_file():
    file = io.BytesIO()
    torch.save(torch.ones(1), file, _use_new_zipfile_serialization=False)
    second = file.tell()
    torch.save(torch.arange(3), file, _use_new_zipfile_serialization=False)
    file.seek(second)
    assert torch.load(file).tolist() == [0, 1, 2]
    file = io.BytesIO(b"in front" + saved(torch.arange(4)).getvalue())
    file.seek(8)
    assert torch.load(file).tolist() == [0, 1, 2, 3]


def member(archive, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def tar_checkpoint(rank: int = 2, elements: int = 6) -> bytes:
    """A file as PyTorch 0.1 wrote it: one storage, a part of it, and a tensor over each."""
    storages = pickle.dumps(1, 2) + b"\x80\x02(K\x05X\x03\x00\x00\x00cpuctorch\nFloatStorage\nt."
    storages += struct.pack("<q6f", elements, *range(6)) + pickle.dumps([(9, 5, 2, 3)], 2)
    tensors = pickle.dumps(2, 2) + b"\x80\x02(K\x07K\x05ctorch\nFloatTensor\nt."
    tensors += struct.pack("<ii5q", rank, 0, 2, 3, 3, 1, 0)
    tensors += b"\x80\x02(K\x08K\x09ctorch\nFloatTensor\nt." + struct.pack("<ii3q", 1, 0, 3, 1, 0)
    named = b"\x80\x02}(X\x01\x00\x00\x00aK\x07QX\x01\x00\x00\x00bX\x01\x00\x00\x008Qu."
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member(archive, "sys_info", pickle.dumps({"little_endian": True}, 2))
        member(archive, "pickle", named)
        member(archive, "tensors", tensors)
        member(archive, "storages", storages)
    return file.getvalue()


def test_tar_files_of_the_first_pytorch(tmp_path):
    data = tar_checkpoint()
    path = tmp_path / "old.tar"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        loaded = torch.load(source, weights_only=False)
        assert loaded["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
        loaded["a"][0, 2] = 77
        assert loaded["b"].tolist() == [77, 3, 4]
    with pytest.raises(RuntimeError, match="Cannot use ``weights_only=True``"):
        torch.load(path)
    for wrong in (tar_checkpoint(rank=1000), tar_checkpoint(elements=2**60)):
        with pytest.raises(pickle.UnpicklingError, match="malformed"):
            torch.load(io.BytesIO(wrong), weights_only=False)


def test_tar_file_in_pytorch(tmp_path):
    theirs = pytest.importorskip("torch")
    path = tmp_path / "old.tar"
    path.write_bytes(tar_checkpoint())
    loaded = theirs.load(os.fspath(path), weights_only=False)
    assert loaded["b"].tolist() == [2, 3, 4] and loaded["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


def part_of_storage() -> bytes:
    """The old format, with a storage that is a part of another, as before PyTorch 0.4."""
    data = saved(torch.arange(6.0), _use_new_zipfile_serialization=False).getvalue()
    # (..., numel, None) becomes (..., numel, ("1", 2, 3)); offset and size of the tensor follow.
    old = b"K\x06Ntq\x05QK\x00K\x06\x85"
    assert old in data
    return data.replace(old, b"K\x06(X\x01\x00\x00\x001K\x02K\x03ttq\x05QK\x00K\x03\x85")


def test_parts_of_storages():
    file = io.BytesIO(part_of_storage())
    assert torch.load(file).tolist() == [2, 3, 4]
    wrong = part_of_storage().replace(b"1K\x02K\x03tt", b"1K\x05K\x03tt")
    with pytest.raises(pickle.UnpicklingError, match="outside"):
        torch.load(io.BytesIO(wrong))


def test_parts_of_storages_in_pytorch():
    theirs = pytest.importorskip("torch")
    assert theirs.load(io.BytesIO(part_of_storage())).tolist() == [2, 3, 4]


def test_helpers():
    class Module:
        __name__ = "Module"
        __version__ = "1.5.3"

    check = serialization.check_module_version_greater_or_equal
    assert check(Module, (1, 4)) and check(Module, (1, 5, 3)) and not check(Module, (1, 6))
    Module.__version__ = "1.x"
    with pytest.raises(RuntimeError, match="malformed"):
        check(Module, (1, 6))
    with pytest.warns(UserWarning, match="malformed"):
        assert check(Module, (1, 6), error_if_malformed=False)
    assert serialization.normalize_storage_type(torch.FloatStorage) is torch.FloatStorage
    assert serialization.StorageType("HalfStorage").dtype is torch.float16


def test_checksums_are_those_of_zip_files():
    from zlib import crc32

    from rushlight.serialization import _zip

    data = bytes((i * i + i // 7) % 256 for i in range(70_001))
    for size in (*range(200), 1000, 4096, 65_536, 70_000):
        for start in (0, 1):
            part = memoryview(data)[start : start + size]
            for value in (0, 1, 0xFFFFFFFF):
                assert _zip.crc32(part, value) == crc32(part, value), (size, start, value)
