"""Files from anyone: code is never run, and nothing malformed gets past an exception."""

import io
import os
import pickle
import random
import struct
import zipfile

import pytest

import rushlight as torch


class Evil:
    """Pickles into a call of os.system."""

    def __reduce__(self):
        return os.system, ("touch /tmp/rushlight-was-here",)


def archive(data: bytes, records=(), **options) -> io.BytesIO:
    """A checkpoint with the given pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")
        for name, content in records:
            file.writestr(name, content)
    buffer.seek(0)
    return buffer


def tensor_pickle(numel=4, offset=0, size=(4,), stride=(1,), key="0", storage="FloatStorage"):
    """A pickle of one float tensor with the given claims."""
    buffer = io.BytesIO()
    buffer.write(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage")
    buffer.write(b"ctorch\n" + storage.encode() + b"\n")
    for text in (key, "cpu"):
        buffer.write(b"X" + struct.pack("<I", len(text)) + text.encode())

    def number(value):
        data = value.to_bytes(9, "little", signed=True)
        buffer.write(b"\x8a\x09" + data)

    number(numel)
    buffer.write(b"tQ")
    number(offset)
    for values in (size, stride):
        buffer.write(b"(")
        for value in values:
            number(value)
        buffer.write(b"t")
    buffer.write(b"\x89ccollections\nOrderedDict\n)RtR.")
    return buffer.getvalue()


def refused(buffer, match=None):
    with pytest.raises((pickle.UnpicklingError, RuntimeError), match=match):
        torch.load(buffer)


def test_helper_makes_a_good_file():
    loaded = torch.load(
        archive(tensor_pickle(), [("archive/data/0", struct.pack("<4f", 1, 2, 3, 4))])
    )
    assert loaded.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_does_not_run(protocol):
    mark = "/tmp/rushlight-was-here"
    if os.path.exists(mark):
        os.unlink(mark)
    refused(archive(pickle.dumps(Evil(), protocol)), "weights_only")
    assert not os.path.exists(mark)


def test_refusal_names_the_global_and_the_remedy():
    with pytest.raises(pickle.UnpicklingError) as caught:
        torch.load(archive(pickle.dumps(Evil(), 2)))
    text = str(caught.value)
    assert "Weights only load failed" in text and "system" in text
    assert "weights_only=False" in text and "add_safe_globals" in text


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval", "builtins getattr", "builtins __import__", "os system", "posix system",
        "subprocess Popen", "torch load", "torch.serialization load", "torch.hub load",
        "torch._utils __builtins__", "torch.nn.modules.linear Linear", "codecs open",
        "builtins bytearray.__init__", "collections OrderedDict.__init__",
    ],
)  # fmt: skip
def test_no_other_global_can_be_named(name):
    module, attribute = name.split()
    data = f"c{module}\n{attribute}\n.".encode()
    refused(archive(b"\x80\x02" + data), "Unsupported global")
    short = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode()
    short += b"\x8c" + bytes([len(attribute)]) + attribute.encode() + b"\x93."
    refused(archive(short), "Unsupported global")


CALLS = [
    b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R.",  # bytearray(2**44)
    b"cbuiltins\nbytearray\nX\x01\x00\x00\x00aX\x03\x00\x00\x00cpu\x86R.",  # an encoding
    b"cbuiltins\nset\nX\x03\x00\x00\x00abc\x85R.",  # set of a string
    b"cbuiltins\ncomplex\nX\x01\x00\x00\x001\x85R.",
    b"ccollections\nOrderedDict\n}X\x01\x00\x00\x00abK\x01b.",
    b"ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb.",
    b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
    b"ctorch\nFloatStorage\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R.",
    b"ctorch\nTensor\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R.",
    b"ctorch\nTensor\n)\x81.",
    b"ctorch\nfloat32\n)R.",
    b"ctorch._utils\n_rebuild_parameter\nNNN\x87R.",
    b"ctorch.storage\nTypedStorage\n)R.",
    b"]K\x01b.",
    b"K\x01]a.",
    b"K\x01K\x02s.",
    b"}(K\x01u.",
    b"(]K\x01d.",
]


@pytest.mark.parametrize("body", CALLS)
def test_strange_calls_are_refused(body):
    try:
        loaded = torch.load(archive(b"\x80\x02" + body))
    except (pickle.UnpicklingError, RuntimeError):
        return
    assert loaded == {}, "only an odd number of items may be dropped silently"


@pytest.mark.parametrize(
    "claims",
    [
        {"numel": 2**40},
        {"numel": 5},
        {"numel": 3},
        {"numel": -4},
        {"size": (5,)},
        {"offset": 1},
        {"offset": -1},
        {"stride": (2,)},
        {"stride": (-1,)},
        {"size": (-1,)},
        {"size": (2**31, 2**31, 2**31), "stride": (1, 1, 1)},
        {"size": (4, 2**62), "stride": (1, 1)},
        {"stride": (2**62,)},
        {"offset": 2**62},
        {"size": (2, 2), "stride": (2,)},
        {"key": "../../etc/passwd"},
        {"key": "1"},
        {"storage": "DoubleStorage"},
        {"storage": "Tensor"},
    ],
)
def test_claims_are_checked_against_the_record(claims):
    record = ("archive/data/0", struct.pack("<4f", 1, 2, 3, 4))
    refused(archive(tensor_pickle(**claims), [record]))


def test_compressed_records_are_refused():
    data = tensor_pickle()
    refused(archive(data, compression=zipfile.ZIP_DEFLATED), "compressed")


def test_deep_and_shared_keys_are_refused():
    deep = b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s."
    refused(archive(deep), "nested too deeply")
    shared = b"\x80\x02}" + b")" + b"2\x86" * 60 + b"K\x01s."
    refused(archive(shared), "nested too deeply")
    in_set = b"\x80\x04\x8f(" + b")" + b"\x85" * 100_000 + b"\x90."
    refused(archive(in_set), "nested too deeply")


def test_deeply_nested_lists_load():
    nested = torch.load(archive(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."))
    depth = 0
    while nested:
        nested = nested[0]
        depth += 1
    assert depth == 49_999


@pytest.mark.parametrize("data", [b"", b"\x80\x02", b".", b"\x80\x02.", b"\x80\x09N.", b"\xff"])
def test_broken_pickles(data):
    refused(archive(data))


@pytest.mark.parametrize("data", [b"hello", b"PK\x03\x04", b"PK\x03\x04" + bytes(100), bytes(1000)])
def test_other_files(data):
    refused(io.BytesIO(data))


def test_empty_file_is_end_of_file():
    with pytest.raises(EOFError):
        torch.load(io.BytesIO())


def overlapping() -> bytes:
    """Two directory entries that point to one record."""
    buffer = archive(
        tensor_pickle(), [("archive/data/0", bytes(16)), ("archive/data/1", bytes(16))]
    )
    data = bytearray(buffer.getvalue())
    entries = [i for i in range(len(data)) if data[i : i + 4] == b"PK\x01\x02"]
    first, second = entries[-2], entries[-1]
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return bytes(data)


def test_overlapping_and_repeated_records_are_refused():
    refused(io.BytesIO(overlapping()))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(tensor_pickle(), [("archive/data/0", bytes(16))] * 2)
    refused(twice, "twice")


def sample() -> bytes:
    buffer = io.BytesIO()
    base = torch.arange(12.0)
    torch.save(
        {
            "a": base,
            "b": base.reshape(3, 4)[1:],
            "p": torch.nn.Parameter(torch.ones(2)),
            "n": [1, 2.5, "x", (None, True)],
            "d": torch.float16,
        },
        buffer,
    )
    return buffer.getvalue()


EXPECTED = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_never_do_worse_than_raise(seed):
    rng = random.Random(seed)
    whole = sample()
    for _ in range(150):
        data = bytearray(whole)
        kind = rng.random()
        if kind < 0.3:
            del data[rng.randrange(len(data)) :]
        elif kind < 0.4:
            start = rng.randrange(len(data))
            del data[start : start + rng.randrange(1, 40)]
        else:
            for _ in range(rng.choice([1, 1, 2, 8])):
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            torch.load(io.BytesIO(bytes(data)))
        except EXPECTED:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_mutated_pickles_never_do_worse_than_raise(seed):
    rng = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(sample())) as file:
        pickled = file.read("archive/data.pkl")
        records = [(n, file.read(n)) for n in file.namelist() if "/data/" in n]
    for _ in range(300):
        data = bytearray(pickled)
        for _ in range(rng.choice([1, 1, 2, 4])):
            place = rng.randrange(len(data))
            if rng.random() < 0.2:
                del data[place : place + rng.randrange(1, 5)]
            else:
                data[place] = rng.randrange(256)
        try:
            repr(torch.load(archive(bytes(data), records)))
        except EXPECTED:
            continue


def test_truncated_everywhere():
    whole = sample()
    for length in range(0, len(whole), 7):
        with pytest.raises(EXPECTED):
            torch.load(io.BytesIO(whole[:length]))


def test_bit_flip_in_the_data_is_noticed():
    data = bytearray(sample())
    place = data.index(struct.pack("<4f", 0, 1, 2, 3))
    data[place + 6] ^= 1
    refused(io.BytesIO(bytes(data)), "checksum")


def test_safe_globals_allow_a_class():
    buffer = archive(pickle.dumps(Point(1, 2), 2))
    refused(buffer, "Point")
    buffer.seek(0)
    torch.serialization.add_safe_globals([Point])
    try:
        loaded = torch.load(buffer)
        assert (loaded.x, loaded.y) == (1, 2)
    finally:
        torch.serialization.clear_safe_globals()


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def test_tensor_state_cannot_replace_methods():
    body = (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n"
        b"ctorch\nTensor\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpuK\x04tQK\x00K\x04\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rt"
        b"}X\x04\x00\x00\x00itemK\x01stR."
    )
    refused(archive(body, [("archive/data/0", bytes(16))]), "attribute")


def test_unseekable_file_is_explained():
    class Pipe:
        def read(self, size=-1):
            return b""

    with pytest.raises(AttributeError, match="seekable"):
        torch.load(Pipe())


def test_cuda_location_without_cuda():
    data = tensor_pickle().replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    record = ("archive/data/0", bytes(16))
    refused(archive(data, [record]), "map_location")
    loaded = torch.load(archive(data, [record]), map_location="cpu")
    assert loaded.device.type == "cpu"
    assert torch.load(archive(data, [record]), map_location={"cuda:0": "cpu"}).numel() == 4


def test_refused_globals_can_be_listed():
    buffer = archive(pickle.dumps([Point(1, 2), torch.ones(1)], 2))
    names = torch.serialization.get_unsafe_globals_in_checkpoint(buffer)
    assert any(name.endswith(".Point") for name in names) and "collections.OrderedDict" not in names


def test_checksums_can_be_left_out(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        assert torch.serialization.get_crc32_options() is False
        torch.save(torch.arange(3), tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.load(tmp_path / "x.pt").tolist() == [0, 1, 2]


def test_numpy_scalars_load_once_allowed():
    np = pytest.importorskip("numpy")
    buffer = io.BytesIO()
    torch.save({"best": np.float64(0.5)}, buffer)
    buffer.seek(0)
    refused(buffer, "numpy")
    buffer.seek(0)
    scalar = np.float64(0.5).__reduce__()[0]
    with torch.serialization.safe_globals([scalar, np.dtype, type(np.dtype(np.float64))]):
        assert torch.load(buffer)["best"] == 0.5


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def storage(key="0", numel=4, kind="FloatStorage") -> bytes:
    named = text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu")
    return b"(" + named + b"J" + struct.pack("<i", numel) + b"tQ"


def rebuilt(size: bytes, stride: bytes, metadata=b"", kind="FloatStorage", function="_v2") -> bytes:
    """The opcodes of a tensor over record 0."""
    head = b"ctorch._utils\n_rebuild_tensor" + function.encode() + b"\n("
    tail = b"K\x00" + size + stride + b"\x89ccollections\nOrderedDict\n)R" + metadata + b"tR"
    return head + storage(kind=kind) + tail


ROWS = b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85"  # (2**40,)
STILL = b"K\x00\x85"
RECORD = ("archive/data/0", bytes(16))


def test_small_files_cannot_ask_for_much_memory():
    """A call that copies is allowed what the file holds, and no more."""
    block = b"B" + struct.pack("<I", 100_000) + bytes(100_000)
    again = b"".join(b"cbuiltins\nbytearray\nh\x00\x85R" for _ in range(1000))
    refused(archive(b"\x80\x02" + block + b"q\x00(" + again + b"t."), "more than it contains")
    once_more = b"cbuiltins\nbytearray\nh\x00\x85R"
    assert len(torch.load(archive(b"\x80\x02" + block + b"q\x00" + once_more + b"."))) == 100_000
    for metadata in (b"}" + text("conj") + b"\x88s", b"}" + text("neg") + b"\x88s"):
        body = rebuilt(ROWS, STILL, metadata)
        refused(archive(b"\x80\x02" + body + b".", [RECORD]), "more than it contains")


def test_expanded_sparse_parts_are_not_walked():
    indices = rebuilt(b"K\x01" + ROWS[:-1] + b"\x86", b"K\x00K\x00\x86", kind="LongStorage")
    indices = indices.replace(b"J\x04\x00\x00\x00", b"J\x02\x00\x00\x00")
    body = b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\nctorch.serialization\n_get_layout\n"
    body += text("torch.sparse_coo") + b"\x85R(" + indices + rebuilt(ROWS, STILL)
    refused(archive(body + b"K\x05\x85t\x86R.", [RECORD]), "more than it contains")


def test_deep_objects_are_neither_hashed_nor_printed():
    deep = b")" + b"\x85" * 200_000
    wide = b"]" + b"2\x86" * 60
    for strange in (deep, wide):
        for body in (
            strange + b")R",
            strange + b"Q",
            b"(" + strange + b"tQ",
            b"ctorch._tensor\n_rebuild_from_type_v2\n(" + strange + b"ctorch\nTensor\n)}tR",
            b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n"
            + strange + b")}tR",
            b"ctorch.serialization\n_get_layout\n" + strange + b"\x85R",
            b"ctorch\ndevice\n" + strange + b"\x85R",
            b"ctorch\nSize\n" + strange + b"\x85R",
            b"ctorch\nfloat32\n" + strange + b"b",
            strange + b"}b",
            strange + b")\x81",
            text("torch") + strange + b"\x93",
        ):  # fmt: skip
            refused(archive(b"\x80\x02" + body + b".", [RECORD]))


def test_bytes_in_front_of_a_name_and_long_names():
    refused(archive(b"\x80\x02" + storage(key="0" * 100_000) + b".", [RECORD]), "no record")
    with pytest.raises(pickle.UnpicklingError) as caught:
        torch.load(archive(b"\x80\x02ctorch\n" + b"x" * 100_000 + b"\n."))
    assert len(str(caught.value)) < 5000
